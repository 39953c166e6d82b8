// Package peers holds what the host's kernels are compared with, side by side
// in one run and turn by turn, by its benchmarks (`make peers`): STREAM's loops in
// plain C and likwid-bench; a plain loop around OpenBLAS's call, and OpenBLAS
// itself against the built-in kernel; the computed peak at the clock measured in
// the same moment. It installs nothing: a benchmark whose peer is not here is
// skipped and names it. The program does not import it.
package peers

/*
#cgo CFLAGS: -std=gnu11 -O3 -Wall
#cgo LDFLAGS: -lpthread -ldl
#include <stdlib.h>
#include "reference.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"unsafe"
)

// Stream is STREAM's arrays and threads.
type Stream struct{ c *C.stream_reference }

// NewStream allocates three arrays of n doubles for that many threads.
func NewStream(n int64, threads int) (*Stream, error) {
	c := C.stream_reference_new(C.long(n), C.int(threads))
	if c == nil {
		return nil, fmt.Errorf("no memory for three arrays of %d doubles", n)
	}
	return &Stream{c}, nil
}

// Copy makes passes of c = a and returns the seconds of all together.
func (s *Stream) Copy(passes int64) float64 {
	return float64(C.stream_reference_run(s.c, C.REFERENCE_COPY, C.long(passes)))
}

// Triad makes passes of a = b + 3·c and returns the seconds of all together.
func (s *Stream) Triad(passes int64) float64 {
	return float64(C.stream_reference_run(s.c, C.REFERENCE_TRIAD, C.long(passes)))
}

// Close frees the arrays.
func (s *Stream) Close() { C.stream_reference_free(s.c) }

// SGEMM is operands for a plain loop around OpenBLAS's cblas_sgemm.
type SGEMM struct {
	threads, m, n, k int
	a, b, c          unsafe.Pointer
}

// NewSGEMM allocates and fills the operands of C[m,n] = A[m,k]·B[k,n].
func NewSGEMM(threads, m, n, k int) *SGEMM {
	random := rand.New(rand.NewPCG(1, 1))
	filled := func(count int) unsafe.Pointer {
		p := C.calloc(C.size_t(count), 4)
		for i := range unsafe.Slice((*float32)(p), count) {
			unsafe.Slice((*float32)(p), count)[i] = random.Float32() - 0.5
		}
		return p
	}
	return &SGEMM{threads, m, n, k, filled(m * k), filled(k * n), filled(m * n)}
}

// Run makes the product count times and returns the seconds of all together.
// The error says that OpenBLAS is not installed.
func (g *SGEMM) Run(count int64) (float64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := float64(C.sgemm_loop(C.int(g.threads), C.int(g.m), C.int(g.n), C.int(g.k),
		(*C.float)(g.a), (*C.float)(g.b), (*C.float)(g.c), C.long(count)))
	if s < 0 {
		return 0, errors.New("OpenBLAS (libopenblas.so.0) is not installed")
	}
	return s, nil
}

// Close frees the operands.
func (g *SGEMM) Close() {
	for _, p := range []unsafe.Pointer{g.a, g.b, g.c} {
		C.free(p)
	}
}

var likwidRate = regexp.MustCompile(`(?m)^MByte/s:\s+([0-9.]+)`)

// Likwid runs a kernel of likwid-bench on that many threads over a working set
// of megabytes and returns its bytes a second. The error says that it is not
// installed or does not run here.
func Likwid(kernel string, megabytes int64, threads int) (float64, error) {
	path, err := exec.LookPath("likwid-bench")
	if err != nil {
		return 0, errors.New("likwid-bench is not installed")
	}
	out, err := exec.Command(path, "-t", kernel, "-s", "1", "-w", fmt.Sprintf("S0:%dMB:%d", megabytes, threads)).CombinedOutput()
	m := likwidRate.FindSubmatch(out)
	if err == nil && m == nil {
		err = errors.New("it printed no rate")
	}
	if err != nil {
		return 0, fmt.Errorf("likwid-bench -t %s did not run here: %w", kernel, err)
	}
	rate, err := strconv.ParseFloat(string(m[1]), 64)
	return rate * 1e6, err
}
