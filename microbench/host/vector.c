#include "vector.h"

#include <math.h>

#define VARIANT 0
#include "vector.inc"
#undef VARIANT
#if defined(__x86_64__)
#define VARIANT 1
#include "vector.inc"
#undef VARIANT
#define VARIANT 2
#include "vector.inc"
#undef VARIANT
#endif

const vector_ops *vector_ops_of(int variant)
{
#if defined(__x86_64__)
	if (variant == 2)
		return &ops_avx512;
	if (variant == 1)
		return &ops_avx2;
#endif
	return &ops_plain;
}
