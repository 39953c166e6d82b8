package predict

import (
	"math"
	"strings"
	"testing"

	"bench/datasets"
)

// lawOfTest is time = floor + bytes/rate, on GEMM workloads; the third
// parameter has no effect.
func lawOfTest(values []float64, w datasets.Workload) float64 {
	return values[0] + w.Bytes()/values[1]
}

func withTestLaw(t *testing.T) {
	old := Laws
	t.Cleanup(func() { Laws = old })
	Laws = []*Law{{
		Name: "test",
		Parameters: []datasets.Parameter{
			{Name: "floor", Unit: "s", Min: 1e-7, Max: 1e-4, Value: 1e-5},
			{Name: "rate", Unit: "bytes/s", Min: 1e9, Max: 1e13, Value: 1e11},
			{Name: "idle", Unit: "1", Min: 0, Max: 1, Value: 0.5},
		},
		Facts:    []Fact{{Name: "halves", Options: []string{"no", "yes"}}},
		Applies:  func(w datasets.Workload) bool { return w.Suite() == datasets.SuiteGEMM },
		Declines: func(*datasets.Device, datasets.Workload) string { return "" },
		Least:    func(*datasets.Device, datasets.Workload) float64 { return 0 },
		Time: func(k *kernel, w datasets.Workload) span {
			s := lawOfTest(k.values, w)
			if k.facts[0] == 1 && w.(datasets.GEMM).M > 64 {
				s /= 2
			}
			return k.of("all", s)
		},
	}}
}

// timed is rows of a stack, timed by the law with fact as its option.
func timed(rows []datasets.Row, stack datasets.Stack) []datasets.Row {
	for i := range rows {
		rows[i].Measurement.Stack = stack
	}
	return rows
}

// syntheticRows times a grid of GEMMs by the law itself, with noise that a hash
// of the shape decides, of ±5 %.
func syntheticRows(truth []float64) []datasets.Row {
	var rows []datasets.Row
	for m := int64(1); m <= 4096; m *= 2 {
		for n := int64(128); n <= 8192; n *= 2 {
			for k := int64(128); k <= 8192; k *= 4 {
				w := datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: m, N: n, K: k, Ranks: 1, Cache: datasets.Cold}
				noise := 1 + 0.05*math.Sin(float64(m*7+n*3+k))
				rows = append(rows, datasets.Row{Workload: w, DeviceID: "d", Measurement: datasets.Measurement{
					Source: datasets.SourceImported, Verdict: datasets.OK, TimeS: lawOfTest(truth, w) * noise}})
			}
		}
	}
	return rows
}

func TestCalibrateRecoversALawFromNoisyRowsAndOwnsUpToWhatItCannotTell(t *testing.T) {
	withTestLaw(t)
	truth := []float64{4e-6, 1.5e12, 0}
	rows := syntheticRows(truth)
	// One row in 40 is wrong by a factor of 5: a robust loss shrugs.
	for i := range rows {
		if i%40 == 0 {
			rows[i].Measurement.TimeS *= 5
		}
	}
	dev := datasets.Device{ID: "d"}
	c, err := Calibrate(dev, rows, Options{Source: "synthetic"})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Stacks[0].Laws[0].Parameters
	for i := range 2 {
		if math.Abs(p[i].Value/truth[i]-1) > 0.02 {
			t.Errorf("%s = %g, want %g within 2 %%", p[i].Name, p[i].Value, truth[i])
		}
		if !(p[i].Low <= p[i].Value && p[i].Value <= p[i].High) || !p[i].Determined || p[i].AtEdge {
			t.Errorf("%s: interval [%g, %g], determined %v, at edge %v", p[i].Name, p[i].Low, p[i].High, p[i].Determined, p[i].AtEdge)
		}
	}
	if p[2].Determined {
		t.Errorf("a parameter without effect is called determined: [%g, %g]", p[2].Low, p[2].High)
	}
	if p[2].Value != 0.5 {
		t.Errorf("a parameter without effect left its start of 0.5 for %g", p[2].Value)
	}
	f := c.Stacks[0].Laws[0].Fit
	if f.FitN+f.TestN != len(rows) || f.FitN == 0 || f.TestN == 0 {
		t.Errorf("fit on %d and tested on %d of %d rows", f.FitN, f.TestN, len(rows))
	}
	// 39 of 40 rows are off by ±5 % × |sin|, 2/π on average, and one by 80 %.
	want := 0.05*2/math.Pi*39/40 + 0.8/40
	if math.Abs(f.TestMAPE-want) > 0.02 {
		t.Errorf("test MAPE %g, want about %g", f.TestMAPE, want)
	}

	// The order of the rows does not matter.
	for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
		rows[i], rows[j] = rows[j], rows[i]
	}
	again, err := Calibrate(dev, rows, Options{Source: "synthetic"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range p {
		if again.Stacks[0].Laws[0].Parameters[i] != p[i] {
			t.Errorf("rows reversed: %+v, before %+v", again.Stacks[0].Laws[0].Parameters[i], p[i])
		}
	}
}

func TestCalibrateUsesTheFitHalfAlone(t *testing.T) {
	withTestLaw(t)
	rows := syntheticRows([]float64{4e-6, 1.5e12, 0})
	dev := datasets.Device{ID: "d"}
	before, err := Calibrate(dev, rows, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if datasets.SplitOf(rows[i].Workload.Key()) == datasets.TestHalf {
			rows[i].Measurement.TimeS *= 3
		}
	}
	after, err := Calibrate(dev, rows, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if before.Stacks[0].Laws[0].Parameters[1] != after.Stacks[0].Laws[0].Parameters[1] {
		t.Error("a change in the test half moved a parameter")
	}
}

func TestCalibrateWithoutRowsIsAnError(t *testing.T) {
	withTestLaw(t)
	if _, err := Calibrate(datasets.Device{ID: "another"}, syntheticRows([]float64{1e-6, 1e12, 0}), Options{}); err == nil {
		t.Error("no row of this device, and no error")
	}
}

// What a library does is found beside its parameters, a stack apart from the other;
// what has too few rows is named, and not fitted.
func TestCalibrateFindsFactsOfEachStack(t *testing.T) {
	withTestLaw(t)
	halving := timed(syntheticRows([]float64{4e-6, 1.5e12, 0}), datasets.Stack{Library: "b", Version: "2"})
	for i := range halving {
		if halving[i].Workload.(datasets.GEMM).M > 64 {
			halving[i].Measurement.TimeS /= 2
		}
	}
	rows := append(timed(syntheticRows([]float64{2e-6, 1e12, 0}), datasets.Stack{Library: "a", Version: "1"}), halving...)
	rows = append(rows, timed(syntheticRows([]float64{2e-6, 1e12, 0})[:9], datasets.Stack{Library: "c"})...)
	dev := datasets.Device{ID: "d"}
	c, err := Calibrate(dev, rows, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Stacks) != 2 || len(c.LeftOut) != 1 || !strings.HasPrefix(c.LeftOut[0], "c test bf16: ") {
		t.Fatalf("stacks %+v, left out %q", c.Stacks, c.LeftOut)
	}
	dev.Calibration = &c
	p := New(dev, datasets.TierCalibrated)
	for _, s := range c.Stacks {
		if got, want := s.Laws[0].Facts["halves"], map[string]string{"a": "no", "b": "yes"}[s.Library]; got != want {
			t.Errorf("%s halves: %s, want %s", s.Library, got, want)
		}
	}
	w := rows[len(rows)/3].Workload
	for _, stack := range []datasets.Stack{{Library: "b", Version: "2"}, {Library: "b", Version: "3"}, {Library: "e"}} {
		x := p.PredictOn(w, stack)
		switch {
		case stack.Library == "e" && x.NotPredicted == "":
			t.Error("a library that was not fitted is called calibrated")
		case stack.Library == "b" && x.Stack != "b 2":
			t.Errorf("%v is predicted by %q", stack, x.Stack)
		}
	}
	same, newer := p.PredictOn(w, datasets.Stack{Library: "b", Version: "2"}), p.PredictOn(w, datasets.Stack{Library: "b", Version: "3"})
	if newer.HighS/newer.LowS <= same.HighS/same.LowS {
		t.Error("the range of another version is not wider")
	}
}

// Twenty rows that scatter by ±20 % lie closer to the truth with a prior that is 10 % off
// than without any; and all rows may be fitted, with a cross-validated error.
func TestCalibrateFewRowsFromAPrior(t *testing.T) {
	withTestLaw(t)
	truth := []float64{4e-6, 1.5e12, 0}
	prior := datasets.Calibration{Device: "e", Stacks: []datasets.StackFit{{Laws: []datasets.LawFit{{Law: "test", Variant: datasets.Variant{Type: datasets.BF16},
		Parameters: []datasets.Parameter{{Name: "floor", Value: 4.4e-6}, {Name: "rate", Value: 1.4e12}}}}}}}
	rows := syntheticRows(truth)
	few := rows[:0:0]
	for i := 0; i < len(rows); i += len(rows) / 22 {
		r := rows[i]
		r.Measurement.TimeS *= 1 + 0.2*math.Sin(float64(7*i))
		few = append(few, r)
	}
	off := func(o Options) float64 {
		o.All = true
		c, err := Calibrate(datasets.Device{ID: "d"}, few, o)
		if err != nil {
			t.Fatal(err)
		}
		f := c.Stacks[0].Laws[0]
		if f.TestN != 0 || !(f.TestMAPE > 0.02) {
			t.Errorf("all rows: %+v", f.Fit)
		}
		return math.Abs(math.Log(f.Parameters[0].Value/truth[0])) + math.Abs(math.Log(f.Parameters[1].Value/truth[1]))
	}
	with, without := off(Options{Priors: []*datasets.Calibration{&prior}}), off(Options{})
	if with > without {
		t.Errorf("off by %g with a prior and %g without", with, without)
	}
}

func TestSeriesOfDropsTheFirstNumber(t *testing.T) {
	for key, want := range map[string]string{
		"gemm/matmul bf16 m=8 n=64 ranks=1": "gemm/matmul bf16 m n=64 ranks=1",
		"hbm/copy fp32 bytes=8":             "hbm/copy fp32 bytes",
		"hbm/copy":                          "hbm/copy",
	} {
		if got := seriesOf(key); got != want {
			t.Errorf("seriesOf(%q) = %q, want %q", key, got, want)
		}
	}
}
