#define _GNU_SOURCE
#include "reference.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

struct stream_reference {
	double *a, *b, *c;
	long n, passes;
	int threads, kernel;
	double seconds;
	pthread_barrier_t barrier;
};

typedef struct {
	stream_reference *s;
	int id;
} share;

/* GCC would make a call of memcpy of the copy, whose non-temporal stores for
   large sizes are another operation (copy_nt). */
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((optimize("no-tree-loop-distribute-patterns")))
#endif
static void copy(double *restrict c, const double *restrict a, long n)
{
	for (long j = 0; j < n; j++)
		c[j] = a[j];
}

static void triad(double *restrict a, const double *restrict b, const double *restrict c, double q, long n)
{
	for (long j = 0; j < n; j++)
		a[j] = b[j] + q * c[j];
}

static void *work(void *p)
{
	share *me = p;
	stream_reference *s = me->s;
	const long from = s->n * me->id / s->threads, n = s->n * (me->id + 1) / s->threads - from;
	double begin = 0;
	cpu_set_t cpu;
	CPU_ZERO(&cpu);
	CPU_SET(me->id, &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof cpu, &cpu); /* where refused, unpinned */
	if (s->kernel < 0)
		for (long j = from; j < from + n; j++)
			s->a[j] = 1, s->b[j] = 2, s->c[j] = 0;
	pthread_barrier_wait(&s->barrier);
	if (me->id == 0)
		begin = now();
	for (long i = 0; i < s->passes; i++) {
		if (s->kernel == REFERENCE_COPY)
			copy(s->c + from, s->a + from, n);
		else
			triad(s->a + from, s->b + from, s->c + from, 3, n);
		pthread_barrier_wait(&s->barrier);
	}
	if (me->id == 0)
		s->seconds = now() - begin;
	return NULL;
}

double stream_reference_run(stream_reference *s, int kernel, long passes)
{
	pthread_t thread[s->threads];
	share shares[s->threads];
	s->kernel = kernel, s->passes = passes;
	if (pthread_barrier_init(&s->barrier, NULL, (unsigned)s->threads))
		return -1;
	for (int i = 0; i < s->threads; i++) {
		shares[i] = (share){s, i};
		if (pthread_create(&thread[i], NULL, work, &shares[i]))
			abort(); /* the others wait for it at the barrier */
	}
	for (int i = 0; i < s->threads; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&s->barrier);
	return s->seconds;
}

/* array is on huge pages where there are some, as bench's own are: pages are not
   what the kernels are compared for. */
static double *array(long n)
{
	void *p;
	if (posix_memalign(&p, (size_t)2 << 20, (size_t)n * 8))
		return NULL;
	madvise(p, (size_t)n * 8, MADV_HUGEPAGE);
	return p;
}

stream_reference *stream_reference_new(long n, int threads)
{
	stream_reference *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->n = n, s->threads = threads;
	s->a = array(n), s->b = array(n), s->c = array(n);
	if (!s->a || !s->b || !s->c || stream_reference_run(s, -1, 0) < 0) {
		stream_reference_free(s);
		return NULL;
	}
	return s;
}

void stream_reference_free(stream_reference *s)
{
	free(s->a), free(s->b), free(s->c), free(s);
}

double sgemm_loop(int threads, int m, int n, int k, const float *a, const float *b, float *c, long count)
{
	void *lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return -1;
	void (*set)(int) = (void (*)(int))dlsym(lib, "openblas_set_num_threads");
	void (*sgemm)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int) =
		(void (*)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int))dlsym(lib, "cblas_sgemm");
	if (!set || !sgemm)
		return -1;
	set(threads);
	double begin = now();
	for (long i = 0; i < count; i++)
		sgemm(101, 111, 111, m, n, k, 1, a, k, b, n, 0, c, n);
	return now() - begin;
}
