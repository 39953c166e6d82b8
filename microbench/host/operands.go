package host

import (
	"fmt"
	"unsafe"
)

// operands is the memory of one case. Its methods return nil after the first
// failure, which err keeps; a dry one only adds up.
type operands struct {
	dry   bool
	bytes int64
	list  []memory
	err   error
}

// get maps bytes of zeroed memory.
func (o *operands) get(bytes int64) unsafe.Pointer {
	o.bytes += bytes
	if o.dry || o.err != nil {
		return nil
	}
	if bytes <= 0 {
		o.err = fmt.Errorf("operands of %d bytes were asked for", bytes)
		return nil
	}
	m, err := newMemory(bytes)
	if err != nil {
		o.err = err
		return nil
	}
	o.list = append(o.list, m)
	return m.p
}

func (o *operands) free() {
	for i := range o.list {
		o.list[i].free()
	}
	o.list = nil
}

// array maps n values of a C type.
func array[T any](o *operands, n int64) *T {
	var t T
	return (*T)(o.get(n * int64(unsafe.Sizeof(t))))
}

// argument maps one value of a C type; where there is no memory it is Go's, so
// that its fields can be filled in all the same.
func argument[T any](o *operands) *T {
	if p := array[T](o, 1); p != nil {
		return p
	}
	return new(T)
}
