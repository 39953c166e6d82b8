/* The body of vector_ops for one VARIANT. */
#include "lanes.h"

/* Vectors of a panel, and the tile of rows and panels whose sums stay in
   registers: 6 × 4 of the 32 registers of AVX-512, 6 × 2 of AVX2's 16, and so on. */
#define VECTORS (PANEL / LANES)
#undef ROWS
#undef PANELS
#if VARIANT == ISA_AVX512
#define ROWS 6
#define PANELS 4
#elif VARIANT == ISA_AVX2 || defined(__aarch64__)
#define ROWS 6
#define PANELS 1
#else
#define ROWS 3
#define PANELS 1
#endif

#define INLINE TARGET static inline __attribute__((always_inline))

INLINE FN(f32) FN(load_panel_f32)(const void *p, long i) { return *(const FN(f32) *)((const float *)p + i); }
INLINE FN(f32) FN(load_panel_bf16)(const void *p, long i)
{
#if VARIANT == ISA_AVX512
	/* What gcc 12 makes of the portable form takes five instructions. */
	__m256i half = _mm256_loadu_si256((const __m256i *)((const unsigned short *)p + i));
	return (FN(f32))_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
#else
	return FN(load_bf16)((const unsigned short *)p + i);
#endif
}

/* rows and panels are constants wherever this is inlined, so that sums are
   registers. */
#define TILE(name, LOAD)                                                                               \
	INLINE void FN(name)(const int rows, const int panels, const float *x, long ldx, const void *w,    \
	                     long stride, long from, long to, float *y, long ldy, int add)                 \
	{                                                                                                  \
		FN(f32) sum[ROWS][PANELS * VECTORS];                                                           \
		_Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)                                         \
			_Pragma("GCC unroll 8") for (int v = 0; v < panels * VECTORS; v++)                         \
				sum[r][v] = add ? *(FN(f32) *)(y + r * ldy + v * LANES) : (FN(f32)){0};                \
		for (long i = from; i < to; i++) {                                                             \
			FN(f32) weight[PANELS * VECTORS];                                                          \
			_Pragma("GCC unroll 8") for (int v = 0; v < panels * VECTORS; v++)                         \
				weight[v] = LOAD(w, v / VECTORS * stride + i * PANEL + v % VECTORS * LANES);           \
			_Pragma("GCC unroll 8") for (int r = 0; r < rows; r++) {                                   \
				float input = x[r * ldx + i];                                                          \
				_Pragma("GCC unroll 8") for (int v = 0; v < panels * VECTORS; v++)                     \
					sum[r][v] += weight[v] * input;                                                    \
			}                                                                                          \
		}                                                                                              \
		_Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)                                         \
			_Pragma("GCC unroll 8") for (int v = 0; v < panels * VECTORS; v++)                         \
				*(FN(f32) *)(y + r * ldy + v * LANES) = sum[r][v];                                     \
	}

#define CASE(name, r, p) \
	case (r) * 8 + (p): \
		if ((r) <= ROWS && (p) <= PANELS) \
			FN(name)((r) <= ROWS ? (r) : 1, (p) <= PANELS ? (p) : 1, x, ldx, w, stride, from, to, y, ldy, add); \
		break;
#define CASES(name, p) CASE(name, 1, p) CASE(name, 2, p) CASE(name, 3, p) CASE(name, 4, p) CASE(name, 5, p) CASE(name, 6, p)

/* With more rows than a tile, a block of inputs is gone through for all of
   them before the next, so that its weights come from memory once and then
   from the private caches: 256 inputs of 4 panels are 64 KiB. */
#define INPUTS 256

#define PRODUCT(name, tile, T, LOAD)                                                                   \
	TILE(tile, LOAD)                                                                                   \
	TARGET static void FN(tile##_of)(int rows, int panels, const float *x, long ldx, const void *w,    \
	                                 long stride, long from, long to, float *y, long ldy, int add)     \
	{                                                                                                  \
		switch (rows * 8 + panels) {                                                                   \
			CASES(tile, 1) CASES(tile, 2) CASES(tile, 3) CASES(tile, 4)                                \
		}                                                                                              \
	}                                                                                                  \
	TARGET static void FN(name)(long m, const float *x, long ldx, const void *w, long stride, long k,  \
	                            long panels, float *y, long ldy, int add)                              \
	{                                                                                                  \
		const long block = m > ROWS ? INPUTS : k;                                                      \
		for (long from = 0; from < k; from += block) {                                                 \
			long to = from + block < k ? from + block : k;                                             \
			for (long p = 0; p < panels; p += PANELS) {                                                \
				int np = panels - p < PANELS ? panels - p : PANELS;                                    \
				for (long r = 0; r < m; r += ROWS)                                                     \
					FN(tile##_of)(m - r < ROWS ? m - r : ROWS, np, x + r * ldx, ldx,                   \
					              (const T *)w + p * stride, stride, from, to, y + r * ldy + p * PANEL, ldy, \
					              add || from > 0);                                                    \
			}                                                                                          \
		}                                                                                              \
	}

PRODUCT(product_f32, tile_f32, float, FN(load_panel_f32))
PRODUCT(product_bf16, tile_bf16, unsigned short, FN(load_panel_bf16))

INLINE float FN(total)(FN(f32) v)
{
	float s = 0;
	for (int i = 0; i < LANES; i++)
		s += v[i];
	return s;
}

INLINE FN(f32) FN(set)(float f) { return f - (FN(f32)){0}; }

/* exp to within 2 units in the last place; 0 below -87.3, where fp32's normal
   numbers end. Polynomial of Cephes' expf (Moshier, 1984-1992). */
INLINE FN(f32) FN(exp)(FN(f32) x)
{
	const float round = 12582912; /* 1.5 · 2^23: adding it rounds to an integer */
	FN(i32) keep = x > -87.3f;
	x = (FN(f32))((FN(i32))x & keep);
	FN(i32) high = x > 88.3f;
	x = (FN(f32))(((FN(i32))x & ~high) | ((FN(i32))FN(set)(88.3f) & high));
	FN(f32) n = x * 1.44269504f + round;
	n -= round;
	FN(f32) r = x - n * 0.693359375f + n * 2.12194440e-4f;
	FN(f32) p = FN(set)(1.9875691500e-4f);
	p = p * r + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * r * r + r + 1;
	FN(i32) power = (__builtin_convertvector(n, FN(i32)) + 127) << 23;
	return (FN(f32))((FN(i32))(p * (FN(f32))power) & keep);
}

TARGET static void FN(rms_norm)(long n, const float *x, const float *gain, float *y)
{
	FN(f32) square = {0};
	long i = 0;
	for (; i + LANES <= n; i += LANES) {
		FN(f32) v = *(const FN(f32) *)(x + i);
		square += v * v;
	}
	float sum = FN(total)(square);
	for (; i < n; i++)
		sum += x[i] * x[i];
	float f = 1 / sqrtf(sum / n + 1e-5f);
	for (i = 0; i + LANES <= n; i += LANES)
		*(FN(f32) *)(y + i) = *(const FN(f32) *)(x + i) * f * *(const FN(f32) *)(gain + i);
	for (; i < n; i++)
		y[i] = x[i] * f * gain[i];
}

INLINE FN(f32) FN(silu)(FN(f32) g) { return g / (1 + FN(exp)(-g)); }

/* 0.5·x·(1 + tanh(u)) is x · sigmoid(2u). */
INLINE FN(f32) FN(gelu_of)(FN(f32) x)
{
	FN(f32) u = 1.5957691216f * (x + 0.044715f * x * x * x);
	return x / (1 + FN(exp)(-u));
}

TARGET static void FN(silu_mul)(long n, float *gate, const float *up)
{
	long i = 0;
	for (; i + LANES <= n; i += LANES)
		*(FN(f32) *)(gate + i) = FN(silu)(*(FN(f32) *)(gate + i)) * *(const FN(f32) *)(up + i);
	for (; i < n; i++)
		gate[i] = FN(silu)(FN(set)(gate[i]))[0] * up[i];
}

TARGET static void FN(gelu)(long n, float *x)
{
	long i = 0;
	for (; i + LANES <= n; i += LANES)
		*(FN(f32) *)(x + i) = FN(gelu_of)(*(FN(f32) *)(x + i));
	for (; i < n; i++)
		x[i] = FN(gelu_of)(FN(set)(x[i]))[0];
}

TARGET static float FN(softmax_part)(long n, float *scores, float *max, float *sum)
{
	float top = *max;
	FN(f32) high = FN(set)(top);
	long i = 0;
	for (; i + LANES <= n; i += LANES) {
		FN(f32) v = *(FN(f32) *)(scores + i);
		FN(i32) more = v > high;
		high = (FN(f32))(((FN(i32))v & more) | ((FN(i32))high & ~more));
	}
	for (int l = 0; l < LANES; l++)
		top = high[l] > top ? high[l] : top;
	for (; i < n; i++)
		top = scores[i] > top ? scores[i] : top;
	FN(f32) part = {0};
	for (i = 0; i + LANES <= n; i += LANES) {
		FN(f32) e = FN(exp)(*(FN(f32) *)(scores + i) - top);
		*(FN(f32) *)(scores + i) = e;
		part += e;
	}
	float here = FN(total)(part);
	for (; i < n; i++) {
		scores[i] = FN(exp)(FN(set)(scores[i] - top))[0];
		here += scores[i];
	}
	float before = FN(exp)(FN(set)(*max - top))[0];
	*sum = *sum * before + here;
	*max = top;
	return before;
}

TARGET static void FN(scale)(long n, float f, float *y)
{
	for (long i = 0; i < n; i++)
		y[i] *= f;
}

TARGET static void FN(add_scaled)(long n, float f, const float *x, float *y)
{
	for (long i = 0; i < n; i++)
		y[i] += f * x[i];
}

static const vector_ops FN(ops) = {
	.product = {FN(product_f32), FN(product_bf16)},
	.rms_norm = FN(rms_norm),
	.silu_mul = FN(silu_mul),
	.gelu = FN(gelu),
	.softmax_part = FN(softmax_part),
	.scale = FN(scale),
	.add_scaled = FN(add_scaled),
};
