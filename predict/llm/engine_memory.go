package llm

import (
	"bench/datasets"
)

// EngineMemory is where a card's memory goes under a serving engine, in bytes of
// one GPU of the fullest stage.
type EngineMemory struct {
	// Card is all that an application finds, Budget the engine's share of it.
	Card    float64 `json:"card_bytes"`
	Budget  float64 `json:"budget_bytes"`
	Weights float64 `json:"weights_bytes"`
	// Activations of the largest step, and Buffers of NCCL, CUDA's context and
	// captured graphs.
	Activations float64 `json:"activations_bytes"`
	Buffers     float64 `json:"buffers_bytes"`
	// KV is what is left for the cache, below 0 where the weights do not fit, and
	// KVToken what a token of a sequence takes.
	KV      float64 `json:"kv_bytes"`
	KVToken float64 `json:"kv_bytes_per_token"`
}

// Tokens that the cache holds on a replica, in whole blocks.
func (m EngineMemory) Tokens(block int64) int64 {
	if m.KV <= 0 || m.KVToken <= 0 {
		return 0
	}
	return int64(m.KV/m.KVToken) / block * block
}

const (
	// cardShare is what of a card an application finds: 139.8 GiB of an H20's or
	// H200's 141 (vllm-project/recipes pull request 12: 48.66 GiB are left at a share
	// of 0.9 and 55.65 at 0.95), 79.2 of an H100's 80.
	cardShare = 0.9915
	// contextBytes is CUDA's context with the libraries' kernels and workspaces,
	// and ranksBytes what NCCL and the engine's own all-reduce keep for peers
	// (vLLM logs 0.5 to 1 GiB of non-torch memory alone and 1.5 to 2 among eight).
	contextBytes = 0.6 * (1 << 30)
	ranksBytes   = 1.0 * (1 << 30)
	// expertChunk is how many tokens vLLM's fused experts take at once
	// (VLLM_FUSED_MOE_CHUNK_SIZE of 0.10).
	expertChunk = 32768
)

// EngineMemory of an engine that takes a share of the card (of what the weights
// leave, where ofFree) and steps of at most budget tokens and sequences.
func (l Layout) EngineMemory(d datasets.Device, m datasets.Model, s Serving, share float64, ofFree bool, budget, sequences int64) EngineMemory {
	var fullest EngineMemory
	for i := range l.PP {
		out := EngineMemory{Card: d.MemoryBytes.Value * cardShare, Weights: l.stageWeights(m, s, i), Buffers: contextBytes,
			Activations: l.largestStep(m, s, budget, sequences, i), KVToken: l.windowedKV(m, s.kv(), i)}
		if l.TP*l.EP > 1 {
			out.Buffers += ranksBytes
		}
		fixed := out.Weights + out.Activations + out.Buffers
		out.Budget = out.Card * share
		if ofFree {
			out.Budget = fixed + (out.Card-fixed)*share
		}
		out.KV = out.Budget - fixed
		if i == 0 || out.KV/out.KVToken < fullest.KV/fullest.KVToken {
			fullest = out
		}
	}
	return fullest
}

// windowedKV is a token's bytes of the cache in the layers that keep all of it.
// Those with a window keep little, which is left out.
func (l Layout) windowedKV(m datasets.Model, kv datasets.DType, stage int) float64 {
	all := l.KVBytesPerSequenceToken(m, kv, stage)
	return all * float64(m.Layers-m.WindowLayers) / float64(m.Layers)
}

// largestStep is the activations of a step of so many tokens, in 16 bits: what
// one layer has at once, since the next layer reuses it, and the logits of as
// many sequences in FP32, with their copy for sampling.
func (l Layout) largestStep(m datasets.Model, s Serving, tokens, sequences int64, stage int) float64 {
	up := 1.0
	if m.Gated {
		up = 2
	}
	width := float64(m.DenseFFWidth)
	if m.Experts < 2 {
		width = float64(m.FFWidth)
	}
	h, tp, n := float64(m.Hidden), float64(l.TP), float64(tokens)
	wide := Wide(s.Type).Size()
	bytes := 3 * n * h * wide // the residual, a norm's output, a product's
	inner := n * (up + 1) * width / tp * wide
	if m.Experts > 1 {
		groups := float64(l.EP*l.ETP) / tp
		routed := min(n*max(groups, 1), expertChunk)
		k := float64(m.TopK)
		width := float64(m.FFWidth) / float64(l.ETP)
		// Gate and up share their buffer with the sum's input; the activation has its own.
		experts := routed * k * (max(up*width, h) + width) * wide
		if s.Type.Size() < 2 {
			experts += routed * (h + k*width) * s.Type.Size()
		}
		if groups > 1 {
			experts += 2 * n * groups * h * wide // what other replicas sent, and its results
		}
		inner = max(inner, experts)
	}
	bytes += inner
	if stage == l.PP-1 {
		bytes += float64(min(sequences, tokens)) * float64(m.Vocabulary) * (4 + wide)
	}
	return bytes
}

// stageWeights is the bytes of a GPU's weights. In an 8-bit checkpoint
// embeddings, head, router and norms keep 16 bits, and what the model says
// besides; experts may have a format of their own.
func (l Layout) stageWeights(m datasets.Model, s Serving, stage int) float64 {
	shared, experts := l.StageParameters(m, stage)
	t, wide := s.Type.Size(), Wide(s.Type).Size()
	dense, expert := t, t
	if s.Formats.Dense > 0 {
		dense = s.Formats.Dense / 8
	}
	if s.Formats.Experts > 0 {
		expert = s.Formats.Experts / 8
	}
	bytes := shared*dense + experts*expert + l.keptWide(m, stage)*(wide-dense)
	if again := m.WideKVHeads - m.KVHeads; again > 0 && dense < wide {
		bytes += float64(l.StageLayers[stage]*2*m.Hidden*m.HeadDim*again) / float64(l.TP) * wide
	}
	return bytes
}

// keptWide is the parameters of a GPU that an 8-bit checkpoint keeps in 16 bits.
func (l Layout) keptWide(m datasets.Model, stage int) float64 {
	from, to := int64(0), l.StageLayers[stage]
	for i := range stage {
		from += l.StageLayers[i]
	}
	layers := float64(to)
	kept := layers * m.NormWeights()
	if m.Experts > 1 {
		_, routed := l.stageSpan(m, stage)
		kept += float64(routed) * m.RouterWeights()
	}
	if m.WideAttention {
		kept += layers * l.attentionShare(m)
	}
	edges := float64(0)
	for i := from; i < from+to; i++ {
		if i < m.WideEdges || i >= m.Layers-m.WideEdges {
			edges++
		}
	}
	if m.Experts < 2 {
		kept += edges * m.ExpertWeights() / float64(l.TP)
	}
	if stage == 0 {
		kept += m.EmbeddingWeights() / float64(l.TP)
	}
	if stage == l.PP-1 && (!m.Tied || stage > 0) {
		kept += m.OutputWeights() / float64(l.TP)
	}
	return kept
}
