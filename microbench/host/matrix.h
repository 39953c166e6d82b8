/* matrix.h: weights and KV caches in panels (vector.h), with values that can
   be told from where they stand. */
#ifndef BENCH_MATRIX_H
#define BENCH_MATRIX_H

#include <stddef.h>
#include <stdint.h>

#include "bf16.h"
#include "vector.h"

/* count matrices of one shape, one behind the other, offset bytes into a block
   of memory. Their values are uniform in ±scale. */
typedef struct {
	size_t offset;
	long count, outputs, inputs;
	uint32_t seed;
	float scale;
} matrix;

/* random_value is uniform in [-1, 1) and the same for the same seed and index:
   the index goes through the lowbias32 hash of C. Wellons' hash-prospector. */
static inline float random_value(uint32_t seed, long index)
{
	uint32_t h = (uint32_t)index + seed * 0x9e3779b9u;
	h ^= h >> 16;
	h *= 0x7feb352du;
	h ^= h >> 15;
	h *= 0x846ca68bu;
	h ^= h >> 16;
	return (int32_t)h * 0x1p-31f;
}

static inline int weight_bytes(int type) { return type == WEIGHT_BF16 ? 2 : 4; }

/* matrix_elements is how many weights one matrix takes, filled-up panels
   included. */
static inline long matrix_elements(const matrix *m) { return panels_of(m->outputs) * PANEL * m->inputs; }

/* matrix_panel is where a panel of the i-th matrix starts. */
static inline void *matrix_panel(const matrix *m, int type, char *base, long i, long panel)
{
	return base + m->offset + (i * matrix_elements(m) + panel * PANEL * m->inputs) * weight_bytes(type);
}

/* weight_store writes one weight, rounded to its type. */
static inline void weight_store(int type, void *panels, long index, float v)
{
	if (type == WEIGHT_BF16)
		((uint16_t *)panels)[index] = bf16_from_float(v);
	else
		((float *)panels)[index] = v;
}

static inline float weight_round(int type, float v)
{
	return type == WEIGHT_BF16 ? bf16_to_float(bf16_from_float(v)) : v;
}

/* matrix_value is weight (output, input) of the i-th matrix, from its
   definition and not from memory. */
static inline float matrix_value(const matrix *m, int type, long i, long output, long input)
{
	return weight_round(type, m->scale * random_value(m->seed, (i * m->outputs + output) * m->inputs + input));
}

/* matrix_multiply is one row by the i-th matrix in double precision, from the
   matrix's definition. */
void matrix_multiply(const matrix *m, int type, long i, const double *x, double *y);

/* split gives rank's part of n things. */
static inline void split(long n, int rank, int ranks, long *from, long *to)
{
	*from = n * rank / ranks;
	*to = n * (rank + 1) / ranks;
}

/* Fills every matrix of the first block, then makes `copies` blocks alike, each
   stride bytes after the last. A kernel for team_run, run twice: the second run
   copies what the first has filled. */
typedef struct {
	char *base;
	size_t stride;
	long copies;
	int type;
	int matrices;
	matrix matrix[10];
	int copying;
} fill_arg;

void fill_matrices(void *arg, int rank, int ranks);

#endif
