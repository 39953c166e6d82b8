package gpu_test

import (
	"errors"
	"strings"
	"testing"

	"bench/cuda/fakedriver"
	"bench/cuda/simt"
	"bench/microbench/gpu"
)

// machine is the environment of a machine of which the truth is known, with the
// kernels' own source behind it.
func machine(t testing.TB, truth fakedriver.Truth) (env []string) {
	t.Helper()
	path, err := simt.Compile(false)
	if errors.Is(err, simt.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	truth.SIMT = path
	return []string{"BENCH_LIBCUDA=" + fakedriver.Driver(t, truth),
		"BENCH_LIBCUBLASLT=" + fakedriver.CUBLASLt(t, truth), "BENCH_LIBNCCL=" + fakedriver.NCCL(t, truth)}
}

// simulated is a backend in this process on a machine of which the truth is known.
func simulated(t testing.TB, truth fakedriver.Truth) *gpu.Backend {
	t.Helper()
	for _, v := range machine(t, truth) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	b, err := gpu.New(gpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
