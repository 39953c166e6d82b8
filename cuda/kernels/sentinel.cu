// sentinel.cu: a fixed mix of arithmetic and memory traffic, whose time changes
// when the clock does or when somebody else uses the GPU.
#include "device.cuh"

#define SENTINEL_PASSES 100
#define SENTINEL_FMAS 64

// Each pass reads and writes the vectors and does 64 dependent fp32 multiply-adds
// on each element: on H100 about as long as its traffic takes in L2, and 1 to 5 ms in
// all on 16 MiB. Every value stays between 0 and 1.
KERNEL void bench_sentinel(float4 *p, long long vectors)
{
	const long long step = (long long)gridDim.x * blockDim.x;
	for (int pass = 0; pass < SENTINEL_PASSES; pass++)
		for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < vectors; i += step) {
			float4 v = p[i];
#pragma unroll 8
			for (int k = 0; k < SENTINEL_FMAS; k++) {
				v.x = fma_rn(v.x, 0.5f, 0.25f);
				v.y = fma_rn(v.y, 0.5f, 0.125f);
				v.z = fma_rn(v.z, 0.5f, 0.375f);
				v.w = fma_rn(v.w, 0.5f, 0.4375f);
			}
			p[i] = v;
		}
}
EXPORT(bench_sentinel)
