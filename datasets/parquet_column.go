package datasets

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// pageBytes is where a page ends, at the next row: a long list of samples
	// shall not have its whole row group in one.
	pageBytes = 1 << 20
	// maxDictionary is where a column of many texts stops using a dictionary.
	maxDictionary = 1 << 20
	// sampleBytes of a page tell whether it is worth compressing.
	sampleBytes = 8 << 10
)

// column encodes one column of a row group, page by page, in the form that
// parquet_pages.go decodes. What it holds is used again for the next group.
type column struct {
	field *field
	texts *dictionary // of this and later row groups; nil for other columns
	dict  *dictionary // texts, as long as pages are encoded by it

	// The open page: a definition level a value or null, and of a list a
	// repetition level; then values, in PLAIN form or as places in dict.
	levels, repeats []byte
	rows            int
	plain           []byte
	flags           int // booleans in plain
	index           []uint32

	// The pages that are done, and what the footer says of them.
	dictionaryPage, pages []byte
	values, nulls         int64
	uncompressed          int64
	encodings             []format.Encoding
	bounds                bounds
}

// packer is what an encoder's columns share.
type packer struct {
	zstd          *zstd.Encoder
	body, scratch []byte
}

func newPacker() (*packer, error) {
	// ZSTD at its fastest: a few per cent larger than its default, for half the
	// time. Pages are compressed one at a time on each core.
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
	return &packer{zstd: z}, err
}

func newColumn(f *field) column {
	c := column{field: f}
	if f.dict {
		c.texts = newDictionary()
		c.dict = c.texts
	}
	return c
}

// reset empties the column for the next row group.
func (c *column) reset() {
	*c = column{field: c.field, texts: c.texts, dict: c.texts,
		levels: c.levels[:0], repeats: c.repeats[:0], plain: c.plain[:0], index: c.index[:0],
		dictionaryPage: c.dictionaryPage[:0], pages: c.pages[:0], encodings: c.encodings[:0]}
	if c.texts != nil {
		c.texts.reset()
	}
}

// end encodes what is left of the row group.
func (c *column) end(p *packer) error {
	if err := c.endPage(p); err != nil {
		return err
	}
	return c.endDictionary(p)
}

// noLevels are the levels of nulls.
var noLevels [flatRows]byte

// add appends the column's values of some records, flatRows at most.
func (c *column) add(records []record, p *packer) error {
	f := c.field
	if f.list() {
		return c.addLists(records, p)
	}
	at := len(c.levels)
	c.levels = append(c.levels, noLevels[:len(records)]...)
	levels := c.levels[at:]
	c.rows += len(records)
	// Most values of most columns are null, which is seen first.
	switch {
	case f.integer != nil:
		get, plain := f.integer, c.plain
		for i := range records {
			if x := *get(&records[i]); x != 0 || f.zeroCounts(&records[i]) {
				plain = binary.LittleEndian.AppendUint64(plain, uint64(x))
				levels[i] = 1
			}
		}
		c.plain = plain
	case f.float != nil:
		get, plain := f.float, c.plain
		for i := range records {
			// -0 differs from 0 and is kept.
			if x := math.Float64bits(*get(&records[i])); x != 0 || f.zeroCounts(&records[i]) {
				plain = binary.LittleEndian.AppendUint64(plain, x)
				levels[i] = 1
			}
		}
		c.plain = plain
	case f.flag != nil:
		for i := range records {
			if x := *f.flag(&records[i]); x || f.zeroCounts(&records[i]) {
				c.addFlag(x)
				levels[i] = 1
			}
		}
	default:
		get := f.text
		for i := range records {
			if x := *get(&records[i]); x != "" || f.zeroCounts(&records[i]) {
				c.addText(x)
				levels[i] = 1
			}
		}
	}
	return c.turn(p)
}

// zeroCounts says that a zero is a value of this record and not a null.
func (f *field) zeroCounts(r *record) bool { return f.present != nil && f.present(r) }

// addLists appends lists: their further elements repeat at level 1.
func (c *column) addLists(records []record, p *packer) error {
	f := c.field
	for i := range records {
		var n int
		if f.floats != nil {
			list := *f.floats(&records[i])
			for _, x := range list {
				c.plain = binary.LittleEndian.AppendUint64(c.plain, math.Float64bits(x))
			}
			n = len(list)
		} else {
			list := *f.texts(&records[i])
			for _, x := range list {
				c.addText(x)
			}
			n = len(list)
		}
		c.rows++
		c.repeats = append(c.repeats, 0)
		if n == 0 {
			c.levels = append(c.levels, 0)
			continue
		}
		c.levels = append(c.levels, 2)
		for range n - 1 {
			c.levels = append(c.levels, 2)
			c.repeats = append(c.repeats, 1)
		}
		if err := c.turn(p); err != nil {
			return err
		}
	}
	return nil
}

func (c *column) addFlag(x bool) {
	if c.flags%8 == 0 {
		c.plain = append(c.plain, 0)
	}
	if x {
		c.plain[len(c.plain)-1] |= 1 << (c.flags % 8)
	}
	c.flags++
}

func (c *column) addText(s string) {
	if c.dict != nil {
		c.index = append(c.index, c.dict.place(s))
		return
	}
	c.plain = appendPlainText(c.plain, s)
}

// appendPlainText appends a text in PLAIN form. Text that is not UTF-8, which
// Parquet's strings must be, is mended.
func appendPlainText(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// turn ends the page if it is full, and the use of a dictionary that is.
func (c *column) turn(p *packer) error {
	full := c.dict != nil && len(c.dict.plain) > maxDictionary
	if !full && len(c.plain)+4*len(c.index) < pageBytes {
		return nil
	}
	if err := c.endPage(p); err != nil {
		return err
	}
	if full {
		if err := c.endDictionary(p); err != nil {
			return err
		}
	}
	return nil
}

// endPage encodes the open page, if there is one.
func (c *column) endPage(p *packer) error {
	if c.rows == 0 {
		return nil
	}
	h := format.DataPageHeaderV2{NumValues: int32(len(c.levels)), NumRows: int32(c.rows), Encoding: format.Plain}
	body := p.body[:0]
	if c.field.list() {
		body = appendHybrid(body, c.repeats, 1)
	}
	h.RepetitionLevelsByteLength = int32(len(body))
	top := byte(c.field.maxLevel())
	there := bytes.Count(c.levels, []byte{top})
	h.NumNulls = int32(len(c.levels) - there)
	if there == 0 && !c.field.list() || there == len(c.levels) {
		// All null, as most columns of one suite are, or none.
		body = appendRun(body, len(c.levels), uint32(c.levels[0]), uint(top))
	} else {
		body = appendHybrid(body, c.levels, uint(top))
	}
	h.DefinitionLevelsByteLength = int32(len(body)) - h.RepetitionLevelsByteLength
	c.bounds.add(c.field, c.plain)
	if len(c.index) > 0 {
		h.Encoding = format.RLEDictionary
		width := uint(max(1, bits.Len(uint(len(c.dict.known)-1))))
		c.plain = appendHybrid(append(c.plain, byte(width)), c.index, width)
	}
	values := c.plain
	size := len(body) + len(values)
	if size > maxPageBytes {
		return fmt.Errorf("column %s: a row of %d MB is too large to be read again", c.field.name, size>>20)
	}
	packed, compressed := p.pack(values)
	h.IsCompressed = thrift.New(compressed)
	p.body = append(body, packed...)
	header := format.PageHeader{Type: format.DataPageV2, UncompressedPageSize: int32(size), CompressedPageSize: int32(len(p.body)),
		DataPageHeaderV2: thrift.New(h)}
	if !slices.Contains(c.encodings, h.Encoding) {
		c.encodings = append(c.encodings, h.Encoding)
	}
	c.values += int64(len(c.levels))
	c.nulls += int64(h.NumNulls)
	c.levels, c.repeats, c.plain, c.index, c.rows, c.flags = c.levels[:0], c.repeats[:0], c.plain[:0], c.index[:0], 0, 0
	return c.appendPage(&header, p.body)
}

func (c *column) appendPage(h *format.PageHeader, body []byte) error {
	head, err := marshal(h)
	if err != nil {
		return err
	}
	c.pages = append(append(c.pages, head...), body...)
	c.uncompressed += int64(len(head)) + int64(h.UncompressedPageSize)
	return nil
}

// pack compresses a page's values, or leaves them as they are where it saves
// less than an eighth of a sample: measured times are mostly noise, and
// packing them took the most time for the least gain.
func (p *packer) pack(values []byte) ([]byte, bool) {
	if len(values) < 32 {
		return values, false
	}
	if n := len(values); n > 2*sampleBytes {
		p.scratch = p.zstd.EncodeAll(values[(n-sampleBytes)/2:][:sampleBytes], p.scratch[:0])
		if len(p.scratch) > sampleBytes*7/8 {
			return values, false
		}
	}
	p.scratch = p.zstd.EncodeAll(values, p.scratch[:0])
	if len(p.scratch) >= len(values) {
		return values, false
	}
	return p.scratch, true
}
