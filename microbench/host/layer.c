#include "layer.h"

#include <math.h>
#include <stdlib.h>

/* norm gives rank's rows of the normalised input. */
static void norm(const layer_arg *a, const float *x, const float *gain, int rank, int ranks)
{
	const long n = a->experts.hidden, row = whole_panels(n);
	long from, to;
	split(a->experts.tokens, rank, ranks, &from, &to);
	for (long i = from; i < to; i++)
		a->ops->rms_norm(n, x + i * row, gain, a->norm + i * row);
}

/* project is rank's share of the outputs of y = residual + x·Wᵀ. */
static void project(const layer_arg *a, const matrix *m, char *base, const float *x, long ldx, const float *residual,
                    float *y, int rank, int ranks)
{
	const long n = a->experts.tokens, row = whole_panels(m->outputs);
	const int type = a->experts.type;
	long from, to;
	split(panels_of(m->outputs), rank, ranks, &from, &to);
	if (residual)
		for (long i = 0; i < n; i++)
			memcpy(y + i * row + from * PANEL, residual + i * row + from * PANEL, (to - from) * PANEL * sizeof(float));
	a->ops->product[type](n, x, ldx, matrix_panel(m, type, base, 0, from), m->inputs * PANEL, m->inputs, to - from,
	                      y + from * PANEL, row, residual != NULL);
}

void layer_kernel(void *p, int rank, int ranks)
{
	const layer_arg *a = p;
	const experts *e = &a->experts;
	const attention *at = &a->attention;
	char *base = a->base + team_iteration() % a->copies * a->stride;
	const long row = whole_panels(e->hidden);

	norm(a, a->x, (const float *)(base + a->gain[0]), rank, ranks);
	team_barrier(a->team, rank);
	project(a, &a->qkv, base, a->norm, row, NULL, a->projected, rank, ranks);
	team_barrier(a->team, rank);
	attention_attend(at, a->ops, base, rank, ranks);
	team_barrier(a->team, rank);
	if (attention_is_split(at, ranks)) {
		attention_merge(at, a->ops, rank, ranks);
		team_barrier(a->team, rank);
	}
	project(a, &a->output, base, at->out, at->heads * at->head_dim, a->x, a->middle, rank, ranks);
	team_barrier(a->team, rank);
	norm(a, a->middle, (const float *)(base + a->gain[1]), rank, ranks);
	team_barrier(a->team, rank);
	if (e->top_k > 0) {
		experts_route(e, a->ops, base, a->team, a->norm, rank, ranks);
		team_barrier(a->team, rank);
		experts_dispatch(e, a->norm, rank, ranks);
		team_barrier(a->team, rank);
	}
	experts_up(e, a->ops, base, rank, ranks);
	team_barrier(a->team, rank);
	if (e->top_k == 0) {
		project(a, &e->down, base, e->gated ? e->gates : e->ups, whole_panels(e->inter), a->middle, a->out, rank, ranks);
		return;
	}
	experts_down(e, a->ops, base, rank, ranks);
	team_barrier(a->team, rank);
	experts_combine(e, a->ops, a->middle, a->out, rank, ranks);
}

void fill_rows(float *x, long rows, long width, long row, uint32_t seed)
{
	for (long i = 0; i < rows; i++)
		for (long j = 0; j < width; j++)
			x[i * row + j] = sqrtf(3) * random_value(seed, i * width + j);
}

#define GAIN_SEED 1001

static float gain_of(const layer_arg *a, int which, long i)
{
	return 1 + 0.25f * random_value(GAIN_SEED + which, i);
}

void layer_fill_rest(layer_arg *a, float *cosine, float *sine)
{
	const long half = a->attention.head_dim / 2;
	for (long c = 0; c < a->copies; c++)
		for (int w = 0; w < 2; w++)
			for (long i = 0; i < a->experts.hidden; i++)
				((float *)(a->base + c * a->stride + a->gain[w]))[i] = gain_of(a, w, i);
	for (long i = 0; i < half; i++) {
		double angle = (a->attention.context - 1) * pow(10000, -(double)i / half);
		cosine[i] = cos(angle);
		sine[i] = sin(angle);
	}
	fill_rows(a->x, a->experts.tokens, a->experts.hidden, whole_panels(a->experts.hidden), 7);
}

/* compare holds a row against its reference. */
static row_check compare(const float *have, const double *want, long n, double bound)
{
	row_check c = {0};
	double square = 0;
	for (long i = 0; i < n; i++)
		square += want[i] * want[i];
	double scale = sqrt(square / n);
	for (long i = 0; i < n; i++) {
		double error = fabs(have[i] - want[i]) / scale;
		c.wrong += !(error <= bound); /* NaN is wrong */
		c.error = error > c.error || isnan(error) ? error : c.error;
	}
	return c;
}

static void norm_reference(const layer_arg *a, int which, const double *x, double *y)
{
	const long n = a->experts.hidden;
	double square = 0;
	for (long i = 0; i < n; i++)
		square += x[i] * x[i];
	for (long i = 0; i < n; i++)
		y[i] = x[i] / sqrt(square / n + 1e-5) * gain_of(a, which, i);
}

static row_check layer_check_row(const layer_arg *a, long sequence, double bound)
{
	const experts *e = &a->experts;
	const attention *at = &a->attention;
	const long n = e->hidden, q = at->heads * at->head_dim, kv = at->kv_heads * at->head_dim;
	double *x = calloc(4 * n + 2 * q + 2 * kv, sizeof *x), *y = x + n, *middle = y + n, *out = middle + n;
	double *projected = out + n, *attended = projected + q + 2 * kv;
	for (long i = 0; i < n; i++)
		x[i] = a->x[sequence * whole_panels(n) + i];
	norm_reference(a, 0, x, y);
	matrix_multiply(&a->qkv, e->type, 0, y, projected);
	attention_reference(at, sequence, projected, projected + q, projected + q + kv, attended);
	matrix_multiply(&a->output, e->type, 0, attended, middle);
	for (long i = 0; i < n; i++)
		middle[i] += x[i];
	norm_reference(a, 1, middle, y);
	double short_by = experts_reference(e, sequence, y, out);
	for (long i = 0; i < n; i++)
		out[i] += middle[i];
	row_check c = compare(a->out + sequence * whole_panels(n), out, n, bound);
	c.short_by = short_by;
	free(x);
	return c;
}

static row_check attention_check_row(const attention_arg *a, long sequence, double bound)
{
	const attention *at = &a->attention;
	const long n = at->heads * at->head_dim;
	double *query = calloc(2 * n, sizeof *query), *out = query + n;
	for (long i = 0; i < n; i++)
		query[i] = at->query[sequence * at->row + i];
	attention_reference(at, sequence, query, NULL, NULL, out);
	row_check c = compare(at->out + sequence * n, out, n, bound);
	free(query);
	return c;
}

static row_check moe_check_row(const moe_arg *a, long token, double bound)
{
	const long n = a->experts.hidden;
	double *x = calloc(2 * n, sizeof *x), *out = x + n;
	for (long i = 0; i < n; i++)
		x[i] = a->x[token * whole_panels(n) + i];
	double short_by = experts_reference(&a->experts, token, x, out);
	row_check c = compare(a->out + token * whole_panels(n), out, n, bound);
	c.short_by = short_by;
	free(x);
	return c;
}

static void spoil(float *x, long n)
{
	if (x)
		memset(x, 0xff, n * sizeof *x);
}

static void spoil_attention(const attention *a, int ranks)
{
	spoil(a->out, a->batch * a->heads * a->head_dim);
	memset(a->scratch, 0xff, ranks * attention_scratch(a));
}

static void spoil_experts(const experts *e)
{
	const long rows = e->tokens * (e->top_k > 0 ? e->top_k : 1), h = whole_panels(e->hidden);
	spoil(e->ups, rows * whole_panels(e->inter));
	spoil(e->gates, rows * whole_panels(e->inter));
	if (e->top_k == 0)
		return; /* gathered is the layer's norm */
	spoil(e->logits, e->tokens * whole_panels(e->experts));
	spoil(e->share, rows);
	spoil(e->gathered, rows * h);
	spoil(e->results, rows * h);
}

void spoil_rows(const check_arg *a, int ranks)
{
	if (a->layer) {
		const layer_arg *l = a->layer;
		const attention *at = &l->attention;
		const long n = l->experts.tokens * whole_panels(l->experts.hidden);
		spoil_attention(at, ranks);
		spoil_experts(&l->experts);
		spoil(l->norm, n);
		spoil(l->middle, n);
		spoil(l->out, n);
		spoil(l->projected, l->experts.tokens * whole_panels(l->qkv.outputs));
	} else if (a->attention) {
		spoil_attention(&a->attention->attention, ranks);
	} else {
		spoil_experts(&a->moe->experts);
		spoil(a->moe->out, a->moe->experts.tokens * whole_panels(a->moe->experts.hidden));
	}
}

void check_rows(void *p, int rank, int ranks)
{
	const check_arg *a = p;
	for (long i = rank; i < a->count; i += ranks) {
		if (a->layer)
			a->found[i] = layer_check_row(a->layer, a->rows[i], a->bound);
		else if (a->attention)
			a->found[i] = attention_check_row(a->attention, a->rows[i], a->bound);
		else
			a->found[i] = moe_check_row(a->moe, a->rows[i], a->bound);
	}
}
