package claims

import (
	"fmt"
	"math"

	"bench/datasets"
	"bench/predict/serving"
)

// stageStep is one pipeline stage of GPT-4 on one A100: an eighth of 8 layers.
func stageStep(v *values) serving.Step {
	gpus := v.in("layer_nodes") * v.in("tp")
	return serving.Step{
		SharedBytes: v.in("shared_params") * v.in("bytes_fp16") / gpus,
		ExpertBytes: v.in("expert_params") * v.in("bytes_fp16") / gpus,
		Experts:     v.in("experts"), TopK: v.in("top_k"),
		FLOPs:     forward(v) / gpus,
		Bandwidth: v.dev("a100-sxm-40", "memory_bandwidth"), Peak: v.dev("a100-sxm-40", "fp16"),
	}
}

// costWithKV is USD a thousand tokens where the KV cache fills what the weights
// leave, in as many micro-batches as there are stages: each reads the weights
// that its tokens wake, and its own part of the KV cache.
func costWithKV(v *values, kvToken func(*values) float64) float64 {
	room := kvRoom(v, "bytes_fp16")
	sequences := room / (kvToken(v) * v.in("context"))
	micro := sequences / v.in("serve_pp")
	s := stageStep(v)
	kv := room / v.in("serve_pp") / s.Bandwidth
	stage := max(s.Memory(micro)+kv, s.Compute(micro))
	return v.in("thousand") * serving.CostPerToken(v.in("tp")*v.in("serve_pp"), v.in("a100_hour_usd"), micro/stage)
}

// denseStep is GPT-3 on 8 A100.
func denseStep(v *values) serving.Step {
	n := v.in("node_gpus")
	return serving.Step{
		SharedBytes: v.in("gpt3_params") * v.in("bytes_fp16") / n, FLOPs: v.in("flop_per_weight") * v.in("gpt3_params") / n,
		Bandwidth: v.dev("a100-sxm-80", "memory_bandwidth"), Peak: v.dev("a100-sxm-80", "fp16"),
	}
}

func speculation(v *values) serving.Speculation {
	return serving.Speculation{Acceptance: v.in("acceptance"), Draft: v.in("draft_tokens"), Cost: v.in("draft_cost")}
}

func s12Serving() []claim {
	const (
		costFormula = "{thousand} × {tp} × {serve_pp} × {a100_hour_usd} / {hour_s} × t(b) / b, b = sequences / {serve_pp}, sequences = " + roomFormula +
			" / (KV × {context}), t = (woken weights + its KV cache) / {a100-sxm-40.memory_bandwidth}"
		tokensFormula = "(1 − {acceptance}^({draft_tokens} + 1)) / (1 − {acceptance})"
	)
	return []claim{
		{id: "S12.4a", workload: decodeAttention(96), text: "Without multi-query, 8k would not pay: cost of 1k tokens with multi-head attention, against the price of S5.5", published: []float64{0.06}, relation: AtLeast, unit: "USD", binds: "capacity, then bandwidth",
			formula: costFormula, compute: func(v *values) float64 { return costWithKV(v, kvTokenGPUMultiHead) },
			answer: "{=} with every byte of memory in use and no other overhead: above the price."},
		{id: "S12.4b", workload: decodeLayer(datasets.FP16, 16), text: "With multi-query it pays: cost of 1k tokens", published: []float64{0.06}, relation: AtMost, unit: "USD", binds: "bandwidth",
			formula: costFormula, compute: func(v *values) float64 { return costWithKV(v, kvTokenGPU) },
			answer: "{=}, by head size and by whether the head is copied to all ranks; S11.1's $0.0049 lies inside."},
		{id: "S12.5", text: "Continuous batching with variable batch: throughput over static batching", unit: "1", drawn: true,
			formula: "simulated: 4,000 requests of mean {output_tokens}, spread {output_spread}, in {slots} slots",
			compute: func(v *values) float64 { return batchingGain(v, v.in("output_spread"), v.in("slots")) },
			say: func(v *values) string {
				s := "Gain with 32 slots by the lengths' coefficient of variation:"
				for _, spread := range []float64{0, 0.25, 0.5, 1, 2} {
					s += fmt.Sprintf(" %s at %g,", Format(batchingGain(v, spread, v.known["slots"].middle()), "1"), spread)
				}
				return s[:len(s)-1] + "; where requests always wait and a step takes as long at any batch."
			}},
		{id: "S12.6", text: "Speculative decoding, ~4 drafted tokens: gain", unit: "1", binds: "bandwidth, which must bind for it",
			formula: tokensFormula + " / ({draft_tokens} × {draft_cost} + 1)",
			compute: func(v *values) float64 { return speculation(v).Gain() },
			say: func(v *values) string {
				s := "Gain by acceptance rate, at a draft of 5 % of the cost:"
				for _, a := range []float64{0.3, 0.5, 0.7, 0.8, 0.9} {
					p := speculation(v)
					p.Acceptance, p.Cost = a, 0.05
					s += fmt.Sprintf(" %s at %g,", Format(p.Gain(), "1"), a)
				}
				return s[:len(s)-1] + "."
			}},
		{id: "S12.8a", text: "Speculation pays only where bandwidth binds: gain where compute binds", published: []float64{1}, relation: AtMost, unit: "1", binds: "compute",
			formula: tokensFormula + " / ({draft_tokens} + 1 + {draft_tokens} × {draft_cost})",
			compute: func(v *values) float64 {
				p := speculation(v)
				return p.Tokens() / (p.Draft + 1 + p.Draft*p.Cost)
			}},
		{id: "S12.8b", text: "The batch at which it stops paying, dense: GPT-3 on 8 A100 in FP16", unit: "sequences", binds: "compute beyond it",
			formula: "largest b: " + tokensFormula + " × t(b) > t(b × ({draft_tokens} + 1)) + {draft_tokens} × {draft_cost} × t(b), t = max({bytes_fp16} × {gpt3_params} / {a100-sxm-80.memory_bandwidth}, b × {flop_per_weight} × {gpt3_params} / {a100-sxm-80.fp16})",
			compute: func(v *values) float64 { return speculation(v).LastBatch(denseStep(v)) },
			answer:  "Up to {=} at a time."},
		{id: "S12.8c", text: "The batch at which it stops paying, mixture: GPT-4 on A100 in FP16, a stage's micro-batch", unit: "sequences", binds: "compute beyond it",
			formula: "as S12.8b, t = max(woken({shared_params}, {experts} × {expert_params}, top-{top_k}), compute)",
			compute: func(v *values) float64 { return speculation(v).LastBatch(stageStep(v)) },
			say: func(v *values) string {
				s, at := stageStep(v), "Gain by micro-batch at acceptance 0.7 and 5 % draft cost:"
				p := speculation(v)
				p.Acceptance, p.Cost = 0.7, 0.05
				for _, b := range []float64{1, 4, 16, 64, 256, 1024} {
					at += fmt.Sprintf(" %s at %g,", Format(p.GainAt(s, b), "1"), b)
				}
				return at[:len(at)-1] + fmt.Sprintf("; a dense model gains %s at 1.", Format(p.GainAt(denseStep(v), 1), "1"))
			}},
		{id: "S12.8d", text: "For a mixture more tokens wake more experts: gain at batch 1 over the dense model's", published: []float64{1}, relation: AtMost, unit: "1", binds: "bandwidth: woken experts",
			formula: "gain of S12.8c's step over gain of S12.8b's at b = 1, α = {acceptance}, γ = {draft_tokens}, c = {draft_cost}",
			compute: func(v *values) float64 {
				p := speculation(v)
				return p.GainAt(stageStep(v), 1) / p.GainAt(denseStep(v), 1)
			},
			say: func(v *values) string {
				s, n := stageStep(v), v.in("draft_tokens")+1
				return fmt.Sprintf("%g tokens wake %s experts where one wakes %g, if they are routed independently.", n, Format(s.Awake(n), "1"), s.TopK)
			}},
		{id: "S12.8e", text: "It pays where bandwidth binds: for a mixture at batch 1", published: []float64{1}, relation: AtLeast, unit: "1", binds: "bandwidth: woken experts",
			formula: "gain of S12.8c's step at b = 1, α = {acceptance}, γ = {draft_tokens}, c = {draft_cost}",
			compute: func(v *values) float64 { return speculation(v).GainAt(stageStep(v), 1) },
			by:      "the experts that the drafted tokens wake: {=}", correction: "a batch that wakes most experts anyway, or more accepted tokens",
			answer: "{=}: where bandwidth binds, and yet no gain below a high acceptance, as checking reads more experts than it saves."},
	}
}

// batchingGain is over requests whose order and lengths a seed fixes.
func batchingGain(v *values, spread, slots float64) float64 {
	g, err := serving.Batching{Slots: int(math.Round(slots)), Requests: 4000, Lengths: serving.Lengths{Mean: v.in("output_tokens"), Spread: spread}}.Gain()
	if err != nil {
		return math.NaN()
	}
	return g
}
