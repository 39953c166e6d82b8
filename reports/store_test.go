package reports

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
)

// Stored predictions are used as long as the same models made them from the same
// device, and the report says where they are not.
func TestStoredPredictions(t *testing.T) {
	stream := func(kernel string, size int64) datasets.Row {
		return datasets.Row{DeviceID: "h100-sxm", Workload: datasets.Stream{Kernel: kernel, Type: datasets.FP32, SizeBytes: size, Ranks: 1},
			Measurement: datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.OK, TimeS: 1e-3}}
	}
	gemm := stream("", 0)
	gemm.Workload = datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 4096, N: 4096, K: 4096, Ranks: 1, Cache: datasets.Hot}
	dev, err := catalog.Lookup("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	kept := &datasets.Run{Meta: datasets.Meta{ID: "a", StartUnixS: 1}, Devices: []datasets.Device{dev},
		Rows: []datasets.Row{stream("triad", 1<<30), stream("read", 1<<30), gemm}}
	tiers := Store(kept)
	if len(tiers) < 2 {
		t.Fatalf("stored tiers %v", tiers)
	}
	path := filepath.Join(t.TempDir(), "a.parquet")
	if err := datasets.WriteFile(path, kept); err != nil {
		t.Fatal(err)
	}
	read := func(change func(*datasets.Run), devices Devices) *Report {
		t.Helper()
		run, err := datasets.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(run)
		}
		r, err := New([]*datasets.Run{run}, tiers, devices)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}

	afresh := read(func(r *datasets.Run) {
		for i := range r.Rows {
			r.Rows[i].Predictions = nil
		}
	}, Catalogue(nil))
	whole := read(nil, Catalogue(nil))
	for i := range whole.Rows {
		if !reflect.DeepEqual(whole.Rows[i].Predictions, afresh.Rows[i].Predictions) {
			t.Errorf("stored %+v, and afresh %+v", whole.Rows[i].Predictions, afresh.Rows[i].Predictions)
		}
	}

	const mark = 42 // seconds that no model gives
	marked := func(r *datasets.Run) { r.Rows[2].Predictions[0].Seconds = mark }
	override := dev
	override.MemoryBandwidth.Value *= 2
	for _, c := range []struct {
		name   string
		change func(*datasets.Run)
		device *datasets.Device
		used   bool
		says   string
	}{
		{"the same", func(*datasets.Run) {}, nil, true, ""},
		{"older models", func(r *datasets.Run) {
			for k, v := range r.Meta.PredictedBy {
				_, hash, _ := strings.Cut(v, "-")
				r.Meta.PredictedBy[k] = "0-" + hash
			}
		}, nil, false, "models 0 made them, and this bench has models "},
		{"no version", func(r *datasets.Run) { r.Meta.PredictedBy = nil }, nil, false, "does not say which models made them"},
		{"another device", func(*datasets.Run) {}, &override, false, "other figures, ceilings or calibration"},
	} {
		r := read(func(run *datasets.Run) { marked(run); c.change(run) }, Catalogue(c.device))
		if used := r.Rows[2].Predictions[0].Seconds == mark; used != c.used {
			t.Errorf("%s: stored prediction used: %v", c.name, used)
		}
		if got := strings.Join(r.Again, "\n"); (c.says == "") != (got == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: it says %q, want %q", c.name, got, c.says)
		}
		var text strings.Builder
		if err := Text(&text, r, TextOptions{Width: 500}); err != nil || !strings.Contains(text.String(), c.says) {
			t.Errorf("%s: %v\n%s", c.name, err, text.String())
		}
	}
}
