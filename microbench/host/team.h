/* team.h: a fixed set of threads, one a CPU, that run kernels together. */
#ifndef BENCH_TEAM_H
#define BENCH_TEAM_H

#include <stddef.h>

#include "kernel.h"

#define CACHE_LINE 64

typedef struct team team;

/* team_create starts ranks threads and pins rank r to cpus[r], or, where cpus
   is NULL, to the r-th CPU that the process may use, going round where there
   are fewer than ranks. It returns NULL, with a sentence in err, where a thread
   cannot be started or pinned. */
team *team_create(int ranks, const int *cpus, char *err, size_t errlen);

/* team_run runs kernel n times on every rank, with a barrier after each
   iteration, and returns the seconds of all n by CLOCK_MONOTONIC_RAW, once every
   rank is awake: from the first rank's begin to the first that leaves the last
   barrier. The caller sleeps meanwhile. One caller at a time. */
double team_run(team *t, bench_kernel kernel, void *arg, long n);

/* What became of the workers in a team_run. */
typedef struct {
	/* off_cpu is for how many seconds of those a worker was not running, all
	   workers together: stopped, preempted, its control group's quota spent,
	   waiting for a page. */
	double off_cpu;
	/* clock is what the clock read at their end. */
	double clock;
	/* moved counts the workers that ended on another CPU than theirs. */
	int moved;
} team_report;

/* team_last reports on the last team_run. */
team_report team_last(const team *t);

/* team_iteration is the index, from 0, of the iteration that the calling
   worker is in, counted on over the runs of a team's life: a kernel that
   rotates through operands takes it modulo their number. */
long team_iteration(void);

/* team_barrier returns once every rank has called it. */
void team_barrier(team *t, int rank);

/* team_ranks is how many workers there are. */
int team_ranks(const team *t);

void team_destroy(team *t);

/* spin_until waits until *flag, read with acquire order, is at least value:
   it spins for a while, then gives the CPU away, so that it also ends where
   the writer needs this very CPU. */
void spin_until(const _Atomic long *flag, long value);

/* monotonic_seconds reads the clock that team_run uses. */
double monotonic_seconds(void);

/* clock_measure gives the smallest step seen between two different readings
   of the clock and the mean cost of one reading, both in seconds. */
void clock_measure(double *resolution, double *overhead);

/* compiler_version names the compiler that built the kernels. */
const char *compiler_version(void);

/* allowed_cpus writes the CPUs that the process may use to cpus, at most max,
   and returns how many there are, or -errno. */
int allowed_cpus(int *cpus, int max);

#endif
