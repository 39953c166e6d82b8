package datasets

import "fmt"

// columns is the workload's half of a flat row. A zero is a null: no shape has
// a dimension of nothing.
type columns struct {
	SizeBytes       int64   `parquet:"size_bytes,optional"`
	Rows            int64   `parquet:"rows,optional"`
	Cols            int64   `parquet:"cols,optional"`
	M               int64   `parquet:"m,optional"`
	N               int64   `parquet:"n,optional"`
	K               int64   `parquet:"k,optional"`
	Ops             int64   `parquet:"ops_flop,optional"`
	Format          string  `parquet:"format,optional,dict"`
	Nodes           int64   `parquet:"nodes,optional"`
	Algorithm       string  `parquet:"algorithm,optional,dict"`
	Launch          string  `parquet:"launch,optional,dict"`
	InPlace         bool    `parquet:"in_place,optional"`
	Model           string  `parquet:"model,optional,dict"`
	Parameters      int64   `parquet:"parameters,optional"`
	KVDType         string  `parquet:"kv_dtype,optional,dict"`
	Batch           int64   `parquet:"batch_tokens,optional"`
	QueryTokens     int64   `parquet:"query_tokens,optional"`
	ContextTokens   int64   `parquet:"context_tokens,optional"`
	Heads           int64   `parquet:"heads,optional"`
	KVHeads         int64   `parquet:"kv_heads,optional"`
	HeadDim         int64   `parquet:"head_dim,optional"`
	Hidden          int64   `parquet:"hidden,optional"`
	Intermediate    int64   `parquet:"intermediate,optional"`
	Gated           bool    `parquet:"gated,optional"`
	Experts         int64   `parquet:"experts,optional"`
	TopK            int64   `parquet:"top_k,optional"`
	TP              int64   `parquet:"tensor_parallel,optional"`
	EP              int64   `parquet:"expert_parallel,optional"`
	Routing         string  `parquet:"routing,optional,dict"`
	RoutingExponent float64 `parquet:"routing_exponent,optional"`
	Seed            int64   `parquet:"routing_seed,optional"`
	TraceSHA256     string  `parquet:"routing_trace_sha256,optional,dict"`
	Cache           string  `parquet:"cache,optional,dict"`
}

// workload rebuilds the value that wrote these columns.
func (c *columns) workload(suite Suite, op string, t DType, ranks int) (Workload, error) {
	switch suite {
	case SuiteHBM:
		return Stream{Kernel: op, Type: t, SizeBytes: c.SizeBytes, Rows: c.Rows, Cols: c.Cols, Ranks: ranks}, nil
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
