/* open.h: dlopen with the file that it took. */
#ifndef BENCH_DYNAMIC_OPEN_H
#define BENCH_DYNAMIC_OPEN_H

#include <stddef.h>

/* dynamic_open opens a library and writes the loader's name for its file. It
   returns NULL with the loader's own words in reason. */
void *dynamic_open(const char *name, char *path, size_t path_n, char *reason, size_t reason_n);
void *dynamic_symbol(void *handle, const char *name);

#endif
