#include "vector.h"

#include <math.h>

#define VARIANT ISA_PLAIN
#include "vector_body.h"
#undef VARIANT
#if defined(__x86_64__)
#define VARIANT ISA_AVX2
#include "vector_body.h"
#undef VARIANT
#define VARIANT ISA_AVX512
#include "vector_body.h"
#undef VARIANT
#endif

const vector_ops *vector_ops_of(int isa)
{
#if defined(__x86_64__)
	if (isa == ISA_AVX512)
		return &ops_avx512;
	if (isa == ISA_AVX2)
		return &ops_avx2;
#endif
	return &ops_plain;
}
