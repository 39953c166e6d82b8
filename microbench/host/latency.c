#include "random.h"
#include "stream.h"

#define LINE 64

/* A worker's part as lines; each begins with a pointer to the next one. */
typedef struct line {
	struct line *next;
	char pad[LINE - sizeof(void *)];
} line;

static size_t lines(const stream_work *w, const stream_part *p) {
	return p->count * (size_t)w->element / LINE;
}

void latency_link(void *arg, int rank, int ranks) {
	stream_work *w = arg;
	stream_part *p = &w->parts[rank];
	line *at = p->array[0];
	size_t n = lines(w, p);
	uint64_t seed = w->seed + (uint64_t)rank;
	(void)ranks;
	/* Sattolo's algorithm makes a permutation that is one cycle: every line is
	 * loaded once before any is loaded again, in an order no prefetcher knows.
	 * The order ignores pages: on huge pages a last-level TLB covers gigabytes;
	 * on small ones its misses are part of the latency, as for any program. */
	for (size_t i = 0; i < n; i++) at[i].next = &at[i];
	for (size_t i = n; i-- > 1;) {
		size_t j = random64(&seed) % i;
		line *t = at[i].next;
		at[i].next = at[j].next, at[j].next = t;
	}
	p->chain = at;
}

void latency_chase(void *arg, int rank, int ranks) {
	stream_work *w = arg;
	stream_part *p = &w->parts[rank];
	line *at = p->chain;
	long n = w->passes, i = 0;
	(void)ranks;
	for (; i + 8 <= n; i += 8)
		at = at->next->next->next->next->next->next->next->next;
	for (; i < n; i++) at = at->next;
	p->chain = at; /* keeps the loads, and the next call goes on from here */
}

long latency_cycle(const stream_work *w, int rank) {
	const stream_part *p = &w->parts[rank];
	const line *first = p->array[0], *at = first;
	size_t n = lines(w, p);
	for (size_t i = 1; i <= n; i++) {
		at = at->next;
		if (at < first || at >= first + n) return -1;
		if (at == first) return (long)i;
	}
	return -1;
}

int latency_followed(const stream_work *w, int rank, long loads) {
	const stream_part *p = &w->parts[rank];
	const line *at = p->array[0];
	for (long i = 0; i < loads; i++) at = at->next;
	return p->chain == at;
}
