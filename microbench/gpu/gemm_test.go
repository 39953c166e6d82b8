package gpu

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"bench/cuda"
	"bench/cuda/cublaslt"
	"bench/cuda/fakedriver"
	"bench/datasets"
	"bench/microbench"
)

// withLibrary is a simulated H100 of few SMs with a simulated cuBLASLt.
func withLibrary(t *testing.T, change func(*fakedriver.Truth)) *Backend {
	t.Helper()
	truth := fakedriver.Truth{Major: 9, SMs: 2}
	if change != nil {
		change(&truth)
	}
	t.Setenv("BENCH_LIBCUBLASLT", fakedriver.CUBLASLt(t, truth))
	return simulatedBackend(t, truth)
}

func matmul(t datasets.DType, m, n, k int64, c datasets.Cache) datasets.GEMM {
	return datasets.GEMM{Kernel: "matmul", Type: t, M: m, N: n, K: k, Ranks: 1, Cache: c}
}

// Every type's product is right, cold and hot, in odd sizes where the type has
// them, and the algorithm that was timed fastest is the one used: in the
// stand-in, number 1.
func TestLibraryProducts(t *testing.T) {
	b := withLibrary(t, func(truth *fakedriver.Truth) {
		// So slow that arithmetic decides, and with it the algorithm.
		truth.FLOPs = map[string]float64{"fp64": 1e9, "fp32": 1e9, "tf32": 1e9, "bf16": 1e9, "fp16": 1e9, "fp8": 1e9, "int8": 1e9}
	})
	for _, c := range []datasets.Cache{datasets.Hot, datasets.Cold} {
		for _, w := range []datasets.GEMM{
			matmul(datasets.FP64, 5, 70, 33, c), matmul(datasets.FP32, 65, 3, 129, c), matmul(datasets.TF32, 7, 64, 50, c),
			matmul(datasets.BF16, 1, 257, 300, c), matmul(datasets.FP16, 33, 31, 127, c),
			matmul(datasets.FP8, 8, 64, 96, c), matmul(datasets.INT8, 64, 64, 128, c),
		} {
			checkAll(t, b, w)
			p, err := b.Prepare(w)
			if err != nil {
				t.Fatal(err)
			}
			if timing, err := p.Batch(3); err != nil || timing.Seconds <= 0 {
				t.Errorf("%s: %+v, %v", w.Key(), timing, err)
			}
			name, version := p.Implementation()
			if name != "cublaslt" || !strings.Contains(version, "12.4.5 at /") || !strings.Contains(version, "algorithm 1, tile 128x256") ||
				!strings.Contains(version, "the fastest of 3; default epilogue") {
				t.Errorf("%s by %s %s", w.Key(), name, version)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// With zeros the check still multiplies numbers, and what is timed afterwards
// are zeros again.
func TestZerosAreTimedAndNumbersChecked(t *testing.T) {
	b := withLibrary(t, nil)
	b.options.Zeros = true
	c, err := b.Prepare(matmul(datasets.BF16, 16, 16, 64, datasets.Hot))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	check, err := c.Check()
	if err != nil || check.Wrong != 0 || check.MaxRelError == 0 {
		t.Errorf("%+v, %v: bf16 numbers cannot be without error", check, err)
	}
	peak, err := b.Prepare(datasets.GEMM{Kernel: "peak", Type: datasets.BF16, Ops: 2 * 2 * 8 * 524288, Ranks: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer peak.Close()
	if check, err := peak.Check(); err != nil || check.Wrong != 0 || check.Checked != 2*2*64*256 {
		t.Errorf("%+v, %v", check, err)
	}
	if _, err := peak.Batch(1); err != nil {
		t.Error(err)
	}
}

func TestWrongProductIsSeen(t *testing.T) {
	b := withLibrary(t, func(truth *fakedriver.Truth) { truth.Wrong = "cublasLtMatmul:0" }) // each of its runs, those that choose too
	c, err := b.Prepare(matmul(datasets.FP16, 16, 16, 32, datasets.Hot))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if check, err := c.Check(); err != nil || check.Wrong == 0 {
		t.Errorf("%+v, %v: the product is wrong", check, err)
	}
}

func TestPeakOfEveryType(t *testing.T) {
	b := withLibrary(t, nil)
	for _, d := range []datasets.DType{datasets.BF16, datasets.TF32, datasets.FP8, datasets.INT8, datasets.FP64, datasets.FP32} {
		checkAll(t, b, datasets.GEMM{Kernel: "peak", Type: d, Ops: 2 << 25, Ranks: 1})
	}
}

func TestWhatAGPUDoesNotMultiply(t *testing.T) {
	b := withLibrary(t, nil)
	for want, w := range map[string]datasets.GEMM{
		"NOT_SUPPORTED: the library has no kernel": matmul(datasets.FP8, 3, 5, 7, datasets.Hot),
		"no even number of passes":                 {Kernel: "peak", Type: datasets.BF16, Ops: 1000, Ranks: 1},
		"no kernel for it here":                    {Kernel: "peak", Type: datasets.INT4, Ops: 1 << 24, Ranks: 1},
		"of which sums stay exact for":             {Kernel: "peak", Type: datasets.FP32, Ops: 1 << 44, Ranks: 1},
		"no kernel for int4_wo weights":            {Kernel: "matmul", Type: datasets.BF16, M: 1, N: 1, K: 1, Format: "int4_wo", Ranks: 1},
		"GB of GPU memory are needed in one piece": matmul(datasets.BF16, 1<<20, 1<<20, 16, datasets.Hot),
	} {
		_, err := b.Prepare(w)
		var skipped *microbench.SkipError
		if !errors.As(err, &skipped) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", w.Key(), err, want)
		}
	}
}

func TestPeakRunsWithoutTheLibrary(t *testing.T) {
	t.Setenv("BENCH_LIBCUBLASLT", "/nowhere/libcublasLt.so.12")
	b := simulatedBackend(t, fakedriver.Truth{Major: 8, SMs: 2})
	_, err := b.Prepare(matmul(datasets.BF16, 16, 16, 16, datasets.Hot))
	var skipped *microbench.SkipError
	if !errors.As(err, &skipped) || !strings.Contains(err.Error(), "no libcublasLt: library GEMM skipped") || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("%v", err)
	}
	checkAll(t, b, datasets.GEMM{Kernel: "peak", Type: datasets.FP16, Ops: 2 << 25, Ranks: 1})
}

// The first launch of each proposal, which may load its kernel and wait for an idle
// GPU, is not behind a hold; the timed ones are.
func TestProposalsAreFirstRunWithoutAHold(t *testing.T) {
	t.Setenv("CUDA_MODULE_LOADING", "LAZY")
	b := withLibrary(t, nil)
	if got := b.Environment()["CUDA_MODULE_LOADING"]; got != "LAZY" {
		t.Errorf("CUDA_MODULE_LOADING is recorded as %q", got)
	}
	g := b.gpus[0]
	handle, err := g.cublasLt()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := handle.Plan(cublaslt.Product{M: 16, N: 16, K: 16, Type: "bf16", TransposeB: true}, proposals)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	arena := b.memory()
	p := arena.alloc(3 * 512)
	defer arena.free()
	held := map[int][]bool{} // by proposal, launch for launch
	enqueue := func(s *cuda.Stream, _ int64) error {
		held[plan.Use] = append(held[plan.Use], g.hold != nil && atomic.LoadUint32(g.hold.flag) == 0)
		return plan.Enqueue(s, p, p+512, p+1024, 1, 0)
	}
	timed, err := b.fastest(plan, work{enqueue: enqueue})
	if err != nil || timed != 3 || len(held) != 3 {
		t.Fatalf("%d timed of %d: %v", timed, len(held), err)
	}
	for i, launches := range held {
		for n, h := range launches {
			if h != (n > 0) {
				t.Errorf("proposal %d: launch %d behind a hold: %v", i, n, h)
				break
			}
		}
	}
}
