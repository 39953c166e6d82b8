/* kernel.h: every kernel is one function that each worker of a team runs. */
#ifndef BENCH_KERNEL_H
#define BENCH_KERNEL_H

typedef void (*bench_kernel)(void *arg, int rank, int ranks);

#endif
