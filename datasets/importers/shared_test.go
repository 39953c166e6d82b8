package importers

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"bench/datasets"
)

// shared returns a folder of the recorded measurements, and skips the test
// where they are absent.
func shared(t testing.TB, folder string) string {
	t.Helper()
	path := filepath.Join("../../../shared/data", folder)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the recorded measurements are not at %s", path)
	}
	return path
}

// The counts are those of DuckDB over the same files.
func TestSharedAIConfigurator(t *testing.T) {
	run, report, err := Import("aiconfigurator", []string{shared(t, "aiconfigurator")})
	if err != nil {
		t.Fatal(err)
	}
	if report.Refused != 0 {
		t.Errorf("refused %d rows: %v", report.Refused, report.ByReason)
	}
	counts := map[string]int{}
	busiest := map[string]float64{}
	for _, r := range run.Rows {
		counts[r.Workload.Op()]++
		c, ok := r.Workload.(datasets.Collective)
		if !ok || c.Ranks != 8 || c.Launch == "eager" {
			continue
		}
		// Bus bandwidth of the largest buffers, in GB/s, by the file's device name.
		if c.SizeBytes >= 512<<20 {
			at := c.Kind + " " + string(c.Type) + " " + r.Measurement.Origin.DeviceName
			busiest[at] = max(busiest[at], c.WireBytes()/r.Measurement.TimeS/1e9)
		}
	}
	for op, want := range map[string]int{
		"matmul": 9240 + 26040, "attention": 5457 + 5431 + 10914 + 10870,
		"all_reduce": 126 + 252, "all_gather": 126 + 252, "reduce_scatter": 126 + 252, "all_to_all": 126 + 252,
		"custom_all_reduce": 138 + 138, "experts": 6360 + 37762,
	} {
		if counts[op] != want {
			t.Errorf("%s: %d rows, want %d", op, counts[op], want)
		}
	}
	// The figures of the data's README, which hold only if sizes are elements
	// and times milliseconds.
	for at, want := range map[string]float64{
		"all_reduce fp16 NVIDIA A100-SXM4-80GB":        222,
		"all_reduce fp16 NVIDIA H100 80GB HBM3":        445,
		"custom_all_reduce bf16 NVIDIA A100-SXM4-80GB": 228,
		"custom_all_reduce bf16 NVIDIA H100 80GB HBM3": 362,
	} {
		if got := busiest[at]; math.Abs(got-want) > 1 {
			t.Errorf("%s: %.1f GB/s, want %.0f", at, got, want)
		}
	}
}
