package ceilings

import (
	"math"
	"slices"

	"bench/datasets"
)

// phase is a piece of work between two barriers: arithmetic and traffic
// overlap inside it, and phases follow one another.
type phase struct {
	part
	compute, memory float64
}

// part names what a phase does, as the term of its time when arithmetic or
// when traffic is the longer.
type part struct{ computeName, memoryName string }

var (
	norms       = part{"norm_compute", "norm_memory"}
	projection  = part{"projection_compute", "projection_memory"}
	attending   = part{"attention_compute", "attention_memory"}
	feedForward = part{"ffn_compute", "ffn_memory"}
	routing     = part{"router_compute", "router_memory"}
	experts     = part{"expert_compute", "expert_memory"}
	dispatch    = part{"dispatch", "dispatch"}
	combine     = part{"combine", "combine"}
)

// phased joins phases by their sum and says how much of it is arithmetic and
// how much traffic, with the barriers between them.
func phased(phases []phase, barriers float64, extra ...datasets.Term) datasets.Prediction {
	total := barriers
	terms := make([]datasets.Term, 0, len(phases)+2)
	for _, p := range phases {
		name, t := p.memoryName, p.memory
		if p.compute > p.memory {
			name, t = p.computeName, p.compute
		}
		total += t
		i := slices.IndexFunc(terms, func(t datasets.Term) bool { return t.Name == name })
		if i < 0 {
			terms = append(terms, datasets.Term{Name: name, Seconds: t})
		} else {
			terms[i].Seconds += t
		}
	}
	terms = append(terms, datasets.Term{Name: "barriers", Seconds: barriers})
	for _, t := range extra {
		total += t.Seconds
	}
	return joined("sum of max(compute, memory) over phases", total, append(terms, extra...)...)
}

// tileRows is how many rows of activations the host's kernels multiply with a
// panel of weights at once (ROWS of AVX-512 and AVX2 in microbench/host/vector_body.h).
const tileRows = 6

// weighted is a product of rows with weights that are read from memory once.
// They stream in under the arithmetic of the first tile of rows; the other
// tiles find them in the private caches, and their arithmetic comes on top.
func weighted(p part, rows, compute, memory float64) (stream, rest phase) {
	first := min(1, tileRows/max(rows, 1))
	return phase{p, compute * first, memory}, phase{p, compute * (1 - first), 0}
}

// roofs are the rates that a phase is held to, for a number of workers.
type roofs struct {
	flopPerS float64
	// coldPerByte is the cost of reading operands that rotate through twice
	// the last-level cache, as the host's cold cases do; nearPerByte that of
	// activations, which stay in the second level.
	coldPerByte, nearPerByte float64
}

// rotation is through how many times the last-level cache cold operands rotate
// (microbench/host).
const rotation = 2

func (m *Model) roofs(t datasets.DType, ranks int, cache datasets.Cache, operandBytes float64) (roofs, string) {
	// Weights stored as bf16 are multiplied as fp32 where the host's own
	// kernels do it.
	peak := m.peaks[peakID{datasets.FP32, ranks}]
	if t == datasets.FP64 {
		peak = m.peaks[peakID{t, ranks}]
	}
	read, ok := m.read[ranks]
	if peak == 0 || !ok {
		return roofs{}, missing("no measured fp32 peak or read bandwidth of %d workers: run suites hbm and gemm too", ranks).NotPredicted
	}
	workingSet := operandBytes
	if cache == datasets.Cold {
		workingSet = max(workingSet, rotation*m.last.SizeBytes.Value)
	}
	shares := m.shares(workingSet, ranks, m.lastBytes[streamID{"", ranks}])
	perByte, ok := pass(1, shares, read)
	if !ok {
		return roofs{}, missing("the read cases of %d workers do not cover every level of memory", ranks).NotPredicted
	}
	total, _ := levelTerms(perByte)
	return roofs{flopPerS: peak, coldPerByte: total, nearPerByte: read[1]}, ""
}

func (m *Model) attention(w datasets.Attention) datasets.Prediction {
	if w.QueryTokens > 1 {
		return missing("no ceilings model of prefill attention")
	}
	r, why := m.roofs(w.Type, w.Ranks, w.Cache, w.KVBytes())
	if why != "" {
		return missing("%s", why)
	}
	return phased([]phase{attend(w, r)}, m.launch(w.Ranks))
}

// attend reads the KV cache once, and multiplies twice a key.
func attend(w datasets.Attention, r roofs) phase {
	return phase{attending, w.FLOPs() / r.flopPerS, w.KVBytes() * r.coldPerByte}
}

// decode is a layer's phases in order. Every projection reads its weights once
// whatever the batch, so that small batches are bound by memory and large ones
// by arithmetic.
func (m *Model) decode(w datasets.DecodeLayer) datasets.Prediction {
	r, why := m.roofs(w.Type, w.Ranks, w.Cache, w.Bytes())
	if why != "" {
		return missing("%s", why)
	}
	tokens := float64(w.Batch)
	var phases []phase
	product := func(name part, g datasets.GEMM) {
		stream, rest := weighted(name, tokens, g.FLOPs()/r.flopPerS, float64(g.N*g.K)*w.Type.Size()*r.coldPerByte)
		phases = append(phases, stream, rest)
	}
	g := w.Projections()
	rows := tokens * float64(w.Hidden) * 4
	norm := phase{norms, 0, 2 * rows * r.nearPerByte}
	product(projection, g[0])
	phases = append(phases, attend(w.Attention(), r), norm, norm)
	product(projection, g[1])
	barriers := 7
	if w.Experts == 1 {
		product(feedForward, g[2])
		product(feedForward, g[3])
	} else {
		// The router of a random model spreads tokens evenly: the expected
		// number of experts awake is E·(1 − (1 − k/E)^tokens).
		e, k := float64(w.Experts), float64(w.TopK)
		awake := e * (1 - math.Pow(1-k/e, tokens))
		load := tokens * k / awake
		for _, p := range g[2:] {
			p.M = 1
			stream, rest := weighted(experts, load, awake*load*p.FLOPs()/r.flopPerS, awake*float64(p.N*p.K)*w.Type.Size()*r.coldPerByte)
			phases = append(phases, stream, rest)
		}
		phases = append(phases, m.router(tokens, w.Hidden, w.Experts, w.Type, r))
		barriers = 11
	}
	return phased(phases, float64(barriers)*m.launch(w.Ranks))
}

// router is the product that scores every expert for every token.
func (m *Model) router(tokens float64, hidden, experts int64, t datasets.DType, r roofs) phase {
	weights := float64(hidden) * float64(experts)
	return phase{routing, 2 * tokens * weights / r.flopPerS, weights * t.Size() * r.coldPerByte}
}
