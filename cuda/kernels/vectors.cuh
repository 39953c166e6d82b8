// vectors.cuh: CUDA's short vectors, aligned to their size, as one load or
// store of up to 16 bytes needs.
#ifndef BENCH_VECTORS_CUH
#define BENCH_VECTORS_CUH

#if defined(__clang__) || defined(BENCH_HOST)
#define BENCH_VECTOR(T, name)                                                                               \
	struct alignas(2 * sizeof(T)) name##2 { T x, y; };                                                        \
	struct alignas(sizeof(T) == 8 ? 16 : 4 * sizeof(T)) name##4 { T x, y, z, w; };                            \
	DEVICE name##2 make_##name##2(T x, T y) { return name##2{x, y}; }                                         \
	DEVICE name##4 make_##name##4(T x, T y, T z, T w) { return name##4{x, y, z, w}; }

BENCH_VECTOR(float, float)
BENCH_VECTOR(double, double)
BENCH_VECTOR(int, int)
BENCH_VECTOR(unsigned, uint)
BENCH_VECTOR(short, short)
BENCH_VECTOR(unsigned short, ushort)
#undef BENCH_VECTOR

#define BENCH_MIN_MAX(T)                                 \
	DEVICE T min(T a, T b) { return a < b ? a : b; }       \
	DEVICE T max(T a, T b) { return a > b ? a : b; }
BENCH_MIN_MAX(int)
BENCH_MIN_MAX(unsigned)
BENCH_MIN_MAX(long long)
BENCH_MIN_MAX(unsigned long long)
BENCH_MIN_MAX(float)
BENCH_MIN_MAX(double)
#undef BENCH_MIN_MAX
#endif

#endif
