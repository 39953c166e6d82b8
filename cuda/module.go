package cuda

/*
#include <stdlib.h>
#include "driver.h"
*/
import "C"

import (
	"bytes"
	"strings"
	"unsafe"
)

// Module is compiled kernels in a context.
type Module struct {
	context *Context
	handle  C.cu_handle
}

// Load compiles PTX in the context. What the driver's compiler says of a fault
// is in the error's text.
func (c *Context) Load(ptx []byte) (*Module, error) {
	text := append(bytes.TrimRight(bytes.Clone(ptx), "\x00"), 0)
	log := make([]byte, 8192)
	m := &Module{context: c}
	r := C.cu_module_load(c.driver.table, c.handle, unsafe.Pointer(&text[0]), (*C.char)(unsafe.Pointer(&log[0])), C.size_t(len(log)), &m.handle)
	if err := c.check("cuModuleLoadDataEx", r); err != nil {
		if said, _, _ := bytes.Cut(log, []byte{0}); len(said) > 0 {
			return nil, saying(err, "the compiler says: "+strings.Join(strings.Fields(string(said)), " "))
		}
		return nil, err
	}
	return m, nil
}

// Close unloads the module.
func (m *Module) Close() error {
	return m.context.check("cuModuleUnload", C.cu_module_unload(m.context.driver.table, m.context.handle, m.handle))
}

// Function is a kernel of a module.
type Function struct {
	name    string
	context *Context
	handle  C.cu_handle
}

// Function finds a kernel by its name.
func (m *Module) Function(name string) (*Function, error) {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	f := &Function{name: name, context: m.context}
	err := m.context.check("cuModuleGetFunction", C.cu_module_function(m.context.driver.table, m.context.handle, m.handle, c, &f.handle))
	if err != nil {
		return nil, saying(err, "the kernel is "+name)
	}
	return f, nil
}

// Name is the kernel's name.
func (f *Function) Name() string { return f.name }

// Attributes of a function (cuda.h 12.4, CUfunction_attribute).
const (
	functionMaxThreads     = 0
	functionSharedBytes    = 1
	functionLocalBytes     = 3
	functionRegisters      = 4
	functionDynamicMaximum = 8
)

// SetSharedBytes allows launches with up to n bytes of dynamic shared memory,
// which more than 48 KiB needs.
func (f *Function) SetSharedBytes(n int) error {
	return f.context.check("cuFuncSetAttribute", C.cu_function_set(f.context.driver.table, f.context.handle, f.handle, functionDynamicMaximum, C.int(n)))
}

// FunctionInfo is what a kernel needs, as the driver's compiler made it.
type FunctionInfo struct {
	Registers int
	// LocalBytes of a thread are spilled registers and local arrays.
	LocalBytes int
	// SharedBytes is static shared memory; MaxThreads the largest block.
	SharedBytes, MaxThreads int
}

// Info reads what the kernel needs.
func (f *Function) Info() (FunctionInfo, error) {
	var i FunctionInfo
	for _, a := range []struct {
		attribute C.int
		to        *int
	}{{functionRegisters, &i.Registers}, {functionLocalBytes, &i.LocalBytes}, {functionSharedBytes, &i.SharedBytes}, {functionMaxThreads, &i.MaxThreads}} {
		var v C.int
		if err := f.context.check("cuFuncGetAttribute", C.cu_function_get(f.context.driver.table, f.context.handle, f.handle, a.attribute, &v)); err != nil {
			return i, err
		}
		*a.to = int(v)
	}
	return i, nil
}

// ActiveBlocks is how many blocks of so many threads and bytes of dynamic shared
// memory fit on one SM at once.
func (f *Function) ActiveBlocks(threads, sharedBytes int) (int, error) {
	var n C.int
	err := f.context.check("cuOccupancyMaxActiveBlocksPerMultiprocessor",
		C.cu_occupancy(f.context.driver.table, f.context.handle, f.handle, C.int(threads), C.size_t(sharedBytes), &n))
	return int(n), err
}
