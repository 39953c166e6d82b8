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

// AttentionWeights is the attention parameters of one layer: Q, K, V and
// output projections, without biases.
func (m Model) AttentionWeights() float64 {
	h, d := float64(m.Hidden), float64(m.HeadDim)
	return h*d*float64(m.Heads+2*m.KVHeads) + float64(m.Heads)*d*h
}

// ExpertWeights is the parameters of one expert of one layer, or of a dense
// feed-forward, without biases.
func (m Model) ExpertWeights() float64 {
	matrices := 2.0
	if m.Gated {
		matrices = 3
	}
	return matrices * float64(m.Hidden) * float64(m.FFWidth)
}

// LayerWeights is every parameter of one layer: attention, all experts with
// their router, and two norms; biases, which no model here but GPT-3 has and
// which are 0.01 % of that one, are not counted.
func (m Model) LayerWeights() float64 {
	w := m.AttentionWeights() + float64(m.Experts)*m.ExpertWeights() + 2*float64(m.Hidden)
	if m.Experts > 1 {
		w += float64(m.Hidden) * float64(m.Experts)
	}
	return w
}

// Parameters is the parameters of the whole model: layers, final norm, and
// embeddings.
func (m Model) Parameters() float64 {
	embeddings := 2.0
	if m.Tied {
		embeddings = 1
	}
	h := float64(m.Hidden)
	return float64(m.Layers)*m.LayerWeights() + h +
		h*(embeddings*float64(m.Vocabulary)+float64(m.LearnedPositions))
}

// ActiveParameters is the parameters that one token uses: all but the experts
// that it does not choose.
func (m Model) ActiveParameters() float64 {
	return m.Parameters() - float64(m.Layers)*float64(m.Experts-m.TopK)*m.ExpertWeights()
}

// KVBytesPerToken is the keys and values of one token in all layers.
func (m Model) KVBytesPerToken(t DType) float64 {
	return 2 * float64(m.Layers) * float64(m.KVHeads) * float64(m.HeadDim) * t.Size()
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
	return nil
}
