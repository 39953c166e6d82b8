package main

import (
	"encoding/json"
	"errors"
	"testing"

	"bench/cuda/fakedriver"
	"bench/cuda/simt"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestSimulatedGPUs runs bench on machines of which the truth is known: a
// libcuda, cuBLASLt and NCCL that are built here stand in for NVIDIA's.
func TestSimulatedGPUs(t *testing.T) {
	path, err := simt.Compile(false)
	if errors.Is(err, simt.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/simulated",
		Setup: func(e *testscript.Env) error { e.Setenv("GORACE", noSleep); return nil },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status, "cases": cases, "growing": growing,
			// simulate TRUTH: bench finds the machine of a fakedriver.Truth in JSON.
			"simulate": func(ts *testscript.TestScript, _ bool, args []string) {
				truth := fakedriver.Truth{Name: "NVIDIA Test (simulated)", MemoryBytes: 2 << 30, L2Bytes: 1 << 20, SIMT: path}
				ts.Check(json.Unmarshal([]byte(args[0]), &truth))
				if truth.StateDir != "" {
					truth.StateDir = ts.MkAbs(truth.StateDir)
				}
				ts.Setenv("BENCH_LIBCUDA", fakedriver.Driver(t, truth))
				ts.Setenv("BENCH_LIBCUBLASLT", fakedriver.CUBLASLt(t, truth))
				ts.Setenv("BENCH_LIBNCCL", fakedriver.NCCL(t, truth))
			},
		},
	})
}
