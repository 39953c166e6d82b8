package predict

import (
	"testing"

	"bench/datasets"
)

// BenchmarkPredict is workloads a second on one core, by tier. The aim is a
// million for the tiers without a fitted model.
func BenchmarkPredict(b *testing.B) {
	gpu := testDevice()
	b.Run("datasheet", func(b *testing.B) { predictAll(b, New(gpu, datasets.TierDatasheet), suites(datasets.BF16, 1)) })
	b.Run("ceilings", func(b *testing.B) {
		predictAll(b, New(hostWithCeilings(), datasets.TierCeilings), suites(datasets.FP32, 2))
	})
	gpu.Calibration = starts(gpu.ID)
	gpu.Units, gpu.NodeSize = 132, 8
	gpu.ClockHz = datasets.Figure{Value: 1.98e9}
	b.Run("calibrated", func(b *testing.B) { predictAll(b, New(gpu, datasets.TierCalibrated), suites(datasets.BF16, 1)) })
}

var sink datasets.Prediction

func predictAll(b *testing.B, p *Predictor, ws []datasets.Workload) {
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		sink = p.Predict(ws[i%len(ws)])
		if sink.NotPredicted != "" {
			b.Fatalf("%s: %s", ws[i%len(ws)].Key(), sink.NotPredicted)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "workloads/s")
}

// suites is workloads of every suite that all tiers predict.
func suites(t datasets.DType, ranks int) []datasets.Workload {
	var ws []datasets.Workload
	for m := int64(1); m <= 1024; m *= 2 {
		ws = append(ws,
			datasets.GEMM{Kernel: "matmul", Type: t, M: m, N: 2048, K: 1024, Ranks: ranks, Cache: datasets.Hot},
			datasets.Attention{Type: t, Batch: m, QueryTokens: 1, ContextTokens: 1024, Heads: 32, KVHeads: 8, HeadDim: 128, Ranks: ranks, Cache: datasets.Hot})
		if ranks > 1 {
			ws = append(ws, datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: m << 18, Ranks: ranks},
				datasets.MoELayer{Kernel: "layer", Type: t, Tokens: m, Hidden: 512, Intermediate: 1024, Experts: 8, TopK: 2, Gated: true,
					TP: 1, EP: 1, Routing: datasets.Routing{Rule: datasets.RouteBalanced}, Ranks: ranks, Cache: datasets.Hot})
		}
	}
	return ws
}

// hostWithCeilings is a CPU of two cores with the ceilings that a run measures.
func hostWithCeilings() datasets.Device {
	f := func(v float64) datasets.Figure { return datasets.Figure{Value: v, Origin: datasets.Measured} }
	d := datasets.Device{ID: "host", Kind: "cpu", Arch: "x86-64", Units: 2, ClockHz: f(3e9),
		Caches: []datasets.CacheLevel{{Level: 1, SizeBytes: f(32 << 10), LineBytes: 64, SharedBy: 1},
			{Level: 2, SizeBytes: f(1 << 20), LineBytes: 64, SharedBy: 1}, {Level: 3, SizeBytes: f(32 << 20), LineBytes: 64, SharedBy: 2}}}
	add := func(w datasets.Workload, seconds float64) {
		d.Ceilings = append(d.Ceilings, datasets.Ceiling{Workload: w, Key: w.Key(), Seconds: seconds})
	}
	for ranks := 1; ranks <= 2; ranks++ {
		for size := int64(16 << 10); size <= 1<<30; size *= 2 {
			for _, op := range []string{"read", "write", "write_nt", "copy", "copy_nt", "scale", "triad", "triad_nt"} {
				add(datasets.Stream{Kernel: op, Type: datasets.FP64, SizeBytes: size, Ranks: ranks}, float64(size)/20e9)
			}
			add(datasets.Stream{Kernel: "latency", Type: datasets.I64, SizeBytes: size, Ranks: 1}, 50e-9)
		}
		add(datasets.Stream{Kernel: "launch", Ranks: ranks}, 1e-6)
		for _, t := range []datasets.DType{datasets.FP64, datasets.FP32} {
			add(datasets.GEMM{Kernel: "peak", Type: t, Ops: 1e9, Ranks: ranks}, 1e9/(float64(ranks)*1e11))
		}
	}
	for size := int64(8); size <= 256<<20; size *= 4 {
		for _, algorithm := range []string{"ring", "direct"} {
			add(datasets.Collective{Kind: "all_reduce", Type: datasets.FP32, SizeBytes: size, Ranks: 2, Nodes: 1, Algorithm: algorithm}, 1e-6+float64(size)/5e9)
		}
	}
	return d
}
