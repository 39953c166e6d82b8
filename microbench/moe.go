package microbench

import (
	"math/bits"
	"slices"

	"bench/datasets"
	"bench/datasets/catalog"
)

// moeWidth is the width of the model and of each expert on a host: 3 MiB of
// weights an expert in fp32, so that 128 of them fit a small host's memory and 16
// do not fit its caches.
const moeWidth = 512

// defaultExponent of Zipf's law, its classic form.
const defaultExponent = 1.0

// mixture is a layer with the routings that it is tried with. Each has balanced
// routing, the base of the slowdown that is reported for the others.
type mixture struct {
	datasets.MoELayer
	rules []datasets.RoutingRule
}

// The axes of mixtures.
var (
	everyRule = []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteUniform, datasets.RouteZipf, datasets.RouteOneHot, datasets.RouteAllOnOne}
	fewRules  = everyRule[:3:3]

	// gpuExperts are few large experts, many small ones, and a rank's share of
	// GPT-4's, which have two matrices.
	gpuExperts = []layerOf{{"mixtral-8x7b", 1}, {"deepseek-v3", 1}, {"gpt-4", 8}}
	hostTokens = values[int64]{nil, {1, 16, 128, 1024}, {1, 4, 16, 64, 256, 1024, 4096}}
	gpuTokens  = values[int64]{{1, 32, 256, 4096}, {1, 4, 16, 64, 256, 1024, 4096}, doubles(1, 4096)}

	// quickMixtures are the host's in the quick profile; the last one's experts are
	// spread over its ranks.
	quickMixtures = []mixture{
		hostLayer(8, 2, 1, fewRules[:1]), hostLayer(8, 2, 16, fewRules), hostLayer(8, 2, 256, everyRule),
		hostLayer(16, 1, 64, fewRules[:2]), hostLayer(64, 8, 64, fewRules),
		hostLayer(128, 1, 128, []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteUniform, datasets.RouteOneHot}),
		hostLayer(8, 2, 128, []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteZipf, datasets.RouteAllOnOne}).spread(),
	}
)

var moeSuite = suite{
	name: datasets.SuiteMoE, share: 0.22,
	takes: []string{"dtype", "batch", "ranks", "zipf-exponent", "trace"},
	workloads: func(a *axes) (out []datasets.Workload, err error) {
		t, ranks, list := datasets.FP32, a.all, a.hostMixtures
		if a.dev.Kind == "gpu" {
			t, ranks, list = datasets.BF16, 1, a.gpuMixtures
		}
		add := func(t datasets.DType, mixtures []mixture) {
			for _, m := range mixtures {
				m.Type = t
				if a.expertsFit(m.MoELayer) {
					for _, rule := range m.rules {
						m.Routing = a.routing(rule)
						out = append(out, m.MoELayer)
					}
				}
			}
		}
		for _, t := range or(a.DTypes, t) {
			for _, n := range or(a.Ranks, ranks) {
				mixtures, err := list(n)
				if err != nil {
					return nil, err
				}
				add(t, append(mixtures, a.traced(n)...))
			}
		}
		node, err := a.nodeMixtures()
		for _, t := range or(a.DTypes, t) {
			add(t, node)
		}
		return out, err
	},
}

// layer is a model's mixture of so many tokens.
func layer(m datasets.Model, tokens int64, ep, tp int) datasets.MoELayer {
	return datasets.MoELayer{Kernel: "layer", Tokens: tokens, Hidden: m.Hidden, Intermediate: m.FFWidth, Experts: m.Experts, TopK: m.TopK,
		Gated: m.Gated, TP: tp, EP: ep, Ranks: ep * tp, Cache: datasets.Cold}
}

func hostModel(experts, topK int64) datasets.Model {
	return datasets.Model{Hidden: moeWidth, FFWidth: moeWidth, Experts: experts, TopK: topK, Gated: true}
}

func hostLayer(experts, topK, tokens int64, rules []datasets.RoutingRule) mixture {
	return mixture{layer(hostModel(experts, topK), tokens, 1, 1), rules}
}

// spread marks a mixture whose experts are shared out over the ranks.
func (m mixture) spread() mixture {
	m.EP = 0
	return m
}

// hostMixtures are a host's on so many cores.
func (a *axes) hostMixtures(ranks int) (out []mixture, err error) {
	list := quickMixtures
	switch {
	case a.Profile == Quick && len(a.Batches) > 0:
		list = nil
		for _, n := range a.Batches {
			list = append(list, hostLayer(8, 2, n, everyRule), hostLayer(64, 8, n, fewRules))
		}
	case a.Profile != Quick:
		list = nil
		for _, m := range datasets.Cross(hostLayer(1, 1, 1, nil).MoELayer, datasets.Axis[int64]("experts", 8, 16, 64, 128),
			datasets.Axis[int64]("top_k", 1, 2, 8), datasets.Axis("batch", pick(a, a.Batches, hostTokens, hostTokens)...)) {
			e, k, full := m.Experts, m.TopK, a.Profile == Full
			if k >= e || !full && (e == 16 && k != 2 || e == 64 && k == 1) {
				continue
			}
			one := mixture{m, fewRules}
			if full || m.Tokens == 128 || len(a.Batches) > 0 {
				one.rules = everyRule
			}
			if list = append(list, one); full || m.Tokens == 128 && k == 2 {
				list = append(list, one.spread())
			}
		}
	}
	// Experts are shared out evenly over a power of two.
	power := 1 << (bits.Len(uint(ranks)) - 1)
	for _, m := range list {
		if m.Ranks = ranks; m.EP == 0 {
			m.EP, m.Ranks = power, power
			if power == 1 {
				continue
			}
		}
		out = append(out, m)
	}
	return out, nil
}

// gpuMixtures are whole layers at real sizes, their experts shared out over so
// many GPUs.
func (a *axes) gpuMixtures(ranks int) (out []mixture, err error) {
	for _, e := range gpuExperts {
		m, err := catalog.Model(e.id)
		if err != nil {
			return nil, err
		}
		if ranks == 1 {
			m = shareOf(m, e.share)
		}
		for i, n := range pick(a, a.Batches, gpuTokens, gpuTokens) {
			rules := fewRules
			if a.Profile != Quick || i == 2 || len(a.Batches) > 0 {
				rules = everyRule
			}
			out = append(out, mixture{layer(m, n, ranks, 1), rules})
		}
	}
	return out, nil
}

// nodeMixtures are the whole layers with their experts shared out over all GPUs of
// a node, and GPT-4's with every expert split instead; quick has one layer.
func (a *axes) nodeMixtures() (out []mixture, err error) {
	n := widestSplit(a.all)
	if a.dev.Kind == "cpu" || n < 2 || len(a.Ranks) > 0 {
		return nil, nil
	}
	experts, tokens, rules := gpuExperts, or(a.Batches, 1, 64, 4096), everyRule
	if a.Profile == Quick {
		experts, tokens, rules = gpuExperts[1:2], or(a.Batches, 4096), fewRules
	}
	for _, e := range experts {
		m, err := catalog.Model(e.id)
		if err != nil {
			return nil, err
		}
		for _, b := range tokens {
			out = append(out, mixture{layer(m, b, n, 1), rules})
			if e.share > 1 {
				out = append(out, mixture{layer(m, b, 1, n), rules})
			}
		}
	}
	return out, nil
}

// expertsFit reports whether a GPU's share of the experts is a whole number of
// them and fits its memory.
func (a *axes) expertsFit(w datasets.MoELayer) bool {
	if w.Experts%int64(w.EP) != 0 {
		return false
	}
	memory := a.dev.MemoryBytes.Value
	return a.dev.Kind == "cpu" || memory == 0 || float64(w.Experts)*w.ExpertBytes()/float64(w.EP) <= gpuMemoryShare*memory
}

// traced replays the trace, where there is one: as many tokens as it recorded, or
// those that are asked for and recorded.
func (a *axes) traced(ranks int) (out []mixture) {
	if a.Trace == nil {
		return nil
	}
	for _, n := range or(a.Batches, min(a.Trace.Tokens(), 4096)) {
		if n > a.Trace.Tokens() {
			continue
		}
		w := layer(a.tracedModel(), n, ranks, 1)
		if a.dev.Kind == "cpu" {
			w.EP = 1
		}
		out = append(out, mixture{w, []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteTrace}})
	}
	return out
}

// tracedModel is, for a GPU, the catalogue's model that routes as a trace does, or
// else experts of Mixtral's width.
func (a *axes) tracedModel() datasets.Model {
	t := a.Trace
	if a.dev.Kind == "cpu" {
		return hostModel(t.Experts, t.TopK)
	}
	for _, m := range catalog.Models() {
		if m.Experts == t.Experts && m.TopK == t.TopK {
			return m
		}
	}
	return datasets.Model{Hidden: 4096, FFWidth: 2048, Experts: t.Experts, TopK: t.TopK, Gated: true}
}

// routing is a rule with the parameters that it has, and no others, so that
// equal routings have equal keys.
func (a *axes) routing(rule datasets.RoutingRule) datasets.Routing {
	if rule == datasets.RouteTrace {
		return a.Trace.Routing()
	}
	r := datasets.Routing{Rule: rule}
	if slices.Contains([]datasets.RoutingRule{datasets.RouteUniform, datasets.RouteZipf, datasets.RouteOneHot}, rule) {
		r.Seed = a.Seed
	}
	if rule == datasets.RouteZipf {
		r.Exponent = a.ZipfExponent
		if r.Exponent == 0 {
			r.Exponent = defaultExponent
		}
	}
	return r
}
