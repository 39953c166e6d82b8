package reports

import (
	"fmt"
	"io"
	"strings"

	"bench/datasets"

	"github.com/jedib0t/go-pretty/v6/table"
)

// markdownRows is how many rows of a suite a Markdown report shows: a job
// summary holds at most 1 MiB (GitHub, "Workflow commands", step summaries).
const markdownRows = 100

// markdownTotal bounds all tables together to the same end: a row takes up to
// four lines, one a tier, of some 120 bytes.
const markdownTotal = 1500

// Markdown writes a report for a GitHub job summary. All text that comes from
// a file is escaped. rows bounds each table as TextOptions.Rows does; 0 is 100, or
// fewer where there are many tables.
func Markdown(w io.Writer, r *Report, rows int) error {
	sections := r.Sections()
	if rows == 0 {
		rows = min(markdownRows, max(markdownTotal/max(len(sections), 1), 5))
	}
	out := &sink{w: w}
	out.printf("# bench report\n\n")
	for _, line := range r.Answers() {
		word, said, _ := strings.Cut(Clean(line), ": ")
		out.printf("**%s**: %s\n\n", EscapeMarkdown(word), EscapeMarkdown(said))
	}
	for _, v := range r.Verdicts() {
		out.printf("- **%s** %s\n", EscapeMarkdown(v.Subject.Name), EscapeMarkdown(v.Text()))
	}
	out.printf("\n")
	for _, run := range r.Runs {
		if run.Meta.ID != "" || run.Meta.Host != "" {
			out.printf("Run %s on %s, %s\n\n", EscapeMarkdown(run.Meta.ID), EscapeMarkdown(run.Meta.Host), EscapeMarkdown(run.Meta.Bench))
		}
		for _, n := range run.Meta.Notes {
			out.printf("> %s\n\n", EscapeMarkdown(n))
		}
	}
	for _, a := range r.Again {
		out.printf("> %s\n\n", EscapeMarkdown(a))
	}
	if r.Aggregate != nil {
		out.printf("%s\n\n", r.Aggregate.says())
	}
	markdownFleet(out, r.Fleet, rows)
	if groups := r.Headline(); len(groups) > 0 {
		out.printf("## Error by suite and tier\n\nError is predicted / measured − 1. Rows “test” are those that the calibration was not fitted to.\n\n")
		t := table.NewWriter()
		t.AppendHeader(table.Row{"suite", "device", "source", "tier", "rows", "n", "MAPE", "median", "p90", "bias"})
		for _, g := range groups {
			source := g.Source
			if g.Tool != "" {
				source += ", " + g.Tool
			}
			if g.Simulated {
				source = "**simulated**"
			} else {
				source = EscapeMarkdown(source)
			}
			t.AppendRow(table.Row{g.Suite, EscapeMarkdown(g.Where()), source, g.Tier, g.Split, Count(g.N), Percent(g.MAPE),
				Percent(g.MedianAPE), Percent(g.P90APE), SignedPercent(g.Bias)})
		}
		markdownTable(out, t)
	}
	for _, s := range sections {
		r.markdownSection(out, &s, rows)
	}
	markdownReasons(out, "Failed, skipped and flagged cases", r.Cases, rows)
	markdownReasons(out, "Not predicted", r.NotPredicted, rows)
	return out.err
}

func markdownTable(out *sink, t table.Writer) { out.printf("%s\n\n", t.RenderMarkdown()) }

func (r *Report) markdownSection(out *sink, s *Section, limit int) {
	rows := measuredRows(s.Rows)
	hidden := 0
	if limit >= 0 && len(rows) > limit {
		hidden = len(rows)
		if worst := r.Worst(rows, limit); len(worst) > 0 {
			rows = worst
		} else {
			rows = rows[:limit]
		}
		hidden -= len(rows)
	}
	if len(rows) == 0 {
		return
	}
	title := EscapeMarkdown(s.Title())
	if s.Source == datasets.SourceSimulated {
		title += " (says nothing about hardware)"
	}
	if r.Aggregate != nil {
		title += ", the worst by |error|"
	}
	out.printf("## %s\n\n", title)
	t := table.NewWriter()
	t.AppendHeader(table.Row{"workload", "measured", "", "tier", "predicted", "error", "binds"})
	for _, j := range rows {
		left, right := r.Extras(j)
		name, measured := EscapeMarkdown(Label(j.Row.Workload)), Interval(&j.Row.Measurement)
		if len(j.Row.Measurement.Flags) > 0 {
			name += " \\[" + EscapeMarkdown(strings.Join(j.Row.Measurement.Flags, ", ")) + "\\]"
		}
		figures := strings.Trim(left+", "+right, ", ")
		predicted := false
		for i := range r.Tiers {
			if e, ok := j.Error(i); ok {
				p := &j.Predictions[i]
				t.AppendRow(table.Row{name, measured, figures, r.Tiers[i], Seconds(p.Seconds), SignedPercent(e), p.Binds})
				name, measured, figures, predicted = "", "", "", true
			}
		}
		if !predicted {
			t.AppendRow(table.Row{name, measured, figures, "–", "", "", ""})
		}
	}
	markdownTable(out, t)
	if hidden > 0 {
		out.printf("… %s more rows; those with the largest error are shown (`--rows all`)\n\n", Count(hidden))
	}
}

func markdownReasons(out *sink, title string, reasons []Reason, limit int) {
	if len(reasons) == 0 {
		return
	}
	out.printf("## %s\n\n", title)
	for i, s := range MergeReasons(reasons) {
		if i == reasonRows && limit >= 0 {
			out.printf("- … more reasons (`--rows all`)\n")
			break
		}
		out.printf("- %s\n", EscapeMarkdown(s))
	}
	out.printf("\n")
}

// EscapeMarkdown cleans text and takes the meaning from every character that
// GitHub-flavoured Markdown or HTML gives one, but for "|", which the table
// writer escapes, and which means nothing elsewhere.
func EscapeMarkdown(s string) string {
	var b strings.Builder
	s = strings.TrimSpace(Clean(s)) // four spaces begin a block of code
	for i, c := range s {
		if i == 0 && strings.ContainsRune("-+=", c) {
			b.WriteByte('\\') // no list, rule or heading begins here
		}
		switch c {
		case '.', ')':
			// "1." begins a list, and "www." a link.
			if before := s[:i]; strings.Trim(before, "0123456789") == "" || c == '.' && strings.HasSuffix(strings.ToLower(before), "www") {
				fmt.Fprintf(&b, "&#%d;", c)
			} else {
				b.WriteRune(c)
			}
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '@':
			// Not a mention of anybody.
			b.WriteString("&#64;")
		case '\\', '`', '*', '_', '{', '}', '[', ']', '#', '!', '~', '$':
			b.WriteByte('\\')
			b.WriteRune(c)
		case '/':
			// No bare URL becomes a link.
			b.WriteString("&#47;")
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
