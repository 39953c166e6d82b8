/* Products of few rows in bf16 and int8: B is read once, from left to right, and
   its rows are joined into units (gemm.h) in registers, never in memory. */
#include "gemm_tile.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ROWS 8 /* of A, at most */

/* A and its rest: the columns of A from p on, where `depth` of them are left, else
   copies filled up with zeros, in rows of depth elements. */
#define LEFT(T, depth)                                                                  \
	T last[ROWS * (depth)] = {0};                                                       \
	for (long i = 0; i < m; i++) memcpy(last + i * (depth), a + i * k + k / (depth) * (depth), (size_t)(k % (depth)) * sizeof(T));

static inline int word(const void *p)
{
	int w;
	memcpy(&w, p, sizeof w);
	return w;
}

/* 8 rows of B by 32 columns at a time. A pair's units for the first 16 columns
   and the last come from a permutation of its two rows each. */
TARGET_BF16 void gemm_sweep_bf16(long m, long n, long k, const void *va, const void *vb, long ldb, void *vc, long ldc)
{
	enum { DEPTH = 8, COLS = 32 };
	const uint16_t *a = va, *b = vb;
	float *c = vc;
	LEFT(uint16_t, DEPTH)
	uint16_t order[2 * COLS];
	for (int j = 0; j < COLS; j++)
		order[2 * j] = (uint16_t)j, order[2 * j + 1] = (uint16_t)(COLS + j); /* of the second row */
	const __m512i low = _mm512_loadu_si512(order), high = _mm512_loadu_si512(order + COLS);
	for (long i = 0; i < m; i++)
		memset(c + i * ldc, 0, (size_t)((n + COLS - 1) / COLS * COLS) * sizeof *c);
	for (long p = 0; p < k; p += DEPTH, b += DEPTH * ldb) {
		const long whole = k - p >= DEPTH, ldx = whole ? k : DEPTH;
		const uint16_t *x = whole ? a + p : last;
		for (long j = 0; j < n; j += COLS) {
			const __mmask32 cols = n - j >= COLS ? ~(__mmask32)0 : ((__mmask32)1 << (n - j)) - 1;
			__m512i y[DEPTH];
			_Pragma("GCC unroll 4") for (int q = 0; q < DEPTH; q += 2) {
				const uint16_t *at = b + q * ldb + j;
				__m512i even = _mm512_maskz_loadu_epi16(q < k - p ? cols : 0, at);
				__m512i odd = _mm512_maskz_loadu_epi16(q + 1 < k - p ? cols : 0, at + ldb);
				__builtin_prefetch(at + DEPTH * ldb, 0, 2);
				__builtin_prefetch(at + (DEPTH + 1) * ldb, 0, 2);
				y[q] = _mm512_permutex2var_epi16(even, low, odd);
				y[q + 1] = _mm512_permutex2var_epi16(even, high, odd);
			}
			for (long i = 0; i < m; i++) {
				float *to = c + i * ldc + j;
				__m512 s = _mm512_loadu_ps(to), t = _mm512_loadu_ps(to + 16);
				_Pragma("GCC unroll 4") for (int q = 0; q < DEPTH; q += 2) {
					const __m512bh pair = (__m512bh)_mm512_set1_epi32(word(x + i * ldx + q));
					s = _mm512_dpbf16_ps(s, pair, (__m512bh)y[q]);
					t = _mm512_dpbf16_ps(t, pair, (__m512bh)y[q + 1]);
				}
				_mm512_storeu_ps(to, s);
				_mm512_storeu_ps(to + 16, t);
			}
		}
	}
}

/* 16 rows of B by 64 columns at a time. Bytes of 4 rows are interleaved within
   each 16 bytes of a register, so a row's words are put in place first: word q of
   those 16 bytes then goes into register q of the four. */
TARGET_VNNI void gemm_sweep_int8(long m, long n, long k, const void *va, const void *vb, long ldb, void *vc, long ldc)
{
	enum { DEPTH = 16, COLS = 64 };
	const int8_t *a = va, *b = vb;
	int32_t *c = vc;
	LEFT(int8_t, DEPTH)
	const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	for (long i = 0; i < m; i++)
		memset(c + i * ldc, 0, (size_t)((n + COLS - 1) / COLS * COLS) * sizeof *c);
	for (long p = 0; p < k; p += DEPTH, b += DEPTH * ldb) {
		const long whole = k - p >= DEPTH, ldx = whole ? k : DEPTH;
		const int8_t *x = whole ? a + p : last;
		for (long j = 0; j < n; j += COLS) {
			const __mmask64 cols = n - j >= COLS ? ~(__mmask64)0 : ((__mmask64)1 << (n - j)) - 1;
			__m512i y[DEPTH];
			_Pragma("GCC unroll 4") for (int q = 0; q < DEPTH; q += 4) {
				__m512i r[4];
				_Pragma("GCC unroll 4") for (int h = 0; h < 4; h++) {
					const int8_t *at = b + (q + h) * ldb + j;
					r[h] = _mm512_permutexvar_epi32(order, _mm512_maskz_loadu_epi8(q + h < k - p ? cols : 0, at));
					__builtin_prefetch(at + DEPTH * ldb, 0, 2);
				}
				const __m512i l01 = _mm512_unpacklo_epi8(r[0], r[1]), h01 = _mm512_unpackhi_epi8(r[0], r[1]);
				const __m512i l23 = _mm512_unpacklo_epi8(r[2], r[3]), h23 = _mm512_unpackhi_epi8(r[2], r[3]);
				y[q] = _mm512_unpacklo_epi16(l01, l23), y[q + 1] = _mm512_unpackhi_epi16(l01, l23);
				y[q + 2] = _mm512_unpacklo_epi16(h01, h23), y[q + 3] = _mm512_unpackhi_epi16(h01, h23);
			}
			for (long i = 0; i < m; i++) {
				int32_t *to = c + i * ldc + j;
				__m512i s[4];
				_Pragma("GCC unroll 4") for (int v = 0; v < 4; v++) s[v] = _mm512_loadu_si512(to + 16 * v);
				_Pragma("GCC unroll 4") for (int q = 0; q < DEPTH; q += 4) {
					const __m512i four = _mm512_set1_epi32(word(x + i * ldx + q));
					_Pragma("GCC unroll 4") for (int v = 0; v < 4; v++) s[v] = _mm512_dpbusd_epi32(s[v], four, y[q + v]);
				}
				_Pragma("GCC unroll 4") for (int v = 0; v < 4; v++) _mm512_storeu_si512(to + 16 * v, s[v]);
			}
		}
	}
}
#endif
