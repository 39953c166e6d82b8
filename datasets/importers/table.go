package importers

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// table is a file of named columns, read whole.
type table struct {
	names   []string
	columns map[string]*column
	rows    int
	// lines is each row's line in a text file, from 1.
	lines []int
}

// column holds its values in the one slice that fits its type.
type column struct {
	ints   []int64
	floats []float64
	texts  []string
	// null marks the missing values, or is nil where none is.
	null []bool
}

// csvTable reads comma-separated text with a header. All columns are texts.
func csvTable(data []byte) (*table, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("no header of comma-separated columns: %w", err)
	}
	t := &table{columns: map[string]*column{}}
	for _, name := range header {
		name = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))
		if t.columns[name] != nil {
			return nil, fmt.Errorf("column %q comes twice", clip(name))
		}
		t.names = append(t.names, name)
		t.columns[name] = &column{}
	}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("not comma-separated text: %w", err)
		}
		line, _ := r.FieldPos(0)
		t.lines = append(t.lines, line)
		t.rows++
		for i, name := range t.names {
			t.columns[name].texts = append(t.columns[name].texts, fields[i])
		}
	}
}

func (c *column) len() int { return max(len(c.ints), len(c.floats), len(c.texts)) }

// require says which of the columns are missing.
func (t *table) require(names ...string) error {
	var missing []string
	for _, n := range names {
		if t.columns[n] == nil {
			missing = append(missing, n)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("no column %s (there are %s)", strings.Join(missing, ", "), clip(strings.Join(t.names, ", ")))
}

// has reports whether there is a column of that name.
func (t *table) has(name string) bool { return t.columns[name] != nil }

// unused lists the columns besides those that a format knows.
func (t *table) unused(known ...string) []string {
	var out []string
	for _, n := range t.names {
		if !slices.Contains(known, n) {
			out = append(out, n)
		}
	}
	return out
}

// record reads one row and keeps the first thing that is wrong with it.
type record struct {
	t *table
	i int
	// err says what is wrong, with the value; kind without it.
	err, kind string
}

// line is where the record stands: the line of a text file, the row of another.
func (r *record) line() int64 {
	if r.t.lines != nil {
		return int64(r.t.lines[r.i])
	}
	return int64(r.i + 1)
}

// addRecord adds what was read of a record, or refuses the record.
func (b *batch) addRecord(r *record, o observation) {
	if r.err != "" {
		b.refuse(o.record, r.err, r.kind)
		return
	}
	b.add(o)
}

func (r *record) fail(name, kind string, value any) {
	if r.err == "" {
		r.kind = fmt.Sprintf("column %s %s", name, kind)
		r.err = fmt.Sprintf("%s: %s", r.kind, clip(fmt.Sprint(value)))
	}
}

func (r *record) get(name string) *column {
	c := r.t.columns[name]
	if c == nil {
		r.fail(name, "is missing", "")
		return nil
	}
	if c.null != nil && c.null[r.i] {
		r.fail(name, "has no value", "null")
		return nil
	}
	return c
}

// number reads a floating-point figure, NaN where there is none.
func (r *record) number(name string) float64 {
	c := r.get(name)
	switch {
	case c == nil:
	case c.floats != nil:
		return c.floats[r.i]
	case c.ints != nil:
		return float64(c.ints[r.i])
	default:
		v, err := strconv.ParseFloat(strings.TrimSpace(c.texts[r.i]), 64)
		if err == nil {
			return v
		}
		r.fail(name, "is no number", c.texts[r.i])
	}
	return math.NaN()
}

// maxCount bounds a whole number so that products of a few stay within int64
// where they are formed.
const maxCount = 1 << 40

// count reads a whole number from 0 to maxCount.
func (r *record) count(name string) int64 {
	c := r.get(name)
	if c == nil {
		return 0
	}
	var v float64
	if c.ints != nil {
		v = float64(c.ints[r.i])
	} else {
		v = r.number(name)
	}
	if !(v >= 0 && v <= maxCount) || v != math.Trunc(v) {
		r.fail(name, "is no count", v)
		return 0
	}
	return int64(v)
}

// text reads a word.
func (r *record) text(name string) string {
	c := r.get(name)
	switch {
	case c == nil:
		return ""
	case c.texts != nil:
		return c.texts[r.i]
	}
	r.fail(name, "holds numbers, and text is needed", "")
	return ""
}

// clip shortens a foreign text for a message.
func clip(s string) string {
	const most = 120
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
