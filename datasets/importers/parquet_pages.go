package importers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	// snappy, zstd: pages are inflated here first, within what they claim.
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	meta "github.com/parquet-go/parquet-go/format"

	"bench/datasets"
)

// pages walks the pages of a flat column before parquet-go decodes them: that
// allocates what a page's header, its compression and the runs in it claim, before it
// looks whether there is as much.
type pages struct {
	codec    meta.CompressionCodec
	optional bool
	// values and bytes are what the column may hold yet.
	values, bytes int64
	inflated      []byte
}

// checkPages refuses pages that reach beyond the file, or claim more than their column
// does, and those of a form whose claims are not checked.
func checkPages(data []byte, c *meta.ColumnMetaData, rows int64, optional bool) error {
	if c.NumValues != rows {
		return fmt.Errorf("it claims %d values in %d rows", c.NumValues, rows)
	}
	p := pages{codec: c.Codec, optional: optional, values: c.NumValues, bytes: c.TotalUncompressedSize}
	at := c.DataPageOffset
	if c.DictionaryPageOffset != 0 {
		at = c.DictionaryPageOffset // where the decoder begins too
	}
	size := int64(len(data))
	if at < 0 || at > size || c.TotalCompressedSize < 0 || c.TotalCompressedSize > size-at {
		return errors.New("it lies outside the file")
	}
	for left := data[at : at+c.TotalCompressedSize]; len(left) > 0; {
		var h meta.PageHeader
		n, err := datasets.ReadThrift(left, &h)
		if err != nil {
			return fmt.Errorf("a page's header: %w", err)
		}
		left = left[n:]
		compressed := int64(h.CompressedPageSize)
		if compressed < 0 || compressed > int64(len(left)) {
			return fmt.Errorf("a page claims %d bytes, and there are %d", compressed, len(left))
		}
		if err := p.page(&h, left[:compressed]); err != nil {
			return err
		}
		left = left[compressed:]
	}
	return nil
}

func (p *pages) page(h *meta.PageHeader, body []byte) error {
	size := int64(h.UncompressedPageSize)
	if size < 0 || size > p.bytes {
		return fmt.Errorf("a page claims %d bytes uncompressed, and the column has %d", size, p.bytes)
	}
	p.bytes -= size
	if h.DictionaryPageHeader.Valid != (h.Type == meta.DictionaryPage) || h.DataPageHeader.Valid != (h.Type == meta.DataPage) ||
		h.DataPageHeaderV2.Valid != (h.Type == meta.DataPageV2) {
		return fmt.Errorf("the header of a page of type %s is of another, or of no data", h.Type)
	}
	switch h.Type {
	case meta.DictionaryPage:
		d := h.DictionaryPageHeader.V
		if d.NumValues < 0 || int64(d.NumValues) > size {
			return fmt.Errorf("a dictionary of %d bytes claims %d values", size, d.NumValues)
		}
		//nolint:staticcheck // deprecated for writers; old files have it
		if d.Encoding != meta.Plain && d.Encoding != meta.PlainDictionary {
			return unread("a dictionary", d.Encoding)
		}
		_, err := p.inflate(body, size)
		return err
	case meta.DataPage:
		v := h.DataPageHeader.V
		if err := p.take(v.NumValues); err != nil {
			return err
		}
		body, err := p.inflate(body, size)
		if err != nil {
			return err
		}
		if p.optional {
			if v.DefinitionLevelEncoding != meta.RLE {
				return unread("levels", v.DefinitionLevelEncoding)
			}
			levels, rest, err := sizedRuns(body)
			if err == nil {
				err = checkRuns(levels, 1, v.NumValues)
			}
			if err != nil {
				return err
			}
			body = rest
		}
		return checkValues(v.Encoding, body, v.NumValues)
	case meta.DataPageV2: // whose levels are never compressed
		v := h.DataPageHeaderV2.V
		if err := p.take(v.NumValues); err != nil {
			return err
		}
		rep, def := int64(v.RepetitionLevelsByteLength), int64(v.DefinitionLevelsByteLength)
		if rep < 0 || def < 0 || rep+def > min(size, int64(len(body))) || v.NumNulls < 0 || v.NumNulls > v.NumValues {
			return fmt.Errorf("a page of %d bytes claims %d of levels, and %d nulls of %d", size, rep+def, v.NumNulls, v.NumValues)
		}
		if err := checkRuns(body[rep:rep+def], 1, v.NumValues); err != nil {
			return err
		}
		body = body[rep+def:]
		if v.IsCompressed.V || !v.IsCompressed.Valid { // true where it is not written
			var err error
			if body, err = p.inflate(body, size-rep-def); err != nil {
				return err
			}
		}
		return checkValues(v.Encoding, body, v.NumValues)
	}
	return fmt.Errorf("a page of type %s is not read", h.Type)
}

func unread(what string, e meta.Encoding) error {
	return fmt.Errorf("%s by %s cannot be read: write the file anew, plain or with dictionaries", what, e)
}

// take takes a page's values off those of the column.
func (p *pages) take(n int32) error {
	if n < 0 || int64(n) > p.values {
		return fmt.Errorf("a page claims %d values, and the column has %d left", n, p.values)
	}
	p.values -= int64(n)
	return nil
}

// inflater never makes more than there is room for.
var inflater = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
})

// inflate returns a page's size bytes, valid until the next.
func (p *pages) inflate(body []byte, size int64) ([]byte, error) {
	out, err := body, error(nil)
	if p.codec != meta.Uncompressed && (size > 0 || len(body) > 0) {
		if int64(cap(p.inflated)) < size {
			p.inflated = make([]byte, size)
		}
		room := p.inflated[:size:size]
		switch p.codec {
		case meta.Snappy:
			var n int
			if n, err = snappy.DecodedLen(body); err == nil && int64(n) == size {
				out, err = snappy.Decode(room, body)
			}
		case meta.Zstd:
			out, err = inflater().DecodeAll(body, room[:0])
		default:
			return nil, fmt.Errorf("compressed by %s, and must be by ZSTD or Snappy, or not at all: write the file anew", p.codec)
		}
	}
	if err != nil || int64(len(out)) != size {
		return nil, fmt.Errorf("a page does not inflate to the %d bytes that it claims", size)
	}
	return out, nil
}

// checkValues refuses runs of more values than the page has, and encodings that can
// make much of little: DELTA_BYTE_ARRAY repeats what came before.
func checkValues(e meta.Encoding, b []byte, values int32) error {
	switch e {
	case meta.Plain:
		return nil
	//nolint:staticcheck // deprecated for writers; old files have it
	case meta.RLEDictionary, meta.PlainDictionary:
		if len(b) == 0 {
			return nil // all null
		}
		return checkRuns(b[1:], uint(b[0]), values)
	case meta.RLE: // of booleans
		runs, _, err := sizedRuns(b)
		if err != nil {
			return err
		}
		return checkRuns(runs, 1, values)
	case meta.DeltaBinaryPacked, meta.DeltaLengthByteArray:
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
