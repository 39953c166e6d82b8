// target.cuh: the words of CUDA C on the device, of which clang has all but
// the names. nvcc brings its own.
#ifndef BENCH_TARGET_CUH
#define BENCH_TARGET_CUH

#if defined(__clang__)
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))

typedef unsigned long size_t;

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x, y, z; };

// What <__clang_cuda_builtin_vars.h> makes with CUDA's headers, by the same
// property trick: a read of threadIdx.x is a read of the special register
// (PTX, "Special Registers").
#define BENCH_SPECIAL(name, read)                                                                       \
	struct bench_##name##_t {                                                                             \
		__declspec(property(get = get_x)) unsigned x;                                                       \
		__declspec(property(get = get_y)) unsigned y;                                                       \
		__declspec(property(get = get_z)) unsigned z;                                                       \
		static inline __attribute__((device, always_inline)) unsigned get_x() { return read##_x(); }        \
		static inline __attribute__((device, always_inline)) unsigned get_y() { return read##_y(); }        \
		static inline __attribute__((device, always_inline)) unsigned get_z() { return read##_z(); }        \
	};                                                                                                    \
	extern const __attribute__((device, weak)) bench_##name##_t name

BENCH_SPECIAL(threadIdx, __nvvm_read_ptx_sreg_tid);
BENCH_SPECIAL(blockIdx, __nvvm_read_ptx_sreg_ctaid);
BENCH_SPECIAL(blockDim, __nvvm_read_ptx_sreg_ntid);
BENCH_SPECIAL(gridDim, __nvvm_read_ptx_sreg_nctaid);
#undef BENCH_SPECIAL
#endif

#define KERNEL extern "C" __global__
#define DEVICE static __device__ __forceinline__
#define EXPORT(kernel)

// Dynamic shared memory, 128-byte aligned so that ldmatrix rows, cp.async and
// wgmma tiles may begin at its start.
#define SHARED_DYNAMIC(type, name)                                    \
	extern __shared__ __align__(1024) unsigned char bench_dynamic[];    \
	type *name = reinterpret_cast<type *>(bench_dynamic)

#if defined(__clang__)
// __syncthreads is a builtin.
DEVICE void __syncwarp(unsigned mask = 0xffffffffu) { __nvvm_bar_warp_sync(mask); }
DEVICE void __threadfence_block() { __nvvm_membar_cta(); }
DEVICE void __threadfence() { __nvvm_membar_gl(); }
DEVICE void __threadfence_system() { __nvvm_membar_sys(); }
DEVICE int __syncthreads_or(int p) { return __nvvm_bar0_or(p); }
DEVICE int __syncthreads_and(int p) { return __nvvm_bar0_and(p); }
DEVICE int __syncthreads_count(int p) { return __nvvm_bar0_popc(p); }
DEVICE void __nanosleep(unsigned ns) { asm volatile("nanosleep.u32 %0;" ::"r"(ns)); }
DEVICE long long clock64()
{
	long long t;
	asm volatile("mov.u64 %0, %%clock64;" : "=l"(t));
	return t;
}
#endif

// Barrier id (1 to 15) among the first `threads` that come to it, a multiple
// of 32 (PTX, "bar, barrier").
DEVICE void bar_sync(unsigned id, unsigned threads) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"); }

// Nanoseconds of a clock that all SMs share; it steps by about 1 us on A100 and
// H100 (PTX, "Special Registers: %globaltimer").
DEVICE unsigned long long globaltimer()
{
	unsigned long long t;
	asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
	return t;
}

// The 32-bit address in the shared window, as ldmatrix, cp.async and wgmma take it.
DEVICE unsigned shared_address(const void *p)
{
#if defined(__clang__)
	return (unsigned)(size_t)(const void __attribute__((address_space(3))) *)p;
#else
	return (unsigned)__cvta_generic_to_shared(p);
#endif
}

#endif
