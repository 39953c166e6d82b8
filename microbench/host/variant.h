/* variant.h: which of the instruction sets of lanes.h this CPU runs. */
#ifndef BENCH_VARIANT_H
#define BENCH_VARIANT_H

/* variant_best is the highest VARIANT_ of lanes.h that the CPU and the
   operating system support. */
int variant_best(void);
const char *variant_name(int variant);

#endif
