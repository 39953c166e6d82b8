package microbench

import (
	"math/bits"
	"slices"

	"bench/datasets"
)

// moeWidth is the width of the model and of each expert: 3 MiB of weights an
// expert in fp32, so that 128 of them fit a small host's memory and 16 do not
// fit its caches.
const moeWidth = 512

// defaultExponent of Zipf's law, its classic form.
const defaultExponent = 1.0

// moeShape is a router with a batch, the routings it is tried with, and over
// how many ranks its experts are spread.
type moeShape struct {
	experts, topK, tokens int64
	rules                 []datasets.RoutingRule
	spread                bool
}

var (
	everyRule = []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteUniform, datasets.RouteZipf, datasets.RouteOneHot, datasets.RouteAllOnOne}
	fewRules  = []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteUniform, datasets.RouteZipf}
)

// moeShapes of a profile. Each has balanced routing, the base of the slowdown
// that is reported for the others.
func moeShapes(p Profile, tokens []int64) []moeShape {
	if p == Quick {
		shapes := []moeShape{
			{8, 2, 1, fewRules[:1], false}, {8, 2, 16, fewRules, false}, {8, 2, 256, everyRule, false},
			{16, 1, 64, fewRules[:2], false}, {64, 8, 64, fewRules, false},
			{128, 1, 128, []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteUniform, datasets.RouteOneHot}, false},
			{8, 2, 128, []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteZipf, datasets.RouteAllOnOne}, true},
		}
		if len(tokens) == 0 {
			return shapes
		}
		var out []moeShape
		for _, n := range tokens {
			out = append(out, moeShape{8, 2, n, everyRule, false}, moeShape{64, 8, n, fewRules, false})
		}
		return out
	}
	experts, tops, batches := []int64{8, 16, 64, 128}, []int64{1, 2, 8}, []int64{1, 16, 128, 1024}
	if p == Full {
		batches = []int64{1, 4, 16, 64, 256, 1024, 4096}
	}
	var out []moeShape
	for _, e := range experts {
		for _, k := range tops {
			if k >= e || p == Standard && (e == 16 && k != 2 || e == 64 && k == 1) {
				continue
			}
			for _, n := range or(tokens, batches...) {
				s := moeShape{e, k, n, fewRules, false}
				if p == Full || n == 128 || len(tokens) > 0 {
					s.rules = everyRule
				}
				out = append(out, s)
				if n == 128 && k == 2 || p == Full {
					s.spread = true
					out = append(out, s)
				}
			}
		}
	}
	return out
}

var moeSuite = suite{
	name: datasets.SuiteMoE, share: 0.22,
	takes: []string{"dtype", "batch", "ranks", "zipf-exponent", "trace"},
	workloads: func(a *axes) ([]datasets.Workload, error) {
		if a.dev.Kind == "gpu" {
			return a.gpuMoE()
		}
		var out []datasets.Workload
		for _, t := range or(a.DTypes, datasets.FP32) {
			for _, ranks := range or(a.Ranks, a.all) {
				for _, s := range a.tracedShapes() {
					ep, ranks := 1, ranks
					if s.spread {
						// Experts are shared out evenly over a power of two.
						if ep = 1 << (bits.Len(uint(ranks)) - 1); ep < 2 || s.experts%int64(ep) != 0 {
							continue
						}
						ranks = ep
					}
					for _, rule := range s.rules {
						out = append(out, datasets.MoELayer{Kernel: "layer", Type: t, Tokens: s.tokens,
							Hidden: moeWidth, Intermediate: moeWidth, Experts: s.experts, TopK: s.topK, Gated: true,
							TP: 1, EP: ep, Routing: a.routing(rule), Ranks: ranks, Cache: datasets.Cold})
					}
				}
			}
		}
		return out, nil
	},
}

// tracedShapes are the profile's, and one for the trace where there is one: as
// many tokens as it recorded, or those that are asked for and recorded.
func (a *axes) tracedShapes() []moeShape {
	shapes := moeShapes(a.Profile, a.Batches)
	if a.Trace == nil {
		return shapes
	}
	for _, n := range or(a.Batches, min(a.Trace.Tokens(), 4096)) {
		if n <= a.Trace.Tokens() {
			shapes = append(shapes, moeShape{a.Trace.Experts, a.Trace.TopK, n,
				[]datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteTrace}, false})
		}
	}
	return shapes
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
