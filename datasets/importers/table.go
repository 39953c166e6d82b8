package importers

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"bench/datasets"

	// snappy, zstd: how far a page inflates, before it is inflated.
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	meta "github.com/parquet-go/parquet-go/format"
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
	// A damaged footer may claim what no memory holds.
	claimed := int64(0)
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			claimed += c.MetaData.TotalUncompressedSize
			if err := checkPages(data, &c.MetaData); err != nil {
				return nil, fmt.Errorf("damaged Parquet file: %w", err)
			}
		}
	}
	if claimed < 0 || claimed > min(maxFileBytes, maxRatio*n) || f.NumRows() < 0 || f.NumRows() > min(maxRows, maxRowsPerByte*n) {
		return nil, fmt.Errorf("damaged or too large: its %d bytes claim to be %d rows in %d bytes", n, f.NumRows(), claimed)
	}
	t = &table{columns: map[string]*column{}}
	for _, leaf := range f.Root().Columns() {
		if !leaf.Leaf() || leaf.Repeated() {
			continue
		}
		c := &column{}
		for _, group := range f.RowGroups() {
			if err := c.read(group.ColumnChunks()[leaf.Index()], int(group.NumRows())); err != nil {
				return nil, fmt.Errorf("damaged Parquet file: column %s: %w", leaf.Name(), err)
			}
		}
		if n := c.len(); n != int(f.NumRows()) {
			return nil, fmt.Errorf("damaged Parquet file: column %s has %d values and not %d", leaf.Name(), n, f.NumRows())
		}
		t.names = append(t.names, leaf.Name())
		t.columns[leaf.Name()] = c
	}
	t.rows = int(f.NumRows())
	return t, nil
}

// checkPages refuses pages that reach beyond the file or claim more than their
// column does: the reader allocates what a page's header says before it looks.
func checkPages(data []byte, c *meta.ColumnMetaData) error {
	at := c.DataPageOffset
	if c.DictionaryPageOffset > 0 {
		at = min(at, c.DictionaryPageOffset)
	}
	uncompressed := int64(0)
	for end := at + c.TotalCompressedSize; at < end; {
		if at < 0 || at > int64(len(data)) || end > int64(len(data)) {
			return errors.New("a column lies outside it")
		}
		var h meta.PageHeader
		n, err := datasets.ReadThrift(data[at:], &h)
		if err != nil {
			return fmt.Errorf("a page's header: %w", err)
		}
		at += int64(n)
		size := int64(h.CompressedPageSize)
		uncompressed += int64(h.UncompressedPageSize)
		if size < 0 || size > end-at || h.UncompressedPageSize < 0 || uncompressed > c.TotalUncompressedSize {
			return fmt.Errorf("a page claims %d bytes, %d uncompressed, of a column of %d", size, h.UncompressedPageSize, c.TotalUncompressedSize)
		}
		body := data[at : at+size]
		if h.Type == meta.DataPageV2 { // whose levels are never compressed
			v := &h.DataPageHeaderV2.V
			levels := int64(v.RepetitionLevelsByteLength) + int64(v.DefinitionLevelsByteLength)
			if v.RepetitionLevelsByteLength < 0 || v.DefinitionLevelsByteLength < 0 || levels > size {
				return fmt.Errorf("a page of %d bytes claims %d of levels", size, levels)
			}
			body = body[levels:]
		}
		if err := checkInflated(c.Codec, body, int64(h.UncompressedPageSize)); err != nil {
			return err
		}
		at += size
	}
	return nil
}

// checkInflated refuses a page that says it inflates to more than its header does,
// and any compression whose text does not say it: its decoder doubles its memory for
// as long as a damaged page goes on.
func checkInflated(codec meta.CompressionCodec, page []byte, most int64) error {
	switch codec {
	case meta.Uncompressed:
		return nil
	case meta.Snappy:
		if n, err := snappy.DecodedLen(page); err == nil && int64(n) > most {
			return fmt.Errorf("a page of %d bytes inflates to %d", most, n)
		}
		return nil // what else is wrong the decoder tells
	case meta.Zstd:
		var h zstd.Header
		if err := h.Decode(page); err == nil && h.HasFCS && h.FrameContentSize > uint64(most) {
			return fmt.Errorf("a page of %d bytes inflates to %d", most, h.FrameContentSize)
		}
		return nil
	}
	return fmt.Errorf("a column is compressed by %s, and must be by ZSTD or Snappy, or not at all: write it anew", codec)
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
