package claims

import "fmt"

// servedGPU is the weights, in parameters, of the fullest GPU: 120 layers over
// 15 nodes are 8 a node (S10.6).
func servedGPU(v *values) float64 { return total(v) / (v.in("layer_nodes") * v.in("tp")) }

// kvRoom is what the weights leave of a GPU.
func kvRoom(v *values, bytes string) float64 {
	return v.dev("a100-sxm-40", "memory") - servedGPU(v)*v.in(bytes)
}

// kvTokenGPU is the KV cache of one token on one GPU with a single KV head.
// The head is on all ranks that split heads, and its tokens on one of those
// that split the batch.
func kvTokenGPU(v *values) float64 {
	return v.in("kv_sides") * v.in("layers") / v.in("layer_nodes") * v.in("kv_head_dim") * v.in("bytes_fp16") * v.in("kv_copies") / v.in("tp")
}

// kvTokenGPUMultiHead is the same with a KV head for each query head, split
// over the ranks.
func kvTokenGPUMultiHead(v *values) float64 {
	return v.in("kv_sides") * v.in("layers") / v.in("layer_nodes") * v.in("attention_width") * v.in("bytes_fp16") / v.in("tp")
}

const (
	servedFormula = "({experts} × {expert_params} + {shared_params}) / ({layer_nodes} × {tp})"
	roomFormula   = "({a100-sxm-40.memory} − " + servedFormula + " × {bytes_fp16})"
	kvFormula     = "({kv_sides} × {layers} / {layer_nodes} × {kv_head_dim} × {bytes_fp16} × {kv_copies} / {tp})"
)

func s10() []claim {
	const all = "({experts} × {expert_params} + {shared_params})"
	gpus := func(v *values) float64 { return v.in("tp") * v.in("serve_pp") }
	perGPU := func(bytes string) func(*values) float64 {
		return func(v *values) float64 { return total(v) * v.in(bytes) / gpus(v) }
	}
	return []claim{
		{id: "S10.1", text: "128 GPUs: tensor parallel 8 × pipeline 16", published: []float64{128}, unit: "1",
			formula: "{tp} × {serve_pp}", compute: gpus},
		{id: "S10.2a", text: "~130 B parameters a node, over 16 nodes", published: []float64{130e9}, unit: "params",
			formula: all + " / {serve_pp}", compute: func(v *values) float64 { return total(v) / v.in("serve_pp") },
			by: "S1.2: {=} over all 16 nodes", correction: "{=}, or S10.2b's on the nodes that hold layers"},
		{id: "S10.2b", text: "~130 B parameters a node, over the 15 that hold layers", published: []float64{130e9}, unit: "params",
			formula: all + " / {layer_nodes}", compute: func(v *values) float64 { return total(v) / v.in("layer_nodes") },
			by: "S1.2: {=}", correction: "{=}"},
		{id: "S10.3a", text: "Below 30 GB a GPU in FP16, over 128", published: []float64{30e9}, relation: AtMost, unit: "bytes",
			formula: all + " × {bytes_fp16} / ({tp} × {serve_pp})", compute: perGPU("bytes_fp16")},
		{id: "S10.3b", text: "Below 30 GB a GPU in FP16, on the 15 nodes that hold layers", published: []float64{30e9}, relation: AtMost, unit: "bytes",
			formula: servedFormula + " × {bytes_fp16}", compute: func(v *values) float64 { return servedGPU(v) * v.in("bytes_fp16") },
			answer: "With S10.6's layout the full nodes hold {=}, a little over 30 GB."},
		{id: "S10.4", text: "Below 15 GB a GPU in FP8 or INT8", published: []float64{15e9}, relation: AtMost, unit: "bytes",
			formula: all + " × {bytes_fp8} / ({tp} × {serve_pp})", compute: perGPU("bytes_fp8"),
			answer: "A100 has no FP8 arithmetic; INT8 it has."},
		{id: "S10.5a", text: "So 40 GB A100s suffice unless the KV cache is large: weights over memory", published: []float64{1}, relation: AtMost, unit: "1", binds: "capacity",
			formula: servedFormula + " × {bytes_fp16} / {a100-sxm-40.memory}",
			compute: func(v *values) float64 { return servedGPU(v) * v.in("bytes_fp16") / v.dev("a100-sxm-40", "memory") }},
		{id: "S10.5b", text: "Up to which batch × context, with one KV head", unit: "tokens", binds: "capacity",
			formula: roomFormula + " / " + kvFormula,
			compute: func(v *values) float64 { return kvRoom(v, "bytes_fp16") / kvTokenGPU(v) },
			answer:  "Batch × context up to {=}, activations not counted: the least where every rank copies wide heads, the most where the batch is split over them.",
			say: func(v *values) string {
				return fmt.Sprintf("At %s a sequence that is at least %s sequences in flight.", Format(v.in("context"), "tokens"),
					Format(kvRoom(v, "bytes_fp16")/(v.in("kv_sides")*v.in("layers")/v.in("layer_nodes")*v.known["kv_head_dim"].High*v.in("bytes_fp16")*v.in("context")), "1"))
			}},
		{id: "S10.5c", text: "Up to which batch × context, with multi-head attention", unit: "tokens", binds: "capacity",
			formula: roomFormula + " / ({kv_sides} × {layers} / {layer_nodes} × {attention_width} × {bytes_fp16} / {tp})",
			compute: func(v *values) float64 { return kvRoom(v, "bytes_fp16") / kvTokenGPUMultiHead(v) }},
		{id: "S10.6a", text: "120 layers over 15 nodes", published: []float64{8}, unit: "layers",
			formula: "{layers} / {layer_nodes}", compute: func(v *values) float64 { return v.in("layers") / v.in("layer_nodes") }},
		{id: "S10.6b", text: "Of 16 nodes, the first is lighter: its layers where the others have 8", published: []float64{8}, relation: AtMost, unit: "layers",
			formula: "{layers} − ({serve_pp} − 1) × {layers} / {layer_nodes}",
			compute: func(v *values) float64 {
				return v.in("layers") - (v.in("serve_pp")-1)*v.in("layers")/v.in("layer_nodes")
			},
			answer: "The first is left with {=}: embedding and data loading are all that it does. 16 even stages would have 7.5 layers, which cannot be."},
		{id: "S10.7", text: "A layer's experts stay on one node: traffic between nodes if they did not, over the pipeline's", published: []float64{1}, relation: AtLeast, unit: "1", binds: "the network",
			formula: "2 × {top_k} × ({layer_nodes} − 1) / {layer_nodes} × {layers} / {layer_nodes}",
			compute: func(v *values) float64 {
				n := v.in("layer_nodes")
				// A token goes to top-k experts and comes back in each of the node's
				// layers, against one hidden state handed on a node.
				return v.in("ring_passes") * v.in("top_k") * (n - 1) / n * v.in("layers") / n
			},
			answer: "{=} times as many bytes, whatever the model's width: each layer sends a token to {top_k} experts and back, a pipeline hands it on once in 8 layers."},
	}
}
