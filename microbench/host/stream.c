#include "stream.h"

#include <math.h>
#include <string.h>

#include "isa.h"
#include "random.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* A pass over n bytes a array (a multiple of the element), one instruction set
 * and element type each. Returns the sum for STREAM_READ, else 0. */
typedef double (*pass_fn)(int kernel, void *a, void *b, void *c, size_t n, double q);

/* PASS expands to a pass function. V is a vector of T that holds L of them;
 * LOAD, STORE, NT and FMA are its operations. The main loop moves 4 vectors a
 * step; what is left, and all of a small array, goes element by element. */
#define PASS(name, target, T, V, L, LOAD, STORE, NT, SET, ADD, MUL, FMA)                    \
	target static double name(int kernel, void *va, void *vb, void *vc, size_t n, double dq) { \
		T *a = va, *b = vb, *c = vc;                                                        \
		const T q = (T)dq;                                                                  \
		const V vq = SET(q);                                                                \
		const size_t step = 4 * (L), main = n / step * step;                                \
		size_t i = 0;                                                                       \
		double sum = 0;                                                                     \
		switch (kernel) {                                                                   \
		case STREAM_READ: {                                                                 \
			V s[8];                                                                         \
			for (int j = 0; j < 8; j++) s[j] = SET(0);                                      \
			for (; i + 2 * step <= n; i += 2 * step) {                                      \
				s[0] = ADD(s[0], LOAD(a + i)), s[1] = ADD(s[1], LOAD(a + i + (L)));         \
				s[2] = ADD(s[2], LOAD(a + i + 2 * (L))), s[3] = ADD(s[3], LOAD(a + i + 3 * (L))); \
				s[4] = ADD(s[4], LOAD(a + i + 4 * (L))), s[5] = ADD(s[5], LOAD(a + i + 5 * (L))); \
				s[6] = ADD(s[6], LOAD(a + i + 6 * (L))), s[7] = ADD(s[7], LOAD(a + i + 7 * (L))); \
			}                                                                               \
			for (int j = 0; j < 8; j++) {                                                   \
				T lane[L];                                                                  \
				memcpy(lane, &s[j], sizeof lane);                                           \
				for (int l = 0; l < (L); l++) sum += lane[l];                               \
			}                                                                               \
			for (; i < n; i++) sum += a[i];                                                 \
			return sum;                                                                     \
		}                                                                                   \
		case STREAM_WRITE:                                                                  \
			for (; i < main; i += step)                                                     \
				for (size_t j = i; j < i + step; j += (L)) STORE(a + j, vq);                \
			for (; i < n; i++) a[i] = q;                                                    \
			return 0;                                                                       \
		case STREAM_WRITE_NT:                                                               \
			for (; i < main; i += step)                                                     \
				for (size_t j = i; j < i + step; j += (L)) NT(a + j, vq);                   \
			for (; i < n; i++) a[i] = q;                                                    \
			return 0;                                                                       \
		case STREAM_COPY:                                                                   \
			for (; i < main; i += step)                                                     \
				for (size_t j = i; j < i + step; j += (L)) STORE(b + j, LOAD(a + j));       \
			for (; i < n; i++) b[i] = a[i];                                                 \
			return 0;                                                                       \
		case STREAM_COPY_NT:                                                                \
			for (; i < main; i += step)                                                     \
				for (size_t j = i; j < i + step; j += (L)) NT(b + j, LOAD(a + j));          \
			for (; i < n; i++) b[i] = a[i];                                                 \
			return 0;                                                                       \
		case STREAM_SCALE:                                                                  \
			for (; i < main; i += step)                                                     \
				for (size_t j = i; j < i + step; j += (L)) STORE(b + j, MUL(vq, LOAD(a + j))); \
			for (; i < n; i++) b[i] = q * a[i];                                             \
			return 0;                                                                       \
		case STREAM_TRIAD:                                                                  \
			for (; i < main; i += step)                                                     \
				for (size_t j = i; j < i + step; j += (L))                                  \
					STORE(c + j, FMA(vq, LOAD(b + j), LOAD(a + j)));                        \
			for (; i < n; i++) c[i] = a[i] + q * b[i];                                      \
			return 0;                                                                       \
		case STREAM_TRIAD_NT:                                                               \
			for (; i < main; i += step)                                                     \
				for (size_t j = i; j < i + step; j += (L))                                  \
					NT(c + j, FMA(vq, LOAD(b + j), LOAD(a + j)));                           \
			for (; i < n; i++) c[i] = a[i] + q * b[i];                                      \
			return 0;                                                                       \
		}                                                                                   \
		return 0;                                                                           \
	}

/* Plain C, for arm64 too: GCC's vectors of 16 bytes are NEON or SSE2 there.
 * STNP is arm64's non-temporal hint; without a builtin for it in GCC the plain
 * kernels refuse the _nt operations (isa.go). */
typedef float v4f __attribute__((vector_size(16)));
typedef double v2d __attribute__((vector_size(16)));
#define PL_LOAD4(p) (*(const v4f *)(p))
#define PL_LOAD2(p) (*(const v2d *)(p))
#define PL_STORE4(p, v) (*(v4f *)(p) = (v))
#define PL_STORE2(p, v) (*(v2d *)(p) = (v))
#define PL_SET4(x) ((v4f){(x), (x), (x), (x)})
#define PL_SET2(x) ((v2d){(x), (x)})
#define PL_ADD(x, y) ((x) + (y))
#define PL_MUL(x, y) ((x) * (y))
#define PL_FMA(x, y, z) ((x) * (y) + (z))
PASS(plain_f32, , float, v4f, 4, PL_LOAD4, PL_STORE4, PL_STORE4, PL_SET4, PL_ADD, PL_MUL, PL_FMA)
PASS(plain_f64, , double, v2d, 2, PL_LOAD2, PL_STORE2, PL_STORE2, PL_SET2, PL_ADD, PL_MUL, PL_FMA)

#if defined(__x86_64__)
PASS(avx2_f32, TARGET_AVX2, float, __m256, 8, _mm256_load_ps, _mm256_store_ps, _mm256_stream_ps,
	 _mm256_set1_ps, _mm256_add_ps, _mm256_mul_ps, _mm256_fmadd_ps)
PASS(avx2_f64, TARGET_AVX2, double, __m256d, 4, _mm256_load_pd, _mm256_store_pd, _mm256_stream_pd,
	 _mm256_set1_pd, _mm256_add_pd, _mm256_mul_pd, _mm256_fmadd_pd)
PASS(avx512_f32, TARGET_AVX512, float, __m512, 16, _mm512_load_ps, _mm512_store_ps, _mm512_stream_ps,
	 _mm512_set1_ps, _mm512_add_ps, _mm512_mul_ps, _mm512_fmadd_ps)
PASS(avx512_f64, TARGET_AVX512, double, __m512d, 8, _mm512_load_pd, _mm512_store_pd, _mm512_stream_pd,
	 _mm512_set1_pd, _mm512_add_pd, _mm512_mul_pd, _mm512_fmadd_pd)
#endif

static pass_fn choose(int isa, int element) {
#if defined(__x86_64__)
	if (isa == ISA_AVX512) return element == 8 ? avx512_f64 : avx512_f32;
	if (isa == ISA_AVX2) return element == 8 ? avx2_f64 : avx2_f32;
#endif
	(void)isa;
	return element == 8 ? plain_f64 : plain_f32;
}

void stream_fill(void *arg, int rank, int ranks) {
	stream_work *w = arg;
	stream_part *p = &w->parts[rank];
	(void)ranks;
	for (int k = 0; k < 3; k++) {
		uint64_t s = w->seed + (uint64_t)rank * 3 + (uint64_t)k;
		for (size_t i = 0; p->array[k] && i < p->count; i++) {
			double x = 0.5 + (double)(random64(&s) >> 60) / 16;
			if (w->element == 8)
				((double *)p->array[k])[i] = x;
			else
				((float *)p->array[k])[i] = (float)x;
		}
	}
}

void stream_pass(void *arg, int rank, int ranks) {
	stream_work *w = arg;
	stream_part *p = &w->parts[rank];
	pass_fn pass = choose(w->isa, w->element);
	double sum = 0;
	(void)ranks;
	for (long i = 0; i < w->passes; i++) {
		sum = pass(w->kernel, p->array[0], p->array[1], p->array[2], p->count, w->q);
		/* The compiler must take every pass for a reader of memory and of the sum. */
		__asm__ volatile("" : "+m"(sum) : : "memory");
	}
#if defined(__x86_64__)
	_mm_sfence(); /* non-temporal stores are done when the clock is read */
#endif
	p->sum = sum;
}

void stream_spoil(void *arg, int rank, int ranks)
{
	stream_work *w = arg;
	stream_part *p = &w->parts[rank];
	(void)ranks;
	p->sum = NAN;
	int out = w->kernel == STREAM_READ ? -1 : w->kernel <= STREAM_WRITE_NT ? 0 : w->kernel <= STREAM_SCALE ? 1 : 2;
	if (out >= 0)
		memset(p->array[out], 0xff, p->count * (size_t)w->element);
}

void launch_empty(void *arg, int rank, int ranks) { (void)arg, (void)rank, (void)ranks; }

static double at(const void *array, size_t i, int element)
{
	return element == 8 ? ((const double *)array)[i] : ((const float *)array)[i];
}

static void compare(stream_part *p, double got, double want, double bound)
{
	double error = fabs(got - want) / fabs(want);
	if (!(error <= bound))
		p->wrong++;
	if (!(error <= p->worst))
		p->worst = error;
}

void stream_check(void *arg, int rank, int ranks)
{
	stream_work *w = arg;
	stream_part *p = &w->parts[rank];
	double sum = 0;
	(void)ranks;
	p->wrong = 0, p->worst = 0;
	for (size_t i = 0; i < p->count; i++) {
		double a = at(p->array[0], i, w->element);
		switch (w->kernel) {
		case STREAM_READ: sum += a; break;
		case STREAM_WRITE:
		case STREAM_WRITE_NT: compare(p, a, w->q, w->bound); break;
		case STREAM_COPY:
		case STREAM_COPY_NT: compare(p, at(p->array[1], i, w->element), a, w->bound); break;
		case STREAM_SCALE: compare(p, at(p->array[1], i, w->element), w->q * a, w->bound); break;
		default:
			compare(p, at(p->array[2], i, w->element), a + w->q * at(p->array[1], i, w->element), w->bound);
		}
	}
	if (w->kernel == STREAM_READ)
		compare(p, p->sum, sum, w->bound);
}
