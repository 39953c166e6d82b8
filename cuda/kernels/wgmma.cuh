// wgmma.cuh: warpgroup matrix multiply-accumulate of Hopper, D[64,256] += A[64,k]·B[k,256] with both operands in shared
// memory, K-major. PTX ISA 8.x, "Asynchronous Warpgroup Level Matrix Instructions".
//
// An operand is rows (m of A, n of B) of 128 bytes of k under the 128-byte swizzle. One instruction takes 32 bytes of each
// row: 16 elements of fp16 and bf16, 8 of tf32, 32 of fp8 and int8; four of them take the row.
//
// On the host each thread works its own elements of D out by that section's definitions: decode the descriptor, find the
// element in the swizzled layout, multiply and add. Nothing of one thread's result depends on another's registers.
#ifndef BENCH_WGMMA_CUH
#define BENCH_WGMMA_CUH

#include "device.cuh"

// The rows of an operand, in bytes of k, and of one instruction's part of it.
constexpr int wgmma_row_bytes = 128, wgmma_step_bytes = 32;

// wgmma_swizzled is where byte `at` of row `row` lies in an operand: the eight 16-byte chunks of a row are exchanged by
// the row's number modulo 8, so that eight rows of one chunk fall into different banks ("Swizzling modes", 128B: bits 4 to
// 6 of the address are XORed with bits 7 to 9). The operand begins at a multiple of 1024 bytes.
DEVICE int wgmma_swizzled(int row, int at) { return row * wgmma_row_bytes + (at ^ (row & 7) << 4); }

// wgmma_descriptor is an operand's matrix descriptor ("Matrix descriptor format"): bits 0–13 the shared address, 16–29 the
// leading-dimension and 32–45 the stride-dimension byte offset, each without its four low bits; 49–51 the base offset, 0
// for operands that begin at a multiple of 1024 bytes; 62–63 the swizzling, 1 being 128 bytes. The stride is from 8 rows
// to the next 8; the leading dimension's is not used under a swizzle that holds the whole row, and 1 by convention.
DEVICE unsigned long long wgmma_descriptor(unsigned shared_address)
{
	return (unsigned long long)((shared_address & 0x3ffff) >> 4) | 1ull << 16 |
	       (unsigned long long)(8 * wgmma_row_bytes >> 4) << 32 | 1ull << 62;
}

// Element i of a thread's 128 accumulators is D[wgmma_row][wgmma_column] ("Register fragments for wgmma.mma_async", D).
DEVICE int wgmma_row(int thread, int i) { return thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8; }
DEVICE int wgmma_column(int thread, int i) { return i / 4 * 8 + thread % 4 * 2 + i % 2; }

#if defined(BENCH_HOST)

// A descriptor holds 18 bits of an address, which on the device is the whole of it. Here the rest is that of the operand
// whose address was asked for last: a block's shared memory lies within half of 2^18 bytes of it.
// It is the machine's and no memory of the kernel's: the race detector does not watch it.
inline thread_local size_t wgmma_near = 0;

__attribute__((no_sanitize("thread"), noinline)) DEVICE unsigned wgmma_address(const void *shared)
{
	wgmma_near = (size_t)shared;
	return (unsigned)(wgmma_near & 0x3ffff);
}

DEVICE void wgmma_fence() {}
DEVICE void wgmma_fence_shared() {}
DEVICE void wgmma_commit() {}
template <int N> DEVICE void wgmma_wait() {}

// wgmma_element is element k of a row of the operand that a descriptor describes: under the 128-byte swizzle eight rows
// are 1024 bytes, the next eight are the stride from there, and the address as it would be without swizzling has bits 4
// to 6 XORed with bits 7 to 9.
template <typename T> DEVICE T wgmma_element(unsigned long long descriptor, int row, int k)
{
	if (descriptor >> 62 != 1 || (descriptor >> 49 & 7) != 0)
		simt::fail("wgmma: descriptor %llx is not of the 128-byte swizzle with base offset 0", descriptor);
	long long start = (long long)(descriptor & 0x3fff) << 4, stride = (long long)(descriptor >> 32 & 0x3fff) << 4;
	long long at = start + row / 8 * stride + row % 8 * wgmma_row_bytes + k * (long long)sizeof(T);
	at ^= (at >> 7 & 7) << 4;
	long long off = (at - (long long)(wgmma_near & 0x3ffff)) & 0x3ffff;
	if (off >= 0x20000)
		off -= 0x40000;
	T v;
	memcpy(&v, simt::shared_read((const void *)(wgmma_near + (size_t)off), sizeof(T)), sizeof(T));
	return v;
}

struct wgmma_tf32 { float bits; };
DEVICE float wgmma_value(bf16 v) { return to_float(v); }
DEVICE float wgmma_value(fp16 v) { return to_float(v); }
DEVICE float wgmma_value(fp8 v) { return to_float(v); }
DEVICE int wgmma_value(signed char v) { return v; }
DEVICE float wgmma_value(wgmma_tf32 v) { return bits_float(float_bits(v.bits) & ~0x1fffu); }

template <typename T, typename Acc> struct wgmma_operands { Acc *d; unsigned long long a, b; int scale_d; };

// Sums are taken in the accumulator's type, in the order of k: the hardware's order is not documented, so tests allow for
// any.
template <typename T, typename Acc> DEVICE void wgmma_lanes(Acc *d, unsigned long long a, unsigned long long b, int scale_d)
{
	wgmma_operands<T, Acc> mine{d, a, b, scale_d != 0};
	simt::warpgroup_collective(mine, [](wgmma_operands<T, Acc> **threads) {
		constexpr int k = wgmma_step_bytes / sizeof(T);
		const wgmma_operands<T, Acc> &first = *threads[0];
		Acc A[64][k], B[256][k];
		for (int l = 0; l < k; l++) {
			for (int row = 0; row < 64; row++)
				A[row][l] = wgmma_value(wgmma_element<T>(first.a, row, l));
			for (int column = 0; column < 256; column++)
				B[column][l] = wgmma_value(wgmma_element<T>(first.b, column, l));
		}
		for (int t = 0; t < 128; t++) {
			const wgmma_operands<T, Acc> &thread = *threads[t];
			if (thread.a != first.a || thread.b != first.b || thread.scale_d != first.scale_d)
				simt::fail("wgmma: thread %d of the warpgroup has other descriptors than thread 0", t);
			for (int i = 0; i < 128; i++) {
				Acc sum = thread.scale_d ? thread.d[i] : 0;
				for (int l = 0; l < k; l++)
					sum += A[wgmma_row(t, i)][l] * B[wgmma_column(t, i)][l];
				thread.d[i] = sum;
			}
		}
	});
}

DEVICE void wgmma_m64n256k16_bf16(float (&d)[128], unsigned long long a, unsigned long long b, int scale_d) { wgmma_lanes<bf16>(d, a, b, scale_d); }
DEVICE void wgmma_m64n256k16_fp16(float (&d)[128], unsigned long long a, unsigned long long b, int scale_d) { wgmma_lanes<fp16>(d, a, b, scale_d); }
DEVICE void wgmma_m64n256k8_tf32(float (&d)[128], unsigned long long a, unsigned long long b, int scale_d) { wgmma_lanes<wgmma_tf32>(d, a, b, scale_d); }
DEVICE void wgmma_m64n256k32_fp8(float (&d)[128], unsigned long long a, unsigned long long b, int scale_d) { wgmma_lanes<fp8>(d, a, b, scale_d); }
DEVICE void wgmma_m64n256k32_s8(int (&d)[128], unsigned long long a, unsigned long long b, int scale_d) { wgmma_lanes<signed char>(d, a, b, scale_d); }

#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900

DEVICE unsigned wgmma_address(const void *shared) { return shared_address(shared); }

// wgmma_fence orders what the threads wrote into registers and, for generic stores to shared memory, wgmma_fence_shared
// what they stored there, before the instructions that follow ("wgmma.fence", "Async proxy").
DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void wgmma_fence_shared() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// wgmma_wait waits until at most N committed groups are under way.
template <int N> DEVICE void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory"); }

#define WGMMA_REGISTERS \
	"%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
	"%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
	"%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
	"%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, " \
	"%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
	"%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
	"%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
	"%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define WGMMA_16(c, i) c(d[i]), c(d[i + 1]), c(d[i + 2]), c(d[i + 3]), c(d[i + 4]), c(d[i + 5]), c(d[i + 6]), c(d[i + 7]), \
	c(d[i + 8]), c(d[i + 9]), c(d[i + 10]), c(d[i + 11]), c(d[i + 12]), c(d[i + 13]), c(d[i + 14]), c(d[i + 15])
#define WGMMA_128(c) WGMMA_16(c, 0), WGMMA_16(c, 16), WGMMA_16(c, 32), WGMMA_16(c, 48), \
	WGMMA_16(c, 64), WGMMA_16(c, 80), WGMMA_16(c, 96), WGMMA_16(c, 112)

// D = A·B where scale_d is 0, else D += A·B. The numbers after the predicate keep the operands' signs and, for 16-bit
// types, say that both are K-major.
#define WGMMA(name, accumulator, constraint, instruction, operands) \
	DEVICE void name(accumulator (&d)[128], unsigned long long a, unsigned long long b, int scale_d) \
	{ \
		asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n" \
			"wgmma.mma_async.sync.aligned." instruction " {" WGMMA_REGISTERS "}, %128, %129, p" operands ";\n}" \
			: WGMMA_128(constraint) : "l"(a), "l"(b), "r"(scale_d)); \
	}

WGMMA(wgmma_m64n256k16_bf16, float, "+f", "m64n256k16.f32.bf16.bf16", ", 1, 1, 0, 0")
WGMMA(wgmma_m64n256k16_fp16, float, "+f", "m64n256k16.f32.f16.f16", ", 1, 1, 0, 0")
WGMMA(wgmma_m64n256k8_tf32, float, "+f", "m64n256k8.f32.tf32.tf32", ", 1, 1")
WGMMA(wgmma_m64n256k32_fp8, float, "+f", "m64n256k32.f32.e4m3.e4m3", ", 1, 1")
WGMMA(wgmma_m64n256k32_s8, int, "+r", "m64n256k32.s32.s8.s8", "")
#undef WGMMA
#undef WGMMA_128
#undef WGMMA_16
#undef WGMMA_REGISTERS

#endif

#endif
