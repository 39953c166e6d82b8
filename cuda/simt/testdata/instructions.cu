// instructions.cu: the instruction wrappers of cuda/kernels one by one, for
// instructions_test.go. Fragments are arrays by thread, so that the test alone says which
// element of a matrix a register is.
#include "../../kernels/device.cuh"
#include "../../kernels/mma_f64.cuh"
#include "../../kernels/wgmma.cuh"

// Block i multiplies the i-th fragments of A with those of B and adds them to d.
#define MMA(name, Word, Acc, na, nb, nd, call)                                             \
	KERNEL void name(Acc *d, const Word *a, const Word *b)                                   \
	{                                                                                        \
		const int thread = blockIdx.x * 32 + threadIdx.x;                                      \
		Word A[na], B[nb];                                                                     \
		Acc D[nd];                                                                             \
		for (int i = 0; i < na; i++)                                                           \
			A[i] = a[thread * na + i];                                                           \
		for (int i = 0; i < nb; i++)                                                           \
			B[i] = b[thread * nb + i];                                                           \
		for (int i = 0; i < nd; i++)                                                           \
			D[i] = d[thread * nd + i];                                                           \
		call;                                                                                  \
		for (int i = 0; i < nd; i++)                                                           \
			d[thread * nd + i] = D[i];                                                           \
	}                                                                                        \
	EXPORT(name)

MMA(m16n8k16_bf16, unsigned, float, 4, 2, 4, mma_m16n8k16_bf16(D, A, B))
MMA(m16n8k16_fp16, unsigned, float, 4, 2, 4, mma_m16n8k16_fp16(D, A, B))
MMA(m16n8k8_tf32, unsigned, float, 4, 2, 4, mma_m16n8k8_tf32(D, A, B))
MMA(m16n8k32_s8, unsigned, int, 4, 2, 4, mma_m16n8k32_s8(D, A, B))
MMA(m8n8k4_f64, double, double, 1, 1, 2, mma_m8n8k4_f64(D, A[0], B[0]))
MMA(m16n8k16_f64, double, double, 8, 4, 4, mma_m16n8k16_f64(D, A, B))

// Rows of 16 bytes lie in shared memory in any order: lane l's is row order[l].
#define LDMATRIX(name, n)                                                           \
	KERNEL void load_##name(unsigned *d, const uint4 *rows, const int *order)                \
	{                                                                                        \
		__shared__ uint4 tile[32];                                                             \
		tile[threadIdx.x] = rows[threadIdx.x];                                                 \
		__syncthreads();                                                                       \
		unsigned r[n];                                                                         \
		ldmatrix_##name(r, tile + order[threadIdx.x]);                                         \
		for (int i = 0; i < n; i++)                                                            \
			d[threadIdx.x * n + i] = r[i];                                                       \
	}                                                                                        \
	EXPORT(load_##name)
LDMATRIX(x1, 1)
LDMATRIX(x2, 2)
LDMATRIX(x4, 4)
LDMATRIX(x1_trans, 1)
LDMATRIX(x2_trans, 2)
LDMATRIX(x4_trans, 4)

// Operands of wgmma as they lie in shared memory: A of 64 rows, B of 256, 128 bytes each.
#define WGMMA(name, Acc)                                                                   \
	KERNEL void warpgroup_##name(Acc *d, const uint4 *a, const uint4 *b, int steps, int scale_d) \
	{                                                                                        \
		alignas(1024) __shared__ uint4 A[64 * 8];                                              \
		alignas(1024) __shared__ uint4 B[256 * 8];                                             \
		for (int i = threadIdx.x; i < 64 * 8; i += 128)                                        \
			A[i] = a[i];                                                                         \
		for (int i = threadIdx.x; i < 256 * 8; i += 128)                                       \
			B[i] = b[i];                                                                         \
		wgmma_fence_shared();                                                                  \
		__syncthreads();                                                                       \
		const unsigned long long at_a = wgmma_descriptor(wgmma_address(A)), at_b = wgmma_descriptor(wgmma_address(B)); \
		Acc D[128];                                                                            \
		for (int i = 0; i < 128; i++)                                                          \
			D[i] = d[threadIdx.x * 128 + i];                                                     \
		for (int s = 0; s < steps; s++)                                                        \
			wgmma_##name(D, at_a + 2 * s, at_b + 2 * s, s > 0 || scale_d);                       \
		for (int i = 0; i < 128; i++)                                                          \
			d[threadIdx.x * 128 + i] = D[i];                                                     \
	}                                                                                        \
	EXPORT(warpgroup_##name)
WGMMA(m64n256k16_bf16, float)
WGMMA(m64n256k16_fp16, float)
WGMMA(m64n256k8_tf32, float)
WGMMA(m64n256k32_fp8, float)
WGMMA(m64n256k32_s8, int)

KERNEL void descriptors(unsigned long long *d, const unsigned *addresses) { d[threadIdx.x] = wgmma_descriptor(addresses[threadIdx.x]); }
EXPORT(descriptors)

// Each lane brings 100 + lane; x is the index, y the logarithm of the width.
KERNEL void shuffles(int *d, double *wide)
{
	const int index = blockIdx.x, width = 1 << blockIdx.y, v = 100 + threadIdx.x;
	const int block = blockIdx.y * gridDim.x + blockIdx.x;
	d += block * 128 + threadIdx.x * 4, wide += block * 32 + threadIdx.x;
	d[0] = __shfl_sync(0xffffffffu, v, index, width);
	d[1] = __shfl_up_sync(0xffffffffu, v, index, width);
	d[2] = __shfl_down_sync(0xffffffffu, v, index, width);
	d[3] = __shfl_xor_sync(0xffffffffu, v, index, width);
	wide[0] = __shfl_xor_sync(0xffffffffu, v + 0x1p-40, index, width);
}
EXPORT(shuffles)

KERNEL void votes(unsigned *d, unsigned mask, unsigned predicates)
{
	const int lane = threadIdx.x;
	if (!(mask >> lane & 1))
		return;
	const int p = predicates & 1u << lane ? 2 : 0;  // any nonzero number is true
	d[lane * 3] = __ballot_sync(mask, p);
	d[lane * 3 + 1] = (unsigned)__any_sync(mask, p);
	d[lane * 3 + 2] = (unsigned)__all_sync(mask, p);
}
EXPORT(votes)

KERNEL void bits(int *d, const unsigned *v)
{
	d[threadIdx.x * 3] = __popc(v[threadIdx.x]);
	d[threadIdx.x * 3 + 1] = __clz((int)v[threadIdx.x]);
	d[threadIdx.x * 3 + 2] = __ffs((int)v[threadIdx.x]);
}
EXPORT(bits)

// Three groups of one copy and a copy of no group; what is seen of the four after each wait.
KERNEL void async_groups(unsigned *d, const uint4 *from)
{
	__shared__ uint4 to[4];
	for (int i = 0; i < 4; i++)
		to[i] = make_uint4(7, 7, 7, 7);
	for (int i = 0; i < 3; i++) {
		cp_async_16(to + i, from + i);
		cp_async_commit();
	}
	cp_async_16(to + 3, from + 3);
	auto see = [&](int wait) {
		for (int i = 0; i < 4; i++)
			d[wait * 4 + i] = to[i].w;
	};
	see(0);
	cp_async_wait<3>();
	see(1);
	cp_async_wait<2>();
	see(2);
	cp_async_wait<1>();
	see(3);
	cp_async_wait<0>();
	see(4);
	cp_async_commit();
	cp_async_wait<0>();
	see(5);
}
EXPORT(async_groups)

// Thread i copies its first i bytes and zeros, and one word by itself.
KERNEL void async_tails(uint4 *d, unsigned *word, const uint4 *from)
{
	__shared__ uint4 to[17];
	__shared__ unsigned one[17];
	const int i = threadIdx.x;
	to[i] = make_uint4(~0u, ~0u, ~0u, ~0u);
	one[i] = 0;
	cp_async_16_zfill(to + i, from, i);
	cp_async_4(one + i, (const unsigned *)from + i % 4);
	cp_async_commit();
	cp_async_wait<0>();
	d[i] = to[i], word[i] = one[i];
}
EXPORT(async_tails)
