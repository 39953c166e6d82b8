// elements.cuh: what the kernels of a transformer's layer share: 16 bytes of
// any element type as floats, tensor-core products by element type, sums over a
// block, and the activations.
#ifndef BENCH_ELEMENTS_CUH
#define BENCH_ELEMENTS_CUH

#include "device.cuh"

// Two 16-bit elements in a register, the first in the low half.
template <typename T> DEVICE unsigned pack_pair(float first, float second)
{
	return (unsigned)as<T>(first).bits | (unsigned)as<T>(second).bits << 16;
}

template <typename T> DEVICE void unpack_pair(unsigned pair, float *v)
{
	v[0] = to_float(T{(unsigned short)pair});
	v[1] = to_float(T{(unsigned short)(pair >> 16)});
}

// wide<T> is 16 bytes of T, one load or store, as N floats.
template <typename T> struct wide {
	static constexpr int N = 8;
	static __device__ __forceinline__ void load(const T *p, float *v)
	{
		uint4 u = *reinterpret_cast<const uint4 *>(p);
		unpack_pair<T>(u.x, v);
		unpack_pair<T>(u.y, v + 2);
		unpack_pair<T>(u.z, v + 4);
		unpack_pair<T>(u.w, v + 6);
	}
	static __device__ __forceinline__ void store(T *p, const float *v)
	{
		*reinterpret_cast<uint4 *>(p) = make_uint4(pack_pair<T>(v[0], v[1]), pack_pair<T>(v[2], v[3]),
		                                           pack_pair<T>(v[4], v[5]), pack_pair<T>(v[6], v[7]));
	}
};

template <> struct wide<float> {
	static constexpr int N = 4;
	static __device__ __forceinline__ void load(const float *p, float *v)
	{
		float4 u = *reinterpret_cast<const float4 *>(p);
		v[0] = u.x, v[1] = u.y, v[2] = u.z, v[3] = u.w;
	}
	static __device__ __forceinline__ void store(float *p, const float *v)
	{
		*reinterpret_cast<float4 *>(p) = make_float4(v[0], v[1], v[2], v[3]);
	}
};

// Four elements in one load or store: half a head may be no whole 16 bytes.
DEVICE void load_four(const float *p, float *v) { wide<float>::load(p, v); }
DEVICE void store_four(float *p, const float *v) { wide<float>::store(p, v); }
template <typename T> DEVICE void load_four(const T *p, float *v)
{
	uint2 u = *reinterpret_cast<const uint2 *>(p);
	unpack_pair<T>(u.x, v);
	unpack_pair<T>(u.y, v + 2);
}
template <typename T> DEVICE void store_four(T *p, const float *v)
{
	*reinterpret_cast<uint2 *>(p) = make_uint2(pack_pair<T>(v[0], v[1]), pack_pair<T>(v[2], v[3]));
}
template <typename T> DEVICE void copy_four(T *to, const T *from)
{
	float v[4];
	load_four(from, v);
	store_four(to, v);
}

// tensor_product adds A·B to c with one m16n8k16 instruction of the type.
template <typename T> struct tensor;
template <> struct tensor<bf16> {
	static __device__ __forceinline__ void product(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { mma_m16n8k16_bf16(c, a, b); }
};
template <> struct tensor<fp16> {
	static __device__ __forceinline__ void product(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { mma_m16n8k16_fp16(c, a, b); }
};
template <typename T> DEVICE void tensor_product(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1)
{
	const unsigned b[2] = {b0, b1};
	tensor<T>::product(c, a, b);
}

// The sum of v over a block of whole warps, the same in every thread. room is
// 32 floats of shared memory, free again after the next barrier.
DEVICE float block_sum(float v, float *room)
{
	v = warp_sum(v);
	__syncthreads();
	if (lane_id() == 0)
		room[threadIdx.x / 32] = v;
	__syncthreads();
	v = 0;
	for (unsigned w = 0; w < blockDim.x / 32; w++)
		v += room[w];
	return v;
}

DEVICE float block_max(float v, float *room)
{
	v = warp_max(v);
	__syncthreads();
	if (lane_id() == 0)
		room[threadIdx.x / 32] = v;
	__syncthreads();
	v = room[0];
	for (unsigned w = 1; w < blockDim.x / 32; w++)
		v = max(v, room[w]);
	return v;
}

// x · sigmoid(x).
DEVICE float silu(float x) { return x / (1.0f + exp_approx(-x)); }

// The tanh form (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016,
// section 2), with (1 + tanh t)/2 = 1 − 1/(1 + e^2t): tanh.approx, whose error
// is 2^-11, would show in fp16.
DEVICE float gelu(float x)
{
	float t = 0.7978845608028654f * (x + 0.044715f * x * x * x);
	return x - x / (1.0f + exp_approx(2.0f * t));
}

#endif
