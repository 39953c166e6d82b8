/* simt_api.h: what the library of host-compiled kernels exports. */
#ifndef BENCH_SIMT_API_H
#define BENCH_SIMT_API_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* simt_launch runs a kernel to its end. params are pointers to the arguments, as
   cuLaunchKernel takes them. 0: it ran; 1: there is no kernel of that name;
   2: it did what no kernel may, and simt_error says what. */
int simt_launch(const char *name, const unsigned grid[3], const unsigned block[3], unsigned shared_bytes, void **params);

/* simt_error is the calling thread's last fault, in one sentence. */
const char *simt_error(void);

/* simt_arguments is how many arguments a kernel takes, or -1. */
int simt_arguments(const char *name);

/* simt_kernel is the name of kernel i, or NULL past the last. */
const char *simt_kernel(int i);

/* simt_order chooses in which order the calling thread's launches run the
   threads of a block between barriers, and the blocks of a grid: 0 forward,
   1 reverse, 2 random from the seed. */
void simt_order(int order, unsigned seed);

/* simt_memory declares bytes that kernels may touch. Once any are declared, a
   checked library (simt_checked) faults a kernel that touches others. */
void simt_memory(void *p, size_t bytes);
void simt_forget(void *p);
int simt_checked(void);

#ifdef __cplusplus
}
#endif
#endif
