package ceilings

import (
	"math"
	"strings"
	"testing"

	"bench/datasets"
)

// A made-up CPU of two cores whose law is known: reading costs 10, 20, 40 and
// 100 ps a byte in L1, L2, L3 and memory with one worker and half of that with
// two, writing twice as much, non-temporal stores 300 ps everywhere. Its caches
// have no colours (Ways is 0), so that a pass that fits is served by one level.
const (
	kib = 1 << 10
	mib = 1 << 20
)

var readCost = [maxLevels]float64{10e-12, 20e-12, 40e-12, 100e-12}

func machine() datasets.Device {
	f := func(v float64) datasets.Figure { return datasets.Figure{Value: v, Origin: datasets.Datasheet} }
	return datasets.Device{ID: "made-up", Kind: "cpu", Units: 2, Caches: []datasets.CacheLevel{
		{Level: 1, SizeBytes: f(32 * kib), SharedBy: 1}, {Level: 2, SizeBytes: f(1 * mib), SharedBy: 1},
		{Level: 3, SizeBytes: f(32 * mib), SharedBy: 2}}}
}

// truth is what the machine takes over a stream.
func truth(m *Model, s datasets.Stream) float64 {
	if s.Kernel == "launch" {
		return 1e-6
	}
	factor := map[string]float64{"read": 1, "write": 2, "latency": 100}[s.Kernel] / float64(s.Ranks)
	shares := m.shares(float64(s.SizeBytes), s.Ranks, 32*mib)
	t := 0.0
	for l := range shares {
		cost := factor * readCost[l]
		if s.Kernel == "write_nt" {
			cost = 300e-12 / float64(s.Ranks)
		}
		t += shares[l] * cost
	}
	if s.Kernel == "latency" {
		return t
	}
	return t * float64(s.SizeBytes)
}

func withCeilings() datasets.Device {
	d := machine()
	bare := New(d)
	add := func(w datasets.Workload, seconds float64) {
		d.Ceilings = append(d.Ceilings, datasets.Ceiling{Workload: w, Key: w.Key(), Seconds: seconds})
	}
	for ranks := 1; ranks <= 2; ranks++ {
		for _, size := range []int64{16 * kib, 24 * kib, 256 * kib, 512 * kib, 4 * mib, 8 * mib, 16 * mib, 96 * mib, 128 * mib, 256 * mib} {
			for _, op := range []string{"read", "write", "write_nt"} {
				s := datasets.Stream{Kernel: op, Type: datasets.FP64, SizeBytes: size, Ranks: ranks}
				add(s, truth(bare, s))
			}
		}
		launch := datasets.Stream{Kernel: "launch", Ranks: ranks}
		add(launch, truth(bare, launch))
		// 100 GFLOP/s a core.
		add(datasets.GEMM{Kernel: "peak", Type: datasets.FP32, Ops: 1e9, Ranks: ranks}, 0.01/float64(ranks))
	}
	for _, size := range []int64{16 * kib, 24 * kib, 256 * kib, 512 * kib, 4 * mib, 8 * mib, 96 * mib, 128 * mib} {
		s := datasets.Stream{Kernel: "latency", Type: datasets.I64, SizeBytes: size, Ranks: 1}
		add(s, truth(bare, s))
	}
	return d
}

// near allows 1 %, since a size that counts as one level's own may be served by
// another to a small part.
func near(t *testing.T, what string, got datasets.Prediction, want float64) {
	t.Helper()
	if got.NotPredicted != "" {
		t.Errorf("%s: not predicted: %s", what, got.NotPredicted)
	} else if math.Abs(got.Seconds/want-1) > 1e-2 {
		t.Errorf("%s: predicted %g s, want %g s (terms %v)", what, got.Seconds, want, got.Terms)
	}
}

func TestHits(t *testing.T) {
	if h := colourHits(8, 8); h != 1 {
		t.Errorf("a pass that fits hits %g of the time, want always", h)
	}
	// h = exp(−(1−h)·2) has the root 0.2032 beside 1.
	if h := colourHits(8, 16); math.Abs(h-0.2032) > 1e-4 {
		t.Errorf("twice the capacity hits %g, want 0.2032", h)
	}
	// 1 MiB of 8 ways is 32 colours of 8 pages. At 768 KiB the mean is 6 pages a
	// colour; a page shares its colour with 7 or fewer others with probability
	// P(Poisson(6) ≤ 7) = 0.7440, and the rest hit less often.
	c := newCache(datasets.CacheLevel{Level: 2, SizeBytes: datasets.Figure{Value: mib}, Ways: 8})
	if h := c.hits(768 * kib); h < 0.7440 || h > 0.93 {
		t.Errorf("768 KiB of 1 MiB hits %g, want a little more than 0.744", h)
	}
	last := 1.0
	for size := 4.0 * kib; size < 64*mib; size *= 1.3 {
		h := c.hits(size)
		if h > last+1e-9 || h < 0 {
			t.Fatalf("hits grow from %g to %g at %g bytes", last, h, size)
		}
		last = h
	}
}

func TestSharesAddUp(t *testing.T) {
	m := New(machine())
	for size := 1.0 * kib; size < 1<<32; size *= 1.7 {
		sum := 0.0
		for _, s := range m.shares(size, 2, 32*mib) {
			if s < 0 {
				t.Fatalf("a level serves %g of a pass over %g bytes", s, size)
			}
			sum += s
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("the shares of %g bytes add up to %g", size, sum)
		}
	}
	// The last level keeps half of a pass over twice its capacity.
	if s := m.shares(64*mib, 1, 32*mib); math.Abs(s[3]-0.5) > 1e-9 {
		t.Errorf("64 MiB in a cache of 32: memory serves %g, want 0.5", s[3])
	}
}

func TestStreams(t *testing.T) {
	m := New(withCeilings())
	// 512 KiB in L2, one worker: 262,144 bytes read at 20 ps and as many written
	// at 40 ps are 15.73 µs.
	near(t, "copy in L2", m.Predict(datasets.Stream{Kernel: "copy", Type: datasets.FP64, SizeBytes: 512 * kib, Ranks: 1}), 15.729e-6)
	// 16 KiB in L1: 8192 bytes at 10 ps read while 8192 at 20 ps are written.
	near(t, "copy in L1", m.Predict(datasets.Stream{Kernel: "copy", Type: datasets.FP64, SizeBytes: 16 * kib, Ranks: 1}), 163.84e-9)
	// 24 KiB triad in L1: 16 KiB at 10 ps and 8 KiB at 20 ps take as long.
	near(t, "triad in L1", m.Predict(datasets.Stream{Kernel: "triad", Type: datasets.FP64, SizeBytes: 24 * kib, Ranks: 1}), 163.84e-9)
	// Non-temporal stores of 4 MiB at 300 ps outlast the loads of 4 MiB from L3.
	near(t, "copy_nt", m.Predict(datasets.Stream{Kernel: "copy_nt", Type: datasets.FP64, SizeBytes: 8 * mib, Ranks: 1}), 4*mib*300e-12)
	near(t, "latency in L2", m.Predict(datasets.Stream{Kernel: "latency", Type: datasets.I64, SizeBytes: 256 * kib, Ranks: 1}), 2e-9)
	// 128 MiB: a quarter from L3 at 40 ps, the rest from memory at 100 ps.
	near(t, "read of memory", m.Predict(datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: 128 * mib, Ranks: 1}), 128*mib*85e-12)
}

// A case must not enter its own prediction, however wrong it was.
func TestNoCasePredictsItself(t *testing.T) {
	for i, c := range withCeilings().Ceilings {
		if w, ok := c.Workload.(datasets.Stream); !ok || w.Kernel == "launch" {
			continue
		}
		d := withCeilings()
		before := New(d).Predict(c.Workload)
		d.Ceilings[i].Seconds *= 3
		after := New(d).Predict(c.Workload)
		if before.Seconds != after.Seconds {
			t.Errorf("%s: its own time moved its prediction from %g to %g", c.Key, before.Seconds, after.Seconds)
		}
	}
}

func TestLastCapacityIsMeasured(t *testing.T) {
	d := machine()
	bare := New(d)
	for _, size := range []int64{2 * mib, 4 * mib, 8 * mib, 16 * mib, 32 * mib, 64 * mib, 128 * mib} {
		for _, op := range []string{"read", "write"} {
			s := datasets.Stream{Kernel: op, Type: datasets.FP64, SizeBytes: size, Ranks: 1}
			// The guest holds half of the 32 MiB.
			shares := bare.shares(float64(size), 1, 16*mib)
			t := 0.0
			for l := range shares {
				t += shares[l] * readCost[l] * float64(size)
			}
			d.Ceilings = append(d.Ceilings, datasets.Ceiling{Workload: s, Key: s.Key(), Seconds: t})
		}
	}
	if got := New(d).lastBytes[streamID{"", 1}]; got < 14*mib || got > 18*mib {
		t.Errorf("the passes show a last-level cache of %.1f MiB, want 16", got/mib)
	}
}

func TestGEMM(t *testing.T) {
	m := New(withCeilings())
	// One row, cold, two workers: B of 2048·1024·4 = 8 MiB rotates through
	// 64 MiB, half of it from L3 (20 ps) and half from memory (50 ps), 35 ps a
	// byte; A and C add 4096 and 8192 bytes, C written at twice the cost. The
	// arithmetic, 4.2 MFLOP at 200 GFLOP/s, takes 21 µs and hides. Launch: 1 µs.
	b := float64(2048 * 1024 * 4)
	near(t, "streamed", m.Predict(datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: 1, N: 2048, K: 1024, Ranks: 2, Cache: datasets.Cold}),
		(b+4096)*35e-12+8192*70e-12+1e-6)
	// 256³ hot, one worker: 768 KiB lie in L2. Arithmetic 2·256³/1e11 = 335.5 µs.
	// Inputs of 512 KiB are read (20 ps), packed (40 ps) and read again (20 ps);
	// C of 256 KiB is written once (40 ps), k being one block.
	near(t, "packed", m.Predict(datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: 256, N: 256, K: 256, Ranks: 1, Cache: datasets.Hot}),
		335.544e-6+512*kib*80e-12+256*kib*40e-12+1e-6)
	roof := m.Predict(datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: 256, N: 256, K: 256, Ranks: 1, Cache: datasets.Hot})
	if roof.Binds != "compute" {
		t.Errorf("a product of 256³ is bound by %s, want compute", roof.Binds)
	}
	if p := m.Predict(datasets.GEMM{Kernel: "matmul", Type: datasets.INT8, M: 64, N: 64, K: 64, Ranks: 1}); !strings.Contains(p.NotPredicted, "no measured int8 peak") {
		t.Errorf("without an int8 peak: %q", p.NotPredicted)
	}
}

func TestAllReduceDirect(t *testing.T) {
	d := withCeilings()
	for size, seconds := range map[int64]float64{8: 2e-7, 64: 2e-7, 512: 2e-7} {
		w := datasets.Collective{Kind: "all_reduce", Type: datasets.FP32, SizeBytes: size, Ranks: 2, Nodes: 1, Algorithm: "direct"}
		d.Ceilings = append(d.Ceilings, datasets.Ceiling{Workload: w, Key: w.Key(), Seconds: seconds})
	}
	m := New(d)
	w := datasets.Collective{Kind: "all_reduce", Type: datasets.FP32, SizeBytes: 256 * kib, Ranks: 2, Nodes: 1, Algorithm: "direct"}
	// Buffers of 1 MiB lie in two L2s: 512 KiB read at 10 ps, 512 KiB written at
	// 20 ps by two workers, after 0.2 µs of signals.
	near(t, "direct", m.Predict(w), 2e-7+512*kib*30e-12)
	w.Algorithm = "ring"
	if p := m.Predict(w); !strings.Contains(p.NotPredicted, "ring") {
		t.Errorf("without any ring case: %q", p.NotPredicted)
	}
}

func TestWeighted(t *testing.T) {
	// Twelve rows, 12 µs of arithmetic and 8 µs of weights: the first six rows'
	// 6 µs hide under the 8, the other 6 µs come on top.
	stream, rest := weighted(projection, 12, 12e-6, 8e-6)
	near(t, "two tiles", phased([]phase{stream, rest}, 0), 14e-6)
	// Four rows are one tile: all hides.
	stream, rest = weighted(projection, 4, 4e-6, 8e-6)
	near(t, "one tile", phased([]phase{stream, rest}, 0), 8e-6)
}

func TestMoE(t *testing.T) {
	m := New(withCeilings())
	w := datasets.MoELayer{Kernel: "layer", Type: datasets.FP32, Tokens: 1024, Hidden: 512, Intermediate: 512, Experts: 8, TopK: 2, Gated: true,
		TP: 1, EP: 1, Routing: datasets.Routing{Rule: datasets.RouteBalanced}, Ranks: 2, Cache: datasets.Cold}
	balanced := m.Predict(w)
	// 2048 rows of 2·3·512·512 FLOP at 200 GFLOP/s are 16.1 ms, and bind.
	if balanced.Binds != "expert_compute" || balanced.Seconds < 16.1e-3 {
		t.Errorf("balanced: %g s bound by %s, want over 16.1 ms of expert_compute", balanced.Seconds, balanced.Binds)
	}
	// With the experts spread over two ranks and all tokens on experts 0 and 1,
	// one rank does all: its half beyond the mean is done at half the rate.
	w.EP = 2
	spread := m.Predict(w)
	w.Routing.Rule = datasets.RouteAllOnOne
	lone := m.Predict(w)
	if r := lone.Seconds / spread.Seconds; r < 1.9 || r > 2.1 {
		t.Errorf("all tokens on one of two ranks take %.2f of balanced, want about 2", r)
	}
	w.Routing = datasets.Routing{Rule: datasets.RouteTrace, TraceSHA256: "00"}
	if p := m.Predict(w); p.NotPredicted == "" {
		t.Error("a trace that is not at hand was predicted")
	}
}

// More bytes, tokens or context never take less time.
func TestMonotone(t *testing.T) {
	m := New(withCeilings())
	grows := func(what string, make func(n int64) datasets.Workload) {
		last := 0.0
		for n := int64(1); n <= 1<<12; n *= 2 {
			p := m.Predict(make(n))
			if p.NotPredicted != "" {
				t.Errorf("%s %d: %s", what, n, p.NotPredicted)
			}
			if p.Seconds < last*(1-1e-9) {
				t.Errorf("%s: %d takes %g s, half of it %g s", what, n, p.Seconds, last)
			}
			last = p.Seconds
		}
	}
	grows("read", func(n int64) datasets.Workload {
		return datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: n * 64 * kib, Ranks: 2}
	})
	grows("m", func(n int64) datasets.Workload {
		return datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: n, N: 1024, K: 1024, Ranks: 2, Cache: datasets.Cold}
	})
	grows("batch", func(n int64) datasets.Workload {
		return datasets.DecodeLayer{Model: "x", Type: datasets.FP32, Batch: n, ContextTokens: 128, Hidden: 256, Heads: 4, KVHeads: 2, HeadDim: 64,
			FFWidth: 512, Experts: 4, TopK: 2, TP: 1, Ranks: 2, Cache: datasets.Cold}
	})
	grows("context", func(n int64) datasets.Workload {
		return datasets.Attention{Type: datasets.FP32, Batch: 4, QueryTokens: 1, ContextTokens: n, Heads: 4, KVHeads: 2, HeadDim: 64, Ranks: 2, Cache: datasets.Cold}
	})
}
