package main

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	peakTensor = regexp.MustCompile(`^bench_peak_(mma|wgmma)_`)
	peakVector = regexp.MustCompile(`^bench_peak_vector_`)
	matrix     = regexp.MustCompile(`^bench_(attention_(bf16|fp16)_d\d+|moe_experts_)`)
	streaming  = regexp.MustCompile(`^bench_(read|write|copy|dot|scale|triad)(_|$)`)
)

// The least share of a peak kernel's hot loop that its tensor cores' (or FFMA)
// instructions must be, NOPs not counted, which DMMA waits with. By mma.sync 32 of 35
// are. docs/kernels-gemm.md says why these are enough.
const (
	mmaShare    = 0.90
	vectorShare = 0.98
)

// A wgmma of m64n256 holds the tensor cores for 128 cycles (64 × 256 × 16 multiply-adds
// in 16 bits at the 2,048 a cycle of an H100's SM), so its loop is counted in cycles: a
// batch of wgmmaBatch holds them for 1,024, of which the other instructions, one a
// cycle, may be wgmmaOther.
const (
	wgmmaCycles = 128
	wgmmaBatch  = 8
	wgmmaOther  = 0.02
)

// maxAssembleS is the most CPU seconds of ptxas an entry: a driver without this code in
// its cache takes as long, within a case's time.
const maxAssembleS = 5

// faults says what a kernel does that would cost it its ceiling; ptxas
// assembles it all the same.
func (k kernel) faults() (out []string) {
	if k.spills > 0 {
		out = append(out, fmt.Sprintf("%d bytes of registers are spilled", k.spills))
	}
	if k.cpuS > maxAssembleS {
		out = append(out, fmt.Sprintf("ptxas takes %.1f CPU s an entry of its file, more than %d", k.cpuS, maxAssembleS))
	}
	if k.serialized {
		out = append(out, "ptxas has serialized its wgmma instructions")
	}
	total, tensor, fma, narrow, wide := 0, 0, 0, 0, 0
	for _, name := range k.loop {
		switch c := kind(name); {
		case c == "NOP":
			continue
		case isTensor(name):
			tensor++
		case c == "FFMA":
			fma++
		case (c == "LDG" || c == "STG") && strings.Contains(name, ".128"):
			wide++
		case c == "LDG" || c == "STG":
			narrow++
		case c == "LDL" || c == "STL":
			out = append(out, "its hot loop uses local memory ("+name+")")
		}
		total++
	}
	share := func(what string, n int, least float64) {
		if float64(n) < least*float64(total) || total == 0 {
			out = append(out, fmt.Sprintf("%d of the %d instructions of its hot loop are %s, fewer than %.0f %%", n, total, what, 100*least))
		}
	}
	switch {
	case strings.HasPrefix(k.name, "bench_peak_wgmma_"):
		if tensor < wgmmaBatch {
			out = append(out, fmt.Sprintf("its hot loop has %d instructions of the tensor cores, fewer than %d", tensor, wgmmaBatch))
		}
		if other := total - tensor; float64(other) > wgmmaOther*float64(wgmmaCycles*tensor) {
			out = append(out, fmt.Sprintf("%d instructions of its hot loop are not of the tensor cores, more than %.0f %% of their cycles", other, 100*wgmmaOther))
		}
	case peakTensor.MatchString(k.name):
		share("of the tensor cores", tensor, mmaShare)
	case peakVector.MatchString(k.name):
		share("FFMA", fma, vectorShare)
	case matrix.MatchString(k.name) && tensor == 0:
		out = append(out, "its hot loop has no instruction of the tensor cores")
	case streaming.MatchString(k.name) && (wide == 0 || narrow > 0):
		out = append(out, fmt.Sprintf("its hot loop has %d loads and stores of 128 bits and %d others", wide, narrow))
	}
	return out
}
