#include <math.h>
#include <stdint.h>
#include <string.h>

#include "gemm.h"
#include "bf16.h"
#include "random.h"
#include "team.h"

static const int element_bytes[] = {[GEMM_FP64] = 8, [GEMM_FP32] = 4, [GEMM_BF16] = 2, [GEMM_INT8] = 1};

/* fill writes bytes of random elements. Blocks of a fixed size have seeds of
   their own, so that the data do not depend on the number of ranks. */
static void fill(int type, char *to, long bytes, uint64_t seed, int negative, int rank, int ranks)
{
	enum { BLOCK = 1 << 20 };
	const int size = element_bytes[type];
	for (long at = (long)rank * BLOCK; at < bytes; at += (long)ranks * BLOCK) {
		uint64_t s = seed + (uint64_t)(at / BLOCK) * 0x632be59bd9b4e019u;
		const long n = (bytes - at < BLOCK ? bytes - at : BLOCK) / size;
		for (long i = 0; i < n; i++) {
			double x = 2 * random_unit(&s) - 1;
			switch (type) {
			case GEMM_FP64: ((double *)(to + at))[i] = x; break;
			case GEMM_FP32: ((float *)(to + at))[i] = (float)x; break;
			case GEMM_BF16: ((uint16_t *)(to + at))[i] = bf16_from_float((float)x); break;
			default: ((int8_t *)(to + at))[i] = (int8_t)(negative ? x * 127.99 : fabs(x) * 127.99);
			}
		}
	}
}

void gemm_fill(void *arg, int rank, int ranks)
{
	const gemm_work *w = arg;
	fill(w->type, (char *)w->a, w->copies * w->a_stride, 1, 0, rank, ranks);
	fill(w->type, (char *)w->b, w->copies * w->b_stride, 2, 1, rank, ranks);
}

void gemm_spoil(void *arg, int rank, int ranks)
{
	enum { BLOCK = 1 << 20 };
	const gemm_work *w = arg;
	for (long at = (long)rank * BLOCK; at < w->c_stride; at += (long)ranks * BLOCK)
		memset(w->c + at, 0xff, (size_t)(w->c_stride - at < BLOCK ? w->c_stride - at : BLOCK));
	const long wide = w->wide ? w->m * w->n * (long)sizeof *w->wide : 0;
	for (long at = (long)rank * BLOCK; at < wide; at += (long)ranks * BLOCK)
		memset((char *)w->wide + at, 0xff, (size_t)(wide - at < BLOCK ? wide - at : BLOCK));
	if (w->pack)
		memset(w->pack + (size_t)rank * gemm_pack_bytes(w->kernel), 0xff, gemm_pack_bytes(w->kernel));
}

static double operand(int type, const char *p, long i)
{
	switch (type) {
	case GEMM_FP64: return ((const double *)p)[i];
	case GEMM_FP32: return ((const float *)p)[i];
	case GEMM_BF16: return bf16_to_float(((const uint16_t *)p)[i]);
	}
	return ((const int8_t *)p)[i];
}

static double result(int type, const char *p, long i)
{
	return type == GEMM_INT8 ? ((const int32_t *)p)[i] : operand(type, p, i);
}

static void judge(struct gemm_finding *f, double error, double scale, double allowed)
{
	f->checked++;
	if (!(error <= allowed))
		f->wrong++;
	if (error > 0 && !(error / scale <= f->worst))
		f->worst = error / scale;
}

/* sample chooses the element that is recomputed as number t: all in order where
   there is room, else the corners, then in turn the last row, the last column and
   anywhere. */
static void sample(const gemm_work *w, long t, long *i, long *j)
{
	uint64_t s = (uint64_t)t * 0x9e3779b97f4a7c15u;
	if (w->check->samples == w->m * w->n) {
		*i = t / w->n, *j = t % w->n;
		return;
	}
	*i = (long)(random64(&s) % (uint64_t)w->m), *j = (long)(random64(&s) % (uint64_t)w->n);
	if (t < 4)
		*i = t & 1 ? w->m - 1 : 0, *j = t & 2 ? w->n - 1 : 0;
	else if (t % 4 == 0)
		*i = w->m - 1;
	else if (t % 4 == 1)
		*j = w->n - 1;
}

static void elements(const gemm_work *w, struct gemm_finding *f, int rank, int ranks)
{
	for (long t = rank; t < w->check->samples; t += ranks) {
		long i, j;
		double sum = 0, scale = 0;
		sample(w, t, &i, &j);
		for (long p = 0; p < w->k; p++) {
			double x = operand(w->type, w->a, i * w->k + p) * operand(w->type, w->b, p * w->n + j);
			sum += x, scale += fabs(x);
		}
		judge(f, fabs(result(w->type, w->c, i * w->n + j) - sum), scale,
		      w->check->sum_bound * scale + w->check->out_bound * fabs(sum));
	}
}

/* rows makes Freivalds' test of every row: y = B·x first, shared out by rows of
   B, then A·y against C·x. */
static void rows(const gemm_work *w, struct gemm_finding *f, team *t, int rank, int ranks)
{
	gemm_check *c = w->check;
	for (long p = rank; p < w->k; p += ranks) {
		double y = 0, s = 0;
		for (long j = 0; j < w->n; j++) {
			double b = operand(w->type, w->b, p * w->n + j);
			y += b * c->signs[j], s += fabs(b);
		}
		c->product[p] = y, c->scale[p] = s;
	}
	team_barrier(t, rank);
	const double share = fmin(1, 8 / sqrt((double)w->n));
	for (long i = rank; i < w->m; i += ranks) {
		double want = 0, scale = 0, got = 0, size = 0;
		for (long p = 0; p < w->k; p++) {
			double a = operand(w->type, w->a, i * w->k + p);
			want += a * c->product[p], scale += fabs(a) * c->scale[p];
		}
		for (long j = 0; j < w->n; j++) {
			double x = result(w->type, w->c, i * w->n + j);
			got += x * c->signs[j], size += fabs(x);
		}
		judge(f, fabs(got - want), scale, share * (c->sum_bound * scale + c->out_bound * size));
	}
}

void gemm_verify(void *arg, int rank, int ranks)
{
	const gemm_work *w = arg;
	struct gemm_finding *f = &w->check->found[rank];
	f->wrong = f->checked = 0, f->worst = 0;
	elements(w, f, rank, ranks);
	rows(w, f, w->check->team, rank, ranks);
}
