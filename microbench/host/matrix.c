#include "matrix.h"

static void fill(const fill_arg *a, const matrix *m, int rank, int ranks)
{
	long per = panels_of(m->outputs), from, to;
	split(m->count * per, rank, ranks, &from, &to);
	for (long p = from; p < to; p++) {
		long i = p / per, panel = p % per;
		void *w = matrix_panel(m, a->type, a->base, i, panel);
		for (long k = 0; k < m->inputs; k++)
			for (int o = 0; o < PANEL; o++) {
				long output = panel * PANEL + o;
				float v = output < m->outputs ? m->scale * random_value(m->seed, (i * m->outputs + output) * m->inputs + k) : 0;
				weight_store(a->type, w, k * PANEL + o, v);
			}
	}
}

void fill_matrices(void *p, int rank, int ranks)
{
	const fill_arg *a = p;
	if (!a->copying) {
		for (int i = 0; i < a->matrices; i++)
			fill(a, &a->matrix[i], rank, ranks);
		return;
	}
	long from, to;
	split(a->stride / 64, rank, ranks, &from, &to);
	for (long c = 1; c < a->copies; c++)
		memcpy(a->base + c * a->stride + from * 64, a->base + from * 64, (to - from) * 64);
}

void matrix_multiply(const matrix *m, int type, long i, const double *x, double *y)
{
	for (long o = 0; o < m->outputs; o++) {
		y[o] = 0;
		for (long k = 0; k < m->inputs; k++)
			y[o] += x[k] * matrix_value(m, type, i, o, k);
	}
}
