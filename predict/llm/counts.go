// Package llm says what a whole language model needs and takes: parameters,
// FLOP and bytes of a pass, memory a GPU under a layout, and the time of a
// training, prefill or decode step. A step is a sum of the workloads that the
// suites measure, each through predict, so that a device's measured or
// calibrated ceilings flow up into tokens a second and dollars.
//
// Everything here is a pure function of model, layout and device.
package llm

import "bench/datasets"

// Parts is a model's parameters by what they are for.
type Parts struct {
	Embedding float64 `json:"embedding"`
	// Output is 0 where the embedding serves again.
	Output    float64 `json:"output"`
	Attention float64 `json:"attention"`
	// DenseFF is the feed-forward of dense layers, Experts that of all routed
	// experts, and SharedExperts of those that every token uses.
	DenseFF       float64 `json:"dense_ff"`
	Experts       float64 `json:"experts"`
	SharedExperts float64 `json:"shared_experts"`
	Router        float64 `json:"router"`
	Norms         float64 `json:"norms"`
	// Vision is cross-attention layers and image encoder.
	Vision float64 `json:"vision"`
}

// CountParts is the model's parameters by part; they add up to
// Model.Parameters.
func CountParts(m datasets.Model) Parts {
	routed := float64(m.Layers - m.DenseLayers)
	p := Parts{Embedding: m.EmbeddingWeights(), Attention: float64(m.Layers) * m.AttentionWeights(),
		DenseFF: float64(m.DenseLayers) * m.DenseFFWeights(), SharedExperts: routed * float64(m.SharedExperts) * m.ExpertWeights(),
		Router: routed * m.RouterWeights(), Norms: float64(m.Layers)*m.NormWeights() + float64(m.Hidden), Vision: m.VisionWeights()}
	if !m.Tied {
		p.Output = m.OutputWeights()
	}
	if m.Experts > 1 {
		p.Experts = routed * float64(m.Experts) * m.ExpertWeights()
	} else {
		p.DenseFF += routed * m.ExpertWeights()
	}
	return p
}

// Total is the sum of all parts.
func (p Parts) Total() float64 {
	return p.Embedding + p.Output + p.Attention + p.DenseFF + p.Experts + p.SharedExperts + p.Router + p.Norms + p.Vision
}

// MatmulWeights is the parameters that a token is multiplied with: those it
// uses, without norms and the embedding, of which only a row is read, and with
// the output projection, tied or not. Vision is left out: text alone passes it
// by.
func MatmulWeights(m datasets.Model) float64 {
	routed := float64(m.Layers - m.DenseLayers)
	return float64(m.Layers)*m.AttentionWeights() + float64(m.DenseLayers)*m.DenseFFWeights() +
		routed*(float64(m.TopK+m.SharedExperts)*m.ExpertWeights()+m.RouterWeights()) + m.OutputWeights()
}

// pairWidth is the multiply-adds of one (query, key) pair over all heads of a
// layer: score and weighted value. Latent attention works on whole keys in a
// prompt, and on the cached latent itself in decoding, its up-projections
// absorbed in those of query and output (DeepSeek-AI, "DeepSeek-V2", 2024,
// section 2.1.2 and appendix C).
func pairWidth(m datasets.Model, decoding bool) float64 {
	a := float64(m.Heads)
	if l := m.Latent; l != nil {
		if decoding {
			return a * float64(2*l.KVRank+l.QKRope)
		}
		return a * float64(l.QKNope+l.QKRope+l.Value)
	}
	return 2 * a * float64(m.HeadDim)
}

// Count says which attended pairs count.
type Count bool

const (
	// Causal counts what must be computed: each token with itself and those
	// before it.
	Causal Count = false
	// Square counts every pair of a prompt, as kernels without a causal form
	// compute and as Narayanan et al. (2021) and Chowdhery et al. (2022,
	// appendix B) count.
	Square Count = true
)

// AttentionFLOPs is one sequence's scores and weighted values over all layers:
// query new tokens of context in all.
func AttentionFLOPs(m datasets.Model, query, context int64, count Count) float64 {
	q, c := float64(query), float64(context)
	pairs := q*(c-q) + q*(q+1)/2
	if count == Square {
		pairs = q * c
	}
	return 2 * float64(m.Layers) * pairWidth(m, query == 1) * pairs
}

// ForwardFLOPs is one sequence's forward pass of query new tokens over a
// context that includes them: 2 a weight that a token is multiplied with, and
// attention.
func ForwardFLOPs(m datasets.Model, query, context int64, count Count) float64 {
	return 2*float64(query)*MatmulWeights(m) + AttentionFLOPs(m, query, context, count)
}

// DecodeFLOPs is one new token's at a context that includes it.
func DecodeFLOPs(m datasets.Model, context int64) float64 {
	return ForwardFLOPs(m, 1, context, Causal)
}

// DecodeBytes is what one decode step must read: the weights that are awake
// and the KV cache of every sequence. awake is how many experts of a layer the
// batch wakes (Model.TopK at batch 1; expectations are package moe's business).
func DecodeBytes(m datasets.Model, t, kv datasets.DType, batch, context int64, awake float64) float64 {
	routed := float64(m.Layers - m.DenseLayers)
	weights := MatmulWeights(m) + routed*(awake-float64(m.TopK))*m.ExpertWeights()
	return weights*t.Size() + float64(batch)*float64(context)*m.KVBytesPerToken(kv)
}

// CrossAttentionFLOPs is what vision adds to the forward pass of tokens of
// text that see so many image tokens each: its layers' projections of text and
// images, scores and values, and feed-forward. The encoder is not included.
func CrossAttentionFLOPs(m datasets.Model, tokens, imageTokens int64) float64 {
	if m.Vision == nil {
		return 0
	}
	v, h, inner := *m.Vision, float64(m.Hidden), float64(m.Heads*m.HeadDim)
	text := 2*h*inner + 2*h*float64(v.FFWidth) + 2*inner*float64(imageTokens)
	images := 2 * float64(v.Width) * inner * float64(imageTokens)
	return 2 * float64(v.Layers) * (float64(tokens)*text + images)
}

// SixND is the rule of thumb of training: 6 FLOP a parameter and token (Kaplan
// et al., "Scaling Laws for Neural Language Models", 2020, section 2.1).
func SixND(parameters, tokens float64) float64 { return 6 * parameters * tokens }

// Recompute says which activations are computed again in the backward pass.
type Recompute string

const (
	// RecomputeNone keeps all.
	RecomputeNone Recompute = "none"
	// RecomputeSelective computes scores, softmax and weighted values again
	// (Korthikanti et al., "Reducing Activation Recomputation in Large
	// Transformer Models", 2022, section 5), as FlashAttention always does.
	RecomputeSelective Recompute = "selective"
	// RecomputeFull keeps a layer's input alone.
	RecomputeFull Recompute = "full"
)

// Recomputes lists them all.
var Recomputes = []Recompute{RecomputeNone, RecomputeSelective, RecomputeFull}

// TrainFLOPs is model and hardware FLOP of training on sequences of a length,
// for each sequence: forward and twice that backward, and for the hardware
// what is computed again (Korthikanti et al. 2022, appendix A: full
// recomputation repeats the layers, but not the output projection).
func TrainFLOPs(m datasets.Model, sequence int64, r Recompute, count Count) (model, hardware float64) {
	forward := ForwardFLOPs(m, sequence, sequence, count)
	model = 3 * forward
	hardware = model
	switch r {
	case RecomputeSelective:
		hardware += AttentionFLOPs(m, sequence, sequence, count)
	case RecomputeFull:
		hardware += forward - 2*float64(sequence)*m.OutputWeights()
	}
	return model, hardware
}
