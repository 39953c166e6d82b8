package host

import (
	"testing"

	"bench/datasets"
)

// What is estimated is what is allocated.
func TestEstimateBytes(t *testing.T) {
	b := crowded(t)
	for _, w := range []datasets.Workload{
		layer(3, 40, 2, func(w *datasets.DecodeLayer) { w.Experts, w.TopK, w.Cache = 4, 2, datasets.Cold }),
		moe(9, 8, 2, datasets.RouteUniform, 2, 1),
		datasets.Attention{Type: datasets.FP32, Batch: 2, QueryTokens: 1, ContextTokens: 99, Heads: 4, KVHeads: 2, HeadDim: 32, Ranks: 2, Cache: datasets.Cold},
	} {
		want := b.EstimateBytes(w)
		c, err := b.Prepare(w)
		if err != nil {
			t.Fatal(err)
		}
		var got int64
		switch c := c.(type) {
		case *layerCase:
			got = c.bytes
		case moeCase:
			got = c.bytes
		}
		if got != want || float64(want) < w.Bytes() {
			t.Errorf("%s: %d bytes estimated, %d allocated, %g the least", w.Key(), want, got, w.Bytes())
		}
		c.Close()
	}
	// Two ranks, an input and an output of 1 KiB each.
	if got := b.EstimateBytes(allReduce("ring", datasets.FP32, 1024, 2, false)); got != 4096 {
		t.Errorf("all-reduce: %d bytes, want 4096", got)
	}
	if got := b.EstimateBytes(layer(1, 1, 1, func(w *datasets.DecodeLayer) { w.Type = datasets.INT8 })); got != 0 {
		t.Errorf("a refused type: %d bytes", got)
	}
}
