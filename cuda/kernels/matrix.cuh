// matrix.cuh: ldmatrix, which loads 8×8 matrices of 16-bit elements from shared
// memory into mma's fragments (PTX, "ldmatrix").
//
// Lane 8·i + r gives the address of row r of matrix i. Without .trans lane t
// receives of each matrix the elements (row t/4, columns 2(t mod 4) and
// 2(t mod 4)+1); with .trans (rows 2(t mod 4) and 2(t mod 4)+1, column t/4).
// The lower column, or row, is in the register's lower half.
#ifndef BENCH_MATRIX_CUH
#define BENCH_MATRIX_CUH

#if defined(BENCH_HOST)
struct bench_ldmatrix { const void *row; unsigned out[4]; };
template <int matrices, bool trans> DEVICE void bench_ldmatrix_lanes(unsigned *out, const void *row)
{
	bench_ldmatrix mine{row, {}};
	simt::warp_collective(0xffffffffu, mine, [](bench_ldmatrix **lanes) {
		for (int t = 0; t < 32; t++)
			for (int i = 0; i < matrices; i++)
				for (int half = 0; half < 2; half++) {
					int r = t / 4, c = t % 4 * 2 + half;
					if (trans)
						r = t % 4 * 2 + half, c = t / 4;
					if ((size_t)lanes[8 * i + r]->row % 16)
						simt::fail("ldmatrix: lane %d's row is not aligned to 16 bytes", 8 * i + r);
					auto *row = (const unsigned short *)simt::shared_read(lanes[8 * i + r]->row, 16);
					lanes[t]->out[i] |= (unsigned)row[c] << 16 * half;
				}
	});
	for (int i = 0; i < matrices; i++)
		out[i] = mine.out[i];
}
DEVICE void ldmatrix_x1(unsigned (&d)[1], const void *row) { bench_ldmatrix_lanes<1, false>(d, row); }
DEVICE void ldmatrix_x2(unsigned (&d)[2], const void *row) { bench_ldmatrix_lanes<2, false>(d, row); }
DEVICE void ldmatrix_x4(unsigned (&d)[4], const void *row) { bench_ldmatrix_lanes<4, false>(d, row); }
DEVICE void ldmatrix_x1_trans(unsigned (&d)[1], const void *row) { bench_ldmatrix_lanes<1, true>(d, row); }
DEVICE void ldmatrix_x2_trans(unsigned (&d)[2], const void *row) { bench_ldmatrix_lanes<2, true>(d, row); }
DEVICE void ldmatrix_x4_trans(unsigned (&d)[4], const void *row) { bench_ldmatrix_lanes<4, true>(d, row); }
#else
#define BENCH_LDMATRIX_1(name, op)                                                                                             \
	DEVICE void name(unsigned (&d)[1], const void *row)                                                                          \
	{                                                                                                                            \
		asm volatile(op " {%0}, [%1];" : "=r"(d[0]) : "r"(shared_address(row)) : "memory");                                        \
	}
#define BENCH_LDMATRIX_2(name, op)                                                                                             \
	DEVICE void name(unsigned (&d)[2], const void *row)                                                                          \
	{                                                                                                                            \
		asm volatile(op " {%0, %1}, [%2];" : "=r"(d[0]), "=r"(d[1]) : "r"(shared_address(row)) : "memory");                        \
	}
#define BENCH_LDMATRIX_4(name, op)                                                                                             \
	DEVICE void name(unsigned (&d)[4], const void *row)                                                                          \
	{                                                                                                                            \
		asm volatile(op " {%0, %1, %2, %3}, [%4];"                                                                                 \
		             : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])                                                              \
		             : "r"(shared_address(row))                                                                                    \
		             : "memory");                                                                                                  \
	}
BENCH_LDMATRIX_1(ldmatrix_x1, "ldmatrix.sync.aligned.m8n8.x1.shared.b16")
BENCH_LDMATRIX_2(ldmatrix_x2, "ldmatrix.sync.aligned.m8n8.x2.shared.b16")
BENCH_LDMATRIX_4(ldmatrix_x4, "ldmatrix.sync.aligned.m8n8.x4.shared.b16")
BENCH_LDMATRIX_1(ldmatrix_x1_trans, "ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16")
BENCH_LDMATRIX_2(ldmatrix_x2_trans, "ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16")
BENCH_LDMATRIX_4(ldmatrix_x4_trans, "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16")
#undef BENCH_LDMATRIX_1
#undef BENCH_LDMATRIX_2
#undef BENCH_LDMATRIX_4
#endif

#endif
