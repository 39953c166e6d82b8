/* sentinel.h: a fixed piece of work that shows whether the machine changed. */
#ifndef BENCH_SENTINEL_H
#define BENCH_SENTINEL_H

/* What one worker passes over, 256 KiB: within a private second-level cache, so
   that the time does not depend on what the case before left in the shared one. */
#define SENTINEL_DOUBLES (1L << 15)
#define SENTINEL_PASSES 64

typedef struct {
	double *data; /* SENTINEL_DOUBLES for every rank */
	double *sums; /* one a rank, 8 apart */
} sentinel_arg;

/* sentinel is arithmetic in registers, then passes over a private cache, about a
   millisecond together. */
void sentinel(void *arg, int rank, int ranks);

#endif
