package gpu

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"bench/cuda"
	"bench/cuda/cublaslt"
	"bench/datasets"
	"bench/microbench"
)

// proposals is how many of the heuristics' algorithms are timed for a product.
const proposals = 16

// The scales of fp8 operands: powers of two, so that they round nothing, and not
// one, so that the answer shows that they were applied.
const (
	fp8ScaleA = 0.5
	fp8ScaleB = 0.25
)

// product is a library GEMM on one GPU: C = A·Bᵀ, all row-major, B being stored
// as a linear layer's weights, [n, k]: the only layout that 8-bit types have, and
// taken for all. A copy of the three for each iteration of a round.
type product struct {
	b       *Backend
	w       datasets.GEMM
	plan    *cublaslt.Plan
	a, bt   cuda.Ptr
	c       cuda.Ptr
	aStride int64
	bStride int64
	cStride int64
	copies  int64
}

func (b *Backend) prepareGEMM(w datasets.GEMM) (microbench.Case, error) {
	switch {
	case w.Ranks != 1:
		return nil, skip("%s/%s is one GPU's: %d ranks have no meaning", w.Suite(), w.Op(), w.Ranks)
	case w.Kernel == "peak":
		return b.preparePeak(w)
	case w.Format != "":
		return nil, skip("a GPU has no kernel for %s weights here", w.Format)
	}
	handle, err := b.gpus[0].cublasLt()
	if err != nil {
		return nil, err
	}
	return b.prepareProduct(w, handle)
}

func (b *Backend) prepareProduct(w datasets.GEMM, handle *cublaslt.Handle) (microbench.Case, error) {
	up := func(elements int64, size float64) int64 { return (int64(float64(elements)*size) + 255) / 256 * 256 }
	p := &product{b: b, w: w, aStride: up(w.M*w.K, w.Type.Size()), bStride: up(w.N*w.K, w.Type.Size()), cStride: up(w.M*w.N, w.Type.OutSize())}
	touched := p.aStride + p.bStride + p.cStride
	p.copies = b.blocks(w.Cache, touched)
	arena := b.memory()
	p.a, p.bt, p.c = arena.alloc(p.copies*p.aStride), arena.alloc(p.copies*p.bStride), arena.alloc(p.copies*p.cStride)
	spec := cublaslt.Product{M: w.M, N: w.N, K: w.K, Type: string(w.Type), TransposeB: true}
	if w.Type == datasets.FP8 {
		spec.ScaleA, spec.ScaleB = arena.scalar(fp8ScaleA), arena.scalar(fp8ScaleB)
	}
	closed := func() error {
		var err error
		if p.plan != nil {
			err = p.plan.Close()
			p.plan = nil
		}
		return errors.Join(err, arena.free())
	}
	err := arena.err
	if err == nil {
		err = p.fill(b.options.Zeros)
	}
	if err == nil {
		if p.plan, err = handle.Plan(spec, proposals); declined(err) {
			err = skip("gemm/matmul %s, m=%d n=%d k=%d: %v", w.Type, w.M, w.N, w.K, err)
		}
	}
	if err != nil {
		_ = closed()
		return nil, err
	}
	work := work{enqueue: p.enqueue, copies: p.copies, check: p.check, close: closed, name: "cublaslt",
		flush: w.Cache == datasets.Cold && p.copies == 1 && touched < 3*b.gpus[0].device.L2Bytes}
	timed, err := b.fastest(p.plan, work)
	if err == nil && timed == 0 {
		err = skip("gemm/matmul %s, m=%d n=%d k=%d: none of cuBLASLt's %d proposals runs", w.Type, w.M, w.N, w.K, len(p.plan.Algorithms))
	}
	if err != nil {
		_ = closed()
		return nil, err
	}
	lib := handle.Library()
	work.version = fmt.Sprintf("%s at %s: %s, the fastest of %d; default epilogue, B as [n, k]", lib.Version(), lib.Path(), p.plan.Algorithms[p.plan.Use], timed)
	return b.newCase(work), nil
}

// scaleOf is what random numbers in [−1, 1) are multiplied by in operands of a type.
func scaleOf(t datasets.DType) float64 {
	if t == datasets.INT8 {
		return 127
	}
	return 1
}

// The seeds of A and B.
const seedA, seedB = 1, 2

// fill sets all copies, each to the same numbers.
func (p *product) fill(zeros bool) error {
	g := p.b.gpus[0]
	for i := range p.copies {
		if err := g.fill(p.a+cuda.Ptr(i*p.aStride), p.w.Type, p.w.M*p.w.K, seedA, scaleOf(p.w.Type), zeros); err != nil {
			return err
		}
		if err := g.fill(p.bt+cuda.Ptr(i*p.bStride), p.w.Type, p.w.N*p.w.K, seedB, scaleOf(p.w.Type), zeros); err != nil {
			return err
		}
	}
	return nil
}

func (p *product) enqueue(s *cuda.Stream, i int64) error {
	i %= p.copies
	return p.plan.Enqueue(s, p.a+cuda.Ptr(i*p.aStride), p.bt+cuda.Ptr(i*p.bStride), p.c+cuda.Ptr(i*p.cStride), 1, 0)
}

// Each proposal is run trialRuns times, of trialSeconds or one product, after one
// without a hold, which loads its kernel: a library that loads lazily may wait for the
// GPU to be idle, which a held one never is (nvbench, issues 136 and 240).
const (
	trialRuns    = 3
	trialSeconds = 2e-3
)

// fastest times the heuristics' proposals on the first GPU, w being the plan's
// product, and sets the plan to the fastest of them: the first is a guess. They
// take turns, so that a clock that sinks for some milliseconds costs each of them
// a run and not one of them all its runs. It returns how many could be timed. The
// case is measured afresh afterwards, so the choice of the luckiest biases no
// sample.
func (b *Backend) fastest(plan *cublaslt.Plan, w work) (timed int, err error) {
	type trial struct {
		algorithm int
		c         *gpuCase
		n         int64 // products a run; 0: no more runs
		seconds   float64
	}
	var trials []*trial
	for i := range plan.Algorithms {
		plan.Use = i
		c := b.newCase(w)
		var t microbench.Timing
		if err = errors.Join(c.enqueue(c.gpus[0].stream, 0), c.wait()); err == nil {
			t, err = c.Batch(1)
		}
		if declined(err) {
			continue // a proposal that does not run on this GPU is the library's mistake, not ours
		}
		if err != nil {
			return len(trials), err
		}
		r := &trial{i, c, max(1, min(int64(trialSeconds/max(t.Seconds, 1e-9)), c.held)), math.Inf(1)}
		if t.Seconds > 10*trialSeconds {
			r.n, r.seconds = 0, t.Seconds // one long product says enough
		}
		trials = append(trials, r)
	}
	if len(trials) == 0 {
		return 0, nil
	}
	for range trialRuns {
		for _, t := range trials {
			if t.n == 0 {
				continue
			}
			plan.Use = t.algorithm
			got, err := t.c.Batch(t.n)
			if err != nil {
				return len(trials), err
			}
			t.seconds = min(t.seconds, got.Seconds/float64(t.n))
		}
	}
	plan.Use = slices.MinFunc(trials, func(a, b *trial) int { return cmp.Compare(a.seconds, b.seconds) }).algorithm
	return len(trials), nil
}

// declined reports whether the library has no kernel for a product.
func declined(err error) bool {
	var e *cublaslt.Error
	return errors.As(err, &e) && e.NotSupported()
}

// cublasLt is the library on this GPU, started once. Where it is missing, that is
// a *SkipError.
func (g *gpu) cublasLt() (*cublaslt.Handle, error) {
	if g.products == nil {
		lib, err := cublaslt.Open()
		if err != nil {
			return nil, skip("no libcublasLt: library GEMM skipped, peak-issue still runs: %v", err)
		}
		if g.products, err = lib.NewHandle(g.ctx); err != nil {
			return nil, err
		}
	}
	return g.products, nil
}
