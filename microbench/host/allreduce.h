/* allreduce.h: all-reduce among the workers, over shared memory. */
#ifndef BENCH_ALLREDUCE_H
#define BENCH_ALLREDUCE_H

#include "team.h"

enum { ELEMENT_F32, ELEMENT_F64, ELEMENT_BF16 };

/* One rank's progress through a ring, on a cache line of its own. */
typedef struct {
	_Alignas(CACHE_LINE) _Atomic long done; /* chunks published, over all runs */
} ring_progress;

/* One rank's count of wrong elements, likewise. */
typedef struct {
	_Alignas(CACHE_LINE) long wrong;
} rank_count;

typedef struct {
	int element, isa;
	long count;    /* elements a rank */
	long chunk;    /* elements that a rank of a ring passes on at once */
	int one_shot;  /* direct: every rank adds up the whole buffer for itself */
	int stream;    /* results go past the caches */
	int modulus;   /* inputs are integers below it, so that sums are exact */
	void **in, **out; /* a buffer a rank; the same where in place */
	ring_progress *progress;
	rank_count *counts;
} allreduce_arg;

/* Kernels for team_run, all with an allreduce_arg.

   allreduce_direct: rank r owns the r-th slice of the buffer. It adds that
   slice up over all inputs and writes the sum to all outputs, one pass. The
   owner alone touches a slice, in whichever buffer, so that it needs no other
   synchronisation than the barrier between iterations, also in place.

   allreduce_ring: reduce-scatter, then all-gather, round a ring, a slab of
   ranks × chunk elements after the other (Patarasu and Yuan, J. Parallel
   Distrib. Comput. 69(2), 2009). A rank reads what its left neighbour has
   published and publishes a chunk by counting it; a slab stays in the caches
   from its first step to its last, and neighbours work on different slabs.

   allreduce_fill writes inputs whose sums are exact and spoils the outputs;
   allreduce_check counts in counts the elements of each rank's output that
   differ from the exact sum. */
void allreduce_direct(void *arg, int rank, int ranks);
void allreduce_ring(void *arg, int rank, int ranks);
void allreduce_fill(void *arg, int rank, int ranks);
void allreduce_check(void *arg, int rank, int ranks);

#endif
