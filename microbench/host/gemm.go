package host

/*
#include <stdlib.h>
#include "blas.h"
#include "gemm.h"
#include "isa.h"
#include "team.h"
*/
import "C"

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"unsafe"

	// CPUID with the operating system's support for wide registers, by name.
	"github.com/klauspost/cpuid/v2"

	"bench/datasets"
	"bench/microbench"
)

// gemmTypes are the types of product that the host makes. FP32 operands with
// FP32 sums, BF16 with FP32 sums and a BF16 result, INT8 with INT32 sums.
var gemmTypes = map[datasets.DType]C.int{
	datasets.FP64: C.GEMM_FP64,
	datasets.FP32: C.GEMM_FP32,
	datasets.BF16: C.GEMM_BF16,
	datasets.INT8: C.GEMM_INT8,
}

// gemmCase is one product, by a library or by the built-in kernel, from
// row-major operands that are packed, where they are, within the product. One
// iteration is one product with the joining of its threads. A library is called
// from an unpinned thread and makes threads of its own; the built-in kernel runs
// on the pinned team.
type gemmCase struct {
	w       datasets.GEMM
	team    *team
	work    *C.gemm_work
	library *library // nil: built in
	kernel  string
	next    C.long
	owned   []memory
	freed   []unsafe.Pointer
}

func (b *Backend) prepareGEMM(w datasets.GEMM) (microbench.Case, error) {
	switch {
	case w.Kernel == "peak":
		return b.preparePeak(w)
	case w.Format != "":
		return nil, skip("the host has no kernel for %s weights", w.Format)
	case max(w.M, w.N, w.K) > math.MaxInt32:
		return nil, skip("gemm/matmul: a dimension of %d is more than the 32-bit integers of BLAS hold", max(w.M, w.N, w.K))
	}
	typ, ok := gemmTypes[w.Type]
	if !ok {
		return nil, skip("gemm/matmul: the host multiplies fp64, fp32, bf16 and int8, not %s", w.Type)
	}
	lib, err := chooseLibrary(b.options.Library, typ, w.M, w.Ranks)
	if err != nil {
		return nil, err
	}
	var kernel *C.gemm_kernel
	name := "library"
	if lib == nil {
		if kernel, name, err = builtinGEMM(w.Type, bestISA()); err != nil {
			return nil, err
		}
	}
	return b.prepareProduct(w, lib, kernel, name)
}

// builtinGEMM is the built-in kernel of a type in an instruction set.
func builtinGEMM(t datasets.DType, isa ISA) (*C.gemm_kernel, string, error) {
	want, name := C.int(isa), isa.String()
	switch t {
	case datasets.BF16:
		if isa != AVX512 || !cpuid.CPU.Supports(cpuid.AVX512BF16) {
			return nil, "", skip("gemm/matmul bf16: this CPU has no AVX512_BF16, and no library here multiplies bf16")
		}
		want, name = C.GEMM_AVX512_BF16, "AVX512_BF16"
	case datasets.INT8:
		if isa != AVX512 || !cpuid.CPU.Supports(cpuid.AVX512VNNI) {
			return nil, "", skip("gemm/matmul int8: this CPU has no AVX512_VNNI, and no library here multiplies int8")
		}
		want, name = C.GEMM_AVX512_VNNI, "AVX512_VNNI"
	}
	kernel := C.gemm_kernel_for(gemmTypes[t], want)
	if kernel == nil {
		return nil, "", skip("gemm/matmul %s: this build has no kernel for %s", t, name)
	}
	return kernel, name, nil
}

// copies is how many sets of operands a case rotates through: for a cold
// cache as many as fill twice the last-level cache.
func (b *Backend) copies(w datasets.GEMM) int64 {
	if w.Cache != datasets.Cold {
		return 1
	}
	return max(1, int64(math.Ceil(2*b.device.LastLevel().SizeBytes.Value/w.Bytes())))
}

// checkedProducts bounds the multiply-adds that Check spends on single
// elements; every element is seen by the test of its row.
const checkedProducts = 1 << 23

func (b *Backend) prepareProduct(w datasets.GEMM, lib *library, kernel *C.gemm_kernel, name string) (*gemmCase, error) {
	copies := b.copies(w)
	page := func(elements int64, size float64) int64 { return (int64(float64(elements)*size) + 4095) / 4096 * 4096 }
	aStride, bStride := page(w.M*w.K, w.Type.Size()), page(w.K*w.N, w.Type.Size())
	cStride := page(w.M*w.N, w.Type.OutSize())
	var packBytes, wideBytes int64
	if kernel != nil {
		packBytes = int64(C.gemm_pack_bytes(kernel)) * int64(w.Ranks)
		if w.Type == datasets.BF16 {
			wideBytes = w.M * w.N * 4
		}
	}
	checkBytes := (w.N + 2*w.K) * 8
	if err := b.fits(w, copies*(aStride+bStride+cStride)+packBytes+wideBytes+checkBytes); err != nil {
		return nil, err
	}
	t, err := b.team(w.Ranks)
	if err != nil {
		return nil, err
	}
	c := &gemmCase{w: w, team: t, library: lib, kernel: name}
	c.work = (*C.gemm_work)(c.calloc(1, C.sizeof_gemm_work))
	sizes := []int64{copies * aStride, copies * bStride, copies * cStride, packBytes, wideBytes, checkBytes}
	var maps [6]unsafe.Pointer
	for i, n := range sizes {
		if n == 0 {
			continue
		}
		m, err := reserveMemory(n)
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("%s: %w", w.Key(), err)
		}
		c.owned = append(c.owned, m)
		maps[i] = m.p
	}
	k := c.work
	k.kernel, k._type, k.m, k.n, k.k, k.copies = kernel, gemmTypes[w.Type], C.long(w.M), C.long(w.N), C.long(w.K), C.long(copies)
	k.a, k.b, k.c = (*C.char)(maps[0]), (*C.char)(maps[1]), (*C.char)(maps[2])
	k.a_stride, k.b_stride, k.c_stride = C.long(aStride), C.long(bStride), C.long(cStride)
	k.pack, k.wide = (*C.char)(maps[3]), (*C.float)(maps[4])
	c.prepareCheck((*C.double)(maps[5]))
	t.run(C.bench_kernel(C.gemm_fill), unsafe.Pointer(k), 1)
	if err := c.usesThreads(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *gemmCase) calloc(n, size C.size_t) unsafe.Pointer {
	p := C.calloc(n, size)
	c.freed = append(c.freed, p)
	return p
}

// prepareCheck sets what an element of the result may be off by.
//
// Sums of k products with rounding errors that are independent and of mean zero
// are within λ√k·u of Σ|a·b| with probability 1 − 2·exp(−λ²/2) at least, in any
// order (Higham and Mary, "A new approach to probabilistic rounding error
// analysis", SIAM J. Sci. Comput. 41(5), 2019, theorem 2.4); λ = 8 here, and u is
// 2^-53 for fp64 (twice, since the reference has it too), 2^-24 for the fp32 sums
// of fp32 and bf16. A bf16 result is rounded once more, by at most 2^-8 of itself
// (2^-9 rounded to nearest, and as much again for the step over a power of two).
// int8 is exact.
func (c *gemmCase) prepareCheck(numbers *C.double) {
	check := (*C.gemm_check)(c.calloc(1, C.sizeof_gemm_check))
	root := 8 * math.Sqrt(float64(c.w.K))
	switch c.w.Type {
	case datasets.FP64:
		check.sum_bound = C.double(root * 0x1p-52)
	case datasets.FP32:
		check.sum_bound = C.double(root * 0x1p-24)
	case datasets.BF16:
		check.sum_bound, check.out_bound = C.double(root*0x1p-24), 0x1p-8
	}
	check.samples = C.long(min(c.w.M*c.w.N, max(256, checkedProducts/c.w.K)))
	list := unsafe.Slice(numbers, c.w.N+2*c.w.K)
	signs := list[:c.w.N]
	random := rand.New(rand.NewPCG(1, 2))
	for i := range signs {
		signs[i] = C.double(1 - 2*random.IntN(2))
	}
	check.signs, check.product, check.scale = numbers, &list[c.w.N], &list[c.w.N+c.w.K]
	check.found = (*C.struct_gemm_finding)(c.calloc(C.size_t(c.w.Ranks), C.sizeof_struct_gemm_finding))
	check.team = c.team.c
	c.work.check = check
}

// Check makes one product over a spoilt C and compares sampled elements and every row with a
// reference (gemm_check.c). Bound is what a sum may be off by, relative to
// Σ|a·b|, and the rounding of the result where that is narrower than the sums.
func (c *gemmCase) Check() (microbench.Check, error) {
	copies := c.work.copies
	c.work.copies = 1 // the reference is that of the first set of operands
	c.team.run(C.bench_kernel(C.gemm_spoil), unsafe.Pointer(c.work), 1)
	_, err := c.Batch(1)
	c.work.copies = copies
	if err != nil {
		return microbench.Check{}, err
	}
	return c.compare(), nil
}

func (c *gemmCase) compare() microbench.Check {
	c.team.run(C.bench_kernel(C.gemm_verify), unsafe.Pointer(c.work), 1)
	check := microbench.Check{Bound: float64(c.work.check.sum_bound + c.work.check.out_bound)}
	for _, f := range unsafe.Slice(c.work.check.found, c.w.Ranks) {
		check.Wrong += int64(f.wrong)
		check.Checked += int64(f.checked)
		check.MaxRelError = max(check.MaxRelError, float64(f.worst))
	}
	return check
}

// Batch makes the product n times, each on the next copy of the operands.
func (c *gemmCase) Batch(n int64) (microbench.Timing, error) {
	if c.library == nil {
		return c.team.batch(C.bench_kernel(C.gemm_product), unsafe.Pointer(c.work), n), nil
	}
	// Another case may have set the library's threads since, and OpenMP counts
	// them for each calling thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.library.setThreads(c.w.Ranks); err != nil {
		return microbench.Timing{}, err
	}
	s := float64(C.blas_run(c.library.c, c.work, C.long(n), &c.next))
	if s < 0 {
		return microbench.Timing{}, fmt.Errorf("%s reported an error in the product %s", c.library.name, c.w.Key())
	}
	return microbench.Timing{Seconds: s}, nil
}

// Implementation names the library with its version and file, or the built-in
// kernel's instructions.
func (c *gemmCase) Implementation() (name, version string) {
	if c.library == nil {
		return "builtin", c.kernel
	}
	return c.library.name, c.library.version() + " at " + c.library.path()
}

// Close frees the operands.
func (c *gemmCase) Close() error {
	for i := range c.owned {
		c.owned[i].free()
	}
	for _, p := range c.freed {
		C.free(p)
	}
	c.owned, c.freed, c.work = nil, nil, nil
	return nil
}
