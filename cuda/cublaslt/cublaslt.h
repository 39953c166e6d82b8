/* cublaslt.h: the calls of libcublasLt that we use, opened at run time. Signatures,
   attribute numbers and structures are those of cublasLt.h 12.4 (CUDA 12.4);
   11.x and 13.x document the same for all of these. cublaslt.c lists which
   attributes are set. */
#ifndef BENCH_CUBLASLT_H
#define BENCH_CUBLASLT_H

#include <stddef.h>
#include <stdint.h>

typedef int lt_status; /* cublasStatus_t; 0 is success */
typedef const char *lt_text;
typedef size_t lt_size;
typedef void *lt_handle, *lt_desc, *lt_layout, *lt_preference, *lt_stream;

typedef struct {
	uint64_t data[8];
} lt_algo; /* cublasLtMatmulAlgo_t */

typedef struct {
	lt_algo algo;
	size_t workspace;
	lt_status state;
	float waves;
	int reserved[4];
} lt_heuristic; /* cublasLtMatmulHeuristicResult_t */

/* X(returns, field, symbol, parameters) */
#define LT_SYMBOLS(X) \
	X(lt_size, version, "cublasLtGetVersion", (void)) \
	X(lt_text, status_name, "cublasLtGetStatusName", (lt_status)) \
	X(lt_status, create, "cublasLtCreate", (lt_handle *)) \
	X(lt_status, destroy, "cublasLtDestroy", (lt_handle)) \
	X(lt_status, desc_create, "cublasLtMatmulDescCreate", (lt_desc *, int compute, int scale)) \
	X(lt_status, desc_destroy, "cublasLtMatmulDescDestroy", (lt_desc)) \
	X(lt_status, desc_set, "cublasLtMatmulDescSetAttribute", (lt_desc, int attribute, const void *, size_t)) \
	X(lt_status, layout_create, "cublasLtMatrixLayoutCreate", (lt_layout *, int type, uint64_t rows, uint64_t cols, int64_t ld)) \
	X(lt_status, layout_destroy, "cublasLtMatrixLayoutDestroy", (lt_layout)) \
	X(lt_status, preference_create, "cublasLtMatmulPreferenceCreate", (lt_preference *)) \
	X(lt_status, preference_destroy, "cublasLtMatmulPreferenceDestroy", (lt_preference)) \
	X(lt_status, preference_set, "cublasLtMatmulPreferenceSetAttribute", (lt_preference, int attribute, const void *, size_t)) \
	X(lt_status, heuristic, "cublasLtMatmulAlgoGetHeuristic", (lt_handle, lt_desc, lt_layout a, lt_layout b, lt_layout c, lt_layout d, \
	                                                          lt_preference, int asked, lt_heuristic *, int *found)) \
	X(lt_status, algo_get, "cublasLtMatmulAlgoConfigGetAttribute", (const lt_algo *, int attribute, void *, size_t, size_t *written)) \
	X(lt_status, matmul, "cublasLtMatmul", (lt_handle, lt_desc, const void *alpha, const void *a, lt_layout, const void *b, lt_layout, \
	                                        const void *beta, const void *c, lt_layout, void *d, lt_layout, const lt_algo *, \
	                                        void *workspace, size_t, lt_stream))

typedef struct {
#define X(returns, field, symbol, parameters) returns (*field) parameters;
	LT_SYMBOLS(X)
#undef X
} lt_table;

/* The symbols in the table's order. */
extern const char *const lt_symbols[sizeof(lt_table) / sizeof(void *)];

size_t lt_version(const lt_table *);
const char *lt_status_name(const lt_table *, lt_status);
lt_status lt_create(const lt_table *, lt_handle *);
lt_status lt_destroy(const lt_table *, lt_handle);

/* A product, column-major as the library sees it: D[rows,cols] = op(A)·op(B). */
typedef struct {
	int compute, scale_type;            /* cublasComputeType_t, cudaDataType_t */
	int transpose_a, transpose_b;
	int type_a, type_b, type_d;         /* cudaDataType_t */
	uint64_t rows, cols, k;
	uint64_t scale_a, scale_b;          /* device addresses of a float each, or 0 */
	uint64_t workspace;                 /* the most bytes of it */
} lt_shape;

typedef struct {
	lt_desc desc;
	lt_layout a, b, d;
} lt_plan;

/* lt_plan_create makes the descriptors and asks the heuristics; what it names in
   `which` is the call that failed. lt_plan_destroy takes an unfinished plan too. */
lt_status lt_plan_create(const lt_table *, lt_handle, const lt_shape *, lt_plan *, int asked, lt_heuristic *, int *found, const char **which);
lt_status lt_plan_destroy(const lt_table *, lt_plan *, const char **which);

/* What identifies an algorithm's configuration; -1 where it has no such attribute. */
typedef struct {
	int id, tile, split_k, reduction, swizzle, custom, stages, inner, cluster;
} lt_config;
void lt_describe(const lt_table *, const lt_algo *, lt_config *);

/* alpha and beta point to the plan's scale type. */
lt_status lt_matmul(const lt_table *, lt_handle, const lt_plan *, const void *alpha, uint64_t a, uint64_t b, const void *beta, uint64_t d,
                    const lt_algo *, uint64_t workspace, size_t workspace_bytes, lt_stream);

#endif
