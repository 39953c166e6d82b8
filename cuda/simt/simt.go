// Package simt runs the kernels of cuda/kernels on the host, for tests: it
// compiles their own CUDA source as C++, the threads of a block as fibres that
// switch at barriers and at warp-wide instructions, and reports what would hang or race
// on a GPU instead of hanging.
package simt

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#include "simt_api.h"

struct simt {
	int (*launch)(const char *, const unsigned *, const unsigned *, unsigned, void **);
	const char *(*error)(void);
	int (*arguments)(const char *);
	const char *(*kernel)(int);
	void (*order)(int, unsigned);
	void (*memory)(void *, size_t);
	void (*forget)(void *);
	int (*checked)(void);
};

static const char *simt_open(const char *path, struct simt *s)
{
	void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!h)
		return dlerror();
	*(void **)&s->launch = dlsym(h, "simt_launch");
	*(void **)&s->error = dlsym(h, "simt_error");
	*(void **)&s->arguments = dlsym(h, "simt_arguments");
	*(void **)&s->kernel = dlsym(h, "simt_kernel");
	*(void **)&s->order = dlsym(h, "simt_order");
	*(void **)&s->memory = dlsym(h, "simt_memory");
	*(void **)&s->forget = dlsym(h, "simt_forget");
	*(void **)&s->checked = dlsym(h, "simt_checked");
	if (!s->launch || !s->error || !s->arguments || !s->kernel || !s->order || !s->memory || !s->forget || !s->checked)
		return "a function of simt_api.h is missing";
	return NULL;
}

static int simt_call(struct simt *s, int order, unsigned seed, const char *name, const unsigned *grid, const unsigned *block, unsigned shared, void **params, const char **error)
{
	s->order(order, seed);
	int rc = s->launch(name, grid, block, shared, params);
	*error = rc ? s->error() : "";
	return rc;
}

static int simt_count(struct simt *s, const char *name) { return s->arguments(name); }
static const char *simt_name(struct simt *s, int i) { return s->kernel(i); }
static void simt_declare(struct simt *s, void *p, size_t n) { s->memory(p, n); }
static void simt_drop(struct simt *s, void *p) { s->forget(p); }
static int simt_is_checked(struct simt *s) { return s->checked(); }
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"unsafe"
)

// Order is the order in which a block's threads run between barriers. A
// kernel's answer may not depend on it.
type Order int

// The orders that a kernel's test tries.
const (
	Forward Order = iota
	Reverse
	Random
)

// Orders are all of them.
var Orders = []Order{Forward, Reverse, Random}

func (o Order) String() string { return [...]string{"forward", "reverse", "random"}[o] }

// Host is the library of host-compiled kernels.
type Host struct {
	Path  string
	Order Order
	Seed  uint32

	lib C.struct_simt
}

// Buffer is memory that kernels may touch, as an argument of Launch. It is
// outside Go's heap, 256-byte aligned as cuMemAlloc's is.
type Buffer[T any] struct {
	// Data is its elements.
	Data []T
	p    unsafe.Pointer
	host *Host
}

// Dim3 is a grid or a block: x, y, z; zeros mean 1.
type Dim3 = [3]uint32

var (
	opening sync.Mutex
	opened  = map[string]*Host{}
)

// Open loads a library that Compile has built.
func Open(path string) (*Host, error) {
	opening.Lock()
	defer opening.Unlock()
	h := opened[path]
	if h == nil {
		h = &Host{Path: path}
		name := C.CString(path)
		defer C.free(unsafe.Pointer(name))
		if e := C.simt_open(name, &h.lib); e != nil {
			return nil, errors.New(C.GoString(e))
		}
		opened[path] = h
	}
	return &Host{Path: path, lib: h.lib}, nil
}

// Build compiles all kernels with race and bounds checks, or takes what an
// earlier test has compiled from the same sources. It skips the test where
// there is no C++ compiler.
func Build(t testing.TB) *Host {
	t.Helper()
	path, err := Compile(true)
	return open(t, path, err)
}

func open(t testing.TB, path string, err error) *Host {
	t.Helper()
	if errors.Is(err, ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	h, err := Open(path)
	if err != nil {
		t.Fatalf("opening %s: %v", path, err)
	}
	return h
}

// Kernels lists the names that Launch takes.
func (h *Host) Kernels() (names []string) {
	for i := 0; ; i++ {
		n := C.simt_name(&h.lib, C.int(i))
		if n == nil {
			return names
		}
		names = append(names, C.GoString(n))
	}
}

// Checked says whether races and accesses out of bounds are looked for.
func (h *Host) Checked() bool { return C.simt_is_checked(&h.lib) != 0 }

// NewBuffer allocates n zeroed elements for kernels, until the test ends.
func NewBuffer[T any](t testing.TB, h *Host, n int) *Buffer[T] {
	t.Helper()
	var zero T
	bytes := uintptr(n) * unsafe.Sizeof(zero)
	b := &Buffer[T]{host: h}
	// A guard on both sides, so that a neighbour is never an allocation's end.
	p := C.calloc(1, C.size_t(bytes+1024))
	if p == nil {
		t.Fatalf("no memory for %d bytes", bytes)
	}
	aligned := (uintptr(p) + 511) &^ 255
	b.p = unsafe.Add(p, aligned-uintptr(p))
	b.Data = unsafe.Slice((*T)(b.p), n)
	C.simt_declare(&h.lib, b.p, C.size_t(bytes))
	t.Cleanup(func() {
		C.simt_drop(&h.lib, b.p)
		C.free(p)
	})
	return b
}

// NewBufferOf is NewBuffer with the elements copied from values.
func NewBufferOf[T any](t testing.TB, h *Host, values []T) *Buffer[T] {
	t.Helper()
	b := NewBuffer[T](t, h, len(values))
	copy(b.Data, values)
	return b
}

func (b *Buffer[T]) address() unsafe.Pointer { return b.p }

// At is the buffer's address from element i on, as an argument of Launch.
func (b *Buffer[T]) At(i int) Address {
	var zero T
	return Address(uintptr(b.p) + uintptr(i)*unsafe.Sizeof(zero))
}

// Address is a pointer argument of Launch that is not a whole Buffer.
type Address uintptr

// Launch runs a kernel to its end. Arguments are Buffers or Addresses for
// pointers, int32, uint32, int64, uint64, float32 and float64: exactly the
// kernel's C types. The error says what the kernel did that it may not.
func (h *Host) Launch(name string, grid, block Dim3, sharedBytes int, args ...any) error {
	for _, d := range []*Dim3{&grid, &block} {
		for i := range d {
			d[i] = max(d[i], 1)
		}
	}
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	if n := int(C.simt_count(&h.lib, c)); n >= 0 && n != len(args) {
		return fmt.Errorf("%s takes %d arguments, not %d", name, n, len(args))
	}
	// Every argument in 8 bytes of C memory of its own, as the pointers to
	// them lie in C memory too.
	values := C.calloc(C.size_t(len(args)+1), 16)
	defer C.free(values)
	cells := unsafe.Slice((*[2]uint64)(values), len(args)+1)
	for i, a := range args {
		v := unsafe.Pointer(&cells[i][0])
		cells[i][1] = uint64(uintptr(v))
		switch a := a.(type) {
		case interface{ address() unsafe.Pointer }:
			*(*unsafe.Pointer)(v) = a.address()
		case Address:
			*(*uintptr)(v) = uintptr(a)
		case int32:
			*(*int32)(v) = a
		case uint32:
			*(*uint32)(v) = a
		case int64:
			*(*int64)(v) = a
		case uint64:
			*(*uint64)(v) = a
		case float32:
			*(*float32)(v) = a
		case float64:
			*(*float64)(v) = a
		default:
			return fmt.Errorf("%s: argument %d is a %T, which no kernel takes", name, i, a)
		}
	}
	params := C.calloc(C.size_t(len(args)+1), 8)
	defer C.free(params)
	for i := range args {
		unsafe.Slice((*uint64)(params), len(args))[i] = cells[i][1]
	}
	// One thread for the launch and its error, which is that thread's.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var text *C.char
	rc := C.simt_call(&h.lib, C.int(h.Order), C.uint(h.Seed), c, (*C.uint)(&grid[0]), (*C.uint)(&block[0]), C.uint(sharedBytes), (*unsafe.Pointer)(params), &text)
	if rc != 0 {
		return errors.New(C.GoString(text))
	}
	return nil
}
