package microbench

import (
	"fmt"

	"bench/datasets"
	"bench/datasets/catalog"
)

// layerOf is a model of the catalogue, and over how many tensor-parallel ranks
// its layer is spread where it is too large for one GPU: one rank's share is
// measured.
type layerOf struct {
	id    string
	share int64
}

// The axes of decode layers: on a host models that are scaled to its memory
// (multi-head, grouped-query and multi-query attention); on a GPU real ones, with
// dense feed-forwards and experts. decodePoints are batch and context, where they
// are not every combination of batches and contexts.
var (
	hostLayers = []layerOf{{"host-mha", 1}, {"host-gqa", 1}, {"host-mqa", 1}}
	gpuLayers  = []layerOf{{"llama-3-8b", 1}, {"llama-3-70b", 1}, {"gpt-4", 8}, {"gpt-4-mqa", 8}, {"mixtral-8x7b", 1}}
	fullLayers = append(gpuLayers[:len(gpuLayers):len(gpuLayers)], layerOf{"llama-3-405b", 1}, layerOf{"mixtral-8x22b", 1})

	hostPoints = values[[2]int64]{{{1, 512}, {16, 512}, {4, 2048}},
		{{1, 128}, {1, 1024}, {1, 2048}, {4, 128}, {4, 1024}, {4, 2048}, {16, 128}, {16, 1024}, {64, 128}, {64, 512}, {256, 128}}, nil}
	gpuPoints    = values[[2]int64]{{{1, 2048}, {32, 2048}, {256, 1024}}, nil, nil}
	hostBatches  = values[int64]{{1, 16}, {1, 16}, {1, 4, 16, 64, 256}}
	gpuBatches   = values[int64]{{1, 32}, {1, 4, 16, 64, 256}, doubles(1, 256)}
	hostContexts = values[int64]{{512}, {512}, {128, 512, 2048, 4096}}
	gpuContexts  = values[int64]{{2048}, {512, 2048, 8192, 32768}, {128, 512, 2048, 8192, 32768, 131072}}
)

var decodeSuite = suite{
	name: datasets.SuiteDecode, share: 0.14,
	takes: []string{"dtype", "batch", "context", "model", "ranks"},
	workloads: func(a *axes) (out []datasets.Workload, err error) {
		gpu := a.dev.Kind == "gpu"
		models, err := a.models(pick(a, nil, values[layerOf]{hostLayers, hostLayers, hostLayers}, values[layerOf]{gpuLayers, gpuLayers, fullLayers}))
		if err != nil {
			return nil, err
		}
		points := pick(a, nil, hostPoints, gpuPoints)
		if len(points) == 0 || len(a.Batches)+len(a.Contexts) > 0 {
			points = nil
			for _, b := range pick(a, a.Batches, hostBatches, gpuBatches) {
				for _, c := range pick(a, a.Contexts, hostContexts, gpuContexts) {
					points = append(points, [2]int64{b, c})
				}
			}
		}
		columns, ranks, fp32, bf16 := "ranks", a.oneAndAll(), []datasets.DType{datasets.FP32}, []datasets.DType{datasets.BF16}
		if gpu {
			columns, ranks = "tensor_parallel ranks", or(a.Ranks, 1)
		}
		for _, t := range pick(a, a.DTypes, values[datasets.DType]{fp32, fp32, fp32}, values[datasets.DType]{bf16, bf16, bf16}) {
			for _, m := range models {
				for _, w := range datasets.Cross(m.DecodeLayer(t, 1, 1, 1, 1), datasets.Axis("batch context_tokens", points...), datasets.Axis(columns, ranks...)) {
					first := [2]int64{w.Batch, w.ContextTokens} == points[0]
					switch {
					case a.untrained(m, w.ContextTokens) || !a.layerFits(w):
					case !gpu && (first || w.Ranks == a.all || len(a.Ranks) > 0):
						out = append(out, w)
					case gpu:
						// Replayed as a graph; the attention alone; and launched one kernel after
						// another where the launches show, at the smallest batch (full: at all).
						w.Launch = "graph"
						out = append(out, w)
						if w.TP == 1 && m.Latent == nil {
							out = append(out, w.Attention())
						}
						if w.Launch = "eager"; first || a.Profile == Full {
							out = append(out, w)
						}
					}
				}
			}
		}
		split, err := a.splitLayers()
		return appendAll(out, split), err
	},
}

// untrained reports a context that the model was never trained on, which is
// measured only where it is asked for.
func (a *axes) untrained(m datasets.Model, context int64) bool {
	return context > m.Context && len(a.Contexts) == 0
}

// gpuMemoryShare of a GPU's memory is what a case may fill: the rest is the
// activations', the libraries' and the driver's.
const gpuMemoryShare = 0.8

// shareOf is what one of n tensor-parallel ranks has of a model's layers: its
// query heads, its KV heads (at least one: fewer heads than ranks are held by
// several), and its slice of the feed-forward or of every expert. The all-reduces
// after attention and feed-forward are not part of it.
func shareOf(m datasets.Model, n int64) datasets.Model {
	if n > 1 {
		m.ID = fmt.Sprintf("%s-share-%d", m.ID, n)
		m.Heads, m.KVHeads, m.FFWidth = m.Heads/n, max(1, m.KVHeads/n), m.FFWidth/n
	}
	return m
}

// models are those that are asked for, whole, or the profile's.
func (a *axes) models(layers []layerOf) (out []datasets.Model, err error) {
	if len(a.Models) > 0 {
		return a.Models, nil
	}
	for _, l := range layers {
		m, err := catalog.Model(l.id)
		if err != nil {
			return nil, err
		}
		out = append(out, shareOf(m, l.share))
	}
	return out, nil
}

// splitLayers are layers that are measured whole, under tensor parallelism on the
// GPUs of a node that has two or more: Llama's over 2, 4 and 8 GPUs, GPT-4's over
// as many as there are; quick has one of each kind. What is asked for by model or
// ranks is not theirs.
func (a *axes) splitLayers() (out []datasets.DecodeLayer, err error) {
	widest := widestSplit(a.all)
	if a.dev.Kind != "gpu" || widest < 2 || len(a.Ranks)+len(a.Models) > 0 {
		return nil, nil
	}
	ids, quick, more := []string{"llama-3-70b", "gpt-4", "gpt-4-mqa"}, a.Profile == Quick, []int64{1, 16, 256}
	if quick {
		ids, more = ids[:2], []int64{32}
	}
	contexts := []int64{2048, 8192}
	if quick {
		contexts = contexts[:1]
	}
	for _, t := range or(a.DTypes, datasets.BF16) {
		for _, id := range ids {
			m, err := catalog.Model(id)
			if err != nil {
				return nil, err
			}
			ranks := []int{widest}
			for n := widest / 2; n > 1 && id == "llama-3-70b" && !quick; n /= 2 {
				ranks = append(ranks, n)
			}
			layer := m.DecodeLayer(t, 1, 1, 1, 1)
			layer.Launch = "graph"
			for _, w := range datasets.Cross(layer, datasets.Axis("tensor_parallel ranks", ranks...),
				datasets.Axis("batch", or(a.Batches, more...)...), datasets.Axis("context_tokens", or(a.Contexts, contexts...)...)) {
				if !a.untrained(m, w.ContextTokens) && a.layerFits(w) {
					out = append(out, w)
				}
			}
		}
	}
	return out, nil
}

// widestSplit is the largest power of two up to 8 that a node has GPUs for: heads
// and widths of the catalogue's models divide by it.
func widestSplit(gpus int) int {
	n := 1
	for 2*n <= min(gpus, 8) {
		n *= 2
	}
	return n
}

// layerFits reports whether the weights of all experts and the cache fit a
// rank's memory. What was asked for by its batch and context is left for the
// backend to refuse by name.
func (a *axes) layerFits(w datasets.DecodeLayer) bool {
	memory := a.dev.MemoryBytes.Value
	if memory == 0 || a.dev.Kind == "cpu" || len(a.Batches) > 0 && len(a.Contexts) > 0 {
		return true
	}
	weights := (w.AttentionWeights() + float64(w.Experts)*w.ExpertWeights()) * w.Type.Size()
	return (weights+w.Attention().KVBytes())/float64(w.TP) <= gpuMemoryShare*memory
}
