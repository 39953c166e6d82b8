package datasets

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/format"
)

// Column is one column of a row group, a value a row: Integers, Floats, Flags or,
// of texts, Index into Texts. Where the file has a null the value is 0, false or
// "", as in a Row.
type Column struct {
	Integers []int64
	Floats   []float64
	Flags    []bool
	// Texts are each once, the first always ""; Index is each row's place in them.
	Index []uint32
	Texts []string
	// Valid says which rows are not null; nil where all are not.
	Valid []bool
}

// Chunk is the columns of one row group that were asked for, in that order.
type Chunk struct {
	File    *File
	Rows    int
	Columns []Column
}

// Columns reads columns a row group (16,384 rows) at a time without making Rows
// of them: an order of magnitude faster than Batches where a few numbers of many
// rows are wanted. Derived columns, such as ceilings_error, can be read as well;
// lists cannot. A column that a file of an older schema lacks is all null.
func (f *File) Columns(names ...string) iter.Seq2[Chunk, error] { return f.columns(nil, names) }

func (f *File) columns(where map[string][]string, names []string) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		err := unknownColumn(f.Path, names)
		for _, n := range names {
			if err == nil && fields[fieldIndex[n]].list() {
				err = fmt.Errorf("%s: column %s is a list, and is read with whole rows alone", f.Path, n)
			}
		}
		if err != nil {
			yield(Chunk{}, err)
			return
		}
		for g := range f.footer.RowGroups {
			if !mayHold(&f.footer.RowGroups[g], where) {
				continue
			}
			c, err := f.chunk(&f.footer.RowGroups[g], names)
			if err != nil {
				yield(Chunk{}, fmt.Errorf("%s: %w", f.Path, err))
				return
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// Chunks reads the named columns (File.Columns) of the files that paths name, in
// order. After an error there are no more.
func (s *Scanner) Chunks(paths []string) iter.Seq2[Chunk, error] {
	return inOrder(s, paths, func(f *File, yield func(Chunk) bool) error {
		for c, err := range f.columns(s.Where, s.Columns) {
			if err != nil {
				return err
			}
			if !yield(c) {
				return nil
			}
		}
		return nil
	})
}

func (f *File) chunk(g *format.RowGroup, names []string) (Chunk, error) {
	n := int(g.NumRows)
	out := Chunk{File: f, Rows: n, Columns: make([]Column, len(names))}
	return out, parallel(len(names), func(i int) error {
		to, of := &out.Columns[i], &fields[fieldIndex[names[i]]]
		to.make(of, n)
		at := slices.IndexFunc(g.Columns, func(c format.ColumnChunk) bool {
			return len(c.MetaData.PathInSchema) > 0 && c.MetaData.PathInSchema[0] == names[i]
		})
		if at < 0 {
			to.Valid = make([]bool, n)
			return nil
		}
		return decodeColumn(f.file, &g.Columns[at].MetaData, chunk{field: of, rows: n, column: to})
	})
}

func (c *Column) make(f *field, rows int) {
	switch {
	case f.integer != nil:
		c.Integers = make([]int64, rows)
	case f.float != nil:
		c.Floats = make([]float64, rows)
	case f.flag != nil:
		c.Flags = make([]bool, rows)
	default:
		c.Index, c.Texts = make([]uint32, rows), []string{""}
	}
}

// fillColumn puts a page's values, whose sizes fill has checked, where the
// levels say.
func (k *chunk) fillColumn(plain []byte, dictionary bool) error {
	c, from := k.column, k.row
	k.row += len(k.scratch.def)
	if slices.Contains(k.scratch.def, 0) && c.Valid == nil {
		c.Valid = make([]bool, k.rows)
		for i := range from {
			c.Valid[i] = true
		}
	}
	if dictionary && len(c.Texts) == 1 {
		c.Texts = append(c.Texts, k.dict...)
	}
	at := 0
	for i, d := range k.scratch.def {
		if d == 0 {
			continue
		}
		row := from + i
		if c.Valid != nil {
			c.Valid[row] = true
		}
		switch {
		case c.Integers != nil:
			c.Integers[row] = int64(binary.LittleEndian.Uint64(plain[8*at:]))
		case c.Floats != nil:
			c.Floats[row] = math.Float64frombits(binary.LittleEndian.Uint64(plain[8*at:]))
		case c.Flags != nil:
			c.Flags[row] = plain[at/8]>>(at%8)&1 == 1
		case dictionary:
			x := k.scratch.index[at]
			if int64(x) >= int64(len(k.dict)) {
				return corrupt("column %s names a text that its dictionary lacks", k.field.name)
			}
			c.Index[row] = x + 1
		default:
			t, rest, err := k.plainText(plain)
			if err != nil {
				return err
			}
			plain = rest
			c.Index[row] = k.place(t)
		}
		at++
	}
	return nil
}

// place is a text's place in the column's texts, which it enters if need be.
func (k *chunk) place(text []byte) uint32 {
	c := k.column
	if k.places == nil {
		k.places = make(map[string]uint32, len(c.Texts))
		for i, t := range c.Texts {
			k.places[t] = uint32(i)
		}
	}
	at, ok := k.places[string(text)]
	if !ok {
		at = uint32(len(c.Texts))
		s := string(text)
		c.Texts = append(c.Texts, s)
		k.places[s] = at
	}
	return at
}
