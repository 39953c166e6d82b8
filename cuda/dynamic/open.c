#define _GNU_SOURCE
#include "open.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>

void *dynamic_open(const char *name, char *path, size_t path_n, char *reason, size_t reason_n)
{
	void *h = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!h) {
		const char *why = dlerror();
		snprintf(reason, reason_n, "%s", why ? why : "the loader gives no reason");
		return NULL;
	}
	struct link_map *map = NULL;
	int known = dlinfo(h, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name && map->l_name[0];
	snprintf(path, path_n, "%s", known ? map->l_name : name);
	return h;
}

void *dynamic_symbol(void *handle, const char *name) { return dlsym(handle, name); }
