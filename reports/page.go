package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Page writes one document as plain text for a terminal or as Markdown. What it
// is given may come out of a file: it is cleaned here.
type Page struct {
	sink     sink
	width    int
	markdown bool
	begun    bool
}

// NewTextPage writes text that keeps within width columns (80 where 0), but for
// words that are longer.
func NewTextPage(w io.Writer, width int) *Page {
	if width == 0 {
		width = 80
	}
	return &Page{sink: sink{w: w}, width: max(width, 60)}
}

// NewMarkdownPage writes GitHub-flavoured Markdown, fit for a job summary.
func NewMarkdownPage(w io.Writer) *Page { return &Page{sink: sink{w: w}, markdown: true} }

// Err is the first error of writing.
func (p *Page) Err() error { return p.sink.err }

func (p *Page) space() {
	if p.begun {
		p.sink.printf("\n")
	}
	p.begun = true
}

// Title begins a section.
func (p *Page) Title(level int, s string) {
	p.space()
	if p.markdown {
		p.sink.printf("%s %s\n", strings.Repeat("#", level), EscapeMarkdown(s))
		return
	}
	p.wrapped(Clean(s), "", "")
}

// Line writes a paragraph.
func (p *Page) Line(s string) {
	if p.markdown {
		p.space()
		p.sink.printf("%s\n", EscapeMarkdown(s))
		return
	}
	p.begun = true
	p.wrapped(Clean(s), "", "")
}

// List writes one item a line.
func (p *Page) List(items []string) {
	if p.markdown && len(items) > 0 {
		p.space()
	}
	for _, s := range items {
		if p.markdown {
			p.sink.printf("- %s\n", EscapeMarkdown(s))
		} else {
			p.wrapped(Clean(s), "  ", "    ")
		}
	}
	p.begun = true
}

// Wrapped writes lines that are already laid out, and goes on below those that are
// wider than the terminal: under the value where a line is a name, two spaces or more,
// and a value, else four columns further in.
func Wrapped(w io.Writer, lines string, width int) error {
	p := NewTextPage(w, width)
	for l := range strings.Lines(lines) {
		l = strings.TrimRight(l, "\n")
		rest := strings.TrimLeft(l, " ")
		first := l[:len(l)-len(rest)]
		hang := first + "    "
		if _, value, ok := strings.Cut(rest, "  "); ok {
			rest = strings.TrimLeft(value, " ")
			first = strings.TrimSuffix(l, rest)
			hang = strings.Repeat(" ", len(first))
		}
		p.wrapped(rest, first, hang)
	}
	return p.Err()
}

func (p *Page) wrapped(s, first, rest string) {
	indent := first
	for l := range strings.SplitSeq(text.WrapSoft(s, p.width-len(rest)), "\n") {
		p.sink.printf("%s%s\n", indent, strings.TrimRight(l, " "))
		indent = rest
	}
}

// Table writes rows under a head. The first column is the one that is cut short
// where a terminal is too narrow; those at right (from 1) are aligned there.
func (p *Page) Table(head []string, rows [][]string, right ...int) {
	t := table.NewWriter()
	cells := func(row []string) table.Row {
		out := make(table.Row, len(row))
		for i, c := range row {
			if p.markdown {
				out[i] = EscapeMarkdown(c)
			} else {
				out[i] = Clean(c)
			}
		}
		return out
	}
	t.AppendHeader(cells(head))
	var configs []table.ColumnConfig
	for _, n := range right {
		configs = append(configs, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	if p.markdown {
		p.space()
		for _, r := range rows {
			t.AppendRow(cells(r))
		}
		t.SetColumnConfigs(configs)
		p.sink.printf("%s\n", t.RenderMarkdown())
		return
	}
	s := table.StyleDefault
	s.Options = table.OptionsNoBordersAndSeparators
	s.Box.PaddingLeft, s.Box.PaddingRight = "", gap
	s.Format.Header = text.FormatDefault
	t.SetStyle(s)
	first := p.width
	for i := range head {
		if i == 0 {
			continue
		}
		w := text.StringWidth(head[i])
		for _, r := range rows {
			w = max(w, text.StringWidth(r[i]))
		}
		first -= w + len(gap)
	}
	first = max(first-len(gap), minFirst)
	for _, r := range rows {
		row := cells(r)
		row[0] = text.Snip(fmt.Sprint(row[0]), first, "…")
		t.AppendRow(row)
	}
	t.SetColumnConfigs(configs)
	for l := range strings.SplitSeq(t.Render(), "\n") {
		p.sink.printf("%s\n", strings.TrimRight(l, " "))
	}
	p.begun = true
}
