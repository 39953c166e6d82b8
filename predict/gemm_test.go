package predict

import (
	"math"
	"math/rand/v2"
	"testing"

	"bench/datasets"
)

// gpuOfTest is a made-up GPU with round figures.
func gpuOfTest(arch string, units int) datasets.Device {
	figure := func(v float64) datasets.Figure { return datasets.Figure{Value: v, Origin: datasets.Datasheet} }
	return datasets.Device{ID: "test", Arch: arch, Kind: "gpu", Units: units, ClockHz: figure(1e9),
		PeakFLOPs: map[datasets.DType]datasets.Figure{
			datasets.BF16: figure(1e12 * float64(units)), datasets.FP8: figure(2e12 * float64(units))},
		MemoryBandwidth: figure(1e12),
		Caches:          []datasets.CacheLevel{{Level: 2, SizeBytes: figure(40 << 20), SharedBy: units}}}
}

func matmul(m, n, k int64) datasets.GEMM {
	return datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: m, N: n, K: k, Ranks: 1, Cache: datasets.Cold}
}

func term(p datasets.Prediction, name string) float64 {
	for _, t := range p.Terms {
		if t.Name == name {
			return t.Seconds
		}
	}
	return 0
}

// Four SMs of 1 TFLOP/s, and traffic so cheap that arithmetic decides.
//
// 256 × 256 × 1024 is four tiles of 128 × 128, one wave: 2·128·128·1024/1e12 =
// 33.554 µs. With one row more, 64 × 64 tiles are best: 5 × 4 = 20 of them are
// five full waves of 2·64·64·1024/1e12 = 8.389 µs, 41.943 µs, of which
// 2·257·256·1024/4e12 = 33.686 µs are useful and the rest is padding. A library
// that charges three waves of 128 × 128 for each wave prefers 256 × 128: four of
// them, one wave of 67.109 µs, of which 33.423 µs are padding. Splits are made too dear to matter.
func TestGEMMTilesAndWavesByHand(t *testing.T) {
	d := gpuOfTest("sm_80", 4)
	d.MemoryBandwidth.Value = 1e16
	v := make([]float64, len(gemmModel.Parameters))
	for i, p := range gemmModel.Parameters {
		v[i] = p.Value
	}
	v[gemmLaunch], v[gemmTensor], v[gemmSlice], v[gemmExposed], v[gemmSplit] = 1e-6, 1, 1e-9, 0, 1
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
		p := gemmModel.Predict(&d, v, c.w)
		if math.Abs(p.Seconds/c.seconds-1) > 1e-3 || math.Abs(term(p, "compute")/c.useful-1) > 1e-3 ||
			math.Abs(term(p, "tile_padding")-c.padded) > 1e-9 || p.Binds != "compute" {
			t.Errorf("%s: %g s %v, want %g s, compute %g, padding %g", c.w.Key(), p.Seconds, p.Terms, c.seconds, c.useful, c.padded)
		}
	}
}

// plausible draws parameter values from the middle of a model's ranges.
func plausible(m *Model, r *rand.Rand) []float64 {
	v := make([]float64, len(m.Parameters))
	for i, p := range m.Parameters {
		u := 0.1 + 0.8*r.Float64()
		if p.Min > 0 {
			v[i] = p.Min * math.Pow(p.Max/p.Min, u)
		} else {
			v[i] = p.Min + (p.Max-p.Min)*u
		}
	}
	return v
}

func TestGEMMIsNeverFasterThanItsRooflineWhateverTheParameters(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 3000 {
		d := gpuOfTest([]string{"sm_80", "sm_90", "sm_100"}[r.IntN(3)], 1+r.IntN(200))
		g := matmul(1<<r.IntN(14), 32+r.Int64N(20000), 32+r.Int64N(20000))
		if r.IntN(2) == 0 {
			g.Type, g.Format = datasets.FP8, "fp8_dynamic"
		}
		p := gemmModel.Predict(&d, plausible(gemmModel, r), g)
		if roof := roofline(&d, g); p.Seconds < roof.Seconds {
			t.Fatalf("%s cold: %g s, roofline %g s", g.Key(), p.Seconds, roof.Seconds)
		}
		// Hot: arithmetic still bounds it, and what cannot stay in 40 MiB of
		// cache must still cross the bus at 1 TB/s.
		g.Cache = datasets.Hot
		p = gemmModel.Predict(&d, plausible(gemmModel, r), g)
		if least := max(g.FLOPs()/d.PeakFLOPs[g.Type].Value, (g.Bytes()-40<<20)/1e12); p.Seconds < least {
			t.Fatalf("%s: %g s, below %g s", g.Key(), p.Seconds, least)
		}
	}
}

// The library's choice is not the fastest, so that for arbitrary parameters a
// larger product may meet a better choice (real ones do: on the A100, 512 × 8192
// takes 303 µs at k = 6144 and 284 µs at 7168). Near the fitted ones twice the
// work never pays.
func TestGEMMTwiceTheWorkIsNeverFaster(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	ampere, hopper := gpuOfTest("sm_80", 108), gpuOfTest("sm_90", 132)
	ampere.PeakFLOPs[datasets.BF16], ampere.MemoryBandwidth.Value = datasets.Figure{Value: 312e12}, 2.04e12
	hopper.PeakFLOPs[datasets.BF16], hopper.MemoryBandwidth.Value = datasets.Figure{Value: 989e12}, 3.35e12
	fitted := [][]float64{
		{2.7e-6, 0.97, 0.76, 2.6, 2.5e-7, 1.9e-6, 1.5, 8, 0.62, 0.21, 8e-6, 0.16},
		{2.7e-6, 1.05, 0.90, 6.5, 8.0e-8, 3.2e-6, 1.4, 5, 1.04, 0.45, 9e-6, 0.16},
	}
	for range 6000 {
		i := r.IntN(2)
		d := []datasets.Device{ampere, hopper}[i]
		v := make([]float64, len(fitted[i]))
		for j, x := range fitted[i] {
			v[j] = x * (0.95 + 0.1*r.Float64())
		}
		g := matmul(1<<r.IntN(13), 32<<r.IntN(10), 32<<r.IntN(10))
		if r.IntN(2) == 0 {
			g.Cache = datasets.Hot
		}
		before := gemmModel.Predict(&d, v, g).Seconds
		more := []datasets.GEMM{g, g, g}
		more[0].M, more[1].N, more[2].K = 2*g.M, 2*g.N, 2*g.K
		for _, w := range more {
			if after := gemmModel.Predict(&d, v, w).Seconds; after < before*(1-1e-9) {
				t.Errorf("%s: %g s; %s: %g s", g.Key(), before, w.Key(), after)
			}
		}
	}
}

func TestGEMMIsNotFittedToOtherHarnesses(t *testing.T) {
	for tool, want := range map[string]bool{"": true, "aiconfigurator": true, "vidur": false, "llmcompass": false} {
		m := datasets.Measurement{Origin: datasets.ImportOrigin{Tool: tool}}
		if gemmModel.FitsOn(&m) != want {
			t.Errorf("a row of tool %q enters the fit: %v, want %v", tool, !want, want)
		}
	}
}

func TestGEMMDeclinesByName(t *testing.T) {
	gpu, cpu := gpuOfTest("sm_80", 4), datasets.Device{ID: "host", Kind: "cpu"}
	block := matmul(1, 1, 1)
	block.Format = "fp8_block"
	double := matmul(1, 1, 1)
	double.Type = datasets.FP64
	for _, c := range []struct {
		d    *datasets.Device
		w    datasets.GEMM
		want string
	}{
		{&gpu, matmul(1, 1, 1), ""},
		{&gpu, block, "no model of the fp8_block format"},
		{&gpu, double, "no datasheet peak of test for fp64"},
		{&cpu, matmul(1, 1, 1), "no calibrated model of products on a cpu"},
	} {
		if got := gemmModel.Declines(c.d, c.w); got != c.want {
			t.Errorf("%s on %s: %q, want %q", c.w.Key(), c.d.ID, got, c.want)
		}
	}
}

func BenchmarkGEMM(b *testing.B) {
	d := gpuOfTest("sm_90", 132)
	v := make([]float64, len(gemmModel.Parameters))
	for i, p := range gemmModel.Parameters {
		v[i] = p.Value
	}
	for i := range b.N {
		gemmModel.Predict(&d, v, matmul(int64(1)<<(i%14), 4096, 4096))
	}
}

// A workstation's Blackwell has mma.sync alone: its products are timed by the law
// of an sm_80 of the same figures, and not by that of an sm_90.
func TestGEMMLawFollowsTheInstruction(t *testing.T) {
	v := make([]float64, len(gemmModel.Parameters))
	for i, p := range gemmModel.Parameters {
		v[i] = p.Value
	}
	seconds := map[string]float64{}
	for _, arch := range []string{"sm_80", "sm_90", "sm_100", "sm_120"} {
		d := gpuOfTest(arch, 100)
		seconds[arch] = gemmModel.Predict(&d, v, datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 64, N: 4096, K: 4096, Ranks: 1, Cache: datasets.Cold}).Seconds
	}
	if seconds["sm_120"] != seconds["sm_80"] || seconds["sm_100"] != seconds["sm_90"] || seconds["sm_90"] == seconds["sm_80"] {
		t.Errorf("seconds by architecture: %v", seconds)
	}
}
