package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"bench/datasets"

	"golang.org/x/sys/unix"
)

// The Go race detector does not see C, so the barrier is checked by the C
// compiler's thread sanitizer, on one to four workers however few CPUs there
// are.
func TestTeamBarrierOrders(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler in PATH")
	}
	for _, sanitize := range []string{"-fsanitize=thread", "-O2"} {
		program := filepath.Join(t.TempDir(), "team_check")
		build := exec.Command(cc, "-std=gnu11", "-g", "-O1", sanitize, "-I.", "-o", program, "testdata/team_check.c", "team.c", "-lpthread")
		if out, err := build.CombinedOutput(); err != nil {
			if strings.Contains(string(out), "tsan") {
				t.Logf("no thread sanitizer here: %s", out)
				continue
			}
			t.Fatalf("%v: %s", err, out)
		}
		for _, ranks := range []string{"1", "2", "3", "4"} {
			run := exec.Command(program, ranks, "200")
			run.Env = append(os.Environ(), "TSAN_OPTIONS=halt_on_error=1")
			if out, err := run.CombinedOutput(); err != nil {
				t.Errorf("%s with %s workers: %v: %s", sanitize, ranks, err, out)
			}
		}
	}
}

func TestNewTeamReportsFailedPin(t *testing.T) {
	tm, err := newTeam([]int{0, 1 << 18})
	if err == nil {
		tm.close()
		t.Fatal("a worker was pinned to CPU 262144")
	}
	if !strings.Contains(err.Error(), "worker 1 of 2 cannot be started on CPU 262144") {
		t.Errorf("got %q", err)
	}
}

// Two workers that never wait for each other share a CPU: while one runs the other
// does not, so for all of the time, and no less, one of them is off it.
func TestWorkersOffTheirCPU(t *testing.T) {
	cpu := newTestBackend(t, 2).cpus[0]
	b, err := New(Options{CPUs: []int{cpu, cpu}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := b.Prepare(datasets.GEMM{Kernel: "peak", Type: datasets.FP64, Ops: 1 << 31, Ranks: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := c.Batch(1); err != nil || got.OffCPUSeconds < 0.9*got.Seconds || got.Moved != 0 || got.ClockSeconds <= 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A worker whose affinity was changed tells that it ran elsewhere.
func TestMovedWorkerTells(t *testing.T) {
	b := newTestBackend(t, 2)
	if runtime.NumCPU() < 2 || b.cpus[0] == b.cpus[1] {
		t.Skip("one CPU")
	}
	c, err := b.Prepare(datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: 1 << 16, Ranks: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := c.Batch(1000); err != nil || got.Moved != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	// The workers are the threads that may run on one CPU only.
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	var to unix.CPUSet
	to.Set(b.cpus[1])
	for _, task := range tasks {
		tid, _ := strconv.Atoi(task.Name())
		var set unix.CPUSet
		if unix.SchedGetaffinity(tid, &set) == nil && set.Count() == 1 && set.IsSet(b.cpus[0]) {
			if err := unix.SchedSetaffinity(tid, &to); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := c.Batch(1000); err != nil || got.Moved != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestMemoryIsZeroedAndAligned(t *testing.T) {
	for _, bytes := range []int64{1, 4095, 1 << 21, 1<<21 + 8} {
		m, err := newMemory(bytes)
		if err != nil {
			t.Fatal(err)
		}
		if uintptr(m.p)%4096 != 0 {
			t.Errorf("%d bytes at %p: not page aligned", bytes, m.p)
		}
		for i, v := range slice[byte](m) {
			if v != 0 {
				t.Fatalf("byte %d of %d is %d", i, bytes, v)
			}
		}
		m.free()
	}
}

func TestClockResolution(t *testing.T) {
	resolution, overhead := ClockResolution()
	if resolution <= 0 || resolution > 1e-3 || overhead <= 0 || overhead > 1e-3 {
		t.Errorf("resolution %g s, overhead %g s", resolution, overhead)
	}
}
