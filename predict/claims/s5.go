package claims

import (
	"fmt"
	"strings"

	"bench/datasets"
)

// largestDense is the parameters that a node can both hold and read fast
// enough for a rate of tokens a second a user, and what binds.
func largestDense(v *values, device, bytes, rate string) (params float64, binds string) {
	hold := v.in("node_gpus") * v.dev(device, "memory") / v.in(bytes)
	read := v.in("node_gpus") * v.dev(device, "memory_bandwidth") / v.in(rate) / v.in(bytes)
	if hold < read {
		return hold, "capacity"
	}
	return read, "bandwidth"
}

func s5() []claim {
	capacity := func(bytes string) func(*values) float64 {
		return func(v *values) float64 {
			return v.in("dense_params") * v.in(bytes) / (v.in("node_gpus") * v.dev("h100-sxm", "memory"))
		}
	}
	rate := func(bytes string) func(*values) float64 {
		return func(v *values) float64 {
			return v.in("node_gpus") * v.dev("h100-sxm", "memory_bandwidth") / (v.in("dense_params") * v.in(bytes))
		}
	}
	utilisation := func(v *values) float64 {
		return v.in("slow_rate") * v.in("flop_per_weight") * v.in("dense_params") / (v.in("node_gpus") * v.dev("h100-sxm", "fp16"))
	}
	dense := func(device, bytes, rate string) func(*values) float64 {
		return func(v *values) float64 { p, _ := largestDense(v, device, bytes, rate); return p }
	}
	const denseFormula = "min({node_gpus} × {DEVICE.memory}, {node_gpus} × {DEVICE.memory_bandwidth} / {RATE}) / {BYTES}"
	read := datasets.Stream{Kernel: "read", Type: datasets.FP32, SizeBytes: 4 << 30, Ranks: 1}
	const slower = "bandwidth at one user: every weight must be read for every token"
	return []claim{
		{id: "S5.1a", text: "8 × H100 can't serve a dense 1 T model: FP16 weights over memory", published: []float64{1}, relation: AtLeast, unit: "1", binds: "capacity",
			formula: "{dense_params} × {bytes_fp16} / ({node_gpus} × {h100-sxm.memory})", compute: capacity("bytes_fp16"),
			answer: "The weights are {=} times the memory: capacity forbids it before anything else."},
		{id: "S5.1b", text: "Likewise in FP8", published: []float64{1}, relation: AtLeast, unit: "1", binds: "capacity",
			formula: "{dense_params} × {bytes_fp8} / ({node_gpus} × {h100-sxm.memory})", compute: capacity("bytes_fp8"),
			answer: "{=} times the memory: capacity again; 4-bit weights would fit."},
		{id: "S5.1c", text: "33.33 tokens/s a user can't be reached in FP16, by bandwidth", published: []float64{100.0 / 3}, relation: AtMost, unit: "tokens/s", binds: slower,
			formula: "{node_gpus} × {h100-sxm.memory_bandwidth} / ({dense_params} × {bytes_fp16})", compute: rate("bytes_fp16"), workload: read},
		{id: "S5.1d", text: "33.33 tokens/s a user can't be reached in FP8, by bandwidth", published: []float64{100.0 / 3}, relation: AtMost, unit: "tokens/s", binds: slower,
			formula: "{node_gpus} × {h100-sxm.memory_bandwidth} / ({dense_params} × {bytes_fp8})", compute: rate("bytes_fp8"), workload: read},
		{id: "S5.1e", text: "The links are not the limit: all-reduces of a 100-layer-class model at batch 1 against 30 ms", unit: "%", binds: "latency of the links",
			formula: "{dense_layers} × {layer_all_reduces} × {all_reduce_latency} × {user_rate}",
			compute: func(v *values) float64 {
				return v.in("dense_layers") * v.in("layer_all_reduces") * v.in("all_reduce_latency") * v.in("user_rate")
			},
			answer:   "They take {=} of the 30 ms a token: less than memory, and not nothing.",
			workload: datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 16 << 10, Ranks: 8, Nodes: 1}},
		{id: "S5.2", text: "At 20 tokens/s its FLOPS utilisation is below 5 % (one user, BF16)", published: []float64{0.05}, relation: AtMost, unit: "%", binds: "bandwidth",
			formula: "{slow_rate} × {flop_per_weight} × {dense_params} / ({node_gpus} × {h100-sxm.fp16})", compute: utilisation,
			say: func(v *values) string {
				return fmt.Sprintf("It stays below 5 %% up to %s users at a time.", Format(0.05/utilisation(v), "1"))
			}},
		{id: "S5.3a", text: "The limit with 8-way tensor parallelism is ~300 B feed-forward parameters: H100, FP16, 33.33 tokens/s", published: []float64{300e9}, unit: "params", binds: "capacity",
			formula: fillDense(denseFormula, "h100-sxm", "user_rate", "bytes_fp16"), compute: dense("h100-sxm", "bytes_fp16", "user_rate"),
			by: "capacity: 8 × 80 GB hold {=}, with nothing left for attention or a KV cache",
			fix: func(v *values) string {
				p, _ := largestDense(v, "h100-sxm", "bytes_fp16", "user_rate")
				return fmt.Sprintf("%s of the memory go to attention and the KV cache", Format(1-v.in("ff_limit")/p, "%"))
			}},
		{id: "S5.3b", text: "Likewise in FP8", published: []float64{300e9}, unit: "params", binds: "capacity",
			formula: fillDense(denseFormula, "h100-sxm", "user_rate", "bytes_fp8"), compute: dense("h100-sxm", "bytes_fp8", "user_rate"),
			by: "capacity and bandwidth: at one byte a parameter they allow {=}", correction: "say that the limit is for 16-bit weights"},
		{id: "S5.3c", text: "Likewise on 8 × A100 80 GB in FP16", published: []float64{300e9}, unit: "params", binds: "bandwidth",
			formula: fillDense(denseFormula, "a100-sxm-80", "user_rate", "bytes_fp16"), compute: dense("a100-sxm-80", "bytes_fp16", "user_rate"),
			by: "bandwidth allows {=}", fix: func(v *values) string {
				return fmt.Sprintf("%s instead of %s", Format(v.in("node_gpus")*v.dev("a100-sxm-80", "memory_bandwidth")/(v.in("ff_limit")*v.in("bytes_fp16")), "tokens/s"), Format(v.in("user_rate"), "tokens/s"))
			}},
		{id: "S5.4a", text: "~30 tokens/s is what a human reader needs", published: []float64{30}, unit: "tokens/s",
			formula: "{words_minute} / {words_token} / {minute_s}",
			compute: func(v *values) float64 { return v.in("words_minute") / v.in("words_token") / v.in("minute_s") },
			by:      "measured reading: {words_minute} words a minute are {=}", correction: "{=}; more is for skimming and for code"},
		{id: "S5.4b", text: "Dense models that reach 30 tokens/s on 8 × A100 80 GB in FP16: the largest", published: []float64{300e9}, unit: "params", binds: "bandwidth",
			formula: fillDense(denseFormula, "a100-sxm-80", "reader_rate", "bytes_fp16"), compute: dense("a100-sxm-80", "bytes_fp16", "reader_rate"),
			by: "bandwidth: {=}", fix: func(v *values) string {
				return fmt.Sprintf("%s instead of %s", Format(v.in("node_gpus")*v.dev("a100-sxm-80", "memory_bandwidth")/(v.in("ff_limit")*v.in("bytes_fp16")), "tokens/s"), Format(v.in("reader_rate"), "tokens/s"))
			},
			say: func(v *values) string {
				p, _ := largestDense(v, "a100-sxm-80", "bytes_fp16", "reader_rate")
				return denseModels(p)
			}},
		{id: "S5.4c", text: "Dense models that reach 30 tokens/s on 8 × H100 in FP16: the largest", published: []float64{300e9}, unit: "params", binds: "capacity",
			formula: fillDense(denseFormula, "h100-sxm", "reader_rate", "bytes_fp16"), compute: dense("h100-sxm", "bytes_fp16", "reader_rate"),
			by: "capacity: {=}", fix: func(v *values) string {
				p, _ := largestDense(v, "h100-sxm", "bytes_fp16", "reader_rate")
				return fmt.Sprintf("%s of the memory go to attention and the KV cache", Format(1-v.in("ff_limit")/p, "%"))
			},
			say: func(v *values) string {
				p, binds := largestDense(v, "h100-sxm", "bytes_fp8", "reader_rate")
				wide, _ := largestDense(v, "h100-sxm", "bytes_fp16", "reader_rate")
				return fmt.Sprintf("%s In FP8 up to %s, by %s: %s", denseModels(wide), Format(p, "params"), binds, denseModels(p))
			}},
		{id: "S5.5", text: "GPT-4 sells at $0.06 per 1k tokens: margin over S11's cost on A100", unit: "%",
			formula: "1 − {cost_a100_1k} × {cost_unit} / {price_1k}",
			compute: func(v *values) float64 { return 1 - v.in("cost_a100_1k")*v.in("cost_unit")/v.in("price_1k") },
			answer:  "{=} of the price, by whether S11.1 is in dollars or cents; only dollars are possible, so the low end."},
	}
}

// fillDense names the inputs of the formula for the largest dense model.
func fillDense(formula, device, rate, bytes string) string {
	return strings.NewReplacer("DEVICE", device, "RATE", rate, "BYTES", bytes).Replace(formula)
}
