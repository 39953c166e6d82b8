package cuda

/*
#cgo noescape cu_launch
#cgo nocallback cu_launch
#include "driver.h"
*/
import "C"

import (
	"fmt"
	"math"
	"unsafe"
)

// Stream is an ordered queue of work on a device. Its calls return at once,
// unless they say that they wait; copies to and from host memory that is not
// pinned wait too.
type Stream struct {
	context *Context
	handle  C.cu_handle
}

// NewStream makes a stream that the legacy default stream does not block.
func (c *Context) NewStream() (*Stream, error) {
	s := &Stream{context: c}
	if err := c.check("cuStreamCreate", C.cu_stream_create(c.driver.table, c.handle, &s.handle)); err != nil {
		return nil, err
	}
	return s, nil
}

// Context is the stream's context.
func (s *Stream) Context() *Context { return s.context }

// Handle is the CUstream, for cuBLASLt and NCCL.
func (s *Stream) Handle() unsafe.Pointer { return unsafe.Pointer(s.handle) }

// Close destroys the stream; the work in it still ends.
func (s *Stream) Close() error {
	return s.check("cuStreamDestroy_v2", C.cu_stream_destroy(s.context.driver.table, s.context.handle, s.handle))
}

// Launch is a kernel's grid and block in x, y and z, where 0 means 1, and its
// bytes of dynamic shared memory.
type Launch struct {
	Grid, Block [3]int
	SharedBytes int
}

// Launch puts a kernel on the stream. The arguments are exactly the kernel's
// parameters: Ptr, int32, uint32, int64, uint64, float32 or float64; nothing can
// check that they are.
func (s *Stream) Launch(f *Function, l Launch, args ...any) error {
	var words [C.CU_MAX_PARAMS]C.uint64_t
	if len(args) > len(words) {
		return fmt.Errorf("%s has %d arguments, and %d are the most", f.name, len(args), len(words))
	}
	for i, a := range args {
		switch v := a.(type) {
		case Ptr:
			words[i] = C.uint64_t(v)
		case int32:
			words[i] = C.uint64_t(uint32(v))
		case uint32:
			words[i] = C.uint64_t(v)
		case int64:
			words[i] = C.uint64_t(v)
		case uint64:
			words[i] = C.uint64_t(v)
		case float32:
			words[i] = C.uint64_t(math.Float32bits(v))
		case float64:
			words[i] = C.uint64_t(math.Float64bits(v))
		default:
			return fmt.Errorf("argument %d of %s is a %T, which no kernel takes", i, f.name, a)
		}
	}
	d := func(n int) C.uint { return C.uint(max(n, 1)) }
	r := C.cu_launch(s.context.driver.table, s.context.handle, s.handle, f.handle, d(l.Grid[0]), d(l.Grid[1]), d(l.Grid[2]),
		d(l.Block[0]), d(l.Block[1]), d(l.Block[2]), C.uint(l.SharedBytes), &words[0], C.int(len(args)))
	return saying(s.check("cuLaunchKernel", r), "the kernel is "+f.name)
}

// Copy copies within the device.
func (s *Stream) Copy(dst, src Ptr, bytes int64) error {
	return s.check("cuMemcpyDtoDAsync_v2", C.cu_copy(s.context.driver.table, s.context.handle, s.handle, C.cu_ptr(dst), C.cu_ptr(src), C.size_t(bytes)))
}

// CopyToDevice copies from host memory of AllocHost.
func (s *Stream) CopyToDevice(dst Ptr, src unsafe.Pointer, bytes int64) error {
	return s.check("cuMemcpyHtoDAsync_v2", C.cu_copy_to_device(s.context.driver.table, s.context.handle, s.handle, C.cu_ptr(dst), src, C.size_t(bytes)))
}

// CopyToHost copies to host memory of AllocHost.
func (s *Stream) CopyToHost(dst unsafe.Pointer, src Ptr, bytes int64) error {
	return s.check("cuMemcpyDtoHAsync_v2", C.cu_copy_to_host(s.context.driver.table, s.context.handle, s.handle, dst, C.cu_ptr(src), C.size_t(bytes)))
}

// CopyPeer copies between two devices' memories, through the host where they
// are no peers.
func (s *Stream) CopyPeer(dst Ptr, to *Context, src Ptr, from *Context, bytes int64) error {
	return s.check("cuMemcpyPeerAsync", C.cu_copy_peer(s.context.driver.table, s.context.handle, s.handle, C.cu_ptr(dst), to.handle,
		C.cu_ptr(src), from.handle, C.size_t(bytes)))
}

// Fill8 sets n bytes.
func (s *Stream) Fill8(dst Ptr, v uint8, n int64) error {
	return s.check("cuMemsetD8Async", C.cu_fill8(s.context.driver.table, s.context.handle, s.handle, C.cu_ptr(dst), C.uchar(v), C.size_t(n)))
}

// Fill32 sets n words of 4 bytes.
func (s *Stream) Fill32(dst Ptr, v uint32, n int64) error {
	return s.check("cuMemsetD32Async", C.cu_fill32(s.context.driver.table, s.context.handle, s.handle, C.cu_ptr(dst), C.uint(v), C.size_t(n)))
}

// Wait holds the stream's later work until the event's has ended.
func (s *Stream) Wait(e *Event) error {
	return s.check("cuStreamWaitEvent", C.cu_stream_wait(s.context.driver.table, s.context.handle, s.handle, e.handle))
}

// Sync waits for all of the stream's work.
func (s *Stream) Sync() error {
	return s.check("cuStreamSynchronize", C.cu_stream_sync(s.context.driver.table, s.context.handle, s.handle))
}

// notReady is CUDA_ERROR_NOT_READY.
const notReady = 600

// Query reports whether all of the stream's work has ended.
func (s *Stream) Query() (done bool, err error) {
	r := C.cu_stream_query(s.context.driver.table, s.context.handle, s.handle)
	if r == notReady {
		return false, nil
	}
	return r == 0, s.check("cuStreamQuery", r)
}

func (s *Stream) check(call string, r C.cu_result) error { return s.context.driver.check(call, r) }

// Event is a moment on a stream, with a time stamp of about 0.5 µs.
type Event struct {
	context *Context
	handle  C.cu_handle
}

// NewEvent makes an event.
func (c *Context) NewEvent() (*Event, error) {
	e := &Event{context: c}
	if err := c.check("cuEventCreate", C.cu_event_create(c.driver.table, c.handle, &e.handle)); err != nil {
		return nil, err
	}
	return e, nil
}

// Close destroys the event.
func (e *Event) Close() error {
	return e.context.check("cuEventDestroy_v2", C.cu_event_destroy(e.context.driver.table, e.context.handle, e.handle))
}

// Record puts the event on the stream.
func (s *Stream) Record(e *Event) error {
	return s.check("cuEventRecord", C.cu_event_record(s.context.driver.table, s.context.handle, e.handle, s.handle))
}

// Elapsed is the seconds between two events, both of which must have passed.
func (c *Context) Elapsed(from, to *Event) (seconds float64, err error) {
	var ms C.float
	err = c.check("cuEventElapsedTime", C.cu_event_elapsed(c.driver.table, c.handle, from.handle, to.handle, &ms))
	return float64(ms) * 1e-3, err
}
