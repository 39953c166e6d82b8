package verdict

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// number is a figure in three digits or whole.
func number(v float64) string {
	if v >= 100 || v == float64(int64(v)) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// Headline is the verdict in capitals, with by how much where it is slow: "SLOW 8×".
func (f *Finding) Headline() string {
	s := strings.ToUpper(string(f.Verdict))
	switch {
	case f.Verdict == Slow && f.Ratio >= 1.95:
		s += fmt.Sprintf(" %.0f×", f.Ratio)
	case f.Verdict == Slow && f.Ratio > 1:
		s += fmt.Sprintf(" %.2g×", f.Ratio)
	case f.Faster:
		s += ", AND FASTER"
	}
	return s
}

// Figures words what was measured and what is usual.
func (f *Finding) Figures() string {
	unit := f.Unit
	if unit == "us" {
		unit = "µs"
	}
	if f.Unit == "" {
		return ""
	}
	s := number(f.Measured) + " " + unit
	if f.Where != "" && f.Where != "1 of 1 rows" {
		s += " at " + f.Where
		if strings.HasPrefix(f.Where, "GPU") || strings.HasPrefix(f.Where, "pair") || strings.HasSuffix(f.Where, "rows") {
			s = number(f.Measured) + " " + unit + " (" + f.Where + ")"
		}
	}
	switch {
	case f.High <= 0 || f.Verdict == CantSay && f.Low >= f.High:
	case f.Verdict == AsExpected:
		s += fmt.Sprintf("; expected %s–%s, %s typical", number(f.Low), number(f.High), number(f.Typical))
	default:
		s += fmt.Sprintf(" where %s–%s is usual", number(f.Low), number(f.High))
	}
	return s
}

// Sentence is the finding in one sentence.
func (f *Finding) Sentence() string {
	parts := []string{}
	for _, s := range []string{f.Figures(), f.Why} {
		if s != "" && (f.Verdict != AsExpected || s != f.Why || f.Faster || strings.Contains(f.Why, "2·N")) {
			parts = append(parts, s)
		}
	}
	return f.Headline() + ": " + strings.Join(parts, "; ")
}

// Text writes the result for people, the answer first, within width columns.
func (r *Result) Text(w io.Writer, width int) error {
	if len(r.Findings) != 1 {
		fmt.Fprintf(w, "%s\n", wrap(fmt.Sprintf("%s (%s)", strings.ToUpper(string(r.Verdict)), r.counts()), width, 0))
	}
	subject := ""
	assumed := map[string]bool{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Subject != subject {
			if subject = f.Subject; len(r.Findings) != 1 {
				fmt.Fprintln(w)
			}
			if len(r.Findings) != 1 {
				fmt.Fprintln(w, wrap(subject, width, 2))
			}
		}
		fmt.Fprintln(w, wrap(f.Sentence(), width, 2))
		if len(r.Findings) == 1 {
			fmt.Fprintln(w, wrap("  "+subject, width, 2))
		}
		for _, a := range f.Assumed {
			if !assumed[a] {
				assumed[a] = true
				fmt.Fprintln(w, wrap("  assumed: "+a, width, 4))
			}
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, wrap("note: "+n, width, 2))
	}
	return nil
}

// counts words how many findings have which verdict.
func (r *Result) counts() string {
	n := map[Word]int{}
	for _, f := range r.Findings {
		n[f.Verdict]++
	}
	var parts []string
	for _, w := range []Word{Broken, Slow, CantSay, AsExpected} {
		if n[w] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[w], w))
		}
	}
	return strings.Join(parts, ", ")
}

// wrap breaks a line at blanks; what follows is indented.
func wrap(s string, width, indent int) string {
	var b strings.Builder
	lead := len(s) - len(strings.TrimLeft(s, " "))
	b.WriteString(s[:lead])
	column := lead
	for i, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// Markdown writes the result as a table.
func (r *Result) Markdown(w io.Writer) error {
	cell := strings.NewReplacer("|", `\|`, "\n", " ").Replace
	fmt.Fprintf(w, "**%s** (%s)\n\n| verdict | what | figures | why | assumed |\n|---|---|---|---|---|\n", r.Verdict, r.counts())
	for i := range r.Findings {
		f := &r.Findings[i]
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", f.Verdict, cell(f.Subject), cell(f.Figures()), cell(f.Why), cell(strings.Join(f.Assumed, "; ")))
	}
	return nil
}

// JUnit writes a test case a finding; what can't be said is skipped.
func (r *Result) JUnit(w io.Writer) error {
	type text struct {
		Message string `xml:"message,attr"`
	}
	type testCase struct {
		Name    string `xml:"name,attr"`
		Class   string `xml:"classname,attr"`
		Failure *text  `xml:"failure"`
		Skipped *text  `xml:"skipped"`
	}
	suite := struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Cases    []testCase `xml:"testcase"`
	}{Name: "bench check", Tests: len(r.Findings)}
	for i := range r.Findings {
		f := &r.Findings[i]
		c := testCase{Name: strings.TrimSpace(f.Subject + " " + f.Where), Class: "bench.check"}
		switch f.Verdict {
		case Slow, Broken:
			suite.Failures++
			c.Failure = &text{f.Sentence()}
		case CantSay:
			suite.Skipped++
			c.Skipped = &text{f.Sentence()}
		}
		suite.Cases = append(suite.Cases, c)
	}
	io.WriteString(w, xml.Header)
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
