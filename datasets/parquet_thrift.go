package datasets

import (
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/thrift"
)

// readThrift decodes the structure that b begins with and returns its length.
func readThrift(b []byte, v any) (length int, err error) {
	w := thriftWalk{b: b}
	w.structure(0)
	if w.err != nil {
		return 0, w.err
	}
	return w.at, thrift.Unmarshal(new(thrift.CompactProtocol), b[:w.at], v)
}

// thriftWalk walks a structure in the compact protocol (Apache Thrift,
// doc/specs/thrift-compact-protocol.md) and refuses texts and lists that are longer
// than what is left of b.
type thriftWalk struct {
	b   []byte
	at  int
	err error
}

func (w *thriftWalk) fail() {
	if w.err == nil {
		w.err = fmt.Errorf("it ends early or claims too much at byte %d", w.at)
	}
	w.at = len(w.b)
}

func (w *thriftWalk) skip(n uint64) {
	if n > uint64(len(w.b)-w.at) {
		w.fail()
		return
	}
	w.at += int(n)
}

func (w *thriftWalk) byte() byte {
	if w.skip(1); w.err != nil {
		return 0
	}
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

func (w *thriftWalk) structure(depth int) {
	for w.err == nil {
		head := w.byte()
		if head == 0 {
			return
		}
		if head>>4 == 0 {
			w.varint() // the field's number in full
		}
		if kind := head & 15; kind > 2 { // a boolean field's value is in its type
			w.value(kind, depth+1)
		}
	}
}

func (w *thriftWalk) value(kind byte, depth int) {
	if depth > maxDepth {
		w.fail()
	}
	switch kind {
	case 1, 2, 3: // booleans in a list, and a byte
		w.skip(1)
	case 4, 5, 6: // integers
		w.varint()
	case 7: // a double
		w.skip(8)
	case 8: // a text
		w.skip(w.varint())
	case 9, 10: // a list, a set
		head := w.byte()
		n := uint64(head >> 4)
		if n == 15 {
			n = w.varint()
		}
		if n > uint64(len(w.b)-w.at) { // each element takes a byte at least
			w.fail()
		}
		for i := uint64(0); i < n && w.err == nil; i++ {
			w.value(head&15, depth+1)
		}
	case 12:
		w.structure(depth)
	default: // maps, which Parquet's metadata has none of, and unknown types
		w.fail()
	}
}
