// conversions.cu: the narrow types' conversions, element by element, for conversions_test.go.
#include "../../kernels/device.cuh"

KERNEL void widen_all(float *b, float *h, float *q)
{
	const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
	b[i] = to_float(bf16{(unsigned short)i});
	h[i] = to_float(fp16{(unsigned short)i});
	if (i < 256)
		q[i] = to_float(fp8{(unsigned char)i});
}
EXPORT(widen_all)

KERNEL void narrow_all(unsigned short *b, unsigned short *h, unsigned char *q, signed char *i8, float *tf32, const float *v, int n)
{
	const int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i >= n)
		return;
	b[i] = to_bf16(v[i]).bits;
	h[i] = to_fp16(v[i]).bits;
	q[i] = to_fp8(v[i]).bits;
	i8[i] = to_i8(v[i]);
	tf32[i] = to_tf32(v[i]);
}
EXPORT(narrow_all)
