/* random.h: random data for operands, reproducible from a seed. */
#ifndef BENCH_RANDOM_H
#define BENCH_RANDOM_H

#include <stdint.h>

/* random64 is one step of SplitMix64 (Steele, Lea and Flood, "Fast splittable
   pseudorandom number generators", OOPSLA 2014). */
static inline uint64_t random64(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* random_unit is uniform in [0, 1). */
static inline double random_unit(uint64_t *state) { return (double)(random64(state) >> 11) * 0x1p-53; }

#endif
