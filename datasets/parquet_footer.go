package datasets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// What a file may claim, so that a small or broken one cannot ask for much
// memory. The writer stays far below.
const (
	maxGroupRows = 1 << 17
	maxPageBytes = 128 << 20
	// maxRowsPerByte and maxValuesPerByte bound rows and list elements by the
	// size of the file: even rows that are all alike cost their share of the
	// footer.
	maxRowsPerByte   = 16
	maxValuesPerByte = 1024
)

// errCorrupt is the cause of every complaint about a file's inside.
var errCorrupt = errors.New("the file is corrupt")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errCorrupt}, args...)...)
}

// readFooter reads and checks the metadata at a file's end.
func readFooter(r io.ReaderAt, size int64) (*format.FileMetaData, error) {
	var head [4]byte
	if _, err := r.ReadAt(head[:], 0); err != nil || string(head[:]) != "PAR1" {
		return nil, errors.New("this is no Parquet file")
	}
	var tail [8]byte
	if size < 12 {
		return nil, errors.New("the file is truncated: it is too short for Parquet")
	}
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
	meta := new(format.FileMetaData)
	if err := unmarshal(footer, meta); err != nil {
		return nil, err
	}
	return meta, checkShape(meta, size)
}

// checkShape refuses row counts and places that the file's size belies.
func checkShape(meta *format.FileMetaData, size int64) error {
	rows := int64(0)
	for i := range meta.RowGroups {
		g := &meta.RowGroups[i]
		if g.NumRows < 0 || g.NumRows > maxGroupRows {
			return corrupt("row group %d claims %d rows", i, g.NumRows)
		}
		rows += g.NumRows
		for j := range g.Columns {
			c := &g.Columns[j].MetaData
			begin := chunkBegin(c)
			if begin < 4 || c.TotalCompressedSize < 0 || begin > size || c.TotalCompressedSize > size-begin {
				return corrupt("column %v of row group %d lies outside it", c.PathInSchema, i)
			}
			if c.NumValues < 0 || c.NumValues > maxValuesPerByte*size {
				return corrupt("column %v of row group %d claims %d values", c.PathInSchema, i, c.NumValues)
			}
		}
	}
	if rows != meta.NumRows || rows > maxRowsPerByte*size {
		return corrupt("it claims %d rows, and its row groups %d, in %d bytes", meta.NumRows, rows, size)
	}
	return nil
}

// chunkBegin is where a column chunk's first page lies.
func chunkBegin(c *format.ColumnMetaData) int64 {
	if c.DictionaryPageOffset != 0 {
		return min(c.DictionaryPageOffset, c.DataPageOffset)
	}
	return c.DataPageOffset
}

// unmarshal decodes one Thrift structure that fills b.
func unmarshal(b []byte, v any) error {
	n, err := ReadThrift(b, v)
	if err == nil && n != len(b) {
		err = corrupt("%d bytes follow a structure", len(b)-n)
	}
	if err != nil && !errors.Is(err, errCorrupt) {
		err = corrupt("%v", err)
	}
	return err
}

// ReadThrift decodes the structure in Thrift's compact protocol that b begins with,
// and returns its length. The decoder allocates what a length says before it reads,
// so that what claims more than b holds is refused first.
func ReadThrift(b []byte, v any) (length int, err error) {
	n, err := ThriftLength(b)
	if err != nil {
		return 0, err
	}
	return n, thrift.Unmarshal(new(thrift.CompactProtocol), b[:n], v)
}

// marshal encodes one Thrift structure.
func marshal(v any) ([]byte, error) {
	return thrift.Marshal(new(thrift.CompactProtocol), v)
}

// ThriftLength walks one structure in Thrift's compact protocol and returns
// its length. It refuses texts and lists longer than what is left of b: the
// decoder behind it allocates what a length says before it reads.
func ThriftLength(b []byte) (int, error) {
	w := thriftWalk{b: b}
	w.structure(0)
	return w.at, w.err
}

type thriftWalk struct {
	b   []byte
	at  int
	err error
}

// The types of the compact protocol (Apache Thrift,
// doc/specs/thrift-compact-protocol.md).
const (
	thriftTrue = iota + 1
	thriftFalse
	thriftByte
	thriftI16
	thriftI32
	thriftI64
	thriftDouble
	thriftBinary
	thriftList
	thriftSet
	thriftMap
	thriftStruct
)

func (w *thriftWalk) fail() {
	if w.err == nil {
		w.err = corrupt("its metadata ends early or claims too much at byte %d", w.at)
	}
	w.at = len(w.b)
}

func (w *thriftWalk) byte() byte {
	if w.at >= len(w.b) {
		w.fail()
		return 0
	}
	w.at++
	return w.b[w.at-1]
}

func (w *thriftWalk) varint() uint64 {
	v, n := binary.Uvarint(w.b[w.at:])
	if n <= 0 {
		w.fail()
		return 0
	}
	w.at += n
	return v
}

// length reads a size, of which each unit takes at least one byte.
func (w *thriftWalk) length() int {
	n := w.varint()
	if n > uint64(len(w.b)-w.at) {
		w.fail()
		return 0
	}
	return int(n)
}

func (w *thriftWalk) structure(depth int) {
	if depth > 16 {
		w.fail()
	}
	for w.err == nil {
		head := w.byte()
		if head == 0 {
			return
		}
		if head>>4 == 0 {
			w.varint() // the field's number in full
		}
		// A boolean field's value is in its type.
		if kind := head & 15; kind != thriftTrue && kind != thriftFalse {
			w.value(kind, depth)
		}
	}
}

func (w *thriftWalk) value(kind byte, depth int) {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		w.byte()
	case thriftI16, thriftI32, thriftI64:
		w.varint()
	case thriftDouble:
		for range 8 {
			w.byte()
		}
	case thriftBinary:
		w.at += w.length()
	case thriftList, thriftSet:
		head := w.byte()
		n := int(head >> 4)
		if n == 15 {
			n = w.length()
		}
		for i := 0; i < n && w.err == nil; i++ {
			w.value(head&15, depth+1)
		}
	case thriftStruct:
		w.structure(depth + 1)
	default: // maps, which Parquet's metadata has none of, and unknown types
		w.fail()
	}
	if depth > 32 {
		w.fail()
	}
}
