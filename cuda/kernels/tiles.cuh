// tiles.cuh: how a grid passes over an array with 16-byte accesses.
#ifndef BENCH_TILES_CUH
#define BENCH_TILES_CUH

#include "device.cuh"

// STREAM_UNROLL loads are under way in each thread: 64 bytes. With 1024 threads
// an SM has 64 KiB asked for, where latency × bandwidth is 17 KiB on H100
// (docs/kernels.md).
#define STREAM_UNROLL 4
// Every block of a pass has so many threads: a constant, so that a tile's
// addresses are one register and immediate offsets.
#define STREAM_THREADS 256

// each_tile calls full(first) for every tile of STREAM_UNROLL vectors a thread that
// is whole, and single(vector) for the vectors after the last whole one. `first`
// is this thread's first vector of the tile, the next ones a block apart. The
// grid may have any size.
template <typename Full, typename Single> DEVICE void each_tile(long long vectors, Full full, Single single)
{
	const long long tile = (long long)STREAM_THREADS * STREAM_UNROLL, whole = vectors / tile;
	for (long long t = blockIdx.x; t < whole; t += gridDim.x)
		full(t * tile + threadIdx.x);
	const long long step = (long long)gridDim.x * STREAM_THREADS;
	for (long long v = whole * tile + (long long)blockIdx.x * STREAM_THREADS + threadIdx.x; v < vectors; v += step)
		single(v);
}

// each_rest calls rest(i) for the elements after the last whole vector, one
// thread each: fewer than 16 bytes.
template <typename T, typename Rest> DEVICE void each_rest(long long n, Rest rest)
{
	const int lanes = 16 / (int)sizeof(T);
	long long i = n / lanes * lanes + threadIdx.x;
	if (blockIdx.x == 0 && i < n)
		rest(i);
}

#endif
