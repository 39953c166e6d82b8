/* team_check: workers write plain words in turn, with only team_barrier between
   them. Built with the thread sanitizer, a barrier that orders nothing is a
   data race; without, a lost update is a wrong sum. Arguments: workers, and how
   often to run. */
#include <stdio.h>
#include <stdlib.h>

#include "team.h"

typedef struct {
	team *t;
	long sum;       /* written by every rank in turn */
	long next;      /* the iteration that rank 0 expects */
	int bad;
} state;

static void in_turn(void *arg, int rank, int ranks)
{
	state *s = arg;
	for (int r = 0; r < ranks; r++) {
		if (r == rank)
			s->sum += team_iteration() + 1;
		team_barrier(s->t, rank);
	}
	if (rank == ranks - 1) {
		s->bad |= team_iteration() != s->next;
		s->next++;
	}
}

int main(int argc, char **argv)
{
	int ranks = argc > 1 ? atoi(argv[1]) : 2;
	long n = argc > 2 ? atol(argv[2]) : 100;
	char err[256];
	int impossible = 1 << 20;
	if (team_create(1, &impossible, err, sizeof err)) {
		puts("a worker was pinned to a CPU that does not exist");
		return 1;
	}
	state s = {.t = team_create(ranks, NULL, err, sizeof err)};
	if (!s.t) {
		puts(err);
		return 1;
	}
	double seconds = 0;
	for (int run = 0; run < 3; run++) /* a second run must not see the first one's phase */
		seconds += team_run(s.t, in_turn, &s, n);
	long total = 3 * n;
	if (s.sum != ranks * total * (total + 1) / 2 || s.bad || seconds <= 0) {
		printf("sum %ld of %d workers and %ld iterations, iteration numbers wrong: %d, %g s\n", s.sum, ranks, total, s.bad, seconds);
		return 1;
	}
	team_destroy(s.t);
	return 0;
}
