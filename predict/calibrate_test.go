package predict

import (
	"math"
	"testing"

	"bench/datasets"
)

// lawOfTest is time = floor + bytes/rate, on GEMM workloads; the third
// parameter has no effect.
func lawOfTest(values []float64, w datasets.Workload) float64 {
	return values[0] + w.Bytes()/values[1]
}

func withTestModel(t *testing.T) {
	old := Models
	t.Cleanup(func() { Models = old })
	Models = []*Model{{
		Name: "test",
		Parameters: []datasets.Parameter{
			{Name: "floor", Unit: "s", Min: 1e-7, Max: 1e-4, Value: 1e-5},
			{Name: "rate", Unit: "bytes/s", Min: 1e9, Max: 1e13, Value: 1e10},
			{Name: "idle", Unit: "1", Min: 0, Max: 1, Value: 0.5},
		},
		Applies:  func(w datasets.Workload) bool { return w.Suite() == datasets.SuiteGEMM },
		Declines: func(*datasets.Device, datasets.Workload) string { return "" },
		Predict: func(_ *datasets.Device, v []float64, w datasets.Workload) datasets.Prediction {
			return datasets.Prediction{Seconds: lawOfTest(v, w)}
		},
	}}
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
	withTestModel(t)
	truth := []float64{4e-6, 1.5e12, 0}
	rows := syntheticRows(truth)
	// One row in 40 is wrong by a factor of 5: a robust loss shrugs.
	for i := range rows {
		if i%40 == 0 {
			rows[i].Measurement.TimeS *= 5
		}
	}
	dev := datasets.Device{ID: "d"}
	c, err := Calibrate(dev, rows, "synthetic")
	if err != nil {
		t.Fatal(err)
	}
	p := c.Models["test"]
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
	f := c.Fits["test"]
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
	again, err := Calibrate(dev, rows, "synthetic")
	if err != nil {
		t.Fatal(err)
	}
	for i := range p {
		if again.Models["test"][i] != p[i] {
			t.Errorf("rows reversed: %+v, before %+v", again.Models["test"][i], p[i])
		}
	}
}

func TestCalibrateUsesTheFitHalfAlone(t *testing.T) {
	withTestModel(t)
	rows := syntheticRows([]float64{4e-6, 1.5e12, 0})
	dev := datasets.Device{ID: "d"}
	before, err := Calibrate(dev, rows, "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if datasets.SplitOf(rows[i].Workload.Key()) == datasets.TestHalf {
			rows[i].Measurement.TimeS *= 3
		}
	}
	after, err := Calibrate(dev, rows, "")
	if err != nil {
		t.Fatal(err)
	}
	if before.Models["test"][1] != after.Models["test"][1] {
		t.Error("a change in the test half moved a parameter")
	}
}

func TestCalibrateWithoutRowsIsAnError(t *testing.T) {
	withTestModel(t)
	if _, err := Calibrate(datasets.Device{ID: "another"}, syntheticRows([]float64{1e-6, 1e12, 0}), ""); err == nil {
		t.Error("no row of this device, and no error")
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
