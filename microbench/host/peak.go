package host

/*
#include <stdlib.h>
#include "memory.h"
#include "peak.h"
#include "team.h"
*/
import "C"

import (
	"slices"
	"unsafe"

	// CPUID with the operating system's support for wide registers, by name.
	"github.com/klauspost/cpuid/v2"

	"bench/datasets"
	"bench/microbench"
)

// peakKernel is a register-resident multiply-add kernel of peak.c.
type peakKernel struct {
	typ, isa C.int
	name     string
	// flopPerLoop is one worker's FLOP in a loop of the kernel.
	flopPerLoop int64
}

// peakKernelFor chooses the widest kernel for the type that this CPU runs, or
// refuses with the instructions that it lacks.
func peakKernelFor(t datasets.DType) (peakKernel, error) {
	k := peakKernel{isa: C.int(bestISA()), name: bestISA().String()}
	perLane := int64(2) // a multiply and an add
	switch t {
	case datasets.FP64:
		k.typ = C.PEAK_FP64
	case datasets.FP32:
		k.typ = C.PEAK_FP32
	case datasets.BF16:
		if !cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BF16) {
			return k, skip("gemm/peak bf16: this CPU has no AVX512_BF16")
		}
		k.typ, k.isa, k.name, perLane = C.PEAK_BF16, C.PEAK_AVX512_BF16, "AVX512_BF16 vdpbf16ps", 4
	case datasets.INT8:
		k.typ, perLane = C.PEAK_INT8, 8
		switch {
		case cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512VNNI):
			k.isa, k.name = C.PEAK_AVX512_VNNI, "AVX512_VNNI vpdpbusd"
		case cpuid.CPU.Supports(cpuid.AVX2, cpuid.AVXVNNI):
			k.isa, k.name = C.PEAK_AVX_VNNI, "AVX_VNNI vpdpbusd"
		default:
			return k, skip("gemm/peak int8: this CPU has neither AVX512_VNNI nor AVX_VNNI")
		}
	default:
		return k, skip("gemm/peak: the host has no multiply-add instruction for %s", t)
	}
	return k.sized(perLane)
}

func (k peakKernel) sized(perLane int64) (peakKernel, error) {
	var accumulators, bytes C.int
	if C.peak_shape(k.typ, k.isa, &accumulators, &bytes) == 0 {
		return k, skip("gemm/peak: this build has no kernel for %s", k.name)
	}
	lane := int64(4)
	if k.typ == C.PEAK_FP64 {
		lane = 8
	}
	k.flopPerLoop = 2 * perLane * int64(accumulators) * int64(bytes) / lane
	return k, nil
}

// peakCase issues multiply-adds between registers on every worker. One
// iteration is the workload's Ops, shared out equally and rounded up to whole
// loops of the kernel (under 5,000 FLOP a worker); the workers make all
// iterations of a batch without a barrier between them.
type peakCase struct {
	kernel peakKernel
	loops  int64
	ranks  int
	team   *team
	work   *C.peak_work
}

func (b *Backend) preparePeak(w datasets.GEMM) (microbench.Case, error) {
	k, err := peakKernelFor(w.Type)
	if err != nil {
		return nil, err
	}
	return b.preparePeakKernel(w, k)
}

func (b *Backend) preparePeakKernel(w datasets.GEMM, k peakKernel) (*peakCase, error) {
	t, err := b.team(w.Ranks)
	if err != nil {
		return nil, err
	}
	perLoop := k.flopPerLoop * int64(w.Ranks)
	c := &peakCase{kernel: k, loops: (w.Ops + perLoop - 1) / perLoop, ranks: w.Ranks, team: t}
	c.work = (*C.peak_work)(C.calloc(1, C.sizeof_peak_work))
	size := C.size_t(w.Ranks) * C.sizeof_peak_part
	c.work.parts = (*C.peak_part)(C.aligned_alloc(64, size))
	c.work._type, c.work.isa = k.typ, k.isa
	t.run(C.bench_kernel(C.peak_fill), unsafe.Pointer(c.work), 1)
	return c, nil
}

// checkedLoops is few enough for exact sums in fp32, and odd.
const checkedLoops = 1001

// Check runs a short batch whose exact result is known: every lane drifts by
// a step a loop.
func (c *peakCase) Check() (microbench.Check, error) {
	c.issue(checkedLoops)
	return c.compare(), nil
}

func (c *peakCase) compare() microbench.Check {
	var check microbench.Check
	for r := range c.ranks {
		var lanes C.long
		check.Wrong += int64(C.peak_wrong(c.work, C.int(r), &lanes))
		check.Checked += int64(lanes)
	}
	return check
}

func (c *peakCase) issue(loops int64) microbench.Timing {
	c.work.loops = C.long(loops)
	return c.team.batch(C.bench_kernel(C.peak_issue), unsafe.Pointer(c.work), 1)
}

// Batch issues the workload n times.
func (c *peakCase) Batch(n int64) (microbench.Timing, error) {
	return c.issue(n * c.loops), nil
}

// Implementation names the instructions.
func (c *peakCase) Implementation() (name, version string) { return "builtin", c.kernel.name }

// Close frees the registers' images.
func (c *peakCase) Close() error {
	if c.work != nil {
		C.free(unsafe.Pointer(c.work.parts))
		C.free(unsafe.Pointer(c.work))
		c.work = nil
	}
	return nil
}

// MeasureClockHz measures the clock that a CPU runs at now: dependent integer
// additions, one cycle each on every x86-64 and arm64 core (Fog, "Instruction
// tables", 2022, ADD r,r; Arm Neoverse software optimisation guides, "Arithmetic,
// basic"), counted against CLOCK_MONOTONIC_RAW. The median of nine readings of
// about a millisecond, after as long a warm-up. The error says why the CPU could
// not be used.
func MeasureClockHz(cpu int) (float64, error) {
	t, err := newTeam([]int{cpu})
	if err != nil {
		return 0, err
	}
	defer t.close()
	return t.clockHz(), nil
}

// clockHz is the clock with all of the team's cores busy.
func (t *team) clockHz() float64 {
	const adds, readings = 64 * 56000, 9
	t.chainHz(readings * adds)
	hz := make([]float64, readings)
	for i := range hz {
		hz[i] = t.chainHz(adds)
	}
	slices.Sort(hz)
	return hz[readings/2]
}

// highestClockHz is the fastest of many readings of a millisecond. A chain of
// dependent additions cannot outrun the clock, and every disturbance slows it,
// so that the highest reading is nearest to what the cores can sustain.
func (t *team) highestClockHz() float64 {
	const adds, readings = 64 * 56000, 64
	t.chainHz(9 * adds)
	best := 0.0
	for range readings {
		best = max(best, t.chainHz(adds))
	}
	return best
}

func (t *team) chainHz(adds int64) float64 {
	n := (*C.long)(C.malloc(C.sizeof_long))
	defer C.free(unsafe.Pointer(n))
	*n = C.long(adds)
	return float64(adds) / t.run(C.bench_kernel(C.clock_chain), unsafe.Pointer(n), 1)
}

// at is a floating-point kernel in another instruction set.
func (k peakKernel) at(isa ISA) peakKernel {
	k.isa, k.name = C.int(isa), isa.String()
	return k
}
