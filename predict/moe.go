package predict

import (
	"math"
	"slices"

	"bench/datasets"
)

// Parameters of the MoE model, by position.
const (
	moeLaunch = iota
	moeAlign
	moeTensor
	moeMemory
	moeL2
	moeGather
	moeStep
	moeBlocks
	moeExposed
	moeElement
	moeResident
	moeQuantize
)

// moeModel is one rank's grouped expert product as vLLM's fused_moe does it:
// tokens are sorted by expert and padded to row blocks, a grouped GEMM for gate
// and up, an activation, a grouped GEMM for down, and a sum over each token's
// choices. docs/models-parameters.md says what each parameter buys.
var moeModel = &Model{Name: "moe",
	Parameters: []datasets.Parameter{
		moeLaunch: {Name: "launch", Unit: "s", Min: 1e-6, Max: 60e-6, Value: 15e-6,
			Meaning: "launches of the five to seven kernels together"},
		moeAlign: {Name: "align_per_expert", Unit: "s", Min: 1e-9, Max: 1e-6, Value: 3e-8,
			Meaning: "what sorting tokens by expert takes for each expert of the layer"},
		moeTensor: {Name: "tensor_efficiency", Unit: "1", Min: 0.1, Max: 1, Value: 0.7,
			Meaning: "tensor-core rate inside a block over the datasheet's"},
		moeMemory: {Name: "memory_efficiency", Unit: "1", Min: 0.4, Max: 1, Value: 0.85,
			Meaning: "memory bandwidth reached by streaming weights over the datasheet's"},
		moeL2: {Name: "l2_ratio", Unit: "1", Min: 0.8, Max: 10, Value: 4,
			Meaning: "bandwidth from L2 to the SMs over the memory bandwidth reached"},
		moeGather: {Name: "gather_cost", Unit: "1", Min: 0.01, Max: 4, Value: 1,
			Meaning: "how much dearer a gathered activation row is where the batch does not fit L2, less one"},
		moeStep: {Name: "step_latency", Unit: "s", Min: 1e-8, Max: 2e-6, Value: 3e-7,
			Meaning: "time of one step of a block's k loop when nothing else limits it: load latency over the stages in flight"},
		moeBlocks: {Name: "blocks_per_sm", Unit: "1", Min: 1, Max: 12, Value: 5,
			Meaning: "blocks of 64 × 64 that share an SM and hide each other's latency"},
		moeExposed: {Name: "exposed_share", Unit: "1", Min: 0, Max: 1, Value: 0.5,
			Meaning: "share of the shorter of two overlapping phases that shows, when both take equally long"},
		moeElement: {Name: "element_efficiency", Unit: "1", Min: 0.1, Max: 2, Value: 0.7,
			Meaning: "rate of the activation and of the sum over choices, over the datasheet's memory bandwidth; above 1 from L2"},
		moeResident: {Name: "resident_share", Unit: "1", Min: 0.1, Max: 1.2, Value: 0.5,
			Meaning: "share of L2 that keeps weights from one repetition to the next (hot workloads)"},
		moeQuantize: {Name: "quantize_launch", Unit: "s", Min: 1e-7, Max: 60e-6, Value: 10e-6,
			Meaning: "launches of the kernels that cast activations to fp8 before each product (fp8_dynamic)"},
	},
	Applies: func(w datasets.Workload) bool {
		m, ok := w.(datasets.MoELayer)
		return ok && m.Kernel == "experts"
	},
	Declines: func(d *datasets.Device, w datasets.Workload) string {
		m := w.(datasets.MoELayer)
		if m.Format != "" && m.Format != "fp8_dynamic" {
			return "no model of the " + m.Format + " format"
		}
		if m.Routing.Rule == datasets.RouteTrace && m.Routing.Trace == nil {
			return "the routing trace is not at hand"
		}
		return declinesDevice(d, m.Type)
	},
	Predict: func(d *datasets.Device, v []float64, w datasets.Workload) datasets.Prediction {
		m := w.(datasets.MoELayer)
		return predictMoE(d, v, &m)
	},
}

// block is a choice of the grouped kernel: rows, columns, and elements of k a
// step.
type block struct {
	rows    int64
	cols, k float64
}

// vLLM's fused_moe takes its blocks from a file for the device, where the
// number of local experts and the intermediate size have one, and otherwise
// one of two (get_default_config in fused_moe.py: the first where there are no
// more tokens than local experts).
var (
	fewTokens  = block{16, 32, 64}
	manyTokens = block{64, 64, 32}
	// tunedBlocks stands for what those files choose from; as with a GEMM, the
	// fastest by the model is taken to be the one chosen.
	tunedBlocks = []block{{16, 64, 128}, {16, 128, 128}, {32, 128, 128}, {64, 64, 64}, {64, 128, 64}, {64, 256, 64}, {128, 128, 64}, {128, 256, 64}}
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

func blocksOf(d *datasets.Device, m *datasets.MoELayer, local, inter int64) []block {
	files := d.Arch
	if m.Type == datasets.FP8 {
		files += " fp8"
	}
	switch {
	case slices.Contains(tuned[files][local], inter):
		return tunedBlocks
	case m.Tokens <= local:
		return []block{fewTokens}
	}
	return []block{manyTokens}
}

// grouped is how long the parts of a grouped product take.
type grouped struct {
	total, compute, cache, latency, memory float64
}

func predictMoE(d *datasets.Device, v []float64, m *datasets.MoELayer) datasets.Prediction {
	load, ok := ExpectedRankLoad(m)
	if !ok {
		return datasets.Prediction{NotPredicted: "the routing " + string(m.Routing.Rule) + " could not be followed"}
	}
	e, units := m.Type.Size(), float64(d.Units)
	local, inter := m.Experts/int64(max(m.EP, 1)), m.Intermediate/int64(max(m.TP, 1))
	hidden, width := float64(m.Hidden), float64(inter)
	hbm := d.MemoryBandwidth.Value * v[moeMemory]
	l2 := hbm * v[moeL2]
	cache := d.LastLevel().SizeBytes.Value
	sm := d.PeakFLOPs[m.Type].Value / units * v[moeTensor]
	up := float64(m.Matrices() - 1)
	missing := 1.0
	if m.Cache == datasets.Hot && cache > 0 {
		missing = share(load.Awake*m.ExpertBytes(), cache*v[moeResident])
	}
	gather := 1 + v[moeGather]*share(float64(m.Tokens)*hidden*e, cache)

	product := func(b block, n, k float64) (g grouped) {
		rowBlocks, cols := load.Blocks(b.rows), math.Ceil(n/b.cols)
		blocks := rowBlocks * cols
		together := min(max(v[moeBlocks]*64*64/(float64(b.rows)*b.cols), 1), 12)
		rounds := math.Ceil(blocks / units / together)
		g.compute = max(blocks/units, rounds) * 2 * float64(b.rows) * b.cols * k / sm
		g.latency = rounds * math.Ceil(k/b.k) * v[moeStep]
		// Rows beyond an expert's load are masked: they cost arithmetic, not
		// traffic.
		g.cache = (load.Rows*cols*k*gather + rowBlocks*n*k) * e / l2
		g.memory = load.Awake*n*k*e*missing/hbm + load.Rows*(k+n)*2/hbm
		// Loads are issued by the threads that multiply, so arithmetic and
		// cache traffic follow each other.
		busy := g.compute + g.cache
		longest := max(busy, g.latency, g.memory)
		others := busy*busy + g.latency*g.latency + g.memory*g.memory - longest*longest
		g.total = longest + v[moeExposed]*others/longest
		return g
	}
	var first, second grouped
	best := math.Inf(1)
	for _, b := range blocksOf(d, m, local, inter) {
		f, s := product(b, up*width, hidden), product(b, hidden, width)
		if f.total+s.total < best {
			best, first, second = f.total+s.total, f, s
		}
	}

	launch := v[moeLaunch] + v[moeAlign]*float64(m.Experts)
	// Every rank handles all choices: those of other ranks' experts become
	// zeros that the sum reads.
	choices := float64(m.Tokens * m.TopK)
	bytes := choices*(up+1)*width*2 + choices*hidden*2 + float64(m.Tokens)*hidden*2 + (choices-load.Rows)*(up*width+hidden)*2
	if m.Format == "fp8_dynamic" {
		launch += v[moeQuantize]
		bytes += 5 * (float64(m.Tokens)*hidden + choices*width)
	}
	elements := bytes / (d.MemoryBandwidth.Value * v[moeElement])

	p := datasets.Prediction{
		Rule: "launch + elementwise + for each grouped product the longest of (compute + cache), latency and memory + the exposed part of the others",
		Terms: []datasets.Term{
			{Name: "launch", Seconds: launch},
			{Name: "elementwise", Seconds: elements},
			{Name: "compute", Seconds: first.compute + second.compute},
			{Name: "cache", Seconds: first.cache + second.cache},
			{Name: "latency", Seconds: first.latency + second.latency},
			{Name: "memory", Seconds: first.memory + second.memory},
		}}
	p.Seconds = max(launch+elements+best, moeRoof(d, m, &load))
	longest := 0.0
	for _, t := range p.Terms {
		if t.Seconds > longest {
			longest, p.Binds = t.Seconds, t.Name
		}
	}
	return p
}

// moeRoof is the least time that the device's peaks allow the rank: its
// routed rows' arithmetic, and the weights of its awake experts, less what of
// them a hot workload may find in L2.
func moeRoof(d *datasets.Device, m *datasets.MoELayer, load *RankLoad) float64 {
	weights := load.Awake * m.ExpertBytes()
	if m.Cache == datasets.Hot {
		weights = max(weights-d.LastLevel().SizeBytes.Value, 0)
	}
	flops := 2 * load.Rows * float64(m.Matrices()*m.Hidden) * float64(m.Intermediate) / float64(max(m.TP, 1))
	return max(flops/d.PeakFLOPs[m.Type].Value, weights/d.MemoryBandwidth.Value)
}
