/* blas.h: libraries that multiply matrices, opened at run time. */
#ifndef BENCH_BLAS_H
#define BENCH_BLAS_H

#include <stddef.h>

#include "gemm.h"

typedef struct blas_library blas_library;

/* blas_open opens "openblas", "blis", "mkl" or "onednn" from its file, an absolute
   path. It returns NULL with a sentence in err. A library stays open: its threads
   may not survive being unmapped. */
blas_library *blas_open(const char *name, const char *file, char *err, size_t errlen);

const char *blas_version(const blas_library *l);
/* blas_path is the file that the loader took the library from. */
const char *blas_path(const blas_library *l);
/* blas_has says whether the library multiplies this gemm_type. */
int blas_has(const blas_library *l, int type);

/* blas_set_threads asks for n threads by the library's own call and returns how
   many the library then says it will use, or 0 where it cannot tell. */
int blas_set_threads(const blas_library *l, int n);

/* blas_run makes the product n times from the calling thread, from copy *next on,
   and returns the seconds of all n by the clock of team_run; or -1 where the
   library reports an error. *next moves on. */
double blas_run(const blas_library *l, const gemm_work *w, long n, long *next);

#endif
