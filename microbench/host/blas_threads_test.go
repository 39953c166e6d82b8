package host

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bench/datasets"
	"bench/microbench"
)

// A library that says that it uses two threads and uses one makes no figure of two
// cores: the case is left out by name.
func TestALibraryThatUsesFewerThreads(t *testing.T) {
	names, opened := sonames["openblas"], libraries["openblas"]
	t.Cleanup(func() { sonames["openblas"], libraries["openblas"] = names, opened })
	for _, threads := range []int{1, 2} {
		lib := filepath.Join(t.TempDir(), "libopenblas.so.0")
		if out, err := exec.Command("cc", "-O2", "-shared", "-fPIC", fmt.Sprintf("-DTHREADS=%d", threads), "-o", lib,
			"testdata/blas/blas.c", "-lpthread").CombinedOutput(); err != nil {
			t.Skipf("no stand-in for OpenBLAS: %v\n%s", err, out)
		}
		sonames["openblas"] = []string{lib}
		delete(libraries, "openblas")
		b := newTestBackend(t, 2)
		b.options.Library = "openblas"
		for ranks := 1; ranks <= 2; ranks++ {
			w := datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: 96, N: 128, K: 160, Ranks: ranks, Cache: datasets.Hot}
			p, err := b.Prepare(w)
			if ranks > threads {
				var skipped *microbench.SkipError
				if want := "openblas (" + lib + ") was asked for 2 threads and used 1."; !errors.As(err, &skipped) || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%d threads of %d: %v, want %q", threads, ranks, err, want)
				}
				continue
			}
			if err != nil {
				t.Errorf("%d threads of %d: %v", threads, ranks, err)
				continue
			}
			checkProduct(t, p.(*gemmCase))
			p.Close()
		}
	}
}
