package importers

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	meta "github.com/parquet-go/parquet-go/format"
)

// billion is more than a small file can hold.
const billion = 1 << 30

// handPage is one page of a handmade file; claims is its size uncompressed, where that
// is not the size of body.
type handPage struct {
	header meta.PageHeader
	body   []byte
	codec  meta.CompressionCodec
	claims int32
}

// packed is a page as one of another size, compressed.
func packed(p handPage, codec meta.CompressionCodec, claims int, body []byte) handPage {
	p.codec, p.claims = codec, int32(claims)
	if codec == meta.Snappy {
		p.body = snappy.Encode(nil, body)
	} else {
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			panic(err) // the options are constants
		}
		p.body = z.EncodeAll(body, nil)
	}
	return p
}

func dataPage(values int32, encoding meta.Encoding, body ...byte) handPage {
	h := meta.PageHeader{Type: meta.DataPage}
	h.DataPageHeader.V = meta.DataPageHeader{NumValues: values, Encoding: encoding, DefinitionLevelEncoding: meta.RLE, RepetitionLevelEncoding: meta.RLE}
	h.DataPageHeader.Valid = true
	return handPage{header: h, body: body}
}

func dataPageV2(values int32, encoding meta.Encoding, levels []byte, body ...byte) handPage {
	h := meta.PageHeader{Type: meta.DataPageV2}
	h.DataPageHeaderV2.V = meta.DataPageHeaderV2{NumValues: values, NumRows: values, Encoding: encoding, DefinitionLevelsByteLength: int32(len(levels))}
	h.DataPageHeaderV2.Valid = true
	return handPage{header: h, body: append(slices.Clone(levels), body...)}
}

func dictionaryPage(values int32, body ...byte) handPage {
	h := meta.PageHeader{Type: meta.DictionaryPage}
	h.DictionaryPageHeader.V = meta.DictionaryPageHeader{NumValues: values, Encoding: meta.Plain}
	h.DictionaryPageHeader.Valid = true
	return handPage{header: h, body: body}
}

// run is so many times one number of a byte.
func run(count uint64, value byte) []byte { return append(binary.AppendUvarint(nil, count<<1), value) }

// sized has its length in front of it.
func sized(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// handmade is a Parquet file of one column, which claims values and one row.
func handmade(t testing.TB, kind meta.Type, repetition meta.FieldRepetitionType, values int64, pages ...handPage) []byte {
	t.Helper()
	marshal := func(v any) []byte {
		b, err := thrift.Marshal(new(thrift.CompactProtocol), v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	file := []byte("PAR1")
	column := meta.ColumnMetaData{Type: kind, Codec: meta.Uncompressed, PathInSchema: []string{"op_name"}, NumValues: values,
		Encoding: []meta.Encoding{meta.Plain}}
	for _, p := range pages {
		p.header.CompressedPageSize, p.header.UncompressedPageSize = int32(len(p.body)), int32(len(p.body))
		if p.codec != meta.Uncompressed {
			p.header.UncompressedPageSize, column.Codec = p.claims, p.codec
		}
		column.TotalUncompressedSize += int64(p.header.UncompressedPageSize)
		if p.header.Type == meta.DictionaryPage {
			column.DictionaryPageOffset = int64(len(file))
		} else if column.DataPageOffset == 0 {
			column.DataPageOffset = int64(len(file))
		}
		file = append(append(file, marshal(&p.header)...), p.body...)
	}
	column.TotalCompressedSize = int64(len(file)) - 4
	root, leaf := meta.SchemaElement{Name: "schema"}, meta.SchemaElement{Name: "op_name"}
	root.NumChildren.V, root.NumChildren.Valid = 1, true
	leaf.Type.V, leaf.Type.Valid = kind, true
	leaf.RepetitionType.V, leaf.RepetitionType.Valid = repetition, true
	footer := marshal(&meta.FileMetaData{Version: 1, Schema: []meta.SchemaElement{root, leaf}, NumRows: 1,
		RowGroups: []meta.RowGroup{{NumRows: 1, TotalByteSize: column.TotalUncompressedSize, Columns: []meta.ColumnChunk{{MetaData: column}}}}})
	return append(append(file, footer...), append(binary.LittleEndian.AppendUint32(nil, uint32(len(footer))), "PAR1"...)...)
}

// What a page of a few bytes claims is not allocated: counts in headers, and runs of
// levels, of places in a dictionary and of booleans.
func TestClaimsOfAPage(t *testing.T) {
	text := append([]byte{4, 0, 0, 0}, "gemm"...)
	one, zeros := run(1, 1), make([]byte, 1<<26)
	for name, c := range map[string]struct {
		data []byte
		says string // nothing: the file is right
	}{
		"right":                    {handmade(t, meta.ByteArray, meta.Required, 1, dataPage(1, meta.Plain, text...)), ""},
		"right, optional":          {handmade(t, meta.ByteArray, meta.Optional, 1, dataPage(1, meta.Plain, append(sized(one), text...)...)), ""},
		"right, V2":                {handmade(t, meta.ByteArray, meta.Optional, 1, dataPageV2(1, meta.Plain, one, text...)), ""},
		"right, null":              {handmade(t, meta.ByteArray, meta.Optional, 1, dataPage(1, meta.Plain, sized(run(1, 0))...)), ""},
		"right, dictionary":        {handmade(t, meta.ByteArray, meta.Required, 1, dictionaryPage(1, text...), dataPage(1, meta.RLEDictionary, append([]byte{1}, run(1, 0)...)...)), ""},
		"right, packed":            {handmade(t, meta.ByteArray, meta.Required, 1, dictionaryPage(1, text...), dataPage(1, meta.RLEDictionary, 1, 3, 0)), ""},
		"right, booleans":          {handmade(t, meta.Boolean, meta.Required, 1, dataPage(1, meta.RLE, sized(one)...)), ""},
		"values of a page":         {handmade(t, meta.ByteArray, meta.Required, 1, dataPage(billion, meta.Plain, text...)), "values"},
		"values of a V2 page":      {handmade(t, meta.ByteArray, meta.Required, 1, dataPageV2(billion, meta.Plain, nil, text...)), "values"},
		"values of both":           {handmade(t, meta.Int32, meta.Required, billion, dataPage(billion, meta.Plain, text...)), "values"},
		"values and levels":        {handmade(t, meta.ByteArray, meta.Optional, billion, dataPage(billion, meta.Plain, append(sized(run(billion, 1)), text...)...)), "values"},
		"texts of a dictionary":    {handmade(t, meta.ByteArray, meta.Required, 1, dictionaryPage(billion, text...), dataPage(1, meta.RLEDictionary, 1, 2, 0)), "values"},
		"a run of levels":          {handmade(t, meta.ByteArray, meta.Optional, 1, dataPage(1, meta.Plain, append(sized(run(billion, 1)), text...)...)), "run"},
		"many runs of levels":      {handmade(t, meta.ByteArray, meta.Optional, 1, dataPage(1, meta.Plain, append(sized(bytes.Repeat(run(1, 1), 1000)), text...)...)), "run"},
		"a run of V2 levels":       {handmade(t, meta.ByteArray, meta.Optional, 1, dataPageV2(1, meta.Plain, run(billion, 1), text...)), "run"},
		"a run of places":          {handmade(t, meta.ByteArray, meta.Required, 1, dictionaryPage(1, text...), dataPage(1, meta.RLEDictionary, append([]byte{1}, run(billion, 0)...)...)), "run"},
		"a run of places, V2":      {handmade(t, meta.ByteArray, meta.Required, 1, dictionaryPage(1, text...), dataPageV2(1, meta.RLEDictionary, nil, append([]byte{1}, run(billion, 0)...)...)), "run"},
		"a packed run of no width": {handmade(t, meta.ByteArray, meta.Required, 1, dictionaryPage(1, text...), dataPage(1, meta.RLEDictionary, append([]byte{0}, binary.AppendUvarint(nil, billion<<1|1)...)...)), "run"},
		"a run of booleans":        {handmade(t, meta.Boolean, meta.Required, 1, dataPage(1, meta.RLE, sized(run(billion, 1))...)), "run"},
		"right, differences":       {handmade(t, meta.Int32, meta.Required, 1, dataPage(1, meta.DeltaBinaryPacked, 128, 1, 4, 1, 8)), ""},
		"differences":              {handmade(t, meta.Int32, meta.Required, 1, dataPage(1, meta.DeltaBinaryPacked, 128, 1, 4, 255, 255, 255, 255, 7, 8)), "differences"},
		"differences of lengths":   {handmade(t, meta.ByteArray, meta.Required, 1, dataPage(1, meta.DeltaLengthByteArray, 128, 1, 4, 255, 255, 255, 255, 7, 8)), "differences"},
		"right, ZSTD":              {handmade(t, meta.ByteArray, meta.Required, 1, packed(dataPage(1, meta.Plain), meta.Zstd, len(text), text)), ""},
		"right, Snappy":            {handmade(t, meta.ByteArray, meta.Required, 1, packed(dataPage(1, meta.Plain), meta.Snappy, len(text), text)), ""},
		"much in ZSTD":             {handmade(t, meta.ByteArray, meta.Required, 1, packed(dataPage(1, meta.Plain), meta.Zstd, len(text), zeros)), "inflate"},
		"much in Snappy":           {handmade(t, meta.ByteArray, meta.Required, 1, packed(dataPage(1, meta.Plain), meta.Snappy, len(text), zeros)), "inflate"},
		"much that is said":        {handmade(t, meta.ByteArray, meta.Required, 1, packed(dataPage(1, meta.Plain), meta.Zstd, len(zeros), zeros)), "too large"},
		"prefixes":                 {handmade(t, meta.ByteArray, meta.Required, 1, dataPage(1, meta.DeltaByteArray, 128, 1, 4, 1, 0)), "DELTA_BYTE_ARRAY"},
		"levels by old packing": {handmade(t, meta.ByteArray, meta.Optional, 1, func() handPage {
			p := dataPage(1, meta.Plain, append(sized(one), text...)...)
			p.header.DataPageHeader.V.DefinitionLevelEncoding = meta.BitPacked
			return p
		}()), "BIT_PACKED"},
	} {
		before := allocated()
		table, err := parquetTable(c.data)
		if used := allocated() - before; used > 1<<24 {
			t.Errorf("%s: %d bytes of file took %d bytes of memory", name, len(c.data), used)
		}
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says == "" && table.rows != 1:
			t.Errorf("%s: %d rows", name, table.rows)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v does not say %q", name, err, c.says)
		}
	}
}
