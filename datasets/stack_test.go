package datasets

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// oldRow is what files held of the stack before it had columns of its own, in
// the encodings that they had.
type oldRow struct {
	Suite       string  `parquet:"suite,optional,dict"`
	Op          string  `parquet:"op,optional,dict"`
	DType       string  `parquet:"dtype,optional,dict"`
	Ranks       int64   `parquet:"ranks,optional,plain"`
	M           int64   `parquet:"m,optional,plain"`
	N           int64   `parquet:"n,optional,plain"`
	K           int64   `parquet:"k,optional,plain"`
	TimeS       float64 `parquet:"time_median_s,optional,plain"`
	Source      string  `parquet:"source,optional,dict"`
	Name        string  `parquet:"implementation,optional,dict"`
	Version     string  `parquet:"implementation_version,optional,dict"`
	Tool        string  `parquet:"import_tool,optional,dict"`
	ToolVersion string  `parquet:"import_tool_version,optional,dict"`
}

func TestStackOfOldFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[oldRow](f, parquet.Compression(&parquet.Zstd), parquet.KeyValueMetadata(metaVersion, "1"),
		parquet.KeyValueMetadata(metaMeta, `{"id":"old"}`), parquet.KeyValueMetadata(metaDevices, "[]"))
	row := oldRow{Suite: "gemm", Op: "matmul", DType: "bf16", Ranks: 1, M: 1, N: 2, K: 3, TimeS: 1, Source: "imported",
		Name: "vllm_default", Version: "0.14.0", Tool: "aiconfigurator", ToolVersion: "VLLM 0.14.0"}
	measured := row
	measured.Source, measured.Name, measured.Version, measured.Tool, measured.ToolVersion = "measured", "openblas", "0.3.21", "", ""
	if _, err := w.Write([]oldRow{row, measured}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	run, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Stack{{"vllm", "0.14.0", "vllm_default"}, {"openblas", "0.3.21", ""}} {
		if got := run.Rows[i].Measurement.Stack; got != want {
			t.Errorf("row %d: %+v, want %+v", i, got, want)
		}
	}
	if v := run.Rows[0].Measurement.Origin.ToolVersion; v != "" {
		t.Errorf("the framework's version stands as the tool's: %q", v)
	}
}
