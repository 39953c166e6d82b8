// atomics.cuh: CUDA's atomics under their own names (PTX, "atom", "red").
#ifndef BENCH_ATOMICS_CUH
#define BENCH_ATOMICS_CUH

#if defined(BENCH_HOST)
// One thread runs at a time, so plain arithmetic is atomic; simt::atomic tells
// the race check that it was meant to be.
#define BENCH_ATOMIC(T, name, expression)            \
	DEVICE T name(T *p, T v)                           \
	{                                                  \
		T old = simt::atomic(p);                         \
		simt::store(p, (T)(expression));                 \
		return old;                                      \
	}
#define BENCH_ATOMICS_OF(T)                          \
	BENCH_ATOMIC(T, atomicAdd, old + v)                \
	BENCH_ATOMIC(T, atomicMax, old > v ? old : v)      \
	BENCH_ATOMIC(T, atomicMin, old < v ? old : v)      \
	BENCH_ATOMIC(T, atomicExch, v)
#define BENCH_ATOMIC_CAS(T)                          \
	DEVICE T atomicCAS(T *p, T want, T v)              \
	{                                                  \
		T old = simt::atomic(p);                         \
		if (old == want)                                 \
			simt::store(p, v);                             \
		return old;                                      \
	}
BENCH_ATOMICS_OF(int)
BENCH_ATOMICS_OF(unsigned)
BENCH_ATOMICS_OF(unsigned long long)
BENCH_ATOMIC(float, atomicAdd, old + v)
BENCH_ATOMIC(double, atomicAdd, old + v)
BENCH_ATOMIC(int, atomicOr, old | v)
BENCH_ATOMIC(unsigned, atomicOr, old | v)
BENCH_ATOMIC(int, atomicAnd, old & v)
BENCH_ATOMIC(unsigned, atomicAnd, old & v)
BENCH_ATOMIC_CAS(int)
BENCH_ATOMIC_CAS(unsigned)
BENCH_ATOMIC_CAS(unsigned long long)
#undef BENCH_ATOMIC
#undef BENCH_ATOMICS_OF
#undef BENCH_ATOMIC_CAS
#elif defined(__clang__)
#define BENCH_ATOMIC(T, name, op, r)                                                                  \
	DEVICE T name(T *p, T v)                                                                            \
	{                                                                                                   \
		T old;                                                                                            \
		asm volatile("atom." op " %0, [%1], %2;" : "=" r(old) : "l"(p), r(v) : "memory");                 \
		return old;                                                                                       \
	}
BENCH_ATOMIC(int, atomicAdd, "add.s32", "r")
BENCH_ATOMIC(unsigned, atomicAdd, "add.u32", "r")
BENCH_ATOMIC(unsigned long long, atomicAdd, "add.u64", "l")
BENCH_ATOMIC(float, atomicAdd, "add.f32", "f")
BENCH_ATOMIC(double, atomicAdd, "add.f64", "d")
BENCH_ATOMIC(int, atomicMax, "max.s32", "r")
BENCH_ATOMIC(unsigned, atomicMax, "max.u32", "r")
BENCH_ATOMIC(unsigned long long, atomicMax, "max.u64", "l")
BENCH_ATOMIC(int, atomicMin, "min.s32", "r")
BENCH_ATOMIC(unsigned, atomicMin, "min.u32", "r")
BENCH_ATOMIC(unsigned long long, atomicMin, "min.u64", "l")
BENCH_ATOMIC(int, atomicExch, "exch.b32", "r")
BENCH_ATOMIC(unsigned, atomicExch, "exch.b32", "r")
BENCH_ATOMIC(unsigned long long, atomicExch, "exch.b64", "l")
BENCH_ATOMIC(int, atomicOr, "or.b32", "r")
BENCH_ATOMIC(unsigned, atomicOr, "or.b32", "r")
BENCH_ATOMIC(int, atomicAnd, "and.b32", "r")
BENCH_ATOMIC(unsigned, atomicAnd, "and.b32", "r")
#undef BENCH_ATOMIC
#define BENCH_ATOMIC_CAS(T, op, r)                                                                                          \
	DEVICE T atomicCAS(T *p, T want, T v)                                                                                     \
	{                                                                                                                         \
		T old;                                                                                                                  \
		asm volatile("atom.cas." op " %0, [%1], %2, %3;" : "=" r(old) : "l"(p), r(want), r(v) : "memory");                      \
		return old;                                                                                                             \
	}
BENCH_ATOMIC_CAS(int, "b32", "r")
BENCH_ATOMIC_CAS(unsigned, "b32", "r")
BENCH_ATOMIC_CAS(unsigned long long, "b64", "l")
#undef BENCH_ATOMIC_CAS
#endif

// red is an atomic addition that nobody waits for.
DEVICE void red_add(float *p, float v)
{
#if defined(BENCH_HOST)
	atomicAdd(p, v);
#else
	asm volatile("red.global.add.f32 [%0], %1;" ::"l"(p), "f"(v) : "memory");
#endif
}

DEVICE void red_add(unsigned *p, unsigned v)
{
#if defined(BENCH_HOST)
	atomicAdd(p, v);
#else
	asm volatile("red.global.add.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory");
#endif
}

#endif
