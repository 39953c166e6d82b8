// arithmetic.cuh: the functions of one number that kernels use. There is no
// libdevice: those named approx are one instruction (PTX, "ex2.approx" and so
// on, which state their errors); the host computes them in double and rounds.
#ifndef BENCH_ARITHMETIC_CUH
#define BENCH_ARITHMETIC_CUH

#if defined(BENCH_HOST)
DEVICE float exp2_approx(float v) { return (float)__builtin_exp2((double)v); }
DEVICE float log2_approx(float v) { return (float)__builtin_log2((double)v); }
DEVICE float rsqrt_approx(float v) { return (float)(1.0 / __builtin_sqrt((double)v)); }
DEVICE float rcp_approx(float v) { return (float)(1.0 / (double)v); }
DEVICE float tanh_approx(float v) { return (float)__builtin_tanh((double)v); }
DEVICE float sqrt_rn(float v) { return __builtin_sqrtf(v); }
DEVICE float fma_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
DEVICE double fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
#define BENCH_UNARY(name, op)                             \
	DEVICE float name(float v)                              \
	{                                                       \
		float r;                                              \
		asm(op " %0, %1;" : "=f"(r) : "f"(v));                \
		return r;                                             \
	}
BENCH_UNARY(exp2_approx, "ex2.approx.ftz.f32")
BENCH_UNARY(log2_approx, "lg2.approx.f32")
BENCH_UNARY(rsqrt_approx, "rsqrt.approx.f32")
BENCH_UNARY(rcp_approx, "rcp.approx.f32")
BENCH_UNARY(tanh_approx, "tanh.approx.f32")
BENCH_UNARY(sqrt_rn, "sqrt.rn.f32")
#undef BENCH_UNARY
DEVICE float fma_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
DEVICE double fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
#endif

// e^v by the power of two, as __expf does: relative error about 2^-22 and a
// step of v's rounding for each unit of |v|.
DEVICE float exp_approx(float v) { return exp2_approx(v * 1.4426950408889634f); }

#endif
