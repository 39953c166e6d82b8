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

// Counts are rows (times operators, for the layers) of the files. The bus
// bandwidth is the README's check that vidur's sizes are bytes.
func TestSharedVidur(t *testing.T) {
	run, report, err := Import("vidur", []string{shared(t, "vidur")})
	if err != nil {
		t.Fatal(err)
	}
	if want := 2*1044*10 + 6958 + 1988 + 2982 + 1988; len(run.Rows) != want || report.Refused != 0 {
		t.Errorf("%d rows, %d refused, want %d and 0", len(run.Rows), report.Refused, want)
	}
	nodes := map[int]int{}
	best := 0.0
	for _, r := range run.Rows {
		c, ok := r.Workload.(datasets.Collective)
		if !ok {
			continue
		}
		nodes[c.Nodes]++
		if c.Kind == "all_reduce" && c.Ranks == 8 && c.SizeBytes == 64<<20 && r.DeviceID == "h100-sxm" {
			best = c.WireBytes() / r.Measurement.TimeS / 1e9
		}
	}
	if math.Abs(best-365) > 1 {
		t.Errorf("all_reduce of 64 MiB on 8 H100: %.1f GB/s, want 365", best)
	}
	// Two nodes: all_reduce of 2 on 1+1, 4 on 2+2, 8 on 4+4 and 16 on 8+8 for
	// A100, and both devices' send_recv between nodes.
	if nodes[2] != 4*994+2*994 || nodes[1]+nodes[2] != 6958+1988+2982+1988 {
		t.Errorf("rows by nodes: %v", nodes)
	}
}

func TestSharedLLMCompass(t *testing.T) {
	run, report, err := Import("llmcompass", []string{shared(t, "llmcompass")})
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Rows) != 20+20+22+22 || report.Refused != 0 {
		t.Errorf("%d rows, %d refused, want 84 and 0", len(run.Rows), report.Refused)
	}
	// The clock behind the throughputs steps by 2^-22 s, and the median of an
	// even count may fall half way: times are whole multiples of 2^-23 s only
	// if throughput is 10^9 elements a second.
	for _, r := range run.Rows {
		if r.Workload.Op() == "matmul" {
			continue
		}
		steps := r.Measurement.TimeS * (1 << 23)
		if math.Abs(steps-math.Round(steps)) > 0.001 {
			t.Errorf("%s: %.4f steps of 2^-23 s", r.Workload.Key(), steps)
		}
	}
}

// Nothing in the recorded measurements beats its device's datasheet.
func TestSharedPhysics(t *testing.T) {
	for _, name := range []string{"aiconfigurator", "vidur", "llmcompass"} {
		_, report, err := Import(name, []string{shared(t, name)})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range report.Warnings {
			t.Errorf("%s: %s", name, w)
		}
	}
}

// BenchmarkImportShared imports every recorded measurement, some 148,000 rows.
func BenchmarkImportShared(b *testing.B) {
	rows := 0
	for b.Loop() {
		rows = 0
		for _, name := range []string{"aiconfigurator", "vidur", "llmcompass"} {
			run, _, err := Import(name, []string{shared(b, name)})
			if err != nil {
				b.Fatal(err)
			}
			rows += len(run.Rows)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
