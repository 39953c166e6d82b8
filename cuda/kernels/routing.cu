// routing.cu: which token goes to which expert, and back: the router's product
// and choice, the permutation of (token, choice) pairs into the order of
// experts, and the weighted sum of what the experts made of them.
//
// The permutation is a histogram (with the choice), an exclusive scan, and a
// scatter. It moves numbers, not rows: the grouped product (grouped.cu) gathers
// its rows through `order`.
#include "elements.cuh"

#define ROUTER_WARPS 8

// logits = x·Wᵀ for 16 tokens and 8 experts a block, grid (experts/8, tokens/16)
// rounded up; W is [experts][hidden]. Its warps share out the hidden dimension,
// 32 columns at a time: lane t of a quad loads columns 8t … 8t+7 with one 16-byte
// load, and they serve as the pairs (2t, 2t+8) of two m16n8k16 products. The
// order of columns within a product is the same for x and W, so the sum is right.
template <typename T>
DEVICE void router(float *logits, const T *x, const T *w, int tokens, int experts, int hidden)
{
	__shared__ float parts[ROUTER_WARPS][16 * 8];
	const int lane = lane_id(), warp = (int)threadIdx.x / 32, g = lane / 4, t = lane % 4;
	const int token = (int)blockIdx.y * 16, expert = (int)blockIdx.x * 8;
	float sum[4] = {};
	// Four chunks' loads go out before the first is used.
	for (int base = warp * 32; base < hidden; base += 4 * ROUTER_WARPS * 32) {
		uint4 high[4], low[4], weight[4];
#pragma unroll
		for (int u = 0; u < 4; u++) {
			const int c = base + u * ROUTER_WARPS * 32 + t * 8;
			const bool inside = c < hidden;
			high[u] = low[u] = weight[u] = make_uint4(0, 0, 0, 0);
			if (inside && token + g < tokens)
				high[u] = *reinterpret_cast<const uint4 *>(x + (long long)(token + g) * hidden + c);
			if (inside && token + g + 8 < tokens)
				low[u] = *reinterpret_cast<const uint4 *>(x + (long long)(token + g + 8) * hidden + c);
			if (inside && expert + g < experts)
				weight[u] = *reinterpret_cast<const uint4 *>(w + (long long)(expert + g) * hidden + c);
		}
#pragma unroll
		for (int u = 0; u < 4; u++) {
			const unsigned a[4] = {high[u].x, low[u].x, high[u].y, low[u].y}, b[4] = {high[u].z, low[u].z, high[u].w, low[u].w};
			tensor_product<T>(sum, a, weight[u].x, weight[u].y);
			tensor_product<T>(sum, b, weight[u].z, weight[u].w);
		}
	}
#pragma unroll
	for (int i = 0; i < 4; i++)
		parts[warp][(g + i / 2 * 8) * 8 + t * 2 + i % 2] = sum[i];
	__syncthreads();
	const int i = (int)threadIdx.x;
	if (i >= 16 * 8 || token + i / 8 >= tokens || expert + i % 8 >= experts)
		return;
	float s = 0;
	for (int p = 0; p < ROUTER_WARPS; p++)
		s += parts[p][i];
	logits[(long long)(token + i / 8) * experts + expert + i % 8] = s;
}

// A warp a token: the top_k largest logits, in order, go to chosen. Then, where
// imposed is not null, its choice takes their place; share is the softmax over
// the experts taken, and counts gets one for each. counts begins at zero.
DEVICE void choose(int *chosen, int *assigned, float *share, int *counts, const float *logits, const int *imposed, int tokens,
                   int experts, int top_k)
{
	const int token = (int)(blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32), lane = lane_id();
	if (token >= tokens)
		return;
	const float *l = logits + (long long)token * experts;
	chosen += (long long)token * top_k;
	assigned += (long long)token * top_k;
	share += (long long)token * top_k;
	// The next in order of falling logits, then of rising index, after the last.
	float last = __builtin_inff();
	int before = -1;
	for (int j = 0; j < top_k; j++) {
		float best = -__builtin_inff();
		int at = 0x7fffffff;
		for (int e = lane; e < experts; e += 32) {
			float v = l[e];
			if ((v < last || (v == last && e > before)) && (v > best || (v == best && e < at)))
				best = v, at = e;
		}
		for (int d = 16; d > 0; d /= 2) {
			float v = __shfl_xor_sync(0xffffffffu, best, d);
			int e = __shfl_xor_sync(0xffffffffu, at, d);
			if (v > best || (v == best && e < at))
				best = v, at = e;
		}
		at = min(at, experts - 1);  // logits that are NaN are beyond any order
		last = best;
		before = at;
		if (lane == 0)
			chosen[j] = at;
	}
	__syncwarp();
	// The softmax over those taken needs no others: its denominator cancels.
	float high = -__builtin_inff(), sum = 0;
	for (int j = lane; j < top_k; j += 32)
		high = max(high, l[imposed ? imposed[(long long)token * top_k + j] : chosen[j]]);
	high = warp_max(high);
	for (int j = lane; j < top_k; j += 32) {
		int e = imposed ? imposed[(long long)token * top_k + j] : chosen[j];
		float p = exp_approx(l[e] - high);
		assigned[j] = e;
		share[j] = p;
		sum += p;
		atomicAdd(counts + e, 1);
	}
	sum = warp_sum(sum);
	for (int j = lane; j < top_k; j += 32)
		share[j] /= sum;
}

// One block of 256 threads. From the experts' counts: starts (exclusive scan,
// one more than experts), next (a copy that scatter counts up), and the tiles
// of `rows` rows that the grouped product works on: tile i is of expert
// tile_expert[i], from the row tile_row[i]; tiles[0] is how many there are.
// counts is zero again at the end.
DEVICE void plan(int *starts, int *next, int *tile_expert, int *tile_row, int *tiles, int *counts, int experts, int rows)
{
	__shared__ int pairs_of[256], tiles_of[256];
	const int tid = (int)threadIdx.x, each = (experts + 255) / 256, from = min(tid * each, experts), to = min(from + each, experts);
	int pairs = 0, pieces = 0;
	for (int e = from; e < to; e++) {
		pairs += counts[e];
		pieces += (counts[e] + rows - 1) / rows;
	}
	pairs_of[tid] = pairs;
	tiles_of[tid] = pieces;
	for (int d = 1; d < 256; d *= 2) {
		__syncthreads();
		int p = tid >= d ? pairs_of[tid - d] : 0, t = tid >= d ? tiles_of[tid - d] : 0;
		__syncthreads();
		pairs_of[tid] += p;
		tiles_of[tid] += t;
	}
	int at = pairs_of[tid] - pairs, tile = tiles_of[tid] - pieces;
	for (int e = from; e < to; e++) {
		starts[e] = next[e] = at;
		for (int r = 0; r < counts[e]; r += rows) {
			tile_expert[tile] = e;
			tile_row[tile++] = at + r;
		}
		at += counts[e];
		counts[e] = 0;
	}
	if (tid == 255) {
		starts[experts] = pairs_of[255];
		tiles[0] = tiles_of[255];
	}
}

// slot[pair] is a pair's row in the order of experts, and order[slot] the pair.
// The order within an expert is as the threads come, which changes no result:
// every row is computed alone.
DEVICE void scatter(int *slot, int *order, int *next, const int *assigned, int pairs)
{
	const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
	if (i >= pairs)
		return;
	const int s = atomicAdd(next + assigned[i], 1);
	slot[i] = s;
	order[s] = i;
}

// The rows that go to other GPUs, in the order of experts: rows[i] is x of
// order[i]'s token, and tags[i] its expert's number among the `local` of its owner.
// Grid (pairs, blocks along a row).
template <typename T>
DEVICE void pack(T *rows, int *tags, const T *x, const int *order, const int *assigned, int hidden, int top_k, int local)
{
	const int c = (int)(blockIdx.y * blockDim.x + threadIdx.x) * wide<T>::N, pair = order[blockIdx.x];
	if (c == 0)
		tags[blockIdx.x] = assigned[pair] % local;
	if (c < hidden)
		*reinterpret_cast<uint4 *>(rows + (long long)blockIdx.x * hidden + c) =
		    *reinterpret_cast<const uint4 *>(x + (long long)(pair / top_k) * hidden + c);
}

// One for each row that came from other GPUs, as choose counts. counts begins at zero.
DEVICE void count(int *counts, const int *tags, int rows)
{
	const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
	if (i < rows)
		atomicAdd(counts + tags[i], 1);
}

// y[token] = residual[token] + Σ share · results[slot]; a null residual is 0.
// Grid (tokens, blocks along a row).
template <typename T>
DEVICE void combine(T *y, const T *results, const float *share, const int *slot, const T *residual, int hidden, int top_k)
{
	const int c = (int)(blockIdx.y * blockDim.x + threadIdx.x) * wide<T>::N;
	const long long token = blockIdx.x;
	if (c >= hidden)
		return;
	float sum[wide<T>::N] = {};
	if (residual)
		wide<T>::load(residual + token * hidden + c, sum);
	for (int j = 0; j < top_k; j++) {
		float v[wide<T>::N], p = share[token * top_k + j];
		wide<T>::load(results + (long long)slot[token * top_k + j] * hidden + c, v);
#pragma unroll
		for (int i = 0; i < wide<T>::N; i++)
			sum[i] += p * v[i];
	}
	wide<T>::store(y + token * hidden + c, sum);
}

KERNEL void bench_moe_choose(int *chosen, int *assigned, float *share, int *counts, const float *logits, const int *imposed,
                             int tokens, int experts, int top_k)
{
	choose(chosen, assigned, share, counts, logits, imposed, tokens, experts, top_k);
}
EXPORT(bench_moe_choose)

KERNEL void __launch_bounds__(256)
bench_moe_plan(int *starts, int *next, int *tile_expert, int *tile_row, int *tiles, int *counts, int experts, int rows)
{
	plan(starts, next, tile_expert, tile_row, tiles, counts, experts, rows);
}
EXPORT(bench_moe_plan)

KERNEL void bench_moe_scatter(int *slot, int *order, int *next, const int *assigned, int pairs)
{
	scatter(slot, order, next, assigned, pairs);
}
EXPORT(bench_moe_scatter)

KERNEL void bench_moe_count(int *counts, const int *tags, int rows)
{
	count(counts, tags, rows);
}
EXPORT(bench_moe_count)

#define ROUTING(T)                                                                                                         \
	KERNEL void __launch_bounds__(32 * ROUTER_WARPS)                                                                         \
	bench_moe_router_##T(float *logits, const T *x, const T *w, int tokens, int experts, int hidden)                         \
	{                                                                                                                        \
		router<T>(logits, x, w, tokens, experts, hidden);                                                                      \
	}                                                                                                                        \
	EXPORT(bench_moe_router_##T)                                                                                             \
	KERNEL void bench_moe_pack_##T(T *rows, int *tags, const T *x, const int *order, const int *assigned, int hidden,         \
	                               int top_k, int local)                                                                     \
	{                                                                                                                        \
		pack<T>(rows, tags, x, order, assigned, hidden, top_k, local);                                                         \
	}                                                                                                                        \
	EXPORT(bench_moe_pack_##T)                                                                                               \
	KERNEL void bench_moe_combine_##T(T *y, const T *results, const float *share, const int *slot, const T *residual,        \
	                                  int hidden, int top_k)                                                                 \
	{                                                                                                                        \
		combine<T>(y, results, share, slot, residual, hidden, top_k);                                                          \
	}                                                                                                                        \
	EXPORT(bench_moe_combine_##T)

ROUTING(bf16)
ROUTING(fp16)
