/* memory.h: operands, page aligned, in huge pages where the kernel has them. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stddef.h>

/* memory_map returns bytes of zeroed memory, every page of it present, or
   NULL with errno set. */
void *memory_map(size_t bytes);

/* memory_reserve is memory_map without the pages: each comes with its first
   write, on the NUMA node of the thread that writes. */
void *memory_reserve(size_t bytes);

void memory_unmap(void *p, size_t bytes);

#endif
