/* lanes.h: vectors of one instruction set. A kernel's body lies in a file of
   its own (X_body.h), which X.c includes once for every VARIANT (an ISA_ of
   isa.h); a binary so holds them all. The body writes FN(name) for its
   functions and TARGET before each.

   There is no include guard: every inclusion sets the macros anew. */
#undef TARGET
#undef FN
#undef LANES
#undef STREAM

#include "isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if VARIANT == ISA_AVX512
#define TARGET TARGET_AVX512
#define FN(name) name##_avx512
#define LANES 16
#define STREAM(p, v) _mm512_stream_ps((float *)(p), (__m512)(v))
#elif VARIANT == ISA_AVX2
#define TARGET TARGET_AVX2
#define FN(name) name##_avx2
#define LANES 8
#define STREAM(p, v) _mm256_stream_ps((float *)(p), (__m256)(v))
#else
#define TARGET
#define FN(name) name##_plain
#define LANES 4
#if defined(__x86_64__)
#define STREAM(p, v) _mm_stream_ps((float *)(p), (__m128)(v))
#else
#define STREAM(p, v) (*(FN(f32) *)(p) = (FN(f32))(v))
#endif
#endif

typedef float FN(f32) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef double FN(f64) __attribute__((vector_size(4 * LANES), aligned(8), may_alias));
typedef int FN(i32) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef unsigned FN(u32) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef unsigned short FN(u16) __attribute__((vector_size(2 * LANES), aligned(2), may_alias));

/* bfloat16 is the upper half of an fp32. */
TARGET static inline FN(f32) FN(load_bf16)(const void *p)
{
	return (FN(f32))(__builtin_convertvector(*(const FN(u16) *)p, FN(u32)) << 16);
}

/* Rounds to nearest, ties to even. */
TARGET static inline FN(u16) FN(to_bf16)(FN(f32) v)
{
	FN(u32) u = (FN(u32))v;
	return __builtin_convertvector((u + 0x7fff + ((u >> 16) & 1)) >> 16, FN(u16));
}
