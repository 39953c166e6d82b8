/* Passes over memory, as STREAM defines them (McCalpin 1995): suite hbm. */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stddef.h>
#include <stdint.h>

enum stream_kernel {
	STREAM_READ,     /* sum of a */
	STREAM_WRITE,    /* a = q */
	STREAM_WRITE_NT, /* the same with non-temporal stores */
	STREAM_COPY,     /* b = a */
	STREAM_COPY_NT,
	STREAM_SCALE,    /* b = q·a */
	STREAM_TRIAD,    /* c = a + q·b */
	STREAM_TRIAD_NT,
	STREAM_KERNELS
};

/* One worker's part. The arrays lie one behind the other in one mapping that
   the worker itself touches first. */
typedef struct {
	void *base; /* the mapping and its size */
	size_t bytes;
	void *array[3];
	size_t count; /* elements of each array */
	double sum;   /* the answer of STREAM_READ */
	long wrong;   /* what stream_check found */
	double worst;
	void *chain;  /* latency: where the worker stands in its chain */
	char pad[64]; /* keeps workers' answers on lines of their own */
} stream_part;

typedef struct {
	int kernel, isa, element; /* element: 4 (float) or 8 (double) bytes */
	long passes;
	double q, bound;
	uint64_t seed;
	stream_part *parts; /* one a rank */
} stream_work;

/* Kernels for team_run, all with a stream_work.
   stream_fill writes random multiples of 1/16 of [0.5, 1.5) to every array: with
   q = 3 all results, and sums of up to 2^25 floats a worker (2^20 a lane), are
   exact, so the check needs no tolerance.
   stream_pass makes `passes` passes over the worker's own part, without a
   barrier between passes: a barrier costs more than a pass over L1.
   stream_spoil makes a NaN of every element that a pass is to write, and of the
   sum: an element that the pass leaves out can't look right by chance.
   stream_check compares the arrays with their definition, recomputed from the
   inputs in double precision: wrong counts the elements that are off by more
   than bound, relative to the reference, and worst is the largest such error.
   latency_link links the worker's part, a 64-byte line an element, into one
   random cycle; latency_chase follows it for `passes` loads from where the last
   call stopped. launch_empty does nothing. */
void stream_fill(void *work, int rank, int ranks);
void stream_pass(void *work, int rank, int ranks);
void stream_spoil(void *work, int rank, int ranks);
void stream_check(void *work, int rank, int ranks);
void latency_link(void *work, int rank, int ranks);
void latency_chase(void *work, int rank, int ranks);
void launch_empty(void *work, int rank, int ranks);

/* latency_cycle walks the cycle and returns its length in lines, or -1 where
   it leaves the part or does not come back within its size. */
long latency_cycle(const stream_work *work, int rank);

/* latency_followed is 1 where the worker stands `loads` lines behind the first,
   as it must after so many loads from there: a chase that leaves loads out
   would be fast, and no array shows it. */
int latency_followed(const stream_work *work, int rank, long loads);

#endif
