package datasets

import "fmt"

// columns is the workload's half of a flat row. A zero is a null: no shape has
// a dimension of nothing. schema.go names the columns.
type columns struct {
	SizeBytes       int64
	Rows            int64
	Cols            int64
	Pair            string
	M               int64
	N               int64
	K               int64
	Ops             int64
	Format          string
	Nodes           int64
	Algorithm       string
	Launch          string
	InPlace         bool
	Model           string
	Parameters      int64
	KVDType         string
	Batch           int64
	QueryTokens     int64
	ContextTokens   int64
	Heads           int64
	KVHeads         int64
	HeadDim         int64
	Hidden          int64
	Intermediate    int64
	Gated           bool
	Experts         int64
	TopK            int64
	TP              int64
	EP              int64
	Routing         string
	RoutingExponent float64
	Seed            int64
	TraceSHA256     string
	Cache           string
}

// workload rebuilds the value that wrote these columns.
func (c *columns) workload(suite Suite, op string, t DType, ranks int) (Workload, error) {
	switch suite {
	case SuiteHBM:
		return Stream{Kernel: op, Type: t, SizeBytes: c.SizeBytes, Rows: c.Rows, Cols: c.Cols, Ranks: ranks, Pair: c.Pair}, nil
	case SuiteGEMM:
		return GEMM{Kernel: op, Type: t, M: c.M, N: c.N, K: c.K, Ops: c.Ops, Ranks: ranks,
			Cache: Cache(c.Cache), Format: c.Format}, nil
	case SuiteAllReduce:
		return Collective{Kind: op, Type: t, SizeBytes: c.SizeBytes, Ranks: ranks, Nodes: int(c.Nodes),
			Algorithm: c.Algorithm, Launch: c.Launch, InPlace: c.InPlace}, nil
	case SuiteMoE:
		return MoELayer{Kernel: op, Type: t, Tokens: c.Batch, Hidden: c.Hidden, Intermediate: c.Intermediate,
			Experts: c.Experts, TopK: c.TopK, Gated: c.Gated, TP: int(c.TP), EP: int(c.EP),
			Routing: Routing{Rule: RoutingRule(c.Routing), Exponent: c.RoutingExponent, Seed: uint64(c.Seed), TraceSHA256: c.TraceSHA256},
			Ranks:   ranks, Cache: Cache(c.Cache), Format: c.Format}, nil
	case SuiteDecode, SuitePrefill:
		switch op {
		case "attention":
			return Attention{Type: t, KVType: DType(c.KVDType), Batch: c.Batch, QueryTokens: c.QueryTokens,
				ContextTokens: c.ContextTokens, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim,
				Ranks: ranks, Cache: Cache(c.Cache)}, nil
		case "layer":
			return DecodeLayer{Model: c.Model, Type: t, Batch: c.Batch, ContextTokens: c.ContextTokens,
				Hidden: c.Hidden, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, FFWidth: c.Intermediate,
				Gated: c.Gated, Experts: c.Experts, TopK: c.TopK, TP: int(c.TP), Ranks: ranks,
				Cache: Cache(c.Cache), Launch: c.Launch}, nil
		case "model":
			return ModelPass{Model: c.Model, Type: t, Format: c.Format, WeightBytes: c.SizeBytes,
				Parameters: c.Parameters, QueryTokens: c.QueryTokens, ContextTokens: c.ContextTokens, Ranks: ranks}, nil
		}
	}
	return nil, fmt.Errorf("no workload of suite %q has operation %q", suite, op)
}
