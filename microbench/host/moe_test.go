package host

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"bench/datasets"
	"bench/microbench"
)

func moe(tokens, experts, topK int64, rule datasets.RoutingRule, ranks, ep int) datasets.MoELayer {
	return datasets.MoELayer{Kernel: "layer", Type: datasets.FP32, Tokens: tokens, Hidden: 72, Intermediate: 50, Experts: experts, TopK: topK,
		Gated: true, TP: 1, EP: ep, Routing: datasets.Routing{Rule: rule, Seed: 3}, Ranks: ranks, Cache: datasets.Hot}
}

func TestMoELayerAgreesWithReference(t *testing.T) {
	b := crowded(t)
	rules := []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteUniform, datasets.RouteOneHot, datasets.RouteAllOnOne}
	for _, rule := range rules {
		for _, s := range []struct{ tokens, experts, topK int64 }{{1, 8, 1}, {1, 128, 8}, {7, 8, 2}, {40, 16, 8}, {33, 4, 4}} {
			for ranks := 1; ranks <= 4; ranks++ {
				for _, ep := range []int{1, 2, 4} {
					if ranks%ep != 0 {
						continue
					}
					w := moe(s.tokens, s.experts, s.topK, rule, ranks, ep)
					checkAll(t, b, w, s.tokens)
					w.Gated, w.Type, w.Hidden = false, datasets.BF16, 16
					checkAll(t, b, w, s.tokens)
				}
			}
		}
	}
}

// 6 tokens, each to experts 0 and 1 of 8: 12 choices on 2 experts, 6 each, a
// mean of 12/8. Spread over 4 ranks of two experts, rank 0 has them all, and
// the mean is 12/4.
func TestMoELoads(t *testing.T) {
	b := crowded(t)
	for ep, want := range map[int][2]float64{1: {6, 1.5}, 4: {12, 3}} {
		c, err := b.Prepare(moe(6, 8, 2, datasets.RouteAllOnOne, 4, ep))
		if err != nil {
			t.Fatal(err)
		}
		active, maxLoad, meanLoad := c.(microbench.RoutedCase).Loads()
		if active != 2 || maxLoad != want[0] || meanLoad != want[1] {
			t.Errorf("EP %d: %d active, max %g, mean %g, want 2 and %v", ep, active, maxLoad, meanLoad, want)
		}
		c.Close()
	}
}

// A token that reaches another expert than it should must show.
func TestMoECheckSeesAWrongExpert(t *testing.T) {
	b := crowded(t)
	c, err := b.Prepare(moe(5, 8, 1, datasets.RouteBalanced, 2, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	swapPlaces(c.(moeCase).layerCase)
	// Experts 0 and 1 have a token each: tokens 0 and 1 of 72 elements.
	if got, _ := c.Check(); got.Wrong < 2*72*9/10 || got.Wrong > 2*72 {
		t.Errorf("two experts were exchanged: %+v", got)
	}
}

func TestMoERefuses(t *testing.T) {
	b := crowded(t)
	for want, change := range map[string]func(*datasets.MoELayer){
		"not experts alone":        func(w *datasets.MoELayer) { w.Kernel = "experts" },
		"no kernels for int8":      func(w *datasets.MoELayer) { w.Type = datasets.INT8 },
		"2-way tensor parallelism": func(w *datasets.MoELayer) { w.TP = 2 },
		"3 workers cannot be":      func(w *datasets.MoELayer) { w.Ranks, w.EP = 3, 2 },
		"format fp8_block":         func(w *datasets.MoELayer) { w.Format = "fp8_block" },
		"GB are available":         func(w *datasets.MoELayer) { w.Hidden, w.Intermediate = 1<<20, 1<<20 },
	} {
		w := moe(4, 8, 2, datasets.RouteBalanced, 2, 1)
		change(&w)
		_, err := b.Prepare(w)
		var s *microbench.SkipError
		if !errors.As(err, &s) || !strings.Contains(s.Reason, want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func BenchmarkMoE(b *testing.B) {
	h, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	for _, s := range []struct {
		tokens, experts, topK int64
		rule                  datasets.RoutingRule
		ep                    int
	}{
		{1, 8, 2, datasets.RouteBalanced, 1}, {16, 8, 2, datasets.RouteBalanced, 1}, {256, 8, 2, datasets.RouteBalanced, 1},
		{256, 8, 2, datasets.RouteUniform, 1}, {256, 8, 2, datasets.RouteAllOnOne, 1}, {64, 64, 8, datasets.RouteBalanced, 1},
		{128, 128, 1, datasets.RouteUniform, 1}, {4096, 8, 2, datasets.RouteBalanced, 1},
		{128, 8, 2, datasets.RouteBalanced, 2}, {128, 8, 2, datasets.RouteAllOnOne, 2},
	} {
		w := moe(s.tokens, s.experts, s.topK, s.rule, h.Cores(), s.ep)
		w.Hidden, w.Intermediate, w.Cache = 512, 512, datasets.Cold
		b.Run(fmt.Sprintf("%dof%d/%s/tokens%d/ep%d", s.topK, s.experts, s.rule, s.tokens, s.ep), func(b *testing.B) {
			c, err := h.Prepare(w)
			if err != nil {
				b.Skip(err)
			}
			defer c.Close()
			c.Batch(1)
			b.ResetTimer()
			t, _ := c.Batch(int64(b.N))
			b.ReportMetric(float64(c.(moeCase).active)*w.ExpertBytes()*float64(b.N)/t.Seconds/1e9, "weights-GB/s")
			b.ReportMetric(w.FLOPs()*float64(b.N)/t.Seconds/1e9, "GFLOP/s")
		})
	}
}
