/* layer.h: one decode step of one transformer layer. */
#ifndef BENCH_LAYER_H
#define BENCH_LAYER_H

#include "attention.h"
#include "experts.h"

typedef struct {
	attention attention;
	experts experts;
	const vector_ops *ops;
	team *team;
	char *base; /* copies of the layer's weights and cache, stride bytes apart */
	size_t stride;
	long copies;
	/* Gains of the two norms, as fp32 vectors behind the matrices. */
	size_t gain[2];
	matrix qkv, output;
	float *x; /* the step's input, a row of whole panels for each sequence */
	float *norm, *middle, *out; /* alike: normalised, after attention, result */
	float *projected; /* rows of queries, keys, values: whole panels */
} layer_arg;

/* layer_kernel is a kernel for team_run. It rotates through the copies. */
void layer_kernel(void *arg, int rank, int ranks);

/* layer_fill_rest fills what is no matrix, after fill_matrices has made the
   copies: the gains (around 1), the tables of the rotation, and the input. */
void layer_fill_rest(layer_arg *a, float *cosine, float *sine);

/* The most that one element of one sequence's row differs from the reference,
   relative to the row's root mean square, and how many elements are off by more
   than the bound. short_by is how far the router's choice falls short. */
typedef struct {
	double error, short_by;
	long wrong;
} row_check;

/* A kernel for team_run that checks some rows of one of the three. */
typedef struct {
	const layer_arg *layer;
	const attention_arg *attention;
	const moe_arg *moe;
	long count;
	const long *rows; /* sequences or tokens */
	double bound;
	row_check *found; /* one a row */
} check_arg;

/* spoil_rows makes NaN of the results and of everything that the steps hand on:
   what is left of an earlier run, or memory that is still zero, could make up
   for a step that does not do its work, or comes too late. */
void spoil_rows(const check_arg *a, int ranks);

void check_rows(void *arg, int rank, int ranks);

/* fill_rows writes n rows of random values of ±1.73, of unit variance, `row`
   floats apart. */
void fill_rows(float *x, long rows, long width, long row, uint32_t seed);

#endif
