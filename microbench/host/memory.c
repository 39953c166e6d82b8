#define _GNU_SOURCE
#include "memory.h"

#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define SMALL_PAGE 4096

/* whole rounds large operands up to huge pages, so that no two share one. */
static size_t whole(size_t bytes)
{
	return bytes < HUGE_PAGE ? bytes : (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

void *memory_reserve(size_t bytes)
{
	size_t size = whole(bytes);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, size, MADV_HUGEPAGE); /* refused where there are none: small pages do */
	return p;
}

void *memory_map(size_t bytes)
{
	size_t size = whole(bytes);
	char *p = memory_reserve(bytes);
	if (!p)
		return NULL;
	for (size_t i = 0; i < size; i += SMALL_PAGE)
		((volatile char *)p)[i] = 0;
	return p;
}

void memory_unmap(void *p, size_t bytes)
{
	if (p)
		munmap(p, whole(bytes));
}
