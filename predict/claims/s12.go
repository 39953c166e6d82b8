package claims

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// s12All is section 12 in the order of its lines.
func s12All() []claim {
	all := append(s12(), s12Serving()...)
	slices.SortStableFunc(all, func(a, b claim) int { return cmp.Or(cmp.Compare(line(a.id), line(b.id)), cmp.Compare(a.id, b.id)) })
	return all
}

// line is the number of a claim within its section: 10 of S12.10.
func line(id string) int {
	_, n, _ := strings.Cut(id, ".")
	i, _ := strconv.Atoi(strings.TrimRight(n, "abcdefgh"))
	return i
}

func s12() []claim {
	fit := func(context string) func(*values) float64 {
		return func(v *values) float64 {
			return kvRoom(v, "bytes_fp16") / (kvTokenGPU(v) * v.in(context))
		}
	}
	return []claim{
		{id: "S12.1", workload: decodeAttention(1), text: "Multi-query attention: KV bytes of multi-head attention over those of one KV head", unit: "1",
			formula: "{attention_width} / {kv_head_dim}",
			compute: func(v *values) float64 { return v.in("attention_width") / v.in("kv_head_dim") },
			answer:  "As many times fewer as there are query heads: {=}."},
		{id: "S12.2", text: "32k does not fit 40 GB A100s even so: sequences of 32k that fit", published: []float64{1}, relation: AtMost, unit: "sequences", binds: "capacity",
			formula: roomFormula + " / (" + kvFormula + " × {long_context})", compute: fit("long_context"),
			by: "capacity: 12 GB a GPU are left by the weights, room for {=} in flight over 16 stages", correction: "say that it does not fit a useful batch: S12.3 asks the same at 8k"},
		{id: "S12.3", text: "8k is limited in its largest batch: sequences of 8k that fit, over those that S11.1's cost needs", published: []float64{1}, relation: AtMost, unit: "1", binds: "capacity",
			formula: roomFormula + " / (" + kvFormula + " × {context}) / (rate × step), rate of S11.1b, step = {serve_pp} × " + servedFormula + " × {bytes_fp16} / {a100-sxm-40.memory_bandwidth}",
			compute: func(v *values) float64 { return fit("context")(v) / neededBatch(v) },
			answer:  "{=}: below 1 the cost of S11.1b cannot be reached at 8k."},
		{id: "S12.7", text: "Agreement over long drafts decays exponentially: log of agreement over 8 tokens over that over 4", published: []float64{2}, unit: "1",
			formula: "ln({acceptance}^(2 × {draft_tokens})) / ln({acceptance}^{draft_tokens})",
			compute: func(v *values) float64 {
				a, g := v.in("acceptance"), v.in("draft_tokens")
				return math.Log(math.Pow(a, 2*g)) / math.Log(math.Pow(a, g))
			},
			answer: "All of γ drafted tokens are accepted with a chance of α^γ if each is with α (Leviathan et al., 2023, section 3.1)."},
		{id: "S12.9", text: "Vision: ~2 T further tokens: training cost at S4's A100 price and MFU", unit: "USD", binds: "compute",
			formula: "2 × {vision_passes} × ({top_k} × {expert_params} + {shared_params}) × {vision_extra} × {vision_tokens} / ({a100-sxm-40.fp16} × {train_mfu} × {hour_s}) × {a100_hour_usd}",
			compute: func(v *values) float64 {
				flop := v.in("vision_passes") * forward(v) * v.in("vision_extra") * v.in("vision_tokens")
				return flop / (v.dev("a100-sxm-40", "fp16") * v.in("train_mfu") * v.in("hour_s")) * v.in("a100_hour_usd")
			},
			answer: "{=}: from frozen weights, as in Flamingo, to training all of it."},
		{id: "S12.10", text: "Data-loading IO ~150 × higher: 600 bytes a token against 4", published: []float64{150}, unit: "1",
			formula: "{vision_bytes} / {text_bytes}",
			compute: func(v *values) float64 { return v.in("vision_bytes") / v.in("text_bytes") }},
	}
}

// neededBatch is the sequences in flight that give S11.1b's tokens a second
// where every step reads all weights of a stage: one micro-batch in each.
func neededBatch(v *values) float64 {
	stage := servedGPU(v) * v.in("bytes_fp16") / v.dev("a100-sxm-40", "memory_bandwidth")
	return impliedRate(v, "a100_hour_usd", "cost_a100_1k", 1) * stage * v.in("serve_pp")
}
