package gpu

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"bench/cuda/fakedriver"
	"bench/cuda/simt"
	"bench/datasets"
	"bench/microbench"
)

// simulated is a backend on a stand-in for the driver that runs every kernel's
// own source.
func simulatedBackend(t *testing.T, truth fakedriver.Truth) *Backend {
	t.Helper()
	path, err := simt.Compile(false)
	if errors.Is(err, simt.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("BENCH_LIBCUBLASLT") == "" {
		// A real one would look for its GPU.
		t.Setenv("BENCH_LIBCUBLASLT", "/nonexistent/libcublasLt.so.12")
	}
	// A small L2, so that a few copies are cold.
	truth.SIMT, truth.ExecuteLimit, truth.L2Bytes = path, 1e12, 256<<10
	b, err := New(Options{Library: fakedriver.Driver(t, truth)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// checkAll checks a case twice: on one copy of its weights and on the next.
func checkAll(t *testing.T, b *Backend, w datasets.Workload) {
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
	}
}

// With cuBLASLt the projections are its, and are checked as the built-in ones
// are.
func TestDecodeLayerTakesCUBLASLtWhereItIsHere(t *testing.T) {
	truth := fakedriver.Truth{}
	b := simulatedBackend(t, truth)
	implementation := func(w datasets.Workload) string {
		c, err := b.Prepare(w)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		name, version := c.Implementation()
		return name + ", " + version
	}
	if got := implementation(decodeLayer(nil)); !strings.Contains(got, "built-in mma.sync products") || strings.Contains(got, "cuBLASLt") {
		t.Error(got)
	}
	t.Setenv("BENCH_LIBCUBLASLT", fakedriver.CUBLASLt(t, truth))
	if got := implementation(decodeLayer(nil)); strings.Contains(got, "mma.sync") || !strings.Contains(got, "cuBLASLt's fastest proposals") || !strings.Contains(got, ", 12.") {
		t.Error(got)
	}
	checkAll(t, b, decodeLayer(nil))
	checkAll(t, b, decodeLayer(func(w *datasets.DecodeLayer) { w.Experts, w.TopK, w.Type, w.Launch = 4, 2, datasets.FP16, "graph" }))
}

func decodeLayer(change func(*datasets.DecodeLayer)) datasets.DecodeLayer {
	w := datasets.DecodeLayer{Type: datasets.BF16, Batch: 3, ContextTokens: 70, Hidden: 96, Heads: 6, KVHeads: 2,
		HeadDim: 16, FFWidth: 136, Gated: true, Experts: 1, TopK: 1, TP: 1, Ranks: 1, Cache: datasets.Cold}
	if change != nil {
		change(&w)
	}
	return w
}

func TestDecodeLayerAgreesWithReference(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{})
	for name, change := range map[string]func(*datasets.DecodeLayer){
		"plain":          func(w *datasets.DecodeLayer) { w.Gated = false },
		"fp16":           func(w *datasets.DecodeLayer) { w.Type = datasets.FP16 },
		"one position":   func(w *datasets.DecodeLayer) { w.ContextTokens = 1 },
		"splits":         func(w *datasets.DecodeLayer) { w.Batch, w.ContextTokens = 1, 700 },
		"one KV head":    func(w *datasets.DecodeLayer) { w.KVHeads = 1 },
		"all KV heads":   func(w *datasets.DecodeLayer) { w.KVHeads = 6 },
		"head of 112":    func(w *datasets.DecodeLayer) { w.Heads, w.HeadDim, w.KVHeads = 2, 112, 2 },
		"batch of 70":    func(w *datasets.DecodeLayer) { w.Batch, w.ContextTokens = 70, 20 },
		"experts":        func(w *datasets.DecodeLayer) { w.Experts, w.TopK = 5, 2 },
		"plain experts":  func(w *datasets.DecodeLayer) { w.Experts, w.TopK, w.Gated = 3, 3, false },
		"more experts":   func(w *datasets.DecodeLayer) { w.Experts, w.TopK, w.Type = 40, 1, datasets.FP16 },
		"hot":            func(w *datasets.DecodeLayer) { w.Cache = datasets.Hot },
		"graph":          func(w *datasets.DecodeLayer) { w.Launch = "graph" },
		"long, one head": func(w *datasets.DecodeLayer) { w.Batch, w.ContextTokens, w.KVHeads = 1, 1500, 1 },
	} {
		t.Run(name, func(t *testing.T) { checkAll(t, b, decodeLayer(change)) })
	}
}

func TestAttentionAgreesWithReference(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{})
	for _, heads := range [][2]int64{{4, 4}, {12, 3}, {40, 1}} {
		for _, context := range []int64{1, 64, 511} {
			checkAll(t, b, datasets.Attention{Type: datasets.FP16, Batch: 2, QueryTokens: 1, ContextTokens: context,
				Heads: heads[0], KVHeads: heads[1], HeadDim: 40, Ranks: 1, Cache: datasets.Hot})
		}
	}
}

func moeLayer(tokens, experts, topK int64, rule datasets.RoutingRule) datasets.MoELayer {
	return datasets.MoELayer{Kernel: "layer", Type: datasets.BF16, Tokens: tokens, Hidden: 72, Intermediate: 56, Experts: experts, TopK: topK,
		Gated: true, TP: 1, EP: 1, Routing: datasets.Routing{Rule: rule, Seed: 3}, Ranks: 1, Cache: datasets.Hot}
}

func TestMoELayerAgreesWithReference(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{})
	for _, rule := range []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteUniform, datasets.RouteOneHot, datasets.RouteAllOnOne} {
		for _, s := range [][3]int64{{1, 8, 1}, {1, 128, 8}, {7, 8, 2}, {40, 16, 8}, {150, 4, 4}} {
			w := moeLayer(s[0], s[1], s[2], rule)
			checkAll(t, b, w)
			w.Gated, w.Type = false, datasets.FP16
			checkAll(t, b, w)
		}
	}
	w := moeLayer(3, 8, 2, datasets.RouteUniform)
	w.Cache = datasets.Cold
	checkAll(t, b, w)
}

// 6 tokens, each to experts 0 and 1 of 8: 12 choices on 2 experts, 6 each, a
// mean of 12/8.
func TestMoELoads(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{})
	c, err := b.Prepare(moeLayer(6, 8, 2, datasets.RouteAllOnOne))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	active, maxLoad, meanLoad := c.(microbench.RoutedCase).Loads()
	if active != 2 || maxLoad != 6 || meanLoad != 1.5 {
		t.Errorf("%d active, max %g, mean %g, want 2, 6 and 1.5", active, maxLoad, meanLoad)
	}
}

// A check must see each step go wrong: one that is left out leaves NaN or an
// earlier answer's numbers behind. Without the choice, the plan or the scatter
// the steps after it would touch memory that is not theirs.
func TestLayerCheckSeesEveryStepLeftOut(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{})
	for _, change := range []func(*datasets.DecodeLayer){nil, func(w *datasets.DecodeLayer) { w.Experts, w.TopK = 4, 2 }} {
		l, err := b.newLayer(b.gpus[0], datasets.SuiteDecode, datasets.BF16)
		if err != nil {
			t.Fatal(err)
		}
		l.decode(decodeLayer(change))
		if err := l.done(); err != nil {
			t.Fatal(err)
		}
		whole := l.steps
		for i := range whole {
			if l.kernels[i] == "bench_moe_choose" || l.kernels[i] == "bench_moe_plan" || l.kernels[i] == "bench_moe_scatter" {
				continue
			}
			l.steps = append(append([]step{}, whole[:i]...), whole[i+1:]...)
			if got, err := l.check(0); err != nil || got.Wrong == 0 {
				t.Errorf("without %s: %+v, %v", l.kernels[i], got, err)
			}
			l.steps = whole
		}
		l.free()
	}
}

// Weights that are not what their definition says must show.
func TestLayerCheckSeesWrongWeights(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{})
	l, err := b.newLayer(b.gpus[0], datasets.SuiteDecode, datasets.BF16)
	if err != nil {
		t.Fatal(err)
	}
	defer l.free()
	l.decode(decodeLayer(nil))
	if got, err := l.check(0); err != nil || got.Wrong != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	// The queries' first row of weights: outputs 0 of every sequence.
	if err := b.ctx.ToDevice(l.m.ptrs[3], make([]byte, 2*96)); err != nil {
		t.Fatal(err)
	}
	if got, err := l.check(0); err != nil || got.Wrong != 3 {
		t.Errorf("one row of weights was cleared: %+v, %v", got, err)
	}
}

func TestLayersRefuse(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{})
	attention := datasets.Attention{Type: datasets.BF16, Batch: 1, QueryTokens: 1, ContextTokens: 8, Heads: 1, KVHeads: 1, HeadDim: 8, Ranks: 1}
	var cases = []struct {
		want string
		w    datasets.Workload
	}{
		{"not fp32", decodeLayer(func(w *datasets.DecodeLayer) { w.Type = datasets.FP32 })},
		{"2-way tensor parallelism", decodeLayer(func(w *datasets.DecodeLayer) { w.TP = 2 })},
		{"no launch mode", decodeLayer(func(w *datasets.DecodeLayer) { w.Launch = "stream" })},
		{"width is 100", decodeLayer(func(w *datasets.DecodeLayer) { w.Hidden = 100 })},
		{"multiples of 8 up to 256, and it is 20", decodeLayer(func(w *datasets.DecodeLayer) { w.HeadDim = 20 })},
		{"GB of GPU memory are needed", decodeLayer(func(w *datasets.DecodeLayer) { w.ContextTokens = 1 << 30 })},
		{"rows of up to 32768", decodeLayer(func(w *datasets.DecodeLayer) { w.Hidden = 40000 })},
		{"no kernel for 8 new tokens", func() datasets.Attention { a := attention; a.QueryTokens = 8; return a }()},
		{"of one type, not bf16 and fp8", func() datasets.Attention { a := attention; a.KVType = datasets.FP8; return a }()},
		{"not experts alone", func() datasets.MoELayer {
			m := moeLayer(4, 8, 2, datasets.RouteBalanced)
			m.Kernel = "experts"
			return m
		}()},
		{"1 GPUs, 2-way expert and 1-way tensor parallelism", func() datasets.MoELayer { m := moeLayer(4, 8, 2, datasets.RouteBalanced); m.EP = 2; return m }()},
		{"format fp8_block", func() datasets.MoELayer {
			m := moeLayer(4, 8, 2, datasets.RouteBalanced)
			m.Format = "fp8_block"
			return m
		}()},
		{"part of an expert is 50", func() datasets.MoELayer {
			m := moeLayer(4, 8, 2, datasets.RouteBalanced)
			m.Intermediate = 50
			return m
		}()},
	}
	for _, c := range cases {
		_, err := b.Prepare(c.w)
		var s *microbench.SkipError
		if !errors.As(err, &s) || !strings.Contains(s.Reason, c.want) {
			t.Errorf("%s: got %v", c.want, err)
		}
	}
}

// By hand, on 132 SMs of 3 blocks: one sequence of 8 KV heads and 32,768
// positions is 512 tiles a head, which 49 splits would end in one wave of
// ceil(512/49) = 11 tiles, and 47 as well; a million positions are 16,384 tiles,
// 42 each with 391 splits or more. Where there are blocks for every slot, one
// split is best, and a context of one tile cannot be split.
func TestAttentionSplits(t *testing.T) {
	for _, c := range []struct{ blocks, slots, context, want int64 }{
		{8, 396, 32768, 47}, {396, 396, 4096, 1}, {2048, 396, 1024, 1}, {1, 396, 64, 1}, {1, 396, 65, 2}, {1, 396, 1 << 20, 391},
	} {
		if got := attentionSplits(c.blocks, c.slots, c.context); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
	for _, slots := range []int64{1, 108, 396} {
		for blocks := int64(1); blocks < 500; blocks += 7 {
			for context := int64(1); context < 5000; context += 333 {
				s := attentionSplits(blocks, slots, context)
				if s < 1 || s > ceilDiv(context, attentionTile) {
					t.Fatalf("%d blocks, %d slots, %d positions: %d splits", blocks, slots, context, s)
				}
			}
		}
	}
}

// PaLM's 48 query heads of 256 on one KV head want four tiles of rows, for which
// A100's 163 KiB do not do, and H100's 227 do.
func TestAttentionPlanFitsSharedMemory(t *testing.T) {
	palm := datasets.Attention{Heads: 48, KVHeads: 1, HeadDim: 256}
	for limit, want := range map[int]string{166912: "{256 2 2 152064 0}", 232448: "{256 4 1 168960 0}"} {
		if got := fmt.Sprint(planAttention(palm, limit)); got != want {
			t.Errorf("%d bytes: %s, want %s", limit, got, want)
		}
	}
}

// A simulated GPU's layer takes time in every launch mode, and its answer is
// still right after batches.
func TestLayersRunInBatches(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{})
	moe := moeLayer(7, 8, 2, datasets.RouteUniform)
	moe.Cache = datasets.Cold
	for _, w := range []datasets.Workload{
		decodeLayer(func(w *datasets.DecodeLayer) { w.Launch = "graph" }), decodeLayer(func(w *datasets.DecodeLayer) { w.Launch = "eager" }),
		decodeLayer(func(w *datasets.DecodeLayer) { w.Experts, w.TopK = 4, 2 }), decodeLayer(nil).Attention(), moe,
	} {
		c, err := b.Prepare(w)
		if err != nil {
			t.Fatal(err)
		}
		// As the loop does: the stand-in executes no kernel between two events, and
		// finds the routing that the check has left.
		if got, err := c.Check(); err != nil || got.Wrong != 0 {
			t.Fatalf("%s: %+v, %v", w.Key(), got, err)
		}
		for _, n := range []int64{1, 30} {
			if got, err := c.Batch(n); err != nil || !(got.Seconds > 0) {
				t.Errorf("%s: %d took %g s, %v", w.Key(), n, got.Seconds, err)
			}
		}
		if got, err := c.Check(); err != nil || got.Wrong != 0 {
			t.Errorf("%s after a batch: %+v, %v", w.Key(), got, err)
		}
		if name, _ := c.Implementation(); name == "" {
			t.Errorf("%s names no implementation", w.Key())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Heads of 256 need (16 + 4·64) rows of 264 numbers of 2 bytes, 143,616 bytes, which
// cards of 99 KB a block do not have; and a grid has 65,535 blocks in y and in z.
func TestAttentionThatTheGPUCannotLaunchIsSkipped(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{Major: 8})
	b.gpus[0].device.SharedPerBlockOptin = 99 << 10
	attention := datasets.Attention{Type: datasets.BF16, Batch: 1, QueryTokens: 1, ContextTokens: 8, Heads: 1, KVHeads: 1, HeadDim: 8, Ranks: 1}
	wide, many := attention, attention
	wide.HeadDim, many.Batch = 256, 65536
	for want, w := range map[string]datasets.Attention{
		"needs 143616 bytes of shared memory a block for heads of 256": wide,
		"up to 65535 sequences": many,
		"":                      attention,
	} {
		c, err := b.Prepare(w)
		if want == "" && err == nil {
			c.Close()
			continue
		}
		var skipped *microbench.SkipError
		if !errors.As(err, &skipped) || !strings.Contains(err.Error(), want) || want == "" {
			t.Errorf("heads of %d, batch %d: %v, want %q", w.HeadDim, w.Batch, err, want)
		}
	}
}
