#include "gemm_tile.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define FMA_PS(s, x, y) _mm512_fmadd_ps(x, y, s)
#define FMA_PD(s, x, y) _mm512_fmadd_pd(x, y, s)
TILE(tile_f32, TARGET_AVX512, float, __m512, 16, 12, 2, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, FMA_PS)
TILE(tile_f64, TARGET_AVX512, double, __m512d, 8, 12, 2, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_add_pd, FMA_PD)
SWEEP(sweep_f32, TARGET_AVX512, float, __m512, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, FMA_PS)
SWEEP(sweep_f64, TARGET_AVX512, double, __m512d, 8, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, FMA_PD)

/* The dot products of pairs and of quadruples see their units as 32-bit words, of
   the sums' type: where sums are cast, GCC 12 stores every one in every step. */
#define LOADI(p) _mm512_loadu_si512(p)
#define STOREI(p, v) _mm512_storeu_si512(p, v)
#define DOT_BF16(s, x, y) _mm512_dpbf16_ps(s, (__m512bh)(x), (__m512bh)(y))
TILE(tile_bf16, TARGET_BF16, float, __m512, 16, 12, 2, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, DOT_BF16)
TILE(tile_int8, TARGET_VNNI, int32_t, __m512i, 16, 12, 2, _mm512_set1_epi32, LOADI, STOREI, _mm512_add_epi32, _mm512_dpbusd_epi32)

const gemm_kernel gemm_avx512[4] = {
	{GEMM_FP32, ISA_AVX512, 12, 32, 1, 4, tile_f32, sweep_f32, 32},
	{GEMM_FP64, ISA_AVX512, 12, 16, 1, 8, tile_f64, sweep_f64, 32},
	{GEMM_BF16, GEMM_AVX512_BF16, 12, 32, 2, 4, tile_bf16, gemm_sweep_bf16, 8},
	{GEMM_INT8, GEMM_AVX512_VNNI, 12, 32, 4, 4, tile_int8, gemm_sweep_int8, 8},
};
#endif
