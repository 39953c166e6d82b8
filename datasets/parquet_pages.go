package datasets

import (
	"encoding/binary"
	"io"
	"math"
	"sync"

	// klauspost/compress is the ZSTD decoder, bounded in memory.
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// Pages are decoded here, and not by parquet-go, for two reasons: its decoder
// allocates what run lengths in a page claim, gigabytes out of a few bytes,
// and values go straight into records without a boxed form between. Only what
// the Writer writes is read: data pages of version 2, ZSTD, PLAIN and
// RLE_DICTIONARY (Apache Parquet, Encodings.md).

var inflate = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPageBytes))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
})

// chunk reads one column of one row group.
type chunk struct {
	field   *field
	data    []byte
	values  int64
	dict    []string
	known   map[string]string
	rows    int
	row     int // the next row; of a list, one past the current one
	scratch pageScratch
	// Values go to one of these; places are of texts in column.
	records []record
	column  *Column
	places  map[string]uint32
}

type pageScratch struct {
	rep, def, index []uint32
	plain           []byte
}

// readColumn fills one field of all records of a row group.
func readColumn(r io.ReaderAt, c *format.ColumnMetaData, f *field, records []record) error {
	return decodeColumn(r, c, chunk{field: f, rows: len(records), records: records, known: map[string]string{}})
}

// decodeColumn reads a column to where k says.
func decodeColumn(r io.ReaderAt, c *format.ColumnMetaData, k chunk) error {
	f := k.field
	if c.Codec != format.Zstd {
		return corrupt("column %s is compressed by %s, and must be by ZSTD", f.name, c.Codec)
	}
	if c.Type != f.physical() {
		return corrupt("column %s is of type %s, and must be %s", f.name, c.Type, f.physical())
	}
	k.data, k.values = make([]byte, c.TotalCompressedSize), c.NumValues
	if _, err := r.ReadAt(k.data, chunkBegin(c)); err != nil {
		return err
	}
	for len(k.data) > 0 {
		if err := k.page(); err != nil {
			return err
		}
	}
	if k.row != k.rows || k.values != 0 {
		return corrupt("column %s holds %d rows of %d", f.name, k.row, k.rows)
	}
	return nil
}

// page takes the next page off the chunk.
func (k *chunk) page() error {
	var h format.PageHeader
	n, err := ReadThrift(k.data, &h)
	if err != nil {
		return corrupt("the header of a page of column %s: %v", k.field.name, err)
	}
	k.data = k.data[n:]
	compressed, size := int64(h.CompressedPageSize), int64(h.UncompressedPageSize)
	if compressed < 0 || compressed > int64(len(k.data)) || size < 0 || size > maxPageBytes {
		return corrupt("a page of column %s claims %d bytes, %d uncompressed", k.field.name, compressed, size)
	}
	body := k.data[:compressed]
	k.data = k.data[compressed:]
	switch h.Type {
	case format.DictionaryPage:
		return k.dictionary(body, size, h.DictionaryPageHeader.V.NumValues)
	case format.DataPageV2:
		return k.dataPage(body, size, &h.DataPageHeaderV2.V)
	}
	return corrupt("column %s has a page of type %s", k.field.name, h.Type)
}

// decompress returns size bytes, valid until the next page.
func (k *chunk) decompress(b []byte, size int64) ([]byte, error) {
	if len(b) == 0 && size == 0 {
		return nil, nil
	}
	if int64(cap(k.scratch.plain)) < size {
		k.scratch.plain = make([]byte, 0, size)
	}
	out, err := inflate().DecodeAll(b, k.scratch.plain[:0])
	if err != nil || int64(len(out)) != size {
		return nil, corrupt("a page of column %s does not decompress to %d bytes", k.field.name, size)
	}
	return out, nil
}

func (k *chunk) dictionary(body []byte, size int64, n int32) error {
	b, err := k.decompress(body, size)
	if err != nil {
		return err
	}
	// Each text takes the four bytes of its length at least.
	if k.dict != nil || n < 0 || int64(n) > int64(len(b)/4) || k.field.physical() != format.ByteArray {
		return corrupt("column %s has a wrong dictionary", k.field.name)
	}
	k.dict = make([]string, n)
	for i := range k.dict {
		var t []byte
		if t, b, err = k.plainText(b); err != nil {
			return err
		}
		k.dict[i] = string(t)
	}
	return nil
}

func (k *chunk) plainText(b []byte) (text, rest []byte, err error) {
	if len(b) >= 4 {
		if n := int64(binary.LittleEndian.Uint32(b)); n <= int64(len(b)-4) {
			return b[4 : 4+n], b[4+n:], nil
		}
	}
	return nil, nil, corrupt("a text of column %s is cut off", k.field.name)
}

// dataPage decodes levels and values into records.
func (k *chunk) dataPage(body []byte, size int64, h *format.DataPageHeaderV2) error {
	list := k.field.maxLevel() == 2
	n, rep, def := int64(h.NumValues), int64(h.RepetitionLevelsByteLength), int64(h.DefinitionLevelsByteLength)
	if n < 0 || n > k.values || rep < 0 || def < 0 || rep > int64(len(body)) || def > int64(len(body))-rep || size < rep+def ||
		!list && n > int64(k.rows-k.row) {
		return corrupt("a page of column %s claims %d values", k.field.name, n)
	}
	k.values -= n
	var err error
	s := &k.scratch
	s.rep = s.rep[:0]
	if list {
		if s.rep, err = k.hybrid(body[:rep], 1, n, s.rep); err != nil {
			return err
		}
	}
	levelBits := uint(k.field.maxLevel()) // 1 bit up to level 1, 2 up to 2
	if s.def, err = k.hybrid(body[rep:rep+def], levelBits, n, s.def[:0]); err != nil {
		return err
	}
	present := int64(0)
	for _, d := range s.def {
		if int(d) > k.field.maxLevel() {
			return corrupt("column %s has a level of %d", k.field.name, d)
		}
		if int(d) == k.field.maxLevel() {
			present++
		}
	}
	plain := body[rep+def:]
	if h.IsCompressed.V || !h.IsCompressed.Valid { // true where it is not written
		if plain, err = k.decompress(plain, size-rep-def); err != nil {
			return err
		}
	}
	return k.fill(plain, h.Encoding, present)
}

// hybrid decodes count numbers of the RLE and bit-packing hybrid, no more than
// b holds: run lengths are bounded by count before anything is made.
func (k *chunk) hybrid(b []byte, width uint, count int64, out []uint32) ([]uint32, error) {
	if int64(cap(out)) < count {
		out = make([]uint32, 0, count)
	}
	bytes := int((width + 7) / 8)
	for left := count; left > 0; left = count - int64(len(out)) {
		head, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, corrupt("runs of column %s end early", k.field.name)
		}
		b = b[n:]
		if head&1 == 0 { // head/2 times one number
			if head>>1 > uint64(left) || head == 0 || len(b) < bytes {
				return nil, corrupt("a run of column %s is too long", k.field.name)
			}
			v := uint32(0)
			for i := range bytes {
				v |= uint32(b[i]) << (8 * i)
			}
			b = b[bytes:]
			for range head >> 1 {
				out = append(out, v)
			}
			continue
		}
		// head/2 groups of eight numbers; the last may be padding.
		groups := head >> 1
		if groups == 0 || groups > uint64(left+7)/8 || uint64(len(b)) < groups*uint64(width) {
			return nil, corrupt("a packed run of column %s is too long", k.field.name)
		}
		acc, bits, mask := uint64(0), uint(0), uint64(1)<<width-1
		packed := b[:groups*uint64(width)]
		b = b[len(packed):]
		take := min(int64(groups)*8, left)
		for range take {
			for bits < width {
				acc |= uint64(packed[0]) << bits
				packed = packed[1:]
				bits += 8
			}
			out = append(out, uint32(acc&mask))
			acc >>= width
			bits -= width
		}
	}
	return out, nil
}

// fill puts a page's values where the levels say.
func (k *chunk) fill(plain []byte, encoding format.Encoding, present int64) error {
	f := k.field
	//nolint:staticcheck // deprecated for writers; old files have it
	dictionary := encoding == format.RLEDictionary || encoding == format.PlainDictionary
	if dictionary {
		if k.dict == nil || len(plain) == 0 && present > 0 || len(plain) > 0 && plain[0] > 32 {
			return corrupt("column %s has no dictionary", f.name)
		}
		var err error
		k.scratch.index = k.scratch.index[:0]
		if present > 0 {
			if k.scratch.index, err = k.hybrid(plain[1:], uint(plain[0]), present, k.scratch.index); err != nil {
				return err
			}
		}
	} else if encoding != format.Plain {
		return corrupt("column %s is encoded as %s", f.name, encoding)
	}
	fixed := int64(0)
	switch {
	case f.integer != nil, f.float != nil, f.floats != nil:
		fixed = 8 * present
	case f.flag != nil:
		fixed = (present + 7) / 8
	}
	if int64(len(plain)) < fixed {
		return corrupt("values of column %s are cut off", f.name)
	}
	if k.column != nil {
		return k.fillColumn(plain, dictionary)
	}
	at := 0
	next := func() (string, error) {
		if dictionary {
			i := k.scratch.index[at]
			if at++; int64(i) >= int64(len(k.dict)) {
				return "", corrupt("column %s names a text that its dictionary lacks", f.name)
			}
			return k.dict[i], nil
		}
		t, rest, err := k.plainText(plain)
		if plain = rest; err != nil {
			return "", err
		}
		return k.intern(t), nil
	}
	// The lists of a page share one array; each is cut off at its end, so that
	// appending to one cannot reach into the next.
	var numbers []float64
	var words []string
	if f.floats != nil {
		numbers = make([]float64, 0, present)
	} else if f.texts != nil {
		words = make([]string, 0, present)
	}
	start := 0
	top := uint32(f.maxLevel())
	for i, d := range k.scratch.def {
		if len(k.scratch.rep) == 0 || k.scratch.rep[i] == 0 {
			start = len(numbers) + len(words)
			if k.row >= k.rows {
				return corrupt("column %s has more rows than its row group", f.name)
			}
			k.row++
		} else if i == 0 {
			return corrupt("a page of column %s begins inside a row", f.name)
		}
		if d != top {
			continue
		}
		r := &k.records[k.row-1]
		if f.seen != nil {
			f.seen(r)
		}
		switch {
		case f.integer != nil:
			*f.integer(r) = int64(binary.LittleEndian.Uint64(plain))
			plain = plain[8:]
		case f.float != nil:
			*f.float(r) = math.Float64frombits(binary.LittleEndian.Uint64(plain))
			plain = plain[8:]
		case f.flag != nil:
			*f.flag(r) = plain[at/8]>>(at%8)&1 == 1
			at++
		case f.floats != nil:
			numbers = append(numbers, math.Float64frombits(binary.LittleEndian.Uint64(plain)))
			plain = plain[8:]
			*f.floats(r) = numbers[start:len(numbers):len(numbers)]
		default:
			s, err := next()
			if err != nil {
				return err
			}
			if f.text != nil {
				*f.text(r) = s
			} else {
				words = append(words, s)
				*f.texts(r) = words[start:len(words):len(words)]
			}
		}
	}
	return nil
}

// intern keeps one copy of each of a column's first texts.
func (k *chunk) intern(b []byte) string {
	if s, ok := k.known[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(k.known) < 1024 {
		k.known[s] = s
	}
	return s
}
