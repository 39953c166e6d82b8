/* gemm_tile.h: the inner kernels of gemm, as macros over a vector type. Included
   by the files that define them for an instruction set. */
#include <stdint.h>
#include <string.h>

#include "gemm.h"
#include "isa.h"

#if defined(__x86_64__)
#define TARGET_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define TARGET_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

/* The sweeps of gemm_skinny.c, for up to 8 rows. They write C in whole vectors:
   up to 32 or 64 columns more than n, rounded up. */
void gemm_sweep_bf16(long m, long n, long k, const void *a, const void *b, long ldb, void *c, long ldc);
void gemm_sweep_int8(long m, long n, long k, const void *a, const void *b, long ldb, void *c, long ldc);
#endif

/* TILE defines a gemm_micro of MR rows by NV vectors V of L units E. Loops over
   constant bounds, unrolled so that the sums stay in registers. */
#define TILE(name, target, E, V, L, MR, NV, SET, LOAD, STORE, ADD, MADD)                \
	target static void name(long kg, const void *va, const void *vb, void *vc, long ldc, int add) \
	{                                                                               \
		const E *a = va, *b = vb;                                                   \
		E *c = vc;                                                                  \
		V s[MR][NV];                                                                \
		_Pragma("GCC unroll 16") for (int i = 0; i < (MR); i++)                     \
			_Pragma("GCC unroll 4") for (int j = 0; j < (NV); j++) s[i][j] = SET(0); \
		for (long p = 0; p < kg; p++, a += (MR), b += (NV) * (L)) {                 \
			V y[NV];                                                                \
			_Pragma("GCC unroll 4") for (int j = 0; j < (NV); j++) y[j] = LOAD(b + j * (L)); \
			_Pragma("GCC unroll 16") for (int i = 0; i < (MR); i++) {               \
				V x = SET(a[i]);                                                    \
				_Pragma("GCC unroll 4") for (int j = 0; j < (NV); j++)              \
					s[i][j] = MADD(s[i][j], x, y[j]);                               \
			}                                                                       \
		}                                                                           \
		_Pragma("GCC unroll 16") for (int i = 0; i < (MR); i++)                     \
			_Pragma("GCC unroll 4") for (int j = 0; j < (NV); j++) {                \
				E *at = c + i * ldc + j * (L);                                      \
				STORE(at, add ? ADD(s[i][j], LOAD(at)) : s[i][j]);                  \
			}                                                                       \
	}

/* SWEEP defines a gemm_sweep: 8 rows of B at a time, each read from left to
   right, while the rows of C stay in cache. The next 8 rows are prefetched: the
   core's own prefetchers start anew in every row. Past the end of B that does
   nothing. */
#define SWEEP(name, target, E, V, L, SET, LOAD, STORE, MADD)                            \
	target static void name(long m, long n, long k, const void *va, const void *vb, long ldb, void *vc, long ldc) \
	{                                                                               \
		const E *a = va, *b = vb;                                                   \
		E *c = vc;                                                                  \
		for (long i = 0; i < m; i++) memset(c + i * ldc, 0, (size_t)n * sizeof *c); \
		long p = 0;                                                                 \
		for (; p + 8 <= k; p += 8, b += 8 * ldb) {                                  \
			long j = 0;                                                             \
			for (; j + (L) <= n; j += (L)) {                                        \
				V y[8];                                                             \
				_Pragma("GCC unroll 8") for (int q = 0; q < 8; q++) {               \
					y[q] = LOAD(b + q * ldb + j);                                   \
					__builtin_prefetch(b + (q + 8) * ldb + j, 0, 2);                \
				}                                                                   \
				for (long i = 0; i < m; i++) {                                      \
					const E *x = a + i * k + p;                                     \
					V s = LOAD(c + i * ldc + j);                                    \
					_Pragma("GCC unroll 8") for (int q = 0; q < 8; q++) s = MADD(s, SET(x[q]), y[q]); \
					STORE(c + i * ldc + j, s);                                      \
				}                                                                   \
			}                                                                       \
			for (long i = 0; i < m; i++)                                            \
				for (int q = 0; q < 8; q++)                                         \
					for (long e = j; e < n; e++) c[i * ldc + e] += a[i * k + p + q] * b[q * ldb + e]; \
		}                                                                           \
		for (; p < k; p++, b += ldb)                                                \
			for (long i = 0; i < m; i++)                                            \
				for (long e = 0; e < n; e++) c[i * ldc + e] += a[i * k + p] * b[e]; \
	}
