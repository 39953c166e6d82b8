package datasets

import (
	"fmt"
	"unsafe"
)

// DecodeLayer is one decode step of one transformer layer (suite decode, op
// "layer"): norm, QKV projection, rotary embedding, attention over the KV
// cache, output projection, norm, feed-forward. One new token a sequence.
type DecodeLayer struct {
	// Model names the catalogue entry whose layer this is.
	_     struct{} `col:"op" fixed:"layer"`
	_     struct{} `col:"query_tokens" fixed:"1"`
	Model string   `col:"model"`
	Type  DType    `col:"dtype"`
	Batch int64    `col:"batch" default:"1" help:"sequences"`
	// ContextTokens that attention reads, the new token included.
	ContextTokens int64 `col:"context_tokens" key:"context" help:"tokens a sequence that attention reads, the new one included (required)"`
	Hidden        int64 `col:"hidden" help:"width of the model"`
	Heads         int64 `col:"heads" help:"query heads"`
	KVHeads       int64 `col:"kv_heads" help:"key/value heads (default as many as query heads)"`
	HeadDim       int64 `col:"head_dim" help:"size of a head"`
	FFWidth       int64 `col:"intermediate" key:"ff" flag:"intermediate" help:"inner width of the feed-forward, or of one expert"`
	// Gated feed-forward has three matrices, else two.
	Gated bool `col:"gated" help:"three matrices a feed-forward, else two"`
	// Experts and TopK are 1 for a dense feed-forward.
	Experts int64 `col:"experts" default:"1" help:"experts, 1 for a dense feed-forward"`
	TopK    int64 `col:"top_k" default:"1" help:"experts that a token chooses"`
	// TP ranks split every matrix by columns or rows, and the heads.
	TP    int   `col:"tensor_parallel" key:"tp" default:"1" help:"ranks that split the layer's matrices and heads"`
	Ranks int   `col:"ranks"`
	Cache Cache `col:"cache" default:"cold" help:"hot (operands are used again and again) or cold"`
	// Launch is "graph" or "eager" on a GPU, else "".
	Launch string `col:"launch" help:"graph or eager"`
}

var layerOperation = declare[DecodeLayer](SuiteDecode)

// Suite is decode.
func (d DecodeLayer) Suite() Suite { return SuiteDecode }

// Op is "layer".
func (d DecodeLayer) Op() string { return "layer" }

// DType is the type of weights, activations and KV cache.
func (d DecodeLayer) DType() DType { return d.Type }

// Workers is Ranks.
func (d DecodeLayer) Workers() int { return d.Ranks }

// Attention is the attention kernel inside the layer, of all TP ranks together.
func (d DecodeLayer) Attention() Attention {
	return Attention{Type: d.Type, Batch: d.Batch, QueryTokens: 1, ContextTokens: d.ContextTokens,
		Heads: d.Heads, KVHeads: d.KVHeads, HeadDim: d.HeadDim, Ranks: d.Ranks, Cache: d.Cache}
}

// Projections are the layer's products, in order, with m the batch: QKV,
// output, up (with gate), down. With experts, up and down are of one expert.
func (d DecodeLayer) Projections() [4]GEMM {
	up := int64(1)
	if d.Gated {
		up = 2
	}
	g := GEMM{Kernel: "matmul", Type: d.Type, M: d.Batch, Ranks: d.Ranks, Cache: d.Cache}
	qkv, out, gate, down := g, g, g, g
	qkv.N, qkv.K = (d.Heads+2*d.KVHeads)*d.HeadDim, d.Hidden
	out.N, out.K = d.Hidden, d.Heads*d.HeadDim
	gate.N, gate.K = up*d.FFWidth, d.Hidden
	down.N, down.K = d.Hidden, d.FFWidth
	return [4]GEMM{qkv, out, gate, down}
}

// AttentionWeights is the parameters of the attention projections.
func (d DecodeLayer) AttentionWeights() float64 {
	p := d.Projections()
	return float64(p[0].N)*float64(p[0].K) + float64(p[1].N)*float64(p[1].K)
}

// ExpertWeights is the parameters of one expert, or of a dense feed-forward.
func (d DecodeLayer) ExpertWeights() float64 {
	p := d.Projections()
	return float64(p[2].N)*float64(p[2].K) + float64(p[3].N)*float64(p[3].K)
}

// FLOPs is 2 for every weight that a token uses, the router's, and attention.
func (d DecodeLayer) FLOPs() float64 {
	f := 2 * float64(d.Batch) * (d.AttentionWeights() + float64(d.TopK)*d.ExpertWeights())
	if d.Experts > 1 {
		f += 2 * float64(d.Batch) * float64(d.Hidden) * float64(d.Experts)
	}
	return f + d.Attention().FLOPs()
}

// Awake is how many experts the batch wakes, if each token chooses uniformly.
func (d DecodeLayer) Awake() float64 { return AwakeExperts(d.Experts, d.TopK, d.Batch) }

// Bytes is the weights that are awake (Awake experts), the KV cache, and the
// tokens in and out.
func (d DecodeLayer) Bytes() float64 {
	w := d.AttentionWeights() + d.Awake()*d.ExpertWeights()
	return w*d.Type.Size() + d.Attention().KVBytes() + 2*float64(d.Batch)*float64(d.Hidden)*d.Type.Size()
}

// WireBytes is two ring all-reduces of the activations under tensor
// parallelism (Shoeybi et al., "Megatron-LM", 2019, section 3).
func (d DecodeLayer) WireBytes() float64 {
	if d.TP < 2 {
		return 0
	}
	n := float64(d.TP)
	return 2 * 2 * (n - 1) / n * float64(d.Batch) * float64(d.Hidden) * d.Type.Size()
}

// Key names every field.
func (d DecodeLayer) Key() string { return layerOperation.key(d.Suite(), unsafe.Pointer(&d)) }

func (d DecodeLayer) cells(c *cells) { layerOperation.write(unsafe.Pointer(&d), c) }

// Validate says in one sentence what is wrong with the shape.
func (d DecodeLayer) Validate() error {
	if d.Type.Size() == 0 {
		return fmt.Errorf("decode: unknown data type %q", d.Type)
	}
	if err := positive("decode", "hidden", d.Hidden, "ff_width", d.FFWidth, "experts", d.Experts,
		"top_k", d.TopK, "tp", int64(d.TP)); err != nil {
		return err
	}
	if d.TopK > d.Experts {
		return fmt.Errorf("decode: top-%d of %d experts: a token cannot choose more experts than there are", d.TopK, d.Experts)
	}
	if d.Heads%int64(d.TP) != 0 || d.FFWidth%int64(d.TP) != 0 {
		return fmt.Errorf("decode: %d heads and a feed-forward of %d cannot be split evenly over tensor-parallel %d", d.Heads, d.FFWidth, d.TP)
	}
	return d.Attention().Validate()
}
