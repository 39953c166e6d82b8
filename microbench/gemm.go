package microbench

import "bench/datasets"

// peakOps is the FLOP that each worker of a peak case issues: some
// milliseconds of any core of this decade.
const peakOps = 1 << 28

// llmShapes are n and k of a transformer's products: a square projection, and
// the two sides of Llama 2 7B's feed-forward (Touvron et al., 2023).
var llmShapes = [][2]int64{{4096, 4096}, {11008, 4096}, {4096, 11008}}

var gemmSuite = suite{
	name: datasets.SuiteGEMM, share: 0.18,
	takes: []string{"dtype", "batch", "ranks"},
	workloads: func(a *axes) ([]datasets.Workload, error) {
		if a.dev.Kind == "gpu" {
			return gpuGEMMs(a), nil
		}
		var out []datasets.Workload
		types := or(a.DTypes, a.types()...)
		for _, t := range types {
			for _, ranks := range a.oneAndAll() {
				out = append(out, datasets.GEMM{Kernel: "peak", Type: t, Ops: peakOps * int64(ranks), Ranks: ranks})
			}
		}
		add := func(t datasets.DType, m, n, k int64, ranks int, c datasets.Cache) {
			out = append(out, datasets.GEMM{Kernel: "matmul", Type: t, M: m, N: n, K: k, Ranks: ranks, Cache: c})
		}
		products := or(a.DTypes, datasets.FP32, datasets.FP64)
		if a.Profile != Quick {
			products = types
		}
		if len(a.Batches) == 0 {
			squares := map[Profile][]int64{Quick: {256, 512, 1024}, Standard: {128, 256, 512, 1024, 2048},
				Full: {128, 256, 512, 1024, 2048, 4096}}[a.Profile]
			odd := map[Profile][]int64{Quick: {509}, Standard: {257, 509, 1021}, Full: {257, 509, 1021, 2039}}[a.Profile]
			for _, t := range products {
				for _, ranks := range a.oneAndAll() {
					for _, n := range squares {
						if a.Profile == Quick && ranks == 1 && n != 512 && len(a.Ranks) == 0 && a.all > 1 {
							continue
						}
						add(t, n, n, n, ranks, datasets.Hot)
					}
				}
				for _, n := range odd {
					add(t, n, n, n, a.widest(), datasets.Hot)
				}
			}
		}
		rows := or(a.Batches, map[Profile][]int64{Quick: {1, 8, 64, 256},
			Standard: {1, 2, 4, 8, 16, 32, 64, 128, 256, 512}, Full: {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}}[a.Profile]...)
		shapes := llmShapes
		skinny := or(a.DTypes, datasets.FP32)
		if a.Profile == Quick {
			shapes = llmShapes[:1]
		}
		if a.Profile == Full {
			skinny = types
		}
		for _, t := range skinny {
			for _, nk := range shapes {
				for _, m := range rows {
					add(t, m, nk[0], nk[1], a.widest(), datasets.Cold)
				}
			}
		}
		return out, nil
	},
}

// widest is every worker, or the most that were asked for.
func (a *axes) widest() int {
	w := 0
	for _, r := range a.Ranks {
		w = max(w, r)
	}
	if w == 0 {
		return a.all
	}
	return w
}
