package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"
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

func TestMemoryIsZeroedAndAligned(t *testing.T) {
	for _, bytes := range []int64{1, 4095, 1 << 21, 1<<21 + 8} {
		m, err := newMemory(bytes)
		if err != nil {
			t.Fatal(err)
		}
		if uintptr(unsafe.Pointer(m.p))%4096 != 0 {
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
