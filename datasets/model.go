package datasets

import "fmt"

// Model is the architecture of a decoder-only transformer, as far as its
// arithmetic goes. Sizes are counts of elements.
type Model struct {
	// ID is the catalogue name ("llama-3-8b"), Name the published one.
	ID   string `json:"id"`
	Name string `json:"name"`

	Layers int64 `json:"layers"`
	// Hidden is the width of the residual stream.
	Hidden int64 `json:"hidden"`
	// Heads are query heads. KVHeads equals Heads for multi-head attention, is
	// 1 for multi-query attention, and between for grouped-query attention.
	Heads   int64 `json:"heads"`
	KVHeads int64 `json:"kv_heads"`
	HeadDim int64 `json:"head_dim"`
	// FFWidth is the inner width of the feed-forward, or of one expert.
	FFWidth int64 `json:"ff_width"`
	// Gated feed-forwards have three matrices (gate, up, down), others two.
	Gated bool `json:"gated"`
	// Experts and TopK are 1 for a dense feed-forward.
	Experts int64 `json:"experts"`
	TopK    int64 `json:"top_k"`
	// SharedExperts, of FFWidth each, are used by every token beside its TopK.
	SharedExperts int64 `json:"shared_experts,omitempty"`
	// DenseLayers is how many of the first layers have a dense feed-forward of
	// DenseFFWidth in place of experts.
	DenseLayers  int64 `json:"dense_layers,omitempty"`
	DenseFFWidth int64 `json:"dense_ff_width,omitempty"`
	// RoutedNodes is how many nodes the router lets a token go to; 0 is no limit.
	RoutedNodes int64 `json:"routed_nodes,omitempty"`
	// WindowLayers of the layers attend to the last Window tokens alone.
	Window       int64 `json:"window,omitempty"`
	WindowLayers int64 `json:"window_layers,omitempty"`
	// QKNorm scales the heads of Q and K, one weight an element of a head.
	QKNorm bool `json:"qk_norm,omitempty"`
	// SandwichNorms have a norm before and after both attention and feed-forward.
	SandwichNorms bool `json:"sandwich_norms,omitempty"`
	// Biased projections, router and experts, and a learned attention sink a head.
	Biased bool `json:"biased,omitempty"`
	// ExpertBits is the bits of a stored expert weight, scales included, where the
	// model is published with experts narrower than its other weights; 0 elsewhere.
	ExpertBits float64 `json:"expert_bits,omitempty"`
	// DenseBits is the same of all other products' weights, and Published the type
	// of both where the model is published in one of 8 bits.
	DenseBits float64 `json:"dense_bits,omitempty"`
	Published DType   `json:"published_dtype,omitempty"`
	// WideAttention says that published 8-bit checkpoints keep attention in 16
	// bits, and WideEdges in how many of the first, and as many of the last layers
	// they keep the feed-forward. Embeddings, head, router and norms are always kept.
	WideAttention bool  `json:"wide_attention,omitempty"`
	WideEdges     int64 `json:"wide_edges,omitempty"`
	// WideKVHeads is how many KV heads such a checkpoint stores, where they are more
	// than the model's: each is there several times.
	WideKVHeads int64 `json:"wide_kv_heads,omitempty"`
	// Latent is multi-head latent attention, or nil.
	Latent *Latent `json:"latent,omitempty"`
	// ParallelBlocks compute attention and feed-forward from one normed input
	// and add both, so that a layer has one norm, and one all-reduce under
	// tensor parallelism.
	ParallelBlocks bool `json:"parallel_blocks,omitempty"`
	// RelativePositions have a projection of hidden × heads · head_dim a layer
	// (Dai et al., "Transformer-XL", 2019, section 3.3).
	RelativePositions bool `json:"relative_positions,omitempty"`
	// Vision is cross-attention to an image encoder, or nil.
	Vision *Vision `json:"vision,omitempty"`
	// Vocabulary is the rows of the embedding.
	Vocabulary int64 `json:"vocabulary"`
	// Tied models use the embedding again as the output projection.
	Tied bool `json:"tied"`
	// LearnedPositions is the rows of a learned position embedding, else 0.
	LearnedPositions int64 `json:"learned_positions,omitempty"`
	// Context is the longest context it was trained on, in tokens.
	Context int64 `json:"context"`

	// Source is where the architecture is published.
	Source string `json:"source"`
	// Assumption says in words what is not published but assumed here, else "".
	Assumption string `json:"assumption,omitempty"`
}

// Latent is multi-head latent attention: keys and values are projected up from
// one latent vector a token, and only that vector and a rotary key that all
// heads share are cached (DeepSeek-AI, "DeepSeek-V2", 2024, section 2.1). Sizes
// are those of config.json; HeadDim of the model is then QKNope.
type Latent struct {
	QRank  int64 `json:"q_rank"`
	KVRank int64 `json:"kv_rank"`
	// QKNope and QKRope are the parts of a key without and with rotary position.
	QKNope int64 `json:"qk_nope"`
	QKRope int64 `json:"qk_rope"`
	Value  int64 `json:"value"`
}

// Vision is gated cross-attention layers between the layers of a language
// model, each followed by a feed-forward of its own, over the output of an
// image encoder (Alayrac et al., "Flamingo", 2022, section 2.2).
type Vision struct {
	// Layers of cross-attention, with as many heads of the same size as the model.
	Layers int64 `json:"layers"`
	// Width of what keys and values are projected from.
	Width int64 `json:"width"`
	// FFWidth is the inner width of each layer's (ungated) feed-forward.
	FFWidth int64 `json:"ff_width"`
	// Tokens that an image has after the encoder.
	Tokens int64 `json:"tokens"`
	// EncoderParameters of the encoder and its resampler together.
	EncoderParameters int64 `json:"encoder_parameters"`
}

// LayerWeights is the parameters of the cross-attention layers of a model of
// that width, one layer: Q, K, V, output, feed-forward, two norms, two gates.
func (v Vision) LayerWeights(m Model) float64 {
	h, inner := float64(m.Hidden), float64(m.Heads*m.HeadDim)
	return 2*h*inner + 2*float64(v.Width)*inner + 2*h*float64(v.FFWidth) + 2*h + 2
}

// AttentionWeights is the attention parameters of one layer: Q, K, V and
// output projections (latent attention: down- and up-projections with their
// norms), without biases.
func (m Model) AttentionWeights() float64 {
	h, d, a := float64(m.Hidden), float64(m.HeadDim), float64(m.Heads)
	if l := m.Latent; l != nil {
		q, kv := float64(l.QRank), float64(l.KVRank)
		nope, rope, value := float64(l.QKNope), float64(l.QKRope), float64(l.Value)
		return h*q + q + q*a*(nope+rope) + h*(kv+rope) + kv + kv*a*(nope+value) + a*value*h
	}
	w := h*d*float64(m.Heads+2*m.KVHeads) + a*d*h
	if m.RelativePositions {
		w += h * a * d
	}
	if m.Biased {
		w += d*float64(m.Heads+2*m.KVHeads) + h + a
	}
	return w
}

func (m Model) matrices() float64 {
	if m.Gated {
		return 3
	}
	return 2
}

// ExpertWeights is the parameters of one expert of one layer, or of a dense
// feed-forward.
func (m Model) ExpertWeights() float64 {
	w := m.matrices() * float64(m.Hidden) * float64(m.FFWidth)
	if m.Biased {
		w += (m.matrices()-1)*float64(m.FFWidth) + float64(m.Hidden)
	}
	return w
}

// DenseFFWeights is the feed-forward parameters of one of the DenseLayers.
func (m Model) DenseFFWeights() float64 {
	return m.matrices() * float64(m.Hidden) * float64(m.DenseFFWidth)
}

// RouterWeights is those of one layer: none where there is but one expert.
func (m Model) RouterWeights() float64 {
	if m.Experts < 2 {
		return 0
	}
	w := float64(m.Hidden) * float64(m.Experts)
	if m.Biased {
		w += float64(m.Experts)
	}
	return w
}

// NormWeights is the parameters of the norms of one layer, a scale each.
func (m Model) NormWeights() float64 {
	w := 2 * float64(m.Hidden)
	switch {
	case m.ParallelBlocks:
		w = float64(m.Hidden)
	case m.SandwichNorms:
		w = 4 * float64(m.Hidden)
	}
	if m.QKNorm {
		w += 2 * float64(m.HeadDim)
	}
	return w
}

// LayerWeights is every parameter of one layer that is none of DenseLayers:
// attention, all experts with their router, and norms. Biases count where the
// model is Biased; GPT-3's, 0.01 % of it, do not.
func (m Model) LayerWeights() float64 {
	return m.AttentionWeights() + float64(m.Experts+m.SharedExperts)*m.ExpertWeights() + m.RouterWeights() + m.NormWeights()
}

// DenseLayerWeights is every parameter of one of the DenseLayers.
func (m Model) DenseLayerWeights() float64 {
	return m.AttentionWeights() + m.DenseFFWeights() + m.NormWeights()
}

// EmbeddingWeights is the token embedding, with learned positions.
func (m Model) EmbeddingWeights() float64 {
	return float64(m.Hidden) * float64(m.Vocabulary+m.LearnedPositions)
}

// OutputWeights is the output projection, whether tied or not.
func (m Model) OutputWeights() float64 { return float64(m.Hidden) * float64(m.Vocabulary) }

// VisionWeights is what Vision adds, or 0.
func (m Model) VisionWeights() float64 {
	if m.Vision == nil {
		return 0
	}
	return float64(m.Vision.Layers)*m.Vision.LayerWeights(m) + float64(m.Vision.EncoderParameters)
}

// Parameters is the parameters of the whole model: layers, final norm,
// embeddings, and vision.
func (m Model) Parameters() float64 {
	w := float64(m.Layers-m.DenseLayers)*m.LayerWeights() + float64(m.DenseLayers)*m.DenseLayerWeights() +
		float64(m.Hidden) + m.EmbeddingWeights() + m.VisionWeights()
	if !m.Tied {
		w += m.OutputWeights()
	}
	return w
}

// ActiveParameters is the parameters that one token uses: all but the experts
// that it does not choose.
func (m Model) ActiveParameters() float64 {
	return m.Parameters() - float64(m.Layers-m.DenseLayers)*float64(m.Experts-m.TopK)*m.ExpertWeights()
}

// KVElementsPerLayer is the cached elements of one token in one layer: keys and
// values, or the latent vector and the rotary key.
func (m Model) KVElementsPerLayer() float64 {
	if m.Latent != nil {
		return float64(m.Latent.KVRank + m.Latent.QKRope)
	}
	return 2 * float64(m.KVHeads) * float64(m.HeadDim)
}

// KVBytesPerToken is the cached bytes of one token in all layers.
func (m Model) KVBytesPerToken(t DType) float64 {
	return float64(m.Layers) * m.KVElementsPerLayer() * t.Size()
}

// DecodeLayer is one decode step of one of the model's layers on ranks cores
// or GPUs of which tp split the matrices. Its weights are cold: in a whole
// model every other layer has passed through the caches before it comes again.
func (m Model) DecodeLayer(t DType, batch, context int64, tp, ranks int) DecodeLayer {
	return DecodeLayer{Model: m.ID, Type: t, Batch: batch, ContextTokens: context,
		Hidden: m.Hidden, Heads: m.Heads, KVHeads: m.KVHeads, HeadDim: m.HeadDim, FFWidth: m.FFWidth,
		Gated: m.Gated, Experts: m.Experts, TopK: m.TopK, TP: tp, Ranks: ranks, Cache: Cold}
}

// Validate names the first field that is wrong, by its JSON name.
func (m Model) Validate() error {
	if m.ID == "" {
		return fmt.Errorf("model: id is missing")
	}
	if err := positive("model "+m.ID, "layers", m.Layers, "hidden", m.Hidden, "heads", m.Heads,
		"kv_heads", m.KVHeads, "head_dim", m.HeadDim, "ff_width", m.FFWidth, "experts", m.Experts,
		"top_k", m.TopK, "vocabulary", m.Vocabulary, "context", m.Context); err != nil {
		return err
	}
	if m.Heads%m.KVHeads != 0 {
		return fmt.Errorf("model %s: heads is %d, and must be a multiple of kv_heads, %d", m.ID, m.Heads, m.KVHeads)
	}
	if m.TopK > m.Experts {
		return fmt.Errorf("model %s: top_k is %d, and cannot exceed experts, %d", m.ID, m.TopK, m.Experts)
	}
	if m.LearnedPositions < 0 {
		return fmt.Errorf("model %s: learned_positions is %d, and must not be negative", m.ID, m.LearnedPositions)
	}
	for _, f := range []struct {
		name  string
		value int64
	}{{"shared_experts", m.SharedExperts}, {"dense_layers", m.DenseLayers}, {"dense_ff_width", m.DenseFFWidth}} {
		if f.value < 0 {
			return fmt.Errorf("model %s: %s is %d, and must not be negative", m.ID, f.name, f.value)
		}
	}
	if m.DenseLayers > m.Layers {
		return fmt.Errorf("model %s: dense_layers is %d, and cannot exceed layers, %d", m.ID, m.DenseLayers, m.Layers)
	}
	if m.DenseLayers > 0 && m.DenseFFWidth == 0 {
		return fmt.Errorf("model %s: dense_ff_width is missing: the %d dense_layers need it", m.ID, m.DenseLayers)
	}
	if l := m.Latent; l != nil {
		if err := positive("model "+m.ID+" latent", "q_rank", l.QRank, "kv_rank", l.KVRank, "qk_nope", l.QKNope,
			"qk_rope", l.QKRope, "value", l.Value); err != nil {
			return err
		}
	}
	if v := m.Vision; v != nil {
		if err := positive("model "+m.ID+" vision", "layers", v.Layers, "width", v.Width, "ff_width", v.FFWidth, "tokens", v.Tokens); err != nil {
			return err
		}
		if v.EncoderParameters < 0 {
			return fmt.Errorf("model %s vision: encoder_parameters is %d, and must not be negative", m.ID, v.EncoderParameters)
		}
	}
	// Beyond these no product of two sizes is exact, and none is a model's.
	for _, f := range []struct {
		name  string
		value int64
	}{{"layers", m.Layers}, {"hidden", m.Hidden}, {"heads", m.Heads}, {"head_dim", m.HeadDim}, {"ff_width", m.FFWidth},
		{"experts", m.Experts}, {"vocabulary", m.Vocabulary}, {"context", m.Context}} {
		if f.value > 1<<30 {
			return fmt.Errorf("model %s: %s is %d, and must not exceed 2^30", m.ID, f.name, f.value)
		}
	}
	return nil
}
