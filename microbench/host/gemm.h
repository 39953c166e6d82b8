/* gemm.h: C[m,n] = A[m,k] · B[k,n], all row-major, blocked and packed as Goto and
   van de Geijn describe ("Anatomy of High-Performance Matrix Multiplication",
   ACM TOMS 34(3), 2008): a tile of C stays in registers while panels of A and B
   stream through it. */
#ifndef BENCH_GEMM_H
#define BENCH_GEMM_H

#include <stddef.h>

#include "team.h"

enum gemm_type { GEMM_FP64, GEMM_FP32, GEMM_BF16, GEMM_INT8 };

/* Instruction sets of the 16- and 8-bit kernels, beside isa.h. */
enum { GEMM_AVX512_BF16 = 16, GEMM_AVX512_VNNI };

/* A packed panel is a run of units: one element of fp64 or fp32, 2 consecutive
   k of bf16, 4 of int8. A tile is mr units of A by nr units of B.
   micro adds (or, where !add, writes) a tile over kg units into c, ldc elements
   of the accumulator a row.
   sweep makes n columns of C for few rows of A: it reads B, ldb elements a row,
   once, unpacked and in its order in memory, and writes rows of ldc elements. */
typedef void (*gemm_micro)(long kg, const void *a, const void *b, void *c, long ldc, int add);
typedef void (*gemm_sweep)(long m, long n, long k, const void *a, const void *b, long ldb, void *c, long ldc);

typedef struct {
	int type, isa;
	int mr, nr;
	int group, unit; /* elements of k in a unit, and its bytes: also those of an accumulator */
	gemm_micro micro;
	gemm_sweep sweep; /* or NULL */
	long sweep_rows;  /* the most rows of A that sweep is used for */
} gemm_kernel;

/* gemm_kernel_for returns the kernel of a type and instruction set, or NULL. */
const gemm_kernel *gemm_kernel_for(int type, int isa);

/* The kernels of a file each; gemm_kernel_for looks through them. */
extern const gemm_kernel gemm_plain[2];
#if defined(__x86_64__)
extern const gemm_kernel gemm_avx2[2], gemm_avx512[4];
#endif

/* What a check allows, what it needs and what it found. An element is wrong where
   |got - want| > sum_bound·Σ|a·b| + out_bound·|want|. */
typedef struct {
	double sum_bound, out_bound;
	long samples;                    /* elements to recompute, at most m·n */
	double *signs, *product, *scale; /* n, k and k numbers for the row sums */
	team *team;                      /* that gemm_verify runs on */
	struct gemm_finding {
		long wrong, checked;
		double worst; /* largest |got - want| / Σ|a·b| */
		char pad[64];
	} *found; /* one a rank */
} gemm_check;

/* One product, or `copies` of it on operands of their own, each at a multiple
   of the stride from the first: iteration i uses copy i mod copies. */
typedef struct {
	const gemm_kernel *kernel;
	long m, n, k;
	const char *a, *b;
	char *c;
	long a_stride, b_stride, c_stride; /* bytes */
	long copies;
	float *wide;                       /* m·n sums of a bf16 product, else NULL */
	char *pack;                        /* gemm_pack_bytes of memory a rank */
	int type;
	gemm_check *check;
} gemm_work;

/* gemm_pack_bytes is the packing memory that each rank needs. */
size_t gemm_pack_bytes(const gemm_kernel *k);

/* gemm_product is the kernel for team_run: every rank makes its own block of C. */
void gemm_product(void *work, int rank, int ranks);

/* gemm_fill, a kernel for team_run, draws A and B of every copy: fp64, fp32 and
   bf16 uniform in [-1, 1), int8 A in 0…127 (the same number signed and unsigned,
   since vpdpbusd and gemm_u8s8s32 take an unsigned A) and B in -127…127. */
void gemm_fill(void *work, int rank, int ranks);

/* gemm_spoil, a kernel for team_run, makes NaN (int8: -1) of copy 0 of C and of the
   packing memory: fresh memory is zero, which a product that adds to what is there,
   or leaves an element out, could do with. */
void gemm_spoil(void *work, int rank, int ranks);

/* gemm_verify, a kernel for team_run, compares copy 0 of C with a reference in
   double precision, in two ways that do not share a weakness: sampled elements
   (all where `samples` allows, corners and edges first) recomputed one by one,
   and for every row Freivalds' test ("Probabilistic machines can use less running
   time", IFIP 1977), C·x = A·(B·x) for a random x of ±1, which sees every element.
   A row's errors add up with random signs, so its bound is 8/√n of the sum of its
   elements' bounds (at most that sum). */
void gemm_verify(void *work, int rank, int ranks);

#endif
