package importers

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"bench/datasets"
)

// maxRows bounds the rows of a file, which is read whole: a hundred times the largest
// known.
const maxRows = 10 << 20

// parquetTable reads the flat columns of a Parquet file.
func parquetTable(data []byte) (*table, error) {
	if bytes.HasPrefix(data, []byte("version https://git-lfs.github.com/")) {
		return nil, errors.New("a Git LFS pointer and not the file itself: fetch it with git lfs pull")
	}
	f, err := datasets.OpenParquet(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	claimed := int64(0)
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			claimed += c.MetaData.TotalUncompressedSize
		}
	}
	if f.NumRows() > maxRows || claimed > maxFileBytes {
		return nil, fmt.Errorf("too large: %d rows in %d bytes without compression", f.NumRows(), claimed)
	}
	t := &table{columns: map[string]*column{}, rows: int(f.NumRows())}
	for _, leaf := range f.Root().Columns() {
		if !leaf.Leaf() || leaf.Repeated() {
			continue
		}
		c := &column{}
		seen := map[string]string{} // texts repeat, so that each is kept once
		for i := range f.RowGroups() {
			err := datasets.ParquetPages(f, i, leaf, func(page parquet.Page) error {
				return c.read(page, t.rows, seen)
			})
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", clip(leaf.Name()), err)
			}
		}
		if n := c.len(); n != t.rows {
			return nil, fmt.Errorf("damaged Parquet file: column %s has %d values and not %d", clip(leaf.Name()), n, t.rows)
		}
		t.names = append(t.names, leaf.Name())
		t.columns[leaf.Name()] = c
	}
	return t, nil
}

// read appends a page's values, up to rows in all.
func (c *column) read(page parquet.Page, rows int, seen map[string]string) error {
	values, reader := make([]parquet.Value, 1024), page.Values()
	for {
		n, err := reader.ReadValues(values)
		if n > rows-c.len() {
			return errors.New("more values than rows")
		}
		for _, v := range values[:n] {
			if err := c.append(page.Type().Kind(), v, seen); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
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
