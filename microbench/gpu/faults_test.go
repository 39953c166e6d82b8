package gpu_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bench/cuda"
	"bench/cuda/fakedriver"
	"bench/datasets"
	"bench/microbench"
	"bench/microbench/child"
	"bench/microbench/gpu"
)

// The test binary is its own measuring process.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	os.Exit(child.Main(
		func() (microbench.Backend, error) { return gpu.New(gpu.Options{}) },
		func(err error) bool {
			e := (*cuda.Error)(nil)
			return errors.As(err, &e) && e.Sticky() || errors.As(err, new(*gpu.HangError))
		}))
}

// small are cases of every suite that are quick to check and together make every
// call that a run makes.
var small = []datasets.Workload{
	datasets.Collective{Kind: "all_reduce", Type: datasets.FP32, SizeBytes: 4096, Ranks: 2, Nodes: 1},
	datasets.Stream{Kernel: "peer", Type: datasets.INT8, SizeBytes: 4096, Ranks: 2, Pair: "0-1"},
	datasets.Collective{Kind: "all_gather", Type: datasets.BF16, SizeBytes: 4096, Ranks: 2, Nodes: 1, Launch: "graph"},
	datasets.Stream{Kernel: "copy", Type: datasets.FP32, SizeBytes: 8 << 20, Ranks: 1},
	datasets.Stream{Kernel: "latency", Type: datasets.I64, SizeBytes: 4096, Ranks: 1},
	datasets.Stream{Kernel: "copy_engine", Type: datasets.INT8, SizeBytes: 4096, Ranks: 1},
	datasets.Stream{Kernel: "host_to_device", Type: datasets.INT8, SizeBytes: 4096, Ranks: 1},
	datasets.Stream{Kernel: "device_to_host", Type: datasets.INT8, SizeBytes: 4096, Ranks: 1},
	datasets.GEMM{Kernel: "matmul", Type: datasets.FP16, M: 8, N: 16, K: 16, Ranks: 1, Cache: datasets.Hot},
	datasets.DecodeLayer{Type: datasets.BF16, Batch: 1, ContextTokens: 16, Hidden: 32, Heads: 2, KVHeads: 2, HeadDim: 16, FFWidth: 32,
		Gated: true, Experts: 1, TopK: 1, TP: 1, Ranks: 1, Launch: "graph", Cache: datasets.Hot},
	datasets.MoELayer{Kernel: "layer", Type: datasets.BF16, Tokens: 2, Hidden: 32, Intermediate: 32, Experts: 2, TopK: 1, Gated: true,
		Routing: datasets.Routing{Rule: datasets.RouteUniform, Seed: 1}, TP: 1, EP: 1, Ranks: 1, Cache: datasets.Hot},
}

// once is enough of a measurement for a fault to happen in.
var once = microbench.Settings{HalfWidth: 1, Confidence: 0.5, MinSamples: 3, MaxSamples: 3, BatchS: 1e-5, ClockFactor: 1, SteadyWithin: 1, SteadyWindow: 1, WarmupShare: 0.1}

// outcome is how a run in a child ended: a backend that did not open, rows, an
// error that stopped it, and what closing said.
type outcome struct {
	opened, stopped, closed error
	rows                    []datasets.Row
	notes                   []string
}

// runWith measures the small cases in a child on a machine with the faults of a
// truth, each of which happens once.
func runWith(t testing.TB, truth fakedriver.Truth, limits child.Limits) (o outcome) {
	t.Helper()
	truth.Devices, truth.StateDir = 2, t.TempDir()
	env := machine(t, truth)
	b, err := child.Start(child.Config{Device: "GPU", Limits: limits, Command: func() *exec.Cmd {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), append(env, "BENCH_TEST_CHILD=1", "GORACE=atexit_sleep_ms=0")...)
		return c
	}})
	if err != nil {
		return outcome{opened: err}
	}
	loop := microbench.Loop{Backend: b, Settings: once}
	o.rows, o.notes, o.stopped = loop.Run(context.Background(), microbench.Plan{Workloads: small, Time: time.Second, CaseTime: time.Second}, nil)
	o.closed = b.Close()
	return o
}

// faultless is what a run without faults makes of the small cases.
type faultless struct {
	// calls are those of the libraries, each with a count that it surely reaches.
	calls map[string]int
	rows  map[string]datasets.Measurement // by key
	// leftBytes of device memory are in a context when it is given back.
	leftBytes int64
}

// without measures the small cases without a fault.
func without(t testing.TB) (f faultless) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	o := runWith(t, fakedriver.Truth{Log: log}, child.Limits{})
	if err := errors.Join(o.opened, o.stopped, o.closed); err != nil {
		t.Fatal(err)
	}
	f.rows = map[string]datasets.Measurement{}
	for _, r := range o.rows {
		if !r.Measurement.Usable() {
			t.Fatalf("without a fault: %s: %s", r.Workload.Key(), r.Measurement.Reason)
		}
		f.rows[r.Workload.Key()] = r.Measurement
	}
	f.calls, f.leftBytes = readLog(t, log)
	return f
}

// readLog is how often each call was made, nearly, and the most bytes that were
// left in a context.
func readLog(t testing.TB, path string) (calls map[string]int, leftBytes int64) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	calls = map[string]int{}
	for line := range strings.Lines(string(text)) {
		var bytes int64
		if n, _ := fmt.Sscanf(line, "left %d", &bytes); n == 1 {
			leftBytes = max(leftBytes, bytes)
			continue
		}
		name := strings.TrimSpace(line)
		calls[name] = max(1, 2*calls[name])
	}
	for name, count := range calls {
		calls[name] = max(1, count/2) // no two runs make quite as many
	}
	return calls, leftBytes
}

// faultCodes are the results of each library that a call is made to return, with
// what a message must call them: memory that does not suffice, what leaves the
// context usable, what loses it, not ready, the unknown, and one without a name.
var faultCodes = map[string]map[int]string{
	"cu": {1: "CUDA_ERROR_INVALID_VALUE", 2: "CUDA_ERROR_OUT_OF_MEMORY", 214: "CUDA_ERROR_ECC_UNCORRECTABLE", 400: "CUDA_ERROR_INVALID_HANDLE", 600: "CUDA_ERROR_NOT_READY",
		700: "CUDA_ERROR_ILLEGAL_ADDRESS", 719: "CUDA_ERROR_LAUNCH_FAILED", 900: "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", 999: "CUDA_ERROR_UNKNOWN", 12345: "error 12345"},
	"cublasLt": {1: "CUBLAS_STATUS_NOT_INITIALIZED", 3: "CUBLAS_STATUS_ALLOC_FAILED", 7: "CUBLAS_STATUS_INVALID_VALUE", 13: "CUBLAS_STATUS_EXECUTION_FAILED",
		14: "CUBLAS_STATUS_INTERNAL_ERROR", 15: "CUBLAS_STATUS_NOT_SUPPORTED", 12345: "CUBLAS_STATUS_UNKNOWN"},
	"nccl": {1: "unhandled cuda error", 2: "unhandled system error", 3: "internal error", 4: "invalid argument", 5: "invalid usage", 6: "remote process exited",
		7: "in progress", 12345: "unknown result code"},
}

// codesOf are the codes of a call's library.
func codesOf(call string) map[int]string {
	for _, library := range []string{"cublasLt", "nccl"} {
		if strings.HasPrefix(call, library) {
			return faultCodes[library]
		}
	}
	return faultCodes["cu"]
}

// fault is a call that returns a code, its at-th time.
type fault struct {
	call     string
	at, code int
}

func (f fault) String() string { return fmt.Sprintf("%s:%d:%d", f.call, f.at, f.code) }

// none reports whether the result is no fault: a stream that is not ready yet, a
// product that the library declines, for which something else is measured, and a
// property of an algorithm that the library does not know, which is only told.
func (f fault) none() bool {
	return f.call == "cuStreamQuery" && f.code == 600 || f.call == "cublasLtMatmulAlgoConfigGetAttribute" ||
		strings.HasPrefix(f.call, "cublasLtMat") && f.code == 15
}

// sticky reports whether the context is lost with it.
func (f fault) sticky() bool {
	return (&cuda.Error{Code: f.code}).Sticky() && len(codesOf(f.call)) == len(faultCodes["cu"])
}

// inject is a run with one fault, and says what is wrong with how it ended, or "":
// the fault must be told once, with the call's name and the code's, and spoil one
// case at most; the others' figures are those without it, and no more memory stays.
func (f fault) inject(t testing.TB, clean faultless) string {
	log := filepath.Join(t.TempDir(), "log")
	o := runWith(t, fakedriver.Truth{Fail: f.String(), Log: log}, child.Limits{})
	told := func(text string) bool {
		return strings.Contains(text, f.call) && strings.Contains(text, codesOf(f.call)[f.code]) && !strings.Contains(text, "\n")
	}
	for _, err := range []error{o.opened, o.stopped} {
		if err == nil {
			continue
		}
		if !told(err.Error()) {
			return fmt.Sprintf("it ended with %q", err)
		}
		return ""
	}
	if len(o.rows) != len(small) {
		return fmt.Sprintf("%d of %d cases have a row", len(o.rows), len(small))
	}
	var bad []string
	for _, r := range o.rows {
		m, key := r.Measurement, r.Workload.Key()
		if m.Usable() {
			if c := clean.rows[key]; m.Stack == c.Stack && math.Abs(m.TimeS/c.TimeS-1) > 0.01 {
				return fmt.Sprintf("%s takes %g s, and %g s without the fault", key, m.TimeS, c.TimeS)
			}
			continue
		}
		bad = append(bad, key+" "+string(m.Verdict)+": "+m.Reason)
		if !told(m.Reason) {
			return "the call or the code is not named: " + bad[0]
		}
		for _, crash := range []string{"crashed", "panic", "SIG", "died", "did not answer"} {
			if strings.Contains(m.Reason, crash) {
				return "it crashed: " + bad[0]
			}
		}
		if f.sticky() && !strings.Contains(m.Reason, thatGPU) {
			return "a lost context without the GPU's UUID and address: " + bad[0]
		}
	}
	spoiled := 1
	if f.call == "ncclGetVersion" {
		spoiled = 2 // the library is opened once
	}
	if len(bad) > spoiled {
		return fmt.Sprintf("one fault spoiled %d cases: %s", len(bad), strings.Join(bad, "; "))
	}
	_, left := readLog(t, log)
	if f.call != "cuMemFree_v2" && left > clean.leftBytes {
		return fmt.Sprintf("%d bytes of device memory stay, and %d without the fault", left, clean.leftBytes)
	}
	switch {
	case len(bad) > 0:
	case told(strings.ReplaceAll(strings.Join(o.notes, " "), "\n", " ")): // the sentinel, run again in a fresh process
	case f.call == "ncclGetVersion": // the run's provenance tells of it, and the second try works
	case o.closed == nil || !told(o.closed.Error()):
		return fmt.Sprintf("nothing was said of it; closing said %v", o.closed)
	}
	return ""
}

const thatGPU = "GPU-fafafafa-fafa-fafa-fafa-fafafafafa00, PCI 00000000:07:00.0"

var everyFault = flag.Bool("every-fault", false, "each call with each of its codes, not a sample")

// Whichever call fails, the first time that it is made or a later one: a sample of
// the codes, or with -every-fault each of them.
func TestAFaultInAnyCallSpoilsOneCase(t *testing.T) {
	clean := without(t)
	var faults []fault
	for i, call := range slices.Sorted(maps.Keys(clean.calls)) {
		codes := slices.Sorted(maps.Keys(codesOf(call)))
		times := slices.Compact([]int{1, clean.calls[call]})
		for j, at := range times {
			for k, code := range codes {
				f, sampled := fault{call, at, code}, j == i%len(times) && k == i%len(codes)
				if !f.none() && (sampled || *everyFault) {
					faults = append(faults, f)
				}
			}
		}
	}
	t.Logf("%d faults in %d calls", len(faults), len(clean.calls))
	for _, f := range faults {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			if bad := f.inject(t, clean); bad != "" {
				t.Error(bad)
			}
		})
	}
}

// spoiled is the one case of a run that is not usable.
func spoiled(t *testing.T, o outcome) datasets.Measurement {
	t.Helper()
	if err := errors.Join(o.opened, o.stopped); err != nil || len(o.rows) != len(small) {
		t.Fatalf("%d rows, %v", len(o.rows), err)
	}
	var out []datasets.Measurement
	for _, r := range o.rows {
		if !r.Measurement.Usable() {
			out = append(out, r.Measurement)
		}
	}
	if len(out) != 1 {
		t.Fatalf("%d cases are spoiled: %+v", len(out), out)
	}
	return out[0]
}

func TestACallThatHangsSpoilsOneCase(t *testing.T) {
	limits := child.DefaultLimits
	limits.Prepare, limits.Check, limits.Batch = 2*time.Second, 2*time.Second, 2*time.Second
	for _, call := range []string{"cuMemcpyDtoH_v2:2", "ncclAllGather:3", "cuGraphInstantiateWithFlags:1"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			m := spoiled(t, runWith(t, fakedriver.Truth{Hang: call}, limits))
			if m.Verdict != datasets.Failed || !strings.Contains(m.Reason, "did not answer for 2 s, and its process was killed") || !strings.Contains(m.Reason, thatGPU) {
				t.Errorf("%s: %q", m.Verdict, m.Reason)
			}
		})
	}
}

func TestAWrongAnswerSpoilsOneCase(t *testing.T) {
	m := spoiled(t, runWith(t, fakedriver.Truth{Wrong: "ncclAllGather:1"}, child.Limits{}))
	if m.Verdict != datasets.Failed || !strings.Contains(m.Reason, "of 4096 checked elements are wrong") {
		t.Errorf("%s: %q", m.Verdict, m.Reason)
	}
}

// A GPU that is gone stays gone: the case in flight says so, and the run stops
// with what it has.
func TestALostGPUStopsTheRun(t *testing.T) {
	o := runWith(t, fakedriver.Truth{Lose: "cuMemcpyPeerAsync:1"}, child.Limits{})
	if o.stopped == nil || !strings.Contains(o.stopped.Error(), "CUDA_ERROR_NO_DEVICE") || strings.Contains(o.stopped.Error(), "\n") {
		t.Errorf("%d rows, stopped with %v", len(o.rows), o.stopped)
	}
	if len(o.rows) != 2 || !o.rows[0].Measurement.Usable() || !strings.Contains(o.rows[1].Measurement.Reason, "cuMemcpyPeerAsync: CUDA_ERROR_UNKNOWN") {
		t.Errorf("%d rows are kept: %+v", len(o.rows), o.rows)
	}
}

// What keeps the backend from opening is one sentence.
func TestWhatKeepsTheGPUFromOpening(t *testing.T) {
	for _, c := range []struct {
		truth fakedriver.Truth
		want  string
	}{
		{fakedriver.Truth{NoDevice: true}, "cuInit: CUDA_ERROR_NO_DEVICE"},
		{fakedriver.Truth{Driver: 11080}, "the driver supports CUDA 11.8, and 12.0 (R525) or newer is needed"},
		{fakedriver.Truth{Major: 7, Minor: 5}, "has compute capability 7.5, and the kernels need 8.0 (A100) or newer"},
		{fakedriver.Truth{Fail: "cuInit:1:803"}, "libcuda and the kernel's driver module have different versions"},
	} {
		o := runWith(t, c.truth, child.Limits{})
		if o.opened == nil || !strings.Contains(o.opened.Error(), c.want) || strings.Contains(o.opened.Error(), "\n") {
			t.Errorf("%v, want %q", o.opened, c.want)
		}
	}
}

// Each symbol of each library is needed by name, and the error names it.
func TestAMissingSymbolIsNamed(t *testing.T) {
	for call := range without(t).calls {
		if !strings.HasPrefix(call, "cu") || strings.HasPrefix(call, "cublas") {
			continue
		}
		_, err := cuda.Open(fakedriver.Driver(t, fakedriver.Truth{}, call))
		if missing := (*cuda.MissingError)(nil); !errors.As(err, &missing) || !strings.Contains(err.Error(), call) {
			t.Errorf("without %s: %v", call, err)
		}
	}
}
