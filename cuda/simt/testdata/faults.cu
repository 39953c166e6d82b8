// faults.cu: what the machine must report, and what it must let pass.
#include "../../kernels/device.cuh"

#define ARGS int *out, const int *in, int n
#define CASE(name, ...) KERNEL void name(ARGS) { (void)out, (void)in, (void)n; __VA_ARGS__ } EXPORT(name)

CASE(fine, __shared__ int s[64]; s[threadIdx.x] = in[threadIdx.x]; __syncthreads(); out[threadIdx.x] = s[63 - threadIdx.x];)
CASE(fine_warp, __shared__ int s[64]; s[threadIdx.x] = in[threadIdx.x]; __syncwarp(); out[threadIdx.x] = s[threadIdx.x ^ 1];)
CASE(fine_atomic, atomicAdd(out, 1);)
CASE(fine_named, __shared__ int s[64]; if (threadIdx.x < 64) { s[threadIdx.x] = 1; bar_sync(1, 64); out[threadIdx.x] = s[63 - threadIdx.x]; })
// The last block to come reads what the others wrote: CUDA's threadFenceReduction sample.
KERNEL void fine_last_block(int *out, int *partial, unsigned *count)
{
	__shared__ int last;
	partial[blockIdx.x * 64 + threadIdx.x] = 1;
	__threadfence();
	__syncthreads();
	if (threadIdx.x == 0)
		last = atomicAdd(count, 1u) == gridDim.x - 1;
	__syncthreads();
	if (last && threadIdx.x == 0) {
		int sum = 0;
		for (unsigned i = 0; i < gridDim.x * 64; i++)
			sum += partial[i];
		*out = sum;
		*count = 0;
	}
}
EXPORT(fine_last_block)
KERNEL void race_last_block(int *out, int *partial, unsigned *count)
{
	partial[blockIdx.x * 64 + threadIdx.x] = 1;
	__syncthreads();
	if (threadIdx.x == 0 && atomicAdd(count, 1u) == gridDim.x - 1)
		*out = partial[0] + partial[64];
}
EXPORT(race_last_block)

CASE(race_shared, __shared__ int s[64]; s[threadIdx.x] = in[threadIdx.x]; out[threadIdx.x] = s[63 - threadIdx.x];)
CASE(race_war, __shared__ int s[64]; s[threadIdx.x] = 1; __syncthreads(); int v = s[(threadIdx.x + 1) % 64]; s[threadIdx.x] = v; out[0] = 1;)
CASE(race_warps, __shared__ int s[64]; s[threadIdx.x] = in[threadIdx.x]; __syncwarp(); out[threadIdx.x] = s[threadIdx.x ^ 32];)
CASE(race_global, out[0] = threadIdx.x;)
CASE(race_blocks, if (threadIdx.x == 0) out[0] = 1;)
CASE(race_atomic, if (threadIdx.x == 0) out[0] = 1; else atomicAdd(out, 1);)
CASE(race_shuffle, __shared__ int s[64]; s[threadIdx.x] = in[threadIdx.x]; __shfl_sync(~0u, 1, 0); out[threadIdx.x] = s[threadIdx.x ^ 1];)

CASE(bounds_read, out[threadIdx.x] = in[n + threadIdx.x];)
CASE(bounds_write, out[(int)threadIdx.x - 1] = 1;)
CASE(bounds_index, int local[4] = {1, 2, 3, 4}; out[threadIdx.x] = local[threadIdx.x % (n - 59)];)
CASE(bounds_null, out[threadIdx.x] = *(const int *)(unsigned long)(n - 64);)
CASE(bounds_dynamic, SHARED_DYNAMIC(int, s); s[threadIdx.x] = 1; out[threadIdx.x] = s[threadIdx.x];)
CASE(misaligned, out[threadIdx.x] = *(const int *)((const char *)in + 2);)
CASE(unwritten, __shared__ int s[64]; if (threadIdx.x) s[threadIdx.x] = 1; __syncthreads(); out[threadIdx.x] = s[threadIdx.x];)

KERNEL void diverge_lines(ARGS)
{
	if (threadIdx.x < 32)
		__syncthreads();
	else
		__syncthreads();
	out[threadIdx.x] = in[n - 1];
}
EXPORT(diverge_lines)
CASE(diverge_leave, if (threadIdx.x == 7) return; __syncthreads(); out[threadIdx.x] = 1;)
CASE(diverge_warp, if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(~0u, 1, 0);
	else out[threadIdx.x] = __ballot_sync(~0u, 1);)
CASE(diverge_mask, if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xff00u, 1, 8);)
CASE(deadlock_warp, if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(~0u, 1, 0);)
CASE(deadlock_named, if (threadIdx.x < 32) bar_sync(3, 64);)
CASE(shuffle_absent, if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xffffu, 1, 20);)
