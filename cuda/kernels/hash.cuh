// hash.cuh: the data that operands are filled with, the same in Go
// (kernels.Value): element i is u in [-1, 1), by a hash of the seed and i.
#ifndef BENCH_HASH_CUH
#define BENCH_HASH_CUH

#include "device.cuh"

// One step of SplitMix64's output function (Steele, Lea and Flood, "Fast
// splittable pseudorandom number generators", OOPSLA 2014) at position i.
DEVICE unsigned long long hash64(unsigned long long seed, unsigned long long i)
{
	unsigned long long z = seed + (i + 1) * 0x9e3779b97f4a7c15ull;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

// The hash's upper 24 bits as a multiple of 2^-23: exact in float.
DEVICE float hash_unit(unsigned long long seed, unsigned long long i)
{
	return (float)((int)(hash64(seed, i) >> 40) - (1 << 23)) * 0x1p-23f;
}

#endif
