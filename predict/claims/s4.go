package claims

import (
	"fmt"
	"strings"
)

// replaceLink names the link of a formula that is used with several.
func replaceLink(formula, link string) string {
	return strings.Replace(formula, "LINK", "{"+link+"}", 1)
}

// training is 6 × used parameters × tokens.
func training(v *values) float64 { return v.in("train_passes") * forward(v) * v.in("tokens") }

func dollars(v *values, gpus, days, price string) float64 {
	return v.in(gpus) * v.in(days) * v.in("hours") * v.in(price)
}

func s4() []claim {
	const trainingFormula = "{train_passes} × {flop_per_weight} × ({top_k} × {expert_params} + {shared_params}) × {tokens}"
	// What S4.1 delivers, from its own two ranges.
	delivered := func(v *values) float64 {
		return v.in("a100s") * v.dev("a100-sxm-40", "fp16") * v.in("train_mfu") * v.in("train_days") * v.in("hours") * v.in("hour_s")
	}
	h100MFU := func(peak string) func(*values) float64 {
		return func(v *values) float64 {
			return training(v) / (v.in("h100s") * v.dev("h100-sxm", peak) * v.in("h100_days") * v.in("hours") * v.in("hour_s"))
		}
	}
	return []claim{
		{id: "S4.1a", text: "~25,000 A100 for 90–100 days at 32–36 % MFU: FLOP delivered, against 6 × used parameters × tokens", printed: delivered, unit: "FLOP",
			formula: trainingFormula, compute: training,
			answer: "Delivered are 25,000 × 312 TFLOP/s × MFU × days; the model needs {=}, in the middle of it."},
		{id: "S4.1b", text: "FLOP delivered, against the exact count with attention", printed: delivered, unit: "FLOP",
			formula: trainingFormula + " + {train_passes} × {tokens} × 4 × {layers} × {attention_width} × {context} / 2",
			compute: func(v *values) float64 {
				return training(v) + v.in("train_passes")*v.in("tokens")*attentionFLOPs(v, v.in("context"))
			},
			answer: "Attention adds 3–4 %; router and norms are below 0.01 %."},
		{id: "S4.1c", text: "90–100 days, from the MFU of 32–36 %", published: []float64{90, 100}, unit: "day",
			formula: trainingFormula + " / ({a100s} × {a100-sxm-40.fp16} × {train_mfu} × {hours} × {hour_s})",
			compute: func(v *values) float64 {
				return training(v) / (v.in("a100s") * v.dev("a100-sxm-40", "fp16") * v.in("train_mfu") * v.in("hours") * v.in("hour_s"))
			}},
		{id: "S4.2", text: "At $1 an A100-hour, $63 M", published: []float64{63e6}, unit: "USD",
			formula: "{a100s} × {train_days} × {hours} × {a100_hour_usd}",
			compute: func(v *values) float64 { return dollars(v, "a100s", "train_days", "a100_hour_usd") },
			by:      "S4.1: 90–100 days come to {=}", fix: func(v *values) string {
				days := v.in("a100_cost_printed") / (v.in("a100s") * v.in("hours") * v.in("a100_hour_usd"))
				return fmt.Sprintf("%s days, and so an MFU of %s", Format(days, "1"),
					Format(training(v)/(v.in("a100s")*v.dev("a100-sxm-40", "fp16")*days*v.in("hours")*v.in("hour_s")), "%"))
			}},
		{id: "S4.3", text: "~8,192 H100 at $2 an hour for ~55 days: $21.5 M", published: []float64{21.5e6}, unit: "USD",
			formula: "{h100s} × {h100_days} × {hours} × {h100_hour_usd}",
			compute: func(v *values) float64 { return dollars(v, "h100s", "h100_days", "h100_hour_usd") }},
		{id: "S4.4a", text: "The MFU that S4.3 implies in BF16, against S4.1's", published: []float64{0.32, 0.36}, unit: "%", binds: "compute",
			formula: trainingFormula + " / ({h100s} × {h100-sxm.fp16} × {h100_days} × {hours} × {hour_s})", compute: h100MFU("fp16"),
			by: "S4.1 and published runs: {=} of the BF16 peak; Llama 3 405B reached 38–43 % on H100 (Grattafiori et al., 2024, table 4)",
			fix: func(v *values) string {
				top := v.known["train_mfu"].High
				days := v.in("h100_days") * h100MFU("fp16")(v) / top
				return fmt.Sprintf("%s days and %s at %s MFU, or FP8 arithmetic (S4.4b)", Format(days, "1"),
					Format(v.in("h100s")*days*v.in("hours")*v.in("h100_hour_usd"), "USD"), Format(top, "%"))
			}},
		{id: "S4.4b", text: "The MFU that S4.3 implies in FP8, against S4.1's", published: []float64{0.32, 0.36}, unit: "%", binds: "compute",
			formula: trainingFormula + " / ({h100s} × {h100-sxm.fp8} × {h100_days} × {hours} × {hour_s})", compute: h100MFU("fp8"),
			by: "{=} of the FP8 peak, somewhat below S4.1's", correction: "none is needed: it is of the same order",
			answer: "S4.3 is of the order of S4.1 only if all of it ran in FP8."},
	}
}
