package llm

import "bench/datasets"

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
}

func (p pass) tokens() int64 { return p.batch * p.query }

// forward adds the stage's forward pass, each item count times.
func (p pass) forward(s *stepItems, stage int, count float64) {
	dense, routed := p.l.stageSpan(p.m, stage)
	layers := count * float64(dense+routed)
	p.attention(s, layers)
	p.feedForward(s, "dense feed-forward", count*float64(dense), p.m.DenseFFWidth)
	if p.m.Experts > 1 {
		p.experts(s, count*float64(routed))
	} else {
		p.feedForward(s, "feed-forward", count*float64(routed), p.m.FFWidth)
	}
	p.layerReductions(s, "tensor-parallel all-reduce", layers)
	norms := int64(2)
	if p.m.ParallelBlocks {
		norms = 1
	}
	p.rowwise(s, "norms", "rms_norm", layers*float64(norms), p.m.Hidden)
	p.rowwise(s, "residual additions", "add", 2*layers, p.m.Hidden)
	if stage == 0 {
		p.rowwise(s, "embedding", "embedding", count, p.m.Hidden)
	}
	if stage == p.l.PP-1 {
		s.gemm("output projection", count, p.t, p.logits, ceilDiv(p.m.Vocabulary, int64(p.l.TP)), p.m.Hidden)
	}
}

// attention is projections and the kernel of so many layers, a rank's share.
func (p pass) attention(s *stepItems, layers float64) {
	m, n, tp := p.m, p.tokens(), int64(p.l.TP)
	heads, kvHeads, batch := ceilDiv(m.Heads, tp), p.l.kvHeads(m), p.batch
	projected := heads
	if p.l.BatchSharded {
		// Every head, of a share of the sequences.
		heads, kvHeads, batch = m.Heads, m.KVHeads, ceilDiv(p.batch, tp)
	}
	a := datasets.Attention{Type: Wide(p.t), KVType: p.kv, Batch: batch, QueryTokens: p.query, ContextTokens: p.ctx,
		Heads: heads, KVHeads: kvHeads, HeadDim: m.HeadDim, Ranks: 1, Cache: datasets.Cold}
	if x := m.Latent; x != nil {
		s.gemm("latent down-projection", layers, p.t, n, x.QRank+x.KVRank+x.QKRope, m.Hidden)
		s.gemm("query up-projection", layers, p.t, n, projected*(x.QKNope+x.QKRope), x.QRank)
		// In a prompt keys and values are projected up; in decoding the same
		// matrices are absorbed in query and output, at the same FLOP a token.
		s.gemm("key-value up-projection", layers, p.t, n, projected*(x.QKNope+x.Value), x.KVRank)
		s.gemm("attention output", layers, p.t, n, m.Hidden, projected*x.Value)
		share := float64(heads) / float64(m.Heads)
		s.add("attention", layers, latentAttention{a, pairWidth(m, p.query == 1) * share, m.KVElementsPerLayer()})
		return
	}
	s.gemm("QKV projection", layers, p.t, n, (projected+2*p.l.kvHeads(m))*m.HeadDim, m.Hidden)
	s.add("attention", layers, a)
	s.gemm("attention output", layers, p.t, n, m.Hidden, projected*m.HeadDim)
	if p.l.BatchSharded {
		// Queries go from heads to sequences and outputs back.
		bytes := float64(n) * float64(m.Heads*m.HeadDim) / float64(tp) * Wide(p.t).Size()
		s.collective(p.l, "attention all-to-all", "all_to_all", 2*layers, Wide(p.t), bytes, p.l.TP, 1)
	}
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
	s.gemm(name+" up", layers, p.t, n, up, p.m.Hidden)
	s.gemm(name+" down", layers, p.t, n, p.m.Hidden, inner)
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
	groups := holders / int64(l.TP)
	e := datasets.MoELayer{Kernel: "experts", Type: p.t, Tokens: ceilDiv(n*holders, int64(l.TP)), Hidden: m.Hidden, Intermediate: m.FFWidth,
		Experts: m.Experts, TopK: m.TopK, Gated: m.Gated, TP: l.ETP, EP: l.EP, Routing: p.routing, Ranks: 1, Cache: datasets.Cold}
	s.add("experts", layers, e)
	if m.SharedExperts > 0 {
		p.feedForward(s, "shared expert", layers, m.SharedExperts*m.FFWidth)
	}
	if groups > 1 {
		// A rank sends its share of the group's tokens, one copy a choice, and
		// gets them back.
		w := Wide(p.t)
		bytes := float64(n) / float64(l.TP) * float64(m.TopK) * float64(m.Hidden) * w.Size()
		s.collective(l, "expert all-to-all", "all_to_all", 2*layers, w, bytes, l.EP, l.ETP)
	}
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
	s.collective(p.l, name, "all_reduce", each*layers, w, bytes, p.l.TP, 1)
}

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
