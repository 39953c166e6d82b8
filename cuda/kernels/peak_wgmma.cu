// The ceiling of Hopper's tensor cores: two warpgroups an SM issue wgmma without end from operands that stay in shared
// memory, into accumulators that stay in registers. docs/kernels.md works out why nothing else limits it.
#include "wgmma.cuh"

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900

// A sum is begun anew after so many passes, by scale_d, which costs nothing. The tensor cores add fp8 products in fewer
// bits than fp32 has (about 14: DeepSeek-V3, arXiv 2412.19437, section 3.3.2), and sums this short of the small integers
// that the caller fills the operands with are exact in every type.
constexpr int peak_restart = 32;

// a is 64 rows of A and b 256 of Bᵀ, of 128 bytes of k each. A pass multiplies them once: four instructions. out is
// [gridDim.x][2][64][256] sums, of as many passes as came since the last restart. `passes` is even.
#define PEAK(name, accumulator, wgmma) \
	KERNEL void __launch_bounds__(256, 1) name(accumulator *out, const uint4 *a, const uint4 *b, int passes) \
	{ \
		__align__(1024) __shared__ unsigned char tile[(64 + 256) * wgmma_row_bytes]; \
		unsigned char *const tile_b = tile + 64 * wgmma_row_bytes; \
		for (int i = threadIdx.x; i < 64 * 8; i += 256) \
			*(uint4 *)(tile + wgmma_swizzled(i / 8, i % 8 * 16)) = a[i]; \
		for (int i = threadIdx.x; i < 256 * 8; i += 256) \
			*(uint4 *)(tile_b + wgmma_swizzled(i / 8, i % 8 * 16)) = b[i]; \
		wgmma_fence_shared(); \
		__syncthreads(); \
		/* A step of k moves both addresses, which a descriptor holds in units of 16 bytes. */ \
		const unsigned long long at_a = wgmma_descriptor(wgmma_address(tile)); \
		const unsigned long long at_b = wgmma_descriptor(wgmma_address(tile_b)); \
		constexpr int step = wgmma_step_bytes / 16; \
		accumulator sum[128] = {}; \
		/* Eight wgmma a batch keep the tensor cores busy. Unrolled further, ptxas takes many seconds an entry. */ \
		_Pragma("unroll 1") \
		for (int pass = 0; pass < passes; pass += 2) { \
			wgmma_fence(); \
			wgmma(sum, at_a, at_b, pass % peak_restart); \
			wgmma(sum, at_a + step, at_b + step, 1); \
			wgmma(sum, at_a + 2 * step, at_b + 2 * step, 1); \
			wgmma(sum, at_a + 3 * step, at_b + 3 * step, 1); \
			wgmma(sum, at_a, at_b, 1); \
			wgmma(sum, at_a + step, at_b + step, 1); \
			wgmma(sum, at_a + 2 * step, at_b + 2 * step, 1); \
			wgmma(sum, at_a + 3 * step, at_b + 3 * step, 1); \
			wgmma_commit(); \
			wgmma_wait<0>(); \
		} \
		out += (long long)(blockIdx.x * 2 + threadIdx.x / 128) * 64 * 256; \
		_Pragma("unroll") \
		for (int i = 0; i < 128; i++) \
			out[wgmma_row(threadIdx.x % 128, i) * 256 + wgmma_column(threadIdx.x % 128, i)] = sum[i]; \
	} \
	EXPORT(name)

PEAK(bench_peak_wgmma_bf16, float, wgmma_m64n256k16_bf16)
PEAK(bench_peak_wgmma_fp16, float, wgmma_m64n256k16_fp16)
PEAK(bench_peak_wgmma_tf32, float, wgmma_m64n256k8_tf32)
PEAK(bench_peak_wgmma_fp8, float, wgmma_m64n256k32_fp8)
PEAK(bench_peak_wgmma_int8, int, wgmma_m64n256k32_s8)

#endif
