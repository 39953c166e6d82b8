package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bench/cuda/fakedriver"
	"bench/cuda/simt"
	"bench/microbench/session"
)

// A clock that was locked is let go however the run ends: by itself, when its
// measuring child is killed, and when it is killed itself.
func TestLockedClocksAreLetGo(t *testing.T) {
	path, err := simt.Compile(false)
	if errors.Is(err, simt.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	truth := fakedriver.Truth{Name: "NVIDIA Test (simulated)", MemoryBytes: 2 << 30, L2Bytes: 1 << 20, SIMT: path}
	t.Setenv("BENCH_LIBCUDA", fakedriver.Driver(t, truth))
	for _, c := range []struct {
		name string
		// kill ends something once the clock is locked.
		kill func(t *testing.T, bench *exec.Cmd)
	}{
		{"the run ends", func(*testing.T, *exec.Cmd) {}},
		{"the run is interrupted", func(_ *testing.T, b *exec.Cmd) { b.Process.Signal(os.Interrupt) }},
		{"the measuring child is killed", func(t *testing.T, b *exec.Cmd) {
			for _, pid := range childrenOf(t, b.Process.Pid, session.ChildVerb) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}},
		{"the run is killed", func(_ *testing.T, b *exec.Cmd) { b.Process.Kill() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			journal := filepath.Join(folder, "journal")
			out, err := exec.Command("cc", "-shared", "-fPIC", `-DJOURNAL="`+journal+`"`, "-o", filepath.Join(folder, "libnvidia-ml.so.1"), "testdata/nvml/stub.c").CombinedOutput()
			if err != nil {
				t.Fatalf("the stand-in does not build: %v\n%s", err, out)
			}
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			b := &exec.Cmd{Path: self, Args: []string{"bench", "run", "--device", "cuda", "--suite", "hbm", "--size", "64KiB", "--dtype", "fp32",
				"--time", "2s", "--lock-clocks=1410", "--out", filepath.Join(folder, "out")}}
			b.Env = append(os.Environ(), "LD_LIBRARY_PATH="+folder)
			var said strings.Builder
			b.Stdout, b.Stderr = &said, &said
			if err := b.Start(); err != nil {
				t.Fatal(err)
			}
			if !within(20*time.Second, func() bool { return strings.Contains(text(journal), "lock 1410\n") }) {
				b.Process.Kill()
				b.Wait()
				t.Fatalf("the clock is not locked: %q\n%s", text(journal), said.String())
			}
			c.kill(t, b)
			b.Wait()
			if !within(10*time.Second, func() bool { return strings.HasSuffix(text(journal), "reset 0\n") }) {
				t.Errorf("the clock stays locked: %q\n%s", text(journal), said.String())
			}
		})
	}
}

func text(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

func within(limit time.Duration, done func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return done()
}

// childrenOf are the processes that a process has started with that verb.
func childrenOf(t *testing.T, parent int, verb string) (pids []int) {
	t.Helper()
	if pids = findChildren(parent, verb); len(pids) == 0 {
		t.Fatalf("process %d has no child %s", parent, verb)
	}
	return pids
}

// findChildren are those that /proc shows.
func findChildren(parent int, verb string) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		_, after, _ := strings.Cut(text(path), ") ")
		f := strings.Fields(after) // state, parent, …
		if len(f) < 2 || f[1] != strconv.Itoa(parent) || !strings.Contains(text(filepath.Join(filepath.Dir(path), "cmdline")), verb) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
