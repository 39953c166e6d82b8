/* reference.h: what bench's kernels are compared with, written as plainly as its
   definition reads. */
#ifndef BENCH_REFERENCE_H
#define BENCH_REFERENCE_H

/* STREAM's arrays (McCalpin 1995): three of n doubles, filled by the threads that
   will use them. stream_reference runs COPY (c = a) or TRIAD (a = b + q·c) passes
   times on the threads, a barrier after each as OpenMP would put one, and returns
   the seconds of all. NULL or -1 where memory or threads are refused. */
typedef struct stream_reference stream_reference;
enum { REFERENCE_COPY, REFERENCE_TRIAD };
stream_reference *stream_reference_new(long n, int threads);
double stream_reference_run(stream_reference *s, int kernel, long passes);
void stream_reference_free(stream_reference *s);

/* sgemm_loop calls OpenBLAS's cblas_sgemm n times on threads of its own and
   returns the seconds of all, or -1 where the library is not installed. */
double sgemm_loop(int threads, int m, int n, int k, const float *a, const float *b, float *c, long count);

#endif
