package predict

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"bench/datasets"
)

var update = flag.Bool("update", false, "write testdata/model_version.json again")

// A change of any prediction must come with a new ModelVersion, or a report would
// take the stored ones of the old models.
func TestModelVersion(t *testing.T) {
	gpu := testDevice()
	gpu.Units, gpu.NodeSize, gpu.ClockHz.Value = 132, 8, 1.8e9
	gpu.Calibration = starts(gpu.ID)
	f := func(v float64) datasets.Figure { return datasets.Figure{Value: v, Origin: datasets.Datasheet} }
	cpu := datasets.Device{ID: "cpu", Kind: "cpu", Units: 2, Caches: []datasets.CacheLevel{
		{Level: 1, SizeBytes: f(32 << 10), SharedBy: 1}, {Level: 2, SizeBytes: f(1 << 20), SharedBy: 1}, {Level: 3, SizeBytes: f(32 << 20), SharedBy: 2}}}
	for kernel, perByte := range map[string]float64{"read": 5e-11, "write": 1e-10, "latency": 1e-9} {
		for _, size := range []int64{16 << 10, 512 << 10, 16 << 20, 256 << 20} {
			w := datasets.Stream{Kernel: kernel, Type: datasets.FP64, SizeBytes: size, Ranks: 1}
			cpu.Ceilings = append(cpu.Ceilings, datasets.Ceiling{Workload: w, Key: w.Key(), Seconds: perByte * float64(size)})
		}
	}
	peak := datasets.GEMM{Kernel: "peak", Type: datasets.FP32, Ops: 1 << 26, Ranks: 1}
	cpu.Ceilings = append(cpu.Ceilings, datasets.Ceiling{Workload: peak, Key: peak.Key(), Seconds: 1e-3})

	var ws []datasets.Workload
	for _, size := range []int64{64 << 10, 4 << 20, 1 << 30} {
		ws = append(ws, datasets.Stream{Kernel: "triad", Type: datasets.FP64, SizeBytes: size, Ranks: 1},
			datasets.Stream{Kernel: "copy", Type: datasets.FP32, SizeBytes: size, Ranks: 1},
			datasets.Collective{Kind: "all_reduce", Type: datasets.BF16, SizeBytes: size, Ranks: 8, Nodes: 1},
			datasets.Collective{Kind: "all_gather", Type: datasets.BF16, SizeBytes: size, Ranks: 16, Nodes: 2})
	}
	for _, m := range []int64{1, 64, 4096} {
		ws = append(ws, datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: m, N: 4096, K: 4096, Ranks: 1, Cache: datasets.Hot},
			datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: m, N: 512, K: 512, Ranks: 1, Cache: datasets.Hot},
			datasets.Attention{Type: datasets.BF16, KVType: datasets.BF16, Batch: m, Heads: 32, KVHeads: 8, HeadDim: 128, QueryTokens: 1, ContextTokens: 2048, Ranks: 1},
			datasets.Attention{Type: datasets.BF16, KVType: datasets.BF16, Batch: 1, Heads: 32, KVHeads: 8, HeadDim: 128, QueryTokens: m, ContextTokens: m, Ranks: 1},
			datasets.DecodeLayer{Type: datasets.BF16, Batch: m, ContextTokens: 1024, Hidden: 4096, Heads: 32, KVHeads: 8, HeadDim: 128, FFWidth: 14336,
				Gated: true, Experts: 1, TopK: 1, TP: 1, Ranks: 1, Launch: "graph", Cache: datasets.Hot})
		for _, rule := range []datasets.Routing{{Rule: datasets.RouteBalanced}, {Rule: datasets.RouteZipf, Exponent: 1, Seed: 1}} {
			ws = append(ws, datasets.MoELayer{Kernel: "layer", Type: datasets.BF16, Tokens: m, Hidden: 4096, Intermediate: 14336, Experts: 8, TopK: 2, Gated: true,
				Routing: rule, TP: 1, EP: 1, Ranks: 1, Cache: datasets.Hot})
		}
	}
	got := map[string]string{"ModelVersion": fmt.Sprint(ModelVersion)}
	predicted := 0
	for _, p := range []*Predictor{New(gpu, datasets.TierDatasheet), New(gpu, datasets.TierCalibrated), New(cpu, datasets.TierCeilings)} {
		for _, w := range ws {
			if err := w.Validate(); err != nil {
				t.Fatal(err)
			}
			x := p.Predict(w)
			got[string(p.tier)+" "+w.Key()] = "-"
			if x.NotPredicted == "" {
				got[string(p.tier)+" "+w.Key()] = fmt.Sprintf("%.6g [%.6g, %.6g]", x.Seconds, x.LowS, x.HighS)
				predicted++
			}
		}
	}
	if predicted < len(ws) {
		t.Fatalf("%d predictions of %d workloads in three tiers say too little", predicted, len(ws))
	}
	const path = "testdata/model_version.json"
	if *update {
		text, err := json.MarshalIndent(got, "", "\t")
		if err == nil {
			err = os.WriteFile(path, append(text, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if want["ModelVersion"] != got["ModelVersion"] {
		t.Fatalf("ModelVersion is %s and was %s: run go test ./predict -run ModelVersion -update", got["ModelVersion"], want["ModelVersion"])
	}
	for key, w := range want {
		if g, ok := got[key]; ok && g != w {
			t.Fatalf("%s was %s and is %s: raise ModelVersion in version.go, and run go test ./predict -run ModelVersion -update", key, w, g)
		}
	}
}
