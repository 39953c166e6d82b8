#define _GNU_SOURCE
#include "team.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A waiter spins this often before it starts to give its CPU away: some 50 us,
   longer than the ranks of a healthy team are apart, and short beside a time
   slice, so that little is lost where the rank waited for is not running. Where
   ranks share a CPU, the one waited for may need this very one, at once. */
#define SPINS 2000
#define SPINS_SHARED 1

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

/* One rank's own words, on cache lines of their own. */
typedef struct {
	_Alignas(CACHE_LINE) long phase; /* barriers passed */
	pthread_t thread;
	team *team;
	int rank, cpu;
	long iteration;
	/* Of the last run: the clock at its begin and end, the CPU time between. */
	double begin, end, on_cpu;
	int moved;
} worker;

struct team {
	/* The barrier: a count of those who have arrived, and the phase that the
	   last of them opens. A phase that counts up is the reversing sense of
	   Mellor-Crummey and Scott (TOCS 9(1), 1991, algorithm 7) with more than
	   two values, which spin_until can share with other flags. */
	_Alignas(CACHE_LINE) _Atomic int arrived;
	_Alignas(CACHE_LINE) _Atomic long phase;
	/* The work, under lock. */
	_Alignas(CACHE_LINE) pthread_mutex_t lock;
	pthread_cond_t start, done;
	long job; /* how many jobs were given out */
	int finished, quit;
	bench_kernel kernel;
	void *arg;
	long n;
	team_report report;
	int ranks, spins;
	worker *workers;
};

static _Thread_local worker *self;

double monotonic_seconds(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec + 1e-9 * ts.tv_nsec;
}

/* The CPU time of the calling thread. Where the kernel counts what a hypervisor
   steals, that is not in it. */
static double on_cpu_seconds(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec + 1e-9 * ts.tv_nsec;
}

static long long nanoseconds(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

void clock_measure(double *resolution, double *overhead)
{
	enum { readings = 20000 };
	long long step = 0, first = nanoseconds(), last = first;
	for (int i = 0; i < readings; i++) {
		long long now = nanoseconds();
		if (now > last && (step == 0 || now - last < step))
			step = now - last;
		last = now;
	}
	*overhead = 1e-9 * (last - first) / readings;
	*resolution = 1e-9 * step;
}

const char *compiler_version(void)
{
#if defined(__clang__)
	return __VERSION__; /* "Clang 16.0.6" */
#else
	return "gcc " __VERSION__;
#endif
}

int allowed_cpus(int *cpus, int max)
{
	/* The kernel refuses a mask shorter than its own, so grow until it fits. */
	for (int bits = 1024; bits <= 1 << 20; bits *= 2) {
		cpu_set_t *set = CPU_ALLOC(bits);
		size_t size = CPU_ALLOC_SIZE(bits);
		if (!set)
			return -ENOMEM;
		CPU_ZERO_S(size, set);
		if (sched_getaffinity(0, size, set) == 0) {
			int n = 0;
			for (int c = 0; c < bits; c++)
				if (CPU_ISSET_S(c, size, set)) {
					if (n < max)
						cpus[n] = c;
					n++;
				}
			CPU_FREE(set);
			return n;
		}
		int e = errno;
		CPU_FREE(set);
		if (e != EINVAL)
			return -e;
	}
	return -EINVAL;
}

void spin_until(const _Atomic long *flag, long value)
{
	const int spins = self ? self->team->spins : SPINS_SHARED;
	for (int i = 0; atomic_load_explicit(flag, memory_order_acquire) < value; i++) {
		if (i < spins)
			cpu_relax();
		else
			sched_yield();
	}
}

void team_barrier(team *t, int rank)
{
	long next = ++t->workers[rank].phase;
	if (atomic_fetch_add_explicit(&t->arrived, 1, memory_order_acq_rel) == t->ranks - 1) {
		/* Nobody arrives again before the phase opens, so the reset is safe. */
		atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
		atomic_store_explicit(&t->phase, next, memory_order_release);
		return;
	}
	spin_until(&t->phase, next);
}

int team_ranks(const team *t) { return t->ranks; }

long team_iteration(void) { return self ? self->iteration : 0; }

static void *work(void *p)
{
	worker *w = p;
	team *t = w->team;
	self = w;
	for (long seen = 0;;) {
		pthread_mutex_lock(&t->lock);
		while (t->job == seen && !t->quit)
			pthread_cond_wait(&t->start, &t->lock);
		int quit = t->quit;
		seen = t->job;
		pthread_mutex_unlock(&t->lock);
		if (quit)
			return NULL;
		team_barrier(t, w->rank);
		/* The two readings of CPU time enclose those of the clock. */
		double on_cpu = on_cpu_seconds();
		w->begin = monotonic_seconds();
		for (long i = 0; i < t->n; i++) {
			t->kernel(t->arg, w->rank, t->ranks);
			team_barrier(t, w->rank);
			w->iteration++;
		}
		w->end = monotonic_seconds();
		w->on_cpu = on_cpu_seconds() - on_cpu;
		w->moved = sched_getcpu() != w->cpu;
		pthread_mutex_lock(&t->lock);
		if (++t->finished == t->ranks)
			pthread_cond_signal(&t->done);
		pthread_mutex_unlock(&t->lock);
	}
}

/* A run lasts from the first worker's begin to the first one's end, when the last
   barrier has found all work done. One worker's clock alone would not do: where
   it is kept from its CPU as the others begin, they may be done before. */
static double duration(team *t)
{
	double begin = t->workers[0].begin, end = t->workers[0].end;
	for (int r = 1; r < t->ranks; r++) {
		if (t->workers[r].begin < begin)
			begin = t->workers[r].begin;
		if (t->workers[r].end < end)
			end = t->workers[r].end;
	}
	t->report = (team_report){.clock = end};
	for (int r = 0; r < t->ranks; r++) {
		double off = end - begin - t->workers[r].on_cpu;
		if (off > 0)
			t->report.off_cpu += off;
		t->report.moved += t->workers[r].moved;
	}
	return end - begin;
}

double team_run(team *t, bench_kernel kernel, void *arg, long n)
{
	pthread_mutex_lock(&t->lock);
	t->kernel = kernel;
	t->arg = arg;
	t->n = n;
	t->finished = 0;
	t->job++;
	pthread_cond_broadcast(&t->start);
	while (t->finished < t->ranks)
		pthread_cond_wait(&t->done, &t->lock);
	pthread_mutex_unlock(&t->lock);
	return duration(t);
}

team_report team_last(const team *t) { return t->report; }

/* stop ends the first n workers and frees the team. */
static void stop(team *t, int n)
{
	pthread_mutex_lock(&t->lock);
	t->quit = 1;
	pthread_cond_broadcast(&t->start);
	pthread_mutex_unlock(&t->lock);
	for (int r = 0; r < n; r++)
		pthread_join(t->workers[r].thread, NULL);
	pthread_cond_destroy(&t->start);
	pthread_cond_destroy(&t->done);
	pthread_mutex_destroy(&t->lock);
	free(t->workers);
	free(t);
}

/* start creates the thread of rank r on one CPU, and returns errno. The
   affinity is part of the attributes, so the thread never runs elsewhere. */
static int start(team *t, int r, int cpu)
{
	size_t size = CPU_ALLOC_SIZE(cpu + 1);
	cpu_set_t *set = CPU_ALLOC(cpu + 1);
	if (!set)
		return ENOMEM;
	CPU_ZERO_S(size, set);
	CPU_SET_S(cpu, size, set);
	pthread_attr_t attr;
	int e = pthread_attr_init(&attr);
	if (e == 0) {
		e = pthread_attr_setaffinity_np(&attr, size, set);
		if (e == 0)
			e = pthread_create(&t->workers[r].thread, &attr, work, &t->workers[r]);
		pthread_attr_destroy(&attr);
	}
	CPU_FREE(set);
	return e;
}

team *team_create(int ranks, const int *cpus, char *err, size_t errlen)
{
	if (ranks < 1) {
		snprintf(err, errlen, "a team of %d workers cannot be started: at least 1 is needed", ranks);
		return NULL;
	}
	int own[4096], allowed = 0;
	if (!cpus) {
		allowed = allowed_cpus(own, 4096);
		if (allowed < 1) {
			snprintf(err, errlen, "the CPUs that this process may use cannot be read: %s", strerror(-allowed));
			return NULL;
		}
		if (allowed > 4096)
			allowed = 4096;
	}
	team *t = aligned_alloc(CACHE_LINE, sizeof *t);
	worker *workers = aligned_alloc(CACHE_LINE, sizeof *workers * ranks);
	if (!t || !workers) {
		free(t);
		free(workers);
		snprintf(err, errlen, "no memory for a team of %d workers", ranks);
		return NULL;
	}
	memset(t, 0, sizeof *t);
	memset(workers, 0, sizeof *workers * ranks);
	t->ranks = ranks;
	t->workers = workers;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->start, NULL);
	pthread_cond_init(&t->done, NULL);

	/* Signals belong to the Go runtime's own threads; workers inherit this
	   mask. */
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	t->spins = SPINS;
	for (int r = 0; r < ranks; r++)
		for (int q = 0; q < r; q++)
			if (cpus ? cpus[r] == cpus[q] : r >= allowed)
				t->spins = SPINS_SHARED;
	for (int r = 0; r < ranks; r++) {
		int cpu = cpus ? cpus[r] : own[r % allowed];
		workers[r].team = t;
		workers[r].rank = r;
		workers[r].cpu = cpu;
		int e = start(t, r, cpu);
		if (e) {
			snprintf(err, errlen, "worker %d of %d cannot be started on CPU %d: %s", r, ranks, cpu, strerror(e));
			stop(t, r);
			t = NULL;
			break;
		}
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return t;
}

void team_destroy(team *t)
{
	if (t)
		stop(t, t->ranks);
}
