package host

/*
#include "sentinel.h"
#include "team.h"
*/
import "C"

import (
	"maps"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"bench/microbench"
)

// sentinelWork is the sentinel's memory, kept from the first call.
type sentinelWork struct {
	data, sums, arg memory
}

func (s *sentinelWork) free() {
	s.data.free()
	s.sums.free()
	s.arg.free()
}

// Sentinel runs a fixed mix of arithmetic in registers and a pass over 16 MiB
// of memory on every core.
func (b *Backend) Sentinel() (float64, error) {
	t, err := b.team(len(b.cpus))
	if err != nil {
		return 0, err
	}
	if b.sentinel == nil {
		s := &sentinelWork{}
		n := int64(len(b.cpus))
		err := newMemories(operand{&s.data, n * C.SENTINEL_DOUBLES * 8}, operand{&s.sums, n * 64},
			operand{&s.arg, int64(unsafe.Sizeof(C.sentinel_arg{}))})
		if err != nil {
			return 0, err
		}
		arg := (*C.sentinel_arg)(s.arg.p)
		arg.data, arg.sums = (*C.double)(s.data.p), (*C.double)(s.sums.p)
		b.sentinel = s
	}
	return t.run(C.bench_kernel(C.sentinel), b.sentinel.arg.p, 1), nil
}

// Clock is the one that Batch reads.
func (b *Backend) Clock() microbench.Clock {
	resolution, overhead := ClockResolution()
	return microbench.Clock{Name: "CLOCK_MONOTONIC_RAW", ResolutionS: resolution, OverheadS: 2 * overhead}
}

// Environment names the pinned CPUs and the C compiler.
func (b *Backend) Environment() map[string]string {
	cpus := make([]string, len(b.cpus))
	for i, c := range b.cpus {
		cpus[i] = strconv.Itoa(c)
	}
	env := map[string]string{
		"pinned_cpus":     strings.Join(cpus, ","),
		"instruction_set": bestISA().String(),
		"compiler":        C.GoString(C.compiler_version()),
		"go":              runtime.Version(),
	}
	maps.Copy(env, libraryEnvironment())
	return env
}
