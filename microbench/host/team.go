package host

/*
#cgo CFLAGS: -std=gnu11 -O3 -Wall
#cgo LDFLAGS: -lpthread -lm
#include <stdlib.h>
#include "team.h"
#include "memory.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"bench/microbench"
)

// team is a fixed set of pinned threads (team.h).
type team struct{ c *C.team }

// newTeam starts one worker on each of the CPUs.
func newTeam(cpus []int) (*team, error) {
	pins := make([]C.int, len(cpus))
	for i, c := range cpus {
		pins[i] = C.int(c)
	}
	var message [256]C.char
	t := C.team_create(C.int(len(pins)), unsafe.SliceData(pins), &message[0], C.size_t(len(message)))
	if t == nil {
		return nil, errors.New(C.GoString(&message[0]))
	}
	return &team{c: t}, nil
}

// run runs the kernel n times on every worker and returns the seconds of all n
// together, the clock read in C. The argument lies in C memory.
func (t *team) run(kernel C.bench_kernel, arg unsafe.Pointer, n int64) float64 {
	return float64(C.team_run(t.c, kernel, arg, C.long(n)))
}

// batch is run with what became of the workers.
func (t *team) batch(kernel C.bench_kernel, arg unsafe.Pointer, n int64) microbench.Timing {
	s := t.run(kernel, arg, n)
	r := C.team_last(t.c)
	return microbench.Timing{Seconds: s, OffCPUSeconds: float64(r.off_cpu), ClockSeconds: float64(r.clock), Moved: int(r.moved)}
}

func (t *team) close() { C.team_destroy(t.c) }

// memory is operands in C's hands: zeroed, present, page aligned, in huge
// pages where the kernel has them.
type memory struct {
	p     unsafe.Pointer
	bytes int64
}

// newMemory maps bytes of memory. That they fit is the caller's to find out
// first (Backend.fits).
func newMemory(bytes int64) (memory, error) {
	p, err := C.memory_map(C.size_t(bytes))
	if p == nil {
		return memory{}, fmt.Errorf("%d bytes of memory for operands were refused by the system: %w", bytes, err)
	}
	return memory{p, bytes}, nil
}

// reserveMemory is newMemory without the pages: each comes with its first
// write, on the NUMA node of the thread that writes.
func reserveMemory(bytes int64) (memory, error) {
	p, err := C.memory_reserve(C.size_t(bytes))
	if p == nil {
		return memory{}, fmt.Errorf("%d bytes of memory for operands were refused by the system: %w", bytes, err)
	}
	return memory{p, bytes}, nil
}

func (m *memory) free() {
	C.memory_unmap(m.p, C.size_t(m.bytes))
	m.p = nil
}

// slice is the memory as Go sees it, for filling and checking.
func slice[T any](m memory) []T {
	var t T
	return unsafe.Slice((*T)(m.p), m.bytes/int64(unsafe.Sizeof(t)))
}
