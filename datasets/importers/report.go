package importers

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Report says what an import read, refused and doubts.
type Report struct {
	Format string
	Files  []FileReport
	// NotRead are files of the folders that have another extension.
	NotRead []string
	// Rows and Refused are the totals over all files.
	Rows, Refused int
	// Refusals spells out the first refused records of each file, and
	// ByReason counts them all.
	Refusals []Refusal
	ByReason map[string]int
	// Warnings are rows that beat physics, one sentence each.
	Warnings []string

	peaks peaks
}

// FileReport is one file's share of a report.
type FileReport struct {
	File          string
	Rows, Refused int
	Notes         []string
}

// Refusal is one record that was not imported, and why.
type Refusal struct {
	File string
	// Record is the row or line within File, from 1.
	Record int64
	Reason string
}

func (r *Report) add(b *batch) {
	r.Files = append(r.Files, FileReport{File: b.file, Rows: len(b.rows), Refused: b.refused, Notes: b.notes})
	r.Rows += len(b.rows)
	r.Refused += b.refused
	r.Refusals = append(r.Refusals, b.refusals...)
	for kind, n := range b.byReason {
		if r.ByReason == nil {
			r.ByReason = map[string]int{}
		}
		r.ByReason[kind] += n
	}
	r.peaks.merge(&b.peaks)
}

func (r *Report) check() { r.Warnings = r.peaks.warnings() }

// WriteTo prints the report as text for people.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	c := &counter{w: w}
	for _, f := range r.Files {
		c.printf("%s: %s", f.File, plural(f.Rows, "row"))
		if f.Refused > 0 {
			c.printf(", %d refused", f.Refused)
		}
		c.printf("\n")
		for _, n := range f.Notes {
			c.printf("  note: %s\n", n)
		}
	}
	for _, f := range r.NotRead {
		c.printf("%s: not read, no %s file by its name\n", f, r.Format)
	}
	if r.Refused > 0 {
		c.printf("%s refused:\n", plural(r.Refused, "record"))
		kinds := slices.SortedFunc(maps.Keys(r.ByReason), func(a, b string) int {
			return cmp.Or(cmp.Compare(r.ByReason[b], r.ByReason[a]), cmp.Compare(a, b))
		})
		for i, kind := range kinds {
			if i == maxRefusals {
				c.printf("  and %s\n", plural(len(kinds)-i, "further reason"))
				break
			}
			c.printf("  %6d  %s\n", r.ByReason[kind], kind)
		}
		for i, f := range r.Refusals {
			if i == maxRefusals {
				break
			}
			c.printf("  %s, record %d: %s\n", f.File, f.Record, f.Reason)
		}
		if shown := min(len(r.Refusals), maxRefusals); r.Refused > shown {
			c.printf("  and %s\n", plural(r.Refused-shown, "further record"))
		}
	}
	for _, warning := range r.Warnings {
		c.printf("WARNING: %s\n", warning)
	}
	c.printf("%s imported from %s, %s refused\n", plural(r.Rows, "row"), plural(len(r.Files), "file"), plural(r.Refused, "record"))
	return c.n, c.err
}

// plural is a number of things, in words.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// counter counts what it writes and keeps the first error.
type counter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counter) printf(format string, args ...any) {
	if c.err == nil {
		var n int
		n, c.err = fmt.Fprintf(c.w, format, args...)
		c.n += int64(n)
	}
}
