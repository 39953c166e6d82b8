/* The body of reduce for one VARIANT: dst[*][i] = sum of src[*][i], for i from
   `from` to `to`. STEP vectors go through registers at a time, so that each
   pointer is fetched once for all of them. */
#include "lanes.h"

#define STEP 4

#define REDUCE(name, T, V, N, LOAD, STORE, WHOLE, FRACTION)                                                 \
	TARGET static void FN(name)(void *const *dst, int nd, void *const *src, int ns, long from, long to, int stream) \
	{                                                                                                       \
		long i = from;                                                                                      \
		for (; i + STEP * (N) <= to; i += STEP * (N)) {                                                     \
			V v[STEP];                                                                                      \
			const T *first = (const T *)src[0] + i;                                                         \
			for (int j = 0; j < STEP; j++)                                                                  \
				v[j] = LOAD(first + j * (N));                                                               \
			for (int s = 1; s < ns; s++) {                                                                  \
				const T *p = (const T *)src[s] + i;                                                         \
				for (int j = 0; j < STEP; j++)                                                              \
					v[j] += LOAD(p + j * (N));                                                              \
			}                                                                                               \
			for (int d = 0; d < nd; d++) {                                                                  \
				T *p = (T *)dst[d] + i;                                                                     \
				if (stream)                                                                                 \
					for (int j = 0; j < STEP; j++)                                                          \
						WHOLE(p + j * (N), v[j]);                                                           \
				else                                                                                        \
					for (int j = 0; j < STEP; j++)                                                          \
						STORE(p + j * (N), v[j]);                                                           \
			}                                                                                               \
		}                                                                                                   \
		for (; i < to; i++) {                                                                               \
			FRACTION(T)                                                                                     \
		}                                                                                                   \
	}

#define LOAD_F32(p) (*(const FN(f32) *)(p))
#define STORE_F32(p, v) (*(FN(f32) *)(p) = (v))
#define LOAD_F64(p) (*(const FN(f64) *)(p))
#define STORE_F64(p, v) (*(FN(f64) *)(p) = (v))
#define STORE_BF16(p, v) (*(FN(u16) *)(p) = FN(to_bf16)(v))

#define ELEMENT(T)                           \
	T sum = ((const T *)src[0])[i];          \
	for (int s = 1; s < ns; s++)             \
		sum += ((const T *)src[s])[i];       \
	for (int d = 0; d < nd; d++)             \
		((T *)dst[d])[i] = sum;
#define ELEMENT_BF16(T)                                  \
	float sum = bf16_to_float(((const T *)src[0])[i]);   \
	for (int s = 1; s < ns; s++)                         \
		sum += bf16_to_float(((const T *)src[s])[i]);    \
	for (int d = 0; d < nd; d++)                         \
		((T *)dst[d])[i] = bf16_from_float(sum);

REDUCE(reduce_f32, float, FN(f32), LANES, LOAD_F32, STORE_F32, STREAM, ELEMENT)
REDUCE(reduce_f64, double, FN(f64), (LANES / 2), LOAD_F64, STORE_F64, STREAM, ELEMENT)
/* A bf16 vector is half a register, too short to be streamed. */
REDUCE(reduce_bf16, uint16_t, FN(f32), LANES, FN(load_bf16), STORE_BF16, STORE_BF16, ELEMENT_BF16)

#undef STEP
#undef REDUCE
#undef LOAD_F32
#undef STORE_F32
#undef LOAD_F64
#undef STORE_F64
#undef STORE_BF16
#undef ELEMENT
#undef ELEMENT_BF16
