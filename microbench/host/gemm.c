#include "gemm.h"

#include <stdint.h>
#include <string.h>

#include "bf16.h"
#include "gemm_tile.h"
#include "team.h"

/* Plain C: vectors of 16 bytes, NEON on arm64 and SSE2 on x86-64. */
typedef float v4f __attribute__((vector_size(16), aligned(4)));
typedef double v2d __attribute__((vector_size(16), aligned(8)));
#define SET4(x) ((v4f){(x), (x), (x), (x)})
#define SET2(x) ((v2d){(x), (x)})
#define LOAD4(p) (*(const v4f *)(p))
#define LOAD2(p) (*(const v2d *)(p))
#define STORE4(p, v) (*(v4f *)(p) = (v))
#define STORE2(p, v) (*(v2d *)(p) = (v))
#define PLUS(x, y) ((x) + (y))
#define MADD(s, x, y) ((s) + (x) * (y))
TILE(tile_f32, , float, v4f, 4, 6, 2, SET4, LOAD4, STORE4, PLUS, MADD)
TILE(tile_f64, , double, v2d, 2, 6, 2, SET2, LOAD2, STORE2, PLUS, MADD)
SWEEP(sweep_f32, , float, v4f, 4, SET4, LOAD4, STORE4, MADD)
SWEEP(sweep_f64, , double, v2d, 2, SET2, LOAD2, STORE2, MADD)

const gemm_kernel gemm_plain[2] = {
	{GEMM_FP32, ISA_PLAIN, 6, 8, 1, 4, tile_f32, sweep_f32, 8},
	{GEMM_FP64, ISA_PLAIN, 6, 4, 1, 8, tile_f64, sweep_f64, 8},
};

static const gemm_kernel *find(const gemm_kernel *list, size_t n, int type, int isa)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].type == type && list[i].isa == isa)
			return &list[i];
	return NULL;
}

const gemm_kernel *gemm_kernel_for(int type, int isa)
{
	const gemm_kernel *k = find(gemm_plain, 2, type, isa);
#if defined(__x86_64__)
	if (!k)
		k = find(gemm_avx2, 2, type, isa);
	if (!k)
		k = find(gemm_avx512, 4, type, isa);
#endif
	return k;
}

/* Blocks: a panel of B of KC units by nr stays in the first-level cache, a block
   of A of MC by KC units in half of a second-level cache of 512 KiB, a block of B
   of KC by NC in a share of the last-level one. In bytes, so for every type. */
enum { KC_BYTES = 1024, MC = 192, NC_BYTES = 8192 };

static long min(long a, long b) { return a < b ? a : b; }
static long ceil_div(long a, long b) { return (a + b - 1) / b; }

size_t gemm_pack_bytes(const gemm_kernel *k)
{
	size_t kc = KC_BYTES / (size_t)k->unit, nc = NC_BYTES / (size_t)k->unit;
	return kc * (size_t)k->unit * (MC + nc) + (size_t)k->mr * (size_t)k->nr * 8 + 4096;
}

/* pack_a copies mc rows and kg units of A, from row i0 and unit p0, into panels
   of mr rows, unit by unit; what lies outside A is zero. */
#define PACK_A(name, U)                                                                 \
	static void name(const gemm_kernel *g, U *to, const char *a, long k, long i0, long mc, long p0, long kg) \
	{                                                                               \
		const long whole = k / g->group - p0, row = k * (long)sizeof(U) / g->group;     \
		for (long i = 0; i < mc; i += g->mr, to += kg * g->mr)                          \
			for (long r = 0; r < g->mr; r++) {                                          \
				const char *from = a + (i0 + i + r) * row + p0 * (long)sizeof(U);           \
				long p = 0;                                                             \
				if (i + r < mc) {                                                       \
					for (; p < min(kg, whole); p++)                                     \
						memcpy(&to[p * g->mr + r], from + p * (long)sizeof(U), sizeof(U));  \
					if (p < kg) { /* the last unit of a k that groups do not divide */  \
						U last = 0;                                                     \
						memcpy(&last, from + p * (long)sizeof(U), (size_t)(k % g->group) * sizeof(U) / (size_t)g->group); \
						to[p++ * g->mr + r] = last;                                     \
					}                                                                   \
				}                                                                       \
				for (; p < kg; p++)                                                     \
					to[p * g->mr + r] = 0;                                              \
			}                                                                           \
	}
PACK_A(pack_a32, uint32_t)
PACK_A(pack_a64, uint64_t)

/* pack_b copies kg units and nc columns of B, from unit p0 and column j0, into
   panels of nr columns. T is an element, G how many rows of B a unit U joins, the
   first in its lowest bytes; rows and columns outside B are zero. */
#define PACK_B(name, target, U, T, G)                                                   \
	target static void name(const gemm_kernel *g, U *to, const T *b, long n, long k, long j0, long nc, long p0, long kg) \
	{                                                                               \
		const long nr = g->nr;                                                      \
		for (long j = 0; j < nc; j += nr)                                           \
			for (long p = p0; p < p0 + kg; p++, to += nr) {                         \
				const long cols = min(nr, nc - j), rows = min((G), k - p * (G));    \
				const T *from = b + p * (G) * n + j0 + j;                           \
				if (cols < nr || rows < (G)) {                                      \
					for (long c = 0; c < nr; c++) {                                 \
						to[c] = 0;                                                  \
						for (long h = 0; c < cols && h < rows; h++)                 \
							to[c] |= (U)from[h * n + c] << (8 * sizeof(T) * (size_t)h); \
					}                                                               \
					continue;                                                       \
				}                                                                   \
				for (long c = 0; c < nr; c++) {                                     \
					U u = from[c];                                                  \
					for (int h = 1; h < (G); h++) u |= (U)from[h * n + c] << (8 * sizeof(T) * (size_t)h); \
					to[c] = u;                                                      \
				}                                                                   \
			}                                                                       \
	}
PACK_B(pack_b64, , uint64_t, uint64_t, 1)
PACK_B(pack_b32, , uint32_t, uint32_t, 1)
#if defined(__x86_64__)
PACK_B(pack_b16, TARGET_AVX512, uint32_t, uint16_t, 2) /* only the AVX-512 kernels join rows */
PACK_B(pack_b8, TARGET_AVX512, uint32_t, uint8_t, 4)
#endif

static void pack_b(const gemm_kernel *g, char *to, const char *b, long n, long k, long j0, long nc, long p0, long kg)
{
	switch (g->type) {
	case GEMM_FP64: pack_b64(g, (uint64_t *)to, (const uint64_t *)b, n, k, j0, nc, p0, kg); break;
	case GEMM_FP32: pack_b32(g, (uint32_t *)to, (const uint32_t *)b, n, k, j0, nc, p0, kg); break;
#if defined(__x86_64__)
	case GEMM_BF16: pack_b16(g, (uint32_t *)to, (const uint16_t *)b, n, k, j0, nc, p0, kg); break;
	case GEMM_INT8: pack_b8(g, (uint32_t *)to, (const uint8_t *)b, n, k, j0, nc, p0, kg); break;
#endif
	}
}

/* edge makes a tile in scratch memory and moves the part of it that is in C. */
static void edge(const gemm_kernel *g, long kg, const char *a, const char *b, char *c, long ldc, int add,
                 long rows, long cols, char *scratch)
{
	size_t width = (size_t)cols * (size_t)g->unit, line = (size_t)g->nr * (size_t)g->unit;
	if (add)
		for (long i = 0; i < rows; i++)
			memcpy(scratch + (size_t)i * line, c + i * ldc * g->unit, width);
	g->micro(kg, a, b, scratch, g->nr, add);
	for (long i = 0; i < rows; i++)
		memcpy(c + i * ldc * g->unit, scratch + (size_t)i * line, width);
}

/* block makes C[i0:i1, j0:j1] with one rank's packing memory. */
static void block(const gemm_work *w, const char *a, const char *b, char *c, char *pack, long i0, long i1, long j0, long j1)
{
	const gemm_kernel *g = w->kernel;
	const long unit = g->unit, kc = KC_BYTES / unit, units = ceil_div(w->k, g->group);
	/* Whole panels, so that the memory that gemm_pack_bytes counts is enough. */
	const long nc_most = NC_BYTES / unit / g->nr * g->nr, mc_most = MC / g->mr * g->mr;
	char *bp = pack, *ap = bp + kc * unit * nc_most, *scratch = ap + kc * unit * mc_most;
	for (long jc = j0; jc < j1; jc += nc_most) {
		const long nc = min(nc_most, j1 - jc);
		for (long pc = 0; pc < units; pc += kc) {
			const long kg = min(kc, units - pc);
			pack_b(g, bp, b, w->n, w->k, jc, nc, pc, kg);
			for (long ic = i0; ic < i1; ic += mc_most) {
				const long mc = min(mc_most, i1 - ic);
				if (unit == 8)
					pack_a64(g, (uint64_t *)ap, a, w->k, ic, mc, pc, kg);
				else
					pack_a32(g, (uint32_t *)ap, a, w->k, ic, mc, pc, kg);
				for (long jr = 0; jr < nc; jr += g->nr)
					for (long ir = 0; ir < mc; ir += g->mr) {
						const char *at = ap + ir * kg * unit, *bt = bp + jr * kg * unit;
						char *ct = c + ((ic + ir) * w->n + jc + jr) * unit;
						long rows = min(g->mr, mc - ir), cols = min(g->nr, nc - jr);
						if (rows == g->mr && cols == g->nr)
							g->micro(kg, at, bt, ct, w->n, pc > 0);
						else
							edge(g, kg, at, bt, ct, w->n, pc > 0, rows, cols, scratch);
					}
			}
		}
	}
}

/* grid splits ranks into rows × columns of blocks so that the largest block has
   the fewest tiles, and among those the smallest perimeter: each rank packs its
   own operands, so the perimeter is what packing costs. */
static void grid(const gemm_kernel *g, long m, long n, int ranks, int *rows, int *cols)
{
	long best = -1, best_edge = 0, mt = ceil_div(m, g->mr), nt = ceil_div(n, g->nr);
	for (int r = 1; r <= ranks; r++) {
		if (ranks % r)
			continue;
		long h = ceil_div(mt, r), v = ceil_div(nt, ranks / r), perimeter = h * g->mr + v * g->nr;
		if (best < 0 || h * v < best || (h * v == best && perimeter < best_edge))
			best = h * v, best_edge = perimeter, *rows = r, *cols = ranks / r;
	}
}

/* narrow rounds sums, which are finite, to bf16. */
#if defined(__x86_64__)
TARGET_AVX512 /* as every kernel of bf16 here */
#endif
static void narrow(uint16_t *to, const float *from, long n)
{
	for (long i = 0; i < n; i++)
		to[i] = bf16_from_float(from[i]);
}

/* sweep makes one rank's columns, whole cache lines of C, in turns of
   SWEEP_BYTES. C is gathered in packing memory, whose rows are an odd number of
   lines apart: at a row length of a power of two they would all share a set.
   A turn is so many bytes of a row of C, or of B where C is then no longer than
   several rows of fp32 would be: long runs of B's rows suit the prefetchers. */
enum { SWEEP_BYTES = 8192 };

static void sweep(const gemm_work *w, const char *a, const char *b, char *c, int rank, int ranks)
{
	const long unit = w->kernel->unit, element = unit / w->kernel->group, line = 64 / unit, lines = ceil_div(w->n, line);
	const long n0 = min(rank * lines / ranks * line, w->n), n1 = min((rank + 1) * lines / ranks * line, w->n);
	const long turn = SWEEP_BYTES / (w->m * element > unit ? unit : element), ldc = turn + line;
	char *rows = w->pack + (size_t)rank * gemm_pack_bytes(w->kernel);
	for (long j = n0; j < n1; j += turn) {
		const long cols = min(turn, n1 - j);
		w->kernel->sweep(w->m, cols, w->k, a, b + j * element, w->n, rows, ldc);
		for (long i = 0; i < w->m; i++) {
			if (w->wide)
				narrow((uint16_t *)c + i * w->n + j, (const float *)rows + i * ldc, cols);
			else
				memcpy(c + (i * w->n + j) * unit, rows + i * ldc * unit, (size_t)(cols * unit));
		}
	}
}

void gemm_product(void *arg, int rank, int ranks)
{
	const gemm_work *w = arg;
	const gemm_kernel *g = w->kernel;
	const long copy = team_iteration() % w->copies;
	const char *a = w->a + copy * w->a_stride, *b = w->b + copy * w->b_stride;
	char *c = w->c + copy * w->c_stride;
	int rows = 1, cols = ranks;
	if (g->sweep && w->m <= g->sweep_rows) {
		sweep(w, a, b, c, rank, ranks);
		return;
	}
	grid(g, w->m, w->n, ranks, &rows, &cols);
	const long mt = ceil_div(w->m, g->mr), nt = ceil_div(w->n, g->nr), r = rank / cols, q = rank % cols;
	const long i0 = min(r * mt / rows * g->mr, w->m), i1 = min((r + 1) * mt / rows * g->mr, w->m);
	const long j0 = min(q * nt / cols * g->nr, w->n), j1 = min((q + 1) * nt / cols * g->nr, w->n);
	char *sums = w->wide ? (char *)w->wide : c;
	block(w, a, b, sums, w->pack + (size_t)rank * gemm_pack_bytes(g), i0, i1, j0, j1);
	for (long i = i0; w->wide && i < i1; i++)
		narrow((uint16_t *)c + i * w->n + j0, w->wide + i * w->n + j0, j1 - j0);
}
