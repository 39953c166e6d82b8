// The ceiling of FP32 outside the tensor cores: each thread has 16 independent chains of fused multiply-adds.
#include "device.cuh"

// A pass is sum = sum·x + y once for each of a thread's 16 sums, y being y[i] of the 16. out is [gridDim.x][256][16].
KERNEL void __launch_bounds__(256) bench_peak_vector_fp32(float *out, const float *x, const float *y, int passes)
{
	const float factor = *x;
	float term[16], sum[16] = {};
#pragma unroll
	for (int i = 0; i < 16; i++)
		term[i] = y[i];
#pragma unroll 16
	for (int pass = 0; pass < passes; pass++) {
#pragma unroll
		for (int i = 0; i < 16; i++)
			sum[i] = __builtin_fmaf(sum[i], factor, term[i]);
	}
	out += (long long)(blockIdx.x * 256 + threadIdx.x) * 16;
#pragma unroll
	for (int i = 0; i < 16; i++)
		out[i] = sum[i];
}
EXPORT(bench_peak_vector_fp32)
