package reports

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"bench/datasets"
)

// recordedRun is a sweep on a catalogue device, at twice the roofline's time
// and a floor of 5 µs, with one row that contradicts its neighbours.
func recordedRun() *datasets.Run {
	run := &datasets.Run{Meta: datasets.Meta{Notes: []string{"a <b>note</b>"}}}
	for n := int64(2048); n <= 4096; n *= 2 {
		for m := int64(1); m <= 8192; m *= 2 {
			w := datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: m, N: n, K: 4096, Ranks: 1, Cache: datasets.Hot}
			s := 5e-6 + 2*max(w.FLOPs()/989e12, w.Bytes()/3.35e12)
			if m == 4096 && n == 4096 {
				s *= 5
			}
			row := imported("h100-sxm", m, s)
			row.Workload = w
			run.Rows = append(run.Rows, row)
		}
	}
	// No tier has a model of this format.
	quantised := imported("h100-sxm", 64, 1e-5)
	quantised.Workload = datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 64, N: 4096, K: 4096, Ranks: 1, Cache: datasets.Hot, Format: "int4_wo"}
	run.Rows = append(run.Rows, quantised)
	return run
}

func TestValidate(t *testing.T) {
	v, err := Validate([]*datasets.Run{recordedRun()})
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Suspects) != 1 || !strings.Contains(v.Suspects[0].Row.Key, "m=4096 n=4096") {
		t.Errorf("suspects: %+v", v.Suspects)
	}
	var sheet, plain Group
	for _, g := range v.Unsuspected {
		if g.Split != "test" {
			t.Errorf("a group of the %s half", g.Split)
		}
		if g.Op == All && g.DType == All && g.Regime == All {
			switch g.Tier {
			case string(datasets.TierDatasheet):
				sheet = g
			case string(Baseline3Tier):
				plain = g
			}
		}
	}
	// The law of the rows is the baseline's own, so it explains them; the
	// roofline is at most half of each.
	if plain.N == 0 || plain.N != sheet.N || plain.MAPE > 0.03 || sheet.MAPE < 0.5 {
		t.Errorf("roofline %+v\nthree parameters %+v", sheet, plain)
	}

	var b bytes.Buffer
	if err := ValidationMarkdown(&b, v); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## By operation and data type", "Without the suspect rows", "## By regime", "## Suspect rows",
		"## Not predicted", "a &lt;b&gt;note", string(Baseline3Tier), "of the larger size 8192", "m=4096 n=4096"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in the Markdown:\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := ValidationJSON(&b, v); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Schema   string
		Groups   []Group
		Suspects []struct{ Key string }
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Schema != "bench.validation/1" || len(doc.Groups) != len(v.Groups) || len(doc.Suspects) != 1 {
		t.Errorf("%s with %d groups and %d suspects", doc.Schema, len(doc.Groups), len(doc.Suspects))
	}
}

// TestSameRows: where the calibrated tier predicts some rows of an operation,
// every tier is judged on those alone; other operations keep all of theirs.
func TestSameRows(t *testing.T) {
	missing := datasets.Prediction{NotPredicted: "no model of it"}
	has := datasets.Prediction{Seconds: 1}
	a, b := imported("d", 1, 1), imported("d", 2, 1)
	other := datasets.Row{DeviceID: "d", Workload: datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: 8, Ranks: 1}}
	rows := []Joined{
		{Row: &a, Predictions: []datasets.Prediction{has, has}},
		{Row: &b, Predictions: []datasets.Prediction{has, missing}},
		{Row: &other, Predictions: []datasets.Prediction{has, missing}},
	}
	got := sameRows(rows, 1)
	if len(got) != 2 || got[0].Row != &a || got[1].Row != &other {
		t.Errorf("kept %d rows", len(got))
	}
}

func TestCalibrationTable(t *testing.T) {
	c := &datasets.Calibration{Device: "mine\x1b", Source: "12 rows of tool 1.0",
		Machine: []datasets.Parameter{{Name: "memory_efficiency", Unit: "1", Value: 0.9, Determined: true}},
		LeftOut: []string{"vllm 1.0 moe bf16: 5 rows to fit, 20 are needed"},
		Stacks: []datasets.StackFit{{Library: "vllm", Version: "1.0", Laws: []datasets.LawFit{{Law: "gemm", Variant: datasets.Variant{Type: datasets.FP8, Format: "fp8_block"},
			Facts: map[string]string{"split_k": "no"},
			Parameters: []datasets.Parameter{
				{Name: "floor", Unit: "s", Value: 4.2e-6, Low: 4.1e-6, High: 4.3e-6, Determined: true},
				{Name: "bandwidth_efficiency", Unit: "1", Value: 1, Low: 0.4, High: 1, AtEdge: true},
				{Name: "copies", Unit: "1", Value: 2, Low: 1, High: 3, Held: true}},
			Fit: datasets.Fit{FitN: 60, FitMAPE: 0.051, TestN: 60, TestMAPE: 0.0625, TestP90: 0.12}}}}}}
	var b bytes.Buffer
	if err := Calibration(&b, c, 80); err != nil {
		t.Fatal(err)
	}
	golden(t, "calibration.txt", b.Bytes())
}
