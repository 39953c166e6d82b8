// memory.cuh: loads and stores of 16 bytes with the cache hints that a stream
// wants (PTX, "ld", "ld.global.nc", "st"). A hint changes no value.
#ifndef BENCH_MEMORY_CUH
#define BENCH_MEMORY_CUH

#if defined(BENCH_HOST)
DEVICE uint4 ld_128(const void *p) { return *(const uint4 *)p; }
DEVICE uint4 ld_nc_128(const void *p) { return *(const uint4 *)p; }
DEVICE uint4 ld_cg_128(const void *p) { return *(const uint4 *)p; }
DEVICE unsigned long long ld_cg_64(const void *p) { return *(const unsigned long long *)p; }
DEVICE void st_128(void *p, uint4 v) { *(uint4 *)p = v; }
DEVICE void st_cs_128(void *p, uint4 v) { *(uint4 *)p = v; }
DEVICE unsigned ld_volatile(const volatile unsigned *p) { return *p; }
#else
#define BENCH_LOAD(name, op)                                                                                                  \
	DEVICE uint4 name(const void *p)                                                                                            \
	{                                                                                                                           \
		uint4 v;                                                                                                                  \
		asm volatile(op " {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));                        \
		return v;                                                                                                                 \
	}
// In L1 and L2; through the read-only path, not kept in L1; in L2 only.
BENCH_LOAD(ld_128, "ld.global.v4.u32")
BENCH_LOAD(ld_nc_128, "ld.global.nc.L1::no_allocate.v4.u32")
BENCH_LOAD(ld_cg_128, "ld.global.cg.v4.u32")
#undef BENCH_LOAD
DEVICE unsigned long long ld_cg_64(const void *p)
{
	unsigned long long v;
	asm volatile("ld.global.cg.u64 %0, [%1];" : "=l"(v) : "l"(p));
	return v;
}
#define BENCH_STORE(name, op)                                                                                                 \
	DEVICE void name(void *p, uint4 v)                                                                                          \
	{                                                                                                                           \
		asm volatile(op " [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");                  \
	}
// Written back as usual; to be evicted first.
BENCH_STORE(st_128, "st.global.v4.u32")
BENCH_STORE(st_cs_128, "st.global.cs.v4.u32")
#undef BENCH_STORE
// A load that goes to memory each time, host memory too.
DEVICE unsigned ld_volatile(const volatile unsigned *p)
{
	unsigned v;
	asm volatile("ld.volatile.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
	return v;
}
#endif

#endif
