package predict_test

import (
	"math"
	"slices"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict"
)

// The roofline's inputs are known: the binding one is inverse to the time, the
// other moves its term and not the time, and no third is named.
func TestInputsOfARoofline(t *testing.T) {
	dev, err := catalog.Lookup("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	w := datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 8192, N: 8192, K: 8192, Ranks: 1, Cache: datasets.Hot}
	in := predict.Inputs(dev, datasets.TierDatasheet, w, datasets.Stack{})
	if len(in) != 2 {
		t.Fatalf("%d inputs: %+v", len(in), in)
	}
	for i, want := range []struct {
		name, term string
		elasticity float64
	}{{"peak_flop_per_s.bf16", "compute", -1}, {"memory_bandwidth_bytes_per_s", "memory", 0}} {
		if in[i].Name != want.name || !slices.Equal(in[i].Terms, []string{want.term}) || math.Abs(in[i].Elasticity-want.elasticity) > 1e-9 {
			t.Errorf("%+v, want %+v", in[i], want)
		}
	}
	// Trying leaves the device as it was.
	if again := predict.Inputs(dev, datasets.TierDatasheet, w, datasets.Stack{}); again[0].Figure != in[0].Figure {
		t.Errorf("%+v after %+v", again[0], in[0])
	}
	calibrated := predict.Inputs(dev, datasets.TierCalibrated, w, datasets.Stack{})
	if !slices.ContainsFunc(calibrated, func(i predict.Input) bool { return i.Figure.Origin == datasets.Fitted && i.Elasticity != 0 }) {
		t.Errorf("a calibrated product rests on no fitted parameter: %+v", calibrated)
	}
}

// A pass over memory rests on the other passes of its run, and not on itself.
func TestInputsOfCeilings(t *testing.T) {
	dev := datasets.Device{ID: "host", Kind: "cpu", Arch: "x86-64", Units: 2, Caches: []datasets.CacheLevel{
		{Level: 1, SizeBytes: datasets.Figure{Value: 32 << 10}, LineBytes: 64, Ways: 8, SharedBy: 1}}}
	for _, kernel := range []string{"read", "write", "copy"} {
		w := datasets.Stream{Kernel: kernel, Type: datasets.FP64, SizeBytes: 1 << 24, Ranks: 1}
		dev.Ceilings = append(dev.Ceilings, datasets.Ceiling{Workload: w, Key: w.Key(), Seconds: 1e-3})
	}
	in := predict.Inputs(dev, datasets.TierCeilings, dev.Ceilings[2].Workload, datasets.Stack{})
	sum := 0.0
	for _, i := range in {
		if i.Name == dev.Ceilings[2].Key {
			t.Errorf("a copy rests on itself: %+v", i)
		}
		sum += i.Elasticity
	}
	// Twice the times of all that it rests on is twice its own.
	if len(in) != 3 || math.Abs(sum-1) > 0.001 { // the third is the cache, which serves next to none of it
		t.Errorf("elasticities add up to %g: %+v", sum, in)
	}
}
