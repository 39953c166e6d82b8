package datasets

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"slices"
	"testing"
)

// export writes runs in one format.
func export(w io.Writer, format string, runs ...*Run) error {
	e := Exporters[format](w)
	for _, run := range runs {
		if err := e.Export(&run.Meta, run.Rows); err != nil {
			return err
		}
	}
	return e.Close()
}

// TestExports reads CSV and JSON back: one record a row, under the names of the
// Parquet form, and no text that a spreadsheet would run.
func TestExports(t *testing.T) {
	run := &Run{Meta: Meta{ID: "r1"}, Rows: []Row{
		{DeviceID: "=cmd()", Workload: GEMM{Kernel: "matmul", Type: BF16, M: 2, N: 3, K: 4, Ranks: 1, Cache: Hot},
			Measurement: Measurement{Source: SourceMeasured, Verdict: OK, TimeS: 1e-6, SamplesS: []float64{1e-6, 2e-6}, Confidence: math.Inf(1)}},
		{DeviceID: "d", Workload: Stream{Kernel: "read", Type: FP64, SizeBytes: 64, Ranks: 2},
			Measurement: Measurement{Source: SourceMeasured, Verdict: Failed, Reason: "wrong, \"very\"\n"}},
	}}
	var b bytes.Buffer
	if err := export(&b, "csv", run); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := func(row int, name string) string { return records[row+1][slices.Index(records[0], name)] }
	for _, c := range []struct {
		row        int
		name, want string
	}{{0, "m", "2"}, {0, "flop", "48"}, {0, "time_median_s", "1e-06"}, {0, "samples_s", "1e-06 2e-06"}, {0, "device_id", "'=cmd()"},
		{0, "size_bytes", ""}, {0, "run_id", "r1"}, {1, "m", ""}, {1, "size_bytes", "64"}, {1, "reason", "wrong, \"very\"\n"}} {
		if got := at(c.row, c.name); got != c.want {
			t.Errorf("row %d, %s: %q, want %q", c.row, c.name, got, c.want)
		}
	}
	b.Reset()
	if err := export(&b, "json", run); err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal(b.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0]["k"] != 4.0 || rows[1]["verdict"] != "failed" || rows[1]["m"] != nil {
		t.Errorf("rows: %v", rows)
	}
	if _, has := rows[0]["confidence"]; has {
		t.Error("an infinite number was exported")
	}
}
