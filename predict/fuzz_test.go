package predict

import (
	"math"
	"runtime/metrics"
	"testing"
	"time"

	"bench/datasets"
	"bench/datasets/catalog"
)

// Shapes come out of files and flags, and a few bytes can say anything: a
// prediction takes no memory or time in proportion to them, and gives seconds
// above 0, or says why not.
func FuzzPredict(f *testing.F) {
	f.Add(uint8(0), int64(1), int64(512), int64(512), int64(512), int64(8), int64(2), int64(8), 1.1)
	f.Add(uint8(6), int64(1)<<40, int64(4096), int64(4096), int64(1)<<40, int64(1)<<39, int64(1), int64(1), 1.1)
	f.Add(uint8(6), int64(4096), int64(4096), int64(4096), int64(1)<<30, int64(2), int64(1), int64(8), 0.0)
	f.Add(uint8(4), int64(1)<<60, int64(1)<<60, int64(64), int64(64), int64(64), int64(1), int64(1), 1.0)
	f.Add(uint8(2), int64(1), int64(1), int64(1)<<62, int64(1)<<30, int64(2), int64(1)<<30, int64(1)<<30, 1.0)
	var devices []datasets.Device
	for _, id := range []string{"h100-sxm", "a100-sxm-80", "b200"} {
		if d, err := catalog.Lookup(id); err == nil {
			devices = append(devices, d)
		}
	}
	if len(devices) < 2 {
		f.Fatal("the catalogue lacks devices")
	}
	f.Fuzz(func(t *testing.T, kind uint8, a, b, c, d, e, g, ranks int64, x float64) {
		type16 := datasets.BF16
		r := int(ranks)
		rules := []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteUniform, datasets.RouteZipf, datasets.RouteOneHot,
			datasets.RouteAllOnOne, datasets.RoutePowerLaw, datasets.RouteTrace, "other"}
		w := []datasets.Workload{
			datasets.GEMM{Kernel: "matmul", Type: type16, M: a, N: b, K: c, Ranks: r, Cache: datasets.Cold},
			datasets.Stream{Kernel: []string{"copy", "softmax", "peer", "latency", "launch", "embedding"}[uint64(d)%6], Type: datasets.FP32, SizeBytes: a, Rows: b, Cols: c, Ranks: r},
			datasets.Collective{Kind: datasets.CollectiveKinds[uint64(d)%uint64(len(datasets.CollectiveKinds))], Type: type16, SizeBytes: c, Ranks: r, Nodes: int(g)},
			datasets.Attention{Type: type16, KVType: type16, Batch: a, QueryTokens: b, ContextTokens: c, Heads: d, KVHeads: e, HeadDim: g, Ranks: r},
			datasets.DecodeLayer{Type: type16, Batch: a, ContextTokens: b, Hidden: c, Heads: d, KVHeads: d, HeadDim: e, FFWidth: g, Experts: 1, TopK: 1, TP: r, Ranks: r},
			datasets.ModelPass{Type: type16, WeightBytes: a, Parameters: b, QueryTokens: c, ContextTokens: d, Ranks: r},
			datasets.MoELayer{Kernel: "layer", Type: type16, Tokens: a, Hidden: b, Intermediate: c, Experts: d, TopK: e, TP: int(g), EP: r, Ranks: r,
				Routing: datasets.Routing{Rule: rules[uint64(a)%8], Exponent: x, Seed: uint64(b)}},
			datasets.MoELayer{Kernel: "experts", Type: type16, Tokens: a, Hidden: b, Intermediate: c, Experts: d, TopK: e, TP: 1, EP: 1, Ranks: 1,
				Routing: datasets.Routing{Rule: rules[uint64(c)%8], Exponent: x, Seed: uint64(b)}},
		}[kind%8]
		before, begun := allocated(), time.Now()
		for _, dev := range devices {
			for _, tier := range datasets.Tiers {
				p := New(dev, tier).Predict(w)
				if p.NotPredicted == "" && (!(p.Seconds > 0) || math.IsInf(p.Seconds, 0)) {
					t.Errorf("%s on %s, %s: %g s", w.Key(), dev.ID, tier, p.Seconds)
				}
			}
		}
		if used := allocated() - before; used > 1<<29 {
			t.Errorf("%s took %d MB", w.Key(), used>>20)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%s took %s", w.Key(), took)
		}
	})
}

// allocated is all memory that was ever allocated, in bytes.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
