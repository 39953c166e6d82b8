package html

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"bench/datasets"
	"bench/reports"
	"bench/reports/figure"
	"bench/reports/verdict"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// page is what the template shows.
type page struct {
	Title       string
	Made        string
	Style       template.CSS
	Script      template.JS
	Notice      string
	Answers     []answer
	Verdicts    []reports.Verdict
	Summary     *grid
	Sections    []section
	Rows        *rowTable
	Failures    []string
	Unpredicted []string
	Runs        []runFacts
}

// section is a heading with figures and tables beneath.
type section struct {
	ID, Title, Lead string
	Figures         []figureView
	Tables          []*grid
}

// figureView is a figure as the template shows it.
type figureView struct {
	figure.Figure
	Drawings []drawing
	Data     *grid
}

type drawing struct {
	Title string
	SVG   template.HTML
}

// view draws a figure; data is its table, or nil where the page's rows are it.
func view(f figure.Figure, data *grid) figureView {
	v := figureView{Figure: f, Data: data}
	for i := range f.Panels {
		// figure escapes whatever text it writes.
		v.Drawings = append(v.Drawings, drawing{f.Panels[i].Title, template.HTML(f.SVG(i, ""))})
	}
	return v
}

// grid is a table that sorts.
type grid struct {
	Caption string
	Head    []column
	Rows    [][]cell
	// Hidden says what is left out, or "".
	Hidden string
}

type column struct {
	Name string
	// Number columns are aligned to the right and sorted by Value.
	Number bool
}

type cell struct {
	Text string
	// Value sorts, as text.
	Value string
	// HTML, where set, stands for Text.
	HTML template.HTML
}

// Class is for the style sheet: sentences need a wider column than words.
func (c cell) Class() string {
	if len(c.Text) > 48 {
		return "sentence"
	}
	return ""
}

func text(s string) cell { return cell{Text: reports.Clean(s)} }

func number(s string, v float64) cell { return cell{Text: s, Value: fmt.Sprintf("%.9g", v)} }

// Write renders the report.
func Write(w io.Writer, r *reports.Report) error {
	b := newBuilder(r)
	p := page{
		Title:    b.title(),
		Style:    template.CSS(figure.Style() + pageCSS),
		Script:   template.JS(pageJS),
		Notice:   b.notice(),
		Answers:  answers(r),
		Verdicts: r.Verdicts(),
		Summary:  b.summary(),
		Sections: b.sections(),
		Rows:     b.table(),
		Failures: reports.MergeReasons(r.Cases), Unpredicted: reports.MergeReasons(r.NotPredicted),
		Runs: b.runs(),
	}
	return pageTemplate.Execute(w, &p)
}

// answer is one line of the verdict, and how it looks.
type answer struct{ Word, Text, Class string }

func answers(r *reports.Report) (out []answer) {
	for _, line := range r.Answers() {
		word, said, _ := strings.Cut(reports.Clean(line), ": ")
		a := answer{Word: word, Text: said}
		switch verdict.Word(strings.ToLower(word)) {
		case verdict.Slow, verdict.Broken:
			a.Class = "off"
		case verdict.CantSay:
			a.Class = "unsure"
		}
		out = append(out, a)
	}
	return out
}

// title names what the page is about.
func (b *builder) title() string {
	var names []string
	for i := range b.subjects {
		names = append(names, b.subjects[i].Name)
	}
	if len(names) > 4 {
		names = append(names[:4], fmt.Sprintf("and %d more", len(names)-4))
	}
	return "bench report: " + strings.Join(names, ", ")
}

func (b *builder) notice() string {
	if !b.aggregated {
		return ""
	}
	return fmt.Sprintf("%s rows: plots over all rows show groups of them, a dot the larger the more rows it stands for, and the table at the end the %s with the largest error. Summaries count every row. bench export writes them all.",
		reports.Count(len(b.r.Rows)), reports.Count(len(b.rows)))
}

func (b *builder) summary() *grid {
	g := &grid{Caption: "Error by suite and tier: predicted / measured − 1. Rows “test” are those that the calibration was not fitted to.",
		Head: []column{{"suite", false}, {"device", false}, {"source", false}, {"tier", false}, {"rows", false}, {"n", true}, {"MAPE", true}, {"median", true}, {"p90", true}, {"bias", true}}}
	for _, h := range b.r.Headline() {
		source := h.Source
		if h.Tool != "" {
			source += ", " + h.Tool
		}
		g.Rows = append(g.Rows, []cell{text(h.Suite), text(h.Where()), text(source), text(h.Tier), text(h.Split), number(reports.Count(h.N), float64(h.N)),
			number(reports.Percent(h.MAPE), h.MAPE), number(reports.Percent(h.MedianAPE), h.MedianAPE), number(reports.Percent(h.P90APE), h.P90APE), number(reports.SignedPercent(h.Bias), h.Bias)})
	}
	return g
}

// runFacts is the provenance of a run.
type runFacts struct {
	Name  string
	Facts [][2]string
	Notes []string
}

// maxRuns is how many runs' provenance a page shows.
const maxRuns = 20

func (b *builder) runs() []runFacts {
	var out []runFacts
	for i, run := range b.r.Runs {
		if i == maxRuns {
			out = append(out, runFacts{Name: fmt.Sprintf("… and %s more runs", reports.Count(len(b.r.Runs)-maxRuns))})
			break
		}
		m := &run.Meta
		f := runFacts{Name: m.ID}
		if f.Name == "" {
			f.Name = fmt.Sprintf("run %d", i+1)
		}
		add := func(name, value string) {
			if value != "" {
				f.Facts = append(f.Facts, [2]string{reports.Clean(name), reports.Clean(value)})
			}
		}
		add("host", m.Host)
		add("bench", m.Bench)
		add("command", strings.Join(m.Command, " "))
		add("profile", m.Profile)
		add("started", date(m.StartUnixS))
		add("ended", date(m.EndUnixS))
		add("machine", m.Machine)
		for _, k := range sortedKeys(m.Environment) {
			add(k, m.Environment[k])
		}
		for _, v := range versions(run) {
			add("measured by", v)
		}
		for d := range run.Devices {
			dev := &run.Devices[d]
			add("device "+dev.ID, deviceFacts(dev))
		}
		for _, n := range m.Notes {
			f.Notes = append(f.Notes, reports.Clean(n))
		}
		if i == 0 {
			f.Notes = append(f.Notes, b.r.Again...)
		}
		out = append(out, f)
	}
	return out
}

func date(unixS int64) string {
	if unixS == 0 {
		return ""
	}
	return time.Unix(unixS, 0).UTC().Format("2006-01-02 15:04:05 UTC")
}

// versions lists the libraries and tools that did a run's work, with how many
// rows each.
func versions(run *datasets.Run) []string {
	counts := map[string]int{}
	for i := range run.Rows {
		m := &run.Rows[i].Measurement
		v := m.Stack.Name()
		if m.Origin.Tool != "" {
			v = strings.TrimSpace(v + " via " + m.Origin.Tool + " " + m.Origin.ToolVersion)
		}
		if v != "" {
			counts[v]++
		}
	}
	var out []string
	for _, v := range sortedKeys(counts) {
		out = append(out, fmt.Sprintf("%s (%s rows)", v, reports.Count(counts[v])))
	}
	return out
}

func deviceFacts(d *datasets.Device) string {
	parts := []string{d.Name, fmt.Sprintf("%d units", d.Units)}
	add := func(what, value string, f datasets.Figure) {
		if f.Value > 0 {
			parts = append(parts, what+" "+value+" ("+string(f.Origin)+")")
		}
	}
	add("clock", reports.PerSecond(d.ClockHz.Value)+"Hz", d.ClockHz)
	add("memory bandwidth", reports.BytesPerSecond(d.MemoryBandwidth.Value), d.MemoryBandwidth)
	for _, c := range d.Caches {
		add(fmt.Sprintf("L%d", c.Level), reports.Bytes(c.SizeBytes.Value), c.SizeBytes)
	}
	for _, t := range sortedKeys(d.PeakFLOPs) {
		add("peak "+string(t), reports.FLOPsPerSecond(d.PeakFLOPs[t].Value), d.PeakFLOPs[t])
	}
	return strings.Join(parts, ", ")
}
