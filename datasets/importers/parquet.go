package importers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	meta "github.com/parquet-go/parquet-go/format"

	"bench/datasets"
)

// maxRows bounds the rows of a file: a hundred times the largest known.
const maxRows = 10 << 20

// maxRatio is the most that a file may claim to be larger without its
// compression, and maxRowsPerByte the most rows that a byte may hold: a hundred
// times what published files do.
const (
	maxRatio       = 1000
	maxRowsPerByte = 100
)

// parquetTable reads the flat columns of a Parquet file.
func parquetTable(data []byte) (t *table, err error) {
	// A damaged page can make the Parquet reader panic; to the user it is a
	// damaged file like any other.
	defer func() {
		if r := recover(); r != nil {
			t, err = nil, fmt.Errorf("damaged Parquet file (%v)", r)
		}
	}()
	if bytes.HasPrefix(data, []byte("version https://git-lfs.github.com/")) {
		return nil, errors.New("a Git LFS pointer and not the file itself: fetch it with git lfs pull")
	}
	// The reader allocates what the footer claims before it looks.
	n, footer := int64(len(data)), int64(0)
	if n >= 12 {
		footer = int64(binary.LittleEndian.Uint32(data[n-8:]))
	}
	if n < 12 || string(data[n-4:]) != "PAR1" || footer > n-12 {
		return nil, errors.New("not a whole Parquet file: its end is missing or damaged")
	}
	if _, err := datasets.ThriftLength(data[n-8-footer : n-8]); err != nil {
		return nil, fmt.Errorf("damaged Parquet file: its footer: %w", err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)),
		parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("not a whole Parquet file (%w)", err)
	}
	if err := checkFooter(f.Metadata(), n); err != nil {
		return nil, err
	}
	t = &table{columns: map[string]*column{}}
	for _, leaf := range f.Root().Columns() {
		if !leaf.Leaf() || leaf.Repeated() {
			continue
		}
		c := &column{}
		for i, group := range f.RowGroups() {
			err := checkPages(data, &f.Metadata().RowGroups[i].Columns[leaf.Index()].MetaData, group.NumRows(), leaf.Optional())
			if err == nil {
				err = c.read(group.ColumnChunks()[leaf.Index()], int(group.NumRows()))
			}
			if err != nil {
				return nil, fmt.Errorf("column %s of the Parquet file: %w", clip(leaf.Name()), err)
			}
		}
		if n := c.len(); n != int(f.NumRows()) {
			return nil, fmt.Errorf("damaged Parquet file: column %s has %d values and not %d", clip(leaf.Name()), n, f.NumRows())
		}
		t.names = append(t.names, leaf.Name())
		t.columns[leaf.Name()] = c
	}
	t.rows = int(f.NumRows())
	return t, nil
}

// checkFooter refuses what no memory holds.
func checkFooter(m *meta.FileMetaData, size int64) error {
	claimed, rows := int64(0), int64(0)
	for _, g := range m.RowGroups {
		if g.NumRows < 0 || g.NumRows > m.NumRows-rows {
			return fmt.Errorf("damaged Parquet file: %d rows, of which a row group claims %d", m.NumRows, g.NumRows)
		}
		rows += g.NumRows
		for _, c := range g.Columns {
			u := c.MetaData.TotalUncompressedSize
			if u < 0 || u > maxFileBytes {
				return fmt.Errorf("damaged Parquet file: a column claims %d bytes", u)
			}
			claimed += u
		}
	}
	if claimed > min(maxFileBytes, maxRatio*size) || m.NumRows < 0 || m.NumRows > min(maxRows, maxRowsPerByte*size) {
		return fmt.Errorf("damaged or too large: its %d bytes claim to be %d rows in %d bytes", size, m.NumRows, claimed)
	}
	return nil
}

// read appends one row group's values, as many as it has rows.
func (c *column) read(chunk parquet.ColumnChunk, rows int) error {
	// Texts repeat, so that each is kept once.
	seen := map[string]string{}
	values := make([]parquet.Value, 1024)
	pages := chunk.Pages()
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		reader := page.Values()
		for {
			n, err := reader.ReadValues(values)
			if rows -= n; rows < 0 {
				return errors.New("more values than rows")
			}
			for _, v := range values[:n] {
				if err := c.append(chunk.Type().Kind(), v, seen); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		parquet.Release(page)
	}
}

func (c *column) append(kind parquet.Kind, v parquet.Value, seen map[string]string) error {
	if v.IsNull() || c.null != nil {
		c.null = append(c.null, make([]bool, c.len()-len(c.null))...)
		c.null = append(c.null, v.IsNull())
	}
	switch kind {
	case parquet.Int32:
		c.ints = append(c.ints, int64(v.Int32()))
	case parquet.Int64:
		c.ints = append(c.ints, v.Int64())
	case parquet.Float:
		c.floats = append(c.floats, float64(v.Float()))
	case parquet.Double:
		c.floats = append(c.floats, v.Double())
	case parquet.ByteArray, parquet.FixedLenByteArray:
		raw := v.ByteArray()
		text, ok := seen[string(raw)]
		if !ok {
			text = string(raw)
			seen[text] = text
		}
		c.texts = append(c.texts, text)
	case parquet.Boolean:
		n := int64(0)
		if v.Boolean() {
			n = 1
		}
		c.ints = append(c.ints, n)
	default:
		return fmt.Errorf("values of type %v are not read", kind)
	}
	return nil
}
