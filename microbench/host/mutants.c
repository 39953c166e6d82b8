//go:build mutants

#include <time.h>

/* What the mutated kernels look at: the number of the mutation in force. */
int bench_mutant;

/* bench_late holds a rank back, so that a missing barrier shows each time. */
void bench_late(void)
{
	struct timespec t = {0, 3000000};
	nanosleep(&t, NULL);
}
