package claims

import "fmt"

// attentionFLOPs is the forward FLOP that a token spends on attending to a
// causal context, on average over its positions: 4 × width × context / 2 a
// layer (Dao et al., "FlashAttention-2", 2023, section 4.1).
func attentionFLOPs(v *values, context float64) float64 {
	return v.in("flop_per_weight") * v.in("kv_sides") * v.in("layers") * v.in("attention_width") * context / 2
}

// attentionShare is attention's part of the forward FLOP.
func attentionShare(v *values, context float64) float64 {
	a := attentionFLOPs(v, context)
	return a / (a + forward(v))
}

const shareFormula = "a / (a + {flop_per_weight} × active), a = {flop_per_weight} × {kv_sides} × {layers} × {attention_width} × "

func s2() []claim {
	perParam := func(tokens, params string) func(*values) float64 {
		return func(v *values) float64 { return v.in(tokens) / v.in(params) }
	}
	return []claim{
		{id: "S2.1", text: "13 T tokens in all, text seen twice and code four times", unit: "tokens",
			formula: "{tokens} × ((1 − {code_share}) / {text_epochs} + {code_share} / {code_epochs})",
			compute: func(v *values) float64 {
				c := v.in("code_share")
				return v.in("tokens") * ((1-c)/v.in("text_epochs") + c/v.in("code_epochs"))
			},
			answer: "Different tokens: {=}, by what share of those seen is code. The article does not say it."},
		{id: "S2.2a", text: "Chinchilla: 70 B parameters, 1.4 T tokens", published: []float64{20}, unit: "tokens/param",
			formula: "{chinchilla_tokens} / {chinchilla_params}", compute: perParam("chinchilla_tokens", "chinchilla_params"),
			answer: "{=}; published is the ratio that Hoffmann et al. (2022) find best."},
		{id: "S2.2b", text: "PaLM: 540 B parameters, 0.78 T tokens", published: []float64{0.78e12 / 540e9}, unit: "tokens/param",
			formula: "{palm_tokens_paper} / {palm_params}", compute: perParam("palm_tokens_paper", "palm_params"),
			answer: "{=}, by PaLM's own paper."},
		{id: "S2.2c", text: "PaLM 2: ~5 T tokens", unit: "tokens/param",
			formula: "{palm2_tokens} / {palm2_params}", compute: perParam("palm2_tokens", "palm2_params"),
			answer: "{=} with the parameters that CNBC reports; it reports 3.6 T tokens, not 5 T."},
		{id: "S2.2d", text: "GPT-4 itself: 13 T tokens on 1.8 T parameters", published: []float64{13.0 / 1.8}, unit: "tokens/param",
			formula: "{tokens} / ({experts} × {expert_params} + {shared_params})",
			compute: func(v *values) float64 { return v.in("tokens") / total(v) },
			say: func(v *values) string {
				return fmt.Sprintf("%s tokens for each of all parameters, and %s for each that a token uses.",
					Format(v.in("tokens")/total(v), "1"), Format(v.in("tokens")/active(v), "1"))
			}},
		{id: "S2.3a", text: "Chinchilla-optimal training would need twice the tokens: by all parameters", published: []float64{2}, unit: "1",
			formula: "{optimal_ratio} × ({experts} × {expert_params} + {shared_params}) / {tokens}",
			compute: func(v *values) float64 { return v.in("optimal_ratio") * total(v) / v.in("tokens") },
			by:      "Chinchilla's ratio: all parameters would need {=} times the tokens", fix: func(v *values) string {
				return fmt.Sprintf("twice is right for %s, and nothing in the model has that many", Format(2*v.in("tokens")/v.in("optimal_ratio"), "params"))
			}},
		{id: "S2.3b", text: "Chinchilla-optimal training would need twice the tokens: by used parameters", published: []float64{2}, unit: "1",
			formula: "{optimal_ratio} × ({top_k} × {expert_params} + {shared_params}) / {tokens}",
			compute: func(v *values) float64 { return v.in("optimal_ratio") * active(v) / v.in("tokens") },
			by:      "Chinchilla's ratio: the used parameters need {=} times the tokens, so the model is trained beyond its optimum", correction: "drop \"twice\": by used parameters the tokens are more than enough",
			answer: "Chinchilla's law was fitted to dense models. The claim holds for neither count."},
		{id: "S2.4", text: "Batch of 60 M tokens, so 7.5 M an expert", published: []float64{7.5e6}, unit: "tokens",
			formula: "{batch_tokens} × {top_k} / {experts}",
			compute: func(v *values) float64 { return v.in("batch_tokens") * v.in("top_k") / v.in("experts") },
			answer:  "Two choices a token over 16 experts; an even share."},
		{id: "S2.5a", text: "Pre-trained at 8k context: attention's share of the FLOP", unit: "%",
			formula: shareFormula + "{context} / 2",
			compute: func(v *values) float64 { return attentionShare(v, v.in("context")) }},
		{id: "S2.5b", text: "32k context by fine-tuning: attention's share of the FLOP", unit: "%",
			formula: shareFormula + "{long_context} / 2",
			compute: func(v *values) float64 { return attentionShare(v, v.in("long_context")) },
			answer:  "Training at 32k from the start would have cost little more arithmetic; memory for activations is what fine-tuning saves."},
	}
}
