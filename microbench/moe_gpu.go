package microbench

import (
	"bench/datasets"
	"bench/datasets/catalog"
)

// gpuExperts are the mixtures that are measured: few large experts, many small
// ones, and a rank's share of GPT-4's, which have two matrices.
var gpuExperts = []gpuLayer{{"mixtral-8x7b", 1}, {"deepseek-v3", 1}, {"gpt-4", 8}}

// gpuMoE are whole layers at real sizes, every routing beside the balanced one
// that its slowdown is relative to.
func (a *axes) gpuMoE() ([]datasets.Workload, error) {
	tokens := map[Profile][]int64{Quick: {1, 32, 256, 4096}, Standard: {1, 4, 16, 64, 256, 1024, 4096},
		Full: {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}}[a.Profile]
	var out []datasets.Workload
	add := func(t datasets.DType, m datasets.Model, n int64, rule datasets.RoutingRule, ep, tp int) {
		w := datasets.MoELayer{Kernel: "layer", Type: t, Tokens: n, Hidden: m.Hidden, Intermediate: m.FFWidth, Experts: m.Experts, TopK: m.TopK,
			Gated: m.Gated, TP: tp, EP: ep, Routing: a.routing(rule), Ranks: ep * tp, Cache: datasets.Cold}
		memory := a.dev.MemoryBytes.Value
		if memory > 0 && float64(m.Experts)*w.ExpertBytes()/float64(ep) > gpuMemoryShare*memory || m.Experts%int64(ep) != 0 {
			return
		}
		out = append(out, w)
	}
	for _, t := range or(a.DTypes, datasets.BF16) {
		for _, ranks := range or(a.Ranks, 1) {
			for _, e := range gpuExperts {
				m, err := catalog.Model(e.id)
				if err != nil {
					return nil, err
				}
				if ranks == 1 {
					m = shareOf(m, e.share)
				}
				for i, n := range or(a.Batches, tokens...) {
					rules := fewRules
					if a.Profile != Quick || i == 2 || len(a.Batches) > 0 {
						rules = everyRule
					}
					for _, rule := range rules {
						add(t, m, n, rule, ranks, 1)
					}
				}
			}
			if a.Trace == nil {
				continue
			}
			for _, n := range or(a.Batches, min(a.Trace.Tokens(), 4096)) {
				if n <= a.Trace.Tokens() {
					m := tracedModel(a.Trace)
					add(t, m, n, datasets.RouteBalanced, ranks, 1)
					add(t, m, n, datasets.RouteTrace, ranks, 1)
				}
			}
		}
	}
	if len(a.Ranks) > 0 {
		return out, nil
	}
	// On a node, the whole layers with their experts shared out over all its GPUs,
	// and GPT-4's with every expert split instead; quick has one layer.
	n := widestSplit(a.all)
	if n < 2 {
		return out, nil
	}
	experts, batches, rules := gpuExperts, or(a.Batches, 1, 64, 4096), everyRule
	if a.Profile == Quick {
		experts, batches, rules = gpuExperts[1:2], or(a.Batches, 4096), fewRules
	}
	for _, t := range or(a.DTypes, datasets.BF16) {
		for _, e := range experts {
			m, err := catalog.Model(e.id)
			if err != nil {
				return nil, err
			}
			for _, tokens := range batches {
				for _, rule := range rules {
					add(t, m, tokens, rule, n, 1)
					if e.share > 1 {
						add(t, m, tokens, rule, 1, n)
					}
				}
			}
		}
	}
	return out, nil
}

// tracedModel is the catalogue's model that routes as a trace does, or else
// experts of Mixtral's width.
func tracedModel(t *datasets.Trace) datasets.Model {
	for _, m := range catalog.Models() {
		if m.Experts == t.Experts && m.TopK == t.TopK {
			return m
		}
	}
	return datasets.Model{Hidden: 4096, FFWidth: 2048, Experts: t.Experts, TopK: t.TopK, Gated: true}
}
