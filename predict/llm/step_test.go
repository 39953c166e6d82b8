package llm_test

import (
	"math"
	"strings"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict/llm"
)

func device(t testing.TB, id string) datasets.Device {
	t.Helper()
	d, err := catalog.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func coster(t testing.TB, id string, tier datasets.Tier) *llm.Coster {
	return llm.NewCoster(llm.Cluster{Device: device(t, id)}, tier)
}

func itemOf(t *testing.T, items []llm.Item, name string) llm.Item {
	t.Helper()
	for _, i := range items {
		if i.Name == name {
			return i
		}
	}
	t.Fatalf("no %q among %+v", name, items)
	return llm.Item{}
}

// Llama 2 7B in bf16 at batch 1 on one A100 of 2.039 TB/s reads its products'
// weights, 2 · 6607077376 bytes, in 6.481 ms, and 4096 · 524288 bytes of KV in
// 1.053 ms. All else (activations of one token) is below 1 % of that.
func TestDecodeByHand(t *testing.T) {
	m := model(t, "llama-2-7b")
	l := laid(t, llm.Layout{}, m, 8)
	step, err := coster(t, "a100-sxm-80", datasets.TierDatasheet).DecodeStep(m, l, llm.Serving{Batch: 1, Context: 4096, Type: datasets.BF16})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "step", step.Seconds, (2*6607077376.+4096*524288)/2.039e12, 0.01)
	near(t, "attention", itemOf(t, step.Items, "attention").Total(), 4096*524288/2.039e12, 0.001)
	if step.Binds != "memory" || !step.Fits() {
		t.Errorf("bound by %s, margin %g", step.Binds, step.MarginBytes)
	}
	near(t, "tokens", step.TokensPerSecond, 1/step.Seconds, 1e-12)
	// The whole is the sum of its items.
	sum := 0.0
	for _, i := range step.Items {
		sum += i.Total()
	}
	near(t, "sum", sum, step.Seconds, 1e-12)
}

// Llama 3 70B on tp 8 of H100 at batch 64: 160 all-reduces of 64 · 8192 · 2 bytes,
// of each 1 + 1/8 over 450 GB/s, as the switch adds (NVLS): 160 · 2.621 µs.
func TestTensorParallelCommunication(t *testing.T) {
	m := model(t, "llama-3-70b")
	c := coster(t, "h100-sxm", datasets.TierDatasheet)
	s := llm.Serving{Batch: 64, Context: 1024, Type: datasets.BF16}
	step, err := c.DecodeStep(m, laid(t, llm.Layout{TP: 8}, m, 8), s)
	if err != nil {
		t.Fatal(err)
	}
	reduces := itemOf(t, step.Items, "tensor-parallel all-reduce")
	near(t, "all-reduces", reduces.Total(), 160*1.125*64*8192*2/450e9, 1e-9)
	// Over two nodes of 4 a ring passes 2 · 7/8 of it by 4 cards of 50 GB/s.
	step, err = c.DecodeStep(m, laid(t, llm.Layout{TP: 8, NodeSize: 4}, m, 8), s)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "two nodes", itemOf(t, step.Items, "tensor-parallel all-reduce").Total(), 160*1.75*64*8192*2/4/50e9, 1e-9)
	// PaLM's parallel layers need one a layer.
	p := model(t, "palm-540b")
	step, err = c.DecodeStep(p, laid(t, llm.Layout{TP: 16, NodeSize: 16}, p, 8), s)
	if err != nil {
		t.Fatal(err)
	}
	if n := itemOf(t, step.Items, "tensor-parallel all-reduce").Count; n != 118 {
		t.Errorf("%g all-reduces", n)
	}
}

// A pipeline of 4 equal stages takes as long for 4 micro-batches as for one.
func TestDecodePipeline(t *testing.T) {
	m := model(t, "llama-3-70b")
	c := coster(t, "h100-sxm", datasets.TierDatasheet)
	l := laid(t, llm.Layout{TP: 8, PP: 4}, m, 8)
	step, err := c.DecodeStep(m, l, llm.Serving{Batch: 64, Context: 1024, Type: datasets.BF16})
	if err != nil {
		t.Fatal(err)
	}
	if step.MicroBatches != 4 || step.MicroBatch != 16 || len(step.StageSeconds) != 4 {
		t.Errorf("%d micro-batches of %d", step.MicroBatches, step.MicroBatch)
	}
	slowest, sum := 0.0, 0.0
	for _, s := range step.StageSeconds {
		slowest, sum = max(slowest, s), sum+s
	}
	near(t, "step", step.Seconds, max(sum, 4*slowest), 1e-12)
	// The last stage has the output projection.
	if step.StageSeconds[3] <= step.StageSeconds[1] {
		t.Errorf("stages %v", step.StageSeconds)
	}
}

// GEMM FLOP of a forward pass's items are the model's: products with weights and
// attention, over all ranks.
func TestItemsAreTheModel(t *testing.T) {
	for _, id := range []string{"llama-3-8b", "llama-2-70b", "mixtral-8x7b", "gpt-4", "palm-540b", "deepseek-v3"} {
		m := model(t, id)
		if m.RelativePositions {
			continue
		}
		for _, l := range []llm.Layout{{}, {TP: 4, PP: 3}} {
			l = laid(t, l, m, 8)
			step, err := coster(t, "h100-sxm", datasets.TierDatasheet).PrefillStep(m, l, llm.Serving{Batch: 1, Context: 512, Type: datasets.BF16})
			if err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for _, i := range step.Items {
				if i.Workload.Suite() != datasets.SuiteHBM && i.Workload.Suite() != datasets.SuiteAllReduce {
					sum += i.Count * i.Workload.FLOPs() * float64(l.TP)
				}
			}
			// Every rank repeats the router, PaLM's KV head, and latent
			// down-projections: 61 layers · 7168 · 2112 weights, 2.5 % of DeepSeek's
			// active ones, on 3 further ranks.
			want := step.FLOPs
			if m.Latent != nil {
				want *= 1 + 0.025*float64(l.TP-1)
			}
			near(t, id, sum, want, 0.02)
		}
	}
}

// 1F1B by hand: on equal stages the bubble is (p−1)/(m+p−1) of the pipeline's
// time, and interleaving in v parts divides the waiting by v.
func TestBubble(t *testing.T) {
	m := megatron(96, 12288, 96)
	m.Vocabulary, m.LearnedPositions = 8, 0 // next to nothing on the ends
	c := coster(t, "a100-sxm-80", datasets.TierDatasheet)
	last := 1.0
	for _, micro := range []int64{1, 2, 8, 64} {
		l := laid(t, llm.Layout{TP: 8, PP: 8}, m, 8)
		step, err := c.TrainStep(m, l, llm.Training{Batch: micro, MicroBatch: 1, Sequence: 2048, Recompute: llm.RecomputeFull, Type: datasets.BF16})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "bubble", step.Bubble, 7/float64(micro+7), 0.01)
		if step.Bubble >= last {
			t.Errorf("%d micro-batches: a bubble of %g, not below %g", micro, step.Bubble, last)
		}
		last = step.Bubble
	}
	l := laid(t, llm.Layout{TP: 8, PP: 8, Interleave: 3}, m, 8)
	step, err := c.TrainStep(m, l, llm.Training{Batch: 8, MicroBatch: 1, Sequence: 2048, Recompute: llm.RecomputeFull, Type: datasets.BF16})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "interleaved", step.Bubble, 7./3/(8+7./3), 0.01)
}

// Llama 3 8B on 16 replicas over two nodes: 2 · 8.03e9 bytes of gradients. Between
// nodes a ring passes 2 · 15/16 of them by 8 cards of 25 GB/s: 150.6 ms, which
// binds; inside 2 · 7/8 over 300 GB/s: 93.7 ms.
func TestGradientReduction(t *testing.T) {
	m := model(t, "llama-3-8b")
	train := llm.Training{Batch: 16, MicroBatch: 1, Sequence: 4096, Recompute: llm.RecomputeSelective, Type: datasets.BF16}
	l := laid(t, llm.Layout{DP: 16}, m, 8)
	run := func(c llm.Cluster, l llm.Layout, train llm.Training) *llm.TrainStep {
		t.Helper()
		step, err := llm.NewCoster(c, datasets.TierDatasheet).TrainStep(m, l, train)
		if err != nil {
			t.Fatal(err)
		}
		return step
	}
	cluster := llm.Cluster{Device: device(t, "a100-sxm-80")}
	plain := run(cluster, l, train)
	near(t, "reduction", plain.ReplicaSeconds, 1.875*2*m.Parameters()/8/25e9, 1e-6)
	if plain.HiddenSeconds != 0 {
		t.Errorf("%g s hidden unasked", plain.HiddenSeconds)
	}
	train.Overlap = 1
	hidden := run(cluster, l, train)
	near(t, "overlap", plain.Seconds-hidden.Seconds, hidden.HiddenSeconds, 1e-9)
	if hidden.HiddenSeconds <= 0 || hidden.HiddenSeconds > plain.ReplicaSeconds {
		t.Errorf("%g of %g s hidden", hidden.HiddenSeconds, plain.ReplicaSeconds)
	}
	// Two clusters of 8 with 1 GB/s a GPU between: 2 · 1/2 · 16.06e9 / 8 bytes each.
	train.Overlap = 0
	cluster.ClusterGPUs, cluster.BetweenBandwidth = 8, 1e9
	thin := run(cluster, l, train)
	near(t, "thin links", thin.ReplicaSeconds-plain.ReplicaSeconds, 2*m.Parameters()/8/1e9, 1e-9)
	// MFU of causal FLOP, by definition.
	near(t, "MFU", plain.MFU, plain.ModelFLOPs/plain.Seconds/(16*312e12), 1e-12)
	if plain.HFU <= plain.MFU {
		t.Errorf("HFU %g, MFU %g", plain.HFU, plain.MFU)
	}
	// Full sharding gathers every weight twice a micro-batch.
	l.Sharding.Stage = 3
	full := run(llm.Cluster{Device: device(t, "a100-sxm-80")}, l, train)
	near(t, "gathers", itemOf(t, full.Items, "weight all-gather").Total(), 2*15./16*2*m.Parameters()/8/25e9, 0.15)
}

// Times that published runs took are never below the datasheet's bounds:
// Korthikanti et al. (2022), table 5, 175B and 530B, with interleaving 3.
func TestDatasheetIsABound(t *testing.T) {
	for _, row := range []struct {
		layers, hidden, heads, batch int64
		pp                           int
		seconds                      float64
	}{{96, 12288, 96, 64, 8, 13.75}, {105, 20480, 128, 280, 35, 37.83}} {
		m := megatron(row.layers, row.hidden, row.heads)
		l := laid(t, llm.Layout{TP: 8, PP: row.pp, SequenceParallel: true, Interleave: 3}, m, 8)
		step, err := coster(t, "a100-sxm-80", datasets.TierDatasheet).TrainStep(m, l,
			llm.Training{Batch: row.batch, MicroBatch: 1, Sequence: 2048, Recompute: llm.RecomputeSelective, Type: datasets.BF16})
		if err != nil {
			t.Fatal(err)
		}
		if !step.Fits() || step.Seconds > row.seconds || step.Seconds < row.seconds/2 {
			t.Errorf("h = %d: %.2f s, published %.2f; margin %g", row.hidden, step.Seconds, row.seconds, step.MarginBytes)
		}
	}
}

// A calibration makes it slower than the datasheet, and has a law for all of it.
func TestTiers(t *testing.T) {
	m := model(t, "mixtral-8x7b")
	l := laid(t, llm.Layout{TP: 8, DP: 2, EP: 2}, m, 8)
	s := llm.Serving{Batch: 128, Context: 2048, Type: datasets.BF16}
	sheet, err := coster(t, "h100-sxm", datasets.TierDatasheet).DecodeStep(m, l, s)
	if err != nil {
		t.Fatal(err)
	}
	fitted, err := coster(t, "h100-sxm", datasets.TierCalibrated).DecodeStep(m, l, s)
	if err != nil {
		t.Fatal(err)
	}
	if fitted.Seconds <= sheet.Seconds || len(sheet.Fallbacks) != 0 {
		t.Errorf("calibrated %g s, datasheet %g s with %v", fitted.Seconds, sheet.Seconds, sheet.Fallbacks)
	}
	if len(fitted.Fallbacks) != 0 {
		t.Errorf("the datasheet stands in for the calibration: %v", fitted.Fallbacks)
	}
	if _, err := coster(t, "a100-sxm-80", datasets.TierDatasheet).DecodeStep(m, l, llm.Serving{Batch: 2, Context: 8, Type: datasets.FP8}); err == nil ||
		!strings.Contains(err.Error(), "no datasheet peak of a100-sxm-80 for fp8") {
		t.Errorf("fp8 on A100: %v", err)
	}
}

func TestServeFront(t *testing.T) {
	m := model(t, "gpt-4-mqa")
	c := coster(t, "h100-sxm", datasets.TierDatasheet)
	layouts := llm.Layouts(128, []int{1, 2, 4, 8, 16}, llm.Divisors(128), llm.Layout{})
	out, err := c.ServeFront(m, layouts, []int64{1, 8, 64, 512, 4096}, llm.Serving{Context: 4096, Type: datasets.FP8})
	if err != nil {
		t.Fatal(err)
	}
	if out.Tried != len(layouts)*5 || len(out.Front) < 2 || out.Unfit == 0 {
		t.Fatalf("%+v", out)
	}
	for i, f := range out.Front {
		if f.MarginBytes < 0 || math.IsNaN(f.Seconds) {
			t.Errorf("%+v does not fit", f)
		}
		if i > 0 && (f.Seconds <= out.Front[i-1].Seconds || f.GPUSecondsPerToken >= out.Front[i-1].GPUSecondsPerToken) {
			t.Errorf("%+v is no better than %+v", f, out.Front[i-1])
		}
	}
	train, err := c.TrainFront(model(t, "llama-3-70b"), llm.Layouts(64, []int{1, 2, 4, 8}, llm.Divisors(64), llm.Layout{Sharding: llm.Sharding{Stage: 1}}),
		[]int64{1, 2, 3}, llm.Training{Batch: 256, Sequence: 4096, Recompute: llm.RecomputeSelective, Type: datasets.BF16})
	if err != nil {
		t.Fatal(err)
	}
	// Micro-batches of 3 never divide 256.
	if train.Impossible < train.Tried/3 || len(train.Front) == 0 {
		t.Errorf("%+v", train)
	}
	for i, f := range train.Front {
		if f.MicroBatch == 3 || i > 0 && f.Seconds < train.Front[i-1].Seconds {
			t.Errorf("%+v", f)
		}
	}
}

// 10,000 layouts are asked for in 2 s.
func BenchmarkServeFront(b *testing.B) {
	m, err := catalog.Model("gpt-4")
	if err != nil {
		b.Fatal(err)
	}
	var layouts []llm.Layout
	for gpus := 8; gpus <= 1024; gpus += 8 {
		layouts = append(layouts, llm.Layouts(gpus, []int{1, 2, 4, 8, 16}, llm.Divisors(gpus), llm.Layout{})...)
	}
	batches := []int64{8, 64, 512, 4096}
	for b.Loop() {
		out, err := coster(b, "h100-sxm", datasets.TierDatasheet).ServeFront(m, layouts, batches, llm.Serving{Context: 2048, Type: datasets.FP8})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(out.Tried), "layouts/op")
		b.ReportMetric(float64(out.Tried-out.Unfit-out.Impossible), "timed/op")
	}
}
