// Modules: the PTX is read for what a driver would refuse, and for its entries
// with their parameters; then functions, their attributes and occupancy.
#include "engine.h"

#include "fault.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

using namespace fake;

namespace {

struct Refused {
    CUresult code;
    std::string why;
};

// without takes comments out.
std::string withoutComments(const std::string &s) {
    std::string out;
    for (size_t i = 0; i < s.size();) {
        if (!s.compare(i, 2, "//")) {
            i = std::min(s.find('\n', i), s.size());
        } else if (!s.compare(i, 2, "/*")) {
            size_t end = s.find("*/", i + 2);
            i = end == std::string::npos ? s.size() : end + 2;
        } else {
            out += s[i++];
        }
    }
    return out;
}

std::string directive(const std::string &ptx, const std::string &name) {
    size_t i = ptx.find(name);
    if (i == std::string::npos) throw Refused{CUDA_ERROR_INVALID_PTX, "ptxas fatal: no " + name + " directive"};
    i = ptx.find_first_not_of(" \t", i + name.size());
    size_t end = ptx.find_first_of(" \t\r\n,", i);
    return ptx.substr(i, end - i);
}

// sizeOf reads a declaration such as ".param .align 8 .b8 x[16]" or ".shared .b32 y".
size_t sizeOf(const std::string &declaration) {
    static const struct {
        const char *type;
        size_t bytes;
    } types[] = {{".u64", 8}, {".s64", 8}, {".b64", 8}, {".f64", 8}, {".u32", 4}, {".s32", 4}, {".b32", 4}, {".f32", 4},
                 {".u16", 2}, {".s16", 2}, {".b16", 2}, {".f16", 2}, {".u8", 1}, {".s8", 1}, {".b8", 1}};
    for (auto &t : types) {
        size_t i = declaration.find(t.type);
        if (i == std::string::npos || isalnum((unsigned char)declaration[i + strlen(t.type)])) continue;
        size_t n = t.bytes, open = declaration.find('[');
        if (open != std::string::npos) n *= (size_t)strtoull(declaration.c_str() + open + 1, nullptr, 10);
        return n;
    }
    throw Refused{CUDA_ERROR_INVALID_PTX, "ptxas error: no type in \"" + declaration + "\""};
}

size_t alignOf(const std::string &declaration) {
    size_t i = declaration.find(".align");
    if (i != std::string::npos && declaration.find(".ptr") == std::string::npos) return (size_t)atoi(declaration.c_str() + i + 6);
    return declaration.find('[') == std::string::npos ? sizeOf(declaration) : 1;
}

// newest is the PTX version that a driver reads: 8.0 came with CUDA 12.0, 7.8 with 11.8.
double newest(int driver) { return driver >= 12000 ? 8.0 + driver % 1000 / 10 * 0.1 : 7.0 + driver % 1000 / 10 * 0.1; }

int sharedIn(const std::string &text) {
    int bytes = 0;
    for (size_t i = text.find(".shared"); i != std::string::npos; i = text.find(".shared", i + 1)) {
        size_t end = text.find_first_of(";\n", i);
        std::string d = text.substr(i, end - i);
        size_t before = text.find_last_of(";{}\n", i);
        bool declared = text.find_first_not_of(" \t", before == std::string::npos ? 0 : before + 1) == i || text.compare(i - 1, 1, ".") == 0;
        if (declared && d.find('[') != std::string::npos && d.find("[]") == std::string::npos) bytes += (int)sizeOf(d);
    }
    return bytes;
}

std::map<std::string, std::unique_ptr<CUfunc_st>> entries(const std::string &source) {
    std::string ptx = withoutComments(source);
    double version = atof(directive(ptx, ".version").c_str());
    std::string target = directive(ptx, ".target");
    if (directive(ptx, ".address_size") != "64") throw Refused{CUDA_ERROR_INVALID_PTX, "ptxas fatal: .address_size is not 64"};
    if (version > newest(truth().driver) + 1e-9) throw Refused{CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "ptxas fatal: Unsupported .version " + directive(ptx, ".version")};
    int arch = target.rfind("sm_", 0) == 0 ? atoi(target.c_str() + 3) : 0, mine = truth().major * 10 + truth().minor;
    if (!arch) throw Refused{CUDA_ERROR_INVALID_PTX, "ptxas fatal: unknown .target " + target};
    if (arch > mine || (target.back() == 'a' && arch != mine)) throw Refused{CUDA_ERROR_NO_BINARY_FOR_GPU, "ptxas fatal: .target " + target + " does not run here"};
    if (std::count(ptx.begin(), ptx.end(), '{') != std::count(ptx.begin(), ptx.end(), '}')) throw Refused{CUDA_ERROR_INVALID_PTX, "ptxas fatal: unexpected end of file"};

    std::map<std::string, std::unique_ptr<CUfunc_st>> out;
    size_t outside = 0;
    std::string global;
    for (size_t at = ptx.find(".entry"); at != std::string::npos; at = ptx.find(".entry", at + 1)) {
        auto f = std::make_unique<CUfunc_st>();
        f->ptxVersion = (int)(version * 10 + 0.5);
        size_t open = ptx.find_first_of("({", at);
        size_t first = ptx.find_first_not_of(" \t\r\n", at + 6);
        f->name = ptx.substr(first, ptx.find_first_of(" \t\r\n({", first) - first);
        size_t close = open;
        if (ptx[open] == '(') {
            close = ptx.find(')', open);
            std::string list = ptx.substr(open + 1, close - open - 1);
            size_t offset = 0;
            for (size_t i = 0; list.find(".param", i) != std::string::npos;) {
                size_t end = std::min(list.find(',', i), list.size());
                std::string d = list.substr(i, end - i);
                size_t align = alignOf(d), bytes = sizeOf(d);
                offset = (offset + align - 1) / align * align;
                f->parameters.push_back({bytes, offset});
                offset += bytes;
                i = std::min(end + 1, list.size());
            }
        }
        size_t body = ptx.find('{', close), end = body;
        for (int depth = 0; end < ptx.size(); end++) {
            depth += ptx[end] == '{' ? 1 : ptx[end] == '}' ? -1 : 0;
            if (!depth) break;
        }
        std::string head = ptx.substr(close, body - close);
        for (const char *limit : {".maxntid", ".reqntid"})
            if (size_t i = head.find(limit); i != std::string::npos) {
                int n = 1;
                for (char *p = &head[i + strlen(limit)]; *p;) {
                    n *= (int)strtol(p, &p, 10);
                    while (*p == ' ') p++;
                    if (*p++ != ',') break;
                }
                f->maxThreads = n;
            }
        f->staticShared = sharedIn(ptx.substr(body, end - body));
        global += ptx.substr(outside, at - outside);
        outside = end;
        out[f->name] = std::move(f);
        at = end;
    }
    // Shared memory that is declared for all: clang puts a function's own there too, under the function's name.
    for (size_t i = global.find(".shared"); i != std::string::npos; i = global.find(".shared", i + 1)) {
        std::string d = global.substr(i, global.find(';', i) - i);
        if (d.find("[]") != std::string::npos) continue;
        size_t longest = 0;
        for (auto &e : out)
            if (d.find(e.first) != std::string::npos) longest = std::max(longest, e.first.size());
        for (auto &e : out)
            if (longest && e.first.size() == longest && d.find(e.first) != std::string::npos) e.second->staticShared += (int)sizeOf(d);
    }
    return out;
}

// Simt is the kernels' own source, compiled for the host (cuda/simt/simt_api.h).
struct Simt {
    int (*launch)(const char *, const unsigned[3], const unsigned[3], unsigned, void **) = nullptr;
    const char *(*error)() = nullptr;
    void (*memory)(void *, size_t) = nullptr, (*forget)(void *) = nullptr;
    bool checked = false;
};

const Simt &simt() {
    static const Simt s = [] {
        Simt s;
        if (truth().simt.empty()) return s;
        void *library = dlopen(truth().simt.c_str(), RTLD_NOW | RTLD_LOCAL);
        auto symbol = [&](auto &f, const char *name) { return library && (*(void **)&f = dlsym(library, name)); };
        int (*checked)();
        if (symbol(s.error, "simt_error") && symbol(s.memory, "simt_memory") && symbol(s.forget, "simt_forget") &&
            symbol(checked, "simt_checked") && symbol(s.launch, "simt_launch"))
            s.checked = checked();
        else
            fprintf(stderr, "fake driver: no kernels in %s: %s\n", truth().simt.c_str(), dlerror());
        return s;
    }();
    return s;
}

} // namespace

// A checked library must know what kernels may touch.
void fake::declare(CUdeviceptr p, size_t bytes) {
    if (simt().checked) simt().memory((void *)p, bytes);
}

void fake::forget(CUdeviceptr p) {
    if (simt().checked) simt().forget((void *)p);
}

API CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int n, CUjit_option *options, void **values) {
    ENTER(AContext);
    char *log = nullptr;
    size_t logBytes = 0;
    for (unsigned i = 0; i < n; i++) {
        if ((int)options[i] == CU_JIT_ERROR_LOG_BUFFER) log = (char *)values[i];
        if ((int)options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) logBytes = (size_t)(uintptr_t)values[i];
    }
    if (!image) return CUDA_ERROR_INVALID_VALUE;
    try {
        auto m = std::make_unique<CUmod_st>();
        m->context = current;
        m->functions = entries((const char *)image);
        for (auto &f : m->functions) {
            f.second->module = m.get();
            if (!counted(f.first)) note("uncounted " + f.first);
            made(f.second.get());
        }
        *module = made(m.release());
        return CUDA_SUCCESS;
    } catch (const Refused &r) {
        if (log && logBytes) snprintf(log, logBytes, "%s", r.why.c_str());
        return r.code;
    }
}

API CUresult cuModuleUnload(CUmodule m) {
    ENTER(AContext);
    if (!known(m)) return CUDA_ERROR_INVALID_HANDLE;
    if (CUresult e = drainAll(current, false)) return e;
    for (auto &f : m->functions) handles.erase(f.second.get());
    handles.erase(m);
    delete m;
    return CUDA_SUCCESS;
}

API CUresult cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name) {
    ENTER(AContext);
    if (!known(m)) return CUDA_ERROR_INVALID_HANDLE;
    auto it = m->functions.find(name);
    if (it == m->functions.end()) return CUDA_ERROR_NOT_FOUND;
    *f = it->second.get();
    return CUDA_SUCCESS;
}

// The numbers are those of CUfunction_attribute in cuda.h 12.4. Registers are a
// made-up 32: the PTX does not say how many the assembler will take.
API CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction f) {
    ENTER(AContext);
    if (!known(f)) return CUDA_ERROR_INVALID_HANDLE;
    switch ((int)attribute) {
    case 0: *value = f->maxThreads; break;
    case 1: *value = f->staticShared; break;
    case 2: case 3: *value = 0; break; // constant and local bytes
    case 4: *value = 32; break;
    case 5: *value = f->ptxVersion; break;
    case 6: *value = truth().major * 10 + truth().minor; break;
    case 8: *value = f->dynamicShared; break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

API CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute attribute, int value) {
    ENTER(AContext);
    if (!known(f)) return CUDA_ERROR_INVALID_HANDLE;
    if ((int)attribute == 9) return CUDA_SUCCESS; // the carve-out is a hint
    if ((int)attribute != 8 || value < 0 || value + f->staticShared > truth().sharedOptin) return CUDA_ERROR_INVALID_VALUE;
    f->dynamicShared = value;
    return CUDA_SUCCESS;
}

API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction f, int threads, size_t shared) {
    ENTER(AContext);
    if (!known(f)) return CUDA_ERROR_INVALID_HANDLE;
    if (threads < 1) return CUDA_ERROR_INVALID_VALUE;
    int warps = (threads + 31) / 32;
    int n = std::min({32, 2048 / (warps * 32), 65536 / (warps * 32 * 32), truth().sharedPerSM / ((int)shared + f->staticShared + 1024)});
    *blocks = threads > f->maxThreads || (int)shared > f->dynamicShared ? 0 : n;
    return CUDA_SUCCESS;
}

API CUresult cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by, unsigned int bz,
                            unsigned int shared, CUstream s, void **parameters, void **extra) {
    ENTER(AContext);
    if (!known(f) || !(s = resolve(s))) return CUDA_ERROR_INVALID_HANDLE;
    if (!gx || !gy || !gz || !bx || !by || !bz || gx > 2147483647u || gy > 65535 || gz > 65535 || bz > 64 || extra) return CUDA_ERROR_INVALID_VALUE;
    if ((uint64_t)bx * by * bz > (uint64_t)f->maxThreads) return CUDA_ERROR_INVALID_VALUE;
    if ((int)shared > f->dynamicShared) return CUDA_ERROR_INVALID_VALUE;
    auto l = std::make_shared<Launch>();
    l->kernel = f->name;
    unsigned grid[3] = {gx, gy, gz}, block[3] = {bx, by, bz};
    memcpy(l->grid, grid, sizeof grid);
    memcpy(l->block, block, sizeof block);
    l->shared = shared;
    l->parameters = f->parameters;
    for (size_t i = 0; i < f->parameters.size(); i++) {
        if (!parameters || !parameters[i]) return CUDA_ERROR_INVALID_VALUE;
        l->packed.resize(f->parameters[i].offset + f->parameters[i].bytes);
        memcpy(&l->packed[f->parameters[i].offset], parameters[i], f->parameters[i].bytes);
    }
    Op op;
    op.name = f->name;
    op.kernel = true;
    op.startS = truth().kernelS;
    op.hang = hangs(f->name);
    op.work = [l] { return costOf(*l); };
    if (spins(*l)) {
        op.ready = [l] { return !held(*l); };
        op.spinS = l->number(1) * 1e-9;
        op.giveUp = [l] { if (l->parameters.size() > 2) *(volatile unsigned *)l->pointer(2) = 1; };
    }
    op.execute = [l]() -> CUresult {
        if (!simt().launch) return CUDA_SUCCESS;
        std::vector<void *> at;
        for (const Parameter &p : l->parameters) at.push_back(&l->packed[p.offset]);
        if (!simt().launch(l->kernel.c_str(), l->grid, l->block, l->shared, at.data())) return CUDA_SUCCESS;
        note(std::string("fault ") + simt().error());
        return CUDA_ERROR_LAUNCH_FAILED;
    };
    return enqueue(s, std::move(op));
}
