package predict

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
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

// gpuOfTest is a made-up GPU with round figures.
func gpuOfTest(arch string, units int) datasets.Device {
	figure := func(v float64) datasets.Figure { return datasets.Figure{Value: v, Origin: datasets.Datasheet} }
	return datasets.Device{ID: "test", Arch: arch, Kind: "gpu", Units: units, ClockHz: figure(1e9),
		PeakFLOPs: map[datasets.DType]datasets.Figure{
			datasets.BF16: figure(1e12 * float64(units)), datasets.FP8: figure(2e12 * float64(units))},
		MemoryBandwidth: figure(1e12), LinkBandwidth: figure(1e11), NetworkBandwidth: figure(2e10), NodeSize: 8,
		Caches: []datasets.CacheLevel{{Level: 2, SizeBytes: figure(40 << 20), SharedBy: units}}}
}

// startOf is a law's parameters at the values that a fit starts from.
func startOf(l *Law) []float64 { return l.valuesOf(&datasets.LawFit{}, nil) }

// starts is a calibration of every law at its start.
func starts(id string) *datasets.Calibration {
	c := &datasets.Calibration{Device: id, Machine: machineParameters, Stacks: []datasets.StackFit{{Library: "test"}}}
	for _, l := range Laws {
		c.Stacks[0].Laws = append(c.Stacks[0].Laws, datasets.LawFit{Law: l.Name, Variant: datasets.Variant{Type: datasets.BF16}, Parameters: l.Parameters})
	}
	return c
}

func term(p datasets.Prediction, name string) float64 {
	for _, t := range p.Terms {
		if t.Name == name {
			return t.Seconds
		}
	}
	return 0
}

func matmul(m, n, k int64) datasets.GEMM {
	return datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: m, N: n, K: k, Ranks: 1, Cache: datasets.Cold}
}

// valueOf evaluates a rule: sums, and max( , ).
func valueOf(rule string, p datasets.Prediction) (float64, error) {
	at := 0
	var sum func() (float64, error)
	one := func() (float64, error) {
		start := at
		for at < len(rule) && (rule[at] == '_' || rule[at] >= 'a' && rule[at] <= 'z' || rule[at] >= '0' && rule[at] <= '9') {
			at++
		}
		name := rule[start:at]
		if name != "max" {
			for _, t := range p.Terms {
				if t.Name == name {
					return t.Seconds, nil
				}
			}
			return 0, fmt.Errorf("%q is no term", name)
		}
		most := 0.0
		for at < len(rule) && rule[at] != ')' {
			at += strings.Count(rule[at:at+1], "(") + 2*strings.Count(rule[at:min(at+2, len(rule))], ", ")
			v, err := sum()
			if err != nil {
				return 0, err
			}
			most = max(most, v)
		}
		at++
		return most, nil
	}
	sum = func() (float64, error) {
		total, err := one()
		for err == nil && strings.HasPrefix(rule[at:], " + ") {
			at += 3
			var v float64
			v, err = one()
			total += v
		}
		return total, err
	}
	v, err := sum()
	if err == nil && at != len(rule) {
		err = fmt.Errorf("rest %s", strconv.Quote(rule[at:]))
	}
	return v, err
}

func anyWorkload(r *rand.Rand) datasets.Workload {
	formats := []string{"", "fp8_dynamic", "fp8_block", "int8_wo", "int4_wo", "w4a16_mxfp4"}
	format := formats[r.IntN(len(formats))]
	dtype := datasets.BF16
	if strings.HasPrefix(format, "fp8") {
		dtype = datasets.FP8
	}
	cache := []datasets.Cache{datasets.Hot, datasets.Cold}[r.IntN(2)]
	switch r.IntN(5) {
	case 0:
		return datasets.GEMM{Kernel: "matmul", Type: dtype, Format: format, M: 1 << r.IntN(14), N: 32 + r.Int64N(20000), K: 32 + r.Int64N(20000), Ranks: 1, Cache: cache}
	case 1:
		return datasets.MoELayer{Kernel: "experts", Type: dtype, Format: format, Tokens: 1 << r.IntN(14), Hidden: 256 + r.Int64N(8000), Intermediate: 256 + r.Int64N(16000),
			Experts: int64(8) << r.IntN(6), TopK: 1 + r.Int64N(8), Gated: r.IntN(3) > 0, TP: 1, EP: 1 << r.IntN(4), Ranks: 1, Cache: cache,
			Routing: datasets.Routing{Rule: []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteUniform}[r.IntN(2)]}}
	case 2:
		kv := []int64{1, 2, 4, 8, 16}[r.IntN(5)]
		a := datasets.Attention{Type: datasets.BF16, Batch: 1 << r.IntN(12), QueryTokens: 1, KVHeads: kv, Heads: kv * []int64{1, 2, 5, 8, 16, 40}[r.IntN(6)],
			HeadDim: []int64{64, 128, 192, 256, 576}[r.IntN(5)], Ranks: 1, ContextTokens: 1 + r.Int64N(1<<(1+r.IntN(17))), Cache: cache}
		if r.IntN(3) == 0 {
			a.QueryTokens = 1 + r.Int64N(a.ContextTokens)
		}
		if r.IntN(3) == 0 {
			a.KVType = datasets.FP8
		}
		return a
	case 3:
		c := datasets.Collective{Kind: datasets.CollectiveKinds[r.IntN(len(datasets.CollectiveKinds))],
			Type: []datasets.DType{datasets.FP16, datasets.INT8}[r.IntN(2)], SizeBytes: 1 + r.Int64N(1<<(1+r.IntN(30))), Ranks: 2 << r.IntN(3), Nodes: 1 + r.IntN(2),
			Launch: []string{"", "eager", "graph"}[r.IntN(3)]}
		if c.Kind == "send_recv" {
			c.Ranks = 2
		}
		return c
	}
	return datasets.Stream{Kernel: rowwiseKernels[r.IntN(len(rowwiseKernels))], Type: datasets.FP16, Rows: 1 + r.Int64N(1<<17), Cols: 128, SizeBytes: 1 + r.Int64N(1<<30), Ranks: 1}
}

// Whatever the parameters and facts: a time is finite, not below what the device's peaks
// allow, is what its rule says of its terms, and one of them binds.
func TestLawsAreWhatTheirRulesSay(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	tried := map[string]int{}
	devices := []datasets.Device{gpuOfTest("sm_80", 108), gpuOfTest("sm_90", 132), gpuOfTest("sm_100", 148), *gpu(t, "h100-sxm"), *gpu(t, "l40s")}
	for range 40000 {
		d := &devices[r.IntN(len(devices))]
		w := anyWorkload(r)
		l := lawOf(w)
		if l == nil || l.Declines(d, w) != "" {
			continue
		}
		tried[l.Name]++
		values, facts := make([]float64, len(l.Parameters)), make([]int, len(l.Facts))
		for i, p := range l.Parameters {
			if u := 0.05 + 0.9*r.Float64(); p.Min > 0 {
				values[i] = p.Min * math.Pow(p.Max/p.Min, u)
			} else {
				values[i] = p.Min + (p.Max-p.Min)*u
			}
		}
		for i, f := range l.Facts {
			facts[i] = r.IntN(len(f.Options))
		}
		p := l.predict(d, values, facts, w)
		if math.IsNaN(p.Seconds) || math.IsInf(p.Seconds, 0) || p.Seconds < l.Least(d, w) || !(p.Seconds > 0) {
			t.Fatalf("%s on %s: %g s, at least %g", w.Key(), d.ID, p.Seconds, l.Least(d, w))
		}
		if v, err := valueOf(p.Rule, p); err != nil || math.Abs(v/p.Seconds-1) > 1e-9 {
			t.Fatalf("%s: %s is %g s and not %g: %v: %+v", w.Key(), p.Rule, v, p.Seconds, err, p.Terms)
		}
		if term(p, p.Binds) == 0 {
			t.Fatalf("%s: %q binds of %+v", w.Key(), p.Binds, p.Terms)
		}
	}
	for _, l := range Laws {
		if tried[l.Name] < 100 {
			t.Errorf("%s was tried %d times", l.Name, tried[l.Name])
		}
	}
}

// Four SMs of 1 TFLOP/s, and traffic so cheap that arithmetic decides.
//
// 256 × 256 × 1024 is four tiles of 128 × 128, one wave: 2·128·128·1024/1e12 =
// 33.554 µs. With one row more, 64 × 64 tiles are best: 5 × 4 = 20 of them are
// five full waves of 2·64·64·1024/1e12 = 8.389 µs, 41.943 µs, of which
// 2·257·256·1024/4e12 = 33.686 µs are useful and the rest is padding. A library
// that charges three waves of 128 × 128 for each wave prefers 256 × 128: four of
// them, one wave of 67.109 µs, of which 33.423 µs are padding. Splits are made too
// dear to matter, and the launch is 1,000 cycles of 1 ns.
func TestGEMMTilesAndWavesByHand(t *testing.T) {
	d := gpuOfTest("sm_80", 4)
	d.MemoryBandwidth.Value = 1e16
	v := startOf(gemmLaw)
	v[gemmLaunch], v[gemmTensor], v[gemmStep], v[gemmExposed], v[gemmSplit], v[gemmSag] = 1e3, 1, 1, 0, 1e9, 0
	for _, c := range []struct {
		w                       datasets.GEMM
		bias                    float64
		seconds, useful, padded float64
	}{
		{matmul(256, 256, 1024), 0, 34.554e-6, 33.554e-6, 0},
		{matmul(257, 256, 1024), 0, 42.943e-6, 33.686e-6, 8.257e-6},
		{matmul(257, 256, 1024), 3, 68.109e-6, 33.686e-6, 33.423e-6},
	} {
		v[gemmBias] = c.bias
		p := gemmLaw.predict(&d, v, make([]int, 3), c.w)
		if math.Abs(p.Seconds/c.seconds-1) > 1e-3 || math.Abs(term(p, "compute")/c.useful-1) > 1e-3 ||
			math.Abs(term(p, "tile_padding")-c.padded) > 1e-9 || p.Binds != "compute" {
			t.Errorf("%s: %g s %v, want %g s, compute %g, padding %g", c.w.Key(), p.Seconds, p.Terms, c.seconds, c.useful, c.padded)
		}
	}
}

// Where arithmetic takes 80 µs of 100 and the sag is 0.5, power adds 0.5 × 80 × 0.8².
func TestSagByHand(t *testing.T) {
	k := kernel{}
	whole := k.sagging(0.5, 80e-6, k.of("all", 100e-6))
	if math.Abs(whole.seconds-125.6e-6) > 1e-12 {
		t.Errorf("%g s, want 125.6 µs", whole.seconds)
	}
}

// Two parts of 3 and 4 s that are in each other's way by a half: 4 + 0.5 × 9/4.
func TestOverlapByHand(t *testing.T) {
	k := kernel{}
	k.words = true
	a := k.overlap(0.5, k.of("a", 3), k.of("b", 4))
	if a.seconds != 5.125 || a.rule != "max(a, b) + exposed" || k.list[a.binds].Name != "b" {
		t.Errorf("%+v", a)
	}
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
		if got := dynamicSplits(c.batch, c.blocks, 132, 8); got != c.want {
			t.Errorf("batch %d, %d blocks: %d splits, want %d", c.batch, c.blocks, got, c.want)
		}
	}
}

// NCCL's estimates by hand, on A100s (LL at most 87.7 GB/s, ring 240 GB/s):
//
//   - 2 ranks, all-reduce: LL 7.8 µs + S/87.7 GB/s, Simple 15.2 µs + S/240
//     GB/s; equal at 7.4 µs / (1/87.7 − 1/240) per GB = 1.02 MB.
//   - 8 ranks, all-gather, S×7/8 sent: LL 10.8 µs, LL128 27.3 µs and 220.8 GB/s,
//     Simple 32.2 µs; LL to LL128 at 16.5 µs / 6.87 ps per byte = 2.40 MB sent,
//     S = 2.74 MB; LL128 to Simple at 4.9 µs / 0.362 ps = 13.5 MB, S = 15.5 MB.
func TestRingChoiceByHand(t *testing.T) {
	d := gpu(t, "a100-sxm")
	for _, c := range []struct {
		hops, bytes float64
		want        protocol
	}{
		{2, 512 << 10, protocolLL},
		{2, 1.00e6, protocolLL},
		{2, 1 << 20, protocolSimple},
		{7, 2 << 20 * 7 / 8, protocolLL},
		{7, 4 << 20 * 7 / 8, protocolLL128},
		{7, 8 << 20 * 7 / 8, protocolLL128},
		{7, 16 << 20 * 7 / 8, protocolSimple},
	} {
		if got := ringChoice(d, d.LinkBandwidth.Value, c.hops, c.bytes); got != c.want {
			t.Errorf("%g hops, %g bytes: protocol %d, want %d", c.hops, c.bytes, got, c.want)
		}
	}
}

// By hand, 8 H100s, 512 MiB in FP16: the switch adds, and each rank sends 1 + 1/8
// of 536.9 MB at 0.62 of 450 GB/s: 2164.8 µs, and latencies. In INT8 it does
// not: 14 hops and half a chunk of 67.1 MB at 0.8 of 450 GB/s, 2702.9 µs. On 8 cards
// without NVLink a rate falls by 4 to the power of the bridge.
func TestCollectiveByHand(t *testing.T) {
	d := gpu(t, "h100-sxm")
	v := startOf(collectiveLaw)
	v[ringRateSwitch], v[ringRateSimple], v[ringCopy], v[ringBridge] = 0.62, 0.8, 0.5, 2
	c := datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 512 << 20, Ranks: 8, Nodes: 1}
	if got := term(collectiveLaw.predict(d, v, nil, c), "communication"); math.Abs(got-2164.8e-6) > 0.2e-6 {
		t.Errorf("in the switch %g s, want 2164.8 µs", got)
	}
	c.Type = datasets.INT8
	if got := term(collectiveLaw.predict(d, v, nil, c), "communication"); math.Abs(got-2702.9e-6) > 0.2e-6 {
		t.Errorf("around the ring %g s, want 2702.9 µs", got)
	}
	l40s := gpu(t, "l40s")
	want := 14.5 * 67.108864e6 / (0.8 * 32e9 / 16)
	if got := term(collectiveLaw.predict(l40s, v, nil, c), "communication"); math.Abs(got/want-1) > 1e-6 {
		t.Errorf("over PCIe %g s, want %g", got, want)
	}
}

// By hand, 8 A100s: one shot reads 7 × 64 KiB at 0.6 of 300 GB/s, 2.55 µs; two
// shots move 2 × 7/8 of 4 MiB at 0.6, 40.78 µs; 8 MiB go around the ring.
func TestCustomAllReduceByHand(t *testing.T) {
	d := gpu(t, "a100-sxm")
	l := customAllReduceLaw
	v := startOf(l)
	v[customOneShot], v[customTwoShot] = 0.6, 0.6
	for size, want := range map[int64]float64{64 << 10: 2.5486e-6, 4 << 20: 40.778e-6} {
		c := datasets.Collective{Kind: "custom_all_reduce", Type: datasets.BF16, SizeBytes: size, Ranks: 8, Nodes: 1, Launch: "graph"}
		p := l.predict(d, v, make([]int, len(l.Facts)), c)
		if got := term(p, "communication"); math.Abs(got/want-1) > 1e-3 {
			t.Errorf("%d bytes move in %g s, want %g s", size, got, want)
		}
	}
}

// What a rank multiplies under "all slots": 8 tokens of top-2 over 2 ranks of 4 experts,
// half of the choices each. A token misses the rank with (1/2)², so 6 of 8 touch it,
// and 12 rows are multiplied in place of 8.
func TestAllSlotsByHand(t *testing.T) {
	l := loadOf([]int64{2, 2, 2, 2}).allSlots(8, 2, 4)
	if l.Rows != 12 || l.Awake != 4 {
		t.Errorf("%+v, want 12 rows of 4 experts", l)
	}
}

func TestLawsDeclineByName(t *testing.T) {
	a100 := gpu(t, "a100-sxm")
	attention := datasets.Attention{Type: datasets.BF16, Batch: 1, QueryTokens: 1, ContextTokens: 9, Heads: 8, KVHeads: 8, HeadDim: 128, Ranks: 2}
	wide := attention
	wide.Ranks, wide.HeadDim = 1, 600
	double := matmul(1, 1, 1)
	double.Type = datasets.FP64
	trace := datasets.MoELayer{Kernel: "experts", Type: datasets.BF16, Tokens: 1, Hidden: 8, Intermediate: 8, Experts: 8, TopK: 2, TP: 1, EP: 1, Ranks: 1,
		Routing: datasets.Routing{Rule: datasets.RouteTrace}}
	test := gpuOfTest("sm_80", 4)
	for _, c := range []struct {
		d    *datasets.Device
		w    datasets.Workload
		want string
	}{
		{a100, matmul(1, 1, 1), ""},
		{&test, double, "no datasheet peak of test for fp64"},
		{&datasets.Device{ID: "host", Kind: "cpu"}, matmul(1, 1, 1), "kernels on a cpu"},
		{a100, attention, "several ranks"},
		{a100, wide, "beyond 576"},
		{a100, trace, "the routing trace is not at hand"},
		{a100, datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 8, Ranks: 32, Nodes: 1}, "more ranks on one node"},
		{a100, datasets.Collective{Kind: "custom_all_reduce", Type: datasets.FP16, SizeBytes: 8, Ranks: 16, Nodes: 2}, "at most 8 GPUs"},
		{&datasets.Device{ID: "x", Kind: "gpu"}, datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 8, Ranks: 2, Nodes: 1}, "link bandwidth"},
	} {
		got := lawOf(c.w).Declines(c.d, c.w)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s on %s: %q, want %q", c.w.Key(), c.d.ID, got, c.want)
		}
	}
}
