#include "attention.h"

#include <math.h>
#include <stdlib.h>

/* One rank's working space, and what it leaves of an item that it does not
   finish: its first may have begun elsewhere, its last may end elsewhere. */
typedef struct {
	float *query;  /* group × head_dim, rotated and scaled */
	float *scores; /* group × ATTENTION_BLOCK */
	struct {
		float *max, *sum; /* group */
		float *acc;       /* group × whole panels of head_dim */
	} part[3];        /* first, last, and a finished item */
} space;

static long group(const attention *a) { return a->heads / a->kv_heads; }
static long width(const attention *a) { return panels_of(a->head_dim) * PANEL; }

static size_t line_up(size_t floats) { return (floats + 15) / 16 * 16; }

static space space_of(const attention *a, int rank)
{
	float *p = (float *)(a->scratch + rank * attention_scratch(a));
	size_t g = group(a);
	space s;
	s.query = p, p += line_up(g * a->head_dim);
	s.scores = p, p += g * ATTENTION_BLOCK;
	for (int i = 0; i < 3; i++) {
		s.part[i].max = p, p += line_up(g);
		s.part[i].sum = p, p += line_up(g);
		s.part[i].acc = p, p += g * width(a);
	}
	return s;
}

size_t attention_scratch(const attention *a)
{
	size_t g = group(a);
	size_t floats = line_up(g * a->head_dim) + g * ATTENTION_BLOCK + 3 * (2 * line_up(g) + g * width(a));
	return floats * sizeof(float);
}

/* rotate turns each pair (i, i + d/2) by its angle. */
static void rotate(const attention *a, const float *x, float *y, float f)
{
	long half = a->head_dim / 2;
	for (long i = 0; i < half; i++) {
		float u = x[i], v = x[i + half];
		y[i] = f * (u * a->cosine[i] - v * a->sine[i]);
		y[i + half] = f * (v * a->cosine[i] + u * a->sine[i]);
	}
}

static void append(const attention *a, char *base, long item, float *room)
{
	long b = item / a->kv_heads, h = item % a->kv_heads, t = a->context - 1;
	const float *k = a->key + b * a->row + h * a->head_dim, *v = a->value + b * a->row + h * a->head_dim;
	if (a->cosine) {
		rotate(a, k, room, 1);
		k = room;
	}
	void *keys = matrix_panel(&a->keys, a->type, base, item, 0), *values = matrix_panel(&a->values, a->type, base, item, 0);
	for (long d = 0; d < a->head_dim; d++) {
		weight_store(a->type, keys, panel_index(t, d, a->head_dim), k[d]);
		weight_store(a->type, values, panel_index(d, t, a->context), v[d]);
	}
}

/* attend goes through positions from … to of an item, into part p. */
static void attend(const attention *a, const vector_ops *ops, char *base, space *s, int p, long item, long from, long to)
{
	const long g = group(a), d = a->head_dim, w = width(a), h = item % a->kv_heads;
	const float *query = a->query + item / a->kv_heads * a->row + h * g * d;
	if (to == a->context && a->key)
		append(a, base, item, s->query);
	float f = 1 / sqrtf(d);
	for (long i = 0; i < g; i++) {
		if (a->cosine)
			rotate(a, query + i * d, s->query + i * d, f);
		else
			for (long j = 0; j < d; j++)
				s->query[i * d + j] = f * query[i * d + j];
		s->part[p].max[i] = -INFINITY;
		s->part[p].sum[i] = 0;
	}
	memset(s->part[p].acc, 0, g * w * sizeof(float));
	for (long t = from; t < to; t += ATTENTION_BLOCK) {
		long n = to - t < ATTENTION_BLOCK ? to - t : ATTENTION_BLOCK;
		ops->product[a->type](g, s->query, d, matrix_panel(&a->keys, a->type, base, item, t / PANEL), d * PANEL, d,
		                      panels_of(n), s->scores, ATTENTION_BLOCK, 0);
		for (long i = 0; i < g; i++) {
			float before = ops->softmax_part(n, s->scores + i * ATTENTION_BLOCK, &s->part[p].max[i], &s->part[p].sum[i]);
			if (before != 1)
				ops->scale(w, before, s->part[p].acc + i * w);
		}
		char *values = matrix_panel(&a->values, a->type, base, item, 0);
		ops->product[a->type](g, s->scores, ATTENTION_BLOCK, values + t * PANEL * weight_bytes(a->type), a->context * PANEL, n,
		                      panels_of(d), s->part[p].acc, w, 1);
	}
}

static float *out_row(const attention *a, long item, long i)
{
	long h = item % a->kv_heads * group(a) + i;
	return a->out + (item / a->kv_heads * a->heads + h) * a->head_dim;
}

void attention_attend(const attention *a, const vector_ops *ops, char *base, int rank, int ranks)
{
	const long units = panels_of(a->context), items = a->batch * a->kv_heads, d = a->head_dim;
	space s = space_of(a, rank);
	long begin, end;
	split(items * units, rank, ranks, &begin, &end);
	for (long at = begin, next; at < end; at = next) {
		long item = at / units;
		next = (item + 1) * units < end ? (item + 1) * units : end;
		long from = (at - item * units) * PANEL, to = (next - item * units) * PANEL;
		to = to < a->context ? to : a->context;
		int whole = from == 0 && to == a->context;
		int p = whole ? 2 : at != begin;
		attend(a, ops, base, &s, p, item, from, to);
		for (long i = 0; whole && i < group(a); i++) {
			float *out = out_row(a, item, i), f = 1 / s.part[p].sum[i];
			for (long j = 0; j < d; j++)
				out[j] = f * s.part[p].acc[i * width(a) + j];
		}
	}
}

int attention_is_split(const attention *a, int ranks)
{
	long units = panels_of(a->context), items = a->batch * a->kv_heads;
	for (int r = 1; r < ranks; r++)
		if (items * units * r / ranks % units != 0)
			return 1;
	return 0;
}

/* merge joins the parts of one head of an item: each was summed relative to
   its own maximum. */
static void merge(const attention *a, const vector_ops *ops, int ranks, long item, long i)
{
	const long units = panels_of(a->context), total = a->batch * a->kv_heads * units, w = width(a);
	float max = -INFINITY, sum = 0;
	float *out = out_row(a, item, i);
	memset(out, 0, a->head_dim * sizeof(float));
	for (int pass = 0; pass < 2; pass++) {
		for (int r = 0; r < ranks; r++) {
			long begin, end;
			split(total, r, ranks, &begin, &end);
			if (end <= item * units || begin >= (item + 1) * units || begin == end)
				continue;
			space s = space_of(a, r);
			int p = begin < item * units;
			if (pass == 0) {
				max = fmaxf(max, s.part[p].max[i]);
				continue;
			}
			float f = expf(s.part[p].max[i] - max);
			sum += f * s.part[p].sum[i];
			ops->add_scaled(a->head_dim, f, s.part[p].acc + i * w, out);
		}
	}
	ops->scale(a->head_dim, 1 / sum, out);
}

void attention_merge(const attention *a, const vector_ops *ops, int rank, int ranks)
{
	const long units = panels_of(a->context), total = a->batch * a->kv_heads * units, g = group(a);
	long last = -1;
	for (int r = 1; r < ranks; r++) {
		long cut = total * r / ranks, item = cut / units;
		if (cut % units == 0 || item == last)
			continue;
		last = item;
		for (long i = 0; i < g; i++)
			if ((item * g + i) % ranks == rank)
				merge(a, ops, ranks, item, i);
	}
}

void attention_kernel(void *p, int rank, int ranks)
{
	const attention_arg *a = p;
	attention_attend(&a->attention, a->ops, a->base + team_iteration() % a->copies * a->stride, rank, ranks);
	if (attention_is_split(&a->attention, ranks)) {
		team_barrier(a->team, rank);
		attention_merge(&a->attention, a->ops, rank, ranks);
	}
}

static double cached(const attention *a, const matrix *m, const double *fresh, long item, long t, long d)
{
	if (fresh && t == a->context - 1)
		return weight_round(a->type, fresh[item % a->kv_heads * a->head_dim + d]);
	return m == &a->keys ? matrix_value(m, a->type, item, t, d) : matrix_value(m, a->type, item, d, t);
}

static void rotate_reference(const attention *a, const double *x, double *y)
{
	long half = a->head_dim / 2;
	for (long i = 0; i < half; i++) {
		double angle = (a->context - 1) * pow(10000, -(double)i / half);
		y[i] = x[i] * cos(angle) - x[i + half] * sin(angle);
		y[i + half] = x[i + half] * cos(angle) + x[i] * sin(angle);
	}
}

void attention_reference(const attention *a, long sequence, const double *query, const double *key,
                         const double *value, double *out)
{
	const long d = a->head_dim, c = a->context;
	double *q = malloc((a->heads + a->kv_heads) * d * sizeof *q), *k = q + a->heads * d, *s = malloc(c * sizeof *s);
	for (long i = 0; i < a->heads * d; i++)
		q[i] = query[i];
	for (long i = 0; key && i < a->kv_heads * d; i++)
		k[i] = key[i];
	if (a->cosine) {
		for (long h = 0; h < a->heads; h++)
			rotate_reference(a, query + h * d, q + h * d);
		for (long h = 0; key && h < a->kv_heads; h++)
			rotate_reference(a, key + h * d, k + h * d);
	}
	for (long h = 0; h < a->heads; h++) {
		long item = sequence * a->kv_heads + h / group(a);
		double max = -INFINITY, sum = 0;
		for (long t = 0; t < c; t++) {
			s[t] = 0;
			for (long i = 0; i < d; i++)
				s[t] += q[h * d + i] * cached(a, &a->keys, key ? k : NULL, item, t, i);
			s[t] /= sqrt(d);
			max = s[t] > max ? s[t] : max;
		}
		for (long i = 0; i < d; i++)
			out[h * d + i] = 0;
		for (long t = 0; t < c; t++) {
			double p = exp(s[t] - max);
			sum += p;
			for (long i = 0; i < d; i++)
				out[h * d + i] += p * cached(a, &a->values, value, item, t, i);
		}
		for (long i = 0; i < d; i++)
			out[h * d + i] /= sum;
	}
	free(q);
	free(s);
}
