// stream.cu: passes over arrays (suite hbm): write, copy, read, dot, scale,
// triad. Arrays are aligned to 16 bytes, of any length, and do not overlap;
// `passes` goes over them so many times in one launch, for working sets whose
// pass takes no longer than a launch.
#include "tiles.cuh"

// At most 64 registers, so that an SM has room for 4 blocks: 1024 threads.
#define STREAM KERNEL void __launch_bounds__(STREAM_THREADS, 4)

// Loads bypass L1, in which a second pass of the same launch would find what
// the first has read.
DEVICE uint4 load(const void *array, long long vector) { return ld_cg_128((const uint4 *)array + vector); }
DEVICE void store(void *array, long long vector, uint4 v) { st_128((uint4 *)array + vector, v); }

// Both halves of each 16 bytes become the pattern; bytes is a multiple of 8, or the
// last of them get its first bytes.
STREAM bench_write(unsigned char *to, long long bytes, unsigned long long pattern, int passes)
{
	const unsigned low = (unsigned)pattern, high = (unsigned)(pattern >> 32);
	const uint4 v = make_uint4(low, high, low, high);
	for (int p = 0; p < passes; p++) {
		each_tile(
		    bytes / 16,
		    [&](long long first) {
#pragma unroll
			    for (int u = 0; u < STREAM_UNROLL; u++)
				    store(to, first + u * STREAM_THREADS, v);
		    },
		    [&](long long vector) { store(to, vector, v); });
		each_rest<unsigned char>(bytes, [&](long long i) { to[i] = (unsigned char)(pattern >> i % 8 * 8); });
	}
}
EXPORT(bench_write)

STREAM bench_copy(unsigned char *to, const unsigned char *from, long long bytes, int passes)
{
	for (int p = 0; p < passes; p++) {
		each_tile(
		    bytes / 16,
		    [&](long long first) {
			    uint4 v[STREAM_UNROLL];
#pragma unroll
			    for (int u = 0; u < STREAM_UNROLL; u++)
				    v[u] = load(from, first + u * STREAM_THREADS);
#pragma unroll
			    for (int u = 0; u < STREAM_UNROLL; u++)
				    store(to, first + u * STREAM_THREADS, v[u]);
		    },
		    [&](long long vector) { store(to, vector, load(from, vector)); });
		each_rest<unsigned char>(bytes, [&](long long i) { to[i] = from[i]; });
	}
}
EXPORT(bench_copy)

// A word is 32 bits of a vector: what one register holds. pair<double> is two.
// sum_word adds a word's elements to a sum; dot_word their products.
DEVICE float sum_word(float s, unsigned w, float) { return s + bits_float(w); }
DEVICE float sum_word(float s, unsigned w, bf16) { return s + (bits_float(w << 16) + bits_float(w & 0xffff0000u)); }
DEVICE float sum_word(float s, unsigned w, fp16)
{
	return s + (to_float(fp16{(unsigned short)w}) + to_float(fp16{(unsigned short)(w >> 16)}));
}

// E4M3's bits, moved to binary16's fields, are its value · 2^-8, subnormals
// too (not NaN, which operands do not hold). The sum is scaled at the end.
DEVICE unsigned halves_of_odd_fp8(unsigned w) { return (w & 0x80008000u) | (w & 0x7f007f00u) >> 1; }
DEVICE float sum_word(float s, unsigned w, fp8)
{
	return sum_word(sum_word(s, halves_of_odd_fp8(w), fp16{}), halves_of_odd_fp8(w << 8), fp16{});
}

// dp4a adds four products of bytes (PTX, "dp4a").
DEVICE int dp4a(int sum, unsigned a, unsigned b)
{
#if defined(BENCH_HOST)
	for (int i = 0; i < 4; i++)
		sum += (int)(signed char)(a >> 8 * i) * (int)(signed char)(b >> 8 * i);
#else
	asm("dp4a.s32.s32 %0, %1, %2, %0;" : "+r"(sum) : "r"(a), "r"(b));
#endif
	return sum;
}
DEVICE int sum_word(int s, unsigned w, signed char) { return dp4a(s, w, 0x01010101u); }

DEVICE float dot_word(float s, unsigned a, unsigned b, float) { return fma_rn(bits_float(a), bits_float(b), s); }
DEVICE float dot_word(float s, unsigned a, unsigned b, bf16)
{
	s = fma_rn(bits_float(a << 16), bits_float(b << 16), s);
	return fma_rn(bits_float(a & 0xffff0000u), bits_float(b & 0xffff0000u), s);
}
DEVICE float dot_word(float s, unsigned a, unsigned b, fp16)
{
	s = fma_rn(to_float(fp16{(unsigned short)a}), to_float(fp16{(unsigned short)b}), s);
	return fma_rn(to_float(fp16{(unsigned short)(a >> 16)}), to_float(fp16{(unsigned short)(b >> 16)}), s);
}

DEVICE double words_double(unsigned low, unsigned high)
{
	unsigned long long u = (unsigned long long)high << 32 | low;
	double v;
	__builtin_memcpy(&v, &u, 8);
	return v;
}

// The sums of a thread, one a word of a vector, so that additions need not wait
// for each other.
template <typename T, typename Acc> struct sums {
	Acc s[4] = {};
	__device__ __forceinline__ void add(uint4 v)
	{
		s[0] = sum_word(s[0], v.x, T{}), s[1] = sum_word(s[1], v.y, T{});
		s[2] = sum_word(s[2], v.z, T{}), s[3] = sum_word(s[3], v.w, T{});
	}
	__device__ __forceinline__ void add(uint4 a, uint4 b)
	{
		s[0] = dot_word(s[0], a.x, b.x, T{}), s[1] = dot_word(s[1], a.y, b.y, T{});
		s[2] = dot_word(s[2], a.z, b.z, T{}), s[3] = dot_word(s[3], a.w, b.w, T{});
	}
	__device__ __forceinline__ double all() const { return (double)s[0] + (double)s[1] + (double)s[2] + (double)s[3]; }
};
template <> struct sums<double, double> {
	double s[2] = {};
	__device__ __forceinline__ void add(uint4 v) { s[0] += words_double(v.x, v.y), s[1] += words_double(v.z, v.w); }
	__device__ __forceinline__ void add(uint4 a, uint4 b)
	{
		s[0] = fma_rn(words_double(a.x, a.y), words_double(b.x, b.y), s[0]);
		s[1] = fma_rn(words_double(a.z, a.w), words_double(b.z, b.w), s[1]);
	}
	__device__ __forceinline__ double all() const { return s[0] + s[1]; }
};

// A block's sum goes to partial[blockIdx.x]; the host adds those of all blocks.
DEVICE void block_partial(double *partial, double sum)
{
	__shared__ double of_warp[STREAM_THREADS / 32];
	sum = warp_sum(sum);
	if (lane_id() == 0)
		of_warp[threadIdx.x / 32] = sum;
	__syncthreads();
	if (threadIdx.x == 0) {
		sum = 0;
		for (unsigned w = 0; w < STREAM_THREADS / 32; w++)
			sum += of_warp[w];
		partial[blockIdx.x] = sum;
	}
}

DEVICE double wide_value(double v) { return v; }
template <typename T> DEVICE double wide_value(T v) { return (double)to_float(v); }

// unit is what the words' sums are to be multiplied by (fp8: 2^8).
template <typename T, typename Acc> DEVICE void read(double *partial, const T *from, long long n, int passes, double unit)
{
	sums<T, Acc> sum;
	double rest = 0;
	for (int p = 0; p < passes; p++) {
		each_tile(
		    n * (long long)sizeof(T) / 16,
		    [&](long long first) {
			    uint4 v[STREAM_UNROLL];
#pragma unroll
			    for (int u = 0; u < STREAM_UNROLL; u++)
				    v[u] = load(from, first + u * STREAM_THREADS);
#pragma unroll
			    for (int u = 0; u < STREAM_UNROLL; u++)
				    sum.add(v[u]);
		    },
		    [&](long long vector) { sum.add(load(from, vector)); });
		each_rest<T>(n, [&](long long i) { rest += wide_value(from[i]); });
	}
	block_partial(partial, sum.all() * unit + rest);
}

#define READ(name, T, Acc, unit)                                                                                            \
	STREAM bench_read_##name(double *partial, const T *from, long long n, int passes) { read<T, Acc>(partial, from, n, passes, unit); } \
	EXPORT(bench_read_##name)
READ(f32, float, float, 1)
READ(f64, double, double, 1)
READ(bf16, bf16, float, 1)
READ(fp16, fp16, float, 1)
READ(fp8, fp8, float, 256)
READ(i8, signed char, int, 1)

template <typename T, typename Acc> DEVICE void dot(double *partial, const T *a, const T *b, long long n, int passes)
{
	sums<T, Acc> sum;
	double rest = 0;
	for (int p = 0; p < passes; p++) {
		each_tile(
		    n * (long long)sizeof(T) / 16,
		    [&](long long first) {
			    uint4 v[STREAM_UNROLL / 2], w[STREAM_UNROLL / 2];
#pragma unroll
			    for (int half = 0; half < 2; half++) {
#pragma unroll
				    for (int u = 0; u < STREAM_UNROLL / 2; u++) {
					    long long at = first + (half * (STREAM_UNROLL / 2) + u) * STREAM_THREADS;
					    v[u] = load(a, at), w[u] = load(b, at);
				    }
#pragma unroll
				    for (int u = 0; u < STREAM_UNROLL / 2; u++)
					    sum.add(v[u], w[u]);
			    }
		    },
		    [&](long long vector) { sum.add(load(a, vector), load(b, vector)); });
		each_rest<T>(n, [&](long long i) { rest += wide_value(a[i]) * wide_value(b[i]); });
	}
	block_partial(partial, sum.all() + rest);
}

// triad_word is b + scale·c of a word's elements, in float, rounded once to the type.
DEVICE unsigned triad_word(unsigned b, unsigned c, float scale, float) { return float_bits(fma_rn(scale, bits_float(c), bits_float(b))); }
DEVICE unsigned pair_bits(unsigned low, unsigned high) { return low | high << 16; }
DEVICE unsigned triad_word(unsigned b, unsigned c, float scale, bf16)
{
	return pair_bits(to_bf16(fma_rn(scale, bits_float(c << 16), bits_float(b << 16))).bits,
	                 to_bf16(fma_rn(scale, bits_float(c & 0xffff0000u), bits_float(b & 0xffff0000u))).bits);
}
DEVICE unsigned triad_word(unsigned b, unsigned c, float scale, fp16)
{
	return pair_bits(to_fp16(fma_rn(scale, to_float(fp16{(unsigned short)c}), to_float(fp16{(unsigned short)b}))).bits,
	                 to_fp16(fma_rn(scale, to_float(fp16{(unsigned short)(c >> 16)}), to_float(fp16{(unsigned short)(b >> 16)}))).bits);
}

template <typename T> struct triad_of {
	static __device__ __forceinline__ uint4 vector(uint4 b, uint4 c, float scale)
	{
		return make_uint4(triad_word(b.x, c.x, scale, T{}), triad_word(b.y, c.y, scale, T{}),
		                  triad_word(b.z, c.z, scale, T{}), triad_word(b.w, c.w, scale, T{}));
	}
	static __device__ __forceinline__ T one(T b, T c, float scale) { return as<T>(fma_rn(scale, to_float(c), to_float(b))); }
};
template <> struct triad_of<double> {
	static __device__ __forceinline__ uint4 vector(uint4 b, uint4 c, float scale)
	{
		double r[2] = {fma_rn((double)scale, words_double(c.x, c.y), words_double(b.x, b.y)),
		               fma_rn((double)scale, words_double(c.z, c.w), words_double(b.z, b.w))};
		uint4 v;
		__builtin_memcpy(&v, r, 16);
		return v;
	}
	static __device__ __forceinline__ double one(double b, double c, float scale) { return fma_rn((double)scale, c, b); }
};

// a = scale·c, which is a triad whose b is -0: that changes no value.
template <typename T> struct minus_zero { static constexpr unsigned word = 0x80008000u; };
template <> struct minus_zero<float> { static constexpr unsigned word = 0x80000000u; };
template <> struct minus_zero<double> { static constexpr unsigned word = 0x80000000u; };
template <typename T> DEVICE uint4 zeros()
{
	const unsigned high = minus_zero<T>::word, low = sizeof(T) == 8 ? 0 : high;
	return make_uint4(low, high, low, high);
}

template <typename T> DEVICE void scale_pass(T *a, const T *c, long long n, float scale, int passes)
{
	const uint4 none = zeros<T>();
	for (int p = 0; p < passes; p++) {
		each_tile(
		    n * (long long)sizeof(T) / 16,
		    [&](long long first) {
			    uint4 v[STREAM_UNROLL];
#pragma unroll
			    for (int u = 0; u < STREAM_UNROLL; u++)
				    v[u] = load(c, first + u * STREAM_THREADS);
#pragma unroll
			    for (int u = 0; u < STREAM_UNROLL; u++)
				    store(a, first + u * STREAM_THREADS, triad_of<T>::vector(none, v[u], scale));
		    },
		    [&](long long vector) { store(a, vector, triad_of<T>::vector(none, load(c, vector), scale)); });
		each_rest<T>(n, [&](long long i) { a[i] = triad_of<T>::one(as<T>(-0.0f), c[i], scale); });
	}
}

template <typename T> DEVICE void triad_pass(T *a, const T *b, const T *c, long long n, float scale, int passes)
{
	for (int p = 0; p < passes; p++) {
		each_tile(
		    n * (long long)sizeof(T) / 16,
		    [&](long long first) {
#pragma unroll
			    for (int half = 0; half < 2; half++) {
				    uint4 v[STREAM_UNROLL / 2], w[STREAM_UNROLL / 2];
				    long long at = first + half * (STREAM_UNROLL / 2) * STREAM_THREADS;
#pragma unroll
				    for (int u = 0; u < STREAM_UNROLL / 2; u++)
					    v[u] = load(b, at + u * STREAM_THREADS), w[u] = load(c, at + u * STREAM_THREADS);
#pragma unroll
				    for (int u = 0; u < STREAM_UNROLL / 2; u++)
					    store(a, at + u * STREAM_THREADS, triad_of<T>::vector(v[u], w[u], scale));
			    }
		    },
		    [&](long long vector) { store(a, vector, triad_of<T>::vector(load(b, vector), load(c, vector), scale)); });
		each_rest<T>(n, [&](long long i) { a[i] = triad_of<T>::one(b[i], c[i], scale); });
	}
}

#define ARITHMETIC(name, T, Acc)                                                                                            \
	STREAM bench_dot_##name(double *partial, const T *a, const T *b, long long n, int passes) { dot<T, Acc>(partial, a, b, n, passes); } \
	EXPORT(bench_dot_##name)                                                                                                  \
	STREAM bench_scale_##name(T *a, const T *c, long long n, float scale, int passes) { scale_pass(a, c, n, scale, passes); }  \
	EXPORT(bench_scale_##name)                                                                                                \
	STREAM bench_triad_##name(T *a, const T *b, const T *c, long long n, float scale, int passes)                             \
	{                                                                                                                         \
		triad_pass(a, b, c, n, scale, passes);                                                                                  \
	}                                                                                                                         \
	EXPORT(bench_triad_##name)
ARITHMETIC(f32, float, float)
ARITHMETIC(f64, double, double)
ARITHMETIC(bf16, bf16, float)
ARITHMETIC(fp16, fp16, float)

// The sum of an array's bytes, exact: what a check of every byte compares.
// total starts at 0.
STREAM bench_checksum(unsigned long long *total, const unsigned char *from, long long bytes)
{
	unsigned long long sum = 0;
	auto add = [&](unsigned w) { sum += (w & 0xff) + (w >> 8 & 0xff) + (w >> 16 & 0xff) + (w >> 24); };
	const long long step = (long long)gridDim.x * STREAM_THREADS;
	for (long long v = (long long)blockIdx.x * STREAM_THREADS + threadIdx.x; v < bytes / 16; v += step) {
		uint4 u = load(from, v);
		add(u.x), add(u.y), add(u.z), add(u.w);
	}
	each_rest<unsigned char>(bytes, [&](long long i) { sum += from[i]; });
	sum = warp_sum(sum);
	if (lane_id() == 0)
		atomicAdd(total, sum);
}
EXPORT(bench_checksum)
