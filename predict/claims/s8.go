package claims

// palmKV is the KV cache of the multi-head variant of PaLM 540B.
func palmKV(v *values) float64 {
	return v.in("kv_sides") * v.in("palm_layers") * v.in("palm_heads") * v.in("palm_mha_dim") * v.in("bytes_fp16") *
		v.in("kv_batch") * v.in("kv_context")
}

func s8() []claim {
	const formula = "{kv_sides} × {palm_layers} × {palm_heads} × {palm_mha_dim} × {bytes_fp16} × {kv_batch} × {kv_context}"
	return []claim{
		{id: "S8.1", text: "A 500 B model with multi-head attention, batch 512, context 2048: 3 TB of KV cache", published: []float64{3e12}, unit: "bytes",
			formula: formula, compute: palmKV,
			answer: "With PaLM's own heads of 256 it would be twice that; the variant has heads of 128."},
		{id: "S8.2", text: "That is three times its parameters", published: []float64{3}, unit: "1",
			formula: formula + " / ({big_params} × {bytes_fp16})",
			compute: func(v *values) float64 { return palmKV(v) / (v.in("big_params") * v.in("bytes_fp16")) },
			answer:  "{=} times 16-bit parameters, and twice as many times 8-bit ones."},
	}
}
