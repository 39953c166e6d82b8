/* A stand-in for libnccl that keeps no GPU: it writes down what it is asked, and
   fails the call that the file "fail" names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int group;

static int note(const char *call, long count, int type, int peer)
{
	char fail[64] = "";
	FILE *f = fopen(STUB_FOLDER "/journal", "a");
	fprintf(f, "%s count=%ld type=%d peer=%d group=%d\n", call, count, type, peer, group);
	fclose(f);
	if ((f = fopen(STUB_FOLDER "/fail", "r"))) {
		if (!fgets(fail, sizeof fail, f))
			fail[0] = 0;
		fclose(f);
	}
	return strcmp(fail, call) == 0 ? 2 : 0;
}

int ncclGetVersion(int *v) { *v = 22203; return 0; }
const char *ncclGetErrorString(int r) { return r == 2 ? "unhandled system error" : "other"; }
typedef struct { char b[128]; } id;
int ncclGetUniqueId(id *i) { memset(i, 7, sizeof *i); return 0; }
int ncclCommInitAll(void **c, int n, const int *d) { for (int i = 0; i < n; i++) c[i] = (void *)(long)(d[i] + 1); return note("ncclCommInitAll", n, 0, d[n - 1]); }
int ncclCommInitRank(void **c, int n, id i, int r) { *c = (void *)1; return note("ncclCommInitRank", n, i.b[127], r); }
int ncclCommDestroy(void *c) { (void)c; return 0; }
int ncclCommAbort(void *c) { (void)c; return 0; }
int ncclCommGetAsyncError(void *c, int *r) { *r = c == (void *)1 ? 7 : 2; return 0; }
int ncclAllReduce(const void *a, void *b, size_t n, int t, int op, void *c, void *s) { (void)a, (void)b, (void)c, (void)s; return note("ncclAllReduce", n, t, op); }
int ncclAllGather(const void *a, void *b, size_t n, int t, void *c, void *s) { (void)a, (void)b, (void)c, (void)s; return note("ncclAllGather", n, t, 0); }
int ncclReduceScatter(const void *a, void *b, size_t n, int t, int op, void *c, void *s) { (void)a, (void)b, (void)c, (void)s; return note("ncclReduceScatter", n, t, op); }
int ncclBroadcast(const void *a, void *b, size_t n, int t, int root, void *c, void *s) { (void)a, (void)b, (void)c, (void)s; return note("ncclBroadcast", n, t, root); }
int ncclSend(const void *a, size_t n, int t, int p, void *c, void *s) { (void)a, (void)c, (void)s; return note("ncclSend", n, t, p); }
int ncclRecv(void *a, size_t n, int t, int p, void *c, void *s) { (void)a, (void)c, (void)s; return note("ncclRecv", n, t, p); }
int ncclGroupStart(void) { group++; return 0; }
int ncclGroupEnd(void) { group--; return note("ncclGroupEnd", 0, 0, 0); }
