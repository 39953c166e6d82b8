package predict

import (
	"math"
	"testing"

	"bench/datasets"
)

func testDevice() datasets.Device {
	f := func(v float64) datasets.Figure { return datasets.Figure{Value: v, Origin: datasets.Datasheet} }
	return datasets.Device{ID: "test", Kind: "gpu", Arch: "sm_90", PeakFLOPs: map[datasets.DType]datasets.Figure{datasets.BF16: f(1e15)},
		MemoryBandwidth: f(2e12), LinkBandwidth: f(400e9), Caches: []datasets.CacheLevel{{Level: 2, SizeBytes: f(50e6)}}}
}

// TestBaselineRecovers: times made by the law with known parameters are
// explained by the fit to within half a percent.
func TestBaselineRecovers(t *testing.T) {
	dev := testDevice()
	truth := Baseline3{dev: dev, LatencyS: 7e-6, ComputeEfficiency: 0.6, BytesEfficiency: 0.8}
	var ws []datasets.Workload
	var seconds []float64
	for m := int64(1); m <= 1<<14; m *= 2 {
		for n := int64(1024); n <= 1<<14; n *= 2 {
			w := datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: m, N: n, K: 4096, Ranks: 1}
			ws = append(ws, w)
			seconds = append(seconds, truth.Predict(w))
		}
	}
	got := FitBaseline3(dev, ws, seconds)
	for i, w := range ws {
		if e := got.Predict(w)/seconds[i] - 1; math.Abs(e) > 0.005 {
			t.Fatalf("%s: error %.3f with %+v", w.Key(), e, got)
		}
	}
}

// TestRegimes holds the rule to one case each, worked by hand on a device of
// 1 PFLOP/s, 2 TB/s, 400 GB/s links and 50 MB of cache.
func TestRegimes(t *testing.T) {
	gemm := func(m, n, k int64) datasets.GEMM {
		return datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: m, N: n, K: k, Ranks: 1, Cache: datasets.Hot}
	}
	cold := gemm(1, 4096, 4096)
	cold.Cache = datasets.Cold
	for _, c := range []struct {
		w    datasets.Workload
		want Regime
	}{
		{gemm(1, 128, 128), RegimeLatency},      // 33 kB: 16 ns
		{gemm(8192, 8192, 8192), RegimeCompute}, // 1.1 ms of arithmetic, 0.2 ms of bytes
		{gemm(1, 16384, 16384), RegimeMemory},   // 537 MB
		{gemm(1, 4096, 4096), RegimeCache},      // 33.6 MB: 17 µs, fits in 50 MB
		{cold, RegimeMemory},                    // the same, cold
		{datasets.Stream{Kernel: "triad", Type: datasets.FP64, SizeBytes: 1 << 20, Ranks: 1}, RegimeCache},
		{datasets.Stream{Kernel: "triad", Type: datasets.FP64, SizeBytes: 1 << 30, Ranks: 1}, RegimeMemory},
		{datasets.Stream{Kernel: "latency", Type: datasets.I64, SizeBytes: 1 << 30, Ranks: 1}, RegimeLatency},
		{datasets.Collective{Kind: "all_reduce", Type: datasets.BF16, SizeBytes: 1 << 10, Ranks: 8, Nodes: 1}, RegimeLatency},
		{datasets.Collective{Kind: "all_reduce", Type: datasets.BF16, SizeBytes: 1 << 28, Ranks: 8, Nodes: 1}, RegimeCommunication},
		{datasets.GEMM{Kernel: "matmul", Type: datasets.FP64, M: 9, N: 9, K: 9, Ranks: 1}, RegimeUnknown}, // no fp64 peak
	} {
		if got := NewRegimes(testDevice()).Of(c.w); got != c.want {
			t.Errorf("%s: %s, want %s", c.w.Key(), got, c.want)
		}
	}
}
