package claims

import (
	"fmt"
	"math"
	"strings"

	"bench/datasets"
	"bench/predict/routing"
)

// drawsOfLarge is how many batches of thousands of tokens are drawn: the error
// of a mean maximum is then an eighth of its spread, 0.3 %.
const drawsOfLarge = 64

// router is a router of the article's shape under Zipf's exponent.
func router(v *values, tokens, experts float64) routing.Router {
	r := routing.Router{Tokens: int64(math.Round(tokens)), Experts: int64(math.Round(experts)), TopK: int64(math.Round(v.in("top_k")))}
	if x := v.in("zipf_exponent"); x != 0 {
		r.Weights = routing.Zipf(r.Experts, x)
	}
	return r
}

// even is the same with uniform routing.
func even(v *values, tokens, experts float64) routing.Router {
	return routing.Router{Tokens: int64(math.Round(tokens)), Experts: int64(math.Round(experts)), TopK: int64(math.Round(v.in("top_k")))}
}

// expertsWith is the expected number of experts with exactly n tokens.
func expertsWith(r routing.Router, n int) float64 {
	s := 0.0
	for _, p := range r.Inclusion() {
		s += routing.Binomial(r.Tokens, min(p, 1)).At(n)
	}
	return s
}

func s9() []claim {
	having := func(n int) func(*values) float64 {
		return func(v *values) float64 { return expertsWith(router(v, v.in("small_batch"), v.in("experts")), n) }
	}
	const havingFormula = "Σ over {experts} experts of P(Binomial({small_batch}, p) = N), p of a top-{top_k} router with Zipf exponent {zipf_exponent}"
	woken := func(v *values, tokens, experts, size float64) float64 {
		return even(v, tokens, experts).WeightBytes(v.in("shared_params")*v.in("bytes_fp16"), size*v.in("bytes_fp16"))
	}
	layer := func(tokens int64) datasets.Workload {
		return datasets.MoELayer{Kernel: "layer", Type: datasets.FP16, Tokens: tokens, Hidden: 10752, Intermediate: 4 * 10752,
			Experts: 16, TopK: 2, TP: 8, EP: 1, Routing: datasets.Routing{Rule: datasets.RouteUniform}, Ranks: 8, Cache: datasets.Cold}
	}
	const wokenFormula = "({shared_params} + awake(E, {decode_batch}) × SIZE) over the same of {experts}, awake = E × (1 − (1 − {top_k} / E)^batch), E = {more_experts}"
	return []claim{
		{id: "S9.1", text: "At batch 8 with 16 experts and top-2, an expert's batch averages 1", published: []float64{1}, unit: "tokens",
			formula: "{small_batch} × {top_k} / {experts}", workload: layer(8),
			compute: func(v *values) float64 { return v.in("small_batch") * v.in("top_k") / v.in("experts") }},
		{id: "S9.2a", text: "One expert may have 8: experts with 8 of 8 tokens, expected", unit: "experts",
			formula: countFormula(havingFormula, "8"), compute: having(8),
			say: func(v *values) string {
				r := even(v, v.in("small_batch"), v.in("experts"))
				return fmt.Sprintf("Under even routing any expert has all 8 with a chance of %.2g: the example is a rarity. The most loaded has 2 with %s, 3 with %s, 4 or more with %s.",
					r.Max().At(8), Format(r.Max().At(2), "%"), Format(r.Max().At(3), "%"), Format(r.Max().AtLeast(4), "%"))
			}},
		{id: "S9.2b", text: "While others have 4: experts with 4, expected", unit: "experts", formula: countFormula(havingFormula, "4"), compute: having(4)},
		{id: "S9.2c", text: "While others have 1: experts with 1, expected", unit: "experts", formula: countFormula(havingFormula, "1"), compute: having(1)},
		{id: "S9.2d", text: "While others have 0: idle experts, expected", unit: "experts", formula: countFormula(havingFormula, "0"), compute: having(0),
			answer: "{=} of 16 sit idle, whose weights are not read."},
		{id: "S9.3a", text: "At batch 4k, ~500 an expert at best", published: []float64{500}, unit: "tokens",
			formula: "{large_batch} × {top_k} / {experts}", workload: layer(4096),
			compute: func(v *values) float64 { return v.in("large_batch") * v.in("top_k") / v.in("experts") }},
		{id: "S9.3b", text: "And typically: the most loaded expert's batch, expected", published: []float64{500}, relation: AtLeast, unit: "tokens", drawn: true,
			formula: "E max of {experts} expert batches of {large_batch} tokens, top-{top_k}, Zipf exponent {zipf_exponent}: 64 seeded draws",
			compute: func(v *values) float64 {
				r := router(v, v.in("large_batch"), v.in("experts"))
				r.Draws = drawsOfLarge
				return r.Max().Mean()
			}, answer: "{=}, from even routing to Zipf's law."},
		{id: "S9.3c", text: "And at worst: all tokens choose one expert", published: []float64{500}, relation: AtLeast, unit: "tokens",
			formula: "{large_batch}", compute: func(v *values) float64 { return v.in("large_batch") }},
		{id: "S9.4a", text: "16 experts serve better than 64 or 128: weight bytes woken a token, more experts of the same size over 16", published: []float64{1}, relation: AtLeast, unit: "1", binds: "memory bandwidth",
			formula: countFormula(wokenFormula, "{expert_params}"),
			compute: func(v *values) float64 {
				b, s := v.in("decode_batch"), v.in("expert_params")
				return woken(v, b, v.in("more_experts"), s) / woken(v, b, v.in("experts"), s)
			},
			say: func(v *values) string {
				s := "Bytes a token in FP16 with 16, 64, 128 experts of 111 B:"
				for _, b := range []float64{1, 8, 64, 512, 4096} {
					s += fmt.Sprintf(" batch %g: %s, %s, %s;", b, Format(woken(v, b, v.in("experts"), v.in("expert_params")), "bytes"),
						Format(woken(v, b, v.known["more_experts"].Low, v.in("expert_params")), "bytes"), Format(woken(v, b, v.known["more_experts"].High, v.in("expert_params")), "bytes"))
				}
				return s[:len(s)-1] + "."
			}},
		{id: "S9.4b", text: "Likewise at the same size of the whole model", published: []float64{1}, relation: AtLeast, unit: "1", binds: "memory bandwidth",
			formula: countFormula(wokenFormula, "{experts} × {expert_params} / E"),
			compute: func(v *values) float64 {
				b, e, n := v.in("decode_batch"), v.in("experts"), v.in("more_experts")
				return woken(v, b, n, e*v.in("expert_params")/n) / woken(v, b, e, v.in("expert_params"))
			},
			answer: "{=}: at the same total size more, smaller experts wake fewer bytes a token until a batch wakes all. The claim holds for experts added, not for experts split."},
		{id: "S9.5a", workload: layer(8), text: "Token-to-token latency varies with routing: 99th percentile of a step over its mean, batch 8, memory-bound", unit: "1", binds: "memory bandwidth", drawn: true,
			formula: "(shared + q99(awake) × expert) / (shared + E(awake) × expert), {small_batch} tokens, {experts} experts of {expert_params}, shared {shared_params}, top-{top_k}, Zipf exponent {zipf_exponent}",
			compute: func(v *values) float64 {
				return router(v, v.in("small_batch"), v.in("experts")).Spread(v.in("shared_params"), v.in("expert_params"), 0.99)
			},
			say: func(v *values) string {
				a := even(v, v.in("small_batch"), v.in("experts")).Awake()
				return fmt.Sprintf("Under even routing %s of 16 experts are awake on average, %d to %d in 98 of 100 steps.", Format(a.Mean(), "1"), a.Quantile(0.01), a.Quantile(0.99))
			}},
		{id: "S9.5b", text: "Likewise at batch 4k, compute-bound with an expert a rank: the most loaded expert over the mean", unit: "1", binds: "compute of the most loaded rank", drawn: true,
			formula: "E max / ({large_batch} × {top_k} / {experts}), Zipf exponent {zipf_exponent}",
			compute: func(v *values) float64 {
				r := router(v, v.in("large_batch"), v.in("experts"))
				r.Draws = drawsOfLarge
				return r.Max().Mean() * v.in("experts") / (v.in("large_batch") * v.in("top_k"))
			}, workload: layer(4096)},
	}
}

// countFormula puts a count or a size into a formula that is used with several.
func countFormula(formula, x string) string {
	return strings.NewReplacer("= N)", "= "+x+")", "SIZE", x).Replace(formula)
}
