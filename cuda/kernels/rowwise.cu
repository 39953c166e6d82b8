// rowwise.cu: the operators of a transformer that are bound by memory, on rows
// of `cols` elements. Rows are whole 16-byte vectors; arithmetic is fp32.
//
// Norms and softmax take a block a row and keep the row in registers, four
// vectors a thread, so that it is read once: at most 4 · 1024 vectors, 32,768
// elements of 16 bits. The others take a vector a thread, grid (rows, blocks
// along a row): 2048 threads of an SM have 32 KiB of loads under way, where
// H100 needs 3.35 TB/s · 700 ns / 132 SMs = 17 KiB.
#include "elements.cuh"

#define ROW_HOLD 4

// row_of is this thread's part of a row: vectors threadIdx.x + i·blockDim.x.
template <typename T> struct row_of {
	static constexpr int N = wide<T>::N;
	float v[ROW_HOLD][N];

	__device__ __forceinline__ static int column(int i) { return (int)(threadIdx.x + i * blockDim.x) * N; }

	__device__ __forceinline__ void load(const T *row, int cols, float beyond)
	{
#pragma unroll
		for (int i = 0; i < ROW_HOLD; i++) {
			if (column(i) < cols) {
				wide<T>::load(row + column(i), v[i]);
				continue;
			}
#pragma unroll
			for (int j = 0; j < N; j++)
				v[i][j] = beyond;
		}
	}

	__device__ __forceinline__ void store(T *row, int cols) const
	{
#pragma unroll
		for (int i = 0; i < ROW_HOLD; i++)
			if (column(i) < cols)
				wide<T>::store(row + column(i), v[i]);
	}

	template <typename F> __device__ __forceinline__ float sum(F f) const
	{
		float s = 0;
#pragma unroll
		for (int i = 0; i < ROW_HOLD; i++)
#pragma unroll
			for (int j = 0; j < N; j++)
				s += f(v[i][j]);
		return s;
	}

	// v = v · by · gain + bias, by columns; a null bias is 0.
	__device__ __forceinline__ void scale(float by, const T *gain, const T *bias, int cols)
	{
#pragma unroll
		for (int i = 0; i < ROW_HOLD; i++) {
			if (column(i) >= cols)
				continue;
			float g[N], b[N] = {};
			wide<T>::load(gain + column(i), g);
			if (bias)
				wide<T>::load(bias + column(i), b);
#pragma unroll
			for (int j = 0; j < N; j++)
				v[i][j] = v[i][j] * by * g[j] + b[j];
		}
	}
};

DEVICE long long row_start(int cols) { return (long long)blockIdx.x * cols; }

// y = x / sqrt(mean(x²) + epsilon) · gain (Zhang and Sennrich, "Root Mean
// Square Layer Normalization", 2019). With a residual, x + residual is
// normalised, and kept as total.
template <typename T>
DEVICE void rms_norm(T *y, T *total, const T *x, const T *residual, const T *gain, int cols, float epsilon)
{
	__shared__ float room[32];
	row_of<T> r;
	r.load(x + row_start(cols), cols, 0);
	if (residual) {
		row_of<T> other;
		other.load(residual + row_start(cols), cols, 0);
#pragma unroll
		for (int i = 0; i < ROW_HOLD; i++)
#pragma unroll
			for (int j = 0; j < r.N; j++)
				// Rounded as it is stored, so that both readers see the same.
				r.v[i][j] = to_float(as<T>(r.v[i][j] + other.v[i][j]));
		r.store(total + row_start(cols), cols);
	}
	float square = block_sum(r.sum([](float v) { return v * v; }), room);
	r.scale(rsqrt_approx(square / (float)cols + epsilon), gain, nullptr, cols);
	r.store(y + row_start(cols), cols);
}

// y = (x − mean) / sqrt(variance + epsilon) · gain + bias (Ba, Kiros and
// Hinton, "Layer Normalization", 2016).
template <typename T> DEVICE void layer_norm(T *y, const T *x, const T *gain, const T *bias, int cols, float epsilon)
{
	__shared__ float room[32];
	row_of<T> r;
	r.load(x + row_start(cols), cols, 0);
	float mean = block_sum(r.sum([](float v) { return v; }), room) / (float)cols;
#pragma unroll
	for (int i = 0; i < ROW_HOLD; i++)
#pragma unroll
		for (int j = 0; j < r.N; j++)
			r.v[i][j] = r.column(i) < cols ? r.v[i][j] - mean : 0.0f;
	float square = block_sum(r.sum([](float v) { return v * v; }), room);
	r.scale(rsqrt_approx(square / (float)cols + epsilon), gain, bias, cols);
	r.store(y + row_start(cols), cols);
}

template <typename T> DEVICE void softmax(T *y, const T *x, int cols)
{
	__shared__ float room[32];
	row_of<T> r;
	r.load(x + row_start(cols), cols, -__builtin_inff());
	float high = -__builtin_inff();
#pragma unroll
	for (int i = 0; i < ROW_HOLD; i++)
#pragma unroll
		for (int j = 0; j < r.N; j++)
			high = max(high, r.v[i][j]);
	high = block_max(high, room);
#pragma unroll
	for (int i = 0; i < ROW_HOLD; i++)
#pragma unroll
		for (int j = 0; j < r.N; j++)
			r.v[i][j] = exp_approx(r.v[i][j] - high);
	float part = 1.0f / block_sum(r.sum([](float v) { return v; }), room);
#pragma unroll
	for (int i = 0; i < ROW_HOLD; i++)
#pragma unroll
		for (int j = 0; j < r.N; j++)
			r.v[i][j] *= part;
	r.store(y + row_start(cols), cols);
}

// The column of this thread's vector, of those that take one a thread.
template <typename T> DEVICE int vector_column() { return (int)(blockIdx.y * blockDim.x + threadIdx.x) * wide<T>::N; }

template <typename T, typename F> DEVICE void map_row(T *y, const T *x, int cols, F f)
{
	const int c = vector_column<T>();
	if (c >= cols)
		return;
	float v[wide<T>::N];
	wide<T>::load(x + row_start(cols) + c, v);
#pragma unroll
	for (int j = 0; j < wide<T>::N; j++)
		v[j] = f(v[j]);
	wide<T>::store(y + row_start(cols) + c, v);
}

// a and b in rows of `stride` elements, y in rows of cols.
template <typename T, typename F> DEVICE void map_rows(T *y, const T *a, const T *b, int cols, int stride, F f)
{
	const int c = vector_column<T>();
	if (c >= cols)
		return;
	float v[wide<T>::N], u[wide<T>::N];
	wide<T>::load(a + row_start(stride) + c, v);
	wide<T>::load(b + row_start(stride) + c, u);
#pragma unroll
	for (int j = 0; j < wide<T>::N; j++)
		v[j] = f(v[j], u[j]);
	wide<T>::store(y + row_start(cols) + c, v);
}

// rotate turns four pairs (i, i + half) of a head by their angles: cosine and
// sine of each, fp32 (Su et al., "RoFormer", 2021, section 3.4.2, with the
// halves of GPT-NeoX and Llama).
template <typename T> DEVICE void rotate_four(T *y, const T *x, const float2 *angles, int half)
{
	float u[4], v[4], w[4];
	load_four(x, u);
	load_four(x + half, v);
#pragma unroll
	for (int j = 0; j < 4; j++)
		w[j] = u[j] * angles[j].x - v[j] * angles[j].y;
	store_four(y, w);
#pragma unroll
	for (int j = 0; j < 4; j++)
		w[j] = v[j] * angles[j].x + u[j] * angles[j].y;
	store_four(y + half, w);
}

// Rows of heads; row r is at position r mod positions of the table of angles,
// [positions][head_dim/2]. head_dim is a multiple of 8.
template <typename T> DEVICE void rope(T *y, const T *x, const float2 *angles, int cols, int head_dim, int positions)
{
	const int half = head_dim / 2, i = (int)(blockIdx.y * blockDim.x + threadIdx.x) * 4;
	if (i >= cols / 2)
		return;
	const int c = i / half * head_dim + i % half;
	const float2 *a = angles + (long long)(blockIdx.x % positions) * half + i % half;
	rotate_four(y + row_start(cols) + c, x + row_start(cols) + c, a, half);
}

// Of a row of projected queries, keys and values, [heads + 2·kv_heads][head_dim],
// the queries are turned into q, and the keys, turned, and the values go to the
// cache, [batch][kv_heads][capacity][head_dim], at the position that the angles
// are of. Grid: heads + 2·kv_heads, batch.
template <typename T>
DEVICE void rope_append(T *q, T *keys, T *values, const T *projected, const float2 *angles, int position, int capacity,
                        int heads, int kv_heads, int head_dim)
{
	const int head = (int)blockIdx.x, sequence = (int)blockIdx.y, half = head_dim / 2;
	const T *x = projected + ((long long)sequence * (heads + 2 * kv_heads) + head) * head_dim;
	const int cached = head < heads + kv_heads ? head - heads : head - heads - kv_heads;
	const long long to = (((long long)sequence * kv_heads + cached) * capacity + position) * head_dim;
	for (int i = (int)threadIdx.x * 4; i < half; i += (int)blockDim.x * 4) {
		if (head < heads)
			rotate_four(q + ((long long)sequence * heads + head) * head_dim + i, x + i, angles + i, half);
		else if (head < heads + kv_heads)
			rotate_four(keys + to + i, x + i, angles + i, half);
		else {
			copy_four(values + to + i, x + i);
			copy_four(values + to + i + half, x + i + half);
		}
	}
}

template <typename T> DEVICE void embedding(T *y, const T *table, const int *index, int cols)
{
	const int c = vector_column<T>();
	if (c < cols)
		*reinterpret_cast<uint4 *>(y + row_start(cols) + c) =
		    *reinterpret_cast<const uint4 *>(table + (long long)index[blockIdx.x] * cols + c);
}

#define ROWWISE(T, name)                                                                                                                \
	KERNEL void __launch_bounds__(1024) bench_rms_norm_##name(T *y, const T *x, const T *gain, int cols, float epsilon)                   \
	{                                                                                                                                     \
		rms_norm<T>(y, nullptr, x, nullptr, gain, cols, epsilon);                                                                           \
	}                                                                                                                                     \
	EXPORT(bench_rms_norm_##name)                                                                                                         \
	KERNEL void __launch_bounds__(1024) bench_add_rms_norm_##name(T *y, T *total, const T *x, const T *residual, const T *gain, int cols, \
	                                      float epsilon)                                                                                  \
	{                                                                                                                                     \
		rms_norm<T>(y, total, x, residual, gain, cols, epsilon);                                                                            \
	}                                                                                                                                     \
	EXPORT(bench_add_rms_norm_##name)                                                                                                     \
	KERNEL void __launch_bounds__(1024) bench_layer_norm_##name(T *y, const T *x, const T *gain, const T *bias, int cols, float epsilon)  \
	{                                                                                                                                     \
		layer_norm<T>(y, x, gain, bias, cols, epsilon);                                                                                     \
	}                                                                                                                                     \
	EXPORT(bench_layer_norm_##name)                                                                                                       \
	KERNEL void __launch_bounds__(1024) bench_softmax_##name(T *y, const T *x, int cols) { softmax<T>(y, x, cols); }                      \
	EXPORT(bench_softmax_##name)                                                                                                          \
	KERNEL void bench_gelu_##name(T *y, const T *x, int cols)                                                                             \
	{                                                                                                                                     \
		map_row<T>(y, x, cols, [](float v) { return gelu(v); });                                                                            \
	}                                                                                                                                     \
	EXPORT(bench_gelu_##name)                                                                                                             \
	KERNEL void bench_silu_mul_##name(T *y, const T *gate, const T *up, int cols, int stride)                                             \
	{                                                                                                                                     \
		map_rows<T>(y, gate, up, cols, stride, [](float g, float u) { return silu(g) * u; });                                               \
	}                                                                                                                                     \
	EXPORT(bench_silu_mul_##name)                                                                                                         \
	KERNEL void bench_add_##name(T *y, const T *a, const T *b, int cols)                                                                  \
	{                                                                                                                                     \
		map_rows<T>(y, a, b, cols, cols, [](float u, float v) { return u + v; });                                                           \
	}                                                                                                                                     \
	EXPORT(bench_add_##name)                                                                                                              \
	KERNEL void bench_rope_##name(T *y, const T *x, const float2 *angles, int cols, int head_dim, int positions)                          \
	{                                                                                                                                     \
		rope<T>(y, x, angles, cols, head_dim, positions);                                                                                   \
	}                                                                                                                                     \
	EXPORT(bench_rope_##name)                                                                                                             \
	KERNEL void bench_rope_append_##name(T *q, T *keys, T *values, const T *projected, const float2 *angles, int position,                \
	                                     int capacity, int heads, int kv_heads, int head_dim)                                             \
	{                                                                                                                                     \
		rope_append<T>(q, keys, values, projected, angles, position, capacity, heads, kv_heads, head_dim);                                  \
	}                                                                                                                                     \
	EXPORT(bench_rope_append_##name)                                                                                                      \
	KERNEL void bench_embedding_##name(T *y, const T *table, const int *index, int cols)                                                  \
	{                                                                                                                                     \
		embedding<T>(y, table, index, cols);                                                                                                \
	}                                                                                                                                     \
	EXPORT(bench_embedding_##name)

ROWWISE(float, f32)
ROWWISE(bf16, bf16)
ROWWISE(fp16, fp16)
