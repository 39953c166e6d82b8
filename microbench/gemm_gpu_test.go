package microbench

import (
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
)

// By hand: an H100's 989.4 TFLOP/s of bf16 for 4 ms are 3.96e12 FLOP, or 2.998e10
// for each of 132 SMs; the next power of two is 2^35, which take 4.58 ms.
func TestGPUPeakOps(t *testing.T) {
	dev, err := catalog.Lookup("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	a := &axes{dev: &dev}
	if got := a.gpuPeakOps(datasets.BF16); got != 132<<35 {
		t.Errorf("%d, want %d", got, 132<<35)
	}
	for _, d := range a.types() {
		if s := float64(a.gpuPeakOps(d)) / dev.PeakFLOPs[d].Value; s < peakSeconds || s > 2*peakSeconds {
			t.Errorf("%s takes %g s", d, s)
		}
	}
}

// A GPU's GEMM cases are of one GPU, of each of its types, with nothing that the
// library cannot multiply by documentation, and their operands fit its memory.
func TestGPUGEMMPlans(t *testing.T) {
	for _, id := range []string{"a100-sxm-80", "h100-sxm"} {
		dev, err := catalog.Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, profile := range Profiles {
			p, err := NewPlan(dev, Options{Suites: []datasets.Suite{datasets.SuiteGEMM}, Profile: profile})
			if err != nil {
				t.Fatal(err)
			}
			peaks, products := map[datasets.DType]int{}, map[datasets.DType]int{}
			for _, w := range p.Workloads {
				g := w.(datasets.GEMM)
				if g.Kernel == "peak" {
					peaks[g.Type]++
				} else {
					products[g.Type]++
				}
				if g.Ranks != 1 {
					t.Errorf("%s is not one GPU's", g.Key())
				}
				if g.Kernel == "matmul" && g.Type.Size() == 1 && (g.N%16 != 0 || g.K%16 != 0) {
					t.Errorf("%s has no 8-bit kernel", g.Key())
				}
				if g.Bytes() > dev.MemoryBytes.Value/4 {
					t.Errorf("%s takes %.1f GB", g.Key(), g.Bytes()/1e9)
				}
			}
			for d := range dev.PeakFLOPs {
				if peaks[d] != 1 || products[d] == 0 {
					t.Errorf("%s %s has %d peak cases and %d products of %s", id, profile, peaks[d], products[d], d)
				}
			}
			t.Logf("%s %s: %d cases, %v", id, profile, len(p.Workloads), products)
		}
	}
}
