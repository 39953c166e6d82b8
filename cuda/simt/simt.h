// simt.h: the words of CUDA C on the host, for kernels compiled as C++. A
// block's threads are fibres of one operating-system thread; a barrier or a
// warp-wide instruction switches to another (machine/machine.cc).
#ifndef BENCH_SIMT_H
#define BENCH_SIMT_H

#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

#define __global__
#define __device__
#define __shared__ static thread_local
#define __constant__ static
#define __launch_bounds__(...)
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __align__(n) alignas(n)
#define DEVICE [[maybe_unused]] static inline
#define KERNEL extern "C" __attribute__((visibility("hidden")))

struct uint3 { unsigned x, y, z; };
typedef uint3 dim3;

// Where the running fibre is.
struct bench_special_registers { uint3 thread, block, threads, blocks; };
extern __attribute__((visibility("hidden"))) thread_local bench_special_registers bench_place;
#define threadIdx bench_place.thread
#define blockIdx bench_place.block
#define blockDim bench_place.threads
#define gridDim bench_place.blocks

namespace simt {

// fail reports what the kernel did wrong, and ends the launch.
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// meet waits until the expected threads of a warp (width 32) or of a warpgroup
// (128) have come, runs compute once on what each of them brought, by place
// in the group, null where a thread takes no part, and lets all go on. Threads that
// meet with different tags are in different instructions: a fault.
void meet(int width, unsigned mask, const void *tag, const char *file, int line, void *mine, void (*compute)(void **));

// The instance for one C++ type of `compute` is what tells instructions apart.
template <typename F> struct tag { static char address; };
template <typename F> char tag<F>::address;

// warp_collective is an instruction that the lanes of mask execute together.
// compute takes each lane's A by lane number, null for those not in the mask, and is a
// lambda without captures.
template <typename A, typename F> void warp_collective(unsigned mask, A &mine, F, const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
	meet(32, mask, &tag<F>::address, file, line, &mine, [](void **lanes) {
		F{}(reinterpret_cast<A **>(lanes));
	});
}

// warpgroup_collective is the same for the 128 threads of four warps in a row,
// the first a multiple of four.
template <typename A, typename F> void warpgroup_collective(A &mine, F, const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
	meet(128, 0xffffffffu, &tag<F>::address, file, line, &mine, [](void **lanes) {
		F{}(reinterpret_cast<A **>(lanes));
	});
}

// barrier is bar.sync id among `threads`, or among all of the block where that is
// 0; the sum over the block of what each brings.
int barrier(unsigned id, unsigned threads, int bring, const char *file, int line);
void warp_barrier(unsigned mask, const char *file, int line);
void fence();
void yield();

// atomic loads what is about to be changed atomically, and store changes it.
void raw_atomic(void *p, void *v, size_t bytes);
void raw_store(void *p, const void *v, size_t bytes);
template <typename T> T atomic(T *p)
{
	T v;
	raw_atomic(p, &v, sizeof v);
	return v;
}
template <typename T> void store(T *p, T v) { raw_store(p, &v, sizeof v); }

// shared_read and global_read check a read that a collective makes for a
// thread, and return p.
const void *shared_read(const void *p, size_t bytes);
void *shared_write(void *p, size_t bytes);

// Copies that happen at the wait (async.cuh).
void async_copy(void *to, const void *from, int bytes, int filled);
void async_commit();
void async_wait(int newest);

void *dynamic_shared();
unsigned long long nanoseconds();

// A kernel under its name, called with pointers to its arguments as
// cuLaunchKernel has them.
void add(const char *name, void (*call)(void **), int arguments);
template <typename F, F *f> struct kernel;
template <typename... A, void (*f)(A...)> struct kernel<void(A...), f> {
	template <size_t... i> static void with(void **p, std::index_sequence<i...>) { f(*static_cast<A *>(p[i])...); }
	static void call(void **p) { with(p, std::index_sequence_for<A...>{}); }
	kernel(const char *name) { add(name, call, sizeof...(A)); }
};
}

#define EXPORT(name) static simt::kernel<decltype(name), name> bench_export_##name(#name);
#define SHARED_DYNAMIC(type, name) type *name = static_cast<type *>(simt::dynamic_shared())

DEVICE void __syncthreads(const char *file = __builtin_FILE(), int line = __builtin_LINE()) { simt::barrier(0, 0, 0, file, line); }
DEVICE int __syncthreads_count(int p, const char *file = __builtin_FILE(), int line = __builtin_LINE()) { return simt::barrier(0, 0, p != 0, file, line); }
DEVICE int __syncthreads_or(int p, const char *file = __builtin_FILE(), int line = __builtin_LINE()) { return simt::barrier(0, 0, p != 0, file, line) > 0; }
DEVICE int __syncthreads_and(int p, const char *file = __builtin_FILE(), int line = __builtin_LINE()) { return simt::barrier(0, 0, p == 0, file, line) == 0; }
DEVICE void bar_sync(unsigned id, unsigned threads, const char *file = __builtin_FILE(), int line = __builtin_LINE()) { simt::barrier(id, threads, 0, file, line); }
DEVICE void __syncwarp(unsigned mask = 0xffffffffu, const char *file = __builtin_FILE(), int line = __builtin_LINE()) { simt::warp_barrier(mask, file, line); }
DEVICE void __threadfence_block() {}
DEVICE void __threadfence() { simt::fence(); }
DEVICE void __threadfence_system() { simt::fence(); }
DEVICE void __nanosleep(unsigned) { simt::yield(); }
DEVICE long long clock64() { return (long long)simt::nanoseconds(); }
DEVICE unsigned long long globaltimer() { return simt::nanoseconds(); }

#endif
