package predict

import (
	"fmt"
	"math"

	"bench/datasets"
)

// Parameters of the GEMM model, by position.
const (
	gemmLaunch = iota
	gemmTensor
	gemmMemory
	gemmL2
	gemmSlice
	gemmSplit
	gemmBias
	gemmCopies
	gemmStore
	gemmExposed
	gemmQuantizeLaunch
	gemmQuantize
)

// gemmModel is a GPU's library GEMM (cuBLASLt, CUTLASS): a tile and a split-K
// factor chosen from a menu by an estimate like the library's, which is not
// always the fastest, and timed by the law of gemmConfig.choice.
// docs/models-parameters.md says what each parameter buys.
var gemmModel = &Model{Name: "gemm",
	Parameters: []datasets.Parameter{
		gemmLaunch: {Name: "launch", Unit: "s", Min: 0.5e-6, Max: 8e-6, Value: 2.5e-6,
			Meaning: "start and drain of a kernel that does almost nothing"},
		gemmTensor: {Name: "tensor_efficiency", Unit: "1", Min: 0.5, Max: 1.08, Value: 0.95,
			Meaning: "tensor-core rate inside a tile over the datasheet's; above 1 where light loads clock higher than the datasheet assumes (H100: 1980 over 1830 MHz)"},
		gemmMemory: {Name: "memory_efficiency", Unit: "1", Min: 0.5, Max: 1, Value: 0.85,
			Meaning: "memory bandwidth reached by a stream of tiles over the datasheet's"},
		gemmL2: {Name: "l2_ratio", Unit: "1", Min: 1, Max: 8, Value: 3,
			Meaning: "bandwidth from L2 to the SMs over the memory bandwidth reached"},
		gemmSlice: {Name: "slice_latency", Unit: "s", Min: 1e-8, Max: 1e-6, Value: 1e-7,
			Meaning: "time of one step of a tile's k loop, 128 bytes of k, when nothing else limits it: load latency over the stages in flight"},
		gemmSplit: {Name: "split_overhead", Unit: "s", Min: 1e-7, Max: 8e-6, Value: 2e-6,
			Meaning: "what split-K adds beside the traffic of the partial sums: a second kernel or a semaphore"},
		gemmBias: {Name: "wave_bias", Unit: "1", Min: 0, Max: 4, Value: 1.5,
			Meaning: "what the library's choice of a tile charges for each wave before any split, in waves of 128 x 128 tiles: it prefers few waves of large tiles to more and faster ones of small tiles; no time is spent on it"},
		gemmCopies: {Name: "weight_sets", Unit: "1", Min: 1, Max: 12, Value: 6,
			Meaning: "how many sets of weights the harness cycles through, so that weights are evicted sooner than activations (hot workloads)"},
		gemmStore: {Name: "store_efficiency", Unit: "1", Min: 0.2, Max: 4, Value: 0.8,
			Meaning: "rate at which tiles store the result, after their arithmetic, over the datasheet's memory bandwidth; above 1 where stores overlap with other tiles or stay in L2"},
		gemmExposed: {Name: "exposed_share", Unit: "1", Min: 0, Max: 1, Value: 0.4,
			Meaning: "share of the shorter of arithmetic and traffic that does not overlap, when both take equally long"},
		gemmQuantizeLaunch: {Name: "quantize_launch", Unit: "s", Min: 1e-6, Max: 20e-6, Value: 7e-6,
			Meaning: "launches of the kernels that find the scale of the activations and cast them to fp8 (fp8_dynamic)"},
		gemmQuantize: {Name: "quantize_efficiency", Unit: "1", Min: 0.02, Max: 1, Value: 0.15,
			Meaning: "rate of those kernels, 5 bytes an element (2 + 2 read, 1 written), over the datasheet's memory bandwidth"},
	},
	Applies: func(w datasets.Workload) bool {
		g, ok := w.(datasets.GEMM)
		return ok && g.Kernel == "matmul"
	},
	Declines: func(d *datasets.Device, w datasets.Workload) string {
		g := w.(datasets.GEMM)
		if g.Format != "" && g.Format != "fp8_dynamic" {
			return "no model of the " + g.Format + " format"
		}
		return declinesDevice(d, g.Type)
	},
	// Vidur's and LLMCompass's products ran under other libraries and harnesses
	// (operands not hot to the same degree, the host's launch within the time):
	// fitted together with kernel timings they spoil both.
	FitsOn: func(m *datasets.Measurement) bool {
		return m.Origin.Tool != "vidur" && m.Origin.Tool != "llmcompass"
	},
	Predict: func(d *datasets.Device, v []float64, w datasets.Workload) datasets.Prediction {
		g := w.(datasets.GEMM)
		return predictGEMM(d, v, &g)
	},
}

// declinesDevice says which figure a tile model lacks, or "".
func declinesDevice(d *datasets.Device, t datasets.DType) string {
	switch {
	case d.Kind != "gpu":
		return "no calibrated model of products on a " + d.Kind
	case d.PeakFLOPs[t].Value == 0:
		return fmt.Sprintf("no datasheet peak of %s for %s", d.ID, t)
	case d.MemoryBandwidth.Value == 0 || d.Units == 0:
		return "no datasheet bandwidth or SM count of " + d.ID
	}
	return ""
}

// residentShare is the share of L2 that keeps operands from one repetition to
// the next (hot workloads). As a parameter it bought nothing.
const residentShare = 0.3

// fillSteps is how many steps of a tile's k loop the copies run ahead of the
// tensor cores: the stages of a cp.async pipeline (CUTLASS: 3 to 5).
const fillSteps = 4

// tile is the part of the result that one thread block computes.
type tile struct{ m, n float64 }

// The menus of tiles. mmaTiles are those of cuBLAS's ampere_*_s16816gemm_*
// kernels, wgmmaTiles stand for its nvjet_* kernels of Hopper, which may be
// narrow (wgmma's n goes down to 8: PTX ISA, "wgmma.mma_async"), and
// cutlassTiles are the ones that vLLM compiles for FP8 on Hopper, with the row
// counts up to which it uses them (csrc/quantization, scaled_mm_sm90_fp8_dispatch).
var (
	mmaTiles     = []tile{{64, 64}, {64, 128}, {128, 64}, {128, 128}, {256, 64}, {64, 256}, {256, 128}, {128, 256}}
	wgmmaTiles   = []tile{{16, 64}, {32, 64}, {64, 64}, {128, 64}, {192, 64}, {256, 64}, {16, 128}, {32, 128}, {64, 128}, {128, 128}, {192, 128}, {256, 128}, {64, 192}, {128, 192}, {192, 192}, {64, 256}, {128, 256}}
	cutlassTiles = []tile{{64, 64}, {64, 128}, {128, 128}}
	splitFactors = []float64{1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32}
)

// gemmConfig is a product on a device with everything that does not depend on
// the tile worked out.
type gemmConfig struct {
	m, n, k float64
	tiles   []tile
	// cluster is how many tiles along m start together: a partial cluster
	// idles.
	cluster float64
	split   bool
	// tma: the SM's copies are done by an engine, not by its threads.
	tma bool
	// step is the k of one loop step, of stepBytes bytes a row.
	step, stepBytes float64

	units, sm, l2, store, memory      float64
	slice, splitS, exposed, bias, hbm float64
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
func (c *gemmConfig) choice() tiling {
	out, least := tiling{total: math.Inf(1)}, math.Inf(1)
	for _, t := range c.tiles {
		// A tile twice as large as the matrix is no candidate where a smaller
		// one is on the menu.
		if len(c.tiles) > 1 && (t.m >= 2*c.m && t.m > c.tiles[0].m || t.n >= 2*c.n && t.n > c.tiles[0].n) {
			continue
		}
		grid := math.Ceil(math.Ceil(c.m/t.m)/c.cluster) * c.cluster * math.Ceil(c.n/t.n)
		resident := min(max(math.Floor(256*128/(t.m*t.n)), 1), 3)
		for _, s := range splitFactors {
			if s > 1 && (!c.split || c.k/s < 256 || grid*s > 6*c.units) {
				break
			}
			steps := math.Ceil(c.k / s / c.step)
			blocks := grid * s
			x := tiling{}
			perBlock := 2 * t.m * t.n * steps * c.step / c.sm
			x.compute = math.Ceil(blocks/c.units) * perBlock
			if x.compute >= least {
				continue
			}
			x.latency = math.Ceil(blocks/c.units/resident) * steps * c.stepBytes / 128 * c.slice
			x.fabric = blocks * (min(t.m, c.m) + min(t.n, c.n)) * steps * c.stepBytes / c.l2
			hi, lo := max(x.compute, x.latency), max(c.memory, x.fabric)
			if !c.tma {
				hi, lo = max(hi, x.fabric), c.memory
			}
			if lo > hi {
				hi, lo = lo, hi
			}
			x.total = hi + c.exposed*lo*lo/hi + c.store
			if !c.tma && c.m > 1 {
				// The first steps wait for a whole load each.
				x.fill = min(steps, fillSteps) * c.slice
				x.total += x.fill
			}
			estimate := c.bias * math.Ceil(grid/c.units) * 2 * 128 * 128 * c.k / c.sm
			if s > 1 {
				// Partial sums are FP32, written and read once, and the result
				// once more.
				partial := (2*s + 1) * c.m * c.n * 4
				x.split = c.splitS + partial/c.l2
				if !c.tma && c.m == 1 {
					// GEMV splits k within a block: no second kernel.
					x.split = c.splitS / 2
				}
				x.total += x.split
				estimate += partial/c.hbm - partial/c.l2
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

func predictGEMM(d *datasets.Device, v []float64, g *datasets.GEMM) datasets.Prediction {
	m, n, k, e := float64(g.M), float64(g.N), float64(g.K), g.Type.Size()
	hbm := d.MemoryBandwidth.Value * v[gemmMemory]
	cache := d.LastLevel().SizeBytes.Value
	c := gemmConfig{m: m, n: n, k: k, cluster: 1, split: true, tiles: mmaTiles, stepBytes: 64,
		units: float64(d.Units), sm: d.PeakFLOPs[g.Type].Value / float64(d.Units) * v[gemmTensor],
		l2: hbm * v[gemmL2], store: m * n * g.Type.OutSize() / (d.MemoryBandwidth.Value * v[gemmStore]),
		slice: v[gemmSlice], splitS: v[gemmSplit], exposed: v[gemmExposed], bias: v[gemmBias], hbm: hbm}
	if d.Has(datasets.WGMMA) || d.Has(datasets.TCGen05) {
		c.tiles, c.stepBytes, c.tma = wgmmaTiles, 128, true
	}
	launch, quantize := v[gemmLaunch], 0.0
	if g.Format == "fp8_dynamic" {
		quantize = m*k*5/(d.MemoryBandwidth.Value*v[gemmQuantize]) + share(3*m*k, cache)*m*k*5/hbm
		launch += v[gemmQuantizeLaunch]
		c.split = false
		switch {
		case m <= 64:
			c.tiles = cutlassTiles[:1]
		case m <= 128:
			c.tiles, c.cluster = cutlassTiles[1:2], 2
		default:
			c.tiles, c.cluster = cutlassTiles[2:], 2
		}
	}
	c.step = c.stepBytes / e
	a, b, r := m*k*e, n*k*e, m*n*g.Type.OutSize()
	missA, missB := 1.0, 1.0
	if g.Cache == datasets.Hot && cache > 0 {
		missA = share(a+b+r, cache*residentShare)
		missB = share(b*v[gemmCopies], cache*residentShare)
	}
	c.memory = (a*missA + b*missB) / hbm
	x := c.choice()

	p := datasets.Prediction{
		Rule: "launch + quantize + fill + split_k + store + the longest of (compute + tile_padding + wave_quantization), latency, memory and cache + the exposed part of the others",
		Terms: append(make([]datasets.Term, 0, 11),
			datasets.Term{Name: "launch", Seconds: launch},
			datasets.Term{Name: "compute", Seconds: x.useful},
			datasets.Term{Name: "tile_padding", Seconds: x.padded - x.useful},
			datasets.Term{Name: "wave_quantization", Seconds: x.compute - x.padded},
			datasets.Term{Name: "latency", Seconds: x.latency},
			datasets.Term{Name: "memory", Seconds: c.memory},
			datasets.Term{Name: "cache", Seconds: x.fabric},
			datasets.Term{Name: "store", Seconds: c.store},
		)}
	if x.fill > 0 {
		p.Terms = append(p.Terms, datasets.Term{Name: "fill", Seconds: x.fill})
	}
	if x.split > 0 {
		p.Terms = append(p.Terms, datasets.Term{Name: "split_k", Seconds: x.split})
	}
	if quantize > 0 {
		p.Terms = append(p.Terms, datasets.Term{Name: "quantize", Seconds: quantize})
	}
	p.Seconds = max(launch+quantize+x.total, gemmRoof(d, g))
	p.Binds = "compute"
	longest := x.compute
	for _, t := range p.Terms {
		if t.Seconds > longest {
			longest, p.Binds = t.Seconds, t.Name
		}
	}
	return p
}

// share is how much of what a repetition touches has left a cache when its
// turn comes again: nothing up to the cache's size, everything from twice that
// on (least-recently-used replacement loses all of a cycle that does not fit;
// hashing blurs the step).
func share(bytes, cache float64) float64 { return min(max(bytes/cache-1, 0), 1) }

// gemmRoof is the least time that the device's peaks allow: the datasheet
// roofline, except that of a hot workload what fits L2 may stay there, so only
// the rest must cross the memory bus.
func gemmRoof(d *datasets.Device, g *datasets.GEMM) float64 {
	bytes := g.Bytes()
	if g.Cache == datasets.Hot {
		bytes = max(bytes-d.LastLevel().SizeBytes.Value, 0)
	}
	return max(g.FLOPs()/d.PeakFLOPs[g.Type].Value, bytes/d.MemoryBandwidth.Value)
}
