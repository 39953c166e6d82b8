#include "peak.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "isa.h"
#include "bf16.h"
#include "random.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* 12 accumulators cover 2 instructions a cycle of up to 6 cycles' latency and
   leave room for the operands in 16 registers. arm64 has 32 registers and cores
   with 4 pipes, so 24 there. */
#define EACH12(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)
#define EACH24(F) EACH12(F) F(12) F(13) F(14) F(15) F(16) F(17) F(18) F(19) F(20) F(21) F(22) F(23)

#define LOAD_ACC(i) s##i = in[i];
#define STORE_ACC(i) out[i] = s##i;
#define OP_B(i) s##i = OP(s##i, a, b);
#define OP_C(i) s##i = OP(s##i, a, c);
#define DECLARE12 s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
#define DECLARE24 DECLARE12, s12, s13, s14, s15, s16, s17, s18, s19, s20, s21, s22, s23
#define BODY(V, EACH, DECLARE)                                                  \
	{                                                                           \
		V a, b, c, DECLARE, *in = (V *)p->start, *out = (V *)p->acc;            \
		memcpy(&a, p->a, sizeof a);                                             \
		memcpy(&b, p->b, sizeof b);                                             \
		memcpy(&c, p->c, sizeof c);                                             \
		EACH(LOAD_ACC)                                                          \
		for (long i = 0; i < loops; i++) {                                      \
			EACH(OP_B)                                                          \
			EACH(OP_C)                                                          \
		}                                                                       \
		EACH(STORE_ACC)                                                         \
	}

typedef float v4f __attribute__((vector_size(16)));
typedef double v2d __attribute__((vector_size(16)));

#if defined(__aarch64__)
#define PLAIN_ACCUMULATORS 24
#define PLAIN_BODY(V) BODY(V, EACH24, DECLARE24)
#else
#define PLAIN_ACCUMULATORS 12
#define PLAIN_BODY(V) BODY(V, EACH12, DECLARE12)
#endif
#define OP(s, x, y) ((s) * (x) + (y))
static void plain_f64(peak_part *p, long loops) PLAIN_BODY(v2d)
static void plain_f32(peak_part *p, long loops) PLAIN_BODY(v4f)
#undef OP

#if defined(__x86_64__)
#define X86(name, targets, V) \
	__attribute__((target(targets))) static void name(peak_part *p, long loops) BODY(V, EACH12, DECLARE12)
#define OP _mm256_fmadd_pd
X86(avx2_f64, "avx2,fma", __m256d)
#undef OP
#define OP _mm256_fmadd_ps
X86(avx2_f32, "avx2,fma", __m256)
#undef OP
#define OP _mm512_fmadd_pd
X86(avx512_f64, "avx512f", __m512d)
#undef OP
#define OP _mm512_fmadd_ps
X86(avx512_f32, "avx512f", __m512)
#undef OP
#define OP(s, x, y) _mm512_dpbf16_ps(s, (__m512bh)(x), (__m512bh)(y))
X86(avx512_bf16, "avx512f,avx512bf16", __m512)
#undef OP
#define OP _mm512_dpbusd_epi32
X86(avx512_int8, "avx512f,avx512vnni", __m512i)
#undef OP
#define OP _mm256_dpbusd_avx_epi32
X86(avx_int8, "avx2,avxvnni", __m256i)
#undef OP
#endif

typedef void (*issue_fn)(peak_part *, long);

/* kernels is the table of what this binary holds. */
static const struct kernel {
	int type, isa, accumulators, bytes;
	issue_fn issue;
} kernels[] = {
	{PEAK_FP64, ISA_PLAIN, PLAIN_ACCUMULATORS, 16, plain_f64},
	{PEAK_FP32, ISA_PLAIN, PLAIN_ACCUMULATORS, 16, plain_f32},
#if defined(__x86_64__)
	{PEAK_FP64, ISA_AVX2, 12, 32, avx2_f64},
	{PEAK_FP32, ISA_AVX2, 12, 32, avx2_f32},
	{PEAK_FP64, ISA_AVX512, 12, 64, avx512_f64},
	{PEAK_FP32, ISA_AVX512, 12, 64, avx512_f32},
	{PEAK_BF16, PEAK_AVX512_BF16, 12, 64, avx512_bf16},
	{PEAK_INT8, PEAK_AVX512_VNNI, 12, 64, avx512_int8},
	{PEAK_INT8, PEAK_AVX_VNNI, 12, 32, avx_int8},
#endif
};

static const struct kernel *find(int type, int isa)
{
	for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
		if (kernels[i].type == type && kernels[i].isa == isa)
			return &kernels[i];
	return NULL;
}

int peak_shape(int type, int isa, int *accumulators, int *bytes)
{
	const struct kernel *k = find(type, isa);
	if (k)
		*accumulators = k->accumulators, *bytes = k->bytes;
	return k != NULL;
}

/* One lane's exact steps: what a loop adds to it. */
static double drift(const peak_work *w, const peak_part *p, int lane)
{
	double d = 0;
	switch (w->type) {
	case PEAK_FP64: return ((const double *)p->c)[lane] - ((const double *)p->b)[lane];
	case PEAK_FP32: return ((const float *)p->c)[lane] - ((const float *)p->b)[lane];
	case PEAK_BF16:
		for (int i = 2 * lane; i < 2 * lane + 2; i++) {
			const uint16_t *a = (const void *)p->a, *b = (const void *)p->b, *c = (const void *)p->c;
			d += bf16_to_float(a[i]) * (bf16_to_float(b[i]) + bf16_to_float(c[i]));
		}
		return d;
	}
	for (int i = 4 * lane; i < 4 * lane + 4; i++)
		d += p->a[i] * ((int8_t)p->b[i] + (int8_t)p->c[i]);
	return d;
}

void peak_fill(void *arg, int rank, int ranks)
{
	peak_work *w = arg;
	peak_part *p = &w->parts[rank];
	uint64_t s = (uint64_t)rank + 1;
	(void)ranks;
	for (int i = 0; i < 64; i++) {
		double y = (double)(1 + random64(&s) % 1023) / 1024; /* of (0, 1), exact */
		int sixteenths = 16 + (int)(random64(&s) % 16);      /* of [1, 2) in 1/16 */
		int byte = 1 + (int)(random64(&s) % 126);
		switch (w->type) {
		case PEAK_FP64:
			if (i < 8)
				((double *)p->a)[i] = -1, ((double *)p->b)[i] = y, ((double *)p->c)[i] = y + 1.0 / 1024;
			break;
		case PEAK_FP32:
			if (i < 16)
				((float *)p->a)[i] = -1, ((float *)p->b)[i] = (float)y, ((float *)p->c)[i] = (float)y + 1.0f / 1024;
			break;
		case PEAK_BF16:
			if (i < 32) {
				((uint16_t *)p->a)[i] = bf16_from_float((float)sixteenths / 16);
				((uint16_t *)p->b)[i] = bf16_from_float(y < 0.5 ? 1.5f : 1.25f);
				((uint16_t *)p->c)[i] = bf16_from_float(y < 0.5 ? -1.4375f : -1.1875f);
			}
			break;
		default:
			p->a[i] = (unsigned char)(byte + (int)(y * 128)); /* unsigned: up to 253 */
			p->b[i] = (unsigned char)(int8_t)byte;
			p->c[i] = (unsigned char)(int8_t)(1 - byte);
		}
	}
	for (int i = 0; i < PEAK_ACCUMULATORS * 16; i++) {
		double y = (double)(random64(&s) % 1024) / 1024;
		if (w->type == PEAK_FP64) {
			if (i < PEAK_ACCUMULATORS * 8)
				((double *)p->start)[i] = y;
		} else if (w->type == PEAK_INT8)
			((int32_t *)p->start)[i] = (int32_t)(y * 1024);
		else
			((float *)p->start)[i] = (float)y;
	}
}

void peak_issue(void *arg, int rank, int ranks)
{
	peak_work *w = arg;
	(void)ranks;
	find(w->type, w->isa)->issue(&w->parts[rank], w->loops);
}

long peak_wrong(const peak_work *w, int rank, long *lanes)
{
	const struct kernel *k = find(w->type, w->isa);
	const peak_part *p = &w->parts[rank];
	int width = w->type == PEAK_FP64 ? 8 : 4, per = k->bytes / width;
	long wrong = 0;
	*lanes = k->accumulators * per;
	for (long i = 0; i < *lanes; i++) {
		double step = drift(w, p, (int)(i % per)) * (double)w->loops;
		if (w->type == PEAK_FP64)
			wrong += ((const double *)p->acc)[i] != ((const double *)p->start)[i] + step;
		else if (w->type == PEAK_INT8)
			wrong += ((const int32_t *)p->acc)[i] != ((const int32_t *)p->start)[i] + (int32_t)step;
		else
			wrong += ((const float *)p->acc)[i] != ((const float *)p->start)[i] + step;
	}
	return wrong;
}

void clock_chain(void *arg, int rank, int ranks)
{
	long rounds = *(const long *)arg / CLOCK_ROUND;
	(void)rank, (void)ranks;
	/* Two registers, not an immediate: Golden Cove and its heirs add small
	   immediates at rename, in no time at all. */
	uint64_t x = 1, y = 3;
	for (long i = 0; i < rounds; i++) {
#if defined(__x86_64__)
		__asm__ volatile(".rept 64\n\tadd %1, %0\n\t.endr" : "+r"(x) : "r"(y) : "cc");
#elif defined(__aarch64__)
		__asm__ volatile(".rept 64\n\tadd %0, %0, %1\n\t.endr" : "+r"(x) : "r"(y));
#else
		for (int j = 0; j < CLOCK_ROUND; j++) {
			x += y;
			__asm__ volatile("" : "+r"(x));
		}
#endif
	}
}
