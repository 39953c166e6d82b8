/* sentinel.h: a fixed piece of work that shows whether the machine changed. */
#ifndef BENCH_SENTINEL_H
#define BENCH_SENTINEL_H

/* What one worker passes over, beyond its private caches. */
#define SENTINEL_DOUBLES (1L << 21)

typedef struct {
	double *data; /* SENTINEL_DOUBLES for every rank */
	double *sums; /* one a rank, 8 apart */
} sentinel_arg;

/* sentinel is arithmetic in registers, then a pass over memory, a millisecond
   or so each. */
void sentinel(void *arg, int rank, int ranks);

#endif
