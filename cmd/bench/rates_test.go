package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/microbench"
)

// Every rate of a row is the same in `report --format json` and in `export
// --format json`, for all workloads of a quick run on a host and on a node of GPUs.
func TestReportAndExportAgreeOnRates(t *testing.T) {
	h100 := must(catalog.Lookup("h100-sxm"))
	host := datasets.Device{ID: "host", Kind: "cpu", Arch: "x86-64", Units: 4, PeakFLOPs: map[datasets.DType]datasets.Figure{
		datasets.FP32: {Value: 1e11, Origin: datasets.Measured}, datasets.FP64: {Value: 5e10, Origin: datasets.Measured}}}
	run := &datasets.Run{Meta: datasets.Meta{ID: "run", Host: "h"}, Devices: []datasets.Device{host, h100}}
	for _, d := range run.Devices {
		plan, err := microbench.NewPlan(d, microbench.Options{Profile: microbench.Quick})
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range plan.Workloads {
			m := datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.OK, TimeS: 1e-3 + float64(i)*1e-5}
			if w.Suite() == datasets.SuiteMoE {
				m.ActiveExperts, m.MaxLoad, m.MeanLoad = 4, 3, 2
			}
			run.Rows = append(run.Rows, datasets.Row{Workload: w, DeviceID: d.ID, Measurement: m})
		}
	}
	path := filepath.Join(t.TempDir(), "run.parquet")
	if err := datasets.WriteFile(path, run); err != nil {
		t.Fatal(err)
	}
	read := func(args ...string) []byte {
		out := filepath.Join(t.TempDir(), "out.json")
		c := rootCommand()
		c.SetArgs(append(args, path, "--format", "json", "-o", out))
		if err := c.Execute(); err != nil {
			t.Fatal(err)
		}
		return must(os.ReadFile(out))
	}
	type row map[string]any
	var report struct{ Rows []row }
	var export []row
	if err := json.Unmarshal(read("report", "--tier", "datasheet", "--rows", "all"), &report); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(read("export"), &export); err != nil {
		t.Fatal(err)
	}
	exported := map[any]row{}
	for _, r := range export {
		exported[r["device_id"].(string)+r["key"].(string)] = r
	}
	seen := map[string]int{}
	for _, r := range report.Rows {
		e := exported[r["device"].(string)+r["key"].(string)]
		for _, name := range []string{"flop_per_s", "bandwidth_bytes_per_s", "algorithm_bandwidth_bytes_per_s", "bus_bandwidth_bytes_per_s", "tokens_per_s"} {
			if r[name] != e[name] {
				t.Errorf("%s: %s is %v in the report and %v in the export", r["key"], name, r[name], e[name])
			}
			if r[name] != nil {
				seen[name]++
			}
		}
		if r["imbalance_ratio"] != e["imbalance"] {
			t.Errorf("%s: imbalance %v and %v", r["key"], r["imbalance_ratio"], e["imbalance"])
		}
	}
	if len(report.Rows) != len(run.Rows) || len(seen) != 5 {
		t.Errorf("%d of %d rows, and rates %v", len(report.Rows), len(run.Rows), seen)
	}
}
