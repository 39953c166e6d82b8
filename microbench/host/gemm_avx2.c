#include "gemm_tile.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define FMA_PS(s, x, y) _mm256_fmadd_ps(x, y, s)
#define FMA_PD(s, x, y) _mm256_fmadd_pd(x, y, s)
TILE(tile_f32, TARGET_AVX2, float, __m256, 8, 6, 2, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, FMA_PS)
TILE(tile_f64, TARGET_AVX2, double, __m256d, 4, 6, 2, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_add_pd, FMA_PD)
SWEEP(sweep_f32, TARGET_AVX2, float, __m256, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, FMA_PS)
SWEEP(sweep_f64, TARGET_AVX2, double, __m256d, 4, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, FMA_PD)

const gemm_kernel gemm_avx2[2] = {
	{GEMM_FP32, ISA_AVX2, 6, 16, 1, 4, tile_f32, sweep_f32, 16},
	{GEMM_FP64, ISA_AVX2, 6, 8, 1, 8, tile_f64, sweep_f64, 16},
};
#endif
