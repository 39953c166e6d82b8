package cublaslt

/*
#include "cublaslt.h"

static lt_status lt_enqueue(const lt_table *t, lt_handle h, const lt_plan *p, int scale_type, double alpha, double beta,
                            uint64_t a, uint64_t b, uint64_t c, const lt_algo *algo, uint64_t workspace, size_t workspace_bytes, void *stream)
{
	float fa = (float)alpha, fb = (float)beta;
	int32_t ia = (int32_t)alpha, ib = (int32_t)beta;
	const void *pa = &fa, *pb = &fb;
	if (scale_type == 1)
		pa = &alpha, pb = &beta;
	if (scale_type == 10)
		pa = &ia, pb = &ib;
	return lt_matmul(t, h, p, pa, a, b, pb, c, algo, workspace, workspace_bytes, stream);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"math"

	"bench/cuda"
)

// Product is C[M,N] = op(A)·op(B), all row-major and packed. op(A) is M × K and
// op(B) K × N; what is transposed is stored K × M, or N × K. A linear layer's
// weights are a transposed B.
type Product struct {
	M, N, K int64
	// Type of A and B: "fp64", "fp32", "tf32" (fp32 numbers, multiplied in TF32),
	// "bf16", "fp16", "fp8" (E4M3) or "int8". C has the same type, but bf16 for fp8
	// and int32 for int8. 8-bit types take a plain A and a transposed B only, and K
	// and N that are multiples of 16 and 4.
	Type                   string
	TransposeA, TransposeB bool
	// ScaleA and ScaleB are the addresses of a float each, by which fp8 operands are
	// multiplied, or 0 for 1.
	ScaleA, ScaleB cuda.Ptr
}

// The data types and compute types of library_types.h and cublas_api.h 12.4.
const (
	r32F, r64F, r16F, r8I, r32I, r16BF, r8FE4M3     = 0, 1, 2, 3, 10, 14, 28
	compute32F, compute64F, compute32I, computeTF32 = 68, 70, 72, 77
)

type typed struct{ operand, out, compute, scale int }

// types as cublasLtMatmul's table of supported types has them.
var types = map[string]typed{
	"fp64": {r64F, r64F, compute64F, r64F},
	"fp32": {r32F, r32F, compute32F, r32F},
	"tf32": {r32F, r32F, computeTF32, r32F},
	"bf16": {r16BF, r16BF, compute32F, r32F},
	"fp16": {r16F, r16F, compute32F, r32F},
	"fp8":  {r8FE4M3, r16BF, compute32F, r32F},
	"int8": {r8I, r32I, compute32I, r32I},
}

// shape is the product as the library sees it: column-major, so that a row-major
// C = A·B is Cᵀ = Bᵀ·Aᵀ, B first.
func (p Product) shape() (C.lt_shape, error) {
	t, ok := types[p.Type]
	if !ok {
		return C.lt_shape{}, fmt.Errorf("cuBLASLt multiplies no %s here", p.Type)
	}
	if min(p.M, p.N, p.K) < 1 || max(p.M, p.N, p.K) > math.MaxInt32 {
		return C.lt_shape{}, fmt.Errorf("a product of %d x %d x %d: cuBLASLt takes 1 to %d", p.M, p.N, p.K, math.MaxInt32)
	}
	flag := func(b bool) C.int {
		if b {
			return 1
		}
		return 0
	}
	s := C.lt_shape{compute: C.int(t.compute), scale_type: C.int(t.scale), type_a: C.int(t.operand), type_b: C.int(t.operand), type_d: C.int(t.out),
		transpose_a: flag(p.TransposeB), transpose_b: flag(p.TransposeA), rows: C.uint64_t(p.N), cols: C.uint64_t(p.M), k: C.uint64_t(p.K),
		scale_a: C.uint64_t(p.ScaleB), scale_b: C.uint64_t(p.ScaleA), workspace: workspaceBytes}
	return s, nil
}

// Plan is a product with the algorithms that can make it, for one handle.
type Plan struct {
	handle *Handle
	plan   C.lt_plan
	scale  int
	algos  []C.lt_heuristic
	// Algorithms are the heuristics' proposals, from the one they think best.
	Algorithms []Algorithm
	// Use is the index of the algorithm that Enqueue uses.
	Use int
}

// Plan asks the heuristics for at most so many algorithms. Where there is none the
// error is an *Error that is NotSupported. Close frees the plan.
func (h *Handle) Plan(p Product, most int) (*Plan, error) {
	s, err := p.shape()
	if err != nil {
		return nil, err
	}
	out := &Plan{handle: h, scale: int(s.scale_type), algos: make([]C.lt_heuristic, max(most, 1))}
	var found C.int
	err = h.withinNamed(func(which **C.char) C.lt_status {
		return C.lt_plan_create(h.lib.table, h.handle, &s, &out.plan, C.int(len(out.algos)), &out.algos[0], &found, which)
	})
	usable := out.algos[:0]
	for _, a := range out.algos[:found] {
		if a.state == 0 && a.workspace <= workspaceBytes {
			usable = append(usable, a)
		}
	}
	out.algos = usable
	if err == nil && len(usable) == 0 {
		err = h.lib.result("cublasLtMatmulAlgoGetHeuristic", notSupported)
	}
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	for i := range usable {
		out.Algorithms = append(out.Algorithms, out.describe(i))
	}
	return out, nil
}

// Close frees the plan's descriptors.
func (p *Plan) Close() error {
	return p.handle.withinNamed(func(which **C.char) C.lt_status {
		return C.lt_plan_destroy(p.handle.lib.table, &p.plan, which)
	})
}

// Enqueue puts C = alpha·op(A)·op(B) + beta·C on the stream, by the algorithm Use.
// The addresses are multiples of 256 bytes.
func (p *Plan) Enqueue(s *cuda.Stream, a, b, c cuda.Ptr, alpha, beta float64) error {
	h, algo := p.handle, &p.algos[p.Use]
	err := h.within("cublasLtMatmul", func() C.lt_status {
		return C.lt_enqueue(h.lib.table, h.handle, &p.plan, C.int(p.scale), C.double(alpha), C.double(beta),
			C.uint64_t(b), C.uint64_t(a), C.uint64_t(c), &algo.algo, C.uint64_t(h.workspace), workspaceBytes, s.Handle())
	})
	if err == nil {
		return nil
	}
	// The library hides what the driver said; a context that is lost still says it.
	_, driver := s.Query()
	if lost := (*cuda.Error)(nil); errors.As(driver, &lost) {
		return fmt.Errorf("%w (%w)", lost, err)
	}
	return err
}
