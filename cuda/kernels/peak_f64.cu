// The ceiling of the FP64 tensor cores, as peak_mma.cu for the other types. Ampere has one instruction, 8×8×4. Hopper
// has larger ones besides, and twice the rate an SM: 16×8×16, so that one instruction does for an issue slot what eight
// did. It has no wgmma for FP64.
#include "mma_f64.cuh"

constexpr int peak_warps = 8, peak_tiles = 8;

// a is 16 rows of A and b 64 of Bᵀ, of 16 numbers of k each. A pass multiplies them once. out is [gridDim.x][8
// warps][16][64] sums of all passes.
KERNEL void __launch_bounds__(32 * peak_warps) bench_peak_mma_fp64(double *out, const double *a, const double *b, int passes)
{
	const int lane = threadIdx.x % 32, group = lane / 4, quarter = lane % 4;
	double fa[2][4], fb[peak_tiles][4], sum[2][peak_tiles][2] = {};
#pragma unroll
	for (int i = 0; i < 4; i++) {
		fa[0][i] = a[group * 16 + quarter + 4 * i], fa[1][i] = a[(group + 8) * 16 + quarter + 4 * i];
#pragma unroll
		for (int t = 0; t < peak_tiles; t++)
			fb[t][i] = b[(8 * t + group) * 16 + quarter + 4 * i];
	}
	for (int pass = 0; pass < passes; pass++) {
#pragma unroll
		for (int i = 0; i < 4; i++)
#pragma unroll
			for (int t = 0; t < peak_tiles; t++)
				mma_m8n8k4_f64(sum[0][t], fa[0][i], fb[t][i]), mma_m8n8k4_f64(sum[1][t], fa[1][i], fb[t][i]);
	}
	out += (long long)(blockIdx.x * peak_warps + threadIdx.x / 32) * 16 * 64;
#pragma unroll
	for (int t = 0; t < peak_tiles; t++)
#pragma unroll
		for (int i = 0; i < 4; i++)
			out[(group + i / 2 * 8) * 64 + 8 * t + quarter * 2 + i % 2] = sum[i / 2][t][i % 2];
}
EXPORT(bench_peak_mma_fp64)

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
// The same product by one instruction for 8 columns.
KERNEL void __launch_bounds__(32 * peak_warps) bench_peak_mma_fp64_sm90(double *out, const double *a, const double *b, int passes)
{
	const int lane = threadIdx.x % 32, group = lane / 4, quarter = lane % 4;
	double fa[8], fb[peak_tiles][4], sum[peak_tiles][4] = {};
#pragma unroll
	for (int i = 0; i < 8; i++)
		fa[i] = a[(group + i % 2 * 8) * 16 + quarter + i / 2 * 4];
#pragma unroll
	for (int i = 0; i < 4; i++)
#pragma unroll
		for (int t = 0; t < peak_tiles; t++)
			fb[t][i] = b[(8 * t + group) * 16 + quarter + 4 * i];
	for (int pass = 0; pass < passes; pass++) {
#pragma unroll
		for (int t = 0; t < peak_tiles; t++)
			mma_m16n8k16_f64(sum[t], fa, fb[t]);
	}
	out += (long long)(blockIdx.x * peak_warps + threadIdx.x / 32) * 16 * 64;
#pragma unroll
	for (int t = 0; t < peak_tiles; t++)
#pragma unroll
		for (int i = 0; i < 4; i++)
			out[(group + i / 2 * 8) * 64 + 8 * t + quarter * 2 + i % 2] = sum[t][i];
}
EXPORT(bench_peak_mma_fp64_sm90)
#endif
