#include "variant.h"

int variant_best(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("fma"))
		return 2;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return 1;
#endif
	return 0;
}

const char *variant_name(int variant)
{
	switch (variant) {
	case 2:
		return "AVX-512";
	case 1:
		return "AVX2";
	}
#if defined(__x86_64__)
	return "SSE2";
#elif defined(__aarch64__)
	return "NEON";
#else
	return "plain C";
#endif
}
