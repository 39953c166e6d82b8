// grouped.cu: the experts' products: for every expert e, the rows that chose it
// times its own matrix, y[row] = x[row]·W[e]ᵀ, on tensor cores by mma.sync with
// tiles that cp.async brings ahead of their use.
//
// W is [experts][outputs][inputs], inputs and outputs multiples of 8. The tiles
// of rows are those that bench_moe_plan laid out; x's rows are taken through
// `order` (pair / top_k is the token) where it is not null, else as they come.
//
// At few tokens a product is bound by its weights: a block of 16 rows by 64
// outputs has four tiles of weights under way, 32 KiB, and two blocks fit an SM
// of A100, three one of H100, which needs 17 KiB. At many it is bound by the
// tensor cores: a tile of 128 by 128 does 64 FLOP a byte that it reads from L2.
// wgmma is not used here, so on H100 the ceiling is that of mma.sync.
#include "elements.cuh"

// A block has WM × WN warps, each of M/WM rows by N/WN outputs, and STAGES tiles
// of DEPTH columns in turn. Rows of a tile lie DEPTH + 8 elements apart, an odd
// number of 16-byte units, so that the rows of an ldmatrix fall into different
// banks.
template <int M_, int N_, int DEPTH_, int WM_, int WN_, int STAGES_> struct grouped_shape {
	static constexpr int M = M_, N = N_, DEPTH = DEPTH_, WM = WM_, WN = WN_, STAGES = STAGES_;
	static constexpr int ROW = DEPTH + 8;
	static constexpr int THREADS = 32 * WM * WN;
	static constexpr int ROWS = M / WM / 16, PAIRS = N / WN / 16;  // fragments of a warp; two of 8 outputs a pair
	static constexpr int STAGE = (M + N) * ROW;           // elements
	static constexpr int UNITS = DEPTH / 8;
};

enum grouped_activation { GROUPED_PLAIN = 0, GROUPED_SILU_MUL = 1, GROUPED_GELU = 2 };

// With GROUPED_SILU_MUL rows 2i and 2i+1 of W are gate and up of output i, so
// that one lane holds both: y has outputs/2 columns.
template <typename T, typename shape>
DEVICE void grouped(T *y, const T *x, const T *w, const int *starts, const int *tile_expert, const int *tile_row,
                    const int *tiles, const int *order, const int *place, int top_k, int inputs, int outputs, int activation)
{
	SHARED_DYNAMIC(T, shared);
	if ((int)blockIdx.x >= tiles[0])
		return;
	const int tid = (int)threadIdx.x, lane = lane_id(), warp = tid / 32, wm = warp / shape::WN, wn = warp % shape::WN;
	const int expert = tile_expert[blockIdx.x], row = tile_row[blockIdx.x], rows = min(starts[expert + 1] - row, shape::M);
	const int first = (int)blockIdx.y * shape::N;
	const T *weights = w + (long long)(place ? place[expert] : expert) * outputs * inputs;

	// Each thread brings one 16-byte unit of every STEP-th row.
	constexpr int STEP = shape::THREADS / shape::UNITS, A = (shape::M + STEP - 1) / STEP, B = shape::N / STEP;
	const int unit = tid % shape::UNITS * 8, lead = tid / shape::UNITS;
	const T *from[A];
#pragma unroll
	for (int i = 0; i < A; i++) {
		int r = lead + i * STEP, s = row + (r < rows ? r : 0);
		from[i] = x + (long long)(order ? order[s] / top_k : s) * inputs + unit;
	}
	const T *bring = weights + (long long)(first + lead) * inputs + unit;
	auto load = [&](int k, T *to) {
		// Columns beyond the last are zero in both, rows and outputs beyond theirs
		// are never stored.
		const int inside = k + unit < inputs ? 16 : 0, at = inside ? k : 0;
#pragma unroll
		for (int i = 0; i < A; i++) {
			int r = lead + i * STEP;
			if (r < shape::M)
				cp_async_16_zfill(to + r * shape::ROW + unit, inside && r < rows ? from[i] + at : x, r < rows ? inside : 0);
		}
#pragma unroll
		for (int i = 0; i < B; i++) {
			bool there = inside && first + lead + i * STEP < outputs;
			cp_async_16_zfill(to + (shape::M + lead + i * STEP) * shape::ROW + unit,
			                  there ? bring + (long long)i * STEP * inputs + at : w, there ? 16 : 0);
		}
	};

	float acc[shape::ROWS][2 * shape::PAIRS][4] = {};
	const int steps = (inputs + shape::DEPTH - 1) / shape::DEPTH;
#pragma unroll
	for (int s = 0; s < shape::STAGES - 1; s++) {
		if (s < steps)
			load(s * shape::DEPTH, shared + s * shape::STAGE);
		cp_async_commit();
	}
	int now = 0, next = shape::STAGES - 1;
	for (int s = 0; s < steps; s++) {
		cp_async_wait<shape::STAGES - 2>();
		__syncthreads();
		if (s + shape::STAGES - 1 < steps)
			load((s + shape::STAGES - 1) * shape::DEPTH, shared + next * shape::STAGE);
		cp_async_commit();
		const T *a = shared + now * shape::STAGE + (wm * 16 * shape::ROWS + lane % 16) * shape::ROW + lane / 16 * 8;
		const T *b = shared + now * shape::STAGE +
		             (shape::M + wn * 16 * shape::PAIRS + lane / 16 * 8 + lane % 8) * shape::ROW + lane / 8 % 2 * 8;
#pragma unroll
		for (int k = 0; k < shape::DEPTH; k += 16) {
			unsigned left[shape::ROWS][4], right[shape::PAIRS][4];
#pragma unroll
			for (int i = 0; i < shape::ROWS; i++)
				ldmatrix_x4(left[i], a + i * 16 * shape::ROW + k);
#pragma unroll
			for (int j = 0; j < shape::PAIRS; j++)
				ldmatrix_x4(right[j], b + j * 16 * shape::ROW + k);
#pragma unroll
			for (int i = 0; i < shape::ROWS; i++)
#pragma unroll
				for (int j = 0; j < 2 * shape::PAIRS; j++)
					tensor_product<T>(acc[i][j], left[i], right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]);
		}
		now = now + 1 == shape::STAGES ? 0 : now + 1;
		next = next + 1 == shape::STAGES ? 0 : next + 1;
	}

#pragma unroll
	for (int i = 0; i < shape::ROWS; i++)
#pragma unroll
		for (int j = 0; j < 2 * shape::PAIRS; j++)
#pragma unroll
			for (int h = 0; h < 2; h++) {
				const int r = (wm * shape::ROWS + i) * 16 + lane / 4 + 8 * h, c = first + (wn * 2 * shape::PAIRS + j) * 8 + lane % 4 * 2;
				if (r >= rows || c >= outputs)
					continue;
				float u = acc[i][j][2 * h], v = acc[i][j][2 * h + 1];
				const long long at = (long long)(row + r) * outputs + c;
				if (activation == GROUPED_SILU_MUL) {
					y[at / 2] = as<T>(silu(u) * v);
					continue;
				}
				if (activation == GROUPED_GELU)
					u = gelu(u), v = gelu(v);
				*reinterpret_cast<unsigned *>(y + at) = pack_pair<T>(u, v);
			}
}

#define GROUPED(T, M, N, DEPTH, WM, WN, STAGES, BLOCKS)                                                                             \
	KERNEL void __launch_bounds__(32 * WM * WN, BLOCKS)                                                                        \
	bench_moe_experts_##T##_##M##x##N(T *y, const T *x, const T *w, const int *starts, const int *tile_expert,                 \
	                                  const int *tile_row, const int *tiles, const int *order, const int *place, int top_k,    \
	                                  int inputs, int outputs, int activation)                                                 \
	{                                                                                                                          \
		grouped<T, grouped_shape<M, N, DEPTH, WM, WN, STAGES>>(y, x, w, starts, tile_expert, tile_row, tiles, order, place, top_k,      \
		                                                inputs, outputs, activation);                                            \
	}                                                                                                                          \
	EXPORT(bench_moe_experts_##T##_##M##x##N)

GROUPED(bf16, 16, 64, 64, 1, 4, 5, 3)
GROUPED(fp16, 16, 64, 64, 1, 4, 5, 3)
GROUPED(bf16, 64, 128, 32, 2, 4, 4, 2)
GROUPED(fp16, 64, 128, 32, 2, 4, 4, 2)
GROUPED(bf16, 128, 128, 32, 2, 4, 4, 2)
GROUPED(fp16, 128, 128, 32, 2, 4, 4, 2)
