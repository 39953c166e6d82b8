#include "driver.h"

#include <stdio.h>
#include <string.h>

const char *const cu_symbols[] = {
#define X(field, symbol, parameters) symbol,
	CU_SYMBOLS(X)
#undef X
};

/* cuda.h 12.4: CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP,
   CU_STREAM_NON_BLOCKING, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL,
   CU_JIT_ERROR_LOG_BUFFER and its size. */
enum { HOST_FLAGS = 3, NON_BLOCKING = 1, CAPTURE_THREAD_LOCAL = 1, JIT_LOG = 5, JIT_LOG_SIZE = 6, ALREADY_ENABLED = 704 };

cu_result cu_init(const cu_table *t) { return t->init(0); }
cu_result cu_driver_version(const cu_table *t, int *version) { return t->driver_version(version); }
cu_result cu_device_count(const cu_table *t, int *n) { return t->device_count(n); }
cu_result cu_device_get(const cu_table *t, int ordinal, cu_device *d) { return t->device_get(d, ordinal); }
cu_result cu_device_attribute(const cu_table *t, int attribute, cu_device d, int *value)
{
	return t->device_attribute(value, attribute, d);
}
cu_result cu_can_access_peer(const cu_table *t, cu_device a, cu_device b, int *can)
{
	return t->device_can_access_peer(can, a, b);
}
cu_result cu_context_retain(const cu_table *t, cu_device d, cu_handle *context) { return t->context_retain(context, d); }
cu_result cu_context_release(const cu_table *t, cu_device d) { return t->context_release(d); }

cu_result cu_device_describe(const cu_table *t, cu_device d, char *name, int name_n, unsigned char uuid[16],
                             char *pci, int pci_n, size_t *bytes, const char **call)
{
	cu_uuid id;
	cu_result r;
	*call = "cuDeviceGetName";
	if ((r = t->device_name(name, name_n, d)))
		return r;
	*call = "cuDeviceGetUuid_v2";
	if ((r = t->device_uuid(&id, d)))
		return r;
	memcpy(uuid, id.bytes, sizeof id.bytes);
	*call = "cuDeviceGetPCIBusId";
	if ((r = t->device_pci(pci, pci_n, d)))
		return r;
	*call = "cuDeviceTotalMem_v2";
	return t->device_memory(bytes, d);
}

void cu_error_text(const cu_table *t, cu_result code, char *name, int name_n, char *text, int text_n)
{
	const char *s = NULL;
	name[0] = text[0] = 0;
	if (t->error_name(code, &s) == 0 && s)
		snprintf(name, (size_t)name_n, "%s", s);
	s = NULL;
	if (t->error_string(code, &s) == 0 && s)
		snprintf(text, (size_t)text_n, "%s", s);
}

/* IN makes a context current and then calls. */
#define IN(c, ...) \
	do { \
		cu_result current = t->context_set(c); \
		return current ? current | CU_NOT_CURRENT : __VA_ARGS__; \
	} while (0)

cu_result cu_context_current(const cu_table *t, cu_handle c) { return t->context_set(c); }
cu_result cu_context_sync(const cu_table *t, cu_handle c) { IN(c, t->context_sync()); }
cu_result cu_enable_peer(const cu_table *t, cu_handle c, cu_handle peer)
{
	cu_result r = t->context_set(c);
	if (r)
		return r | CU_NOT_CURRENT;
	r = t->context_enable_peer(peer, 0);
	return r == ALREADY_ENABLED ? 0 : r; /* NCCL may have come first */
}
cu_result cu_mem_alloc(const cu_table *t, cu_handle c, size_t n, cu_ptr *p) { IN(c, t->mem_alloc(p, n)); }
cu_result cu_mem_free(const cu_table *t, cu_handle c, cu_ptr p) { IN(c, t->mem_free(p)); }
cu_result cu_mem_info(const cu_table *t, cu_handle c, size_t *free, size_t *total) { IN(c, t->mem_info(free, total)); }
cu_result cu_host_alloc(const cu_table *t, cu_handle c, size_t n, void **p) { IN(c, t->host_alloc(p, n, HOST_FLAGS)); }
cu_result cu_host_free(const cu_table *t, cu_handle c, void *p) { IN(c, t->host_free(p)); }
cu_result cu_to_device(const cu_table *t, cu_handle c, cu_ptr to, const void *from, size_t n)
{
	IN(c, t->to_device(to, from, n));
}
cu_result cu_to_host(const cu_table *t, cu_handle c, void *to, cu_ptr from, size_t n) { IN(c, t->to_host(to, from, n)); }
cu_result cu_copy(const cu_table *t, cu_handle c, cu_handle stream, cu_ptr to, cu_ptr from, size_t n)
{
	IN(c, t->copy_async(to, from, n, stream));
}
cu_result cu_copy_to_device(const cu_table *t, cu_handle c, cu_handle stream, cu_ptr to, const void *from, size_t n)
{
	IN(c, t->to_device_async(to, from, n, stream));
}
cu_result cu_copy_to_host(const cu_table *t, cu_handle c, cu_handle stream, void *to, cu_ptr from, size_t n)
{
	IN(c, t->to_host_async(to, from, n, stream));
}
cu_result cu_copy_peer(const cu_table *t, cu_handle c, cu_handle stream, cu_ptr to, cu_handle to_context, cu_ptr from,
                       cu_handle from_context, size_t n)
{
	IN(c, t->copy_peer_async(to, to_context, from, from_context, n, stream));
}
cu_result cu_fill8(const cu_table *t, cu_handle c, cu_handle stream, cu_ptr to, unsigned char v, size_t n)
{
	IN(c, t->fill8_async(to, v, n, stream));
}
cu_result cu_fill32(const cu_table *t, cu_handle c, cu_handle stream, cu_ptr to, unsigned v, size_t n)
{
	IN(c, t->fill32_async(to, v, n, stream));
}

cu_result cu_module_load(const cu_table *t, cu_handle c, const void *ptx, char *log, size_t log_n, cu_handle *module)
{
	int options[] = {JIT_LOG, JIT_LOG_SIZE};
	void *values[] = {log, (void *)(uintptr_t)log_n};
	log[0] = 0;
	IN(c, t->module_load(module, ptx, 2, options, values));
}
cu_result cu_module_unload(const cu_table *t, cu_handle c, cu_handle module) { IN(c, t->module_unload(module)); }
cu_result cu_module_function(const cu_table *t, cu_handle c, cu_handle module, const char *name, cu_handle *function)
{
	IN(c, t->module_function(function, module, name));
}
cu_result cu_function_get(const cu_table *t, cu_handle c, cu_handle function, int attribute, int *value)
{
	IN(c, t->function_get(value, attribute, function));
}
cu_result cu_function_set(const cu_table *t, cu_handle c, cu_handle function, int attribute, int value)
{
	IN(c, t->function_set(function, attribute, value));
}
cu_result cu_occupancy(const cu_table *t, cu_handle c, cu_handle function, int threads, size_t shared, int *blocks)
{
	IN(c, t->occupancy(blocks, function, threads, shared));
}

cu_result cu_launch(const cu_table *t, cu_handle c, cu_handle stream, cu_handle function, unsigned gx, unsigned gy,
                    unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, const uint64_t *words, int n)
{
	void *params[CU_MAX_PARAMS];
	for (int i = 0; i < n; i++)
		params[i] = (void *)(words + i);
	IN(c, t->launch(function, gx, gy, gz, bx, by, bz, shared, stream, params, NULL));
}

cu_result cu_stream_create(const cu_table *t, cu_handle c, cu_handle *stream) { IN(c, t->stream_create(stream, NON_BLOCKING)); }
cu_result cu_stream_destroy(const cu_table *t, cu_handle c, cu_handle stream) { IN(c, t->stream_destroy(stream)); }
cu_result cu_stream_sync(const cu_table *t, cu_handle c, cu_handle stream) { IN(c, t->stream_sync(stream)); }
cu_result cu_stream_query(const cu_table *t, cu_handle c, cu_handle stream) { IN(c, t->stream_query(stream)); }
cu_result cu_stream_wait(const cu_table *t, cu_handle c, cu_handle stream, cu_handle event)
{
	IN(c, t->stream_wait(stream, event, 0));
}
cu_result cu_capture_begin(const cu_table *t, cu_handle c, cu_handle stream)
{
	IN(c, t->capture_begin(stream, CAPTURE_THREAD_LOCAL));
}
cu_result cu_capture_end(const cu_table *t, cu_handle c, cu_handle stream, cu_handle *graph)
{
	IN(c, t->capture_end(stream, graph));
}
cu_result cu_graph_instantiate(const cu_table *t, cu_handle c, cu_handle graph, cu_handle *exec)
{
	IN(c, t->graph_instantiate(exec, graph, 0));
}
cu_result cu_graph_launch(const cu_table *t, cu_handle c, cu_handle exec, cu_handle stream)
{
	IN(c, t->graph_launch(exec, stream));
}
cu_result cu_graph_exec_destroy(const cu_table *t, cu_handle c, cu_handle exec) { IN(c, t->graph_exec_destroy(exec)); }
cu_result cu_graph_destroy(const cu_table *t, cu_handle c, cu_handle graph) { IN(c, t->graph_destroy(graph)); }
cu_result cu_event_create(const cu_table *t, cu_handle c, cu_handle *event) { IN(c, t->event_create(event, 0)); }
cu_result cu_event_destroy(const cu_table *t, cu_handle c, cu_handle event) { IN(c, t->event_destroy(event)); }
cu_result cu_event_record(const cu_table *t, cu_handle c, cu_handle event, cu_handle stream)
{
	IN(c, t->event_record(event, stream));
}
cu_result cu_event_elapsed(const cu_table *t, cu_handle c, cu_handle from, cu_handle to, float *milliseconds)
{
	IN(c, t->event_elapsed(milliseconds, from, to));
}
