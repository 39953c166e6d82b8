package microbench

import (
	"testing"

	"bench/datasets"
)

func hbmPlan(t *testing.T, o Options) []datasets.Stream {
	t.Helper()
	dev := datasets.Device{ID: "h100-sxm", Kind: "gpu", Units: 132, NodeSize: 1, MemoryBytes: datasets.Figure{Value: 80e9},
		Caches: []datasets.CacheLevel{{Level: 2, SizeBytes: datasets.Figure{Value: 50 << 20}}}}
	o.Suites = []datasets.Suite{datasets.SuiteHBM}
	p, err := NewPlan(dev, o)
	if err != nil {
		t.Fatal(err)
	}
	var out []datasets.Stream
	for _, w := range p.Workloads {
		out = append(out, w.(datasets.Stream))
	}
	return out
}

// Every profile has every operation, working sets within and far beyond the L2,
// up to three quarters of memory but for quick, in whole lines.
func TestGPUStreamsOfEveryProfile(t *testing.T) {
	for _, profile := range Profiles {
		ops, least, most := map[string]int{}, int64(1)<<60, int64(0)
		for _, w := range hbmPlan(t, Options{Profile: profile}) {
			ops[w.Kernel]++
			if w.Ranks != 1 {
				t.Errorf("%s: memory is measured on one GPU", w.Key())
			}
			if w.Kernel == "read" {
				least, most = min(least, w.SizeBytes), max(most, w.SizeBytes)
				if w.SizeBytes%128 != 0 {
					t.Errorf("%s: no whole lines", w.Key())
				}
			}
		}
		for _, op := range []string{"read", "write", "copy", "scale", "triad", "dot", "copy_engine", "host_to_device", "device_to_host", "latency", "launch", "rms_norm"} {
			if ops[op] == 0 {
				t.Errorf("%s: no %s", profile, op)
			}
		}
		if ops["write_nt"] != 0 {
			t.Errorf("%s: a GPU has no non-temporal form", profile)
		}
		if least > 25<<20 || most < 32*(50<<20) || profile != Quick && most != 60e9/128*128 {
			t.Errorf("%s: reads from %d to %d bytes", profile, least, most)
		}
	}
}

func TestGPUStreamsTakeOptions(t *testing.T) {
	for _, w := range hbmPlan(t, Options{DTypes: []datasets.DType{datasets.FP8}, SizesBytes: []int64{1 << 30}}) {
		if w.SizeBytes > 1<<30 || w.SizeBytes < 1<<30-1024 || w.Kernel != "latency" && w.Type != datasets.FP8 {
			t.Errorf("%s was not asked for", w.Key())
		}
		if w.Kernel == "triad" || w.Kernel == "launch" {
			t.Errorf("%s: fp8 has no arithmetic, a launch no size", w.Key())
		}
	}
	if got := hbmPlan(t, Options{}); len(got) > 40 {
		t.Errorf("quick has %d cases", len(got))
	}
}
