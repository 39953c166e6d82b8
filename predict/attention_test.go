package predict

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
)

func gpu(t testing.TB, id string) *datasets.Device {
	t.Helper()
	d, err := catalog.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	return &d
}

// startOf is a model's parameters at the values that a fit starts from.
func startOf(m *Model) []float64 {
	v := make([]float64, len(m.Parameters))
	for i, p := range m.Parameters {
		v[i] = p.Value
	}
	return v
}

func TestSplitsToFill(t *testing.T) {
	for _, c := range []struct {
		tiles, slots, blocks, want int64
		why                        string
	}{
		{173, 216, 64, 1, "173 of 216 slots are 80 %"},
		{1, 216, 1, 1, "one block of keys cannot be split"},
		{1, 216, 2, 2, "2 of 216 slots are better than 1"},
		{1, 216, 64, 64, "64/216, of which 85 % is 54.4; 32 splits are the next that shorten"},
		// 2 × 64 / 216 = 0.593 and 2 × 128 / 432 = 0.593 are the best of the
		// splits that shorten the longest part (…, 43, 64, 128).
		{2, 216, 128, 64, "a second wave of 40 fills no better than none"},
		// 0.85 × 128/216 = 0.504 needs 109 splits, of which 114 (9 blocks each,
		// 113 still has 10) is the first that shortens.
		{1, 216, 1024, 114, "splits that do not shorten are not tried"},
		{128, 216, 4, 4, "one, two: 0.59; four: 512 in three waves of 216, 0.79"},
	} {
		if got := splitsToFill(c.tiles, c.slots, c.blocks); got != c.want {
			t.Errorf("%d tiles on %d slots with %d blocks: %d splits, want %d: %s", c.tiles, c.slots, c.blocks, got, c.want, c.why)
		}
	}
}

func TestDynamicSplits(t *testing.T) {
	for _, c := range []struct{ batch, blocks, want int64 }{
		{1, 1, 1},     // 1.1 × 8/132: one block each
		{1, 1024, 15}, // 8192 × 1.1/132 = 68.3, so 69 blocks each, 1024/69 = 14.8
		{16, 1024, 1}, // 1093 blocks each
		{1, 4096, 15}, // 273.07, so 274 each, 14.9
	} {
		if got := dynamicSplits(c.batch, c.blocks, 132); got != c.want {
			t.Errorf("batch %d, %d blocks: %d splits, want %d", c.batch, c.blocks, got, c.want)
		}
	}
}

// By hand, on an A100 (108 SMs, 312 TFLOP/s, 2.039 TB/s): 16 sequences × 8 heads
// = 128 tiles of 1024 keys, 8 blocks each, in slots for 216, so that the fullest
// SM has two. A block is 4 × 64 × 128 × 128 = 4.194 MFLOP at half of an SM's
// 2.889 TFLOP/s: 2.904 µs. Two tiles of 1 + 8 × 2.904 = 24.23 µs are 48.46 µs,
// 47.46 after the first latency, well over the 67.2 MB / (2.039 TB/s × 0.8) =
// 41.2 µs of traffic, with which they contend at exponent 2 to 62.8 µs. With a
// launch of 7 and the latency of 1 that is 70.8 µs. (Measured: 57.0 µs, with
// a sharper exponent.)
func TestDecodeAttentionByHand(t *testing.T) {
	d := gpu(t, "a100-sxm")
	v := startOf(decodeAttention)
	v[decodeLaunch], v[decodeTile], v[decodeTensor] = 7e-6, 1e-6, 0.5
	v[decodeMemory], v[decodeContention] = 0.8, 2
	w := datasets.Attention{Type: datasets.BF16, Batch: 16, QueryTokens: 1, ContextTokens: 1024, Heads: 8, KVHeads: 8, HeadDim: 128, Ranks: 1, Cache: datasets.Hot}
	p := predictDecodeAttention(d, v, w)
	if math.Abs(p.Seconds-70.8e-6) > 0.3e-6 {
		t.Errorf("%.2f µs, want 70.8: %+v", p.Seconds*1e6, p.Terms)
	}
	if p.Binds != "memory" && p.Binds != "compute" {
		t.Errorf("%s binds", p.Binds)
	}
	// Grouped heads, one KV head, one sequence: 8 blocks go to 8 thread blocks,
	// and a second kernel combines them.
	w.Batch, w.KVHeads = 1, 1
	if p = predictDecodeAttention(d, v, w); term(p, "combine") < v[decodeCombine]+8*v[decodeSplit] {
		t.Errorf("split keys without a combine of 8 parts: %+v", p.Terms)
	}
}

// By hand, on an H100 (132 SMs, 989.4 TFLOP/s): one head of 16384 tokens is 128
// tiles of 128 rows, one an SM; the longest goes through 128 blocks of 8.389
// MFLOP each at 0.68 of 7.495 TFLOP/s, 1.646 µs, in 210.7 µs; with 8 µs of
// launch, 3.5 of latency and 16384 tokens × 7 ns × 1/8 = 14.3 µs to write the
// cache, plus 8.4 MB each of traffic below 10 µs, about 240 µs.
// (Measured: 225 µs.)
func TestPrefillAttentionByHand(t *testing.T) {
	d := gpu(t, "h100-sxm")
	v := startOf(prefillAttention)
	v[prefillLaunch], v[prefillTile], v[prefillWide], v[prefillTensor], v[prefillChain] = 8e-6, 2e-6, 1.5e-6, 0.68, 1
	w := datasets.Attention{Type: datasets.BF16, Batch: 1, QueryTokens: 16384, ContextTokens: 16384, Heads: 1, KVHeads: 1, HeadDim: 128, Ranks: 1, Cache: datasets.Hot}
	p := predictPrefillAttention(d, v, w)
	if p.Seconds < 234e-6 || p.Seconds > 246e-6 {
		t.Errorf("%.1f µs, want about 240: %+v", p.Seconds*1e6, p.Terms)
	}
	// 128 tiles share 132 SMs, and the mean tile has 64.5 of 128 blocks: half of
	// the time is imbalance.
	if share := term(p, "imbalance") / (term(p, "imbalance") + term(p, "compute")); math.Abs(share-0.5) > 0.03 {
		t.Errorf("imbalance is %.2f of the SMs' time, want 0.5", share)
	}
}

func anyAttention(r *rand.Rand) datasets.Attention {
	kv := []int64{1, 2, 4, 8, 16}[r.IntN(5)]
	a := datasets.Attention{Type: datasets.BF16, Batch: 1 << r.IntN(12), QueryTokens: 1, KVHeads: kv,
		Heads: kv * []int64{1, 2, 5, 8, 16}[r.IntN(5)], HeadDim: []int64{64, 128, 192, 256}[r.IntN(4)], Ranks: 1,
		ContextTokens: 1 + r.Int64N(1<<(1+r.IntN(17))), Cache: datasets.Hot}
	if r.IntN(2) == 0 {
		a.Cache = datasets.Cold
	}
	if r.IntN(3) == 0 {
		a.QueryTokens = 1 + r.Int64N(a.ContextTokens)
	}
	if r.IntN(3) == 0 {
		a.KVType = datasets.FP8
	}
	return a
}

// Whatever the parameters, an attention kernel is no faster than its device:
// arithmetic at the peak, and traffic at the memory's bandwidth unless the
// cache holds a part of it. Its terms explain its time.
func TestAttentionNeverBeatsTheRoofline(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, id := range []string{"a100-sxm", "h100-sxm", "h200-sxm"} {
		d := gpu(t, id)
		for range 20000 {
			a := anyAttention(r)
			m := modelOf(a)
			if m.Declines(d, a) != "" {
				continue
			}
			p := m.Predict(d, plausible(m, r), a)
			if math.IsNaN(p.Seconds) || math.IsInf(p.Seconds, 0) {
				t.Fatalf("%s on %s takes %g s", a.Key(), id, p.Seconds)
			}
			roof := a.FLOPs() / d.PeakFLOPs[a.Type].Value
			if resident(d, a.Bytes(), a.Cache) == 0 {
				roof = max(roof, a.Bytes()/d.MemoryBandwidth.Value)
			}
			if p.Seconds < roof {
				t.Fatalf("%s on %s takes %g s, below its roofline's %g s: %+v", a.Key(), id, p.Seconds, roof, p.Terms)
			}
			sum, busy := 0.0, 0.0
			for _, part := range p.Terms {
				switch part.Name {
				case "compute", "wave_quantization", "imbalance":
					busy += part.Seconds
				case "memory":
				default:
					sum += part.Seconds
				}
				if part.Seconds < 0 {
					t.Fatalf("%s: negative term %+v", a.Key(), part)
				}
			}
			if sum += max(busy, term(p, "memory")); math.Abs(sum/p.Seconds-1) > 1e-9 {
				t.Fatalf("%s: the terms give %g s and not %g s: %+v", a.Key(), sum, p.Seconds, p.Terms)
			}
			if p.Binds == "" {
				t.Fatalf("%s: nothing binds", a.Key())
			}
		}
	}
}

// More context or more sequences take no less time, where the library makes the
// same choice: without splits on an A100 (each head its own KV head); and more
// new tokens.
func TestAttentionIsMonotone(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, id := range []string{"a100-sxm", "h100-sxm"} {
		d := gpu(t, id)
		for range 20000 {
			a := anyAttention(r)
			a.Heads, a.Cache = a.KVHeads, datasets.Cold
			if a.Heads > 16 || a.QueryTokens == 1 && flashAttention3(d) {
				continue
			}
			b := a
			switch r.IntN(2) {
			case 0:
				b.Batch *= 2
			case 1:
				b.ContextTokens += 1 + r.Int64N(4096)
				if a.QueryTokens > 1 {
					b.QueryTokens += b.ContextTokens - a.ContextTokens
				}
			}
			m := modelOf(a)
			if m.Declines(d, a) != "" || flashAttention3(d) && a.QueryTokens <= tileRows {
				continue
			}
			v := startOf(m)
			if pa, pb := m.Predict(d, v, a), m.Predict(d, v, b); pb.Seconds < pa.Seconds*0.999 {
				t.Fatalf("on %s\n%s takes %g s\n%s takes %g s\n%+v\n%+v", id, a.Key(), pa.Seconds, b.Key(), pb.Seconds, pa.Terms, pb.Terms)
			}
		}
	}
}

func TestAttentionDeclinesByName(t *testing.T) {
	a := datasets.Attention{Type: datasets.BF16, Batch: 1, QueryTokens: 1, ContextTokens: 9, Heads: 8, KVHeads: 8, HeadDim: 128, Ranks: 1}
	with := func(f func(*datasets.Attention)) datasets.Attention { b := a; f(&b); return b }
	for _, c := range []struct {
		device string
		w      datasets.Attention
		want   string
	}{
		{"a100-sxm", a, ""},
		{"h100-sxm", with(func(a *datasets.Attention) { a.KVType = datasets.FP8 }), ""},
		{"a100-sxm", with(func(a *datasets.Attention) { a.KVType = datasets.FP8 }), "fp8 KV cache"},
		{"h100-sxm", with(func(a *datasets.Attention) { a.KVType = datasets.INT8 }), "KV cache in int8"},
		{"h100-sxm", with(func(a *datasets.Attention) { a.Type = datasets.FP32 }), "attention in fp32"},
		{"h100-sxm", with(func(a *datasets.Attention) { a.Ranks = 2 }), "several ranks"},
		{"h100-sxm", with(func(a *datasets.Attention) { a.HeadDim = 512 }), "beyond 256"},
	} {
		got := attentionDeclines(gpu(t, c.device), c.w)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s on %s: %q, want %q", c.w.Key(), c.device, got, c.want)
		}
	}
	if got := attentionDeclines(&datasets.Device{ID: "host", Kind: "cpu"}, a); !strings.Contains(got, "CPU") {
		t.Errorf("a CPU: %q", got)
	}
}

func BenchmarkDecodeAttention(b *testing.B) {
	benchmarkModel(b, datasets.Attention{Type: datasets.BF16, Batch: 4, QueryTokens: 1, ContextTokens: 8192, Heads: 64, KVHeads: 8, HeadDim: 128, Ranks: 1, Cache: datasets.Hot})
}

func BenchmarkPrefillAttention(b *testing.B) {
	benchmarkModel(b, datasets.Attention{Type: datasets.BF16, Batch: 4, QueryTokens: 8192, ContextTokens: 8192, Heads: 64, KVHeads: 8, HeadDim: 128, Ranks: 1, Cache: datasets.Hot})
}

func BenchmarkCollective(b *testing.B) {
	benchmarkModel(b, datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 1 << 24, Ranks: 8, Nodes: 1})
}

func benchmarkModel(b *testing.B, w datasets.Workload) {
	d := gpu(b, "h100-sxm")
	m := modelOf(w)
	v := startOf(m)
	b.ReportAllocs()
	for b.Loop() {
		m.Predict(d, v, w)
	}
}
