package claims

import (
	"strings"

	"bench/datasets"
)

// fillBalance names the inputs of a formula for the balance.
func fillBalance(formula, peak, bytes string) string {
	return strings.NewReplacer("PEAK", peak, "BYTES", bytes).Replace(formula)
}

// ringPerRank is the part of a buffer that leaves a rank in a ring all-reduce.
func ringPerRank(v *values, n float64) float64 { return v.in("ring_passes") * (n - 1) / n }

// splitProduct is the workload of S7.1c and d: an eighth of a feed-forward
// product of GPT-4's width.
func splitProduct(tokens int64) datasets.Workload {
	return datasets.GEMM{Kernel: "matmul", Type: datasets.FP16, M: tokens, N: 4 * 10752 / 8, K: 10752, Ranks: 1, Cache: datasets.Cold}
}

func s7() []claim {
	// Halving is what twice the chips do to anything that they divide.
	const half = 0.5
	twice := func(t func(v *values, chips float64) float64) func(*values) float64 {
		return func(v *values) float64 { n := v.in("tp"); return t(v, 2*n) / t(v, n) }
	}
	memory := func(v *values, chips float64) float64 {
		return total(v) * v.in("bytes_fp16") / (chips * v.dev("h100-sxm", "memory_bandwidth"))
	}
	compute := func(v *values, chips float64) float64 {
		return forward(v) * v.in("kv_batch") / (chips * v.dev("h100-sxm", "fp16"))
	}
	return []claim{
		{id: "S7.1a", text: "Memory time is proportional to model size over chips: twice the chips", published: []float64{half}, unit: "1", binds: "memory bandwidth",
			formula: "t(2 × {tp}) / t({tp}), t = params × {bytes_fp16} / (chips × {h100-sxm.memory_bandwidth})", compute: twice(memory)},
		{id: "S7.1b", text: "Non-attention compute time is proportional to model size over chips: twice the chips", published: []float64{half}, unit: "1", binds: "compute",
			formula: "t(2 × {tp}) / t({tp}), t = {flop_per_weight} × active × {kv_batch} / (chips × {h100-sxm.fp16})", compute: twice(compute),
			answer: "So long as each chip's part stays a product that fills it. For a mixture \"size\" is what is read for memory, and what is used for compute."},
		{id: "S7.1c", text: "Memory time likewise, of a kernel as calibrated: batch 8 over twice the ranks", published: []float64{half}, unit: "1", drawn: true, binds: "memory bandwidth, and each kernel's fixed cost",
			formula: "t({small_batch}, 2 × {tp} ranks) / t({small_batch}, {tp} ranks) of {hidden} × {ff_width}·{hidden}, by the H100's shipped calibration",
			compute: func(v *values) float64 {
				b, n := v.in("small_batch"), v.in("tp")
				return calibrated(v, product(v, datasets.FP16, b, 2*n)) / calibrated(v, product(v, datasets.FP16, b, n))
			}, by: "recorded kernels: {=}, as each has a cost that chips don't divide", correction: "{=} for {tp} to twice as many ranks", workload: splitProduct(8)},
		{id: "S7.1d", text: "Compute time likewise, of a kernel as calibrated: 2,048 tokens over twice the ranks", published: []float64{half}, unit: "1", drawn: true, binds: "compute",
			formula: "t({kv_context}, 2 × {tp} ranks) / t({kv_context}, {tp} ranks) of {hidden} × {ff_width}·{hidden}, by the H100's shipped calibration",
			compute: func(v *values) float64 {
				b, n := v.in("kv_context"), v.in("tp")
				return calibrated(v, product(v, datasets.FP16, b, 2*n)) / calibrated(v, product(v, datasets.FP16, b, n))
			}, by: "recorded kernels: {=}", correction: "{=}", workload: splitProduct(2048)},
		{id: "S7.2a", text: "Communication time falls slower with chips, or not at all: twice the chips (ring all-reduce)", published: []float64{half}, relation: AtLeast, unit: "1", binds: "links",
			formula:  "((2 × {tp} − 1) / (2 × {tp})) / (({tp} − 1) / {tp})",
			compute:  func(v *values) float64 { return ringPerRank(v, 2*v.in("tp")) / ringPerRank(v, v.in("tp")) },
			answer:   "It rises to {=} when weights are split one way; split two ways it falls with the root of the chips, to 0.71 (Pope et al., 2022, section 3.2.2). Both are slower than a half.",
			workload: datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 8 << 20, Ranks: 8, Nodes: 1}},
		{id: "S7.2b", text: "Communication time likewise, of NCCL as calibrated: 8 ranks over 4, a decode step's 512 hidden states", published: []float64{half}, relation: AtLeast, unit: "1", drawn: true, binds: "links and latency",
			formula: "t({tp} ranks) / t({tp} / 2 ranks) of {kv_batch} × {hidden} × {bytes_fp16}, by the H100's shipped calibration",
			compute: func(v *values) float64 {
				size, n := int64(v.in("kv_batch")*v.in("hidden")*v.in("bytes_fp16")), int(v.in("tp"))
				c := datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: size, Ranks: n, Nodes: 1}
				half := c
				half.Ranks /= 2
				return calibrated(v, c) / calibrated(v, half)
			}, workload: datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 512 * 10752 * 2, Ranks: 8, Nodes: 1}},
		{id: "S7.3a", text: "Small batches give latency, large ones low cost: PaLM 540B on H100 in FP16, cost a token of the fastest layout over that of the cheapest", published: []float64{1}, relation: AtLeast, unit: "1", drawn: true, binds: "bandwidth and links where it is fast, memory's capacity where it is cheap",
			formula: "cost(fastest) / cost(cheapest) on the Pareto front over {tp} to {tp} × {serve_pp} H100, batch 1 to 1,024, context {kv_context}: predict/llm, catalogue model palm-540b",
			compute: func(v *values) float64 { return frontGain(v, "palm-540b") },
			say:     func(v *values) string { return frontWords(v, "palm-540b") }},
		{id: "S7.3b", text: "Likewise GPT-4", published: []float64{1}, relation: AtLeast, unit: "1", drawn: true, binds: "bandwidth and links where it is fast, memory's capacity where it is cheap",
			formula: "cost(fastest) / cost(cheapest) on the Pareto front over {tp} to {tp} × {serve_pp} H100, batch 1 to 1,024, context {kv_context}: predict/llm, catalogue model gpt-4-mqa",
			compute: func(v *values) float64 { return frontGain(v, "gpt-4-mqa") },
			say:     func(v *values) string { return frontWords(v, "gpt-4-mqa") }},
		{id: "S7.4a", text: "Prefill and decode differ: a prompt of 2,048 tokens over the balance", published: []float64{1}, relation: AtLeast, unit: "1", binds: "compute",
			formula: "{kv_context} / balance batch", compute: func(v *values) float64 { return v.in("kv_context") / balanceBatch(v, "fp16", "bytes_fp16") },
			answer:   "Compute binds the prefill: {=} times the balance.",
			workload: datasets.GEMM{Kernel: "matmul", Type: datasets.FP16, M: 2048, N: 4 * 10752, K: 10752, Ranks: 1, Cache: datasets.Cold}},
		{id: "S7.4b", text: "Prefill and decode differ: decoding a batch of 8 over the balance", published: []float64{1}, relation: AtMost, unit: "1", binds: "memory bandwidth",
			formula: "{small_batch} / balance batch", compute: func(v *values) float64 { return v.in("small_batch") / balanceBatch(v, "fp16", "bytes_fp16") },
			answer:   "Bandwidth binds decoding, until the batch reaches the balance; attention over the KV cache stays bound by it at any batch.",
			workload: datasets.GEMM{Kernel: "matmul", Type: datasets.FP16, M: 8, N: 4 * 10752, K: 10752, Ranks: 1, Cache: datasets.Cold}},
		{id: "S7.5", text: "KV memory and time grow with batch × context: twice of either", published: []float64{2}, unit: "1", binds: "memory bandwidth",
			formula: "bytes(2·b, c) / bytes(b, c) of attention with {palm_heads} heads of {palm_mha_dim}",
			compute: func(v *values) float64 {
				a := datasets.Attention{Type: datasets.FP16, Batch: int64(v.in("kv_batch")), QueryTokens: 1, ContextTokens: int64(v.in("kv_context")),
					Heads: int64(v.in("palm_heads")), KVHeads: int64(v.in("palm_heads")), HeadDim: int64(v.in("palm_mha_dim"))}
				b, c := a, a
				b.Batch *= 2
				c.ContextTokens *= 2
				return max(b.KVBytes(), c.KVBytes()) / a.KVBytes()
			},
			workload: datasets.Attention{Type: datasets.FP16, Batch: 64, QueryTokens: 1, ContextTokens: 2048, Heads: 48, KVHeads: 48, HeadDim: 128, Ranks: 1, Cache: datasets.Cold}},
	}
}
