#include "experts.h"

#include <math.h>
#include <stdlib.h>

static long count_row(const experts *e) { return (e->experts + 1 + 7) / 8 * 8; }

/* choose finds the top_k largest of a token's probabilities, in order. */
static void choose(const experts *e, const float *p, int32_t *chosen)
{
	for (long j = 0; j < e->top_k; j++) {
		int32_t best = -1;
		for (long i = 0; i < e->experts; i++) {
			int taken = 0;
			for (long l = 0; l < j; l++)
				taken |= chosen[l] == i;
			if (!taken && (best < 0 || p[i] > p[best]))
				best = i;
		}
		chosen[j] = best;
	}
}

void experts_route(const experts *e, const vector_ops *ops, char *base, team *t, const float *x, int rank, int ranks)
{
	const long h = whole_panels(e->hidden), row = whole_panels(e->experts), panels = panels_of(e->experts);
	long from, to, p0 = 0, p1 = panels;
	split(e->tokens, rank, ranks, &from, &to);
	/* With fewer tokens than workers, these share the router's outputs. */
	int shared = e->tokens < ranks;
	if (shared)
		split(panels, rank, ranks, &p0, &p1);
	long first = shared ? 0 : from, n = shared ? e->tokens : to - from;
	ops->product[e->type](n, x + first * h, h, matrix_panel(&e->router, e->type, base, 0, p0), e->hidden * PANEL,
	                      e->hidden, p1 - p0, e->logits + first * row + p0 * PANEL, row, 0);
	if (shared)
		team_barrier(t, rank);
	long *counts = e->counts + rank * count_row(e);
	memset(counts, 0, e->experts * sizeof *counts);
	for (long i = from; i < to; i++) {
		float *p = e->logits + i * row, max = -INFINITY, sum = 0, kept = 0;
		ops->softmax_part(e->experts, p, &max, &sum);
		int32_t *chosen = e->chosen + i * e->top_k, *assign = e->assign + i * e->top_k;
		choose(e, p, chosen);
		for (long j = 0; j < e->top_k; j++) {
			assign[j] = e->imposed ? e->imposed[i * e->top_k + j] : chosen[j];
			counts[assign[j]]++;
			kept += p[assign[j]];
		}
		/* Far-off experts imposed on a token may all have underflowed. */
		for (long j = 0; j < e->top_k; j++)
			e->share[i * e->top_k + j] = kept > 0 ? p[assign[j]] / kept : 1.0f / e->top_k;
	}
}

void experts_dispatch(const experts *e, const float *x, int rank, int ranks)
{
	const long h = whole_panels(e->hidden);
	long *starts = e->starts + rank * count_row(e), next[e->experts];
	long at = 0;
	for (long i = 0; i < e->experts; i++) {
		starts[i] = at;
		for (int r = 0; r < ranks; r++) {
			if (r == rank)
				next[i] = at;
			at += e->counts[r * count_row(e) + i];
		}
	}
	starts[e->experts] = at;
	long from, to;
	split(e->tokens, rank, ranks, &from, &to);
	for (long c = from * e->top_k; c < to * e->top_k; c++) {
		e->slot[c] = next[e->assign[c]]++;
		memcpy(e->gathered + e->slot[c] * h, x + c / e->top_k * h, h * sizeof(float));
	}
}

/* One worker's part of an expert: rows of gathered, and panels of a matrix of
   that many outputs. Within a group the first share goes round, so that what
   does not divide evenly does not always fall to the same worker. */
typedef struct {
	long place, row, rows, panel, panels;
} part;

static part part_of(const experts *e, long expert, long outputs, int rank, int ranks)
{
	part p = {.place = e->place ? e->place[expert] : expert, .rows = e->tokens};
	if (e->top_k > 0) {
		const long *starts = e->starts + rank * count_row(e);
		p.row = starts[expert];
		p.rows = starts[expert + 1] - p.row;
	}
	int members = ranks / e->groups, member = (rank % members + expert) % members;
	long end;
	split(panels_of(outputs), member, members, &p.panel, &end);
	p.panels = end - p.panel;
	return p;
}

/* own gives the experts of rank's group. */
static void own(const experts *e, int rank, int ranks, long *from, long *to)
{
	split(e->experts, rank / (ranks / e->groups), e->groups, from, to);
}

void experts_up(const experts *e, const vector_ops *ops, char *base, int rank, int ranks)
{
	const long h = whole_panels(e->hidden), w = whole_panels(e->inter);
	long from, to;
	own(e, rank, ranks, &from, &to);
	for (long i = from; i < to; i++) {
		part p = part_of(e, i, e->inter, rank, ranks);
		if (p.rows == 0 || p.panels == 0)
			continue;
		const float *x = e->gathered + p.row * h;
		float *up = e->ups + p.row * w + p.panel * PANEL, *gate = e->gates + p.row * w + p.panel * PANEL;
		if (e->gated)
			ops->product[e->type](p.rows, x, h, matrix_panel(&e->gate, e->type, base, p.place, p.panel), e->hidden * PANEL,
			                      e->hidden, p.panels, gate, w, 0);
		ops->product[e->type](p.rows, x, h, matrix_panel(&e->up, e->type, base, p.place, p.panel), e->hidden * PANEL,
		                      e->hidden, p.panels, up, w, 0);
		for (long r = 0; r < p.rows; r++)
			if (e->gated)
				ops->silu_mul(p.panels * PANEL, gate + r * w, up + r * w);
			else
				ops->gelu(p.panels * PANEL, up + r * w);
	}
}

void experts_down(const experts *e, const vector_ops *ops, char *base, int rank, int ranks)
{
	const long h = whole_panels(e->hidden), w = whole_panels(e->inter);
	const float *x = e->gated ? e->gates : e->ups;
	long from, to;
	own(e, rank, ranks, &from, &to);
	for (long i = from; i < to; i++) {
		part p = part_of(e, i, e->hidden, rank, ranks);
		if (p.rows > 0)
			ops->product[e->type](p.rows, x + p.row * w, w, matrix_panel(&e->down, e->type, base, p.place, p.panel),
			                      e->inter * PANEL, e->inter, p.panels, e->results + p.row * h + p.panel * PANEL, h, 0);
	}
}

void experts_combine(const experts *e, const vector_ops *ops, const float *residual, float *out, int rank, int ranks)
{
	const long h = whole_panels(e->hidden);
	long from, to;
	split(e->tokens, rank, ranks, &from, &to);
	for (long i = from; i < to; i++) {
		if (residual)
			memcpy(out + i * h, residual + i * h, h * sizeof(float));
		else
			memset(out + i * h, 0, h * sizeof(float));
		for (long c = i * e->top_k; c < (i + 1) * e->top_k; c++)
			ops->add_scaled(h, e->share[c], e->results + e->slot[c] * h, out + i * h);
	}
}

void moe_kernel(void *p, int rank, int ranks)
{
	const moe_arg *a = p;
	const experts *e = &a->experts;
	char *base = a->base + team_iteration() % a->copies * a->stride;
	experts_route(e, a->ops, base, a->team, a->x, rank, ranks);
	team_barrier(a->team, rank);
	experts_dispatch(e, a->x, rank, ranks);
	team_barrier(a->team, rank);
	experts_up(e, a->ops, base, rank, ranks);
	if (e->groups < ranks)
		team_barrier(a->team, rank);
	experts_down(e, a->ops, base, rank, ranks);
	team_barrier(a->team, rank);
	experts_combine(e, a->ops, NULL, a->out, rank, ranks);
}

double experts_reference(const experts *e, long token, const double *x, double *out)
{
	double *gate = calloc(2 * e->inter + e->hidden + e->experts, sizeof *gate);
	double *up = gate + e->inter, *y = up + e->inter, *logits = y + e->hidden;
	double worst = INFINITY, other = -INFINITY, sum = 0;
	const int32_t *assign = e->assign + token * e->top_k;
	if (e->top_k > 0)
		matrix_multiply(&e->router, e->type, 0, x, logits);
	for (long j = 0; j < e->top_k; j++)
		worst = fmin(worst, logits[assign[j]]);
	for (long i = 0; i < e->experts && e->top_k > 0; i++) {
		int taken = 0;
		for (long j = 0; j < e->top_k; j++)
			taken |= assign[j] == i;
		if (!taken)
			other = fmax(other, logits[i]);
	}
	for (long j = 0; j < e->top_k; j++)
		sum += exp(logits[assign[j]]);
	for (long i = 0; i < e->hidden; i++)
		out[i] = 0;
	for (long j = 0; j < (e->top_k > 0 ? e->top_k : 1); j++) {
		long expert = e->top_k > 0 ? assign[j] : 0;
		double share = e->top_k > 0 ? exp(logits[expert]) / sum : 1;
		long place = e->place ? e->place[expert] : expert;
		matrix_multiply(&e->up, e->type, place, x, up);
		if (e->gated)
			matrix_multiply(&e->gate, e->type, place, x, gate);
		for (long i = 0; i < e->inter; i++) {
			double u = up[i];
			up[i] = e->gated ? u * gate[i] / (1 + exp(-gate[i]))
			                 : 0.5 * u * (1 + tanh(sqrt(2 / M_PI) * (u + 0.044715 * u * u * u)));
		}
		matrix_multiply(&e->down, e->type, place, up, y);
		for (long i = 0; i < e->hidden; i++)
			out[i] += share * y[i];
	}
	free(gate);
	return e->top_k > 0 && !e->imposed && other > worst ? other - worst : 0;
}
