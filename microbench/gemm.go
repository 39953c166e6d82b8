package microbench

import (
	"math"
	"slices"

	"bench/datasets"
)

const (
	// peakOps is the FLOP that each worker of a host's peak case issues: some
	// milliseconds of any core of this decade.
	peakOps = 1 << 28
	// peakSeconds is how long a GPU's peak case should take at least, by its
	// datasheet: long beside the launch and the storing of the results, some
	// microseconds each.
	peakSeconds = 4e-3
	// assumedPeakFLOPs stands in for a peak that no datasheet here has.
	assumedPeakFLOPs = 100e12
)

// llmShapes are n and k of a transformer's products: a square projection, and
// the two sides of Llama 2 7B's feed-forward (Touvron et al., 2023).
var llmShapes = [][2]int64{{4096, 4096}, {11008, 4096}, {4096, 11008}}

// The axes of products: square sizes, and the rows m of the skinny ones.
var (
	hostSquares = values[int64]{{256, 512, 1024, 509}, append(doubles(128, 2048), 257, 509, 1021), append(doubles(128, 4096), 257, 509, 1021, 2039)}
	gpuSquares  = values[int64]{{1024, 4096}, append(doubles(256, 16384), 509, 2039), append(doubles(128, 16384), 257, 509, 1021, 2039, 4093)}
	hostRows    = values[int64]{{1, 8, 64, 256}, doubles(1, 512), doubles(1, 4096)}
	gpuRows     = values[int64]{{1, 16, 256}, doubles(1, 8192),
		{1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192}}
)

// gemmSuite's products are of one GPU, or of one core of a host and of all.
var gemmSuite = suite{
	name: datasets.SuiteGEMM, share: 0.18,
	takes: []string{"dtype", "batch", "ranks"},
	workloads: func(a *axes) (out []datasets.Workload, err error) {
		gpu, all, ranks, widest := a.dev.Kind == "gpu", a.types(), a.oneAndAll(), a.widest()
		if gpu {
			ranks, widest = []int{1}, 1
		}
		peaks := datasets.Cross(datasets.GEMM{Kernel: "peak"}, datasets.Axis("dtype", or(a.DTypes, all...)...), datasets.Axis("ranks", ranks...))
		for i, p := range peaks {
			if peaks[i].Ops = int64(p.Ranks) * peakOps; gpu {
				peaks[i].Ops = a.gpuPeakOps(p.Type)
			}
		}
		out = appendAll(out, peaks)
		if len(a.Batches) == 0 {
			types := pick(a, a.DTypes, values[datasets.DType]{{datasets.FP32, datasets.FP64}, all, all}, values[datasets.DType]{all, all, all})
			squares := datasets.Cross(datasets.GEMM{Kernel: "matmul", Cache: datasets.Hot}, datasets.Axis("dtype", types...),
				datasets.Axis("ranks", ranks...), datasets.Axis("m n k", pick(a, nil, hostSquares, gpuSquares)...))
			out = appendAll(out, slices.DeleteFunc(squares, func(g datasets.GEMM) bool {
				switch size := g.Type.Size(); {
				case gpu && size == 1 && g.N%16 != 0:
					return true // cuBLASLt's 8-bit products need rows of whole 16 bytes (cuBLAS documentation, "Tensor Core Usage")
				case gpu:
					// 16384³ is 8.8 TFLOP, which takes the vector units and FP64 a quarter of a
					// second, and says what 8192³ has said.
					return g.N > 8192 && size > 2 && g.Type != datasets.TF32
				case g.N%2 != 0:
					return g.Ranks != widest
				}
				return a.Profile == Quick && g.Ranks == 1 && g.N != 512 && len(a.Ranks) == 0 && a.all > 1
			}))
		}
		// BF16, and FP8 where the GPU has it, are the types in which models are served.
		served := slices.DeleteFunc(slices.Clone(all), func(t datasets.DType) bool { return t != datasets.BF16 && t != datasets.FP8 })
		fp32 := []datasets.DType{datasets.FP32}
		shapes := llmShapes
		if a.Profile == Quick {
			shapes = llmShapes[:1]
		}
		return appendAll(out, datasets.Cross(datasets.GEMM{Kernel: "matmul", Ranks: widest, Cache: datasets.Cold},
			datasets.Axis("dtype", pick(a, a.DTypes, values[datasets.DType]{fp32, fp32, all}, values[datasets.DType]{served, served, all})...),
			datasets.Axis("n k", shapes...), datasets.Axis("m", pick(a, a.Batches, hostRows, gpuRows)...))), nil
	},
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

// widest is every worker, or the most that were asked for.
func (a *axes) widest() int {
	if len(a.Ranks) > 0 {
		return slices.Max(a.Ranks)
	}
	return a.all
}
