// A stand-in for libcublasLt: one algorithm, products computed in host memory, in
// the time that the truth's FLOP rates and bandwidths give them. Types and
// constants are those of cublasLt.h 12.4 and library_types.h.
#include "engine.h"

#include "fault.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace fake;

namespace {

typedef int Status; // cublasStatus_t
enum { Success = 0, NotInitialized = 1, InvalidValue = 7, NotSupported = 15, ExecutionFailed = 13 };
enum { R32F = 0, R64F = 1, R16F = 2, R8I = 3, R32I = 10, R16BF = 14, R8F_E4M3 = 28 };

struct Desc { // the opaque 256 bytes of cublasLtMatmulDescOpaque_t
    int compute, scale, transA, transB, transC, epilogue, pointerMode;
    signed char fastAccumulation;
    const float *scaleA, *scaleB, *scaleD;
    const void *bias;
};
struct Layout { // 64 bytes
    uint64_t rows, cols;
    int64_t ld, stride;
    int type, order, batch;
};
struct Preference {
    uint64_t workspace;
};
struct Algo {
    uint64_t data[8];
};
struct Heuristic {
    Algo algo;
    size_t workspace;
    Status state;
    float waves;
    int reserved[4];
};
const uint64_t mark = 0x66616b65; // of an algorithm that this library gave

size_t sizeOf(int type) { return type == R64F ? 8 : type == R32F || type == R32I ? 4 : type == R16F || type == R16BF ? 2 : type == R8I || type == R8F_E4M3 ? 1 : 0; }

double load(const void *p, size_t i, int type) {
    switch (type) {
    case R64F: return ((const double *)p)[i];
    case R32F: return ((const float *)p)[i];
    case R32I: return ((const int32_t *)p)[i];
    case R8I: return ((const int8_t *)p)[i];
    case R16BF: {
        uint32_t u = (uint32_t)((const uint16_t *)p)[i] << 16;
        float f;
        memcpy(&f, &u, 4);
        return f;
    }
    case R16F: {
        uint16_t h = ((const uint16_t *)p)[i];
        int e = h >> 10 & 31, m = h & 1023;
        double v = e == 0 ? std::ldexp(m, -24) : e == 31 ? (m ? NAN : INFINITY) : std::ldexp(m + 1024, e - 25);
        return h & 0x8000 ? -v : v;
    }
    case R8F_E4M3: {
        uint8_t b = ((const uint8_t *)p)[i];
        int e = b >> 3 & 15, m = b & 7;
        double v = (b & 127) == 127 ? NAN : e == 0 ? std::ldexp(m, -9) : std::ldexp(m + 8, e - 10);
        return b & 128 ? -v : v;
    }
    }
    return NAN;
}

void store(void *p, size_t i, int type, double v) {
    // round to a significand of so many bits, ties to even, with the least exponent given
    auto rounded = [](double x, int bits, int least) {
        int e;
        std::frexp(x, &e);
        double unit = std::ldexp(1.0, std::max(e, least) - bits);
        return std::nearbyint(x / unit) * unit;
    };
    switch (type) {
    case R64F: ((double *)p)[i] = v; break;
    case R32F: ((float *)p)[i] = (float)v; break;
    case R32I: ((int32_t *)p)[i] = (int32_t)v; break;
    case R8I: ((int8_t *)p)[i] = (int8_t)std::clamp(std::nearbyint(v), -128.0, 127.0); break;
    case R16BF: {
        float f = (float)rounded(v, 8, -125);
        uint32_t u;
        memcpy(&u, &f, 4);
        ((uint16_t *)p)[i] = (uint16_t)(u >> 16);
        break;
    }
    case R16F: {
        double r = std::fabs(rounded(v, 11, -13));
        uint16_t bits = std::signbit(v) ? 0x8000 : 0;
        int e;
        std::frexp(r, &e);
        if (std::isnan(v)) bits |= 0x7e00;
        else if (r >= 65520) bits |= 0x7c00;
        else if (r < std::ldexp(1.0, -14)) bits |= (uint16_t)std::ldexp(r, 24);
        else bits |= (uint16_t)(((e + 13) << 10) + (int)std::ldexp(r, 11 - e));
        ((uint16_t *)p)[i] = bits;
        break;
    }
    case R8F_E4M3: {
        double r = std::min(std::fabs(rounded(v, 4, -5)), 448.0);
        uint8_t bits = std::signbit(v) ? 128 : 0;
        int e;
        std::frexp(r, &e);
        if (std::isnan(v)) bits |= 127;
        else if (r < std::ldexp(1.0, -6)) bits |= (uint8_t)std::ldexp(r, 9);
        else bits |= (uint8_t)(((e + 5) << 3) + (int)std::ldexp(r, 4 - e));
        ((uint8_t *)p)[i] = bits;
        break;
    }
    }
}

// gather reads op(X) as rows×cols, row after row if byRow and column after column else.
std::vector<float> gather(const void *p, const Layout &l, bool transpose, bool byRow, int64_t offset) {
    size_t rows = transpose ? l.cols : l.rows, cols = transpose ? l.rows : l.cols;
    std::vector<float> out(rows * cols);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            size_t i = transpose ? c : r, j = transpose ? r : c; // in X
            size_t at = l.order == 1 ? i * (size_t)l.ld + j : j * (size_t)l.ld + i;
            out[byRow ? r * cols + c : c * rows + r] = (float)load(p, (size_t)offset + at, l.type);
        }
    return out;
}

struct Product {
    Desc d;
    Layout a, b, c, out;
    const void *pa, *pb, *pc;
    void *po;
    double alpha, beta;
};

// dot adds up in the type that the computation asks for.
template <class T> double dot(const float *a, const float *b, size_t k) {
    T s[8] = {};
    size_t i = 0;
    for (; i + 8 <= k; i += 8)
        for (int j = 0; j < 8; j++) s[j] += (T)a[i + (size_t)j] * (T)b[i + (size_t)j];
    for (; i < k; i++) s[0] += (T)a[i] * (T)b[i];
    return (double)(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])));
}

CUresult multiply(const Product &p) {
    size_t m = p.out.rows, n = p.out.cols, k = p.d.transA ? p.a.rows : p.a.cols;
    double scale = (p.d.scaleA ? *p.d.scaleA : 1.0) * (p.d.scaleB ? *p.d.scaleB : 1.0) * p.alpha;
    bool exact = p.d.compute == 70 || p.d.compute == 72; // 64F, 32I
    for (int batch = 0; batch < std::max(p.out.batch, 1); batch++) {
        auto a = gather(p.pa, p.a, p.d.transA, true, batch * p.a.stride), b = gather(p.pb, p.b, p.d.transB, false, batch * p.b.stride);
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                size_t at = p.out.order == 1 ? i * (size_t)p.out.ld + j : j * (size_t)p.out.ld + i;
                size_t from = p.c.order == 1 ? i * (size_t)p.c.ld + j : j * (size_t)p.c.ld + i;
                double v = scale * (exact ? dot<double>(&a[i * k], &b[j * k], k) : dot<float>(&a[i * k], &b[j * k], k));
                if (p.beta != 0) v += p.beta * load(p.pc, (size_t)(batch * p.c.stride) + from, p.c.type);
                if (p.d.scaleD) v *= *p.d.scaleD;
                store(p.po, (size_t)(batch * p.out.stride) + at, p.out.type, v);
            }
    }
    if (wrongs("cublasLtMatmul")) store(p.po, 0, p.out.type, 1e3);
    return CUDA_SUCCESS;
}

const char *flopsType(const Desc &d, const Layout &a) {
    switch (a.type) {
    case R64F: return "fp64";
    case R16F: return "fp16";
    case R16BF: return "bf16";
    case R8I: return "int8";
    case R8F_E4M3: return "fp8";
    }
    return d.compute == 77 ? "tf32" : "fp32"; // CUBLAS_COMPUTE_32F_FAST_TF32
}

// supported refuses what a real library would: fp8 before 8.9, and 8-bit operands not as A
// transposed and B not, or whose rows are not multiples of 16 bytes.
Status supported(const Desc &d, const Layout &a, const Layout &b, const Layout &c, const Layout &out) {
    uint64_t m = d.transA ? a.cols : a.rows, k = d.transA ? a.rows : a.cols, k2 = d.transB ? b.cols : b.rows, n = d.transB ? b.rows : b.cols;
    if (k != k2 || m != out.rows || n != out.cols || c.rows != m || c.cols != n || a.type != b.type) return InvalidValue;
    for (const Layout *l : {&a, &b, &c, &out})
        if (!sizeOf(l->type) || l->ld < (int64_t)(l->order == 1 ? l->cols : l->rows)) return InvalidValue;
    if (a.type == R8F_E4M3 && truth().major * 10 + truth().minor < 89) return NotSupported;
    if (sizeOf(a.type) == 1 && (!d.transA || d.transB)) return NotSupported;
    if (sizeOf(a.type) == 1 && (a.ld % 16 || b.ld % 16 || m % 4 || n % 4)) return NotSupported;
    if (d.transC || d.epilogue != 1 || d.pointerMode != 0) return NotSupported; // not what bench uses
    return Success;
}

template <class T> Status setting(T &field, const void *from, size_t bytes) {
    if (bytes != sizeof field) return InvalidValue;
    memcpy(&field, from, bytes);
    return Success;
}

} // namespace

API size_t cublasLtGetVersion() { return 120405; }
API size_t cublasLtGetCudartVersion() { return 12040; }

API const char *cublasLtGetStatusName(Status s) {
    switch (s) {
    case 0: return "CUBLAS_STATUS_SUCCESS";
    case 1: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case 3: return "CUBLAS_STATUS_ALLOC_FAILED";
    case 7: return "CUBLAS_STATUS_INVALID_VALUE";
    case 8: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case 13: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case 14: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case 15: return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
    return "CUBLAS_STATUS_UNKNOWN";
}
API const char *cublasLtGetStatusString(Status s) { return cublasLtGetStatusName(s); }

API Status cublasLtCreate(void **handle) {
    if (int e = entered(__func__)) return e;
    *handle = new uint64_t(mark);
    return Success;
}

API Status cublasLtDestroy(void *handle) {
    if (int e = entered(__func__)) return e;
    delete (uint64_t *)handle;
    return Success;
}

API Status cublasLtMatmulDescCreate(Desc **d, int compute, int scale) {
    if (int e = entered(__func__)) return e;
    *d = new Desc{};
    (*d)->compute = compute;
    (*d)->scale = scale;
    (*d)->epilogue = 1;
    return Success;
}

API Status cublasLtMatmulDescDestroy(Desc *d) {
    if (int e = entered(__func__)) return e;
    delete d;
    return Success;
}

API Status cublasLtMatmulDescSetAttribute(Desc *d, int attribute, const void *from, size_t bytes) {
    if (int e = entered(__func__)) return e;
    switch (attribute) {
    case 0: return setting(d->compute, from, bytes);
    case 1: return setting(d->scale, from, bytes);
    case 2: return setting(d->pointerMode, from, bytes);
    case 3: return setting(d->transA, from, bytes);
    case 4: return setting(d->transB, from, bytes);
    case 5: return setting(d->transC, from, bytes);
    case 7: return setting(d->epilogue, from, bytes);
    case 8: return setting(d->bias, from, bytes);
    case 17: return setting(d->scaleA, from, bytes);
    case 18: return setting(d->scaleB, from, bytes);
    case 20: return setting(d->scaleD, from, bytes);
    case 25: return setting(d->fastAccumulation, from, bytes);
    }
    return InvalidValue;
}

API Status cublasLtMatrixLayoutCreate(Layout **l, int type, uint64_t rows, uint64_t cols, int64_t ld) {
    if (int e = entered(__func__)) return e;
    *l = new Layout{rows, cols, ld, 0, type, 0, 1};
    return Success;
}

API Status cublasLtMatrixLayoutDestroy(Layout *l) {
    if (int e = entered(__func__)) return e;
    delete l;
    return Success;
}

API Status cublasLtMatrixLayoutSetAttribute(Layout *l, int attribute, const void *from, size_t bytes) {
    if (int e = entered(__func__)) return e;
    switch (attribute) {
    case 0: return setting(l->type, from, bytes);
    case 1: return setting(l->order, from, bytes);
    case 2: return setting(l->rows, from, bytes);
    case 3: return setting(l->cols, from, bytes);
    case 4: return setting(l->ld, from, bytes);
    case 5: return setting(l->batch, from, bytes);
    case 6: return setting(l->stride, from, bytes);
    }
    return InvalidValue;
}

API Status cublasLtMatmulPreferenceCreate(Preference **p) {
    if (int e = entered(__func__)) return e;
    *p = new Preference{};
    return Success;
}

API Status cublasLtMatmulPreferenceDestroy(Preference *p) {
    if (int e = entered(__func__)) return e;
    delete p;
    return Success;
}

API Status cublasLtMatmulPreferenceSetAttribute(Preference *p, int attribute, const void *from, size_t bytes) {
    if (int e = entered(__func__)) return e;
    return attribute == 1 ? setting(p->workspace, from, bytes) : Success; // the others only narrow the choice
}

// Three algorithms, of which the second is the fastest: the first guess is not always the best.
API Status cublasLtMatmulAlgoGetHeuristic(void *, Desc *d, Layout *a, Layout *b, Layout *c, Layout *out, Preference *p, int asked, Heuristic *results, int *found) {
    if (int e = entered(__func__)) return e;
    *found = 0;
    if (Status s = supported(*d, *a, *b, *c, *out)) return s;
    for (int i = 0; i < std::min(asked, 3); i++) {
        size_t workspace = i == 2 ? 1 << 20 : 0;
        if (workspace > p->workspace) continue;
        results[*found] = Heuristic{{{mark, (uint64_t)i}}, workspace, Success, 1, {}};
        ++*found;
    }
    return *found ? Success : NotSupported;
}

API Status cublasLtMatmulAlgoConfigGetAttribute(const Algo *algo, int attribute, void *to, size_t bytes, size_t *written) {
    if (int e = entered(__func__)) return e;
    // id, tile 128x256, split-K 1 and the rest 0; the last two have 16 bits
    uint32_t values[] = {(uint32_t)algo->data[1], 23, 1, 0, 0, 0, 18, 0, 2};
    if (attribute < 0 || attribute > 8 || bytes != (attribute < 7 ? 4u : 2u)) return InvalidValue;
    memcpy(to, &values[attribute], bytes); // little-endian
    *written = bytes;
    return Success;
}

API Status cublasLtMatmul(void *, Desc *d, const void *alpha, const void *A, Layout *a, const void *B, Layout *b, const void *beta, const void *C, Layout *c, void *D,
                          Layout *out, const Algo *algo, void *workspace, size_t workspaceBytes, CUstream stream) {
    if (int e = entered(__func__)) return e;
    if (Status s = supported(*d, *a, *b, *c, *out)) return s;
    if (!stream || (algo && (algo->data[0] != mark || algo->data[1] > 2))) return InvalidValue;
    if (algo && algo->data[1] == 2 && (!workspace || workspaceBytes < 1 << 20)) return InvalidValue;
    auto scalar = [&](const void *p) { return load(p, 0, d->scale); };
    Product p{*d, *a, *b, *c, *out, A, B, C, D, scalar(alpha), scalar(beta)};
    double k = (double)(d->transA ? a->rows : a->cols), batch = std::max(out->batch, 1);
    auto range = [&](const void *at, const Layout &l, bool write) {
        double lines = l.order == 1 ? (double)l.rows : (double)l.cols;
        double whole = (double)l.stride * (batch - 1) + (double)l.ld * (lines - 1) + (l.order == 1 ? (double)l.cols : (double)l.rows);
        return Touch{(CUdeviceptr)at, whole * (double)sizeOf(l.type), write};
    };
    Work w;
    w.touches = {range(A, *a, false), range(B, *b, false), range(D, *out, true)};
    if (p.beta != 0) w.touches.push_back(range(C, *c, false));
    static const double efficiency[] = {0.8, 1, 0.9};
    w.flops = 2 * batch * (double)out->rows * (double)out->cols * k / efficiency[algo ? algo->data[1] : 0];
    w.type = flopsType(*d, *a);
    return stream->outside->put(stream, "cublasLtMatmul", truth().kernelS, w, [p] { return multiply(p); }) ? ExecutionFailed : Success;
}
