// latency.cu: a chain of loads, each of which needs the one before.
#include "hash.cuh"

// shuffled is a permutation of 0 … n-1: four rounds of a Feistel network over
// the smallest even number of bits that holds n, walked on until it falls within n (Black
// and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002).
DEVICE unsigned long long shuffled(unsigned long long i, unsigned long long n, int half_bits, unsigned long long seed)
{
	const unsigned long long mask = (1ull << half_bits) - 1;
	do {
		unsigned long long left = i >> half_bits, right = i & mask;
		for (int round = 0; round < 4; round++) {
			unsigned long long next = left ^ (hash64(seed + (unsigned long long)round, right) & mask);
			left = right, right = next;
		}
		i = left << half_bits | right;
	} while (i >= n);
	return i;
}

// One cycle through all lines, `stride` bytes apart, in an order that no
// prefetcher knows: line shuffled(j) holds the offset of line shuffled(j+1).
KERNEL void bench_chain(unsigned char *base, long long lines, int stride, int half_bits, unsigned long long seed)
{
	const unsigned long long n = (unsigned long long)lines;
	const unsigned long long step = (unsigned long long)gridDim.x * blockDim.x;
	for (unsigned long long j = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x; j < n; j += step) {
		unsigned long long here = shuffled(j, n, half_bits, seed), next = shuffled(j + 1 < n ? j + 1 : 0, n, half_bits, seed);
		*(unsigned long long *)(base + here * (unsigned long long)stride) = next * (unsigned long long)stride;
	}
}
EXPORT(bench_chain)

// One thread goes `steps` lines on from where *at says, and leaves there where
// it came to. The loads bypass L1.
KERNEL void bench_chase(const unsigned char *base, unsigned long long *at, long long steps)
{
	unsigned long long offset = *at;
#pragma unroll 1
	for (long long i = 0; i < steps; i++)
		offset = ld_cg_64(base + offset);
	*at = offset;
}
EXPORT(bench_chase)

// Nothing: what it takes is a launch.
KERNEL void bench_empty() {}
EXPORT(bench_empty)
