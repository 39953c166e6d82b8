/* Instruction sets that the kernels are written for. A binary holds them all;
 * isa.go chooses by what the running CPU has. */
#ifndef BENCH_ISA_H
#define BENCH_ISA_H

/* Macros, so that the preprocessor can tell them apart (lanes.h). */
#define ISA_PLAIN 0
#define ISA_AVX2 1
#define ISA_AVX512 2

/* Targets are set function by function, so that the rest of the file, and the
 * binary, stay runnable on any CPU of the architecture. */
#if defined(__x86_64__)
#define TARGET_AVX2 __attribute__((target("avx2,fma")))
#define TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")))
#endif

#endif
