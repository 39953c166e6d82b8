/* driver.h: the calls of libcuda that we use, opened at run time. Types and
   constants are those of cuda.h 12.4; each call has had this signature since the
   CUDA version beside it or earlier, and R525 (CUDA 12.0) is the oldest that we
   take. */
#ifndef BENCH_CUDA_DRIVER_H
#define BENCH_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

typedef int cu_result; /* CUresult; 0 is success */
typedef int cu_device;
typedef void *cu_handle; /* CUcontext, CUmodule, CUfunction, CUstream, CUevent, CUgraph, CUgraphExec */
typedef unsigned long long cu_ptr;
typedef struct {
	unsigned char bytes[16];
} cu_uuid;

/* X(field, symbol, parameters) */
#define CU_SYMBOLS(X) \
	X(init, "cuInit", (unsigned flags)) \
	X(driver_version, "cuDriverGetVersion", (int *version)) \
	X(error_name, "cuGetErrorName", (cu_result, const char **)) \
	X(error_string, "cuGetErrorString", (cu_result, const char **)) \
	X(device_count, "cuDeviceGetCount", (int *)) \
	X(device_get, "cuDeviceGet", (cu_device *, int ordinal)) \
	X(device_name, "cuDeviceGetName", (char *, int n, cu_device)) \
	X(device_uuid, "cuDeviceGetUuid_v2", (cu_uuid *, cu_device)) /* 11.4 */ \
	X(device_pci, "cuDeviceGetPCIBusId", (char *, int n, cu_device)) \
	X(device_memory, "cuDeviceTotalMem_v2", (size_t *, cu_device)) \
	X(device_attribute, "cuDeviceGetAttribute", (int *, int attribute, cu_device)) \
	X(device_can_access_peer, "cuDeviceCanAccessPeer", (int *, cu_device, cu_device peer)) \
	X(context_retain, "cuDevicePrimaryCtxRetain", (cu_handle *, cu_device)) \
	X(context_release, "cuDevicePrimaryCtxRelease_v2", (cu_device)) /* 11.0 */ \
	X(context_set, "cuCtxSetCurrent", (cu_handle)) \
	X(context_sync, "cuCtxSynchronize", (void)) \
	X(context_enable_peer, "cuCtxEnablePeerAccess", (cu_handle peer, unsigned flags)) \
	X(mem_alloc, "cuMemAlloc_v2", (cu_ptr *, size_t)) \
	X(mem_free, "cuMemFree_v2", (cu_ptr)) \
	X(mem_info, "cuMemGetInfo_v2", (size_t *free, size_t *total)) \
	X(host_alloc, "cuMemHostAlloc", (void **, size_t, unsigned flags)) \
	X(host_free, "cuMemFreeHost", (void *)) \
	X(to_device, "cuMemcpyHtoD_v2", (cu_ptr, const void *, size_t)) \
	X(to_host, "cuMemcpyDtoH_v2", (void *, cu_ptr, size_t)) \
	X(copy_async, "cuMemcpyDtoDAsync_v2", (cu_ptr, cu_ptr, size_t, cu_handle stream)) \
	X(to_device_async, "cuMemcpyHtoDAsync_v2", (cu_ptr, const void *, size_t, cu_handle stream)) \
	X(to_host_async, "cuMemcpyDtoHAsync_v2", (void *, cu_ptr, size_t, cu_handle stream)) \
	X(copy_peer_async, "cuMemcpyPeerAsync", (cu_ptr, cu_handle to, cu_ptr, cu_handle from, size_t, cu_handle stream)) \
	X(fill8_async, "cuMemsetD8Async", (cu_ptr, unsigned char, size_t, cu_handle stream)) \
	X(fill32_async, "cuMemsetD32Async", (cu_ptr, unsigned, size_t, cu_handle stream)) \
	X(module_load, "cuModuleLoadDataEx", (cu_handle *, const void *image, unsigned n, int *options, void **values)) \
	X(module_unload, "cuModuleUnload", (cu_handle)) \
	X(module_function, "cuModuleGetFunction", (cu_handle *, cu_handle module, const char *)) \
	X(function_get, "cuFuncGetAttribute", (int *, int attribute, cu_handle)) \
	X(function_set, "cuFuncSetAttribute", (cu_handle, int attribute, int value)) \
	X(occupancy, "cuOccupancyMaxActiveBlocksPerMultiprocessor", (int *, cu_handle, int threads, size_t shared)) \
	X(launch, "cuLaunchKernel", (cu_handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, \
	                             unsigned shared, cu_handle stream, void **params, void **extra)) \
	X(stream_create, "cuStreamCreate", (cu_handle *, unsigned flags)) \
	X(stream_destroy, "cuStreamDestroy_v2", (cu_handle)) \
	X(stream_sync, "cuStreamSynchronize", (cu_handle)) \
	X(stream_query, "cuStreamQuery", (cu_handle)) \
	X(stream_wait, "cuStreamWaitEvent", (cu_handle, cu_handle event, unsigned flags)) \
	X(capture_begin, "cuStreamBeginCapture_v2", (cu_handle, int mode)) /* 10.1 */ \
	X(capture_end, "cuStreamEndCapture", (cu_handle, cu_handle *graph)) \
	X(graph_instantiate, "cuGraphInstantiateWithFlags", (cu_handle *exec, cu_handle graph, unsigned long long flags)) /* 11.4 */ \
	X(graph_launch, "cuGraphLaunch", (cu_handle exec, cu_handle stream)) \
	X(graph_exec_destroy, "cuGraphExecDestroy", (cu_handle)) \
	X(graph_destroy, "cuGraphDestroy", (cu_handle)) \
	X(event_create, "cuEventCreate", (cu_handle *, unsigned flags)) \
	X(event_destroy, "cuEventDestroy_v2", (cu_handle)) \
	X(event_record, "cuEventRecord", (cu_handle, cu_handle stream)) \
	X(event_elapsed, "cuEventElapsedTime", (float *milliseconds, cu_handle from, cu_handle to))

typedef struct {
#define X(field, symbol, parameters) cu_result (*field) parameters;
	CU_SYMBOLS(X)
#undef X
} cu_table;

/* The symbols in the table's order. */
extern const char *const cu_symbols[sizeof(cu_table) / sizeof(void *)];

/* Calls without a context. */
cu_result cu_init(const cu_table *t);
cu_result cu_driver_version(const cu_table *t, int *version);
cu_result cu_device_count(const cu_table *t, int *n);
cu_result cu_device_get(const cu_table *t, int ordinal, cu_device *d);
cu_result cu_device_attribute(const cu_table *t, int attribute, cu_device d, int *value);
cu_result cu_can_access_peer(const cu_table *t, cu_device a, cu_device b, int *can);
/* cu_device_describe writes the name, the UUID, the PCI address and the bytes of
   memory; *call is the symbol that failed. */
cu_result cu_device_describe(const cu_table *t, cu_device d, char *name, int name_n, unsigned char uuid[16],
                             char *pci, int pci_n, size_t *bytes, const char **call);
cu_result cu_context_retain(const cu_table *t, cu_device d, cu_handle *context);
cu_result cu_context_release(const cu_table *t, cu_device d);
/* cu_error_text writes what the driver calls an error, or "". */
void cu_error_text(const cu_table *t, cu_result code, char *name, int name_n, char *text, int text_n);

/* Calls in a context: each makes it current to the calling thread first, since a
   goroutine may move between threads and other libraries change what is current.
   Where that fails the result has CU_NOT_CURRENT added, above every CUresult. */
enum { CU_NOT_CURRENT = 1 << 30 };
cu_result cu_context_current(const cu_table *, cu_handle c);
cu_result cu_context_sync(const cu_table *t, cu_handle c);
cu_result cu_enable_peer(const cu_table *t, cu_handle c, cu_handle peer);
cu_result cu_mem_alloc(const cu_table *t, cu_handle c, size_t n, cu_ptr *p);
cu_result cu_mem_free(const cu_table *t, cu_handle c, cu_ptr p);
cu_result cu_mem_info(const cu_table *t, cu_handle c, size_t *free, size_t *total);
cu_result cu_host_alloc(const cu_table *t, cu_handle c, size_t n, void **p);
cu_result cu_host_free(const cu_table *t, cu_handle c, void *p);
cu_result cu_to_device(const cu_table *t, cu_handle c, cu_ptr to, const void *from, size_t n);
cu_result cu_to_host(const cu_table *t, cu_handle c, void *to, cu_ptr from, size_t n);
cu_result cu_copy(const cu_table *t, cu_handle c, cu_handle stream, cu_ptr to, cu_ptr from, size_t n);
cu_result cu_copy_to_device(const cu_table *t, cu_handle c, cu_handle stream, cu_ptr to, const void *from, size_t n);
cu_result cu_copy_to_host(const cu_table *t, cu_handle c, cu_handle stream, void *to, cu_ptr from, size_t n);
cu_result cu_copy_peer(const cu_table *t, cu_handle c, cu_handle stream, cu_ptr to, cu_handle to_context, cu_ptr from,
                       cu_handle from_context, size_t n);
cu_result cu_fill8(const cu_table *t, cu_handle c, cu_handle stream, cu_ptr to, unsigned char v, size_t n);
cu_result cu_fill32(const cu_table *t, cu_handle c, cu_handle stream, cu_ptr to, unsigned v, size_t n);
/* cu_module_load compiles PTX (which ends with a zero byte); log is the
   compiler's errors. */
cu_result cu_module_load(const cu_table *t, cu_handle c, const void *ptx, char *log, size_t log_n, cu_handle *module);
cu_result cu_module_unload(const cu_table *t, cu_handle c, cu_handle module);
cu_result cu_module_function(const cu_table *t, cu_handle c, cu_handle module, const char *name, cu_handle *function);
cu_result cu_function_get(const cu_table *t, cu_handle c, cu_handle function, int attribute, int *value);
cu_result cu_function_set(const cu_table *t, cu_handle c, cu_handle function, int attribute, int value);
cu_result cu_occupancy(const cu_table *t, cu_handle c, cu_handle function, int threads, size_t shared, int *blocks);
/* cu_launch passes n parameters, each in the low bytes of one 64-bit word (the
   machines that have such GPUs are little-endian). At most CU_MAX_PARAMS. */
enum { CU_MAX_PARAMS = 64 };
cu_result cu_launch(const cu_table *t, cu_handle c, cu_handle stream, cu_handle function, unsigned gx, unsigned gy,
                    unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, const uint64_t *words, int n);
cu_result cu_stream_create(const cu_table *t, cu_handle c, cu_handle *stream);
cu_result cu_stream_destroy(const cu_table *t, cu_handle c, cu_handle stream);
cu_result cu_stream_sync(const cu_table *t, cu_handle c, cu_handle stream);
cu_result cu_stream_query(const cu_table *t, cu_handle c, cu_handle stream);
cu_result cu_stream_wait(const cu_table *t, cu_handle c, cu_handle stream, cu_handle event);
cu_result cu_capture_begin(const cu_table *t, cu_handle c, cu_handle stream);
cu_result cu_capture_end(const cu_table *t, cu_handle c, cu_handle stream, cu_handle *graph);
cu_result cu_graph_instantiate(const cu_table *t, cu_handle c, cu_handle graph, cu_handle *exec);
cu_result cu_graph_launch(const cu_table *t, cu_handle c, cu_handle exec, cu_handle stream);
cu_result cu_graph_exec_destroy(const cu_table *t, cu_handle c, cu_handle exec);
cu_result cu_graph_destroy(const cu_table *t, cu_handle c, cu_handle graph);
cu_result cu_event_create(const cu_table *t, cu_handle c, cu_handle *event);
cu_result cu_event_destroy(const cu_table *t, cu_handle c, cu_handle event);
cu_result cu_event_record(const cu_table *t, cu_handle c, cu_handle event, cu_handle stream);
cu_result cu_event_elapsed(const cu_table *t, cu_handle c, cu_handle from, cu_handle to, float *milliseconds);

#endif
