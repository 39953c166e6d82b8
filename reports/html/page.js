"use strict";
(() => {
const data = JSON.parse(document.getElementById("row-data").textContent);
const word = i => data.words[i];
const digits = v => { const a = Math.abs(v); return v.toFixed(a < 9.995 ? 2 : a < 99.95 ? 1 : 0); };
const seconds = s => {
  let v = s * 1e9, i = 0;
  while (Math.abs(v) >= 999.5 && i < 3) { v /= 1000; i++; }
  return digits(v) + " " + ["ns", "µs", "ms", "s"][i];
};
const percent = r => (r < 0 ? "−" : "+") + Math.abs(r * 100).toFixed(Math.abs(r) < 0.9995 ? 1 : 0) + " %";
const measured = r => seconds(r[8]) + (r[10] > r[9] && r[8] > 0 ? " ±" + ((r[10] - r[9]) / 2 / r[8] * 100).toFixed(1) + " %" : "");
const says = i => {
  const r = data.rows[i];
  let s = word(r[0]) + " (" + word(r[1]) + "): measured " + measured(r);
  if (word(r[7])) s += ", " + word(r[7]);
  if (r[11] > 0) s += ". Predicted " + seconds(r[11]) + " (" + word(r[4]) + "), error " + percent(r[12]) + ", " + word(r[5]) + " binds";
  if (word(r[6])) s += ". " + word(r[6]);
  return s;
};

// Plots: the nearest point says what it is, under the pointer or by arrow keys.
const tip = document.body.appendChild(document.createElement("div"));
tip.id = "tip";
tip.hidden = true;
const dots = svg => {
  if (svg.dots) return svg.dots;
  const all = [];
  for (const path of svg.querySelectorAll("path.d")) {
    const at = [...path.getAttribute("d").matchAll(/M([-\d.]+) ([-\d.]+)h0/g)];
    const texts = path.dataset.t === undefined ? null : path.dataset.t.split("\n");
    const rows = texts ? null : path.dataset.r.split(" ");
    at.forEach((m, i) => all.push({x: +m[1], y: +m[2], text: texts ? texts[i] : null, row: rows ? +rows[i] : -1}));
  }
  all.sort((a, b) => a.x - b.x || a.y - b.y);
  return svg.dots = all;
};
const show = (svg, i, speak) => {
  const dot = dots(svg)[i];
  svg.chosen = i;
  let ring = svg.querySelector("circle.mark");
  if (!ring) {
    ring = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "circle"));
    ring.setAttribute("class", "mark");
    ring.setAttribute("r", "6");
  }
  ring.setAttribute("cx", dot.x);
  ring.setAttribute("cy", dot.y);
  const said = dot.text === null ? says(dot.row) : dot.text;
  tip.textContent = said;
  tip.hidden = false;
  const place = new DOMPoint(dot.x, dot.y).matrixTransform(svg.getScreenCTM());
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(place.x + 12, innerWidth - box.width - 4)) + "px";
  tip.style.top = (place.y + 14 + box.height > innerHeight ? Math.max(4, place.y - box.height - 10) : place.y + 14) + "px";
  if (speak) svg.parentNode.querySelector(".says").textContent = said;
};
const hide = svg => {
  tip.hidden = true;
  svg.querySelector("circle.mark")?.remove();
};
for (const svg of document.querySelectorAll(".panel > svg")) {
  if (!svg.querySelector("path.d")) continue;
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("aria-roledescription", "plot; arrow keys go from point to point");
  svg.addEventListener("pointermove", e => {
    const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let best = -1, least = 24 * 24;
    dots(svg).forEach((d, i) => {
      const r = (d.x - p.x) ** 2 + (d.y - p.y) ** 2;
      if (r < least) { least = r; best = i; }
    });
    if (best < 0) hide(svg); else if (best !== svg.chosen || tip.hidden) show(svg, best, false);
  });
  svg.addEventListener("pointerleave", () => hide(svg));
  svg.addEventListener("blur", () => hide(svg));
  svg.addEventListener("keydown", e => {
    const n = dots(svg).length, last = svg.chosen ?? -1;
    const to = {ArrowRight: last + 1, ArrowDown: last + 1, ArrowLeft: last - 1, ArrowUp: last - 1, PageDown: last + 25, PageUp: last - 25, Home: 0, End: n - 1}[e.key];
    if (e.key === "Escape") hide(svg);
    if (to === undefined) return;
    e.preventDefault();
    show(svg, Math.max(0, Math.min(n - 1, to)), true);
  });
}

// Tables sort by their heads: numbers by data-v, words by themselves.
const collate = new Intl.Collator("en", {numeric: true}).compare;
const order = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : typeof a === "number" ? -1 : typeof b === "number" ? 1 : collate(a, b);
const turn = th => {
  const up = th.getAttribute("aria-sort") !== "ascending";
  for (const o of th.parentNode.children) o.removeAttribute("aria-sort");
  th.setAttribute("aria-sort", up ? "ascending" : "descending");
  return up ? 1 : -1;
};
for (const table of document.querySelectorAll("table.sorts")) {
  if (table.closest("#row-table")) continue;
  [...table.tHead.rows[0].cells].forEach((th, c) => th.firstChild.addEventListener("click", () => {
    const sign = turn(th), body = table.tBodies[0];
    const key = tr => { const td = tr.cells[c]; return td.dataset.v === undefined ? td.textContent : +td.dataset.v; };
    const sorted = [...body.rows].map(tr => [key(tr), tr]).sort((a, b) => sign * order(a[0], b[0]));
    body.append(...sorted.map(p => p[1]));
  }));
}

// All rows, a page at a time.
const table = document.querySelector("#row-table table"), pageSize = 50;
const columns = [r => word(r[0]), r => word(r[1]), r => word(r[2]), r => word(r[3]), measured, r => word(r[7]), r => word(r[4]) || "–",
  r => r[11] > 0 ? seconds(r[11]) : "", r => r[11] > 0 ? percent(r[12]) : "", r => word(r[5]), r => word(r[6])];
const keys = {4: r => r[8], 7: r => r[11], 8: r => r[12]};
let shown = data.rows, first = 0;
const draw = () => {
  const lines = shown.slice(first, first + pageSize).map(r => {
    const tr = document.createElement("tr");
    columns.forEach((text, c) => {
      const td = tr.appendChild(document.createElement("td"));
      td.textContent = text(r);
      if (c in keys) td.className = "n";
    });
    return tr;
  });
  table.tBodies[0].replaceChildren(...lines);
  document.getElementById("row-count").textContent = shown.length ? (first + 1) + "–" + Math.min(first + pageSize, shown.length) + " of " + shown.length : "no rows";
  document.getElementById("row-back").disabled = first === 0;
  document.getElementById("row-on").disabled = first + pageSize >= shown.length;
};
if (data.rows.length) {
  document.getElementById("row-tools").hidden = false;
  [...table.tHead.rows[0].cells].forEach((th, c) => th.firstChild.addEventListener("click", () => {
    const sign = turn(th), key = keys[c] || columns[c];
    const sorted = shown.map(r => [key(r), r]).sort((a, b) => sign * order(a[0], b[0]));
    shown = sorted.map(p => p[1]);
    first = 0;
    draw();
  }));
  document.getElementById("row-filter").addEventListener("input", e => {
    const parts = e.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = data.rows.filter(r => { const s = columns.map(f => f(r)).join(" ").toLowerCase(); return parts.every(p => s.includes(p)); });
    for (const th of table.tHead.rows[0].cells) th.removeAttribute("aria-sort");
    first = 0;
    draw();
  });
  document.getElementById("row-back").addEventListener("click", () => { first -= pageSize; draw(); });
  document.getElementById("row-on").addEventListener("click", () => { first += pageSize; draw(); });
  draw();
}
})();
