#include "nccl.h"

#include <stdint.h>

const char *const nccl_symbols[] = {
#define X(returns, field, symbol, parameters) symbol,
	NCCL_SYMBOLS(X)
#undef X
};

enum { SUM = 0 }; /* ncclSum */

nccl_result nccl_version(const nccl_table *t, int *version) { return t->version(version); }
const char *nccl_error(const nccl_table *t, nccl_result r) { return t->error_string(r); }
nccl_result nccl_unique_id(const nccl_table *t, nccl_id *id) { return t->unique_id(id); }
nccl_result nccl_init_all(const nccl_table *t, nccl_comm *comms, int n, const int *devices) { return t->init_all(comms, n, devices); }
nccl_result nccl_init_rank(const nccl_table *t, nccl_comm *comm, int ranks, const nccl_id *id, int rank)
{
	return t->init_rank(comm, ranks, *id, rank);
}
nccl_result nccl_destroy(const nccl_table *t, nccl_comm c) { return t->destroy(c); }
nccl_result nccl_abort(const nccl_table *t, nccl_comm c) { return t->abort_comm(c); }
nccl_result nccl_async_error(const nccl_table *t, nccl_comm c)
{
	nccl_result state = 0, r = t->async_error(c, &state);
	return r ? r : state;
}

static nccl_result one(const nccl_table *t, const nccl_call *c, const char **which)
{
	const void *from = (const void *)(uintptr_t)c->from;
	void *to = (void *)(uintptr_t)c->to;
	switch (c->kind) {
	case NCCL_ALL_REDUCE:
		*which = "ncclAllReduce";
		return t->all_reduce(from, to, c->count, c->type, SUM, c->comm, c->stream);
	case NCCL_ALL_GATHER:
		*which = "ncclAllGather";
		return t->all_gather(from, to, c->count, c->type, c->comm, c->stream);
	case NCCL_REDUCE_SCATTER:
		*which = "ncclReduceScatter";
		return t->reduce_scatter(from, to, c->count, c->type, SUM, c->comm, c->stream);
	case NCCL_BROADCAST:
		*which = "ncclBroadcast";
		return t->broadcast(from, to, c->count, c->type, c->peer, c->comm, c->stream);
	case NCCL_SEND:
		*which = "ncclSend";
		return t->send(from, c->count, c->type, c->peer, c->comm, c->stream);
	default:
		*which = "ncclRecv";
		return t->recv(to, c->count, c->type, c->peer, c->comm, c->stream);
	}
}

nccl_result nccl_enqueue(const nccl_table *t, const nccl_call *calls, int n, const char **which)
{
	*which = "ncclGroupStart";
	nccl_result r = t->group_start(), end;
	if (r)
		return r;
	for (int i = 0; i < n && !r; i++)
		r = one(t, &calls[i], which);
	/* A group that was begun is ended whatever happened in it. */
	end = t->group_end();
	if (!r && end) {
		*which = "ncclGroupEnd";
		r = end;
	}
	return r;
}
