/* attention.h: one new token a sequence attends to its KV cache. */
#ifndef BENCH_ATTENTION_H
#define BENCH_ATTENTION_H

#include "matrix.h"
#include "team.h"

/* How many positions go through a softmax at once. */
#define ATTENTION_BLOCK 256

typedef struct {
	int type; /* WEIGHT_ of the cache */
	long batch, context, heads, kv_heads, head_dim;
	/* The cache, a matrix for every sequence and KV head: keys have positions
	   as outputs, values have them as inputs. */
	matrix keys, values;
	/* Rows of a sequence, `row` floats apart. Queries of all heads, and the new
	   token's keys and values, or NULL where the cache holds them already. */
	float *query, *key, *value;
	long row;
	/* cos and sin of the new token's position for each pair of dimensions (Su
	   et al., "RoFormer", 2021, equation 34), or NULL for no rotation. */
	const float *cosine, *sine;
	float *out; /* batch rows of heads · head_dim */
	char *scratch; /* attention_scratch bytes for every rank */
} attention;

/* The work is batch · kv_heads items of panels_of(context) units each, one
   item's after the other, and every rank takes an equal run of units: whole
   items where they come out even, and parts of a context where they do not
   (Dao et al., "Flash-Decoding for long-context inference", 2023). */
void attention_attend(const attention *a, const vector_ops *ops, char *base, int rank, int ranks);

/* attention_is_split says whether any item is shared, so that after a barrier
   attention_merge must join the parts. */
int attention_is_split(const attention *a, int ranks);
void attention_merge(const attention *a, const vector_ops *ops, int rank, int ranks);

size_t attention_scratch(const attention *a);

/* The attention alone, as a kernel for team_run. */
typedef struct {
	attention attention;
	const vector_ops *ops;
	team *team;
	char *base;
	size_t stride;
	long copies;
} attention_arg;

void attention_kernel(void *arg, int rank, int ranks);

/* attention_reference computes one sequence's row in double precision, straight
   from the definition. key and value are the new token's, as attention's are. */
void attention_reference(const attention *a, long sequence, const double *query, const double *key,
                         const double *value, double *out);

#endif
