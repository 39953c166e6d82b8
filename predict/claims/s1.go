package claims

import "fmt"

// total is every parameter of the model as S1.2 describes it.
func total(v *values) float64 {
	return v.in("experts")*v.in("expert_params") + v.in("shared_params")
}

// active is the parameters that one token uses.
func active(v *values) float64 {
	return v.in("top_k")*v.in("expert_params") + v.in("shared_params")
}

// forward is the FLOP of one token's forward pass, attention over the context
// not counted.
func forward(v *values) float64 { return v.in("flop_per_weight") * active(v) }

func s1() []claim {
	const totalFormula = "{experts} × {expert_params} + {shared_params}"
	const activeFormula = "{top_k} × {expert_params} + {shared_params}"
	return []claim{
		{id: "S1.1", text: "~1.8 T parameters in 120 layers", published: []float64{1.8e12}, unit: "params",
			formula: totalFormula, compute: total,
			answer: "The parts of S1.2 add up to {=}."},
		{id: "S1.2a", text: "16 experts of ~111 B and ~55 B shared: the total", published: []float64{1.8e12}, unit: "params",
			formula: totalFormula, compute: total,
			answer: "{=}, which S1.1 rounds down."},
		{id: "S1.2b", text: "~55 B shared attention parameters beside experts of ~111 B", published: []float64{55e9}, unit: "params",
			formula: "{expert_params} / {ff_ratio}",
			compute: func(v *values) float64 { return v.in("expert_params") / v.in("ff_ratio") },
			answer:  "The two figures are those of the classic layer, 8·h² of feed-forward to 4·h² of multi-head attention, and give h = 10,753. Attention with the single KV head of S12.1 would have little more than half as many."},
		{id: "S1.3", text: "~280 B parameters used a token", published: []float64{280e9}, unit: "params",
			formula: activeFormula, compute: active},
		{id: "S1.4a", text: "\"560 TFLOP\" for a forward pass of one token", published: []float64{560e12}, unit: "FLOP",
			formula: "{flop_per_weight} × ({top_k} × {expert_params} + {shared_params})", compute: forward,
			by:         "arithmetic: two operations a used parameter are {=}, a thousandth of what is printed",
			correction: "read GFLOP for TFLOP: 560 GFLOP a token"},
		{id: "S1.4b", text: "560 GFLOP for a forward pass of one token (S1.4 with its unit corrected)", published: []float64{560e9}, unit: "FLOP",
			formula: "{flop_per_weight} × ({top_k} × {expert_params} + {shared_params})", compute: forward},
		{id: "S1.5a", text: "\"3,700 TFLOP\" a token for a dense model of 1.8 T parameters", published: []float64{3700e12}, unit: "FLOP",
			formula: "{flop_per_weight} × {total_params}",
			compute: func(v *values) float64 { return v.in("flop_per_weight") * v.in("total_params") },
			by:      "arithmetic: two operations a parameter are {=}, a thousandth of what is printed", correction: "read GFLOP for TFLOP: 3,700 GFLOP a token"},
		{id: "S1.5b", text: "Dense against sparse: 3,700 to 560", published: []float64{3700.0 / 560}, unit: "1",
			formula: "(" + totalFormula + ") / (" + activeFormula + ")",
			compute: func(v *values) float64 { return total(v) / active(v) },
			answer:  "Only the unit of S1.4 and S1.5 is wrong: their ratio is right."},
		{id: "S1.6", text: "More than 10 × GPT-3's 175 B parameters", published: []float64{10}, relation: AtLeast, unit: "1",
			formula: "{total_params} / {gpt3_params}",
			compute: func(v *values) float64 { return v.in("total_params") / v.in("gpt3_params") },
			say: func(v *values) string {
				return fmt.Sprintf("A token uses %s times as many.", Format(active(v)/v.in("gpt3_params"), "1"))
			}},
	}
}
