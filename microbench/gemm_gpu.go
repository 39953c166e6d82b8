package microbench

import (
	"math"

	"bench/datasets"
)

// peakSeconds is how long a GPU's peak case should take at least, by its
// datasheet: long beside the launch and the storing of the results, some
// microseconds each.
const peakSeconds = 4e-3

// assumedPeakFLOPs stands in for a peak that no datasheet here has.
const assumedPeakFLOPs = 100e12

// gpuGEMMs are the products of one GPU: the host suite's shapes, in their order
// of importance, and those that fill a GPU.
func gpuGEMMs(a *axes) []datasets.Workload {
	var out []datasets.Workload
	types := or(a.DTypes, a.types()...)
	for _, t := range types {
		out = append(out, datasets.GEMM{Kernel: "peak", Type: t, Ops: a.gpuPeakOps(t), Ranks: 1})
	}
	add := func(t datasets.DType, m, n, k int64, c datasets.Cache) {
		// cuBLASLt's 8-bit products need rows of whole 16 bytes (cuBLAS documentation,
		// "Tensor Core Usage"), so they have no odd sizes.
		if t.Size() == 1 && (n%16 != 0 || k%16 != 0) {
			return
		}
		out = append(out, datasets.GEMM{Kernel: "matmul", Type: t, M: m, N: n, K: k, Ranks: 1, Cache: c})
	}
	if len(a.Batches) == 0 {
		squares := map[Profile][]int64{Quick: {1024, 4096}, Standard: {256, 512, 1024, 2048, 4096, 8192, 16384},
			Full: {128, 256, 512, 1024, 2048, 4096, 8192, 16384}}[a.Profile]
		odd := map[Profile][]int64{Standard: {509, 2039}, Full: {257, 509, 1021, 2039, 4093}}[a.Profile]
		for _, t := range types {
			for _, n := range append(squares, odd...) {
				// 16384³ is 8.8 TFLOP, which takes the vector units and FP64 a quarter of a
				// second, and says what 8192³ has said.
				if n > 8192 && t.Size() > 2 && t != datasets.TF32 {
					continue
				}
				add(t, n, n, n, datasets.Hot)
			}
		}
	}
	rows := or(a.Batches, map[Profile][]int64{Quick: {1, 16, 256}, Standard: {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192},
		Full: {1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192}}[a.Profile]...)
	shapes := llmShapes
	if a.Profile == Quick {
		shapes = llmShapes[:1]
	}
	for _, t := range or(a.DTypes, a.llmTypes()...) {
		for _, nk := range shapes {
			for _, m := range rows {
				add(t, m, nk[0], nk[1], datasets.Cold)
			}
		}
	}
	return out
}

// llmTypes are those in which models are served: BF16, and FP8 where the GPU has
// it; all types in the full profile.
func (a *axes) llmTypes() []datasets.DType {
	types := a.types()
	if a.Profile == Full {
		return types
	}
	var out []datasets.DType
	for _, t := range types {
		if t == datasets.BF16 || t == datasets.FP8 {
			out = append(out, t)
		}
	}
	return out
}

// gpuPeakOps is the FLOP of a peak case: a power of two for each SM, since the
// kernels' passes are powers of two (cuda/kernels, Peak), of which all SMs
// together take peakSeconds to twice that.
func (a *axes) gpuPeakOps(t datasets.DType) int64 {
	peak := a.dev.PeakFLOPs[t].Value
	if peak == 0 {
		peak = assumedPeakFLOPs
	}
	units := max(a.dev.Units, 1)
	perSM := peak * peakSeconds / float64(units)
	return int64(units) << int(math.Ceil(math.Log2(perSM)))
}
