package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"bench/datasets"
)

// What is written reads back as rows of the source "imported", with where each
// was read; unreadable input ends with exit code 2.
func TestImportWrites(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "gelu_A100.csv"), filepath.Join(dir, "out.parquet")
	if err := os.WriteFile(in, []byte("1000, 0.5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run([]string{"import", "llmcompass", in, "-o", out}, &stdout, &stderr); code != exitDone {
		t.Fatalf("exit %d: %s", code, &stderr)
	}
	got, err := datasets.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 1 || got.Device("a100-sxm-80") == nil || got.Meta.ID == "" {
		t.Fatalf("%d rows, devices %v, run %q", len(got.Rows), got.Devices, got.Meta.ID)
	}
	// 1000 elements at 0.5e9 a second take 2 us.
	r := got.Rows[0]
	if r.Measurement.Source != datasets.SourceImported || r.Measurement.TimeS != 2e-6 || r.DeviceID != "a100-sxm-80" ||
		r.Workload.Key() != "hbm/gelu fp16 bytes=4000 rows=1 cols=1000 ranks=1" {
		t.Errorf("%s on %s: %+v", r.Workload.Key(), r.DeviceID, r.Measurement)
	}
	if o := r.Measurement.Origin; o.Tool != "llmcompass" || o.DeviceName != "A100" || o.File != in || o.Record != 1 || len(o.SHA256) != 64 {
		t.Errorf("origin %+v", o)
	}
	if code := run([]string{"import", "llmcompass", filepath.Join(dir, "gelu_none.csv"), "-o", out}, &stdout, &stderr); code != exitUsage {
		t.Errorf("a missing file ends with exit code %d, want %d", code, exitUsage)
	}
}
