package predict

import (
	"math"
	"slices"

	"bench/datasets"
)

// Parameters of the law of mixtures of experts, by position.
const (
	moeMemory = iota
	moeL2
	moeTensor
	moeSag
	moeLaunch
	moeAlign
	moeShare
	moeGather
	moeStep
	moeBlocks
	moeExposed
	moeElement
	moeCastLaunch
)

// Facts of a library's grouped products, by position.
const (
	moeTiles = iota
	moeOthers
)

// moeLaw is one rank's grouped expert product: tokens are sorted by expert and
// padded to row blocks, a grouped GEMM for gate and up, an activation, a grouped
// GEMM for down, and a sum over each token's choices:
//
//	launch + elementwise + for each product the longest of (compute + cache),
//	latency and memory + exposed + power
var moeLaw = &Law{Name: "moe",
	Parameters: []datasets.Parameter{
		moeMemory: machineParameters[0],
		moeL2:     machineParameters[1],
		moeTensor: machineParameters[2],
		moeSag:    machineParameters[3],
		moeLaunch: {Name: "launch", Unit: "cycles", Min: 1000, Max: 5e5, Value: 25e3,
			Meaning: "launches of the five to seven kernels together"},
		moeAlign: {Name: "align_per_expert", Unit: "cycles", Min: 0.5, Max: 2000, Value: 40,
			Meaning: "what sorting tokens by expert takes for each expert of the layer"},
		moeShare: {Name: "tensor_share", Unit: "1", Min: 0.05, Max: 1.05, Value: 0.7,
			Meaning: "tensor-core rate inside a block over the machine's"},
		moeGather: {Name: "gather_cost", Unit: "1", Min: 0.01, Max: 4, Value: 0.5,
			Meaning: "how much dearer a gathered activation row is where the batch does not fit L2, less one"},
		moeStep: {Name: "step_latency", Unit: "cycles", Min: 15, Max: 4000, Value: 500,
			Meaning: "one step of a block's k loop when nothing else limits it: load latency over the stages in flight"},
		moeBlocks: {Name: "blocks_per_sm", Unit: "1", Min: 1, Max: 12, Value: 4,
			Meaning: "blocks of 64 x 64 that share an SM and hide each other's latency"},
		moeExposed: {Name: "exposed_share", Unit: "1", Min: 0, Max: 1, Value: 0.5,
			Meaning: "share of the shorter of overlapping phases that shows, when both take equally long"},
		moeElement: {Name: "element_efficiency", Unit: "1", Min: 0.1, Max: 4, Value: 0.8,
			Meaning: "rate of the activation and of the sum over choices, over the datasheet's memory bandwidth; above 1 from L2"},
		moeCastLaunch: {Name: "cast_launch", Unit: "cycles", Min: 100, Max: 1e5, Value: 10e3,
			Meaning: "launches of the kernels that cast activations before each product"},
	},
	Facts: []Fact{
		moeTiles: {"blocks", "the blocks that a grouped product is cut in",
			[]string{"two, or the best where tuned", "two", "best", "best of large", "16 rows", "64 rows", "128 rows"}},
		moeOthers: {"others", "what a rank does for choices of other ranks' experts", []string{"zeros", "nothing", "all slots"}},
	},
	Applies: func(w datasets.Workload) bool {
		m, ok := w.(datasets.MoELayer)
		return ok && m.Kernel == "experts"
	},
	Declines: func(d *datasets.Device, w datasets.Workload) string {
		m := w.(datasets.MoELayer)
		if m.Routing.Rule == datasets.RouteTrace && m.Routing.Trace == nil {
			return "the routing trace is not at hand"
		}
		if _, ok := ExpectedRankLoad(&m); !ok {
			return "the routing " + string(m.Routing.Rule) + " could not be followed"
		}
		return declinesDevice(d, m.Type)
	},
	Time: timeMoE,
	// The routed rows' arithmetic, and the weights of the awake experts, less what
	// of them a hot workload may find in L2.
	Least: func(d *datasets.Device, w datasets.Workload) float64 {
		m := w.(datasets.MoELayer)
		load, _ := ExpectedRankLoad(&m)
		weights := load.Awake * expertBytes(&m)
		if m.Cache != datasets.Cold {
			weights = max(weights-d.LastLevel().SizeBytes.Value, 0)
		}
		flops := 2 * load.Rows * float64(m.Matrices()*m.Hidden) * float64(m.Intermediate) / float64(max(m.TP, 1))
		return max(flops/peakOf(d, m.Type), weights/d.MemoryBandwidth.Value)
	},
}

func expertBytes(m *datasets.MoELayer) float64 {
	return float64(m.Matrices()*m.Hidden) * float64(m.Intermediate) / float64(max(m.TP, 1)) * datasets.WidthsOf(m.Type, m.Format).Weight
}

// block is a choice of the grouped kernel: rows, columns, and elements of k a
// step.
type block struct {
	rows    int64
	cols, k float64
}

// Triton's fused_moe (vLLM, SGLang) takes its blocks from a file for the device,
// where the number of local experts and the intermediate size have one, and
// otherwise one of two (get_default_config in fused_moe.py: the first where there
// are no more tokens than local experts). Of bestBlocks, which stand for what
// such files and CUTLASS's profiler choose from, the fastest by the law is taken.
var (
	fewTokens  = []block{{16, 32, 64}}
	manyTokens = []block{{64, 64, 32}}
	bestBlocks = []block{{16, 64, 128}, {16, 128, 128}, {32, 128, 128}, {64, 64, 64}, {64, 128, 64}, {64, 256, 64}, {128, 128, 64}, {128, 256, 64}}
)

// tuned lists local experts and intermediate sizes for which vLLM
// (vllm/model_executor/layers/fused_moe/configs) has a file of 16-bit blocks,
// as far as they occur in published timings.
var tuned = map[string]map[int64][]int64{
	"sm_80": {1: {1792, 3584, 7168, 14336}, 8: {1792, 2048, 3584, 4096, 7168}, 16: {2688}, 128: {192}},
	"sm_90": {1: {3072}, 8: {1792, 2048, 3584, 4096, 7168}, 16: {2688}, 128: {192, 352, 384, 768, 928, 1856, 2880}, 256: {512}},
	// The same for FP8.
	"sm_90 fp8": {8: {2048, 3584, 4096, 7168, 8192, 14336}},
}

func blocksOf(rule string, d *datasets.Device, m *datasets.MoELayer, local, inter int64) []block {
	switch rule {
	case "best":
		return bestBlocks
	case "best of large":
		return bestBlocks[3:]
	case "16 rows":
		return bestBlocks[1:2]
	case "64 rows":
		return bestBlocks[4:5]
	case "128 rows":
		return bestBlocks[6:7]
	case "two":
	default:
		files := d.Arch
		if m.Type == datasets.FP8 {
			files += " fp8"
		}
		if slices.Contains(tuned[files][local], inter) {
			return bestBlocks
		}
	}
	if m.Tokens <= local {
		return fewTokens
	}
	return manyTokens
}

// grouped is how long the parts of a grouped product take.
type grouped struct{ total, compute, cache, latency, memory float64 }

func (g grouped) plus(o grouped) grouped {
	return grouped{g.total + o.total, g.compute + o.compute, g.cache + o.cache, g.latency + o.latency, g.memory + o.memory}
}

func timeMoE(k *kernel, w datasets.Workload) span {
	m, v, d := w.(datasets.MoELayer), k.values, k.dev
	load, _ := ExpectedRankLoad(&m)
	r := k.rates(m.Type, v[moeMemory], v[moeL2], v[moeTensor]*v[moeShare])
	e, we := m.Type.Size(), datasets.WidthsOf(m.Type, m.Format).Weight
	local, inter := m.Experts/int64(max(m.EP, 1)), m.Intermediate/int64(max(m.TP, 1))
	hidden, width, tokens := float64(m.Hidden), float64(inter), float64(m.Tokens)
	up := float64(m.Matrices() - 1)
	choices := tokens * float64(m.TopK)
	others := k.fact(moeOthers)
	if others == "all slots" && m.EP > 1 {
		load = load.allSlots(tokens, float64(m.TopK), float64(local))
	}
	missing := 1 - resident(d, load.Awake*expertBytes(&m), m.Cache)
	gather := 1 + v[moeGather]*(1-resident(d, tokens*hidden*e/2, datasets.Hot))

	product := func(b block, n, depth float64) (g grouped) {
		rowBlocks, cols := load.Blocks(b.rows), math.Ceil(n/b.cols)
		blocks := rowBlocks * cols
		together := min(max(v[moeBlocks]*64*64/(float64(b.rows)*b.cols), 1), 12)
		rounds := math.Ceil(blocks / r.units / together)
		g.compute = max(blocks/r.units, rounds) * 2 * float64(b.rows) * b.cols * depth / r.sm
		g.latency = rounds * math.Ceil(depth/b.k) * v[moeStep] * r.cycle
		// Rows beyond an expert's load are masked: they cost arithmetic, not
		// traffic.
		g.cache = (load.Rows*cols*depth*gather*e + rowBlocks*n*depth*we) / r.l2
		g.memory = load.Awake*n*depth*we*missing/r.memory + load.Rows*(depth+n)*2/r.memory
		// Loads are issued by the threads that multiply, so arithmetic and
		// cache traffic follow each other.
		busy := g.compute + g.cache
		longest := max(busy, g.latency, g.memory)
		g.total = longest + v[moeExposed]*(busy*busy+g.latency*g.latency+g.memory*g.memory-longest*longest)/longest
		return g
	}
	best := grouped{total: math.Inf(1)}
	for _, b := range blocksOf(k.fact(moeTiles), d, &m, local, inter) {
		if both := product(b, up*width, hidden).plus(product(b, hidden, width)); both.total < best.total {
			best = both
		}
	}

	// What passes through the elementwise kernels: a rank that handles all
	// choices reads zeros for those of other ranks' experts.
	handled := load.Rows
	bytes := 0.0
	if others == "zeros" {
		handled = choices
		bytes = (choices - load.Rows) * (up*width + hidden) * 2
	}
	bytes += handled*(up+1)*width*2 + handled*hidden*2 + tokens*hidden*2
	launch := v[moeLaunch] + v[moeAlign]*float64(m.Experts)
	if casts(m.Format) {
		launch += v[moeCastLaunch]
		bytes += 5 * (tokens*hidden + handled*width)
	}
	busy := k.sum(k.of("compute", best.compute), k.of("cache", best.cache))
	body := k.longest(busy, k.of("latency", best.latency), k.of("memory", best.memory))
	body = k.sum(body, k.of("exposed", best.total-body.seconds))
	whole := k.sum(k.of("launch", launch*r.cycle), k.of("elementwise", bytes/(d.MemoryBandwidth.Value*v[moeElement])), body)
	return k.sagging(v[moeSag], best.compute, whole)
}
