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

// Sentinel runs a fixed mix of arithmetic in registers and passes over 256 KiB
// on every core. It sees a changed clock and a core that is shared, and not a
// neighbour that only takes memory bandwidth.
func (b *Backend) Sentinel() (float64, error) {
	t, err := b.team(len(b.cpus))
	if err != nil {
		return 0, err
	}
	if b.sentinel == nil {
		o := &operands{}
		n := int64(len(b.cpus))
		arg := argument[C.sentinel_arg](o)
		arg.data, arg.sums = array[C.double](o, n*C.SENTINEL_DOUBLES), array[C.double](o, n*8)
		if o.err != nil {
			o.free()
			return 0, o.err
		}
		b.sentinel, b.sentinelArg = o, unsafe.Pointer(arg)
	}
	return t.run(C.bench_kernel(C.sentinel), b.sentinelArg, 1), nil
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
