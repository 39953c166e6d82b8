package claims

import (
	"fmt"

	"bench/datasets"
)

// balance is the FLOP a byte at which arithmetic and memory take as long.
func balance(v *values, peak string) float64 {
	return v.dev("h100-sxm", peak) / v.dev("h100-sxm", "memory_bandwidth")
}

// balanceBatch is the tokens a weight must be used for to reach it.
func balanceBatch(v *values, peak, bytes string) float64 {
	return balance(v, peak) * v.in(bytes) / v.in("flop_per_weight")
}

func s6() []claim {
	intensity := func(batch string) func(*values) float64 {
		return func(v *values) float64 { return v.in("flop_per_weight") * v.in(batch) / v.in("bytes_fp8") }
	}
	const batchFormula = "{h100-sxm.PEAK} / {h100-sxm.memory_bandwidth} × {BYTES} / {flop_per_weight}"
	formula := func(peak, bytes string) string { return fillBalance(batchFormula, peak, bytes) }
	printed := func(v *values) float64 {
		return v.in("balance_flops") / v.in("balance_bytes") / v.in("flop_per_weight")
	}
	// Products of GPT-4's widths as S1 implies them.
	shape := func(t datasets.DType, m int64) datasets.GEMM {
		return datasets.GEMM{Kernel: "matmul", Type: t, M: m, N: 4 * 10752, K: 10752, Ranks: 1, Cache: datasets.Cold}
	}
	return []claim{
		{id: "S6.1", text: "Each parameter is read once and costs 2 FLOP", published: []float64{2}, unit: "FLOP/param",
			formula: "2·m·n·k / (m·n·k) of a {hidden} × {hidden} product at m = 1",
			compute: func(v *values) float64 {
				h := int64(v.in("hidden"))
				g := datasets.GEMM{Kernel: "matmul", Type: datasets.FP16, M: 1, N: h, K: h}
				return g.FLOPs() / float64(g.N*g.K)
			}, workload: shape(datasets.FP16, 1),
			answer: "For one token. A mixture reads only the experts that its tokens choose, and attention costs besides by the context."},
		{id: "S6.2", text: "H100 SXM: 3 TB/s against 2,000 TFLOP/s in FP8", unit: "FLOP/byte",
			printed: func(v *values) float64 { return v.in("balance_flops") / v.in("balance_bytes") },
			formula: "{h100-sxm.fp8} / {h100-sxm.memory_bandwidth}", compute: func(v *values) float64 { return balance(v, "fp8") },
			by: "the datasheet: 3.35 TB/s, not 3, make it {=}", correction: "3.35 TB/s for 3", workload: shape(datasets.FP8, 4096)},
		{id: "S6.3", text: "Batch must exceed 4 to pay (FP8)", published: []float64{4}, relation: AtLeast, unit: "tokens", binds: "memory bandwidth below the balance",
			formula: formula("fp8", "bytes_fp8"), compute: func(v *values) float64 { return balanceBatch(v, "fp8", "bytes_fp8") },
			workload: shape(datasets.FP8, 4),
			say: func(v *values) string {
				b := balanceBatch(v, "fp8", "bytes_fp8")
				s := "4 is needed and far from enough; arithmetic is used to"
				for _, n := range []float64{1, 4, 8, 16, 64, 256} {
					s += fmt.Sprintf(" %s at batch %g,", Format(min(1, n/b), "%"), n)
				}
				return s[:len(s)-1] + "."
			}},
		{id: "S6.4a", text: "Batch 256 gives 512 FLOP a byte", published: []float64{512}, unit: "FLOP/byte",
			formula: "{flop_per_weight} × {batch_256} / {bytes_fp8}", compute: intensity("batch_256"), workload: shape(datasets.FP8, 256),
			answer: "In FP8 and of the weights alone; half of it in FP16."},
		{id: "S6.4b", text: "Batch 512 gives 1,024 FLOP a byte", published: []float64{1024}, unit: "FLOP/byte",
			formula: "{flop_per_weight} × {batch_512} / {bytes_fp8}", compute: intensity("batch_512"), workload: shape(datasets.FP8, 512),
			say: func(v *values) string {
				g := shape(datasets.FP8, 512)
				return fmt.Sprintf("A real product of GPT-4's width has %s, as activations are read and written too.", Format(g.FLOPs()/g.Bytes(), "FLOP/byte"))
			}},
		{id: "S6.4c", text: "Batch 256 gives 512 FLOP a byte: in the experts of GPT-4", published: []float64{512}, unit: "FLOP/byte",
			formula: "{flop_per_weight} × {batch_256} × {top_k} / {experts} / {bytes_fp8}",
			compute: func(v *values) float64 { return intensity("batch_256")(v) * v.in("top_k") / v.in("experts") },
			by:      "S1.2 and S9.1: an expert sees an eighth of the batch", fix: func(v *values) string {
				return fmt.Sprintf("a batch of %s gives an expert as much", Format(v.in("batch_256")*v.in("experts")/v.in("top_k"), "tokens"))
			}},
		{id: "S6.5a", text: "The batch that reaches the balance in FP8, against S6.2's figures", printed: printed, unit: "tokens",
			formula: formula("fp8", "bytes_fp8"), compute: func(v *values) float64 { return balanceBatch(v, "fp8", "bytes_fp8") },
			by: "the datasheet's 3.35 TB/s: {=}", correction: "3.35 TB/s for 3", workload: shape(datasets.FP8, 295)},
		{id: "S6.5b", text: "The batch that reaches the balance in FP16, against S6.2's figures", printed: printed, unit: "tokens",
			formula: formula("fp16", "bytes_fp16"), compute: func(v *values) float64 { return balanceBatch(v, "fp16", "bytes_fp16") },
			by: "the datasheet's 3.35 TB/s: {=}", correction: "3.35 TB/s for 3", workload: shape(datasets.FP16, 295),
			answer: "The same as in FP8: half the arithmetic for twice the bytes."},
		{id: "S6.5c", text: "The batch that reaches the balance in FP8, as calibrated on recorded kernels of the H100", printed: printed, unit: "tokens", drawn: true,
			formula: "{large_batch} × t(1) / t({large_batch}), t of a {hidden} × {ff_width}·{hidden} product by the shipped calibration",
			compute: func(v *values) float64 { return kernelBalance(v, datasets.FP8) },
			by:      "{=}: what a kernel reaches of the bandwidth over what it reaches of the peak", correction: "{=}", workload: shape(datasets.FP8, 4096)},
		{id: "S6.5d", text: "Likewise in FP16", printed: printed, unit: "tokens", drawn: true,
			formula: "{large_batch} × t(1) / t({large_batch}), t of a {hidden} × {ff_width}·{hidden} product by the shipped calibration",
			compute: func(v *values) float64 { return kernelBalance(v, datasets.FP16) },
			by:      "{=}: what a kernel reaches of the bandwidth over what it reaches of the peak", correction: "{=}", workload: shape(datasets.FP16, 4096)},
	}
}
