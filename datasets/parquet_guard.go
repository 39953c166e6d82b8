package datasets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"

	// snappy, zstd: pages are inflated here first, within what they claim.
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// A file says how much it holds before it shows any of it. parquet-go v0.32 makes
// room for what is said, and looks afterwards whether it is there:
//
//   - a list in the footer or in a page's header, 2^31 elements of half a kilobyte;
//   - a page, 2 GB out of the 20 bytes of its header;
//   - what ZSTD and Snappy inflate to, which it compares with the claim when it has it;
//   - runs of levels, of places in a dictionary and of booleans, 2^31 of six bytes;
//   - a schema, in the square of its depth;
//
// and levels or places that are out of range make it panic. A process that runs out of
// memory ends; nothing can be recovered. So every file, ours or imported, is opened by
// OpenParquet, and every column is read by ParquetPages, which walk what is claimed
// first. What a file takes is bounded by its size:
const (
	// maxRowsPerByte and maxValuesPerByte bound rows and values: even rows that are
	// all alike cost their share of the footer. Published files stay a hundred times
	// below.
	maxRowsPerByte   = 16
	maxValuesPerByte = 1024
	// maxRatio bounds how much larger the file may be without compression: as many
	// numbers of eight bytes. A column that is not a list is far smaller.
	maxRatio     = 8 * maxValuesPerByte
	maxFlatRatio = 1000
	// maxPageBytes bounds a page. Writers' pages are of 1 MB, or one row.
	maxPageBytes = 128 << 20
	// maxDepth bounds the nesting of the schema and of the metadata.
	maxDepth = 32
)

// errCorrupt is the cause of every complaint about a file's inside.
var errCorrupt = errors.New("the file is corrupt")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errCorrupt}, args...)...)
}

// recovered turns a panic of the decoder into a complaint about the file.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = corrupt("%v", r)
	}
}

// OpenParquet opens a file and checks what its footer claims. An error does not name
// the file.
func OpenParquet(r io.ReaderAt, size int64) (f *parquet.File, err error) {
	defer recovered(&err)
	var head [4]byte
	if _, err := r.ReadAt(head[:], 0); err != nil || string(head[:]) != "PAR1" {
		return nil, errors.New("this is not a Parquet file")
	}
	if size < 12 {
		return nil, errors.New("the file is truncated: it is too short for Parquet")
	}
	var tail [8]byte
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return nil, err
	}
	if string(tail[4:]) != "PAR1" {
		return nil, errors.New("the file is truncated: its end is missing")
	}
	length := int64(binary.LittleEndian.Uint32(tail[:4]))
	if length > size-12 {
		return nil, corrupt("a footer of %d bytes does not fit in it", length)
	}
	footer := make([]byte, length)
	if _, err := r.ReadAt(footer, size-8-length); err != nil {
		return nil, err
	}
	var shape struct {
		Schema []struct {
			Children int32 `thrift:"5,optional"`
		} `thrift:"2"`
	}
	if _, err := readThrift(footer, &shape); err != nil {
		return nil, corrupt("its footer: %v", err)
	}
	var open []int32 // of each group around the next element, the elements to come
	for _, e := range shape.Schema {
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			open[len(open)-1]--
		}
		if open = append(open, max(0, e.Children)); len(open) > maxDepth {
			return nil, corrupt("its schema is nested more than %d deep", maxDepth)
		}
	}
	f, err = parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.FileSchema(schema))
	if err != nil {
		return nil, corrupt("%v", err)
	}
	return f, checkFooter(f.Metadata(), size)
}

// checkFooter refuses counts and places that the file's size belies.
func checkFooter(meta *format.FileMetaData, size int64) error {
	rows, claimed := int64(0), int64(0)
	for i := range meta.RowGroups {
		g := &meta.RowGroups[i]
		if g.NumRows < 0 || g.NumRows > meta.NumRows-rows {
			return corrupt("it claims %d rows, and row group %d has %d of them", meta.NumRows, i, g.NumRows)
		}
		rows += g.NumRows
		for j := range g.Columns {
			c := &g.Columns[j].MetaData
			begin := chunkBegin(c)
			if begin < 4 || c.TotalCompressedSize < 0 || begin > size || c.TotalCompressedSize > size-begin {
				return corrupt("column %d of row group %d lies outside it", j, i)
			}
			if c.NumValues < 0 || c.NumValues > maxValuesPerByte*size {
				return corrupt("column %d of row group %d claims %d values", j, i, c.NumValues)
			}
			if u := c.TotalUncompressedSize; u < 0 || u > maxRatio*size-claimed {
				return corrupt("its %d bytes claim to be too large: column %d of row group %d adds %d bytes", size, j, i, u)
			}
			claimed += c.TotalUncompressedSize
			if c.Codec != meta.RowGroups[0].Columns[j].MetaData.Codec {
				return corrupt("column %d is compressed by %s and by %s", j, meta.RowGroups[0].Columns[j].MetaData.Codec, c.Codec)
			}
		}
	}
	if rows != meta.NumRows || rows > maxRowsPerByte*size {
		return corrupt("it claims %d rows, and its row groups %d, in %d bytes", meta.NumRows, rows, size)
	}
	return nil
}

// chunkBegin is where a column's first page lies, for the decoder too.
func chunkBegin(c *format.ColumnMetaData) int64 {
	if c.DictionaryPageOffset != 0 {
		return c.DictionaryPageOffset
	}
	return c.DataPageOffset
}

// window is a part of a file that is in memory.
type window struct {
	*bytes.Reader
	begin int64
}

func (w window) ReadAt(b []byte, at int64) (int, error) { return w.Reader.ReadAt(b, at-w.begin) }

// ParquetPages calls each with the pages of a column of a row group, of a file that
// OpenParquet opened. A page is valid until each returns. An error does not name the
// file or the column.
func ParquetPages(f *parquet.File, group int, leaf *parquet.Column, each func(parquet.Page) error) (err error) {
	defer recovered(&err)
	m := &f.Metadata().RowGroups[group].Columns[leaf.Index()].MetaData
	rows := f.Metadata().RowGroups[group].NumRows
	if leaf.MaxRepetitionLevel() == 0 {
		if m.NumValues != rows {
			return corrupt("it claims %d values in %d rows", m.NumValues, rows)
		}
		if m.TotalUncompressedSize > maxFlatRatio*f.Size() {
			return corrupt("it claims %d bytes in a file of %d, which is too large", m.TotalUncompressedSize, f.Size())
		}
	}
	data, begin := make([]byte, m.TotalCompressedSize), chunkBegin(m)
	if _, err := f.ReadAt(data, begin); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	g := guard{codec: m.Codec, repetition: uint(bits.Len(uint(leaf.MaxRepetitionLevel()))),
		definition: uint(bits.Len(uint(leaf.MaxDefinitionLevel()))), values: m.NumValues, bytes: m.TotalUncompressedSize}
	for left := data; len(left) > 0; {
		var h format.PageHeader
		n, err := readThrift(left, &h)
		if err != nil {
			return corrupt("a page's header: %v", err)
		}
		left = left[n:]
		if h.CompressedPageSize < 0 || int(h.CompressedPageSize) > len(left) {
			return corrupt("a page claims %d bytes, and there are %d", h.CompressedPageSize, len(left))
		}
		if err := g.page(&h, left[:h.CompressedPageSize]); err != nil {
			return corrupt("%v", err)
		}
		left = left[h.CompressedPageSize:]
	}
	chunk, ok := f.RowGroups()[group].ColumnChunks()[leaf.Index()].(*parquet.FileColumnChunk)
	if !ok {
		return corrupt("it is not a column of the file")
	}
	pages := chunk.PagesFrom(window{bytes.NewReader(data), begin})
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return corrupt("%v", err)
		}
		if err := each(page); err != nil {
			return err
		}
		parquet.Release(page)
	}
}

// guard walks the pages of a column before parquet-go decodes them.
type guard struct {
	codec format.CompressionCodec
	// repetition and definition are the bits of a level; 0 where there are none.
	repetition, definition uint
	// values and bytes are what the column may hold yet.
	values, bytes int64
	inflated      []byte
}

func (g *guard) page(h *format.PageHeader, body []byte) error {
	size := int64(h.UncompressedPageSize)
	if size < 0 || size > min(g.bytes, maxPageBytes) {
		return fmt.Errorf("a page claims %d bytes uncompressed, and the column has %d", size, g.bytes)
	}
	g.bytes -= size
	if h.DictionaryPageHeader.Valid != (h.Type == format.DictionaryPage) || h.DataPageHeader.Valid != (h.Type == format.DataPage) ||
		h.DataPageHeaderV2.Valid != (h.Type == format.DataPageV2) {
		return fmt.Errorf("the header of a page of type %s is of another, or of no data", h.Type)
	}
	switch h.Type {
	case format.DictionaryPage:
		d := h.DictionaryPageHeader.V
		if d.NumValues < 0 || int64(d.NumValues) > size {
			return fmt.Errorf("a dictionary of %d bytes claims %d values", size, d.NumValues)
		}
		//nolint:staticcheck // deprecated for writers; old files have it
		if d.Encoding != format.Plain && d.Encoding != format.PlainDictionary {
			return unread("a dictionary", d.Encoding)
		}
		_, err := g.inflate(body, size)
		return err
	case format.DataPage:
		v := h.DataPageHeader.V
		if err := g.take(v.NumValues); err != nil {
			return err
		}
		body, err := g.inflate(body, size)
		if err != nil {
			return err
		}
		for _, level := range []struct {
			width    uint
			encoding format.Encoding
		}{{g.repetition, v.RepetitionLevelEncoding}, {g.definition, v.DefinitionLevelEncoding}} {
			if level.width == 0 {
				continue
			}
			if level.encoding != format.RLE {
				return unread("levels", level.encoding)
			}
			levels, rest, err := sizedRuns(body)
			if err == nil {
				err = checkRuns(levels, level.width, v.NumValues)
			}
			if err != nil {
				return err
			}
			body = rest
		}
		return checkValues(v.Encoding, body, v.NumValues)
	case format.DataPageV2: // whose levels are never compressed
		v := h.DataPageHeaderV2.V
		if err := g.take(v.NumValues); err != nil {
			return err
		}
		rep, def := int64(v.RepetitionLevelsByteLength), int64(v.DefinitionLevelsByteLength)
		if rep < 0 || def < 0 || rep+def > min(size, int64(len(body))) || v.NumNulls < 0 || v.NumNulls > v.NumValues {
			return fmt.Errorf("a page of %d bytes claims %d of levels, and %d nulls of %d", size, rep+def, v.NumNulls, v.NumValues)
		}
		if err := errors.Join(checkRuns(body[:rep], g.repetition, v.NumValues), checkRuns(body[rep:rep+def], g.definition, v.NumValues)); err != nil {
			return err
		}
		body = body[rep+def:]
		if v.IsCompressed.V || !v.IsCompressed.Valid { // true where it is not written
			var err error
			if body, err = g.inflate(body, size-rep-def); err != nil {
				return err
			}
		}
		return checkValues(v.Encoding, body, v.NumValues)
	}
	return fmt.Errorf("a page of type %s is not read", h.Type)
}

func unread(what string, e format.Encoding) error {
	return fmt.Errorf("%s by %s cannot be read: write the file again, plain or with dictionaries", what, e)
}

// take takes a page's values off those of the column.
func (g *guard) take(n int32) error {
	if n < 0 || int64(n) > g.values {
		return fmt.Errorf("a page claims %d values, and the column has %d left", n, g.values)
	}
	g.values -= int64(n)
	return nil
}

// inflater never makes more than there is room for.
var inflater = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
})

// inflate returns a page's size bytes, valid until the next.
func (g *guard) inflate(body []byte, size int64) ([]byte, error) {
	out, err := body, error(nil)
	if g.codec != format.Uncompressed && (size > 0 || len(body) > 0) {
		if int64(cap(g.inflated)) < size {
			g.inflated = make([]byte, size)
		}
		room := g.inflated[:size:size]
		switch g.codec {
		case format.Snappy:
			var n int
			if n, err = snappy.DecodedLen(body); err == nil && int64(n) == size {
				out, err = snappy.Decode(room, body)
			}
		case format.Zstd:
			out, err = inflater().DecodeAll(body, room[:0])
		default:
			return nil, fmt.Errorf("compressed by %s, and must be by ZSTD or Snappy, or not at all: write the file again", g.codec)
		}
	}
	if err != nil || int64(len(out)) != size {
		return nil, fmt.Errorf("a page does not inflate to the %d bytes that it claims", size)
	}
	return out, nil
}

// checkValues refuses runs of more values than the page has, and encodings that can
// make much of little: DELTA_BYTE_ARRAY repeats what came before.
func checkValues(e format.Encoding, b []byte, values int32) error {
	switch e {
	case format.Plain:
		return nil
	//nolint:staticcheck // deprecated for writers; old files have it
	case format.RLEDictionary, format.PlainDictionary:
		if len(b) == 0 {
			return nil // all null
		}
		return checkRuns(b[1:], uint(b[0]), values)
	case format.RLE: // of booleans
		runs, _, err := sizedRuns(b)
		if err != nil {
			return err
		}
		return checkRuns(runs, 1, values)
	case format.DeltaBinaryPacked, format.DeltaLengthByteArray:
		return checkDifferences(b, values)
	}
	return unread("values", e)
}

// checkDifferences refuses more than count differences (Apache Parquet, Encodings.md,
// "Delta Encoding"): the third number of their header says how many there are.
func checkDifferences(b []byte, count int32) error {
	for i := range 3 {
		v, n := binary.Uvarint(b)
		if n <= 0 || i == 2 && v > uint64(count) {
			return fmt.Errorf("differences go beyond the %d values of their page", count)
		}
		b = b[n:]
	}
	return nil
}

// sizedRuns takes runs off b that have their length, of four bytes, in front.
func sizedRuns(b []byte) (runs, rest []byte, err error) {
	if len(b) < 4 || int64(binary.LittleEndian.Uint32(b)) > int64(len(b)-4) {
		return nil, nil, errors.New("runs are cut off")
	}
	n := 4 + binary.LittleEndian.Uint32(b)
	return b[4:n], b[n:], nil
}

// checkRuns walks numbers in the hybrid of run lengths and bit packing (Apache
// Parquet, Encodings.md), and refuses more than count and what fills up the last
// eight. What else is wrong with them the decoder tells.
func checkRuns(b []byte, width uint, count int32) error {
	for left := int64(count) + 7; len(b) > 0; {
		head, n := binary.Uvarint(b)
		if n <= 0 {
			return errors.New("runs end early")
		}
		b = b[n:]
		numbers, bytes := head>>1, uint64(width+7)/8
		if head&1 == 1 { // groups of eight
			bytes = numbers * uint64(width)
			numbers *= 8
		}
		if head > 1<<40 || numbers > uint64(left) {
			return fmt.Errorf("a run goes beyond the %d values of its page", count)
		}
		left -= int64(numbers)
		b = b[min(bytes, uint64(len(b))):]
	}
	return nil
}
