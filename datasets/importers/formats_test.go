package importers

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bench/datasets"
)

// seen is what a test knows of one imported row.
type seen struct {
	key     string
	seconds float64
	device  string
	record  int64
}

// check compares an import with what was worked out by hand, and the number
// of refused records.
func check(t *testing.T, format, path string, want []seen, refused int) (datasets.Run, *Report) {
	t.Helper()
	run, report, err := Import(format, []string{path})
	if err != nil {
		t.Fatal(err)
	}
	if report.Refused != refused {
		t.Errorf("%s: refused %d, want %d: %v", path, report.Refused, refused, report.ByReason)
	}
	if report.Rows != len(run.Rows) || len(run.Rows) != len(want) {
		t.Errorf("%s: %d rows, report says %d, want %d", path, len(run.Rows), report.Rows, len(want))
	}
	for i, r := range run.Rows {
		m := r.Measurement
		if i < len(want) {
			w := want[i]
			if r.Workload.Key() != w.key || math.Abs(m.TimeS/w.seconds-1) > 1e-9 || r.DeviceID != w.device || m.Origin.Record != w.record {
				t.Errorf("%s row %d:\n got %s, %.12g s, on %s, record %d\nwant %s, %.12g s, on %s, record %d", path, i,
					r.Workload.Key(), m.TimeS, r.DeviceID, m.Origin.Record, w.key, w.seconds, w.device, w.record)
			}
		}
		if m.Source != datasets.SourceImported || m.Origin.Tool != format || m.Origin.File == "" || len(m.Origin.SHA256) != 64 {
			t.Errorf("%s row %d: source %q, origin %+v", path, i, m.Source, m.Origin)
		}
		if run.Device(r.DeviceID) == nil {
			t.Errorf("%s row %d: device %q is not in the run", path, i, r.DeviceID)
		}
	}
	return run, report
}

// A row a placement: 21.30 us is 21.3e-6 s, sizes are one rank's buffer. The
// cut line of 2 GiB is refused.
func TestNCCLNew(t *testing.T) {
	const key = "allreduce/all_reduce fp32 bytes="
	run, report := check(t, "nccl-tests", "testdata/nccl_new.txt", []seen{
		{key + "1024 ranks=8 nodes=1", 21.30e-6, "a100-sxm-80", 20},
		{key + "1024 ranks=8 nodes=1 in_place", 21.05e-6, "a100-sxm-80", 20},
		{key + "1048576 ranks=8 nodes=1", 65.54e-6, "a100-sxm-80", 22},
		{key + "1048576 ranks=8 nodes=1 in_place", 63e-6, "a100-sxm-80", 22},
		{key + "1073741824 ranks=8 nodes=1", 8192e-6, "a100-sxm-80", 23},
		{key + "1073741824 ranks=8 nodes=1 in_place", 8000e-6, "a100-sxm-80", 23},
	}, 1)
	m := run.Rows[3].Measurement
	if m.Verdict != datasets.Failed || m.Wrong != 2 {
		t.Errorf("2 wrong elements: verdict %q, wrong %d", m.Verdict, m.Wrong)
	}
	if m.Stack.Version != "2.27.3" || m.Origin.ToolVersion != "2.17.6" || m.Origin.DeviceName != "NVIDIA A100-SXM4-80GB" {
		t.Errorf("versions: %q, %+v", m.Stack.Version, m.Origin)
	}
	if len(report.Files[0].Notes) != 1 {
		t.Errorf("notes: %v", report.Files[0].Notes)
	}
}

// Two hosts are two nodes, the collective is in the command line, and the
// line whose 1.000 us contradicts 16.78 GB/s costs that placement alone.
func TestNCCLOld(t *testing.T) {
	const key = "allreduce/all_gather fp32 bytes="
	check(t, "nccl-tests", "testdata/nccl_old_two_nodes.txt", []seen{
		{key + "8388608 ranks=4 nodes=2", 500e-6, "a100-sxm-40", 13},
		{key + "8388608 ranks=4 nodes=2 in_place", 480e-6, "a100-sxm-40", 13},
		{key + "16777216 ranks=4 nodes=2 in_place", 960e-6, "a100-sxm-40", 14},
	}, 1)
}

// One process of four GPUs is four ranks; "nan" in place is a record that was
// not measured, and is refused by name.
func TestNCCLJSON(t *testing.T) {
	const key = "allreduce/reduce_scatter bf16 bytes="
	check(t, "nccl-tests", "testdata/nccl.json", []seen{
		{key + "4194304 ranks=4 nodes=1 launch=graph", 40e-6, "h100-sxm", 1},
		{key + "8388608 ranks=4 nodes=1 launch=graph in_place", 64e-6, "h100-sxm", 2},
	}, 1)
}

// 512 MiB = 536870912 bytes over the bandwidth. A peer or local copy's working
// set is both buffers. Refused: 2 bidirectional cells and 2 latencies.
func TestNVBandwidthText(t *testing.T) {
	const size = 536870912.0
	check(t, "nvbandwidth", "testdata/nvbandwidth.txt", []seen{
		{"hbm/host_to_device int8 bytes=536870912 ranks=1", size / 55.30e9, "h100-sxm", 15},
		{"hbm/host_to_device int8 bytes=536870912 ranks=1", size / 53.69e9, "h100-sxm", 15},
		{"hbm/peer int8 bytes=1073741824 ranks=2 pair=0-1", size / 396.66e9, "h100-sxm", 29},
		{"hbm/peer int8 bytes=1073741824 ranks=2 pair=1-0", size / 397.00e9, "h100-sxm", 30},
		{"hbm/copy_engine int8 bytes=1073741824 ranks=1", size / 1342.18e9, "h100-sxm", 45},
		{"hbm/copy_engine int8 bytes=1073741824 ranks=1", size / 1340e9, "h100-sxm", 45},
	}, 4)
}

// 64 MiB = 67108864 bytes at 25e9 a second is 2.68435456 ms.
func TestNVBandwidthJSON(t *testing.T) {
	_, report := check(t, "nvbandwidth", "testdata/nvbandwidth.json", []seen{
		{"hbm/device_to_host int8 bytes=67108864 ranks=1", 2.68435456e-3, "a100-sxm-80", 1},
	}, 0)
	if n := report.Files[0].Notes; len(n) != 1 || !strings.Contains(n[0], "Waived") {
		t.Errorf("notes: %v", n)
	}
}

// 2^25 doubles are 268435456 bytes an array; two of them at 1789569.707e6
// bytes a second take 0.3 ms.
func TestBabelStreamText(t *testing.T) {
	run, _ := check(t, "babelstream", "testdata/babelstream.txt", []seen{
		{"hbm/copy fp64 bytes=536870912 ranks=1", 536870912 / 1789569.707e6, "a100-sxm-80", 14},
		{"hbm/scale fp64 bytes=536870912 ranks=1", 536870912 / 1.75e12, "a100-sxm-80", 15},
		{"hbm/add fp64 bytes=805306368 ranks=1", 805306368 / 1.8e12, "a100-sxm-80", 16},
		{"hbm/triad fp64 bytes=805306368 ranks=1", 805306368 / 1.8e12, "a100-sxm-80", 17},
		{"hbm/dot fp64 bytes=536870912 ranks=1", 536870912 / 1.6e12, "a100-sxm-80", 18},
	}, 0)
	m := run.Rows[0].Measurement
	if math.Abs(m.TimeS-3e-4) > 1e-9 || m.HighS != 3.2e-4 || m.Stack != (datasets.Stack{Library: "babelstream", Version: "5.0", KernelSource: "CUDA"}) || m.Origin.ToolVersion != "5.0" {
		t.Errorf("copy: %+v", m)
	}
}

// Refused: Init, Read, a dot of no time, and nstream.
func TestBabelStreamCSV(t *testing.T) {
	check(t, "babelstream", "testdata/babelstream.csv", []seen{
		{"hbm/copy fp32 bytes=800000000 ranks=1", 0.002, "amd-epyc-9654-96-core-processor", 6},
		{"hbm/triad fp32 bytes=1200000000 ranks=1", 0.003, "amd-epyc-9654-96-core-processor", 7},
	}, 4)
}

// pp512 at 8000 tokens a second is 64 ms for the prompt; tg128 at 100 is 10 ms
// a step at a mean context of 64.5, rounded up; the mixed test is refused.
// 12.55 GiB = 13475459892 bytes.
func TestLlamaBenchMarkdown(t *testing.T) {
	const key = "/model fp16 model=\"llama 7B F16\" bytes=13475459891 parameters=6740000000 "
	run, _ := check(t, "llama-bench", "testdata/llamabench.md", []seen{
		{"prefill" + key + "query=512 context=512 ranks=1", 0.064, "a100-sxm-80", 5},
		{"decode" + key + "query=1 context=65 ranks=1", 0.01, "a100-sxm-80", 6},
		{"decode" + key + "query=1 context=577 ranks=1", 0.0125, "a100-sxm-80", 7},
	}, 1)
	if m := run.Rows[0].Measurement; m.Stack != (datasets.Stack{Library: "llama.cpp", Version: "5163", KernelSource: "CUDA"}) {
		t.Errorf("build: %+v", m)
	}
}

// The second test has no layer on the GPU and ran on 8 threads of the CPU:
// 1.28 s for 128 steps after 1024 tokens is 10 ms a step. The third has a
// negative time.
func TestLlamaBenchCSV(t *testing.T) {
	const key = "/model fp16 model=\"qwen2 7B Q4_K - Medium\" format=q4_k_medium bytes=4677120000 parameters=7615616512 "
	check(t, "llama-bench", "testdata/llamabench.csv", []seen{
		{"prefill" + key + "query=512 context=512 ranks=1", 0.064, "nvidia-geforce-rtx-4080", 2},
		{"decode" + key + "query=1 context=1089 ranks=8", 0.01, "amd-ryzen-7-7800x3d-8-core-processor", 3},
	}, 1)
}

// 240 ms for 4 steps is 60 ms a step, from 59 to 61 among the repetitions, on
// two GPUs. Refused: a model that is a number, and a mixed test.
func TestLlamaBenchJSON(t *testing.T) {
	run, _ := check(t, "llama-bench", "testdata/llamabench.json", []seen{
		{"decode/model bf16 model=\"llama 70B BF16\" bytes=141000000000 parameters=70550000000 query=1 context=3 ranks=2",
			0.06, "h100-sxm", 1},
	}, 2)
	if m := run.Rows[0].Measurement; math.Abs(m.LowS-0.059) > 1e-12 || math.Abs(m.HighS-0.061) > 1e-12 {
		t.Errorf("spread: %v to %v", m.LowS, m.HighS)
	}
}

// 2·64·12288·12288 = 1.9327e10 FLOP in 0.2 ms is 96.6368 Tflops. The second
// line's rate in Gflops is ten times less than its time says.
func TestLLMCompassMatmul(t *testing.T) {
	check(t, "llmcompass", "testdata/matmul_A100.csv", []seen{
		{"gemm/matmul fp16 m=64 n=12288 k=12288 ranks=1 cache=hot", 2e-4, "a100-sxm-80", 1},
	}, 1)
}

// 100 elements at 0.5e9 a second take 200 ns; 2 bytes each in and out are 400.
// Line ends are Windows'. No elements, and an infinite throughput, are refused.
func TestLLMCompassGELU(t *testing.T) {
	check(t, "llmcompass", "testdata/gelu_MI210.csv", []seen{
		{"hbm/gelu fp16 bytes=400 rows=1 cols=100 ranks=1", 200e-9, "mi210", 1},
	}, 2)
}

// A gather of 1 MiB from each of 16 ranks on two nodes is 16 MiB in all, and
// takes the median's 0.1 ms. Refused: no time, 12 ranks in eights, a reduce.
func TestVidurCollective(t *testing.T) {
	run, _ := check(t, "vidur", "testdata/vidur/network/a100_dgx/all_gather.csv", []seen{
		{"allreduce/all_gather fp16 bytes=16777216 ranks=16 nodes=2", 1e-4, "a100-sxm-80", 2},
	}, 3)
	if m := run.Rows[0].Measurement; m.LowS != 8e-5 || m.HighS != 2e-4 {
		t.Errorf("spread: %v to %v", m.LowS, m.HighS)
	}
}

// The gate and up projections are one product of 2·11008/2 columns on each of
// two workers; SiLU times up reads two arrays of 256 × 5504 and writes one.
// The rotary embedding's time is NaN, and three workers do not divide 32 heads.
func TestVidurLayer(t *testing.T) {
	check(t, "vidur", "testdata/vidur/compute/h100/m/mlp.csv", []seen{
		{"gemm/matmul fp16 m=256 n=11008 k=4096 ranks=1 cache=cold", 6e-5, "h100-sxm", 2},
		{"hbm/silu_mul fp16 bytes=8454144 rows=256 cols=5504 ranks=1", 1e-5, "h100-sxm", 2},
	}, 2)
}

// A whole folder is read by the files' extensions, the others are listed.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"gelu_MI210.csv", "matmul_A100.csv", "nccl.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run, report, err := Import("llmcompass", []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Rows) != 2 || len(report.Files) != 2 || len(report.NotRead) != 1 || len(run.Devices) != 2 {
		t.Errorf("%d rows of %d files, %v not read, %d devices", len(run.Rows), len(report.Files), report.NotRead, len(run.Devices))
	}
}
