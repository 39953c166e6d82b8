package gpu_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
		func(json.RawMessage) (microbench.Backend, error) { return gpu.New(gpu.Options{}) },
		func(err error) bool {
			e := (*cuda.Error)(nil)
			return errors.As(err, &e) && e.Sticky() || errors.As(err, new(*gpu.HangError))
		}))
}

// small are cases that are quick to check and together make every call.
var small = []datasets.Workload{
	datasets.Collective{Kind: "all_reduce", Type: datasets.FP32, SizeBytes: 4096, Ranks: 2, Nodes: 1},
	datasets.Stream{Kernel: "peer", Type: datasets.INT8, SizeBytes: 4096, Ranks: 2, Pair: "0-1"},
	datasets.Collective{Kind: "all_gather", Type: datasets.BF16, SizeBytes: 4096, Ranks: 2, Nodes: 1, Launch: "graph"},
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

// calls are the calls of the libraries that a run without faults makes, each with
// a count that it surely reaches.
func calls(t testing.TB) map[string]int {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	o := runWith(t, fakedriver.Truth{Log: log}, child.Limits{})
	if err := errors.Join(o.opened, o.stopped, o.closed); err != nil {
		t.Fatal(err)
	}
	for _, r := range o.rows {
		if !r.Measurement.Usable() {
			t.Fatalf("without a fault: %s: %s", r.Workload.Key(), r.Measurement.Reason)
		}
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, name := range strings.Fields(string(text)) {
		out[name] = max(1, 2*out[name])
	}
	for name, count := range out {
		out[name] = max(1, count/2) // no two runs make quite as many
	}
	return out
}

// complaint says what is wrong with how one fault in a call ended, or "": it must
// be told once, with the call's name, and spoil one case at most.
func complaint(o outcome, call string, code int) string {
	lost := (&cuda.Error{Code: code}).Sticky() && strings.HasPrefix(call, "cu")
	spoiled := 1
	if call == "ncclGetVersion" {
		spoiled = len(small) // the library is opened once
	}
	for _, err := range []error{o.opened, o.stopped} {
		if err == nil {
			continue
		}
		if !strings.Contains(err.Error(), call) || strings.Contains(err.Error(), "\n") {
			return fmt.Sprintf("it ended with %q", err)
		}
		return ""
	}
	if len(o.rows) != len(small) {
		return fmt.Sprintf("%d of %d cases have a row", len(o.rows), len(small))
	}
	var bad []string
	for _, r := range o.rows {
		m := r.Measurement
		if m.Usable() {
			continue
		}
		bad = append(bad, r.Workload.Key()+" "+string(m.Verdict)+": "+m.Reason)
		if !strings.Contains(m.Reason, call) {
			return "the call is not named: " + bad[0]
		}
		for _, crash := range []string{"crashed", "panic", "SIG", "died"} {
			if strings.Contains(m.Reason, crash) {
				return "it crashed: " + bad[0]
			}
		}
		if lost && !strings.Contains(m.Reason, thatGPU) {
			return "a lost context without the GPU's UUID and address: " + bad[0]
		}
	}
	if len(bad) > spoiled {
		return fmt.Sprintf("one fault spoiled %d cases: %s", len(bad), strings.Join(bad, "; "))
	}
	if len(bad) == 0 && strings.Contains(strings.Join(o.notes, "\n"), call) {
		return "" // the sentinel, run again in a fresh process
	}
	if call == "ncclGetVersion" && len(bad) == 0 {
		return "" // the run's provenance tells of it, and the second try works
	}
	if len(bad) == 0 && (o.closed == nil || !strings.Contains(o.closed.Error(), call)) {
		return fmt.Sprintf("nothing was said of it; closing said %v", o.closed)
	}
	return ""
}

const thatGPU = "GPU-fafafafa-fafa-fafa-fafa-fafafafafa00, PCI 00000000:07:00.0"

// matrix injects codes into every call that a run makes, at its first time and
// at a later one.
func matrix(t testing.TB, codes []int, each func(call string, at, code int)) {
	list := calls(t)
	for _, call := range slices.Sorted(maps.Keys(list)) {
		for _, at := range slices.Compact([]int{1, list[call]}) {
			for _, code := range codes {
				each(call, at, code)
			}
		}
	}
}

// inject is a run with one fault.
func inject(t testing.TB, call string, at, code int) string {
	return complaint(runWith(t, fakedriver.Truth{Fail: fmt.Sprintf("%s:%d:%d", call, at, code)}, child.Limits{}), call, code)
}

// Whichever call fails: its first time with an error that leaves the context, a
// later time with one that loses it. The benchmark below tries every code.
func TestAFaultInAnyCallSpoilsOneCase(t *testing.T) {
	matrix(t, []int{2, 700}, func(call string, at, code int) {
		if (at == 1) != (code == 2) {
			return
		}
		t.Run(fmt.Sprintf("%s:%d:%d", call, at, code), func(t *testing.T) {
			t.Parallel()
			if bad := inject(t, call, at, code); bad != "" {
				t.Error(bad)
			}
		})
	})
}

// BenchmarkFaultsInAnyCall injects every error code that a call of the driver may
// return (cuda.h 12.4) and counts the faults and those that end otherwise than
// they should.
func BenchmarkFaultsInAnyCall(b *testing.B) {
	codes := []int{1, 2, 3, 4, 34, 46, 100, 101, 200, 201, 205, 209, 214, 217, 218, 220, 221, 222, 304, 400, 401, 500, 700, 701, 702, 704, 705, 709, 710, 714, 715, 716,
		717, 718, 719, 720, 800, 801, 802, 803, 804, 805, 807, 900, 901, 907, 908, 909, 999}
	for range b.N {
		faults, wrong := 0, 0
		matrix(b, codes, func(call string, at, code int) {
			faults++
			if call == "cuCtxEnablePeerAccess" && code == 704 {
				return // already enabled: no fault
			}
			if call == "cuStreamQuery" && code == 600 {
				return // not ready: no fault
			}
			if bad := inject(b, call, at, code); bad != "" {
				wrong++
				b.Logf("%s:%d:%d: %s", call, at, code, bad)
			}
		})
		b.ReportMetric(float64(faults), "faults")
		b.ReportMetric(float64(wrong), "wrong")
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
	for call := range calls(t) {
		if !strings.HasPrefix(call, "cu") || strings.HasPrefix(call, "cublas") {
			continue
		}
		_, err := cuda.Open(fakedriver.Driver(t, fakedriver.Truth{}, call))
		if missing := (*cuda.MissingError)(nil); !errors.As(err, &missing) || !strings.Contains(err.Error(), call) {
			t.Errorf("without %s: %v", call, err)
		}
	}
}
