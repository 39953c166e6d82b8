// The ceiling of mma.sync: a warp issues products without end, from fragments that stay in registers into eight
// independent accumulators, so that an instruction never waits for the one before. docs/kernels.md works out how many are
// enough. peak_vector is the same for FP32 outside the tensor cores.
#include "device.cuh"

constexpr int peak_warps = 8, peak_tiles = 8;

// fragment is register i of a lane's part of a matrix of 32-bit words of k: rows of A or, for B, columns. A register holds
// the words t and t + 4 of a row (mma.cuh), whatever the element's width.
DEVICE unsigned fragment(const unsigned *words, int row, int i) { return words[row * 8 + threadIdx.x % 4 + 4 * i]; }

// a is 16 rows of A and b 64 of Bᵀ, of 32 bytes of k each: 16 elements of fp16 and bf16, 8 of tf32, 32 of int8. A pass
// multiplies them once, in eight instructions. out is [gridDim.x][8 warps][16][64] sums of all passes.
#define PEAK(name, accumulator, mma) \
	KERNEL void __launch_bounds__(32 * peak_warps) name(accumulator *out, const unsigned *a, const unsigned *b, int passes) \
	{ \
		const int lane = threadIdx.x % 32, group = lane / 4; \
		const unsigned fa[4] = {fragment(a, group, 0), fragment(a, group + 8, 0), fragment(a, group, 1), fragment(a, group + 8, 1)}; \
		unsigned fb[peak_tiles][2]; \
		_Pragma("unroll") \
		for (int t = 0; t < peak_tiles; t++) \
			fb[t][0] = fragment(b, 8 * t + group, 0), fb[t][1] = fragment(b, 8 * t + group, 1); \
		accumulator sum[peak_tiles][4] = {}; \
		for (int pass = 0; pass < passes; pass++) { \
			_Pragma("unroll") \
			for (int t = 0; t < peak_tiles; t++) \
				mma(sum[t], fa, fb[t]); \
		} \
		out += (long long)(blockIdx.x * peak_warps + threadIdx.x / 32) * 16 * 64; \
		_Pragma("unroll") \
		for (int t = 0; t < peak_tiles; t++) { \
			_Pragma("unroll") \
			for (int i = 0; i < 4; i++) \
				out[(group + i / 2 * 8) * 64 + 8 * t + lane % 4 * 2 + i % 2] = sum[t][i]; \
		} \
	} \
	EXPORT(name)

PEAK(bench_peak_mma_bf16, float, mma_m16n8k16_bf16)
PEAK(bench_peak_mma_fp16, float, mma_m16n8k16_fp16)
PEAK(bench_peak_mma_tf32, float, mma_m16n8k8_tf32)
PEAK(bench_peak_mma_int8, int, mma_m16n8k32_s8)
