// Package fakedriver builds a known-answer libcuda for tests: the ABI of the
// calls that bench makes, device memory in host memory, a virtual clock, and a
// hidden truth (rates, latencies, noise, faults) that whoever measures it from
// the outside must find again. No program imports it; it needs a C++ compiler,
// and a test without one is skipped by name.
package fakedriver

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

//go:embed src
var source embed.FS

// compiler is the C++ compiler that $CXX names, or the first that is here.
func compiler() string {
	for _, name := range []string{os.Getenv("CXX"), "g++", "clang++", "clang++-19", "c++"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
}

// units are the libraries' sources. Each is compiled as one, which takes the
// compiler a third of the time.
var units = map[string][]string{
	"driver":   {"truth", "fault", "engine", "costs", "device", "memory", "module", "stream"},
	"cublaslt": {"truth", "fault", "cublaslt"},
	"nccl":     {"truth", "fault", "nccl"},
}

// compile makes a unit's library, once for each state of the sources and over all
// test processes. Only the symbols that begin with the prefix are seen.
func compile(t testing.TB, unit, soname, prefix string) string {
	t.Helper()
	cxx := compiler()
	if cxx == "" {
		t.Skip("no C++ compiler (g++ or clang++): the simulated driver cannot be built")
	}
	sum := sha256.New()
	fmt.Fprintln(sum, cxx, unit)
	work := t.TempDir()
	if err := fs.WalkDir(source, "src", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := source.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d %s", path, len(text), text)
		return os.WriteFile(filepath.Join(work, filepath.Base(path)), text, 0o600)
	}); err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "bench-fakedriver")
	kept := filepath.Join(cache, fmt.Sprintf("%s-%.8x.so", unit, sum.Sum(nil)))
	if _, err := os.Stat(kept); err == nil {
		return kept
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	version := filepath.Join(work, "version")
	if err := os.WriteFile(version, []byte("{ global: "+prefix+"*; local: *; };"), 0o600); err != nil {
		t.Fatal(err)
	}
	// It appears whole: other test processes may be making it too.
	made := filepath.Join(cache, fmt.Sprintf("making-%d-%s.so", os.Getpid(), unit))
	args := []string{"-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-shared", "-o", made, "-I", work,
		"-Wl,-soname," + soname, "-Wl,--version-script=" + version}
	for _, f := range units[unit] {
		args = append(args, "-include", f+".cpp")
	}
	if out, err := exec.Command(cxx, append(args, "-x", "c++", "/dev/null", "-ldl")...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cxx, err, out)
	}
	if err := os.Rename(made, kept); err != nil {
		t.Fatal(err)
	}
	return kept
}

// library is a copy of a unit's library, with the truth beside it. A copy is
// loaded as a library of its own, so that a process can hold many machines.
func library(t testing.TB, unit, soname, prefix string, truth Truth, without []string) string {
	t.Helper()
	made, err := os.ReadFile(compile(t, unit, soname, prefix))
	if err != nil {
		t.Fatal(err)
	}
	for _, symbol := range without { // under another name it cannot be found
		name, other := []byte("\x00"+symbol+"\x00"), []byte("\x00"+symbol[:len(symbol)-1]+"_\x00")
		if !bytes.Contains(made, name) {
			t.Fatalf("%s has no symbol %s", soname, symbol)
		}
		made = bytes.ReplaceAll(made, name, other)
	}
	path := filepath.Join(t.TempDir(), soname)
	if err := os.WriteFile(path, made, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".truth", []byte(truth.text()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Driver makes a libcuda of its own for one simulated machine, and returns its
// path, which cuda.Open and BENCH_LIBCUDA take. Symbols that are named are
// missing from it. The test is skipped where there is no C++ compiler.
func Driver(t testing.TB, truth Truth, without ...string) string {
	t.Helper()
	return library(t, "driver", "libcuda.so.1", "cu", truth, without)
}

// CUBLASLt makes a libcublasLt for a simulated machine, for BENCH_LIBCUBLASLT.
func CUBLASLt(t testing.TB, truth Truth, without ...string) string {
	t.Helper()
	return library(t, "cublaslt", "libcublasLt.so.12", "cublasLt", truth, without)
}

// NCCL makes a libnccl for a simulated machine, for BENCH_LIBNCCL.
func NCCL(t testing.TB, truth Truth, without ...string) string {
	t.Helper()
	return library(t, "nccl", "libnccl.so.2", "nccl", truth, without)
}
