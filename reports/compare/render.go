package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bench/datasets"
	"bench/reports"
)

// Schema names the form of a JSON comparison.
const Schema = "bench.compare/1"

// wholeRows is up to how many rows of a suite are shown whole; of longer ones
// those that are slower or faster are, and all with --format json.
const wholeRows = 120

// Write renders the comparison: the summary, what changed, each suite's rows,
// why rows have no verdict, and what is on one side only.
func Write(p *reports.Page, r *Result) error {
	p.Title(1, fmt.Sprintf("%s against %s", sideName(r.New), sideName(r.Base)))
	p.Line(headline(r))
	for _, n := range r.Notes {
		p.Line("Note: " + n)
	}
	if len(r.Suites) > 0 {
		p.Title(2, "By suite: ratio is new / base, above 1 is slower")
		p.Table([]string{"suite", "device", "rows", "geomean", "between runs", "slower", "faster", "same", "no verdict"}, suiteLines(r), 3, 4, 5, 6, 7, 8, 9)
	}
	for _, s := range r.Suites {
		rows := rowsOf(r, &s)
		p.Title(2, s.Suite+" on "+devices(s.BaseDevice, s.NewDevice)+simulated(rows))
		hidden := 0
		if len(rows) > wholeRows {
			all := len(rows)
			rows = slices.DeleteFunc(rows, func(r *Row) bool { return r.Verdict != Slower && r.Verdict != Faster })
			hidden = all - len(rows)
		}
		var lines [][]string
		for _, row := range rows {
			lines = append(lines, rowLine(row))
		}
		if len(lines) > 0 {
			p.Table([]string{"workload", "base", "new", "ratio", "95 % interval", "p adj.", "verdict"}, lines, 2, 3, 4, 5, 6)
		}
		if hidden > 0 {
			p.Line(fmt.Sprintf("… %s more rows are the same or have no verdict (--format json lists them)", reports.Count(hidden)))
		}
	}
	if reasons := Reasons(r); len(reasons) > 0 {
		p.Title(2, "Why there is no verdict")
		p.List(head(reasons, 20))
	}
	if len(r.Only) > 0 {
		p.Title(2, "On one side only")
		var lines []string
		for _, o := range r.Only {
			lines = append(lines, fmt.Sprintf("%s only: %s on %s", o.Side, o.Key, o.Device))
		}
		p.List(head(lines, 40))
	}
	return p.Err()
}

func head(lines []string, n int) []string {
	if len(lines) <= n {
		return lines
	}
	return append(slices.Clone(lines[:n]), fmt.Sprintf("… %s more (--format json)", reports.Count(len(lines)-n)))
}

func sideName(runs []datasets.Meta) string {
	switch len(runs) {
	case 0:
		return "nothing"
	case 1:
		return runs[0].ID
	}
	return fmt.Sprintf("%d runs (%s … %s)", len(runs), day(runs[0]), day(runs[len(runs)-1]))
}

func day(m datasets.Meta) string {
	if m.StartUnixS == 0 {
		return m.ID
	}
	return time.Unix(m.StartUnixS, 0).UTC().Format(time.DateOnly)
}

// headline is the comparison in one sentence.
func headline(r *Result) string {
	counts := map[string]int{}
	for i := range r.Rows {
		counts[r.Rows[i].Verdict]++
	}
	var parts []string
	for _, v := range Verdicts {
		parts = append(parts, fmt.Sprintf("%s %s", reports.Count(counts[v]), v))
	}
	s := fmt.Sprintf("%s workloads on both sides: %s.", reports.Count(len(r.Rows)), strings.Join(parts, ", "))
	for _, o := range []string{"base", "new"} {
		n := 0
		for i := range r.Only {
			if r.Only[i].Side == o {
				n++
			}
		}
		if n > 0 {
			s += fmt.Sprintf(" %s only in %s.", reports.Count(n), o)
		}
	}
	return s
}

func suiteLines(r *Result) [][]string {
	var out [][]string
	for _, s := range r.Suites {
		between, mean := "-", "-"
		if s.BetweenRuns > 0 {
			between = "±" + reports.Percent(s.BetweenRuns)
		}
		if s.N > 0 {
			mean = fmt.Sprintf("%.3f", s.GeoMean)
		}
		line := []string{s.Suite, devices(s.BaseDevice, s.NewDevice), reports.Count(s.N), mean, between}
		for _, v := range Verdicts {
			line = append(line, reports.Count(s.Counts[v]))
		}
		out = append(out, line)
	}
	return out
}

func devices(base, new string) string {
	if base == new {
		return base
	}
	return new + " against " + base
}

func rowsOf(r *Result, s *Suite) []*Row {
	var rows []*Row
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Suite == s.Suite && row.BaseDevice == s.BaseDevice && row.NewDevice == s.NewDevice {
			rows = append(rows, row)
		}
	}
	return rows
}

func simulated(rows []*Row) string {
	if slices.ContainsFunc(rows, func(r *Row) bool { return r.Simulated }) {
		return " (holds SIMULATED rows, which say nothing about hardware)"
	}
	return ""
}

func rowLine(r *Row) []string {
	seconds := func(s float64) string {
		if s == 0 {
			return "-"
		}
		return reports.Seconds(s)
	}
	label := r.Label
	if r.UUID != "" {
		label += " " + r.UUID[:min(len(r.UUID), len("GPU-01234567"))]
	}
	line := []string{label, seconds(r.BaseS), seconds(r.NewS), "-", "-", "-", r.Verdict}
	if r.Ratio > 0 {
		line[3] = fmt.Sprintf("%.3f", r.Ratio)
	}
	if r.P != nil {
		line[4] = fmt.Sprintf("%.3f … %.3f", r.Low, r.High)
	}
	if r.AdjustedP != nil {
		line[5] = PValue(*r.AdjustedP)
	}
	if r.Verdict == NoVerdict && len(r.Why) > 0 {
		line[6] = r.Why[0].Name
		if len(r.Why) > 1 {
			line[6] += ", …"
		}
		line[6] = "no: " + line[6]
	}
	return line
}

// PValue writes a probability to what matters of it.
func PValue(p float64) string {
	if p < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}

// Reasons words why rows have no verdict, the most frequent first.
func Reasons(r *Result) []string {
	counts := map[string]int{}
	for i := range r.Rows {
		for _, c := range r.Rows[i].Why {
			text := c.Text
			switch {
			case c.Name == "noise":
				text = "noise: the interval holds both no difference and one of interest"
			case c.Name == "clock":
				text = "the clock differed by more than 3 % (--across clock where that is what you compare)"
			case slices.Contains(Across, c.Name):
				text += " (--across " + c.Name + " where that is what you compare)"
			}
			counts[text]++
		}
	}
	var out []string
	for text := range counts {
		out = append(out, text)
	}
	slices.SortFunc(out, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for i, text := range out {
		out[i] = fmt.Sprintf("%s × %s", reports.Count(counts[text]), text)
	}
	return out
}

// JSON writes the whole comparison, schema bench.compare/1.
func JSON(w io.Writer, r *Result) error {
	doc := struct {
		Schema     string          `json:"schema"`
		Base       []datasets.Meta `json:"base"`
		New        []datasets.Meta `json:"new"`
		Confidence float64         `json:"confidence"`
		Within     float64         `json:"within"`
		FDR        float64         `json:"fdr"`
		Notes      []string        `json:"notes"`
		Suites     []Suite         `json:"suites"`
		Rows       []Row           `json:"rows"`
		Only       []Only          `json:"only"`
	}{Schema, reports.NonNil(r.Base), reports.NonNil(r.New), Confidence, r.Options.Within, r.Options.FDR, reports.NonNil(r.Notes), reports.NonNil(r.Suites), reports.NonNil(r.Rows), reports.NonNil(r.Only)}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(doc)
}
