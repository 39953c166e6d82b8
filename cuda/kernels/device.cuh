// device.cuh: what every kernel of this folder is written in: CUDA C as it
// compiles to PTX with clang and no CUDA headers (or with nvcc), and, with
// BENCH_HOST, to C++ for the tests' SIMT machine (cuda/simt).
//
// PTX instructions that C has no word for are inline functions named after
// them. Each has a host definition beside it, by the text of "Parallel Thread
// Execution ISA", release 8.5 (CUDA 12.5), cited as PTX with its section.
#ifndef BENCH_DEVICE_CUH
#define BENCH_DEVICE_CUH

#if defined(BENCH_HOST)
#include "../simt/simt.h"
#else
#include "target.cuh"
#endif

#include "types.cuh"
#include "vectors.cuh"
#include "warp.cuh"
#include "atomics.cuh"
#include "arithmetic.cuh"
#include "memory.cuh"
#include "async.cuh"
#include "matrix.cuh"
#include "mma.cuh"

#endif
