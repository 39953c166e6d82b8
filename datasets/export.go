package datasets

import (
	"bufio"
	"encoding/csv"
	"io"
	"math"
	"strconv"
	"strings"
)

// Exporter writes rows for other programs, as they come.
type Exporter interface {
	// Export takes rows of one run, which may come in several calls.
	Export(meta *Meta, rows []Row) error
	// Close completes the output; it does not close the writer.
	Close() error
}

// Exporters makes an exporter by the name of its format.
var Exporters = map[string]func(io.Writer) Exporter{
	"csv": newCSV, "json": newJSON, "openmetrics": newOpenMetrics, "benchfmt": newBenchfmt,
}

// csvExporter writes CSV (RFC 4180) with the columns of the Parquet form, a
// header first. A null is an empty cell; the elements of a list are separated
// by spaces, those of texts by "; ".
type csvExporter struct {
	out   *csv.Writer
	begun bool
	cells []string
	r     record
}

func newCSV(w io.Writer) Exporter { return &csvExporter{out: csv.NewWriter(w)} }

func (e *csvExporter) header() error {
	if e.begun {
		return nil
	}
	e.begun, e.cells = true, make([]string, len(fields))
	for i := range fields {
		e.cells[i] = fields[i].name
	}
	return e.out.Write(e.cells)
}

func (e *csvExporter) Export(meta *Meta, rows []Row) error {
	if err := e.header(); err != nil {
		return err
	}
	for i := range rows {
		if err := e.r.flatten(&rows[i], meta.ID); err != nil {
			return err
		}
		for c := range fields {
			e.cells[c] = ""
			if !fields[c].null(&e.r) {
				e.cells[c] = fields[c].cell(&e.r)
			}
		}
		if err := e.out.Write(e.cells); err != nil {
			return err
		}
	}
	return nil
}

func (e *csvExporter) Close() error {
	if err := e.header(); err != nil {
		return err
	}
	e.out.Flush()
	return e.out.Error()
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

// jsonExporter writes one JSON array of objects with the columns of the Parquet
// form, nulls left out. A number that JSON lacks is left out as well.
type jsonExporter struct {
	out   *bufio.Writer
	begun bool
	r     record
	line  []byte
}

func newJSON(w io.Writer) Exporter { return &jsonExporter{out: bufio.NewWriterSize(w, 1<<16)} }

func (e *jsonExporter) Export(meta *Meta, rows []Row) error {
	for i := range rows {
		if err := e.r.flatten(&rows[i], meta.ID); err != nil {
			return err
		}
		before := ",\n"
		if !e.begun {
			e.begun, before = true, "[\n"
		}
		e.out.WriteString(before)
		e.line = appendColumns(e.line[:0], &e.r, func(f *field) bool {
			return f.float == nil || !math.IsNaN(*f.float(&e.r)) && !math.IsInf(*f.float(&e.r), 0)
		})
		if _, err := e.out.Write(e.line); err != nil {
			return err
		}
	}
	return nil
}

func (e *jsonExporter) Close() error {
	if !e.begun {
		e.out.WriteByte('[')
	}
	e.out.WriteString("\n]\n")
	return e.out.Flush()
}
