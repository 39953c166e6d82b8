// flush.cu: writes more than the L2 holds, so that nothing else is left in it.
#include "device.cuh"

KERNEL void bench_flush(uint4 *p, long long vectors)
{
	const long long step = (long long)gridDim.x * blockDim.x;
	for (long long v = (long long)blockIdx.x * blockDim.x + threadIdx.x; v < vectors; v += step)
		st_128(p + v, make_uint4(0, 0, 0, 0));
}
EXPORT(bench_flush)
