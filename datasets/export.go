package datasets

import (
	"bufio"
	"encoding/csv"
	"io"
	"math"
	"strconv"
	"strings"
)

// WriteCSV writes the rows of runs as CSV (RFC 4180) with the columns of the
// Parquet form, a header first. A null is an empty cell; the elements of a list
// are separated by spaces, those of texts by "; ".
func WriteCSV(w io.Writer, runs []*Run) error {
	out := csv.NewWriter(w)
	cells := make([]string, len(fields))
	for i := range fields {
		cells[i] = fields[i].name
	}
	if err := out.Write(cells); err != nil {
		return err
	}
	var r record
	for _, run := range runs {
		for i := range run.Rows {
			if err := r.flatten(&run.Rows[i], run.Meta.ID); err != nil {
				return err
			}
			for c := range fields {
				cells[c] = ""
				if !fields[c].null(&r) {
					cells[c] = fields[c].cell(&r)
				}
			}
			if err := out.Write(cells); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// cell is the column's value as text.
func (f *field) cell(r *record) string {
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	switch {
	case f.integer != nil:
		return strconv.FormatInt(*f.integer(r), 10)
	case f.float != nil:
		return number(*f.float(r))
	case f.text != nil:
		return plainCell(*f.text(r))
	case f.flag != nil:
		return strconv.FormatBool(*f.flag(r))
	case f.floats != nil:
		list := make([]string, len(*f.floats(r)))
		for i, v := range *f.floats(r) {
			list[i] = number(v)
		}
		return strings.Join(list, " ")
	}
	return plainCell(strings.Join(*f.texts(r), "; "))
}

// plainCell keeps a spreadsheet from taking text out of a file for a formula
// (OWASP, "CSV Injection").
func plainCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// WriteJSON writes the rows of runs as one JSON array of objects with the
// columns of the Parquet form, nulls left out. A number that JSON lacks is
// left out as well.
func WriteJSON(w io.Writer, runs []*Run) error {
	b := bufio.NewWriterSize(w, 1<<16)
	b.WriteByte('[')
	first := true
	var r record
	for _, run := range runs {
		for i := range run.Rows {
			if err := r.flatten(&run.Rows[i], run.Meta.ID); err != nil {
				return err
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			b.WriteByte('\n')
			b.Write(appendColumns(nil, &r, func(f *field) bool {
				return f.float == nil || !math.IsNaN(*f.float(&r)) && !math.IsInf(*f.float(&r), 0)
			}))
		}
	}
	b.WriteString("\n]\n")
	return b.Flush()
}
