package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestTheRealLibrariesWithoutAGPU runs bench with NVIDIA's own libcuda and NVML
// of R550 and cuBLASLt 12 where there is no GPU: real code, real refusals.
// ../shared/bin/cuda-tools brings them to the folder that BENCH_CUDA_TOOLS names.
func TestTheRealLibrariesWithoutAGPU(t *testing.T) {
	tools := os.Getenv("BENCH_CUDA_TOOLS")
	if tools == "" {
		tools = "/opt/cuda-tools"
	}
	lib := tools + "/usr/lib/x86_64-linux-gnu"
	if _, err := os.Stat(lib + "/nvidia/current/libcuda.so.1"); err != nil {
		t.Skip("no genuine libcuda here: ../shared/bin/cuda-tools DIR brings it, and BENCH_CUDA_TOOLS=DIR names it")
	}
	if _, err := os.Stat("/proc/driver/nvidia/version"); err == nil { // the device files say nothing: libcuda itself makes them
		t.Skip("this machine has a GPU")
	}
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/real",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "cases": cases},
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", noSleep)
			e.Setenv("BENCH_LIBCUDA", lib+"/nvidia/current/libcuda.so.1")
			e.Setenv("BENCH_LIBCUBLASLT", lib+"/libcublasLt.so.12")
			e.Setenv("LD_LIBRARY_PATH", lib+"/nvidia/current")
			return nil
		},
	})
}
