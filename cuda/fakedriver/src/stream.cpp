// Streams, events and graphs.
#include "engine.h"

#include <cmath>

using namespace fake;

API CUresult cuStreamCreate(CUstream *s, unsigned int flags) {
    ENTER(AContext);
    if (flags > 1) return CUDA_ERROR_INVALID_VALUE;
    CUstream n = made(new CUstream_st);
    n->context = current;
    n->nonBlocking = flags & 1;
    n->nowS = hostS;
    current->streams.insert(n);
    *s = n;
    return CUDA_SUCCESS;
}

API CUresult cuStreamDestroy(CUstream s) {
    ENTER(AContext);
    if (!known(s)) return CUDA_ERROR_INVALID_HANDLE;
    bool done;
    CUresult e = drain(s, true, &done); // what is in it still ends
    s->context->streams.erase(s);
    handles.erase(s);
    delete s;
    return e;
}

API CUresult cuStreamSynchronize(CUstream s) {
    ENTER(AContext);
    if (!(s = resolve(s))) return CUDA_ERROR_INVALID_HANDLE;
    if (s->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    for (;;) {
        bool done;
        if (CUresult e = drain(s, true, &done)) return e;
        if (done) return CUDA_SUCCESS;
        pauseForOthers(); // for ever, behind a kernel that never ends
    }
}

API CUresult cuStreamQuery(CUstream s) {
    ENTER(AContext);
    if (!(s = resolve(s))) return CUDA_ERROR_INVALID_HANDLE;
    if (s->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    bool done;
    if (CUresult e = drain(s, false, &done)) return e;
    return done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

API CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned int flags) {
    ENTER(AContext);
    if (!(s = resolve(s)) || !known(e)) return CUDA_ERROR_INVALID_HANDLE;
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    Op op;
    op.name = __func__;
    op.wait = e;
    return enqueue(s, std::move(op));
}

API CUresult cuStreamBeginCapture(CUstream s, CUstreamCaptureMode mode) {
    ENTER(AContext);
    if (!known(s)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED; // never the legacy stream
    if ((int)mode < 0 || (int)mode > 2) return CUDA_ERROR_INVALID_VALUE;
    if (s->capture) return CUDA_ERROR_ILLEGAL_STATE;
    s->capture = made(new CUgraph_st);
    return CUDA_SUCCESS;
}

API CUresult cuStreamEndCapture(CUstream s, CUgraph *g) {
    ENTER(AContext);
    if (!known(s)) return CUDA_ERROR_INVALID_HANDLE;
    if (!s->capture) return CUDA_ERROR_ILLEGAL_STATE;
    *g = s->capture;
    s->capture = nullptr;
    return CUDA_SUCCESS;
}

API CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph g, unsigned long long flags) {
    ENTER(AContext);
    if (!known(g)) return CUDA_ERROR_INVALID_HANDLE;
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    *exec = made(new CUgraphExec_st);
    (*exec)->ops = std::make_shared<std::vector<Op>>(g->ops);
    return CUDA_SUCCESS;
}

API CUresult cuGraphLaunch(CUgraphExec exec, CUstream s) {
    ENTER(AContext);
    if (!known(exec) || !(s = resolve(s))) return CUDA_ERROR_INVALID_HANDLE;
    double hostTakesS = truth().hostLaunchS; // one call, however many nodes
    for (Op op : *exec->ops) {
        if (op.kernel) op.startS = truth().graphKernelS;
        if (CUresult e = enqueue(s, std::move(op), hostTakesS)) return e;
        hostTakesS = 0;
    }
    return CUDA_SUCCESS;
}

API CUresult cuGraphExecDestroy(CUgraphExec exec) {
    ENTER(AContext);
    if (!known(exec)) return CUDA_ERROR_INVALID_HANDLE;
    handles.erase(exec);
    delete exec;
    return CUDA_SUCCESS;
}

API CUresult cuGraphDestroy(CUgraph g) {
    ENTER(AContext);
    if (!known(g)) return CUDA_ERROR_INVALID_HANDLE;
    handles.erase(g);
    delete g;
    return CUDA_SUCCESS;
}

API CUresult cuEventCreate(CUevent *e, unsigned int flags) {
    ENTER(AContext);
    if (flags > 7) return CUDA_ERROR_INVALID_VALUE;
    *e = made(new CUevent_st);
    (*e)->context = current;
    (*e)->timed = !(flags & 2); // CU_EVENT_DISABLE_TIMING
    return CUDA_SUCCESS;
}

API CUresult cuEventDestroy(CUevent e) {
    ENTER(AContext);
    if (!known(e)) return CUDA_ERROR_INVALID_HANDLE;
    bool done;
    if (e->pending)
        if (CUresult r = drain(e->stream, true, &done)) return r;
    handles.erase(e);
    delete e;
    return CUDA_SUCCESS;
}

API CUresult cuEventRecord(CUevent e, CUstream s) {
    ENTER(AContext);
    if (!known(e) || !(s = resolve(s))) return CUDA_ERROR_INVALID_HANDLE;
    if (e->context != s->context) return CUDA_ERROR_INVALID_HANDLE;
    Op op;
    op.name = __func__;
    op.record = e;
    return enqueue(s, std::move(op));
}

API CUresult cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) {
    ENTER(AContext);
    if (!known(from) || !known(to) || !from->timed || !to->timed) return CUDA_ERROR_INVALID_HANDLE;
    if (from->pending || to->pending) return CUDA_ERROR_NOT_READY;
    if (!from->recorded || !to->recorded) return CUDA_ERROR_INVALID_HANDLE;
    auto stamp = [](double s) {
        double r = truth().eventResolutionS;
        return r > 0 ? std::round(s / r) * r : s;
    };
    *milliseconds = (float)((stamp(to->atS) - stamp(from->atS)) * 1e3);
    return CUDA_SUCCESS;
}
