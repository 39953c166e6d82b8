// attention.cu: decode attention over a KV cache, one new token a sequence:
// softmax(q·Kᵀ/√d)·V, split over the context so that a small batch fills the
// device too (Dao et al., "Flash-Decoding for long-context inference", 2023).
//
// A block takes one KV head's keys and values from the first of its split to
// the last, 64 positions at a time through shared memory, and serves all query
// heads of the group with them: the cache is read once. The group's queries
// are the 16 rows of tensor-core products, padded where there are fewer. At 16
// rows a byte of cache costs 16 FLOP, so that 3.35 TB/s ask for 54 TFLOP/s of
// H100's 990, and 2.04 TB/s for 33 of A100's 312: the kernel is bound by the
// cache's bytes. On FMA units a group of 8 would need 4.5 FMA a byte with the
// conversions: 9.2 of A100's 9.7 TFMA/s.
//
// Layouts: q and out [batch][heads][head_dim], the rows of q q_row elements
// apart; keys and values [batch][kv_heads][capacity][head_dim]; head_dim a
// multiple of 8, at most DIM.
#include "elements.cuh"

#define ATTENTION_TILE 64
#define ATTENTION_WARPS 4
#define ATTENTION_THREADS (32 * ATTENTION_WARPS)

// Rows of 16-bit elements lie DIM + 8 apart, an odd number of 16-byte units, so
// that the eight rows of an ldmatrix fall into different banks.
template <int DIM> struct attention_shape {
	static constexpr int ROW = DIM + 8;
	static constexpr int TILE = ATTENTION_TILE * ROW;  // elements of a tile of keys, or of values
	static constexpr int UNITS = DIM / 8;              // 16-byte units of a row
};

// attention_load puts rows from … to of keys or values into a tile; what lies
// beyond them is zero, for 0 · NaN would be NaN.
template <typename T, int DIM> DEVICE void attention_load(T *tile, const T *rows, int from, int to, int head_dim)
{
	using shape = attention_shape<DIM>;
	const int unit = (int)threadIdx.x % shape::UNITS;
	if (unit * 8 >= head_dim)
		return;
	for (int r = (int)threadIdx.x / shape::UNITS; r < ATTENTION_TILE; r += ATTENTION_THREADS / shape::UNITS) {
		int row = from + r < to ? from + r : from;
		cp_async_16_zfill(tile + r * shape::ROW + unit * 8, rows + (long long)row * head_dim + unit * 8, from + r < to ? 16 : 0);
	}
}

// One warp's 16 queries against 16 keys of a tile, the first of which is the
// context's position `at`: the softmax's running maximum, its sum and the
// weighted values go on from what they were. scale is log2(e)/√d.
template <typename T, int DIM>
DEVICE void attention_chunk(const T *query, const T *keys, const T *values, int at, int to, float scale, float (&peak)[2],
                            float (&sum)[2], float (&out)[DIM / 8][4])
{
	using shape = attention_shape<DIM>;
	const int lane = lane_id();
	float score[2][4] = {};
#pragma unroll
	for (int k = 0; k < DIM; k += 16) {
		unsigned a[4], b[4];
		ldmatrix_x4(a, query + lane % 16 * shape::ROW + k + lane / 16 * 8);
		ldmatrix_x4(b, keys + (lane / 16 * 8 + lane % 8) * shape::ROW + k + lane / 8 % 2 * 8);
		tensor_product<T>(score[0], a, b[0], b[1]);
		tensor_product<T>(score[1], a, b[2], b[3]);
	}
#pragma unroll
	for (int i = 0; i < 8; i++) {
		int position = at + i / 4 * 8 + lane % 4 * 2 + i % 2;
		float *s = &score[i / 4][i % 4];
		*s = position < to ? *s * scale : -__builtin_inff();
	}
	// A row of scores lies in the four lanes of a quad.
	float shrink[2];
#pragma unroll
	for (int h = 0; h < 2; h++) {
		float high = max(max(score[0][2 * h], score[0][2 * h + 1]), max(score[1][2 * h], score[1][2 * h + 1]));
		high = max(high, __shfl_xor_sync(0xffffffffu, high, 1));
		high = max(high, __shfl_xor_sync(0xffffffffu, high, 2));
		high = max(high, peak[h]);
		// Nothing but masked positions so far: any finite base gives zeros.
		float base = high == -__builtin_inff() ? 0.0f : high;
		shrink[h] = exp2_approx(peak[h] - base);
		peak[h] = high;
		sum[h] *= shrink[h];
#pragma unroll
		for (int i = 0; i < 4; i++) {
			float *s = &score[i / 2][2 * h + i % 2];
			*s = exp2_approx(*s - base);
			sum[h] += *s;
		}
	}
	const unsigned p[4] = {pack_pair<T>(score[0][0], score[0][1]), pack_pair<T>(score[0][2], score[0][3]),
	                       pack_pair<T>(score[1][0], score[1][1]), pack_pair<T>(score[1][2], score[1][3])};
#pragma unroll
	for (int n = 0; n < DIM; n += 16) {
		unsigned b[4];
		ldmatrix_x4_trans(b, values + lane % 16 * shape::ROW + n + lane / 16 * 8);
#pragma unroll
		for (int i = 0; i < 2; i++) {
			float(&o)[4] = out[n / 8 + i];
			o[0] *= shrink[0], o[1] *= shrink[0], o[2] *= shrink[1], o[3] *= shrink[1];
			tensor_product<T>(o, p, b[2 * i], b[2 * i + 1]);
		}
	}
}

// Grid: splits, kv_heads × blocks of 16·row_tiles query heads of a group, and
// batch. row_tiles is 1, 2 or 4: so many of the warps share each key, and the
// 4/row_tiles others take other keys. With one split the result goes to out,
// with more the parts go to partial ([batch][heads][splits][head_dim]), their
// maxima (in powers of two) and sums to partial_softmax (…[splits][2]).
template <typename T, int DIM>
DEVICE void attention_split(T *out, float *partial, float *partial_softmax, const T *q, const T *keys, const T *values,
                            long long q_row, int context, int capacity, int heads, int kv_heads, int head_dim, int row_tiles,
                            float scale)
{
	using shape = attention_shape<DIM>;
	SHARED_DYNAMIC(T, shared);
	T *query = shared, *tiles = shared + 16 * row_tiles * shape::ROW;
	const int tid = (int)threadIdx.x, lane = lane_id(), warp = tid / 32;
	const int group = heads / kv_heads, rows = 16 * row_tiles, blocks = (group + rows - 1) / rows;
	const int head = (int)blockIdx.y / blocks, first = (int)blockIdx.y % blocks * rows, sequence = (int)blockIdx.z;
	const int row_tile = warp % row_tiles, strand = warp / row_tiles, strands = ATTENTION_WARPS / row_tiles;
	const int splits = (int)gridDim.x, split = (int)blockIdx.x;

	const int all = (context + ATTENTION_TILE - 1) / ATTENTION_TILE;
	const int begin = (int)((long long)all * split / splits), end = (int)((long long)all * (split + 1) / splits);
	const T *k = keys + ((long long)sequence * kv_heads + head) * capacity * head_dim;
	const T *v = values + ((long long)sequence * kv_heads + head) * capacity * head_dim;

	// Rows beyond the group and columns beyond the head are zero, once for all.
	for (int i = tid * 8; i < rows * shape::ROW; i += ATTENTION_THREADS * 8) {
		int r = i / shape::ROW, c = i % shape::ROW;
		bool there = first + r < group && c < head_dim;
		const T *from = q + sequence * q_row + ((long long)head * group + first + r) * head_dim + c;
		*reinterpret_cast<uint4 *>(query + i) = there ? *reinterpret_cast<const uint4 *>(from) : make_uint4(0, 0, 0, 0);
	}
	if (head_dim < DIM)
		for (int i = tid * 8; i < 4 * shape::TILE; i += ATTENTION_THREADS * 8)
			if (i % shape::ROW >= head_dim)
				*reinterpret_cast<uint4 *>(tiles + i) = make_uint4(0, 0, 0, 0);

	float peak[2] = {-__builtin_inff(), -__builtin_inff()}, sum[2] = {}, acc[DIM / 8][4] = {};
	if (begin < end) {
		attention_load<T, DIM>(tiles, k, begin * ATTENTION_TILE, context, head_dim);
		attention_load<T, DIM>(tiles + shape::TILE, v, begin * ATTENTION_TILE, context, head_dim);
	}
	cp_async_commit();
	for (int t = begin; t < end; t++) {
		T *now = tiles + (t - begin) % 2 * 2 * shape::TILE, *next = tiles + (t - begin + 1) % 2 * 2 * shape::TILE;
		if (t + 1 < end) {
			attention_load<T, DIM>(next, k, (t + 1) * ATTENTION_TILE, context, head_dim);
			attention_load<T, DIM>(next + shape::TILE, v, (t + 1) * ATTENTION_TILE, context, head_dim);
		}
		cp_async_commit();
		cp_async_wait<1>();
		__syncthreads();
		for (int c = strand; c < ATTENTION_TILE / 16; c += strands)
			if (t * ATTENTION_TILE + c * 16 < context)
				attention_chunk<T, DIM>(query + row_tile * 16 * shape::ROW, now + c * 16 * shape::ROW,
				                        now + shape::TILE + c * 16 * shape::ROW, t * ATTENTION_TILE + c * 16, context, scale, peak,
				                        sum, acc);
		__syncthreads();
	}

	// A split without a tile has had no barrier since the margins' zeros.
	if (begin >= end)
		__syncthreads();
	// The strands' parts meet in the tiles' room: rows of DIM, then maxima and
	// sums, for each warp.
	float *parts = reinterpret_cast<float *>(tiles), *softmax = parts + ATTENTION_WARPS * 16 * DIM;
#pragma unroll
	for (int h = 0; h < 2; h++) {
		int r = warp * 16 + lane / 4 + 8 * h;
		float s = sum[h];
		s += __shfl_xor_sync(0xffffffffu, s, 1);
		s += __shfl_xor_sync(0xffffffffu, s, 2);
		if (lane % 4 == 0) {
			softmax[2 * r] = peak[h];
			softmax[2 * r + 1] = s;
		}
#pragma unroll
		for (int n = 0; n < DIM / 8; n++)
			*reinterpret_cast<float2 *>(parts + r * DIM + n * 8 + lane % 4 * 2) = make_float2(acc[n][2 * h], acc[n][2 * h + 1]);
	}
	__syncthreads();
	for (int r = warp; r < rows && first + r < group; r += ATTENTION_WARPS) {
		float high = -__builtin_inff(), total = 0;
		for (int s = 0; s < strands; s++)
			high = max(high, softmax[2 * ((s * row_tiles + r / 16) * 16 + r % 16)]);
		const float base = high == -__builtin_inff() ? 0.0f : high;
		float share[ATTENTION_WARPS];
#pragma unroll
		for (int s = 0; s < ATTENTION_WARPS; s++) {
			int from = ((s < strands ? s : 0) * row_tiles + r / 16) * 16 + r % 16;
			share[s] = s < strands ? exp2_approx(softmax[2 * from] - base) : 0.0f;
			total += share[s] * softmax[2 * from + 1];
		}
		const long long to = ((long long)sequence * heads + head * group + first + r) * splits + split;
		for (int c = lane; c < head_dim; c += 32) {
			float o = 0;
#pragma unroll
			for (int s = 0; s < ATTENTION_WARPS; s++)
				if (s < strands)
					o += share[s] * parts[((s * row_tiles + r / 16) * 16 + r % 16) * DIM + c];
			if (splits == 1)
				out[to * head_dim + c] = as<T>(o / total);
			else
				partial[to * head_dim + c] = o;
		}
		if (lane == 0 && splits > 1) {
			partial_softmax[2 * to] = high;
			partial_softmax[2 * to + 1] = total;
		}
	}
}

// Grid: heads, batch. Joins the splits' parts, each summed relative to its own
// maximum; a split without a position has a sum of 0.
template <typename T>
DEVICE void attention_combine(T *out, const float *partial, const float *partial_softmax, int splits, int head_dim)
{
	const long long row = (long long)blockIdx.y * gridDim.x + blockIdx.x;
	const float *softmax = partial_softmax + row * splits * 2;
	float high = -__builtin_inff(), total = 0;
	for (int s = 0; s < splits; s++)
		high = max(high, softmax[2 * s]);
	for (int s = 0; s < splits; s++)
		total += exp2_approx(softmax[2 * s] - high) * softmax[2 * s + 1];
	for (int c = (int)threadIdx.x; c < head_dim; c += (int)blockDim.x) {
		float o = 0;
		for (int s = 0; s < splits; s++)
			o += exp2_approx(softmax[2 * s] - high) * partial[(row * splits + s) * head_dim + c];
		out[row * head_dim + c] = as<T>(o / total);
	}
}

#define ATTENTION_SPLIT(T, DIM)                                                                                                  \
	KERNEL void __launch_bounds__(ATTENTION_THREADS)                                                                               \
	bench_attention_##T##_d##DIM(T *out, float *partial, float *partial_softmax, const T *q, const T *keys, const T *values,       \
	                             long long q_row, int context, int capacity, int heads, int kv_heads, int head_dim, int row_tiles, \
	                             float scale)                                                                                      \
	{                                                                                                                              \
		attention_split<T, DIM>(out, partial, partial_softmax, q, keys, values, q_row, context, capacity, heads, kv_heads, head_dim, \
		                        row_tiles, scale);                                                                                   \
	}                                                                                                                              \
	EXPORT(bench_attention_##T##_d##DIM)

#define ATTENTION(T)                                                                                                        \
	ATTENTION_SPLIT(T, 64)                                                                                                    \
	ATTENTION_SPLIT(T, 128)                                                                                                   \
	ATTENTION_SPLIT(T, 256)                                                                                                   \
	KERNEL void bench_attention_combine_##T(T *out, const float *partial, const float *partial_softmax, int splits, int head_dim) \
	{                                                                                                                         \
		attention_combine<T>(out, partial, partial_softmax, splits, head_dim);                                                  \
	}                                                                                                                         \
	EXPORT(bench_attention_combine_##T)

ATTENTION(bf16)
ATTENTION(fp16)
