package datasets

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// footerOnly is a file of nothing but a footer.
func footerOnly(t *testing.T, meta *format.FileMetaData) []byte {
	t.Helper()
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), meta)
	if err != nil {
		t.Fatal(err)
	}
	return withFooter(footer)
}

func withFooter(footer []byte) []byte {
	b := append([]byte("PAR1"), footer...)
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(footer))), "PAR1"...)
}

// What a footer claims is not allocated: a list of 2^31 row groups in seven bytes, a
// schema nested 20,000 deep (its paths take 3 GB), more rows than bytes can hold.
// The claims of pages are in importers, whose files take the same road.
func TestClaimsOfAFooter(t *testing.T) {
	deep := &format.FileMetaData{Version: 1}
	for range 20_000 {
		deep.Schema = append(deep.Schema, format.SchemaElement{Name: "a", NumChildren: thrift.New(int32(1))})
	}
	flat := []format.SchemaElement{{Name: "bench", NumChildren: thrift.New(int32(0))}}
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"row groups": {withFooter([]byte{0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0}), "claims too much"},
		"a text":     {withFooter([]byte{0x68, 0xff, 0xff, 0xff, 0xff, 0x07, 0}), "claims too much"},
		"depth":      {footerOnly(t, deep), "nested more than"},
		"rows":       {footerOnly(t, &format.FileMetaData{Version: 1, Schema: flat, NumRows: 1 << 40, RowGroups: []format.RowGroup{{NumRows: 1 << 40}}}), "rows"},
		"negative":   {footerOnly(t, &format.FileMetaData{Version: 1, Schema: flat, NumRows: -1, RowGroups: []format.RowGroup{{NumRows: -1}}}), "rows"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := OpenParquet(bytes.NewReader(c.data), int64(len(c.data)))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<22+16*uint64(len(c.data)) {
			t.Errorf("%s: %d bytes of file took %d bytes of memory", name, len(c.data), used)
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v does not say %q", name, err, c.says)
		}
	}
}
