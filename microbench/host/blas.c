#define _GNU_SOURCE
#include "blas.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "team.h"

/* CBLAS (BLAS Technical Forum standard, 2001, annex B), 32-bit integers. */
enum { ROW_MAJOR = 101, NO_TRANS = 111 };
typedef void (*sgemm_fn)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
typedef void (*dgemm_fn)(int, int, int, int, int, int, double, const double *, int, const double *, int, double, double *, int);

/* oneDNN's BLAS-like calls (dnnl.h): row-major, 64-bit integers, 0 is success. */
typedef int (*dnnl_sgemm_fn)(char, char, int64_t, int64_t, int64_t, float, const float *, int64_t, const float *, int64_t, float, float *, int64_t);
typedef int (*dnnl_u8s8s32_fn)(char, char, char, int64_t, int64_t, int64_t, float, const uint8_t *, int64_t, uint8_t,
                               const int8_t *, int64_t, int8_t, float, int32_t *, int64_t, const int32_t *);
typedef struct {
	int major, minor, patch;
	const char *hash;
	unsigned cpu_runtime, gpu_runtime;
} dnnl_version_t;

struct blas_library {
	sgemm_fn sgemm;
	dgemm_fn dgemm;
	dnnl_sgemm_fn dnnl_sgemm;
	dnnl_u8s8s32_fn dnnl_u8s8s32;
	void *set_threads, *get_threads;
	int long_threads; /* BLIS counts threads in 64-bit integers */
	char version[256], path[512];
};

static const struct {
	const char *name, *set_threads, *get_threads;
} known[] = {
	{"openblas", "openblas_set_num_threads", "openblas_get_num_threads"},
	{"mkl", "MKL_Set_Num_Threads", "MKL_Get_Max_Threads"},
	{"blis", "bli_thread_set_num_threads", "bli_thread_get_num_threads"},
	{"onednn", "omp_set_num_threads", "omp_get_max_threads"},
};

/* read_version asks the library what it is. */
static void read_version(blas_library *l, void *handle, const char *name)
{
	char *to = l->version;
	const size_t n = sizeof l->version;
	snprintf(to, n, "unknown version");
	void *f;
	if (!strcmp(name, "openblas") && (f = dlsym(handle, "openblas_get_config"))) {
		snprintf(to, n, "%s", ((const char *(*)(void))f)());
	} else if (!strcmp(name, "mkl") && (f = dlsym(handle, "MKL_Get_Version_String"))) {
		((void (*)(char *, int))f)(to, (int)n);
		to[n - 1] = 0;
	} else if (!strcmp(name, "blis") && (f = dlsym(handle, "bli_info_get_version_str"))) {
		snprintf(to, n, "BLIS %s", ((const char *(*)(void))f)());
	} else if (!strcmp(name, "onednn") && (f = dlsym(handle, "dnnl_version"))) {
		const dnnl_version_t *v = ((const dnnl_version_t *(*)(void))f)();
		snprintf(to, n, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
	}
	for (size_t i = strlen(to); i > 0 && to[i - 1] == ' '; i--)
		to[i - 1] = 0;
}

blas_library *blas_open(const char *name, const char *file, char *err, size_t errlen)
{
	size_t which = 0, count = sizeof known / sizeof *known;
	while (which < count && strcmp(known[which].name, name))
		which++;
	void *handle = which < count ? dlopen(file, RTLD_NOW | RTLD_LOCAL) : NULL;
	if (!handle) {
		snprintf(err, errlen, "the library %s does not load from %s", name, file);
		return NULL;
	}
	blas_library *l = calloc(1, sizeof *l);
	if (!l) {
		snprintf(err, errlen, "no memory for the library %s", name);
		return NULL;
	}
	l->sgemm = (sgemm_fn)dlsym(handle, "cblas_sgemm");
	l->dgemm = (dgemm_fn)dlsym(handle, "cblas_dgemm");
	l->dnnl_sgemm = (dnnl_sgemm_fn)dlsym(handle, "dnnl_sgemm");
	l->dnnl_u8s8s32 = (dnnl_u8s8s32_fn)dlsym(handle, "dnnl_gemm_u8s8s32");
	l->set_threads = dlsym(handle, known[which].set_threads);
	l->get_threads = dlsym(handle, known[which].get_threads);
	l->long_threads = !strcmp(name, "blis");
	read_version(l, handle, name);
	Dl_info info;
	void *any = l->sgemm ? (void *)l->sgemm : (void *)l->dnnl_sgemm;
	if (!any || !dladdr(any, &info)) {
		snprintf(err, errlen, "the library %s has no cblas_sgemm: its build left CBLAS out", name);
		free(l);
		return NULL;
	}
	char *real = realpath(info.dli_fname, NULL);
	snprintf(l->path, sizeof l->path, "%s", real ? real : info.dli_fname);
	free(real);
	return l;
}

const char *blas_version(const blas_library *l) { return l->version; }
const char *blas_path(const blas_library *l) { return l->path; }

int blas_has(const blas_library *l, int type)
{
	switch (type) {
	case GEMM_FP64: return l->dgemm != NULL;
	case GEMM_FP32: return l->sgemm != NULL || l->dnnl_sgemm != NULL;
	case GEMM_INT8: return l->dnnl_u8s8s32 != NULL;
	}
	return 0;
}

int blas_set_threads(const blas_library *l, int n)
{
	if (!l->set_threads || !l->get_threads)
		return 0;
	if (l->long_threads) {
		((void (*)(long))l->set_threads)(n);
		return (int)((long (*)(void))l->get_threads)();
	}
	((void (*)(int))l->set_threads)(n);
	return ((int (*)(void))l->get_threads)();
}

/* product calls the library once; 0 is success. */
static int product(const blas_library *l, const gemm_work *w, const void *a, const void *b, void *c)
{
	const int m = (int)w->m, n = (int)w->n, k = (int)w->k;
	const int32_t zero = 0;
	switch (w->type) {
	case GEMM_FP64:
		l->dgemm(ROW_MAJOR, NO_TRANS, NO_TRANS, m, n, k, 1, a, k, b, n, 0, c, n);
		return 0;
	case GEMM_FP32:
		if (!l->sgemm)
			return l->dnnl_sgemm('N', 'N', m, n, k, 1, a, k, b, n, 0, c, n);
		l->sgemm(ROW_MAJOR, NO_TRANS, NO_TRANS, m, n, k, 1, a, k, b, n, 0, c, n);
		return 0;
	default: return l->dnnl_u8s8s32('N', 'N', 'F', m, n, k, 1, a, k, 0, b, n, 0, 0, c, n, &zero);
	}
}

double blas_run(const blas_library *l, const gemm_work *w, long n, long *next)
{
	int failed = 0;
	double begin = monotonic_seconds();
	for (long i = 0; i < n; i++) {
		long copy = *next % w->copies;
		failed |= product(l, w, w->a + copy * w->a_stride, w->b + copy * w->b_stride, w->c + copy * w->c_stride);
		++*next;
	}
	double end = monotonic_seconds();
	return failed ? -1 : end - begin;
}
