package predict

import (
	"math"

	"bench/datasets"
)

// Parameters of the law of matrix products, by position.
const (
	gemmMemory = iota
	gemmL2
	gemmTensor
	gemmSag
	gemmLaunch
	gemmStep
	gemmSplit
	gemmBias
	gemmCopies
	gemmStore
	gemmExposed
	gemmShare
	gemmCastLaunch
	gemmCast
)

// Facts of a library's products, by position.
const (
	gemmMenu = iota
	gemmSplits
	gemmCasts
)

// gemmLaw is a GPU's library GEMM (cuBLASLt, CUTLASS, Triton): a tile and a
// split-K factor chosen from a menu by an estimate like the library's, which is
// not always the fastest, and timed as
//
//	launch + cast + fill + split_k + store
//	  + the longest of (compute + tile_padding + wave_quantization), latency, memory and cache
//	  + exposed + power
var gemmLaw = &Law{Name: "gemm",
	Parameters: []datasets.Parameter{
		gemmMemory: machineParameters[0],
		gemmL2:     machineParameters[1],
		gemmTensor: machineParameters[2],
		gemmSag:    machineParameters[3],
		gemmLaunch: {Name: "launch", Unit: "cycles", Min: 700, Max: 5e5, Value: 3500,
			Meaning: "start and drain of a kernel that does almost nothing; tens of microseconds where a host that cannot keep up is timed"},
		gemmStep: {Name: "step_latency", Unit: "cycles", Min: 15, Max: 2000, Value: 150,
			Meaning: "one step of a tile's k loop, 128 bytes of k, when nothing else limits it: load latency over the stages in flight"},
		gemmSplit: {Name: "split_overhead", Unit: "cycles", Min: 150, Max: 2e4, Value: 3000,
			Meaning: "what split-K adds beside the traffic of the partial sums: a second kernel or a semaphore"},
		gemmBias: {Name: "wave_bias", Unit: "1", Min: 0, Max: 4, Value: 0.5,
			Meaning: "what the library's choice of a tile charges for each wave before any split, in waves of 128 x 128 tiles; no time is spent on it"},
		gemmCopies: {Name: "weight_sets", Unit: "1", Min: 1, Max: 24, Value: 6,
			Meaning: "how many sets of weights the harness cycles through, so that weights leave the cache sooner than activations (hot workloads)"},
		gemmStore: {Name: "store_efficiency", Unit: "1", Min: 0.2, Max: 8, Value: 0.8,
			Meaning: "rate at which tiles store the result, after their arithmetic, over the datasheet's memory bandwidth; above 1 where stores overlap with other tiles or stay in L2"},
		gemmExposed: {Name: "exposed_share", Unit: "1", Min: 0, Max: 1, Value: 0.4,
			Meaning: "share of the shorter of arithmetic and traffic that does not overlap, when both take equally long"},
		gemmShare: {Name: "tensor_share", Unit: "1", Min: 0.1, Max: 1.1, Value: 1,
			Meaning: "rate of this format's products over that of plain ones: scales, widening of weights"},
		gemmCastLaunch: {Name: "cast_launch", Unit: "cycles", Min: 500, Max: 1e5, Value: 5000,
			Meaning: "launches of the kernels that scale and cast the activations"},
		gemmCast: {Name: "cast_efficiency", Unit: "1", Min: 0.02, Max: 1, Value: 0.2,
			Meaning: "rate of those kernels, 5 bytes an element (2 + 2 read, 1 written), over the datasheet's memory bandwidth"},
	},
	Facts: []Fact{
		gemmMenu:   {"tiles", "the menu of tiles", []string{"library", "mma", "wgmma", "three by m", "grown by m", "64x128", "128x128"}},
		gemmSplits: {"split_k", "whether k is split among blocks", []string{"yes", "no"}},
		gemmCasts:  {"cast", "whether the activations are cast inside the clock", []string{"inside", "outside"}},
	},
	Applies: func(w datasets.Workload) bool {
		g, ok := w.(datasets.GEMM)
		return ok && g.Kernel == "matmul"
	},
	Declines: func(d *datasets.Device, w datasets.Workload) string { return declinesDevice(d, w.DType()) },
	Time:     timeGEMM,
	Least: func(d *datasets.Device, w datasets.Workload) float64 {
		g := w.(datasets.GEMM)
		bytes := g.Bytes()
		if g.Cache != datasets.Cold {
			bytes = max(bytes-d.LastLevel().SizeBytes.Value, 0)
		}
		return max(g.FLOPs()/peakOf(d, g.Type), bytes/d.MemoryBandwidth.Value)
	},
}

// fillSteps is how many steps of a tile's k loop the copies run ahead of the
// tensor cores: the stages of a cp.async pipeline (CUTLASS: 3 to 5).
const fillSteps = 4

// tile is the part of the result that one thread block computes.
type tile struct{ m, n float64 }

// The menus of tiles. mmaTiles are those of cuBLAS's ampere_*_s16816gemm_*
// kernels, wgmmaTiles stand for its nvjet_* kernels of Hopper, which may be
// narrow (wgmma's n goes down to 8: PTX ISA, "wgmma.mma_async"), threeTiles are
// the ones that vLLM compiles for FP8 on Hopper, with the row counts up to which
// it uses them (csrc/quantization, scaled_mm_sm90_fp8_dispatch), and grownTiles
// those of its Ada kernels (scaled_mm_sm89_fp8_dispatch) and of Triton's tables.
var (
	mmaTiles     = []tile{{64, 64}, {64, 128}, {128, 64}, {128, 128}, {256, 64}, {64, 256}, {256, 128}, {128, 256}}
	wgmmaTiles   = []tile{{16, 64}, {32, 64}, {64, 64}, {128, 64}, {192, 64}, {256, 64}, {16, 128}, {32, 128}, {64, 128}, {128, 128}, {192, 128}, {256, 128}, {64, 192}, {128, 192}, {192, 192}, {64, 256}, {128, 256}}
	threeTiles   = []tile{{64, 64}, {64, 128}, {128, 128}}
	grownTiles   = []tile{{16, 64}, {32, 64}, {64, 64}, {64, 128}, {128, 128}}
	splitFactors = []float64{1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32}
)

// gemmShape is a product on a device with everything that does not depend on
// the tile worked out.
type gemmShape struct {
	rates
	m, n, k float64
	tiles   []tile
	// cluster is how many tiles along m start together: a partial cluster
	// idles.
	cluster  float64
	split    bool
	byEngine bool
	// stepK is the k of one loop step; rowBytes and columnBytes are what a step
	// loads for a row of A and for a column of B.
	stepK, rowBytes, columnBytes float64
	storeS, memoryS              float64
	stepS, splitS, exposed, bias float64
}

// tiling is how long the parts take under one choice of tile and split.
type tiling struct {
	total                                    float64
	useful, padded, compute, latency, fabric float64
	split, fill                              float64
}

// choice tries the menu and takes the candidate of the least estimate, which is
// the time but for two things that the library sees differently: it charges
// wave_bias for each wave of the unsplit grid, and it takes the partial sums of
// split-K to cross the memory bus, where they stay in L2.
func (c *gemmShape) choice() tiling {
	out, least := tiling{total: math.Inf(1)}, math.Inf(1)
	for _, t := range c.tiles {
		// A tile twice as large as the matrix is no candidate where a smaller
		// one is on the menu.
		if len(c.tiles) > 1 && (t.m >= 2*c.m && t.m > c.tiles[0].m || t.n >= 2*c.n && t.n > c.tiles[0].n) {
			continue
		}
		grid := math.Ceil(math.Ceil(c.m/t.m)/c.cluster) * c.cluster * math.Ceil(c.n/t.n)
		resident := min(max(math.Floor(256*128/(t.m*t.n)), 1), 3)
		charge := c.bias * math.Ceil(grid/c.units) * 2 * 128 * 128 * c.k / c.sm
		for _, s := range splitFactors {
			if s > 1 && (!c.split || c.k/s < 256 || grid*s > 6*c.units) {
				break
			}
			steps := math.Ceil(c.k / s / c.stepK)
			blocks := grid * s
			x := tiling{}
			perBlock := 2 * t.m * t.n * steps * c.stepK / c.sm
			x.compute = math.Ceil(blocks/c.units) * perBlock
			if x.compute+charge >= least {
				continue
			}
			x.latency = math.Ceil(blocks/c.units/resident) * steps * c.stepS
			x.fabric = blocks * (min(t.m, c.m)*c.rowBytes + min(t.n, c.n)*c.columnBytes) * steps / c.l2
			busy, moving := max(x.compute, x.latency), max(c.memoryS, x.fabric)
			if !c.byEngine {
				busy, moving = max(busy, x.fabric), c.memoryS
			}
			lo, hi := min(busy, moving), max(busy, moving)
			x.total = hi + c.exposed*lo*lo/hi + c.storeS
			if !c.byEngine && c.m > 1 {
				// The first steps wait for a whole load each.
				x.fill = min(steps, fillSteps) * c.stepS * 2
				x.total += x.fill
			}
			estimate := charge
			if s > 1 {
				// Partial sums are FP32, written and read once, and the result
				// once more.
				partial := (2*s + 1) * c.m * c.n * 4
				x.split = c.splitS + partial/c.l2
				if !c.byEngine && c.m == 1 {
					// GEMV splits k within a block: no second kernel.
					x.split = c.splitS / 2
				}
				x.total += x.split
				estimate += partial/c.memory - partial/c.l2
			}
			if estimate += x.total; estimate < least {
				least = estimate
				x.padded = perBlock * blocks / c.units
				x.useful = 2 * c.m * c.n * c.k / c.sm / c.units
				out = x
			}
		}
	}
	return out
}

// tilesOf is a menu for a product of m rows.
func tilesOf(menu string, engine bool, m float64) (tiles []tile, cluster float64) {
	switch menu {
	case "mma":
		return mmaTiles, 1
	case "wgmma":
		return wgmmaTiles, 1
	case "three by m":
		switch {
		case m <= 64:
			return threeTiles[:1], 1
		case m <= 128:
			return threeTiles[1:2], 2
		}
		return threeTiles[2:], 2
	case "grown by m":
		for i, t := range grownTiles {
			if m <= t.m*1.0 && i < 3 || m <= 128 && i == 3 {
				return grownTiles[i : i+1], 1
			}
		}
		return grownTiles[4:], 1
	case "64x128":
		return threeTiles[1:2], 1
	case "128x128":
		return threeTiles[2:], 1
	}
	if engine {
		return wgmmaTiles, 1
	}
	return mmaTiles, 1
}

func timeGEMM(k *kernel, w datasets.Workload) span {
	g, v, d := w.(datasets.GEMM), k.values, k.dev
	m, n, kk, e := float64(g.M), float64(g.N), float64(g.K), g.Type.Size()
	widths := datasets.WidthsOf(g.Type, g.Format)
	we := widths.Weight
	share := 1.0
	if g.Format != "" || e < 2 {
		share = v[gemmShare]
	}
	c := gemmShape{rates: k.rates(g.Type, v[gemmMemory], v[gemmL2], v[gemmTensor]*share), m: m, n: n, k: kk,
		split: k.facts[gemmSplits] == 0, byEngine: d.Has(datasets.WGMMA) || d.Has(datasets.TCGen05), exposed: v[gemmExposed], bias: v[gemmBias]}
	stepBytes := 64.0
	if c.byEngine {
		stepBytes = 128
	}
	c.stepK = stepBytes / e
	c.rowBytes, c.columnBytes = stepBytes, c.stepK*we
	c.stepS, c.splitS = v[gemmStep]*c.cycle*stepBytes/128, v[gemmSplit]*c.cycle
	c.storeS = m * n * widths.Result / (d.MemoryBandwidth.Value * v[gemmStore])
	c.tiles, c.cluster = tilesOf(k.fact(gemmMenu), c.byEngine, m)
	a, b, r := m*kk*widths.Activation, n*kk*we, m*n*widths.Result
	keptA, keptB := resident(d, a+b+r, g.Cache), resident(d, b*v[gemmCopies], g.Cache)
	c.memoryS = (a*(1-keptA) + b*(1-keptB)) / c.memory
	x := c.choice()

	cast := span{}
	if casts(g.Format) && k.facts[gemmCasts] == 0 {
		moved := 5 * m * kk
		cast = k.of("cast", v[gemmCastLaunch]*c.cycle+moved/(d.MemoryBandwidth.Value*v[gemmCast])+
			moved*(1-resident(d, 3*m*kk, datasets.Hot))/c.memory)
	}
	busy := k.sum(k.of("compute", x.useful), k.of("tile_padding", x.padded-x.useful), k.of("wave_quantization", x.compute-x.padded))
	latency, memory, cache := k.of("latency", x.latency), k.of("memory", c.memoryS), k.of("cache", x.fabric)
	var body span
	if c.byEngine {
		body = k.overlap(v[gemmExposed], k.longest(busy, latency), k.longest(memory, cache))
	} else {
		body = k.overlap(v[gemmExposed], k.longest(busy, latency, cache), memory)
	}
	whole := k.sum(k.of("launch", v[gemmLaunch]*c.cycle), cast, k.of("fill", x.fill), k.of("split_k", x.split), k.of("store", c.storeS), body)
	return k.sagging(v[gemmSag], x.padded, whole)
}
