package html

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bench/datasets"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	// chromedp: drives an installed Chromium, without Node.
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browser starts Chromium, or skips the test where none is installed.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome", "headless-shell"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium is installed: install chromium to test the page in a browser")
	}
	ctx, cancel := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(chromedp.NoSandbox, chromedp.ExecPath(path)))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Skipf("%s does not start: %v", path, err)
	}
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// open shows a page from a file, as a mail attachment is, and returns what it
// complained of so far.
func open(t *testing.T, ctx context.Context, content string) (complaints func() []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	var lock sync.Mutex
	var said []string
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			lock.Lock()
			said = append(said, fmt.Sprint(m))
			lock.Unlock()
		}
	}()
	do(t, ctx, chromedp.EmulateViewport(1200, 900), chromedp.Navigate("file://"+file))
	return func() []string {
		// The browser delivers messages in order: once this one has come, so
		// have those before it.
		eval[bool](t, ctx, `console.log("the last message"), true`)
		for {
			lock.Lock()
			n := len(said)
			if n > 0 && strings.Contains(said[n-1], "the last message") {
				lock.Unlock()
				return said[:n-1]
			}
			lock.Unlock()
			if ctx.Err() != nil {
				t.Fatal(ctx.Err())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func eval[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}

// TestInBrowser is a reader's visit: nothing complains, nothing hostile runs,
// points answer to the pointer and to keys, tables sort and filter.
func TestInBrowser(t *testing.T) {
	ctx := browser(t)
	complaints := open(t, ctx, samplePage(t))

	if ran := eval[bool](t, ctx, `"ran" in window`); ran {
		t.Error("text of a file ran as a script")
	}

	t.Run("hover", func(t *testing.T) {
		// The first product's dot of the roofline, brought into view.
		at := eval[[]float64](t, ctx, `(() => {
			const svg = document.querySelector("#roofline-plot .panel > svg");
			svg.scrollIntoView({block: "center", behavior: "instant"});
			const m = svg.querySelectorAll("path.d")[1].getAttribute("d").match(/M([-\d.]+) ([-\d.]+)h0/);
			const p = new DOMPoint(+m[1], +m[2]).matrixTransform(svg.getScreenCTM());
			return [p.x, p.y];
		})()`)
		if hidden := eval[bool](t, ctx, `document.getElementById("tip").hidden`); !hidden {
			t.Error("a tip shows before any hover")
		}
		do(t, ctx, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0]+2, at[1]+1))
		tip := eval[string](t, ctx, `document.getElementById("tip").hidden ? "" : document.getElementById("tip").textContent`)
		for _, want := range []string{"measured", "Predicted", "binds"} {
			if !strings.Contains(tip, want) {
				t.Errorf("the tip does not say %q: %q", want, tip)
			}
		}
		do(t, ctx, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 1, 1))
		if hidden := eval[bool](t, ctx, `document.getElementById("tip").hidden`); !hidden {
			t.Error("the tip stays after the pointer left")
		}
	})

	t.Run("keys on a plot", func(t *testing.T) {
		said := func() string {
			return eval[string](t, ctx, `document.activeElement.parentNode.querySelector(".says").textContent`)
		}
		eval[bool](t, ctx, `document.querySelector("#error-plot .panel > svg").focus(), true`)
		do(t, ctx, chromedp.KeyEvent(kb.ArrowRight))
		first := said()
		do(t, ctx, chromedp.KeyEvent(kb.ArrowRight))
		second := said()
		if first == "" || second == "" || first == second {
			t.Errorf("the arrow keys said %q, then %q", first, second)
		}
		do(t, ctx, chromedp.KeyEvent(kb.Home))
		if back := said(); back != first {
			t.Errorf("Home said %q, not %q", back, first)
		}
	})

	t.Run("sorting", func(t *testing.T) {
		column := func(sel string, c int) []float64 {
			return eval[[]float64](t, ctx, fmt.Sprintf(`[...document.querySelectorAll("%s tbody tr")].map(r => +r.cells[%d].dataset.v)`, sel, c))
		}
		sorted := func(v []float64, sign float64) bool {
			for i := 1; i < len(v); i++ {
				if sign*(v[i]-v[i-1]) < 0 {
					return false
				}
			}
			return len(v) > 2
		}
		if sorted(column("#summary table", 6), 1) {
			t.Error("MAPE is sorted before any click: the test shows nothing")
		}
		eval[bool](t, ctx, `document.querySelector("#summary").scrollIntoView({behavior: "instant"}), true`)
		do(t, ctx, chromedp.Click(chromedp.CSS("#summary th:nth-child(7) button")))
		if !sorted(column("#summary table", 6), 1) {
			t.Error("a click does not sort upwards")
		}
		eval[bool](t, ctx, `document.querySelector("#summary th:nth-child(7) button").focus(), true`)
		do(t, ctx, chromedp.KeyEvent(kb.Enter))
		if !sorted(column("#summary table", 6), -1) {
			t.Error("Enter does not sort downwards")
		}
		if order := eval[string](t, ctx, `document.querySelector("#summary th:nth-child(7)").getAttribute("aria-sort")`); order != "descending" {
			t.Errorf("aria-sort is %q", order)
		}
	})

	t.Run("all rows", func(t *testing.T) {
		count := func() string { return eval[string](t, ctx, `document.getElementById("row-count").textContent`) }
		before := count()
		do(t, ctx, chromedp.SendKeys(chromedp.CSS("#row-filter"), "all_reduce 8"))
		if after := count(); after == before || !strings.Contains(after, " of ") {
			t.Errorf("the filter changed %q to %q", before, after)
		}
		if other := eval[int](t, ctx, `[...document.querySelectorAll("#row-table tbody tr")].filter(r => !r.textContent.includes("all_reduce")).length`); other > 0 {
			t.Errorf("%d rows are none that the filter asked for", other)
		}
		do(t, ctx, chromedp.Click(chromedp.CSS("#row-table th:nth-child(9) button")))
		errors := eval[[]string](t, ctx, `[...document.querySelectorAll("#row-table tbody tr")].map(r => r.cells[8].textContent).filter(Boolean)`)
		last := -1e9
		for _, e := range errors {
			var v float64
			fmt.Sscanf(strings.Replace(e, "−", "-", 1), "%g", &v)
			if v < last {
				t.Errorf("errors are not sorted: %v", errors)
				break
			}
			last = v
		}
		if len(errors) < 3 {
			t.Errorf("only %d errors to sort", len(errors))
		}
	})

	t.Run("narrow", func(t *testing.T) {
		do(t, ctx, chromedp.EmulateViewport(400, 800))
		if w := eval[int](t, ctx, `document.documentElement.scrollWidth`); w > 400 {
			t.Errorf("the page is %d wide in a window of 400", w)
		}
	})

	t.Run("dark", func(t *testing.T) {
		ink := `getComputedStyle(document.querySelector(".panel path.d")).stroke + getComputedStyle(document.body).backgroundColor`
		light := eval[string](t, ctx, ink)
		if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}); err != nil {
			t.Fatal(err)
		}
		if dark := eval[string](t, ctx, ink); dark == light {
			t.Errorf("dark and light are both %s", dark)
		}
	})

	if said := complaints(); len(said) > 0 {
		t.Errorf("the page complained: %q", said)
	}
}

// TestManyRowsInBrowser: 10,000 rows load, hover and sort without a complaint.
// No time is asserted.
func TestManyRowsInBrowser(t *testing.T) {
	ctx := browser(t)
	complaints := open(t, ctx, manyPage(t))
	if n := eval[int](t, ctx, `document.querySelectorAll("#row-table tbody tr").length`); n != firstRows {
		t.Errorf("the table shows %d rows, want a page of %d", n, firstRows)
	}
	do(t, ctx, chromedp.Click(chromedp.CSS("#row-table th:nth-child(5) button")))
	eval[bool](t, ctx, `document.querySelector("#error-plot .panel > svg").focus(), true`)
	do(t, ctx, chromedp.KeyEvent(kb.End))
	if said := eval[string](t, ctx, `document.querySelector("#error-plot .says").textContent`); !strings.Contains(said, "measured") {
		t.Errorf("End said %q", said)
	}
	elements := eval[int](t, ctx, `document.querySelectorAll("*").length`)
	if elements > 5000 {
		t.Errorf("%d elements for a page of 10,000 rows", elements)
	}
	if said := complaints(); len(said) > 0 {
		t.Errorf("the page complained: %q", said)
	}
}

// TestWithoutScript: a page without script still shows its first rows.
func TestWithoutScript(t *testing.T) {
	p := render(t, sampleRun(t, "a100-sxm-80", datasets.SourceMeasured, 1))
	_, rows, _ := strings.Cut(p, `<div id="row-table">`)
	rows, _, _ = strings.Cut(rows, "</section>")
	if n := strings.Count(rows, "<tr>"); n != 1+firstRows {
		t.Errorf("%d lines without a script, want a head and %d rows", n, firstRows)
	}
}
