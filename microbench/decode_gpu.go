package microbench

import (
	"fmt"

	"bench/datasets"
	"bench/datasets/catalog"
)

// gpuLayer is a model of the catalogue, and over how many tensor-parallel ranks
// its layer is spread where it is too large for one GPU: one rank's share is
// measured.
type gpuLayer struct {
	id    string
	share int64
}

// gpuLayers are grouped-query, multi-head and multi-query attention, dense
// feed-forwards and experts.
var gpuLayers = []gpuLayer{{"llama-3-8b", 1}, {"llama-3-70b", 1}, {"gpt-4", 8}, {"gpt-4-mqa", 8}, {"mixtral-8x7b", 1}}

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

// gpuModels are those that are asked for, whole, or the profile's.
func (a *axes) gpuModels() ([]datasets.Model, error) {
	if len(a.Models) > 0 {
		return a.Models, nil
	}
	layers := gpuLayers
	if a.Profile == Full {
		layers = append(layers[:len(layers):len(layers)], gpuLayer{"llama-3-405b", 1}, gpuLayer{"mixtral-8x22b", 1})
	}
	var out []datasets.Model
	for _, l := range layers {
		m, err := catalog.Model(l.id)
		if err != nil {
			return nil, err
		}
		out = append(out, shareOf(m, l.share))
	}
	return out, nil
}

// gpuDecode are layers at real sizes, replayed as a graph; launched one kernel
// after another where the launches show, at the smallest batch (full: at all);
// and their attention alone.
func (a *axes) gpuDecode() ([]datasets.Workload, error) {
	models, err := a.gpuModels()
	if err != nil {
		return nil, err
	}
	type point struct{ batch, context int64 }
	points := []point{{1, 2048}, {32, 2048}, {256, 1024}}
	if a.Profile != Quick || len(a.Batches)+len(a.Contexts) > 0 {
		points = nil
		batches, contexts := []int64{1, 4, 16, 64, 256}, []int64{512, 2048, 8192, 32768}
		switch a.Profile {
		case Quick:
			batches, contexts = []int64{1, 32}, []int64{2048}
		case Full:
			batches, contexts = []int64{1, 2, 4, 8, 16, 32, 64, 128, 256}, []int64{128, 512, 2048, 8192, 32768, 131072}
		}
		for _, b := range or(a.Batches, batches...) {
			for _, c := range or(a.Contexts, contexts...) {
				points = append(points, point{b, c})
			}
		}
	}
	var out []datasets.Workload
	for _, t := range or(a.DTypes, datasets.BF16) {
		for _, m := range models {
			for i, p := range points {
				// As on the host: what the model was never trained on, only where asked.
				if p.context > m.Context && len(a.Contexts) == 0 {
					continue
				}
				for _, r := range or(a.Ranks, 1) {
					w := m.DecodeLayer(t, p.batch, p.context, r, r)
					if !a.layerFits(w) {
						continue
					}
					w.Launch = "graph"
					out = append(out, w)
					if r == 1 && m.Latent == nil {
						out = append(out, w.Attention())
					}
					if i == 0 || a.Profile == Full {
						w.Launch = "eager"
						out = append(out, w)
					}
				}
			}
		}
	}
	split, err := a.splitLayers()
	return append(out, split...), err
}

// splitModels are the layers that are measured whole, under tensor parallelism:
// Llama's over 2, 4 and 8 GPUs, GPT-4's over as many as there are.
var splitModels = []struct {
	id  string
	all bool
}{{"llama-3-70b", false}, {"gpt-4", true}, {"gpt-4-mqa", true}}

// splitLayers are decode layers on the GPUs of a node that has two or more; quick
// has one of each kind. What is asked for by model or ranks is not theirs.
func (a *axes) splitLayers() ([]datasets.Workload, error) {
	if len(a.Ranks)+len(a.Models) > 0 {
		return nil, nil
	}
	widest := widestSplit(a.all)
	batches, contexts := or(a.Batches, 1, 16, 256), or(a.Contexts, 2048, 8192)
	models := splitModels
	if a.Profile == Quick {
		batches, contexts, models = or(a.Batches, 32), or(a.Contexts, 2048), splitModels[:2]
	}
	var out []datasets.Workload
	for _, t := range or(a.DTypes, datasets.BF16) {
		for _, l := range models {
			m, err := catalog.Model(l.id)
			if err != nil {
				return nil, err
			}
			for n := widest; n > 1; n /= 2 {
				if n < widest && (l.all || a.Profile == Quick) {
					break
				}
				for _, b := range batches {
					for _, c := range contexts {
						w := m.DecodeLayer(t, b, c, n, n)
						if c > m.Context && len(a.Contexts) == 0 || !a.layerFits(w) {
							continue
						}
						w.Launch = "graph"
						out = append(out, w)
					}
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
	if memory == 0 || len(a.Batches) > 0 && len(a.Contexts) > 0 {
		return true
	}
	weights := (w.AttentionWeights() + float64(w.Experts)*w.ExpertWeights()) * w.Type.Size()
	return (weights+w.Attention().KVBytes())/float64(w.TP) <= gpuMemoryShare*memory
}
