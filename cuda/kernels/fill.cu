// fill.cu: operands of random data, on the device.
#include "hash.cuh"

// Each thread writes elements a grid apart. Filling is not timed, but operands
// are as large as memory, so it should not take long: 8 instructions of 64-bit
// integers an element.
template <typename T> DEVICE void fill(T *p, long long n, unsigned long long seed, float scale)
{
	long long step = (long long)gridDim.x * blockDim.x;
	for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)
		p[i] = as<T>(scale * hash_unit(seed, (unsigned long long)i));
}

#define FILL(name, T)                                                                            \
	KERNEL void bench_fill_##name(T *p, long long n, unsigned long long seed, float scale) { fill(p, n, seed, scale); } \
	EXPORT(bench_fill_##name)
FILL(f32, float)
FILL(f64, double)
FILL(bf16, bf16)
FILL(fp16, fp16)
FILL(fp8, fp8)
FILL(i8, signed char)
