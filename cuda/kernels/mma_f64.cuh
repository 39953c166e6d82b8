// mma_f64.cuh: the 16×8×16 FP64 product of a warp, which sm_90 adds to 8×8×4 (PTX, "Matrix Fragments for mma.m16n8k16 with
// .f64"). With g = lane/4 and t = lane mod 4:
//   A: register i is row g + 8(i mod 2), column t + 4⌊i/2⌋
//   B: register i is row t + 4i, column g
//   D: register i is row g + 8⌊i/2⌋, column 2t + i mod 2
#ifndef BENCH_MMA_F64_CUH
#define BENCH_MMA_F64_CUH

#include "device.cuh"

#if defined(BENCH_HOST)
struct bench_mma_m16n8k16_f64 { const double *a, *b; double *d; };
DEVICE void mma_m16n8k16_f64(double (&d)[4], const double (&a)[8], const double (&b)[4])
{
	bench_mma_m16n8k16_f64 mine{a, b, d};
	simt::warp_collective(0xffffffffu, mine, [](bench_mma_m16n8k16_f64 **lanes) {
		double A[16][16], B[16][8];
		for (int lane = 0; lane < 32; lane++) {
			for (int i = 0; i < 8; i++)
				A[lane / 4 + i % 2 * 8][lane % 4 + i / 2 * 4] = lanes[lane]->a[i];
			for (int i = 0; i < 4; i++)
				B[lane % 4 + 4 * i][lane / 4] = lanes[lane]->b[i];
		}
		for (int lane = 0; lane < 32; lane++)
			for (int i = 0; i < 4; i++)
				for (int k = 0; k < 16; k++)
					lanes[lane]->d[i] += A[lane / 4 + i / 2 * 8][k] * B[k][lane % 4 * 2 + i % 2];
	});
}
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
DEVICE void mma_m16n8k16_f64(double (&d)[4], const double (&a)[8], const double (&b)[4])
{
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f64.f64.f64.f64 {%0, %1, %2, %3}, {%4, %5, %6, %7, %8, %9, %10, %11}, "
	             "{%12, %13, %14, %15}, {%0, %1, %2, %3};"
	             : "+d"(d[0]), "+d"(d[1]), "+d"(d[2]), "+d"(d[3])
	             : "d"(a[0]), "d"(a[1]), "d"(a[2]), "d"(a[3]), "d"(a[4]), "d"(a[5]), "d"(a[6]), "d"(a[7]),
	               "d"(b[0]), "d"(b[1]), "d"(b[2]), "d"(b[3]));
}
#endif

#endif
