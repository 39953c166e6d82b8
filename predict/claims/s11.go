package claims

import (
	"fmt"

	"bench/datasets"
)

// impliedRate is the tokens a second that a cluster must give for a cost.
func impliedRate(v *values, price, cost string, unit float64) float64 {
	second := v.in("tp") * v.in("serve_pp") * v.in(price) / v.in("hour_s")
	return second / (v.in(cost) * unit / v.in("thousand"))
}

// servedWords says what the step of S11.1c and S11.2c is like where the KV head
// is on one rank.
func servedWords(id string, t datasets.DType) func(*values) string {
	return func(v *values) string {
		step := servedStep(v, id, t)
		if step == nil {
			return ""
		}
		return fmt.Sprintf("With the batch split over the ranks a step takes %s at %s tokens/s in all, in %d micro-batches of %d; %s binds.",
			Format(step.Seconds, "s"), Format(step.TokensPerSecond, "1"), step.MicroBatches, step.MicroBatch, step.Binds)
	}
}

func s11() []claim {
	used := func(device, peak, price, cost string, unit func(*values) float64) func(*values) float64 {
		return func(v *values) float64 {
			return impliedRate(v, price, cost, unit(v)) * forward(v) / (v.in("tp") * v.in("serve_pp") * v.dev(device, peak))
		}
	}
	cents := func(v *values) float64 { return v.in("cent") }
	usd := func(*values) float64 { return 1 }
	formula := func(device, peak, price, cost, unit string) string {
		return "{" + price + "} / {hour_s} / ({" + cost + "}" + unit + " / {thousand}) × {flop_per_weight} × ({top_k} × {expert_params} + {shared_params}) / {" + device + "." + peak + "}"
	}
	tokens := func(price, cost string, unit float64) func(*values) string {
		return func(v *values) string {
			return fmt.Sprintf("128 GPUs would give %s tokens a second.", Format(impliedRate(v, price, cost, unit), "1"))
		}
	}
	const peakBinds = "compute: no more than 100 % of the peak"
	return []claim{
		{id: "S11.1a", text: "128 A100, 8k context: 0.0049 cents per 1k tokens, read as cents: share of the FP16 peak", published: []float64{1}, relation: AtMost, unit: "%", binds: peakBinds,
			formula: formula("a100-sxm-40", "fp16", "a100_hour_usd", "cost_a100_1k", " × {cent}"),
			compute: used("a100-sxm-40", "fp16", "a100_hour_usd", "cost_a100_1k", cents),
			by:      "the peak: {=} of FP16, and half of that of INT8", correction: "read dollars for cents (S11.1b)",
			say: tokens("a100_hour_usd", "cost_a100_1k", 0.01)},
		{id: "S11.1b", text: "$0.0049 per 1k tokens: share of the FP16 peak", published: []float64{1}, relation: AtMost, unit: "%", binds: peakBinds,
			formula: formula("a100-sxm-40", "fp16", "a100_hour_usd", "cost_a100_1k", ""),
			compute: used("a100-sxm-40", "fp16", "a100_hour_usd", "cost_a100_1k", usd),
			say:     tokens("a100_hour_usd", "cost_a100_1k", 1)},
		{id: "S11.1c", text: "$0.0049 per 1k tokens on 128 A100 at 8k: what a decode step at the largest batch that fits costs, FP16", published: []float64{0.0049}, relation: AtMost, unit: "USD", drawn: true, binds: "capacity for the KV cache, then bandwidth",
			formula: "128 × {a100_hour_usd} / {hour_s} / tokens/s of a decode step (predict/llm, catalogue model gpt-4-mqa: TP {tp}, PP {serve_pp}, context {context}, KV head on {kv_copies} ranks)",
			compute: func(v *values) float64 { return servedCost(v, "a100-sxm-40", "a100_hour_usd", datasets.FP16) },
			by:      "the step model: {=} at least", correction: "{=}",
			say: servedWords("a100-sxm-40", datasets.FP16), workload: decodeLayer(datasets.FP16, 128)},
		{id: "S11.2a", text: "128 H100: 0.0021 cents per 1k tokens, read as cents: share of the FP8 peak", published: []float64{1}, relation: AtMost, unit: "%", binds: peakBinds,
			formula: formula("h100-sxm", "fp8", "h100_hour_usd", "cost_h100_1k", " × {cent}"),
			compute: used("h100-sxm", "fp8", "h100_hour_usd", "cost_h100_1k", cents),
			by:      "the peak: {=} of FP8", correction: "read dollars for cents (S11.2b)",
			say: tokens("h100_hour_usd", "cost_h100_1k", 0.01)},
		{id: "S11.2b", text: "$0.0021 per 1k tokens: share of the FP8 peak", published: []float64{1}, relation: AtMost, unit: "%", binds: peakBinds,
			formula: formula("h100-sxm", "fp8", "h100_hour_usd", "cost_h100_1k", ""),
			compute: used("h100-sxm", "fp8", "h100_hour_usd", "cost_h100_1k", usd),
			say:     tokens("h100_hour_usd", "cost_h100_1k", 1)},
		{id: "S11.2c", text: "$0.0021 per 1k tokens on 128 H100 at 8k: what a decode step at the largest batch that fits costs, FP8", published: []float64{0.0021}, relation: AtMost, unit: "USD", drawn: true, binds: "capacity for the KV cache, then bandwidth",
			formula: "128 × {h100_hour_usd} / {hour_s} / tokens/s of a decode step (predict/llm, catalogue model gpt-4-mqa: TP {tp}, PP {serve_pp}, context {context}, KV head on {kv_copies} ranks)",
			compute: func(v *values) float64 { return servedCost(v, "h100-sxm", "h100_hour_usd", datasets.FP8) },
			by:      "the step model: {=} at least", correction: "{=}",
			say: servedWords("h100-sxm", datasets.FP8), workload: decodeLayer(datasets.FP8, 1024)},
		{id: "S11.3", text: "Three times the cost of 175 B Davinci", published: []float64{3}, unit: "1", binds: "utilisation",
			formula: "({top_k} × {expert_params} + {shared_params}) / {gpt3_params} × {utilisation_gap}",
			compute: func(v *values) float64 { return active(v) / v.in("gpt3_params") * v.in("utilisation_gap") },
			say: func(v *values) string {
				times := active(v) / v.in("gpt3_params")
				return fmt.Sprintf("%s times by arithmetic; three times at a utilisation %s times lower.", Format(times, "1"), Format(v.in("davinci_times")/times, "1"))
			}},
		{id: "S11.4a", text: "With 1.6 times the feed-forward parameters: used parameters, all of them", published: []float64{1.6}, unit: "1",
			formula: "({top_k} × {expert_params} + {shared_params}) / {gpt3_params}",
			compute: func(v *values) float64 { return active(v) / v.in("gpt3_params") }},
		{id: "S11.4b", text: "With 1.6 times the feed-forward parameters: those alone", published: []float64{1.6}, unit: "1",
			formula: "{top_k} × {expert_params} / ({gpt3_layers} × {ff_weights} × {gpt3_hidden}²)",
			compute: func(v *values) float64 {
				return v.in("top_k") * v.in("expert_params") / (v.in("gpt3_layers") * v.in("ff_weights") * v.in("gpt3_hidden") * v.in("gpt3_hidden"))
			},
			by: "S1.2 and GPT-3's shape: {=}", correction: "say all used parameters (S11.4a)"},
		{id: "S11.5", text: "With poor utilisation, more than double: what S11.3 and S11.4 leave to utilisation", published: []float64{2}, relation: AtLeast, unit: "1",
			formula: "{davinci_times} / (({top_k} × {expert_params} + {shared_params}) / {gpt3_params})",
			compute: func(v *values) float64 { return v.in("davinci_times") / (active(v) / v.in("gpt3_params")) },
			by:      "S11.3 and S11.4, whose quotient is {=}", fix: func(v *values) string {
				return fmt.Sprintf("\"nearly double\", or %s times the cost in S11.3", Format(2*active(v)/v.in("gpt3_params"), "1"))
			}},
	}
}
