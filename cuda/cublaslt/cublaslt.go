// Package cublaslt multiplies matrices by NVIDIA's cuBLASLt, opened at run time:
// version 11, 12 or 13. Every algorithm that its heuristics propose can be timed.
// cublaslt.c lists what of the library is used.
package cublaslt

/*
#include <stdlib.h>
#include "cublaslt.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"bench/cuda"
	"bench/cuda/dynamic"
)

// Names are the files that Open looks for.
var Names = []string{"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"}

// Library is the open library.
type Library struct {
	table *C.lt_table // in C's memory: it is kept as long as the library
	path  string
}

// Open opens the newest of Names from where the loader finds it, or the file that
// BENCH_LIBCUBLASLT names. The error is a *cuda.MissingError.
func Open() (*Library, error) {
	lib, err := dynamic.OpenOverridden("BENCH_LIBCUBLASLT", Names)
	if err != nil {
		return nil, err
	}
	table, err := lib.Table(unsafe.Pointer(&C.lt_symbols), len(C.lt_symbols))
	if err != nil {
		return nil, err
	}
	return &Library{table: (*C.lt_table)(table), path: lib.Path()}, nil
}

// Path is the file that was opened.
func (l *Library) Path() string { return l.path }

// Version is such as "12.4.5". Versions of six digits pack major·10000 +
// minor·100 + patch (cublas_api.h, CUBLAS_VERSION); older ones are given as they are.
func (l *Library) Version() string {
	v := int(C.lt_version(l.table))
	if v < 100000 {
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("%d.%d.%d", v/10000, v/100%100, v%100)
}

// Error is what a call of cuBLASLt returned.
type Error struct {
	Call string
	// Code is the cublasStatus_t, Name what the library calls it.
	Code int
	Name string
}

func (e *Error) Error() string {
	s := e.Call + ": " + e.Name
	if hint := hints[e.Code]; hint != "" {
		s += ": " + hint
	}
	return s
}

// Statuses that callers tell apart (cublas_api.h, cublasStatus_t).
const (
	notInitialized = 1
	invalidValue   = 7
	archMismatch   = 8
	notSupported   = 15
)

var hints = map[int]string{
	notInitialized: "the library found no GPU, or no driver that it can use",
	archMismatch:   "this GPU lacks what the product needs",
	notSupported:   "the library has no kernel for this product on this GPU",
}

// NotSupported reports whether the library declines the product rather than
// failing at it.
func (e *Error) NotSupported() bool { return e.Code == notSupported || e.Code == archMismatch }

func (l *Library) result(call string, s C.lt_status) error {
	if s == 0 {
		return nil
	}
	return &Error{Call: call, Code: int(s), Name: C.GoString(C.lt_status_name(l.table, s))}
}

// workspaceBytes is what a handle gives its products to work in: as much as NVIDIA
// advises on Hopper (cuBLAS documentation, "cublasSetWorkspace").
const workspaceBytes = 32 << 20

// Handle is the library on one GPU, for products that follow each other on one
// stream: they share a workspace.
type Handle struct {
	lib       *Library
	ctx       *cuda.Context
	handle    C.lt_handle
	workspace cuda.Ptr
}

// NewHandle starts the library in a context.
func (l *Library) NewHandle(ctx *cuda.Context) (*Handle, error) {
	h := &Handle{lib: l, ctx: ctx}
	if err := h.within("cublasLtCreate", func() C.lt_status { return C.lt_create(l.table, &h.handle) }); err != nil {
		return nil, err
	}
	var err error
	if h.workspace, err = ctx.Alloc(workspaceBytes); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// Library is the handle's library.
func (h *Handle) Library() *Library { return h.lib }

// Close frees the handle and its workspace. All products must be done.
func (h *Handle) Close() error {
	err := h.ctx.Free(h.workspace)
	h.workspace = 0
	if e := h.within("cublasLtDestroy", func() C.lt_status { return C.lt_destroy(h.lib.table, h.handle) }); e != nil {
		return e
	}
	return err
}

// within makes a call with the handle's context current: the library works in
// the current one.
func (h *Handle) within(call string, f func() C.lt_status) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := h.ctx.MakeCurrent(); err != nil {
		return err
	}
	return h.lib.result(call, f())
}

// withinNamed is within for several calls, of which f names the one that failed.
func (h *Handle) withinNamed(f func(which **C.char) C.lt_status) error {
	var which *C.char
	err := h.within("", func() C.lt_status { return f(&which) })
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Call = C.GoString(which)
	}
	return err
}

// refuses makes and frees a handle in whatever context is current: for a test on
// a machine that has none.
func (l *Library) refuses() error {
	var h C.lt_handle
	if err := l.result("cublasLtCreate", C.lt_create(l.table, &h)); err != nil {
		return err
	}
	return l.result("cublasLtDestroy", C.lt_destroy(l.table, h))
}
