/* What of cuBLASLt is used, for whoever makes a stand-in:
   functions        the list LT_SYMBOLS of cublaslt.h
   desc attributes  TRANSA 3 and TRANSB 4 (int32, always set), A_SCALE_POINTER 17
                    and B_SCALE_POINTER 18 (void *, only where there are scales)
   preferences      MAX_WORKSPACE_BYTES 1 (uint64)
   algorithm        ID 0, TILE_ID 1, SPLITK_NUM 2, REDUCTION_SCHEME 3,
                    CTA_SWIZZLING 4, CUSTOM_OPTION 5, STAGES_ID 6 (int32 or
                    uint32), INNER_SHAPE_ID 7 and CLUSTER_SHAPE_ID 8 (uint16)
   Layouts are column-major without batches, C and D are one, the epilogue is the
   default one, alpha and beta are in host memory. */
#include "cublaslt.h"

#include <string.h>

const char *const lt_symbols[] = {
#define X(returns, field, symbol, parameters) symbol,
	LT_SYMBOLS(X)
#undef X
};

enum { TRANSA = 3, TRANSB = 4, A_SCALE_POINTER = 17, B_SCALE_POINTER = 18 };
enum { MAX_WORKSPACE_BYTES = 1 };

_Static_assert(sizeof(lt_heuristic) == 96, "cublasLtMatmulHeuristicResult_t has 96 bytes");

size_t lt_version(const lt_table *t) { return t->version(); }
const char *lt_status_name(const lt_table *t, lt_status s) { return t->status_name(s); }
lt_status lt_create(const lt_table *t, lt_handle *h) { return t->create(h); }
lt_status lt_destroy(const lt_table *t, lt_handle h) { return t->destroy(h); }

#define TRY(symbol, call) \
	do { \
		lt_status s_ = (call); \
		if (s_) { \
			*which = symbol; \
			return s_; \
		} \
	} while (0)

/* first keeps the first status that is no success, and the name of its call. */
static void first(lt_status *r, lt_status s, const char *symbol, const char **which)
{
	if (s && !*r) {
		*r = s;
		*which = symbol;
	}
}

static lt_status describe(const lt_table *t, const lt_shape *s, lt_plan *p, const char **which)
{
	const int32_t ta = s->transpose_a, tb = s->transpose_b;
	TRY("cublasLtMatmulDescCreate", t->desc_create(&p->desc, s->compute, s->scale_type));
	TRY("cublasLtMatmulDescSetAttribute(TRANSA)", t->desc_set(p->desc, TRANSA, &ta, sizeof ta));
	TRY("cublasLtMatmulDescSetAttribute(TRANSB)", t->desc_set(p->desc, TRANSB, &tb, sizeof tb));
	if (s->scale_a)
		TRY("cublasLtMatmulDescSetAttribute(A_SCALE_POINTER)", t->desc_set(p->desc, A_SCALE_POINTER, &s->scale_a, sizeof s->scale_a));
	if (s->scale_b)
		TRY("cublasLtMatmulDescSetAttribute(B_SCALE_POINTER)", t->desc_set(p->desc, B_SCALE_POINTER, &s->scale_b, sizeof s->scale_b));
	uint64_t ar = ta ? s->k : s->rows, ac = ta ? s->rows : s->k, br = tb ? s->cols : s->k, bc = tb ? s->k : s->cols;
	TRY("cublasLtMatrixLayoutCreate(A)", t->layout_create(&p->a, s->type_a, ar, ac, (int64_t)ar));
	TRY("cublasLtMatrixLayoutCreate(B)", t->layout_create(&p->b, s->type_b, br, bc, (int64_t)br));
	TRY("cublasLtMatrixLayoutCreate(D)", t->layout_create(&p->d, s->type_d, s->rows, s->cols, (int64_t)s->rows));
	return 0;
}

lt_status lt_plan_create(const lt_table *t, lt_handle h, const lt_shape *s, lt_plan *p, int asked, lt_heuristic *list, int *found, const char **which)
{
	lt_preference f = NULL;
	*found = 0;
	lt_status r = describe(t, s, p, which);
	if (r)
		return r;
	TRY("cublasLtMatmulPreferenceCreate", t->preference_create(&f));
	*which = "cublasLtMatmulPreferenceSetAttribute(MAX_WORKSPACE_BYTES)";
	r = t->preference_set(f, MAX_WORKSPACE_BYTES, &s->workspace, sizeof s->workspace);
	if (!r) {
		*which = "cublasLtMatmulAlgoGetHeuristic";
		r = t->heuristic(h, p->desc, p->a, p->b, p->d, p->d, f, asked, list, found);
	}
	first(&r, t->preference_destroy(f), "cublasLtMatmulPreferenceDestroy", which);
	return r;
}

lt_status lt_plan_destroy(const lt_table *t, lt_plan *p, const char **which)
{
	const lt_layout layouts[] = {p->a, p->b, p->d};
	lt_status r = 0;
	for (int i = 0; i < 3; i++)
		if (layouts[i])
			first(&r, t->layout_destroy(layouts[i]), "cublasLtMatrixLayoutDestroy", which);
	if (p->desc)
		first(&r, t->desc_destroy(p->desc), "cublasLtMatmulDescDestroy", which);
	memset(p, 0, sizeof *p);
	return r;
}

static int attribute(const lt_table *t, const lt_algo *a, int attribute, size_t bytes)
{
	uint32_t wide = 0;
	uint16_t narrow = 0;
	size_t written = 0;
	if (t->algo_get(a, attribute, bytes == 4 ? (void *)&wide : (void *)&narrow, bytes, &written) || written != bytes)
		return -1;
	return bytes == 4 ? (int)wide : narrow;
}

void lt_describe(const lt_table *t, const lt_algo *a, lt_config *c)
{
	c->id = attribute(t, a, 0, 4), c->tile = attribute(t, a, 1, 4), c->split_k = attribute(t, a, 2, 4);
	c->reduction = attribute(t, a, 3, 4), c->swizzle = attribute(t, a, 4, 4), c->custom = attribute(t, a, 5, 4);
	c->stages = attribute(t, a, 6, 4), c->inner = attribute(t, a, 7, 2), c->cluster = attribute(t, a, 8, 2);
}

static void *at(uint64_t address) { return (void *)(uintptr_t)address; }

lt_status lt_matmul(const lt_table *t, lt_handle h, const lt_plan *p, const void *alpha, uint64_t a, uint64_t b, const void *beta, uint64_t d,
                    const lt_algo *algo, uint64_t workspace, size_t workspace_bytes, lt_stream stream)
{
	return t->matmul(h, p->desc, alpha, at(a), p->a, at(b), p->b, beta, at(d), p->d, at(d), p->d, algo, at(workspace), workspace_bytes, stream);
}
