package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bench/cuda/fakedriver"
	"bench/cuda/simt"
)

// everyLibrary are the names by which the program asks for libraries.
var everyLibrary = []string{"libcuda.so.1", "libnvidia-ml.so.1", "libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11", "libnccl.so.2",
	"libopenblas.so.0", "libopenblas.so", "libmkl_rt.so.2", "libmkl_rt.so.1", "libmkl_rt.so", "libblis.so.4", "libblis.so.3", "libblis-mt.so.4", "libblis.so",
	"libdnnl.so.3", "libdnnl.so.2", "libdnnl.so"}

// decoys puts a library of each name into a folder, and where the loader looks for
// a variant for the CPU; each writes its name into a file when it is loaded.
func decoys(t *testing.T, folder string) (loaded string) {
	t.Helper()
	loaded = filepath.Join(t.TempDir(), "loaded")
	made := filepath.Join(t.TempDir(), "decoy.so")
	c := exec.Command("cc", "-shared", "-fPIC", "-DLOADED=\""+loaded+"\"", "-o", made, "-x", "c", "-")
	c.Stdin = strings.NewReader(`
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
__attribute__((constructor)) static void load(void)
{
	Dl_info i;
	FILE *f = fopen(LOADED, "a");
	fprintf(f, "%s\n", dladdr((void *)load, &i) ? i.dli_fname : "?");
	fclose(f);
}`)
	if out, err := c.CombinedOutput(); err != nil {
		t.Skipf("no decoy can be made: %v\n%s", err, out)
	}
	b, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	for _, inside := range []string{"", "glibc-hwcaps/x86-64-v2", "glibc-hwcaps/x86-64-v3", "glibc-hwcaps/x86-64-v4"} {
		if err := os.MkdirAll(filepath.Join(folder, inside), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range everyLibrary {
			if err := os.WriteFile(filepath.Join(folder, inside, name), b, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return loaded
}

// No library comes from the working folder or a relative one, however the search
// path names it; from an absolute one each does, which shows that the program asks
// for it.
func TestNoLibraryFromAFolderThatMoves(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the program five times")
	}
	t.Parallel()
	path, err := simt.Compile(false)
	if errors.Is(err, simt.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	// cuBLASLt and NCCL are asked for where there is a GPU.
	driver := fakedriver.Driver(t, fakedriver.Truth{Name: "NVIDIA Test (simulated)", MemoryBytes: 2 << 30, L2Bytes: 1 << 20, SIMT: path})
	base := t.TempDir()
	work := filepath.Join(base, "work")
	loaded := decoys(t, work)
	devices := func(searchPath string, more ...string) (said string) {
		t.Helper()
		c := exec.Command(benchAt(t), "devices")
		c.Dir = work
		c.Env = append(os.Environ(), append([]string{"LD_LIBRARY_PATH=" + searchPath}, more...)...)
		out, err := c.CombinedOutput()
		if err != nil && searchPath != work { // a decoy has none of the functions
			t.Fatalf("LD_LIBRARY_PATH=%s: %v\n%s", searchPath, err, out)
		}
		return string(out)
	}
	for _, searchPath := range []string{":/nowhere", ".", "/nowhere::;../work"} {
		said := devices(searchPath, "BENCH_LIBCUDA="+driver)
		if searchPath == "." {
			said += devices(searchPath)
		}
		if b, err := os.ReadFile(loaded); err == nil {
			t.Errorf("LD_LIBRARY_PATH=%q: loaded %s", searchPath, b)
		}
		if warned := strings.Contains(said, "bench: warning: no library is taken from the relative folder"); warned != strings.Contains(searchPath, ".") {
			t.Errorf("LD_LIBRARY_PATH=%q: warned %v\n%s", searchPath, warned, said)
		}
	}
	devices(work)
	// For want of a function that go-nvml calls, a decoy of NVML ends the program.
	for _, path := range must(filepath.Glob(filepath.Join(work, "*", "*", "libnvidia-ml.so.1"))) {
		os.Remove(path)
	}
	os.Remove(filepath.Join(work, "libnvidia-ml.so.1"))
	devices(work)
	devices(work, "BENCH_LIBCUDA="+driver)
	b, _ := os.ReadFile(loaded)
	got := strings.Fields(string(b))
	for i := range got {
		got[i] = filepath.Base(got[i])
	}
	for _, name := range everyLibrary {
		family := name[:strings.IndexAny(name, ".-")]
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, family) }) {
			t.Errorf("from an absolute folder %s is not asked for, so the test shows nothing of it: %q", family, got)
		}
	}
}
