package simt

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	// unix: the lock of a file, which ends with its process.
	"golang.org/x/sys/unix"
)

// ErrNoCompiler is why the kernels cannot be run on this host.
var ErrNoCompiler = errors.New("no C++ compiler (g++, clang++ or c++): kernels are not run on the host")

// Compiled from C++20: captureless lambdas are made where they are called.
var flags = []string{"-std=c++20", "-O1", "-g1", "-fPIC", "-fvisibility=hidden", "-DBENCH_HOST", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"}

// checks are added to the kernels alone: the compiler calls the machine before
// every access to memory, for an index that an array does not have and for a
// misaligned pointer (race.cc).
var checks = []string{"-fsanitize=thread", "-fsanitize=bounds,alignment"}

// Root is the repository's folder.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for d := dir; ; d = filepath.Dir(d) {
		if mod, err := os.ReadFile(filepath.Join(d, "go.mod")); err == nil && strings.HasPrefix(string(mod), "module bench") {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("%s is not in the repository of bench", dir)
		}
	}
}

// Compile builds the library of all kernels, checked or plain, and returns its
// path. Objects and library are kept in the user's cache by a hash of
// compiler, flags and sources, so that a package's tests wait for it once.
func Compile(checked bool) (string, error) { return compile("kernels/*.cu", checked) }

// CompileFrom is Compile of the kernels and headers of another folder, which has
// the folder simt of this package beside it: a test's changed sources.
func CompileFrom(kernels string, checked bool) (string, error) {
	return compileIn(filepath.Dir(kernels), filepath.Base(kernels)+"/*.cu", checked)
}

func compile(sources string, checked bool) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return compileIn(filepath.Join(root, "cuda"), sources, checked)
}

func compileIn(dir, sources string, checked bool) (string, error) {
	compiler := ""
	for _, name := range []string{"g++", "clang++", "clang++-19", "c++"} {
		if p, err := exec.LookPath(name); err == nil {
			compiler = p
			break
		}
	}
	if compiler == "" {
		return "", ErrNoCompiler
	}
	version, err := exec.Command(compiler, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", compiler, err)
	}
	b := builder{compiler: compiler, common: sha256.New().Sum(version), cache: cacheDir()}
	for _, pattern := range []string{"kernels/*.cuh", "simt/*.h", "simt/machine/*.h"} {
		headers, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		for _, h := range headers {
			text, err := os.ReadFile(h)
			if err != nil {
				return "", err
			}
			b.common = append(append(b.common, filepath.Base(h)...), text...)
		}
	}
	kernels, err := filepath.Glob(filepath.Join(dir, sources))
	if err != nil {
		return "", err
	}
	machine, err := filepath.Glob(filepath.Join(dir, "simt", "machine", "*.cc"))
	if err != nil {
		return "", err
	}
	return b.library(kernels, machine, checked)
}

type builder struct {
	compiler, cache string
	common          []byte
}

func cacheDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	return filepath.Join(base, "bench-simt")
}

func (b builder) library(kernels, machine []string, checked bool) (string, error) {
	// One process compiles while the others, which want the same, wait.
	if err := os.MkdirAll(b.cache, 0o700); err != nil {
		return "", err
	}
	lock, err := os.Create(filepath.Join(b.cache, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close() // lets go of it
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("%s: %w", lock.Name(), err)
	}
	var (
		wg      sync.WaitGroup
		sources = append(append([]string{}, machine...), kernels...)
		objects = make([]string, len(sources))
		errs    = make([]error, len(sources))
	)
	for i, s := range sources {
		args := flags
		if checked {
			args = append(append([]string{}, flags...), "-DBENCH_CHECKED")
			if i >= len(machine) {
				args = append(args, checks...)
			}
		}
		wg.Go(func() { objects[i], errs[i] = b.object(s, args) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	return b.keep("so", []byte(strings.Join(objects, "\n")), func(out string) []string {
		return append([]string{"-shared", "-o", out, "-Wl,-z,defs"}, append(objects, "-ldl", "-lpthread")...)
	})
}

func (b builder) object(source string, args []string) (string, error) {
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	// Not the folder: a copy of the source makes the same object.
	key := append(append([]byte(filepath.Base(source)+strings.Join(args, " ")), b.common...), text...)
	return b.keep("o", key, func(out string) []string {
		return append(append([]string{}, args...), "-c", "-x", "c++", "-o", out, source)
	})
}

// keep makes a file once for a key. It appears whole: other processes may be
// making it too.
func (b builder) keep(suffix string, key []byte, args func(out string) []string) (string, error) {
	path := filepath.Join(b.cache, fmt.Sprintf("%x.%s", sha256.Sum256(key), suffix))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	f, err := os.CreateTemp(b.cache, "making-*."+suffix)
	if err != nil {
		return "", err
	}
	f.Close()
	defer os.Remove(f.Name())
	cmd := exec.Command(b.compiler, args(f.Name())...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return path, os.Rename(f.Name(), path)
}
