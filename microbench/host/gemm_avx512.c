#include "gemm_tile.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define FMA_PS(s, x, y) _mm512_fmadd_ps(x, y, s)
#define FMA_PD(s, x, y) _mm512_fmadd_pd(x, y, s)
TILE(tile_f32, TARGET_AVX512, float, __m512, 16, 12, 2, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, FMA_PS)
TILE(tile_f64, TARGET_AVX512, double, __m512d, 8, 12, 2, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_add_pd, FMA_PD)
SWEEP(sweep_f32, TARGET_AVX512, float, __m512, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, FMA_PS)
SWEEP(sweep_f64, TARGET_AVX512, double, __m512d, 8, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, FMA_PD)

/* The dot products of pairs and of quadruples see their units as 32-bit words. */
#define LOADI(p) _mm512_loadu_si512(p)
#define STOREI(p, v) _mm512_storeu_si512(p, v)
#define TARGET_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define TARGET_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define DOT_BF16(s, x, y) ((__m512i)_mm512_dpbf16_ps((__m512)(s), (__m512bh)(x), (__m512bh)(y)))
#define ADD_BF16(x, y) ((__m512i)_mm512_add_ps((__m512)(x), (__m512)(y)))
TILE(tile_bf16, TARGET_BF16, int32_t, __m512i, 16, 12, 2, _mm512_set1_epi32, LOADI, STOREI, ADD_BF16, DOT_BF16)
TILE(tile_int8, TARGET_VNNI, int32_t, __m512i, 16, 12, 2, _mm512_set1_epi32, LOADI, STOREI, _mm512_add_epi32, _mm512_dpbusd_epi32)

const gemm_kernel gemm_avx512[4] = {
	{GEMM_FP32, ISA_AVX512, 12, 32, 1, 4, tile_f32, sweep_f32, 32},
	{GEMM_FP64, ISA_AVX512, 12, 16, 1, 8, tile_f64, sweep_f64, 32},
	{GEMM_BF16, GEMM_AVX512_BF16, 12, 32, 2, 4, tile_bf16, NULL, 0},
	{GEMM_INT8, GEMM_AVX512_VNNI, 12, 32, 4, 4, tile_int8, NULL, 0},
};
#endif
