package reports

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"bench/datasets"
)

// writeFleet writes a partitioned folder: a file for each night and host, of
// hbm and gemm cases on this host's kind of device. slow(night, host) is a
// factor on every time.
func writeFleet(t testing.TB, nights, hosts int, slow func(night, host int) float64) string {
	t.Helper()
	dir := t.TempDir()
	for night := range nights {
		for host := range hosts {
			run := fleetRun(night, host, slow(night, host))
			folder := filepath.Join(dir, datasets.PartitionFolder(&run.Meta))
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := datasets.WriteFile(filepath.Join(folder, run.Meta.ID+".parquet"), run); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// fleetRun is one run; its times differ by a per cent or so, by a fixed rule.
func fleetRun(night, host int, slow float64) *datasets.Run {
	run := &datasets.Run{Meta: datasets.Meta{ID: fmt.Sprintf("run-%d-%d", night, host), Host: fmt.Sprintf("node%03d", host), StartUnixS: 1769900000 + int64(night)*86400},
		Devices: []datasets.Device{{ID: "host", Kind: "cpu", Caches: []datasets.CacheLevel{{Level: 3, SizeBytes: datasets.Figure{Value: 32 << 20}}}}}}
	add := func(device string, w datasets.Workload, seconds float64) {
		n := len(run.Rows)
		seconds *= slow * (1 + 0.002*float64((7*night+13*host+n)%5-2))
		run.Rows = append(run.Rows, datasets.Row{DeviceID: device, Workload: w, Measurement: datasets.Measurement{
			Source: datasets.SourceMeasured, Verdict: datasets.OK, TimeS: seconds, LowS: seconds * 0.99, HighS: seconds * 1.01}})
	}
	for _, op := range []string{"read", "copy", "triad"} {
		for _, size := range []int64{3 << 20, 3 << 26} {
			add("host", datasets.Stream{Kernel: op, Type: datasets.FP64, SizeBytes: size, Ranks: 1}, float64(size)/20e9)
		}
	}
	add("host", datasets.GEMM{Kernel: "peak", Type: datasets.FP32, Ops: 1e9, Ranks: 1}, 1e9/100e9)
	for _, m := range []int64{256, 512, 1024} {
		add("host", datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: m, N: m, K: m, Ranks: 1}, 2.3*float64(m*m*m)/100e9)
		add("h100-sxm", datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: m * 8, N: m * 8, K: 8192, Ranks: 1}, float64(128*m*m*8192)/600e12)
	}
	run.Rows = append(run.Rows, datasets.Row{DeviceID: "host", Workload: datasets.Stream{Kernel: "write", Type: datasets.FP64, SizeBytes: 64, Ranks: 1},
		Measurement: datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.Skipped, Reason: "no"}})
	return run
}

func steady(_, _ int) float64 { return 1 }

// Reading in parts gives what reading everything gives, a file of several row
// groups included: its ceilings are those of the whole file.
func TestStreamIsPredict(t *testing.T) {
	dir := writeFleet(t, 2, 2, steady)
	large := fleetRun(5, 5, 1)
	once := large.Rows
	for len(large.Rows) < 20_000 { // a row group holds 16,384
		large.Rows = append(large.Rows, once[7:]...)
	}
	large.Rows = append(large.Rows, once...) // ceilings in the last row group, too
	if err := datasets.WriteFile(filepath.Join(dir, "large.parquet"), large); err != nil {
		t.Fatal(err)
	}
	runs, err := datasets.ReadPaths([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	h200 := datasets.Device{ID: "h100-sxm", Name: "another", Kind: "gpu", MemoryBandwidth: datasets.Figure{Value: 1e12}}
	for _, devices := range []Devices{Catalogue(nil), Catalogue(&h200)} {
		want, err := Predict(runs, datasets.Tiers, devices)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for part, err := range Stream(&datasets.Scanner{Columns: JoinColumns()}, []string{dir}, datasets.Tiers, devices) {
			if err != nil {
				t.Fatal(err)
			}
			for i := range part.Rows {
				got, want := &part.Rows[i], &want[n]
				if got.Key != want.Key || got.Regime != want.Regime || got.Split != want.Split || !reflect.DeepEqual(got.Predictions, want.Predictions) {
					t.Fatalf("row %d:\n%+v\n%+v", n, got, want)
				}
				n++
			}
		}
		if n != len(want) {
			t.Errorf("%d rows of %d", n, len(want))
		}
	}
	// An override that stands for none of the input's devices.
	nobody := datasets.Device{ID: "nobody"}
	_, whole := Predict(runs, datasets.Tiers, Catalogue(&nobody))
	for _, err := range Stream(new(datasets.Scanner), []string{dir}, datasets.Tiers, Catalogue(&nobody)) {
		if err == nil || err.Error() != whole.Error() {
			t.Errorf("%v, want %v", err, whole)
		}
	}
}

// An aggregated report has the groups, reasons and fleet of one in memory:
// counts and MAPE exactly, quantiles within the sketch's accuracy of the two
// values that they lie between.
func TestAggregatedIsNew(t *testing.T) {
	dir := writeFleet(t, 30, 6, func(_, host int) float64 { return 1 + 0.3*float64(host/5) })
	runs, err := datasets.ReadPaths([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	want, err := New(runs, datasets.Tiers, Catalogue(nil))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Aggregated(new(datasets.Scanner), []string{dir}, datasets.Tiers, Catalogue(nil))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.NotPredicted, want.NotPredicted) || !reflect.DeepEqual(got.Cases, want.Cases) || !reflect.DeepEqual(got.Fleet, want.Fleet) {
		t.Error("reasons, cases or fleet differ")
	}
	if a := got.Aggregate; a.Rows != len(want.Rows) || a.Runs != 180 || a.Hosts != 6 || a.LastUnixS-a.FirstUnixS != 29*86400 {
		t.Errorf("%+v of %d rows", a, len(want.Rows))
	}
	if len(got.Groups) != len(want.Groups) {
		t.Fatalf("%d groups of %d", len(got.Groups), len(want.Groups))
	}
	sketched := 0
	for i, g := range got.Groups {
		w := want.Groups[i]
		near := func(what string, a, b, tolerance float64) {
			if math.Abs(a-b) > tolerance {
				t.Errorf("%s of %+v: %g, want %g", what, w, a, b)
			}
		}
		near("MAPE", g.MAPE, w.MAPE, 1e-12*w.MAPE)
		tolerance := 0.0
		if g.N > exactValues {
			sketched++
			// The test's times lie on a lattice of 0.2 %, and a quantile between
			// two of its points is no less one of them.
			tolerance = sketchAccuracy*(math.Abs(w.P90APE)+math.Abs(w.Bias)) + 0.005
		}
		near("median", g.MedianAPE, w.MedianAPE, tolerance)
		near("p90", g.P90APE, w.P90APE, tolerance)
		near("bias", g.Bias, w.Bias, tolerance)
		g.MAPE, g.MedianAPE, g.P90APE, g.Bias = w.MAPE, w.MedianAPE, w.P90APE, w.Bias
		if g != w {
			t.Errorf("%+v, want %+v", g, w)
		}
	}
	if sketched == 0 {
		t.Error("no group was large enough for a sketch")
	}
	// The worst rows are those of the whole report.
	for _, s := range want.Sections() {
		var mine []*Joined
		for i := range got.Rows {
			j := &got.Rows[i]
			if j.Row.DeviceID == s.Device && j.Row.Workload.Suite() == s.Suite {
				mine = append(mine, j)
			}
		}
		for i, j := range want.Worst(s.Rows, defaultWorst) {
			a, _ := mine[i].Error(got.Best(mine[i]))
			b, _ := j.Error(want.Best(j))
			if math.Abs(a) != math.Abs(b) {
				t.Errorf("%s: worst %d has an error of %g, want %g", s.Suite, i, a, b)
			}
		}
	}
}

// A distribution's quantiles are within its accuracy of the ordered values,
// whatever their spread, and however it was merged.
func TestDistribution(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, exactValues, exactValues + 1, 20_000} {
		var whole distribution
		parts := make([]distribution, 7)
		values := make([]float64, n)
		for i := range values {
			values[i] = math.Exp(4*r.NormFloat64()) * float64(r.IntN(3)-1)
			whole.add(values[i])
			parts[i%7].add(values[i])
		}
		var merged distribution
		for i := range parts {
			merged.merge(&parts[i])
		}
		slices.Sort(values)
		abs := make([]float64, n)
		for i, v := range values {
			abs[i] = math.Abs(v)
		}
		slices.Sort(abs)
		for _, d := range []*distribution{&whole, &merged} {
			count, mape, med, p90, bias := d.figures()
			_, wantMAPE, _, _, _ := Figures(slices.Clone(values))
			within := func(what string, got float64, sorted []float64, q float64) {
				at := q * float64(n-1)
				low, high := sorted[int(at)], sorted[int(math.Ceil(at))]
				if got < low-sketchAccuracy*math.Abs(low)-1e-12 || got > high+sketchAccuracy*math.Abs(high)+1e-12 {
					t.Errorf("n = %d, %s: %g is not within 0.5 %% of [%g, %g]", n, what, got, low, high)
				}
			}
			within("median", med, abs, 0.5)
			within("p90", p90, abs, 0.9)
			within("bias", bias, values, 0.5)
			if count != n || math.Abs(mape-wantMAPE) > 1e-9*wantMAPE {
				t.Errorf("n = %d: %d values, MAPE %g, want %g", n, count, mape, wantMAPE)
			}
		}
	}
}
