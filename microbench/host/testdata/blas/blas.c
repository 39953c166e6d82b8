/* A stand-in for OpenBLAS that says of itself that it uses as many threads as it
   is told to, and uses THREADS of them. Each writes its rows of C. */
#include <pthread.h>

static int asked = 1;
void openblas_set_num_threads(int n) { asked = n; }
int openblas_get_num_threads(void) { return asked; }
const char *openblas_get_config(void) { return "a stand-in of bench's tests"; }

typedef struct {
	int from, to, n, k;
	const float *a, *b;
	float *c;
} part;

static void *rows(void *p)
{
	const part *w = p;
	for (int i = w->from; i < w->to; i++) {
		float *c = w->c + (long)i * w->n;
		for (int j = 0; j < w->n; j++)
			c[j] = 0;
		for (int l = 0; l < w->k; l++) {
			float a = w->a[(long)i * w->k + l];
			const float *b = w->b + (long)l * w->n;
			for (int j = 0; j < w->n; j++)
				c[j] += a * b[j];
		}
	}
	return 0;
}

void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
	(void)order, (void)ta, (void)tb, (void)alpha, (void)lda, (void)ldb, (void)beta, (void)ldc;
	int threads = asked < THREADS ? asked : THREADS;
	part parts[THREADS];
	pthread_t made[THREADS];
	for (int t = 0; t < threads; t++)
		parts[t] = (part){m * t / threads, m * (t + 1) / threads, n, k, a, b, c};
	for (int t = 1; t < threads; t++)
		pthread_create(&made[t], 0, rows, &parts[t]);
	rows(&parts[0]);
	for (int t = 1; t < threads; t++)
		pthread_join(made[t], 0);
}
