package reports

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"bench/datasets"

	// go-pretty: aligned tables that wrap by display width.
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// TextOptions size a text report.
type TextOptions struct {
	// Width is the terminal's, in columns; 80 where it is not set. Nothing is
	// written beyond it.
	Width int
	// Rows is how many rows a table shows, the worst ones where there are
	// more; all where it is below 1. A fleet's table shows defaultRows where it is 0.
	Rows int
	// Files are the paths that the rows came from, for Brief's next commands.
	Files []string
}

const defaultRows, defaultWorst = 120, 10

// Text writes a report for a terminal: a table a suite, then the error by suite
// and tier, then what failed, was skipped, flagged, or not predicted. It uses
// no colour.
func Text(w io.Writer, r *Report, o TextOptions) error {
	out := &sink{w: w}
	v := textView{out: out, width: max(o.Width, 60), rows: o.Rows}
	if o.Width == 0 {
		v.width = 80
	}
	for _, run := range r.Runs {
		v.run(run)
	}
	for _, a := range r.Again {
		v.line("note: " + a)
	}
	if r.Aggregate != nil {
		v.line(r.Aggregate.says())
	}
	if r.Fleet != nil {
		out.printf("\n")
		v.fleet(r.Fleet)
	}
	for _, s := range r.Sections() {
		v.section(r, &s)
	}
	v.summary(r)
	v.reasons("Failed, skipped and flagged (~) cases", r.Cases)
	v.reasons("Not predicted", r.NotPredicted)
	return out.err
}

// sink keeps the first error of writing, so that a renderer need not look after
// every line.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) printf(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, format, args...)
	}
}

type textView struct {
	out   *sink
	width int
	rows  int
}

// line writes prose, wrapped.
func (v *textView) line(s string) {
	for l := range strings.SplitSeq(text.WrapSoft(s, v.width), "\n") {
		v.out.printf("%s\n", strings.TrimRight(l, " "))
	}
}

func (v *textView) run(run *datasets.Run) {
	if run.Meta.ID != "" || run.Meta.Host != "" {
		v.line(Clean(strings.TrimSpace(fmt.Sprintf("run %s  %s  %s", run.Meta.ID, run.Meta.Host, run.Meta.Bench))))
	}
	for _, n := range run.Meta.Notes {
		note := "note: " + Clean(n)
		if long := 3 * v.width; utf8.RuneCountInString(note) > long {
			note = string([]rune(note)[:long]) + " … (whole with --format json)"
		}
		v.line(note)
	}
}

// plain is a table without lines, two spaces between columns.
func (v *textView) plain() table.Writer {
	t := table.NewWriter()
	s := table.StyleDefault
	s.Options = table.OptionsNoBordersAndSeparators
	s.Box.PaddingLeft, s.Box.PaddingRight = "", gap
	s.Format.Header = text.FormatDefault
	t.SetStyle(s)
	return t
}

func (v *textView) render(t table.Writer) {
	for l := range strings.SplitSeq(t.Render(), "\n") {
		v.out.printf("%s\n", strings.TrimRight(l, " "))
	}
}

// gap lies between two columns, and minFirst is the least width of the first.
const (
	gap      = "  "
	minFirst = 20
)

// snipLines cuts each line of a cell to a width.
func snipLines(cell string, width int) string {
	lines := strings.Split(cell, "\n")
	for i, l := range lines {
		lines[i] = text.Snip(l, width, "…")
	}
	return strings.Join(lines, "\n")
}

func (v *textView) section(r *Report, s *Section) {
	rows, title := s.Rows, Clean(s.Title())
	if s.Source == datasets.SourceSimulated {
		title += " (SIMULATED: says nothing about hardware)"
	}
	rows = measuredRows(rows)
	hidden := 0
	if limit := v.rows; limit > 0 && len(rows) > limit {
		if worst := r.Worst(rows, limit); len(worst) > 0 {
			hidden = len(rows) - len(worst)
			rows = worst
			title += fmt.Sprintf("; the worst %d of %s by |error|", len(worst), Count(len(worst)+hidden))
		} else {
			hidden = len(rows) - limit
			rows = rows[:limit]
		}
	}
	if len(rows) == 0 {
		return
	}
	if r.Aggregate != nil {
		title += fmt.Sprintf("; the worst %d by |error|", len(rows))
	}
	v.out.printf("\n")
	v.line(title)
	t := v.plain()
	t.AppendHeader(table.Row{"workload", "measured", "tier", "predicted", "error", "binds"})
	widths := [6]int{0, 8, 4, 9, 5, 5}
	cells := make([][7]string, len(rows))
	for i, j := range rows {
		cells[i] = rowCells(r, j)
		for c := range widths {
			widths[c] = max(widths[c], text.LongestLineLen(cells[i][c]))
		}
	}
	// The workload's column takes what the others leave, and wraps; where that
	// is too little the last one is cut, since a wrapped cell would no longer
	// stand beside its tier.
	left := v.width - widths[1] - widths[2] - widths[3] - widths[4] - 5*len(gap)
	binds := min(widths[5], max(left-minFirst, 5))
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 4, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 5, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 6, WidthMax: binds, WidthMaxEnforcer: snipLines},
	})
	first := max(left-binds, minFirst)
	for _, c := range cells {
		name := text.WrapSoft(c[0], first)
		if c[6] != "" {
			name += "\n  " + strings.ReplaceAll(text.WrapSoft(c[6], first-2), "\n", "\n  ")
		}
		t.AppendRow(table.Row{name, c[1], c[2], c[3], c[4], c[5]})
	}
	v.render(t)
	if hidden > 0 {
		v.line(fmt.Sprintf("… %s more rows (--rows all)", Count(hidden)))
	}
}

// measuredRows leaves out the failed and skipped, which Cases lists.
func measuredRows(rows []*Joined) []*Joined {
	return slices.DeleteFunc(slices.Clone(rows), func(j *Joined) bool { return !j.Row.Measurement.Usable() })
}

// rowCells is a workload's six cells, a line for each tier that predicts it, and
// as a seventh the figures that go under the name.
func rowCells(r *Report, j *Joined) [7]string {
	name, measured := Label(j.Row.Workload), Interval(&j.Row.Measurement)
	left, right := r.Extras(j)
	if len(j.Row.Measurement.Flags) > 0 {
		name = "~ " + name
	}
	if right != "" {
		measured += "\n" + right
	}
	var tier, predicted, errs, binds []string
	for i := range r.Tiers {
		if e, ok := j.Error(i); ok {
			p := &j.Predictions[i]
			tier = append(tier, string(r.Tiers[i]))
			predicted = append(predicted, Seconds(p.Seconds))
			errs = append(errs, SignedPercent(e))
			binds = append(binds, p.Binds)
		}
	}
	if len(tier) == 0 {
		tier = []string{"–"}
	}
	lines := func(l []string) string { return strings.Join(l, "\n") }
	return [7]string{name, measured, lines(tier), lines(predicted), lines(errs), lines(binds), left}
}

// summary is a table of the headline for each source and tool.
func (v *textView) summary(r *Report) {
	groups := r.Headline()
	for len(groups) > 0 {
		source, tool := groups[0].Source, groups[0].Tool
		n := slices.IndexFunc(groups, func(g Group) bool { return g.Source != source || g.Tool != tool })
		if n < 0 {
			n = len(groups)
		}
		title := "Error by suite and tier, " + source
		if tool != "" {
			title += " from " + tool
		}
		if groups[0].Simulated {
			title += " (SIMULATED: says nothing about hardware)"
		}
		v.out.printf("\n")
		v.line(Clean(title))
		v.summaryTable(groups[:n])
		groups = groups[n:]
	}
}

func (v *textView) summaryTable(groups []Group) {
	t := v.plain()
	configs := []table.ColumnConfig{{Number: 2, WidthMax: max(v.width-64, 10), WidthMaxEnforcer: text.WrapSoft}}
	for i := 5; i <= 9; i++ {
		configs = append(configs, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(configs)
	t.AppendHeader(table.Row{"suite", "device", "tier", "rows", "n", "MAPE", "median", "p90", "bias"})
	for _, g := range groups {
		t.AppendRow(table.Row{g.Suite, Clean(g.Where()), g.Tier, g.Split, Count(g.N), Percent(g.MAPE),
			Percent(g.MedianAPE), Percent(g.P90APE), SignedPercent(g.Bias)})
	}
	v.render(t)
	if slices.ContainsFunc(groups, func(g Group) bool { return g.Split == string(datasets.TestHalf) }) {
		v.line("rows \"test\": the half that the calibration was not fitted to")
	}
}

// reasonRows is how many reasons a report for people lists.
const reasonRows = 12

func (v *textView) reasons(title string, reasons []Reason) {
	if len(reasons) == 0 {
		return
	}
	v.out.printf("\n")
	v.line(title)
	for i, s := range MergeReasons(reasons) {
		if i == reasonRows && v.rows >= 0 {
			v.line("… more reasons (--rows all, or --format json)")
			break
		}
		for j, l := range strings.Split(text.WrapSoft(s, v.width-4), "\n") {
			v.out.printf("%*s%s\n", 2+2*min(j, 1), "", strings.TrimRight(l, " "))
		}
	}
}

// MergeReasons words reasons, one line for those that differ in suite alone, or
// in tier alone and count the same number of rows.
func MergeReasons(reasons []Reason) []string {
	type id struct{ verdict, device, source, tier, reason string }
	type merged struct {
		id
		count         int
		suites, tiers []string
	}
	at := map[id]int{}
	var lines []merged
	for _, r := range reasons {
		k := id{r.Verdict, r.Device, r.Source, r.Tier, r.Reason}
		i, ok := at[k]
		if !ok {
			i = len(lines)
			at[k] = i
			lines = append(lines, merged{id: k, tiers: []string{r.Tier}})
		}
		lines[i].count += r.Count
		if !slices.Contains(lines[i].suites, r.Suite) {
			lines[i].suites = append(lines[i].suites, r.Suite)
		}
	}
	var out []merged
	for _, l := range lines {
		i := slices.IndexFunc(out, func(o merged) bool {
			return l.tier != "" && o.verdict == l.verdict && o.device == l.device && o.source == l.source &&
				o.reason == l.reason && o.count == l.count && slices.Equal(o.suites, l.suites)
		})
		if i < 0 {
			out = append(out, l)
			continue
		}
		out[i].tiers = append(out[i].tiers, l.tiers...)
	}
	slices.SortStableFunc(out, func(a, b merged) int { return cmp.Compare(b.count, a.count) })
	words := make([]string, len(out))
	for i, l := range out {
		what := l.verdict
		if what == "" {
			slices.SortFunc(l.tiers, func(a, b string) int {
				return cmp.Compare(slices.Index(datasets.Tiers, datasets.Tier(a)), slices.Index(datasets.Tiers, datasets.Tier(b)))
			})
			what = strings.Join(l.tiers, ", ")
		}
		words[i] = Clean(fmt.Sprintf("%s × %s: %s (%s, %s)", Count(l.count), what, l.reason, strings.Join(l.suites, ", "), l.device))
	}
	return words
}
