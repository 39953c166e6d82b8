/* bf16.h: bfloat16, the upper half of an fp32, one element at a time. */
#ifndef BENCH_BF16_H
#define BENCH_BF16_H

#include <stdint.h>
#include <string.h>

static inline float bf16_to_float(uint16_t h)
{
	uint32_t u = (uint32_t)h << 16;
	float f;
	memcpy(&f, &u, sizeof f);
	return f;
}

/* Rounds to nearest, ties to even. Not for NaN. */
static inline uint16_t bf16_from_float(float f)
{
	uint32_t u;
	memcpy(&u, &f, sizeof u);
	return (u + 0x7fff + ((u >> 16) & 1)) >> 16;
}

#endif
