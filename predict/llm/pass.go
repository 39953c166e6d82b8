package llm

import (
	"math"

	"bench/datasets"
	"bench/predict"
)

// pass is what one stage does for one micro-batch: sequences of query new tokens
// at a context that includes them.
type pass struct {
	m          datasets.Model
	l          Layout
	t, kv      datasets.DType
	batch      int64
	query, ctx int64
	// logits is for how many tokens the output projection is computed.
	logits  int64
	routing datasets.Routing
	// engine passes are a serving engine's: attention's kernels and the output
	// projection are timed apart (kernels, Steps.logitWork), residual additions
	// are fused in the norms, and collectives of a node are the engine's own.
	engine bool
	// training passes multiply each expert's tokens as a product of their own, as
	// training's grouped kernels do with their large batches.
	training bool
	// unfused attention writes its scores to memory, as before FlashAttention.
	unfused bool
	// fused attention kernels do the rotary embedding.
	fused bool
	// formats are those of weights narrower than the products' type.
	formats Formats
}

func (p pass) tokens() int64 { return p.batch * p.query }

// forward adds the stage's forward pass, each item count times.
func (p pass) forward(s *stepItems, stage int, count float64) {
	dense, routed := p.l.stageSpan(p.m, stage)
	layers := count * float64(dense+routed)
	p.projections(s, layers)
	if !p.engine {
		p.kernels(s, stage, count)
	}
	p.feedForward(s, "dense feed-forward", count*float64(dense), p.m.DenseFFWidth)
	if p.m.Experts > 1 {
		p.experts(s, count*float64(routed))
	} else {
		p.feedForward(s, "feed-forward", count*float64(routed), p.m.FFWidth)
	}
	p.layerReductions(s, "tensor-parallel all-reduce", layers)
	norms := 2.0
	if p.m.ParallelBlocks {
		norms = 1
	}
	if p.engine {
		p.stream(s, "norms with residual", "rms_norm", layers*norms, ceilDiv(5*p.tokens(), 3), p.m.Hidden)
	} else {
		p.rowwise(s, "norms", "rms_norm", layers*norms, p.m.Hidden)
		p.rowwise(s, "residual additions", "add", 2*layers, p.m.Hidden)
	}
	if stage == 0 {
		p.rowwise(s, "embedding", "embedding", count, p.m.Hidden)
	}
	if stage == p.l.PP-1 && !p.engine {
		s.gemm("output projection", count, p.t, p.logits, ceilDiv(p.m.Vocabulary, int64(p.l.TP)), p.m.Hidden)
	}
}

// projections are attention's products of so many layers, a rank's share.
func (p pass) projections(s *stepItems, layers float64) {
	m, n, tp := p.m, p.tokens(), int64(p.l.TP)
	projected := ceilDiv(m.Heads, tp)
	if x := m.Latent; x != nil {
		s.gemm("latent down-projection", layers, p.t, n, x.QRank+x.KVRank+x.QKRope, m.Hidden)
		s.gemm("query up-projection", layers, p.t, n, projected*(x.QKNope+x.QKRope), x.QRank)
		// In a prompt keys and values are projected up; in decoding the same
		// matrices are absorbed in query and output, at the same FLOP a token.
		s.gemm("key-value up-projection", layers, p.t, n, projected*(x.QKNope+x.Value), x.KVRank)
		s.gemm("attention output", layers, p.t, n, m.Hidden, projected*x.Value)
		return
	}
	if p.engine {
		p.smallKernels(s, layers)
	}
	s.narrow(p.formats.Dense, func() {
		s.gemm("QKV projection", layers, p.t, n, (projected+2*p.l.kvHeads(m))*m.HeadDim, m.Hidden)
		s.gemm("attention output", layers, p.t, n, m.Hidden, projected*m.HeadDim)
	})
	if p.l.BatchSharded {
		// Queries go from heads to sequences and outputs back.
		bytes := float64(n) * float64(m.Heads*m.HeadDim) / float64(tp) * Wide(p.t).Size()
		s.collective(p.l, "attention all-to-all", "all_to_all", 2*layers, Wide(p.t), bytes, p.l.TP, 1)
	}
}

// smallKernels are what an engine runs between attention's products: the rotary
// embedding and the norms of heads, unless its attention kernel does them. The law of
// an 8-bit product holds the casting of its inputs.
func (p pass) smallKernels(s *stepItems, layers float64) {
	m, n, tp := p.m, p.tokens(), int64(p.l.TP)
	width := (ceilDiv(m.Heads, tp) + p.l.kvHeads(m)) * m.HeadDim
	if !p.fused {
		p.stream(s, "rotary embedding", "rope", layers, n, width)
	}
	if m.QKNorm {
		p.stream(s, "norms of heads", "rms_norm", layers*2, n, ceilDiv(width, 2))
	}
}

// kernels are attention over the cache, on a stage.
func (p pass) kernels(s *stepItems, stage int, count float64) {
	m, tp := p.m, int64(p.l.TP)
	heads, kvHeads, batch := ceilDiv(m.Heads, tp), p.l.kvHeads(m), p.batch
	if p.l.BatchSharded {
		// Every head, of a share of the sequences.
		heads, kvHeads, batch = m.Heads, m.KVHeads, ceilDiv(p.batch, tp)
	}
	layers := count * float64(p.l.StageLayers[stage])
	a := datasets.Attention{Type: Wide(p.t), KVType: p.kv, Batch: batch, QueryTokens: p.query, ContextTokens: p.ctx,
		Heads: heads, KVHeads: kvHeads, HeadDim: m.HeadDim, Ranks: 1, Cache: datasets.Cold}
	if m.Latent != nil {
		share := float64(heads) / float64(m.Heads)
		s.add("attention", layers, latentAttention{a, pairWidth(m, p.query == 1) * share, m.KVElementsPerLayer()})
		return
	}
	if p.unfused {
		p.unfusedAttention(s, layers, heads*batch)
		return
	}
	if m.Window > 0 && p.ctx > m.Window {
		windowed := layers * float64(m.WindowLayers) / float64(m.Layers)
		layers -= windowed
		s.add("sliding-window attention", windowed, a.Windowed(m.Window))
	}
	s.add("attention", layers, a)
}

// unfusedAttention is scores and weighted values as products of so many heads, all
// pairs of them, and between them six and a half passes over the scores: written,
// scaled, masked and normalised, dropped out with a mask of bytes, and read.
func (p pass) unfusedAttention(s *stepItems, layers float64, heads int64) {
	n := layers * float64(heads)
	s.gemm("attention scores", n, Wide(p.t), p.query, p.ctx, p.m.HeadDim)
	s.gemm("attention values", n, Wide(p.t), p.query, p.m.HeadDim, p.ctx)
	// An addition makes three passes.
	p.stream(s, "attention softmax and dropout", "add", layers*6.5/3, heads*p.query, p.ctx)
}

func (p pass) feedForward(s *stepItems, name string, layers float64, width int64) {
	if layers <= 0 || width == 0 {
		return
	}
	n, inner := p.tokens(), ceilDiv(width, int64(p.l.TP))
	up := inner
	if p.m.Gated {
		up = 2 * inner
	}
	s.narrow(p.formats.Dense, func() {
		s.gemm(name+" up", layers, p.t, n, up, p.m.Hidden)
		s.gemm(name+" down", layers, p.t, n, p.m.Hidden, inner)
	})
	p.activation(s, layers, n, inner)
}

func (p pass) activation(s *stepItems, layers float64, rows, width int64) {
	op := "gelu"
	if p.m.Gated {
		op = "silu_mul"
	}
	p.stream(s, "activation function", op, layers, rows, width)
}

// experts is the routed layers' feed-forward: router, dispatch to the ranks that
// hold the chosen experts, their grouped products, and combine. Tokens of all
// replicas that share the experts meet on them.
func (p pass) experts(s *stepItems, layers float64) {
	if layers <= 0 {
		return
	}
	m, l, n := p.m, p.l, p.tokens()
	s.gemm("router", layers, Wide(p.t), n, m.Experts, m.Hidden)
	// The experts' ranks beyond a tensor-parallel group bring further tokens, and
	// copies of experts within one share them out.
	holders := int64(l.EP * l.ETP)
	e := datasets.MoELayer{Kernel: "experts", Type: p.t, Tokens: ceilDiv(n*holders, int64(l.TP)), Hidden: m.Hidden, Intermediate: m.FFWidth,
		Experts: m.Experts, TopK: m.TopK, Gated: m.Gated, TP: l.ETP, EP: l.EP, Routing: p.routing, Ranks: 1, Cache: datasets.Cold}
	if p.formats.Experts > 0 {
		e.Type = Wide(p.t)
	}
	if holders > int64(l.TP) {
		e = rankShare(e)
	}
	if p.training {
		each, local := ceilDiv(e.Tokens*m.TopK, m.Experts), float64(m.Experts/int64(l.EP))
		up, inner := int64(1), ceilDiv(m.FFWidth, int64(l.ETP))
		if m.Gated {
			up = 2
		}
		s.gemm("experts up", layers*local, p.t, each, up*inner, m.Hidden)
		s.gemm("experts down", layers*local, p.t, each, m.Hidden, inner)
		p.activation(s, layers, int64(float64(each)*local), inner)
	} else {
		s.narrow(p.formats.Experts, func() { s.add("experts", layers, e) })
	}
	if m.SharedExperts > 0 {
		p.feedForward(s, "shared expert", layers, m.SharedExperts*m.FFWidth)
	}
	if holders > int64(l.TP) {
		p.allToAll(s, layers)
	}
}

// rankShare is the most loaded rank's own rows of an expert-parallel layer, as a
// layer of its experts alone: where tokens are sent to the ranks, a rank neither
// multiplies, sums nor sorts what is for others.
func rankShare(e datasets.MoELayer) datasets.MoELayer {
	load, ok := predict.ExpectedRankLoad(&e)
	if e.EP == 1 || !ok {
		return e
	}
	e.Experts, e.EP, e.TopK, e.Tokens = e.Experts/int64(e.EP), 1, 1, max(int64(math.Round(load.Rows)), 1)
	return e
}

// allToAll sends a rank's share of the tokens to the ranks that hold their
// experts, one copy a choice, in the products' type, and brings 16-bit results
// back. Where the routing limits a token to some nodes, it crosses the network
// once for each, and NVLink does the rest (DeepSeek-AI 2024, section 3.2.2).
func (p pass) allToAll(s *stepItems, layers float64) {
	l, w := p.l, Wide(p.t)
	copies := float64(p.m.TopK)
	if p.m.RoutedNodes > 0 && l.nodesOf(l.EP, l.ETP) > 1 {
		copies = min(copies, float64(p.m.RoutedNodes))
	}
	elements := float64(p.tokens()) / float64(l.TP) * copies * float64(p.m.Hidden)
	s.collective(l, "expert dispatch", "all_to_all", layers, p.t, elements*p.t.Size(), l.EP, l.ETP)
	s.collective(l, "expert combine", "all_to_all", layers, w, elements*w.Size(), l.EP, l.ETP)
}

// layerReductions is tensor parallelism's two all-reduces a layer, one where
// attention and feed-forward are parallel (Shoeybi et al., "Megatron-LM", 2019,
// section 3; Pope et al. 2022, section 3.4). Sequence parallelism takes a gather
// and a scatter in place of each, of the same bytes (Korthikanti et al. 2022,
// section 4.2.2).
func (p pass) layerReductions(s *stepItems, name string, layers float64) {
	each := 2.0
	if p.m.ParallelBlocks {
		each = 1
	}
	w := Wide(p.t)
	bytes := float64(p.tokens()) * float64(p.m.Hidden) * w.Size()
	if p.l.SequenceParallel {
		s.collective(p.l, "sequence-parallel all-gather", "all_gather", each*layers, w, bytes, p.l.TP, 1)
		s.collective(p.l, "sequence-parallel reduce-scatter", "reduce_scatter", each*layers, w, bytes, p.l.TP, 1)
		return
	}
	if p.engine && p.l.TP <= peerRanks && p.l.nodesOf(p.l.TP, 1) == 1 {
		s.engineReduce(name, each*layers, w, bytes, p.l.TP)
		return
	}
	s.collective(p.l, name, "all_reduce", each*layers, w, bytes, p.l.TP, 1)
}

// peerRanks is how many GPUs of a node an engine's own all-reduce over peer
// memory serves.
const peerRanks = 8

// rowwise is an operator on every token of what sequence parallelism splits.
func (p pass) rowwise(s *stepItems, name, op string, count float64, width int64) {
	rows := p.tokens()
	if p.l.SequenceParallel {
		rows = ceilDiv(rows, int64(p.l.TP))
	}
	p.stream(s, name, op, count, rows, width)
}

func (p pass) stream(s *stepItems, name, op string, count float64, rows, width int64) {
	w := datasets.Stream{Kernel: op, Type: Wide(p.t), Rows: rows, Cols: width, Ranks: 1}
	reads, writes := w.Arrays()
	w.SizeBytes = int64(float64(rows*width*int64(reads+writes)) * w.Type.Size())
	s.add(name, count, w)
}

// send is the activations that a stage hands to the next, each tensor-parallel
// rank its share (Narayanan et al. 2021, section 4.1).
func (p pass) send(s *stepItems, name string, count float64) {
	if p.l.PP < 2 {
		return
	}
	w := Wide(p.t)
	bytes := float64(p.tokens()) * float64(p.m.Hidden) * w.Size() / float64(p.l.TP)
	// Stages lie TP · DP GPUs apart: in one node only where two fit.
	s.collective(p.l, name, "send_recv", count, w, bytes, 2, p.l.TP*p.l.DP)
}
