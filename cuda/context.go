package cuda

// #include "driver.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// Ptr is an address in a device's memory. Pinned host memory (AllocHost) has the
// same address for the device as for the host, by unified addressing.
type Ptr uint64

// Context is a device's primary context, the one that cuBLASLt and NCCL use too.
type Context struct {
	device *Device
	driver *Driver
	handle C.cu_handle
}

// Open retains the device's primary context.
func (d *Device) Open() (*Context, error) {
	c := &Context{device: d, driver: d.driver}
	if err := d.driver.check("cuDevicePrimaryCtxRetain", C.cu_context_retain(d.driver.table, d.handle, &c.handle)); err != nil {
		return nil, err
	}
	return c, nil
}

// Close gives the context back; the driver frees all that is still in it.
func (c *Context) Close() error {
	return c.check("cuDevicePrimaryCtxRelease_v2", C.cu_context_release(c.driver.table, c.device.handle))
}

// Device is the context's device.
func (c *Context) Device() *Device { return c.device }

// Alloc allocates device memory, aligned to 256 bytes at least.
func (c *Context) Alloc(bytes int64) (Ptr, error) {
	if bytes <= 0 {
		return 0, fmt.Errorf("%d bytes of device memory were asked for, and it must be at least 1", bytes)
	}
	var p C.cu_ptr
	err := c.check("cuMemAlloc_v2", C.cu_mem_alloc(c.driver.table, c.handle, C.size_t(bytes), &p))
	return Ptr(p), err
}

// Free frees what Alloc returned; 0 is nothing.
func (c *Context) Free(p Ptr) error {
	if p == 0 {
		return nil
	}
	return c.check("cuMemFree_v2", C.cu_mem_free(c.driver.table, c.handle, C.cu_ptr(p)))
}

// MemInfo is the bytes of device memory that are free, and all of them.
func (c *Context) MemInfo() (free, total int64, err error) {
	var f, t C.size_t
	err = c.check("cuMemGetInfo_v2", C.cu_mem_info(c.driver.table, c.handle, &f, &t))
	return int64(f), int64(t), err
}

// AllocHost allocates pinned host memory that every device can reach.
func (c *Context) AllocHost(bytes int64) (unsafe.Pointer, error) {
	if bytes <= 0 {
		return nil, fmt.Errorf("%d bytes of pinned memory were asked for, and it must be at least 1", bytes)
	}
	var p unsafe.Pointer
	err := c.check("cuMemHostAlloc", C.cu_host_alloc(c.driver.table, c.handle, C.size_t(bytes), &p))
	return p, err
}

// FreeHost frees what AllocHost returned; nil is nothing.
func (c *Context) FreeHost(p unsafe.Pointer) error {
	if p == nil {
		return nil
	}
	return c.check("cuMemFreeHost", C.cu_host_free(c.driver.table, c.handle, p))
}

// ToDevice copies src to the device and returns when it is there. It does not
// wait for a stream's work.
func (c *Context) ToDevice(dst Ptr, src []byte) error {
	if len(src) == 0 {
		return nil
	}
	return c.check("cuMemcpyHtoD_v2", C.cu_to_device(c.driver.table, c.handle, C.cu_ptr(dst), unsafe.Pointer(&src[0]), C.size_t(len(src))))
}

// ToHost fills dst from the device. It does not wait for a stream's work.
func (c *Context) ToHost(dst []byte, src Ptr) error {
	if len(dst) == 0 {
		return nil
	}
	return c.check("cuMemcpyDtoH_v2", C.cu_to_host(c.driver.table, c.handle, unsafe.Pointer(&dst[0]), C.cu_ptr(src), C.size_t(len(dst))))
}

// EnablePeer lets kernels and copies of c reach o's memory; once more is no error.
func (c *Context) EnablePeer(o *Context) error {
	return c.check("cuCtxEnablePeerAccess", C.cu_enable_peer(c.driver.table, c.handle, o.handle))
}

// Sync waits for all that was asked of the device.
func (c *Context) Sync() error {
	return c.check("cuCtxSynchronize", C.cu_context_sync(c.driver.table, c.handle))
}

// MakeCurrent makes the context the calling thread's, for a library that works in
// the current one: lock the goroutine to its thread around both calls. Nothing of
// this package needs it.
func (c *Context) MakeCurrent() error {
	return c.check("cuCtxSetCurrent", C.cu_context_current(c.driver.table, c.handle))
}

func (c *Context) check(call string, r C.cu_result) error { return c.driver.check(call, r) }
