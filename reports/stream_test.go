package reports

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
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
	for len(large.Rows) < 40_000 {
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
