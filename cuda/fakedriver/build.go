// Package fakedriver builds a known-answer libcuda for tests: the ABI of the
// calls that bench makes, device memory in host memory, a virtual clock, and a
// hidden truth (rates, latencies, noise, faults) that whoever measures it from
// the outside must find again. No program imports it; it needs a C++ compiler,
// and a test without one is skipped by name.
package fakedriver

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
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

// Build compiles the stand-ins, once for each state of their source and over all
// test processes, and returns the folder that holds their object files.
var build = sync.OnceValues(func() (objects string, err error) {
	cxx := compiler()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sum := sha256.New()
	fmt.Fprintln(sum, cxx)
	if err := fs.WalkDir(source, "src", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := source.ReadFile(path)
		fmt.Fprintf(sum, "%s %d %s", path, len(text), text)
		return err
	}); err != nil {
		return "", err
	}
	final := filepath.Join(cache, "bench-tests", fmt.Sprintf("fakedriver-%.8x", sum.Sum(nil)))
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o700); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(filepath.Dir(final), "building-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, source); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(work, "src", "*.cpp"))
	if err != nil {
		return "", err
	}
	args := []string{"-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-c"}
	if filepath.Base(cxx) != "g++" {
		args = []string{"-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-c"}
	}
	c := exec.Command(cxx, append(args, files...)...)
	c.Dir = work
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cxx, err, out)
	}
	// Another process may have come first, with the same files.
	if err := os.Rename(work, final); err != nil {
		if _, there := os.Stat(final); there != nil {
			return "", err
		}
	}
	return final, nil
})

// driver is what belongs into libcuda.
var driver = []string{"costs.o", "device.o", "engine.o", "fault.o", "memory.o", "module.o", "stream.o", "truth.o"}

// link makes a library in dir of object files. Only the symbols that begin with
// the prefix can be seen, without those named.
func link(t testing.TB, dir, name string, objects []string, prefix string, without ...string) string {
	t.Helper()
	if compiler() == "" {
		t.Skip("no C++ compiler (g++ or clang++): the simulated driver cannot be built")
	}
	from, err := build()
	if err != nil {
		t.Fatal(err)
	}
	script := "{ global: " + prefix + "*; local: *; };"
	for _, symbol := range without {
		// An exact name counts before a pattern.
		script = "{ global: " + prefix + "*; local: " + symbol + "; *; };"
	}
	version := filepath.Join(dir, name+".map")
	if err := os.WriteFile(version, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	args := []string{"-shared", "-o", path, "-Wl,-soname," + name, "-Wl,--version-script=" + version}
	for _, o := range objects {
		args = append(args, filepath.Join(from, o))
	}
	if out, err := exec.Command(compiler(), append(args, "-ldl")...).CombinedOutput(); err != nil {
		t.Fatalf("linking %s: %v\n%s", name, err, out)
	}
	return path
}

// Driver makes a libcuda.so.1 of its own for one simulated machine, and returns
// its path. Symbols that are named are missing from it.
func Driver(t testing.TB, truth Truth, without ...string) string {
	t.Helper()
	dir := t.TempDir()
	path := link(t, dir, "libcuda.so.1", driver, "cu", without...)
	if err := os.WriteFile(path+".truth", []byte(truth.text()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
