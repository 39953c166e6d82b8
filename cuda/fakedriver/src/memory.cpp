// Device memory (which lies in the host's, untouched pages costing nothing),
// pinned memory, copies and fills.
#include "engine.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

using namespace fake;

// capturing refuses what must not be called while this context records a graph.
static bool capturing() {
    for (CUstream s : current->streams)
        if (s->capture) return true;
    return false;
}

// guard bytes after each allocation are no memory: no other's begins where it ends.
static const size_t guard = 4096;

static CUresult reserve(size_t bytes, Device *d, CUdeviceptr *out) {
    size_t mapped = (bytes + 4095) & ~(size_t)4095;
    void *p = mmap(nullptr, mapped + guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    if (mprotect(p, mapped, PROT_READ | PROT_WRITE)) {
        munmap(p, mapped + guard);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    // New memory holds anything: NaNs find out who reads it unset.
    if (d && bytes <= 16 << 20) memset(p, 0xff, bytes);
    *out = (CUdeviceptr)p;
    allocations[*out] = {bytes, mapped, d};
    declare(*out, bytes);
    if (d) d->used += (int64_t)mapped;
    return CUDA_SUCCESS;
}

std::map<CUdeviceptr, Allocation>::iterator fake::unmap(std::map<CUdeviceptr, Allocation>::iterator it) {
    if (it->second.device) it->second.device->used -= (int64_t)it->second.mapped;
    forget(it->first);
    munmap((void *)it->first, it->second.mapped + guard);
    return allocations.erase(it);
}

static CUresult release(CUdeviceptr p, bool device) {
    auto it = allocations.find(p);
    if (it == allocations.end() || (it->second.device != nullptr) != device) return CUDA_ERROR_INVALID_VALUE;
    unmap(it);
    return CUDA_SUCCESS;
}

API CUresult cuMemAlloc(CUdeviceptr *p, size_t bytes) {
    ENTER(AContext);
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    if (capturing()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if ((int64_t)bytes > truth().memoryBytes - current->device->used) return CUDA_ERROR_OUT_OF_MEMORY;
    return reserve(bytes, current->device, p);
}

API CUresult cuMemFree(CUdeviceptr p) {
    ENTER(AContext);
    if (!p) return CUDA_SUCCESS;
    if (capturing()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (CUresult e = drainAll(current, false)) return e;
    return release(p, true);
}

API CUresult cuMemGetInfo(size_t *free, size_t *total) {
    ENTER(AContext);
    *total = (size_t)truth().memoryBytes;
    *free = (size_t)(truth().memoryBytes - current->device->used);
    return CUDA_SUCCESS;
}

API CUresult cuMemHostAlloc(void **p, size_t bytes, unsigned int flags) {
    ENTER(AContext);
    if (!bytes || flags > 7) return CUDA_ERROR_INVALID_VALUE;
    if (capturing()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    CUdeviceptr at;
    if (CUresult e = reserve(bytes, nullptr, &at)) return e;
    *p = (void *)at;
    return CUDA_SUCCESS;
}

API CUresult cuMemFreeHost(void *p) {
    ENTER(AContext);
    if (CUresult e = drainAll(current, false)) return e;
    return release((CUdeviceptr)p, false);
}

static bool onDevice(CUdeviceptr p, size_t bytes) {
    const Allocation *a = owner(p, (double)bytes);
    return a && a->device;
}

API CUresult cuMemcpyHtoD(CUdeviceptr to, const void *from, size_t bytes) {
    ENTER(AContext);
    if (!bytes) return CUDA_SUCCESS;
    if (!onDevice(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
    if (capturing()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    // It waits for streams that are not marked non-blocking, as a real one does.
    if (CUresult e = drainAll(current, true)) return e;
    hostS += truth().copyStartS + (double)bytes / truth().h2dRate;
    memcpy((void *)to, from, bytes);
    return CUDA_SUCCESS;
}

API CUresult cuMemcpyDtoH(void *to, CUdeviceptr from, size_t bytes) {
    ENTER(AContext);
    if (!bytes) return CUDA_SUCCESS;
    if (!onDevice(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    if (capturing()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (CUresult e = drainAll(current, true)) return e;
    hostS += truth().copyStartS + (double)bytes / truth().d2hRate;
    memcpy(to, (void *)from, bytes);
    return CUDA_SUCCESS;
}

// transfer is a copy or fill on a stream.
static CUresult transfer(CUstream s, const char *name, Work w, std::function<void()> move) {
    s = resolve(s);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    Op op;
    op.name = name;
    op.startS = truth().copyStartS;
    op.work = [w] { return w; };
    op.execute = [move] {
        move();
        return CUDA_SUCCESS;
    };
    return enqueue(s, std::move(op));
}

API CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream s) {
    ENTER(AContext);
    if (!onDevice(to, bytes) || !onDevice(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    Work w;
    w.touches = {{from, (double)bytes, false}, {to, (double)bytes, true}};
    return transfer(s, __func__, w, [=] { memmove((void *)to, (void *)from, bytes); });
}

// pinned refuses pageable memory: a copy from there would not be asynchronous,
// and what it takes says nothing about the link.
static bool pinned(const void *p, size_t bytes) {
    const Allocation *a = owner((CUdeviceptr)p, (double)bytes);
    return a && !a->device;
}

API CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t bytes, CUstream s) {
    ENTER(AContext);
    if (!onDevice(to, bytes) || !pinned(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    Work w;
    w.linkS = (double)bytes / truth().h2dRate;
    return transfer(s, __func__, w, [=] { memcpy((void *)to, from, bytes); });
}

API CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t bytes, CUstream s) {
    ENTER(AContext);
    if (!onDevice(from, bytes) || !pinned(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
    Work w;
    w.linkS = (double)bytes / truth().d2hRate;
    return transfer(s, __func__, w, [=] { memcpy(to, (void *)from, bytes); });
}

API CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext toContext, CUdeviceptr from, CUcontext fromContext, size_t bytes, CUstream s) {
    ENTER(AContext);
    if (!onDevice(to, bytes) || !onDevice(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    const Truth &t = truth();
    bool direct = toContext->peers.count(fromContext) || fromContext->peers.count(toContext);
    Work w;
    w.linkS = direct ? (double)bytes / t.peerRate : (double)bytes / t.d2hRate + (double)bytes / t.h2dRate;
    return transfer(s, __func__, w, [=] { memcpy((void *)to, (void *)from, bytes); });
}

API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char v, size_t n, CUstream s) {
    ENTER(AContext);
    if (!onDevice(to, n)) return CUDA_ERROR_INVALID_VALUE;
    Work w;
    w.touches = {{to, (double)n, true}};
    return transfer(s, __func__, w, [=] { memset((void *)to, v, n); });
}

API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int v, size_t n, CUstream s) {
    ENTER(AContext);
    if (to % 4 || !onDevice(to, 4 * n)) return CUDA_ERROR_INVALID_VALUE;
    Work w;
    w.touches = {{to, 4.0 * (double)n, true}};
    return transfer(s, __func__, w, [=] { std::fill_n((uint32_t *)to, n, v); });
}
