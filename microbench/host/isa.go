package host

/*
#include "isa.h"
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	// CPUID with the operating system's support for wide registers, by name.
	"github.com/klauspost/cpuid/v2"

	"bench/datasets"
)

// ISA is a level of vector instructions that the kernels are written for.
type ISA int

const (
	// Plain is C in vectors of 16 bytes: NEON on arm64, SSE2 on x86-64.
	Plain ISA = C.ISA_PLAIN
	// AVX2 is AVX2 with FMA.
	AVX2 ISA = C.ISA_AVX2
	// AVX512 is AVX-512 F, BW, VL and DQ.
	AVX512 ISA = C.ISA_AVX512
)

func (i ISA) String() string {
	switch i {
	case AVX512:
		return "AVX-512"
	case AVX2:
		return "AVX2"
	}
	if cpuid.CPU.Supports(cpuid.ASIMD) {
		return "NEON"
	}
	return "C"
}

// bestISA is the widest level that this CPU and its operating system support.
func bestISA() ISA { return isas()[0] }

// isas lists the levels that can run here, widest first.
func isas() []ISA {
	var list []ISA
	if cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512VL, cpuid.AVX512DQ, cpuid.FMA3) {
		list = append(list, AVX512)
	}
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		list = append(list, AVX2)
	}
	return append(list, Plain)
}

// microarchitecture is a family of cores and what one of them issues a cycle.
type microarchitecture struct {
	name, source string
	// fp64 is FLOP a cycle of double-precision multiply-adds; single precision
	// is twice that. bf16 and int8 are those of dot-product instructions, 0
	// where the core has none or their rate is not known.
	fp64, bf16, int8 float64
}

// The vendors' documents that the rates come from: how many multiply-add units
// of how many bits a core has. Each unit makes bits/64 double-precision
// multiply-adds a cycle, 2 FLOP each.
const (
	amdZen2  = "two 256-bit FMA pipes, from AMD's Software Optimization Guide for Family 17h Models 30h and Greater, not verified here"
	amdZen3  = "two 256-bit FMA pipes, from AMD's Software Optimization Guide for Family 19h, not verified here"
	amdZen4  = "two 256-bit FMA pipes, a 512-bit operation takes one of them for two cycles, from AMD's Software Optimization Guide for the Zen 4 Microarchitecture; bench reaches this rate on one"
	amdZen5  = "two 512-bit FMA pipes, from AMD's Software Optimization Guide for the Zen 5 Microarchitecture, not verified here"
	intelOpt = ", from Intel's Optimization Reference Manual, not verified here"
)

// microarchitectureOf looks a core up by vendor, CPUID family and model, and
// for Skylake's servers, which differ by brand, its name.
func microarchitectureOf(c cpuid.CPUInfo) microarchitecture {
	switch c.VendorID {
	case cpuid.AMD:
		return amdCore(c.Family, c.Model)
	case cpuid.Intel:
		if c.Family == 6 {
			return intelCore(c.Model, c.Stepping, c.BrandName)
		}
	}
	return microarchitecture{}
}

func amdCore(family, model int) microarchitecture {
	switch {
	case family == 0x17 && model >= 0x30:
		return microarchitecture{"Zen 2", amdZen2, 16, 0, 0}
	case family == 0x19 && (model < 0x10 || model >= 0x20 && model < 0x60):
		return microarchitecture{"Zen 3", amdZen3, 16, 0, 0}
	case family == 0x19:
		return microarchitecture{"Zen 4", amdZen4, 16, 64, 128}
	case family == 0x1a && (model < 0x20 || model >= 0x40 && model < 0x60):
		// Models 20h to 3Fh are mobile parts with 256-bit pipes.
		return microarchitecture{"Zen 5", amdZen5, 32, 128, 256}
	}
	return microarchitecture{}
}

func intelCore(model, stepping int, brand string) microarchitecture {
	const two512 = "two 512-bit FMA units (ports 0+1 and 5)"
	switch model {
	case 0x3c, 0x3f, 0x45, 0x46, 0x3d, 0x47, 0x4f, 0x56, 0x4e, 0x5e, 0x8e, 0x9e, 0xa5, 0xa6:
		return microarchitecture{"Haswell to Comet Lake", "two 256-bit FMA units" + intelOpt, 16, 0, 0}
	case 0x55:
		// Xeon Silver, Bronze and Gold 5000 have one 512-bit unit, but for the
		// Gold 5122; CPUID does not tell (Intel ARK, "# of AVX-512 FMA Units").
		if !strings.Contains(brand, "Platinum") && !strings.Contains(brand, "Gold 6") && !strings.Contains(brand, "Gold 5122") {
			return microarchitecture{}
		}
		vnni := 0.0
		if stepping >= 5 {
			vnni = 256 // Cascade Lake
		}
		return microarchitecture{"Skylake-SP or Cascade Lake", two512 + intelOpt, 32, 0, vnni}
	case 0x6a, 0x6c:
		return microarchitecture{"Ice Lake-SP", two512 + intelOpt, 32, 0, 256}
	case 0x8f, 0xcf:
		// The manual gives no rate for VDPBF16PS outside AMX, so bf16 is unknown.
		return microarchitecture{"Sapphire or Emerald Rapids", two512 + intelOpt, 32, 0, 256}
	}
	return microarchitecture{}
}

// armCore looks a core up by the part number of its MIDR_EL1 (implementer 41h,
// Arm): how many 128-bit NEON pipes multiply and add.
func armCore(midr uint64) microarchitecture {
	if midr>>24&0xff != 0x41 {
		return microarchitecture{}
	}
	core := func(name string, pipes float64) microarchitecture {
		return microarchitecture{name, fmt.Sprintf("%g NEON pipes that multiply and add, from Arm's %s Core Software Optimization Guide, not verified here", pipes, name), pipes * 4, 0, 0}
	}
	switch midr >> 4 & 0xfff {
	case 0xd0c:
		return core("Neoverse N1", 2)
	case 0xd49:
		return core("Neoverse N2", 2)
	case 0xd40:
		return core("Neoverse V1", 4)
	case 0xd4f:
		return core("Neoverse V2", 4)
	}
	return microarchitecture{}
}

var thisCore = sync.OnceValue(func() microarchitecture {
	text, _ := os.ReadFile("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1")
	if midr, err := strconv.ParseUint(strings.TrimSpace(string(text)), 0, 64); err == nil {
		return armCore(midr)
	}
	return microarchitectureOf(cpuid.CPU)
})

// PeakPerCycle is the most FLOP that one core of this machine issues a cycle
// for a type, in the widest instructions that the peak kernels use, and the
// vendor's document that it follows from. It is 0, with the reason, for a core
// that is not in the table and for a type whose rate is not published.
func PeakPerCycle(t datasets.DType) (flop float64, source string) {
	core := thisCore()
	if core.name == "" {
		return 0, "unknown: no published multiply-add rate for this core (" + cpuid.CPU.BrandName + ")"
	}
	if best := bestISA(); best == Plain && runtime.GOARCH == "amd64" {
		return 0, "unknown: " + core.name + " without AVX2"
	}
	switch t {
	case datasets.FP64:
		flop = core.fp64
	case datasets.FP32:
		flop = 2 * core.fp64
	case datasets.BF16:
		flop = core.bf16
	case datasets.INT8:
		flop = core.int8
	}
	if flop == 0 {
		return 0, "unknown: no published rate of " + string(t) + " multiply-adds for " + core.name
	}
	return flop, core.name + ": " + core.source
}

// peaks is the clock, measured with all cores busy, and the arithmetic peaks by
// type at that clock. A type that this CPU or its table lacks is left out.
func peaks(b *Backend) (datasets.Figure, map[datasets.DType]datasets.Figure) {
	t, err := b.team(len(b.cpus))
	if err != nil {
		return datasets.Figure{}, nil
	}
	clock := datasets.Figure{Value: t.highestClockHz(), Origin: datasets.Measured, Source: "dependent integer additions, one a cycle, all cores busy, the highest of 64 readings"}
	figures := map[datasets.DType]datasets.Figure{}
	for _, d := range []datasets.DType{datasets.FP64, datasets.FP32, datasets.BF16, datasets.INT8} {
		flop, source := PeakPerCycle(d)
		if _, err := peakKernelFor(d); err != nil || flop == 0 {
			continue
		}
		figures[d] = datasets.Figure{Value: flop * clock.Value * float64(len(b.cpus)), Origin: datasets.Datasheet,
			Source: fmt.Sprintf("%g FLOP a cycle and core (%s) × measured clock × %d cores", flop, source, len(b.cpus))}
	}
	return clock, figures
}
