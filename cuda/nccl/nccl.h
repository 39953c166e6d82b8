/* nccl.h: the calls of libnccl that we use, opened at run time. Types and
   constants are those of NVIDIA's nccl.h 2.22; every call has had this signature
   since 2.7 (ncclSend and ncclRecv are the youngest). */
#ifndef BENCH_NCCL_H
#define BENCH_NCCL_H

#include <stddef.h>

typedef int nccl_result; /* ncclResult_t; 0 is success, 7 in progress */
typedef const char *nccl_text;
typedef void *nccl_comm;
typedef void *nccl_stream;
typedef struct {
	char bytes[128]; /* NCCL_UNIQUE_ID_BYTES */
} nccl_id;

/* X(returns, field, symbol, parameters) */
#define NCCL_SYMBOLS(X) \
	X(nccl_result, version, "ncclGetVersion", (int *)) \
	X(nccl_text, error_string, "ncclGetErrorString", (nccl_result)) \
	X(nccl_result, unique_id, "ncclGetUniqueId", (nccl_id *)) \
	X(nccl_result, init_all, "ncclCommInitAll", (nccl_comm *, int n, const int *devices)) \
	X(nccl_result, init_rank, "ncclCommInitRank", (nccl_comm *, int ranks, nccl_id, int rank)) \
	X(nccl_result, destroy, "ncclCommDestroy", (nccl_comm)) \
	X(nccl_result, abort_comm, "ncclCommAbort", (nccl_comm)) \
	X(nccl_result, async_error, "ncclCommGetAsyncError", (nccl_comm, nccl_result *)) \
	X(nccl_result, all_reduce, "ncclAllReduce", (const void *, void *, size_t count, int type, int op, nccl_comm, nccl_stream)) \
	X(nccl_result, all_gather, "ncclAllGather", (const void *, void *, size_t send_count, int type, nccl_comm, nccl_stream)) \
	X(nccl_result, reduce_scatter, "ncclReduceScatter", (const void *, void *, size_t recv_count, int type, int op, nccl_comm, nccl_stream)) \
	X(nccl_result, broadcast, "ncclBroadcast", (const void *, void *, size_t count, int type, int root, nccl_comm, nccl_stream)) \
	X(nccl_result, send, "ncclSend", (const void *, size_t count, int type, int peer, nccl_comm, nccl_stream)) \
	X(nccl_result, recv, "ncclRecv", (void *, size_t count, int type, int peer, nccl_comm, nccl_stream)) \
	X(nccl_result, group_start, "ncclGroupStart", (void)) \
	X(nccl_result, group_end, "ncclGroupEnd", (void))

typedef struct {
#define X(returns, field, symbol, parameters) returns (*field) parameters;
	NCCL_SYMBOLS(X)
#undef X
} nccl_table;

/* What one rank does within a group. */
enum { NCCL_ALL_REDUCE, NCCL_ALL_GATHER, NCCL_REDUCE_SCATTER, NCCL_BROADCAST, NCCL_SEND, NCCL_RECV };

typedef struct {
	int kind, type;
	int peer; /* of send and recv; the root of broadcast */
	nccl_comm comm;
	nccl_stream stream;
	unsigned long long from, to; /* device addresses */
	size_t count; /* elements, as the call itself counts them */
} nccl_call;

/* The symbols in the table's order. */
extern const char *const nccl_symbols[sizeof(nccl_table) / sizeof(void *)];

nccl_result nccl_version(const nccl_table *, int *version);
const char *nccl_error(const nccl_table *, nccl_result);
nccl_result nccl_unique_id(const nccl_table *, nccl_id *);
nccl_result nccl_init_all(const nccl_table *, nccl_comm *, int n, const int *devices);
nccl_result nccl_init_rank(const nccl_table *, nccl_comm *, int ranks, const nccl_id *, int rank);
nccl_result nccl_destroy(const nccl_table *, nccl_comm);
nccl_result nccl_abort(const nccl_table *, nccl_comm);
nccl_result nccl_async_error(const nccl_table *, nccl_comm);

/* nccl_enqueue makes the calls as one group: groups belong to a thread, so all of
   it is one call from Go. Where one fails, which names its function. */
nccl_result nccl_enqueue(const nccl_table *, const nccl_call *calls, int n, const char **which);

#endif
