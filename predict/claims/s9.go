package claims

func s9() []claim {
	return []claim{
		{id: "S9.1", text: "At batch 8 with 16 experts and top-2, an expert's batch averages 1", published: []float64{1}, unit: "tokens",
			formula: "{small_batch} × {top_k} / {experts}",
			compute: func(v *values) float64 { return v.in("small_batch") * v.in("top_k") / v.in("experts") }},
	}
}
