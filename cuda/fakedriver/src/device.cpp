// Initialisation, devices and their primary contexts.
#include "engine.h"

#include "fault.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

using namespace fake;

API CUresult cuInit(unsigned int flags) {
    ENTER(Nothing);
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    if (truth().devices < 1 || gone()) return CUDA_ERROR_NO_DEVICE;
    const std::string label = " (simulated)";
    if (truth().name.size() < label.size() || truth().name.compare(truth().name.size() - label.size(), label.size(), label)) {
        fprintf(stderr, "fake driver: the device's name must end with%s, so that no figure of it passes for a measured one\n", label.c_str());
        return CUDA_ERROR_UNKNOWN;
    }
    while ((int)devices.size() < truth().devices) {
        auto d = std::make_unique<Device>();
        d->index = (int)devices.size();
        d->random.seed((uint64_t)truth().seed * 1000003 + (uint64_t)d->index);
        d->primary.device = d.get();
        devices.push_back(std::move(d));
    }
    return CUDA_SUCCESS;
}

API CUresult cuDriverGetVersion(int *version) {
    ENTER(Nothing);
    *version = truth().driver;
    return CUDA_SUCCESS;
}

// Names of the errors that tests inject or the driver gives (cuda.h 12.4, CUresult).
static const struct {
    int code;
    const char *name, *text;
} errors[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {214, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
    {218, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {220, "CUDA_ERROR_NVLINK_UNCORRECTABLE", "uncorrectable NVLink error detected during the execution"},
    {221, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND", "PTX JIT compiler library not found"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {401, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {702, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {704, "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED", "peer access is already enabled"},
    {714, "CUDA_ERROR_HARDWARE_STACK_ERROR", "hardware stack error"},
    {715, "CUDA_ERROR_ILLEGAL_INSTRUCTION", "an illegal instruction was encountered"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {802, "CUDA_ERROR_SYSTEM_NOT_READY", "system not yet initialized"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static CUresult describe(CUresult code, const char **out, bool name) {
    for (auto &e : errors) {
        if (e.code != (int)code) continue;
        *out = name ? e.name : e.text;
        return CUDA_SUCCESS;
    }
    *out = nullptr;
    return CUDA_ERROR_INVALID_VALUE;
}

API CUresult cuGetErrorName(CUresult code, const char **name) {
    ENTER(Nothing);
    return describe(code, name, true);
}

API CUresult cuGetErrorString(CUresult code, const char **text) {
    ENTER(Nothing);
    return describe(code, text, false);
}

API CUresult cuDeviceGetCount(int *n) {
    ENTER(Initialised);
    *n = (int)devices.size();
    return CUDA_SUCCESS;
}

API CUresult cuDeviceGet(CUdevice *d, int ordinal) {
    ENTER(Initialised);
    if (ordinal < 0 || ordinal >= (int)devices.size()) return CUDA_ERROR_INVALID_DEVICE;
    *d = ordinal;
    return CUDA_SUCCESS;
}

static bool exists(CUdevice d) { return d >= 0 && d < (int)devices.size(); }

API CUresult cuDeviceGetName(char *name, int n, CUdevice d) {
    ENTER(Initialised);
    if (!exists(d)) return CUDA_ERROR_INVALID_DEVICE;
    snprintf(name, (size_t)n, "%s", truth().name.c_str());
    return CUDA_SUCCESS;
}

API CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice d) {
    ENTER(Initialised);
    if (!exists(d)) return CUDA_ERROR_INVALID_DEVICE;
    memset(uuid->bytes, 0xfa, sizeof uuid->bytes);
    uuid->bytes[15] = (char)d;
    return CUDA_SUCCESS;
}

API CUresult cuDeviceGetPCIBusId(char *id, int n, CUdevice d) {
    ENTER(Initialised);
    if (!exists(d)) return CUDA_ERROR_INVALID_DEVICE;
    snprintf(id, (size_t)n, "0000:%02x:00.0", 7 + 4 * d);
    return CUDA_SUCCESS;
}

API CUresult cuDeviceTotalMem(size_t *bytes, CUdevice d) {
    ENTER(Initialised);
    if (!exists(d)) return CUDA_ERROR_INVALID_DEVICE;
    *bytes = (size_t)truth().memoryBytes;
    return CUDA_SUCCESS;
}

// The numbers are those of CUdevice_attribute in cuda.h 12.4.
API CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice d) {
    ENTER(Initialised);
    if (!exists(d)) return CUDA_ERROR_INVALID_DEVICE;
    const Truth &t = truth();
    switch ((int)attribute) {
    case 1: *value = 1024; break;                      // threads a block
    case 2: case 3: *value = 1024; break;              // block in x and y
    case 4: *value = 64; break;                        // and in z
    case 5: *value = 2147483647; break;                // grid in x
    case 6: case 7: *value = 65535; break;             // and in y and z
    case 8: *value = 48 << 10; break;                  // shared memory a block
    case 10: *value = 32; break;                       // warp
    case 12: case 82: *value = 65536; break;           // registers a block, an SM
    case 13: *value = (int)(t.clockHz / 1e3); break;   // kHz
    case 16: *value = t.sms; break;
    case 31: case 41: case 95: *value = 1; break;      // concurrent kernels, unified addresses, cooperative launch
    case 32: *value = 1; break;                        // ECC
    case 33: *value = 7 + 4 * d; break;                // PCI bus
    case 34: case 50: *value = 0; break;               // PCI device and domain
    case 36: *value = 1215000; break;                  // memory clock, kHz
    case 37: *value = 5120; break;                     // memory bus, bits
    case 38: *value = (int)t.l2Bytes; break;
    case 39: *value = 2048; break;                     // threads an SM
    case 40: *value = 2; break;                        // copy engines
    case 75: *value = t.major; break;
    case 76: *value = t.minor; break;
    case 81: *value = t.sharedPerSM; break;
    case 97: *value = t.sharedOptin; break;
    case 106: *value = 32; break;                      // blocks an SM
    case 111: *value = 1024; break;                    // shared memory that the driver keeps a block
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

API CUresult cuDeviceCanAccessPeer(int *can, CUdevice a, CUdevice b) {
    ENTER(Initialised);
    if (!exists(a) || !exists(b)) return CUDA_ERROR_INVALID_DEVICE;
    *can = truth().peer && a != b;
    return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice d) {
    ENTER(Initialised);
    if (!exists(d)) return CUDA_ERROR_INVALID_DEVICE;
    CUcontext c = &devices[(size_t)d]->primary;
    if (c->lost) return c->lost;
    if (!c->references++ && !c->legacy) {
        c->legacy = made(new CUstream_st);
        c->legacy->context = c;
        c->streams.insert(c->legacy);
    }
    *context = c;
    return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxRelease(CUdevice d) {
    ENTER(Initialised);
    if (!exists(d)) return CUDA_ERROR_INVALID_DEVICE;
    CUcontext c = &devices[(size_t)d]->primary;
    if (!c->references) return CUDA_ERROR_INVALID_CONTEXT;
    if (--c->references) return CUDA_SUCCESS;
    note("left " + std::to_string(devices[(size_t)d]->used));
    // What is still in it goes with it, and a lost context is whole again.
    for (CUstream s : c->streams) {
        handles.erase(s);
        delete s;
    }
    for (auto it = allocations.begin(); it != allocations.end();)
        it = it->second.device == c->device ? unmap(it) : std::next(it);
    Device *device = c->device;
    *c = CUctx_st{};
    c->device = device;
    if (current == c) current = nullptr;
    return CUDA_SUCCESS;
}

API CUresult cuCtxSetCurrent(CUcontext c) {
    ENTER(Initialised);
    bool found = !c;
    for (auto &d : devices) found |= c == &d->primary;
    if (!found) return CUDA_ERROR_INVALID_CONTEXT;
    current = c;
    return CUDA_SUCCESS;
}

API CUresult cuCtxSynchronize() {
    ENTER(AContext);
    for (CUstream s : current->streams)
        if (s->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    return drainAll(current, false);
}

API CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned int flags) {
    ENTER(AContext);
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    if (!truth().peer || peer == current) return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
    return current->peers.insert(peer).second ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
}
