#include "allreduce.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "bf16.h"

#define VARIANT ISA_PLAIN
#include "reduce_body.h"
#undef VARIANT
#if defined(__x86_64__)
#define VARIANT ISA_AVX2
#include "reduce_body.h"
#undef VARIANT
#define VARIANT ISA_AVX512
#include "reduce_body.h"
#undef VARIANT
#endif

typedef void (*reduce_fn)(void *const *dst, int nd, void *const *src, int ns, long from, long to, int stream);

static const reduce_fn reducers[][3] = {
	{reduce_f32_plain, reduce_f64_plain, reduce_bf16_plain},
#if defined(__x86_64__)
	{reduce_f32_avx2, reduce_f64_avx2, reduce_bf16_avx2},
	{reduce_f32_avx512, reduce_f64_avx512, reduce_bf16_avx512},
#endif
};

static reduce_fn reducer(const allreduce_arg *a) { return reducers[a->isa][a->element]; }

static const int element_bytes[] = {4, 8, 2};

/* share gives rank's part of n elements, in whole cache lines, so that no two
   ranks write to one. */
static void share(const allreduce_arg *a, long n, int rank, int ranks, long *from, long *to)
{
	long line = CACHE_LINE / element_bytes[a->element];
	long lines = (n + line - 1) / line;
	long begin = lines * rank / ranks * line, end = lines * (rank + 1) / ranks * line;
	*from = begin < n ? begin : n;
	*to = end < n ? end : n;
}

/* Streaming stores are weakly ordered: the barrier's release does not wait for
   them, this does. */
static void settle(const allreduce_arg *a)
{
#if defined(__x86_64__)
	if (a->stream)
		_mm_sfence();
#endif
}

void allreduce_direct(void *p, int rank, int ranks)
{
	const allreduce_arg *a = p;
	if (a->one_shot) {
		reducer(a)(&a->out[rank], 1, a->in, ranks, 0, a->count, 0);
		return;
	}
	long from, to;
	share(a, a->count, rank, ranks, &from, &to);
	reducer(a)(a->out, ranks, a->in, ranks, from, to, a->stream);
	settle(a);
}

void allreduce_ring(void *p, int rank, int ranks)
{
	const allreduce_arg *a = p;
	reduce_fn reduce = reducer(a);
	const int left = (rank + ranks - 1) % ranks;
	/* Every rank publishes equally often, so that its own count also says where
	   the left neighbour's began. */
	long mine = atomic_load_explicit(&a->progress[rank].done, memory_order_relaxed);
	for (long slab = 0; slab < a->count; slab += ranks * a->chunk) {
		long rest = a->count - slab < ranks * a->chunk ? a->count - slab : ranks * a->chunk;
		long begin = mine;
		for (int step = 0; step < 2 * (ranks - 1); step++) {
			/* Reduce-scatter starts with the segment before one's own and ends
			   with the one after it complete, which all-gather passes on. */
			int gather = step >= ranks - 1, k = gather ? step - (ranks - 1) : step + 1;
			int segment = ((rank - k) % ranks + ranks) % ranks;
			long from, to;
			share(a, rest, segment, ranks, &from, &to);
			if (step > 0) /* the neighbour's step before this one */
				spin_until(&a->progress[left].done, begin + step);
			if (gather) {
				reduce(&a->out[rank], 1, &a->out[left], 1, slab + from, slab + to, a->stream && step == 2 * (ranks - 1) - 1);
				settle(a);
			} else {
				void *src[2] = {a->in[rank], step == 0 ? a->in[left] : a->out[left]};
				reduce(&a->out[rank], 1, src, 2, slab + from, slab + to, 0);
			}
			atomic_store_explicit(&a->progress[rank].done, ++mine, memory_order_release);
		}
	}
}

/* value is what rank contributes to element i: shifts along the buffer and
   mixed-up ranks both change sums. */
static int value(const allreduce_arg *a, int rank, long i) { return (i + (i >> 5) + 3 * rank) % a->modulus; }

void allreduce_fill(void *p, int rank, int ranks)
{
	const allreduce_arg *a = p;
	(void)ranks;
	if (a->out[rank] != a->in[rank])
		memset(a->out[rank], 0xff, a->count * element_bytes[a->element]);
	for (long i = 0; i < a->count; i++) {
		int v = value(a, rank, i);
		switch (a->element) {
		case ELEMENT_F32:
			((float *)a->in[rank])[i] = v;
			break;
		case ELEMENT_F64:
			((double *)a->in[rank])[i] = v;
			break;
		case ELEMENT_BF16:
			((uint16_t *)a->in[rank])[i] = bf16_from_float(v);
		}
	}
}

void allreduce_check(void *p, int rank, int ranks)
{
	allreduce_arg *a = p;
	long wrong = 0;
	for (long i = 0; i < a->count; i++) {
		int want = 0;
		for (int r = 0; r < ranks; r++)
			want += value(a, r, i);
		double have = 0;
		switch (a->element) {
		case ELEMENT_F32:
			have = ((float *)a->out[rank])[i];
			break;
		case ELEMENT_F64:
			have = ((double *)a->out[rank])[i];
			break;
		case ELEMENT_BF16:
			have = bf16_to_float(((uint16_t *)a->out[rank])[i]);
		}
		wrong += have != want;
	}
	a->counts[rank].wrong = wrong;
}
