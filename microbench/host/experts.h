/* experts.h: a feed-forward, dense or of experts between which tokens are
   routed. */
#ifndef BENCH_EXPERTS_H
#define BENCH_EXPERTS_H

#include "matrix.h"
#include "team.h"

typedef struct {
	int type; /* WEIGHT_ of the matrices */
	long tokens, hidden, inter;
	/* experts is 1 and top_k 0 where the feed-forward is dense. */
	long experts, top_k;
	int gated;
	/* The workers form `groups` equal groups, each with its own experts; within
	   a group they share every matrix by its outputs. */
	int groups;
	/* Experts that each token goes to, top_k a token, or NULL: the router's. */
	const int32_t *imposed;
	/* Where an expert's matrices stand among those in memory, or NULL: at its
	   own number. */
	const int32_t *place;
	matrix router, gate, up, down;
	/* Scratch. Rows of hidden floats are whole panels apart, likewise those of
	   inter and experts. */
	float *logits;   /* a row of experts for each token */
	int32_t *chosen; /* top_k a token, by the router */
	int32_t *assign; /* top_k a token, as it is done */
	float *share;    /* the weight of each choice: softmax, over the assigned ones */
	long *counts;    /* a row of experts for each rank: choices of its tokens */
	long *starts;    /* a row of experts + 1 for each rank: where each begins */
	int32_t *slot;   /* the row of `gathered` of each choice */
	float *gathered, *gates, *ups, *results; /* a row for each choice */
} experts;

static inline long whole_panels(long n) { return panels_of(n) * PANEL; }

/* The phases, each run by every rank. x has tokens rows, whole_panels(hidden)
   apart. A barrier is needed between any two, except between up and down where
   every group is one worker. experts_route has barriers of its own and
   expects x complete; the phases after it are not needed by a dense
   feed-forward, which passes x for gathered.

   experts_route: logits, softmax, top-k (or what is imposed), and the counts.
   experts_dispatch: every choice's row is copied to its expert's others.
   experts_up: gate and up projection with the activation between them.
   experts_down: the projection back.
   experts_combine: the weighted sum of a token's choices, added to the residual
   where there is one. */
void experts_route(const experts *e, const vector_ops *ops, char *base, team *t, const float *x, int rank, int ranks);
void experts_dispatch(const experts *e, const float *x, int rank, int ranks);
void experts_up(const experts *e, const vector_ops *ops, char *base, int rank, int ranks);
void experts_down(const experts *e, const vector_ops *ops, char *base, int rank, int ranks);
void experts_combine(const experts *e, const vector_ops *ops, const float *residual, float *out, int rank, int ranks);

/* A mixture-of-experts layer alone, as a kernel for team_run. */
typedef struct {
	experts experts;
	const vector_ops *ops;
	team *team;
	char *base;
	size_t stride;
	long copies;
	float *x, *out;
} moe_arg;

void moe_kernel(void *arg, int rank, int ranks);

/* experts_reference computes one token's row in double precision, straight
   from the definition, by the experts in assign. Where no experts are imposed
   it returns by how much the router's logit of the worst assigned expert falls
   short of the best other one's, which is 0 but for rounding. */
double experts_reference(const experts *e, long token, const double *x, double *out);

#endif
