// mma.cuh: tensor-core products of a warp, D = A·B + C (PTX, "Matrix
// Fragments for mma.m8n8k4 with .f64", ".m16n8k8", ".m16n8k16", ".m16n8k32").
// A is row-major and B column-major; fragments are registers of one lane.
//
// With g = lane/4 and t = lane mod 4, register i, element e of it:
//   A, m16n8k16 16-bit: row g + 8(i mod 2),  column 2t + e + 8(i/2)
//   B:                  row 2t + e + 8i,     column g
//   A, m16n8k8 tf32:    row g + 8(i mod 2),  column t + 4(i/2)
//   B:                  row t + 4i,          column g
//   A, m16n8k32 8-bit:  row g + 8(i mod 2),  column 4t + e + 16(i/2)
//   B:                  row 4t + e + 16i,    column g
//   C and D, m16n8:     row g + 8(i/2),      column 2t + i mod 2
//   m8n8k4 fp64: A row g column t; B row t column g; C row g column 2t + i.
#ifndef BENCH_MMA_CUH
#define BENCH_MMA_CUH

#if defined(BENCH_HOST)
// Products are summed in float, in the order of k: the hardware's order is not
// documented, so tests allow for any.
template <typename T, typename Acc, int k> struct bench_mma { const unsigned *a, *b; Acc *d; };

template <typename T> struct bench_element { static float of(unsigned r, int e) { return to_float(T{(unsigned short)(r >> 16 * e)}); } };
template <> struct bench_element<float> { static float of(unsigned r, int) { return bits_float(r & ~0x1fffu); } };
template <> struct bench_element<signed char> { static int of(unsigned r, int e) { return (signed char)(r >> 8 * e); } };

template <typename T, typename Acc, int k> DEVICE void bench_mma_lanes(Acc *d, const unsigned *a, const unsigned *b)
{
	bench_mma<T, Acc, k> mine{a, b, d};
	simt::warp_collective(0xffffffffu, mine, [](bench_mma<T, Acc, k> **lanes) {
		const int each = k / 8;  // elements in a register
		Acc A[16][k], B[k][8];
		for (int lane = 0; lane < 32; lane++) {
			int g = lane / 4, t = lane % 4;
			for (int i = 0; i < 4; i++)
				for (int e = 0; e < each; e++)
					A[g + 8 * (i % 2)][each * t + e + k / 2 * (i / 2)] = bench_element<T>::of(lanes[lane]->a[i], e);
			for (int i = 0; i < 2; i++)
				for (int e = 0; e < each; e++)
					B[each * t + e + k / 2 * i][g] = bench_element<T>::of(lanes[lane]->b[i], e);
		}
		for (int lane = 0; lane < 32; lane++)
			for (int i = 0; i < 4; i++) {
				int row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
				Acc sum = lanes[lane]->d[i];
				for (int l = 0; l < k; l++)
					sum += A[row][l] * B[l][column];
				lanes[lane]->d[i] = sum;
			}
	});
}
#define BENCH_MMA(name, op, T, Acc, c, k)                                                                        \
	DEVICE void name(Acc (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { bench_mma_lanes<T, Acc, k>(d, a, b); }
#else
#define BENCH_MMA(name, op, T, Acc, c, k)                                                                        \
	DEVICE void name(Acc (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2])                                  \
	{                                                                                                              \
		asm volatile("mma.sync.aligned." op " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"       \
		             : "+" c(d[0]), "+" c(d[1]), "+" c(d[2]), "+" c(d[3])                                            \
		             : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                            \
	}
#endif

// Each adds A·B to d in place.
BENCH_MMA(mma_m16n8k16_bf16, "m16n8k16.row.col.f32.bf16.bf16.f32", bf16, float, "f", 16)
BENCH_MMA(mma_m16n8k16_fp16, "m16n8k16.row.col.f32.f16.f16.f32", fp16, float, "f", 16)
BENCH_MMA(mma_m16n8k8_tf32, "m16n8k8.row.col.f32.tf32.tf32.f32", float, float, "f", 8)
BENCH_MMA(mma_m16n8k32_s8, "m16n8k32.row.col.s32.s8.s8.s32", signed char, int, "r", 32)
#undef BENCH_MMA

#if defined(BENCH_HOST)
struct bench_mma_f64 { double a, b, *d; };
DEVICE void mma_m8n8k4_f64(double (&d)[2], double a, double b)
{
	bench_mma_f64 mine{a, b, d};
	simt::warp_collective(0xffffffffu, mine, [](bench_mma_f64 **lanes) {
		for (int lane = 0; lane < 32; lane++)
			for (int i = 0; i < 2; i++)
				for (int l = 0; l < 4; l++)
					lanes[lane]->d[i] += lanes[lane / 4 * 4 + l]->a * lanes[(lane % 4 * 2 + i) * 4 + l]->b;
	});
}
#else
DEVICE void mma_m8n8k4_f64(double (&d)[2], double a, double b)
{
	asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};" : "+d"(d[0]), "+d"(d[1]) : "d"(a), "d"(b));
}
#endif

#endif
