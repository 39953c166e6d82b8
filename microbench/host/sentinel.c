#include "sentinel.h"

#define CHAINS 16
#define ROUNDS 600000

void sentinel(void *p, int rank, int ranks)
{
	const sentinel_arg *a = p;
	(void)ranks;
	double x[CHAINS];
	for (int i = 0; i < CHAINS; i++)
		x[i] = i;
	for (int n = 0; n < ROUNDS; n++)
		for (int i = 0; i < CHAINS; i++)
			x[i] = x[i] * 0.999 + 1;
	double sum = 0;
	for (int i = 0; i < CHAINS; i++)
		sum += x[i];
	double *data = a->data + rank * SENTINEL_DOUBLES;
	for (int pass = 0; pass < SENTINEL_PASSES; pass++)
		for (long i = 0; i < SENTINEL_DOUBLES; i++)
			data[i] = data[i] * 0.5 + 1;
	a->sums[8 * rank] = sum + data[0];
}
