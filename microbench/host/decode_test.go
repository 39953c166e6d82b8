package host

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"bench/datasets"
	"bench/microbench"
)

func layer(batch, context int64, ranks int, change func(*datasets.DecodeLayer)) datasets.DecodeLayer {
	w := datasets.DecodeLayer{Type: datasets.FP32, Batch: batch, ContextTokens: context, Hidden: 96, Heads: 6, KVHeads: 2,
		HeadDim: 16, FFWidth: 130, Gated: true, Experts: 1, TopK: 1, TP: 1, Ranks: ranks, Cache: datasets.Hot}
	if change != nil {
		change(&w)
	}
	return w
}

// checkAll checks every row of a case, on one step after another.
func checkAll(t *testing.T, b *Backend, w datasets.Workload, rows int64) {
	t.Helper()
	c, err := b.Prepare(w)
	if err != nil {
		t.Fatalf("%s: %v", w.Key(), err)
	}
	defer c.Close()
	for range 2 {
		got, err := c.Check()
		if err != nil || got.Wrong != 0 || got.Checked == 0 || got.MaxRelError > got.Bound {
			t.Fatalf("%s: %+v, %v", w.Key(), got, err)
		}
		if rows > 0 && got.Checked%rows != 0 {
			t.Fatalf("%s: %d elements of %d rows were checked", w.Key(), got.Checked, rows)
		}
	}
}

// Shapes that are no multiple of a panel, a tile or the workers; contexts of
// one position, around a panel and past a block of the softmax; a context
// shared by several workers, and whole sequences each.
func TestDecodeLayerAgreesWithReference(t *testing.T) {
	b := crowded(t)
	for ranks := 1; ranks <= 4; ranks++ {
		for _, batch := range []int64{1, 3, 8} {
			for _, context := range []int64{1, 15, 17, 300} {
				checkAll(t, b, layer(batch, context, ranks, nil), batch)
			}
		}
	}
	for name, change := range map[string]func(*datasets.DecodeLayer){
		"odd widths":    func(w *datasets.DecodeLayer) { w.Hidden, w.FFWidth, w.HeadDim = 75, 33, 10 },
		"one KV head":   func(w *datasets.DecodeLayer) { w.KVHeads = 1 },
		"all KV heads":  func(w *datasets.DecodeLayer) { w.KVHeads = 6 },
		"plain":         func(w *datasets.DecodeLayer) { w.Gated = false },
		"experts":       func(w *datasets.DecodeLayer) { w.Experts, w.TopK = 5, 2 },
		"all experts":   func(w *datasets.DecodeLayer) { w.Experts, w.TopK, w.Gated = 3, 3, false },
		"many experts":  func(w *datasets.DecodeLayer) { w.Experts, w.TopK = 40, 1 },
		"large head":    func(w *datasets.DecodeLayer) { w.HeadDim, w.Heads, w.KVHeads = 128, 2, 2 },
		"bf16":          func(w *datasets.DecodeLayer) { w.Type = datasets.BF16 },
		"bf16 experts":  func(w *datasets.DecodeLayer) { w.Type, w.Experts, w.TopK = datasets.BF16, 4, 2 },
		"cold":          func(w *datasets.DecodeLayer) { w.Cache = datasets.Cold },
		"large batch":   func(w *datasets.DecodeLayer) { w.Batch = 70 },
		"one sequence":  func(w *datasets.DecodeLayer) { w.Batch, w.Experts, w.TopK = 1, 8, 2 },
		"1 long, 1 key": func(w *datasets.DecodeLayer) { w.Batch, w.ContextTokens, w.KVHeads = 1, 2000, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			for _, ranks := range []int{1, 3} {
				w := layer(5, 70, ranks, change)
				checkAll(t, b, w, w.Batch)
			}
		})
	}
}

func TestAttentionAgreesWithReference(t *testing.T) {
	b := crowded(t)
	for _, kv := range []datasets.DType{"", datasets.BF16} {
		for _, heads := range [][2]int64{{4, 4}, {12, 3}, {9, 1}} {
			for _, context := range []int64{1, 16, 511, 1025} {
				for ranks := 1; ranks <= 4; ranks++ {
					w := datasets.Attention{Type: datasets.FP32, KVType: kv, Batch: 3, QueryTokens: 1, ContextTokens: context,
						Heads: heads[0], KVHeads: heads[1], HeadDim: 40, Ranks: ranks, Cache: datasets.Hot}
					checkAll(t, b, w, 3)
				}
			}
		}
	}
}

// The narrower instruction sets run on this CPU as well, and have tails of
// their own.
func TestEveryISAAgreesWithReference(t *testing.T) {
	b := crowded(t)
	for _, isa := range isas() {
		for _, w := range []datasets.Workload{
			layer(7, 37, 2, func(w *datasets.DecodeLayer) { w.Hidden, w.FFWidth = 75, 33 }),
			layer(7, 37, 2, func(w *datasets.DecodeLayer) { w.Type, w.Gated = datasets.BF16, false }),
		} {
			c, err := b.Prepare(w)
			if err != nil {
				t.Fatal(err)
			}
			setISA(c.(*layerCase), isa)
			if got, err := c.Check(); err != nil || got.Wrong != 0 {
				t.Errorf("%s on %s: %+v, %v", w.Key(), isa, got, err)
			}
			c.Close()
		}
	}
}

// Every copy of a cold layer holds the same weights, and each step takes the
// next.
func TestColdCopiesAreAlike(t *testing.T) {
	b := crowded(t)
	b.device.Caches = []datasets.CacheLevel{{Level: 3, SizeBytes: datasets.Figure{Value: 1 << 20}, SharedBy: 2}}
	w := layer(2, 20, 2, func(w *datasets.DecodeLayer) { w.Cache = datasets.Cold })
	c, err := b.Prepare(w)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	copies := layerCopies(c.(*layerCase))
	if touched := w.Bytes(); float64(copies)*touched < 2<<20 || float64(copies-1)*touched > 2<<20 {
		t.Fatalf("%d copies of %g bytes for a cache of 1 MiB", copies, touched)
	}
	for i := range copies + 1 {
		if got, _ := c.Check(); got.Wrong != 0 {
			t.Fatalf("step %d of %d copies: %+v", i, copies, got)
		}
	}
}

func TestLayerCheckCountsWrongElements(t *testing.T) {
	b := crowded(t)
	c, err := b.Prepare(layer(4, 40, 2, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, _ := c.Check(); got.Wrong != 0 {
		t.Fatalf("%+v before any change", got)
	}
	l := c.(*layerCase)
	out := layerOut(l, 4*96)
	out[0] += 0.01
	out[4*96-1] = float32(math.NaN())
	if got := l.compare(); got.Wrong != 2 || got.Checked != 4*96 {
		t.Errorf("two elements were changed: %+v", got)
	}
}

// One weight in memory that is not what its definition says must show: the
// reference does not read the memory.
func TestLayerCheckSeesOneWrongWeight(t *testing.T) {
	b := crowded(t)
	c, err := b.Prepare(layer(1, 40, 1, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	weights := layerDown(c.(*layerCase), 130*96)
	weights[5] += 0.5
	if got, _ := c.Check(); got.Wrong != 1 {
		t.Errorf("one weight of one output was changed: %+v", got)
	}
}

func TestDecodeRefuses(t *testing.T) {
	b := crowded(t)
	for want, change := range map[string]func(*datasets.DecodeLayer){
		"no kernels for fp64":         func(w *datasets.DecodeLayer) { w.Type = datasets.FP64 },
		"no kernels for fp16":         func(w *datasets.DecodeLayer) { w.Type = datasets.FP16 },
		"even head size, and it is 7": func(w *datasets.DecodeLayer) { w.HeadDim = 7 },
		"2-way tensor parallelism":    func(w *datasets.DecodeLayer) { w.TP = 2 },
		"launch mode \"graph\"":       func(w *datasets.DecodeLayer) { w.Launch = "graph" },
		"GB are available":            func(w *datasets.DecodeLayer) { w.ContextTokens = 1 << 32 },
	} {
		_, err := b.Prepare(layer(1, 1, 1, change))
		var s *microbench.SkipError
		if !errors.As(err, &s) || !strings.Contains(s.Reason, want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	prefill := datasets.Attention{Type: datasets.FP32, Batch: 1, QueryTokens: 8, ContextTokens: 8, Heads: 1, KVHeads: 1, HeadDim: 8, Ranks: 1}
	var s *microbench.SkipError
	if _, err := b.Prepare(prefill); !errors.As(err, &s) {
		t.Errorf("prefill: got %v", err)
	}
}

func BenchmarkDecode(b *testing.B) {
	h, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	for _, d := range []datasets.DType{datasets.FP32, datasets.BF16} {
		for _, batch := range []int64{1, 4, 16, 64, 256} {
			w := datasets.DecodeLayer{Type: d, Batch: batch, ContextTokens: 512, Hidden: 2048, Heads: 16, KVHeads: 4, HeadDim: 128,
				FFWidth: 5632, Gated: true, Experts: 1, TopK: 1, TP: 1, Ranks: h.Cores(), Cache: datasets.Cold}
			b.Run(fmt.Sprintf("%s/batch%d", d, batch), func(b *testing.B) {
				c, err := h.Prepare(w)
				if err != nil {
					b.Skip(err)
				}
				defer c.Close()
				c.Batch(1)
				b.ResetTimer()
				s, _ := c.Batch(int64(b.N))
				b.ReportMetric(w.Bytes()*float64(b.N)/s.Seconds/1e9, "GB/s")
				b.ReportMetric(w.FLOPs()*float64(b.N)/s.Seconds/1e9, "GFLOP/s")
			})
		}
	}
}

// What a dry run adds up, by which a case is refused, is what is then allocated.
func TestDryRunAddsUpWhatIsAllocated(t *testing.T) {
	b := crowded(t)
	decode := layer(3, 40, 2, func(w *datasets.DecodeLayer) { w.Experts, w.TopK, w.Cache = 4, 2, datasets.Cold })
	attention := datasets.Attention{Type: datasets.FP32, Batch: 2, QueryTokens: 1, ContextTokens: 99, Heads: 4, KVHeads: 2, HeadDim: 32, Ranks: 2, Cache: datasets.Cold}
	sparse := moe(9, 8, 2, datasets.RouteUniform, 2, 1)
	r, err := route(sparse)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		w   datasets.Workload
		lay func(*layerCase)
	}{
		{decode, func(c *layerCase) { b.layDecode(decode, c) }},
		{attention, func(c *layerCase) { b.layAttention(attention, c) }},
		{sparse, func(c *layerCase) { b.layMoE(sparse, r, c) }},
	} {
		plan := &layerCase{operands: operands{dry: true}}
		x.lay(plan)
		c, err := b.prepareLayer(x.w, x.w.Workers(), x.lay)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.(*layerCase).bytes; got != plan.bytes || float64(got) < x.w.Bytes() {
			t.Errorf("%s: %d bytes added up, %d allocated, %g the least", x.w.Key(), plan.bytes, got, x.w.Bytes())
		}
		c.Close()
	}
}
