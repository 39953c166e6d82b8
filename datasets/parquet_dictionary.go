package datasets

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/format"
)

// dictionary numbers the texts of one column of a row group.
type dictionary struct {
	known map[string]uint32
	plain []byte // the dictionary page
	// recent spares the map most look-ups: a column alternates between a few
	// texts, which differ in length or at their ends.
	recent [64]struct {
		text string
		next uint32 // the place, plus one; 0 is an empty slot
	}
	least, greatest string
}

func newDictionary() *dictionary { return &dictionary{known: map[string]uint32{}} }

func (d *dictionary) reset() {
	clear(d.known)
	clear(d.recent[:])
	d.plain, d.least, d.greatest = d.plain[:0], "", ""
}

// place is where the text is in the dictionary, which it enters if need be.
func (d *dictionary) place(s string) uint32 {
	h := len(s)
	if h > 0 {
		h += int(s[0]) + 3*int(s[h-1])
	}
	slot := &d.recent[h%len(d.recent)]
	if slot.next != 0 && slot.text == s {
		return slot.next - 1
	}
	at, ok := d.known[s]
	if !ok {
		at = uint32(len(d.known))
		d.known[s] = at
		begin := len(d.plain) + 4
		d.plain = appendPlainText(d.plain, s)
		if t := d.plain[begin:]; at == 0 {
			d.least, d.greatest = string(t), string(t)
		} else if string(t) < d.least {
			d.least = string(t)
		} else if string(t) > d.greatest {
			d.greatest = string(t)
		}
	}
	slot.text, slot.next = s, at+1
	return at
}

// endDictionary encodes the dictionary's page, after which the column has none.
func (c *column) endDictionary(p *packer) error {
	d := c.dict
	c.dict = nil
	if d == nil || len(d.known) == 0 {
		return nil
	}
	if len(d.plain) > maxPageBytes {
		return fmt.Errorf("column %s: texts of %d MB are too large to be read again", c.field.name, len(d.plain)>>20)
	}
	// A dictionary's header cannot say that it is not compressed.
	p.scratch = p.zstd.EncodeAll(d.plain, p.scratch[:0])
	h := format.PageHeader{Type: format.DictionaryPage, UncompressedPageSize: int32(len(d.plain)), CompressedPageSize: int32(len(p.scratch))}
	h.DictionaryPageHeader.V = format.DictionaryPageHeader{NumValues: int32(len(d.known)), Encoding: format.Plain}
	h.DictionaryPageHeader.Valid = true
	head, err := marshal(&h)
	if err != nil {
		return err
	}
	c.dictionaryPage = append(append(c.dictionaryPage[:0], head...), p.scratch...)
	c.uncompressed += int64(len(head) + len(d.plain))
	return nil
}

// bounds are the least and the greatest number of a column.
type bounds struct {
	known, nan      bool
	least, greatest uint64 // the bits
}

// add takes in a page's values in PLAIN form.
func (b *bounds) add(f *field, plain []byte) {
	switch {
	case f.integer != nil:
		for ; len(plain) >= 8; plain = plain[8:] {
			x := binary.LittleEndian.Uint64(plain)
			if !b.known {
				b.known, b.least, b.greatest = true, x, x
			} else if int64(x) < int64(b.least) {
				b.least = x
			} else if int64(x) > int64(b.greatest) {
				b.greatest = x
			}
		}
	case f.float != nil:
		for ; len(plain) >= 8; plain = plain[8:] {
			x := math.Float64frombits(binary.LittleEndian.Uint64(plain))
			switch {
			case x != x:
				b.nan = true
			case !b.known:
				b.known, b.least, b.greatest = true, math.Float64bits(x), math.Float64bits(x)
			case x < math.Float64frombits(b.least):
				b.least = math.Float64bits(x)
			case x > math.Float64frombits(b.greatest):
				b.greatest = math.Float64bits(x)
			}
		}
	}
}

// maxBound is how long a text may be to stand in the footer.
const maxBound = 64

// statistics are what readers skip row groups by. Least and greatest are left
// out where Parquet has no order for them (not a number), and of texts that
// are long or have no dictionary.
func (c *column) statistics() format.Statistics {
	s := format.Statistics{NullCount: c.nulls}
	switch b := &c.bounds; {
	case b.known && !b.nan:
		least, greatest := b.least, b.greatest
		if c.field.float != nil {
			// A zero may be of either sign (parquet.thrift, ColumnOrder).
			if math.Float64frombits(least) == 0 {
				least = math.Float64bits(math.Copysign(0, -1))
			}
			if math.Float64frombits(greatest) == 0 {
				greatest = 0
			}
		}
		s.MinValue = binary.LittleEndian.AppendUint64(nil, least)
		s.MaxValue = binary.LittleEndian.AppendUint64(nil, greatest)
	case c.field.text != nil && slices.Equal(c.encodings, []format.Encoding{format.RLEDictionary}):
		d := c.texts
		if len(d.known) > 0 && len(d.least) <= maxBound && len(d.greatest) <= maxBound {
			s.MinValue, s.MaxValue = []byte(d.least), []byte(d.greatest)
		}
	}
	return s
}

// chunk is the footer's word on the column, whose first page lies at offset.
func (c *column) chunk(offset int64) format.ColumnChunk {
	m := format.ColumnMetaData{Type: c.field.physical(), Encoding: append([]format.Encoding{format.RLE}, c.encodings...),
		PathInSchema: c.field.path(), Codec: format.Zstd, NumValues: c.values, TotalUncompressedSize: c.uncompressed,
		TotalCompressedSize: int64(len(c.dictionaryPage) + len(c.pages)), DataPageOffset: offset + int64(len(c.dictionaryPage)),
		Statistics: c.statistics()}
	if len(c.dictionaryPage) > 0 {
		m.DictionaryPageOffset = offset
		if !slices.Contains(m.Encoding, format.Plain) {
			m.Encoding = append(m.Encoding, format.Plain) // the dictionary's own
		}
	}
	return format.ColumnChunk{MetaData: m}
}
