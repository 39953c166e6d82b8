package ceilings

import (
	"math"
	"strings"
	"testing"

	"bench/datasets"
)

// testGPU reaches 2 TB/s over memory, 1 TB/s writing, 5 TB/s in an L2 of 40 MiB,
// 200 TFLOP/s, launches in 2 µs, shared by as many passes in the L2 as make 256 MiB, and all-reduces in 10 µs + size/(100 GB/s).
func testGPU(also ...datasets.Ceiling) *Model {
	d := datasets.Device{ID: "gpu", Kind: "gpu", Caches: []datasets.CacheLevel{{Level: 2, SizeBytes: datasets.Figure{Value: 40 * mib}}}, Ceilings: also}
	add := func(w datasets.Workload, seconds float64) {
		d.Ceilings = append(d.Ceilings, datasets.Ceiling{Workload: w, Key: w.Key(), Seconds: seconds})
	}
	const launch = 2e-6
	add(datasets.Stream{Kernel: "launch", Ranks: 1}, launch)
	for _, size := range []int64{8 * mib, 16 * mib} {
		add(stream("read", size), float64(size)/5e12+launch*float64(size)/(256*mib))
		add(stream("write", size), float64(size)/5e12+launch*float64(size)/(256*mib))
	}
	for _, size := range []int64{4096 * mib, 8192 * mib} {
		add(stream("read", size), float64(size)/2e12+launch)
		add(stream("write", size), float64(size)/1e12+launch)
	}
	add(datasets.GEMM{Kernel: "peak", Type: datasets.BF16, Ops: 2e12, Ranks: 1}, 0.01)
	for _, size := range []int64{1 << 10, 1 << 20, 1 << 30} {
		add(allReduce(size), 10e-6+float64(size)/100e9)
	}
	return New(d)
}

func stream(kernel string, size int64) datasets.Stream {
	return datasets.Stream{Kernel: kernel, Type: datasets.FP32, SizeBytes: size, Ranks: 1}
}

func allReduce(size int64) datasets.Collective {
	return datasets.Collective{Kind: "all_reduce", Type: datasets.BF16, SizeBytes: size, Ranks: 8, Nodes: 1}
}

func TestGPUKnownAnswers(t *testing.T) {
	m := testGPU()
	cold := datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 16, N: 8192, K: 8192, Ranks: 1, Cache: datasets.Cold}
	large := datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 8192, N: 8192, K: 8192, Ranks: 1, Cache: datasets.Cold}
	layer := datasets.DecodeLayer{Type: datasets.BF16, Batch: 64, ContextTokens: 1024, Hidden: 8192, Heads: 64, KVHeads: 8, HeadDim: 128,
		FFWidth: 28672, Gated: true, Experts: 1, TopK: 1, TP: 8, Ranks: 8, Cache: datasets.Cold}
	for _, c := range []struct {
		w     datasets.Workload
		want  float64
		binds string
	}{
		// Bytes: (16·8192 + 8192² + 16·8192)·2 = 134 742 016 at 2 TB/s.
		{cold, 134742016/2e12 + 2e-6, "memory"},
		// FLOP: 2·8192³ = 1.0995e12 at 200 TFLOP/s.
		{large, 2*8192*8192*8192/200e12 + 2e-6, "compute"},
		// Half is read and half is written, over one bus.
		{stream("copy", 6144*mib), 3072*mib/2e12 + 3072*mib/1e12 + 2e-6, "stores"},
		{stream("copy", 12*mib), 12*mib/5e12 + 2e-6/21, "loads"},
		// A launch of 4096 passes over 16 KiB; a row-wise operator is a launch each.
		{stream("triad", 16<<10), (16<<10)/5e12 + 2e-6/4096, "loads"},
		{stream("read", 8*mib), 8*mib/5e12 + 2e-6/32, "memory"},
		{stream("gelu", 12*mib), 12*mib/5e12 + 2e-6, "launch"},
		// From its own other size.
		{stream("read", 4096*mib), 4096*mib/2e12 + 2e-6, "memory"},
		// Between 1 KiB and 1 MiB: the line is exact.
		{allReduce(64 << 10), 10e-6 + 65536/100e9, "communication"},
		{allReduce(1 << 20), 10e-6 + 1048576/100e9, "communication"},
		// Two all-reduces of 64·8192·2 bytes beside an eighth of the traffic each.
		{layer, layer.Bytes()/8/2e12 + 2*(10e-6+1048576/100e9) + 2e-6, "memory"},
	} {
		p := m.Predict(c.w)
		if p.NotPredicted != "" || math.Abs(p.Seconds/c.want-1) > 1e-3 || p.Binds != c.binds {
			t.Errorf("%s: %v s bound by %s (%s), want %v s by %s", c.w.Key(), p.Seconds, p.Binds, p.NotPredicted, c.want, c.binds)
		}
	}
}

func TestGPUSaysWhatIsMissing(t *testing.T) {
	m := testGPU()
	for _, c := range []struct {
		w    datasets.Workload
		want string
	}{
		{datasets.GEMM{Kernel: "matmul", Type: datasets.FP8, M: 1, N: 1, K: 1, Ranks: 1}, "no measured fp8 peak"},
		{datasets.GEMM{Kernel: "peak", Type: datasets.BF16, Ops: 1, Ranks: 1}, "is itself the ceiling"},
		{stream("latency", 1024), "no other latency case"},
		{stream("host_to_device", 1024), "no smaller and larger host_to_device case"},
		{allReduce(1 << 30), "no smaller and larger all_reduce of 8 GPUs"}, // the largest itself
		{datasets.MoELayer{Kernel: "layer", Type: datasets.BF16, Tokens: 8, Experts: 8, TopK: 2, EP: 8, Ranks: 8}, "spread over GPUs"},
	} {
		if p := m.Predict(c.w); !strings.Contains(p.NotPredicted, c.want) {
			t.Errorf("%s: %+v, want %q", c.w.Key(), p, c.want)
		}
	}
}

// No case enters its own prediction, whatever it took.
func TestGPULeavesTheCaseOut(t *testing.T) {
	w := stream("read", 3*4096*mib)
	with := testGPU(datasets.Ceiling{Workload: w, Key: w.Key(), Seconds: 1000})
	if a, b := testGPU().Predict(w).Seconds, with.Predict(w).Seconds; a != b {
		t.Errorf("%v s without itself and %v s with it", a, b)
	}
}

func TestCeilingsOfSeveralGPUsAreTheirMedian(t *testing.T) {
	w := stream("read", 8*mib)
	var rows []datasets.Row
	for i, seconds := range []float64{1, 2, 9} {
		rows = append(rows, datasets.Row{Workload: w, DeviceID: "h100-sxm", DeviceUUID: string(rune('a' + i)),
			Measurement: datasets.Measurement{Verdict: datasets.OK, Source: datasets.SourceMeasured, TimeS: seconds}})
	}
	got := Of(rows, "h100-sxm")
	if len(got) != 1 || got[0].Seconds != 2 || got[0].Key != w.Key() {
		t.Errorf("%+v", got)
	}
}
