package host

/*
#include "isa.h"
*/
import "C"

import (
	"bench/datasets"

	// CPUID with the operating system's support for wide registers, by name.
	"github.com/klauspost/cpuid/v2"
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

// peaks is the clock and the arithmetic peaks by type; unknown so far.
func peaks(*Backend) (datasets.Figure, map[datasets.DType]datasets.Figure) {
	return datasets.Figure{}, nil
}
