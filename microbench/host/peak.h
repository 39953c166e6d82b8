/* peak.h: multiply-adds between registers, as fast as the core issues them, and
   the clock that it issues them at. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include <stdint.h>

enum peak_type { PEAK_FP64, PEAK_FP32, PEAK_BF16, PEAK_INT8 };

/* Instruction sets of the 8- and 16-bit kernels, beside isa.h. */
enum { PEAK_AVX512_BF16 = 16, PEAK_AVX512_VNNI, PEAK_AVX_VNNI };

#define PEAK_ACCUMULATORS 24 /* at most */

/* One worker's registers before and after. */
typedef struct {
	_Alignas(64) unsigned char a[64], b[64], c[64];
	_Alignas(64) unsigned char start[PEAK_ACCUMULATORS * 64];
	_Alignas(64) unsigned char acc[PEAK_ACCUMULATORS * 64];
} peak_part;

typedef struct {
	int type, isa; /* isa: ISA_* for floating point, else PEAK_* */
	long loops;
	peak_part *parts; /* one a rank */
} peak_work;

/* peak_shape gives the accumulators of a kernel and the bytes of each, or
   returns 0 where this binary has no such kernel. */
int peak_shape(int type, int isa, int *accumulators, int *bytes);

/* Kernels for team_run with a peak_work. peak_fill draws random operands that
   make every result exact. peak_issue makes `loops` rounds of two multiply-adds
   an accumulator: acc = b - acc, then acc = c - acc for floating point (an FMA
   with -1), acc += a·b, then acc += a·c for the dot products; b and c are chosen
   so that the values keep alternating and drift by a known step a loop. */
void peak_fill(void *work, int rank, int ranks);
void peak_issue(void *work, int rank, int ranks);

/* peak_wrong compares the accumulators with what `loops` rounds must leave, and
   returns how many lanes differ; *lanes is how many there are. Exact for up to
   4096 loops. */
long peak_wrong(const peak_work *work, int rank, long *lanes);

/* clock_chain makes *(long *)arg dependent integer additions of two registers,
   each one cycle on every core that bench knows, in whole rounds of
   CLOCK_ROUND. */
#define CLOCK_ROUND 64
void clock_chain(void *arg, int rank, int ranks);

#endif
