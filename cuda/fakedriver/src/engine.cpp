#include "engine.h"

#include "fault.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <unistd.h>

namespace fake {

std::recursive_mutex mutex;
std::vector<std::unique_ptr<Device>> devices;
std::map<CUdeviceptr, Allocation> allocations;
std::set<void *> handles;
double hostS = 0;
thread_local CUcontext current = nullptr;

// queueDepth is how many launches a stream of a real device takes before the
// host has to wait: about a thousand.
static const size_t queueDepth = 1024;

const Allocation *owner(CUdeviceptr p, double bytes) {
    auto it = allocations.upper_bound(p);
    if (it == allocations.begin()) return nullptr;
    --it;
    return (double)(p - it->first) + bytes <= (double)it->second.bytes ? &it->second : nullptr;
}

CUresult enter(const char *call, Needs needs) {
    // A call that hangs must not keep the others out.
    mutex.unlock();
    CUresult e = entered(call);
    mutex.lock();
    if (e) {
        if (sticky(e) && current) current->lost = e;
        return e;
    }
    if (needs == Nothing) return CUDA_SUCCESS;
    if (devices.empty()) return CUDA_ERROR_NOT_INITIALIZED;
    if (gone()) return CUDA_ERROR_UNKNOWN;
    if (needs == AContext) {
        if (!current || !current->references) return CUDA_ERROR_INVALID_CONTEXT;
        return current->lost;
    }
    return CUDA_SUCCESS;
}

CUstream resolve(CUstream s) {
    if ((uintptr_t)s > 2) return known(s) ? s : nullptr; // 1 and 2: CU_STREAM_LEGACY, CU_STREAM_PER_THREAD
    return current->legacy;
}

double Cache::touch(CUdeviceptr p, double bytes, double capacity) {
    if (bytes <= 0) return 0;
    CUdeviceptr from = p, to = p + (CUdeviceptr)bytes;
    double hit = 0;
    for (auto it = ranges.begin(); it != ranges.end();) {
        CUdeviceptr a = std::max(it->from, from), b = std::min(it->to, to);
        if (a >= b) {
            ++it;
            continue;
        }
        hit += (double)(b - a);
        Range left{it->from, a}, right{b, it->to};
        it = ranges.erase(it);
        if (left.from < left.to) ranges.insert(it, left);
        if (right.from < right.to) ranges.insert(it, right);
    }
    if (bytes > capacity) { // it flows through: its own end has gone when its start comes again
        ranges.clear();
        return 0;
    }
    ranges.push_front({from, to});
    double held = 0;
    for (auto it = ranges.begin(); it != ranges.end();) {
        held += (double)(it->to - it->from);
        it = held > capacity ? ranges.erase(it) : std::next(it);
    }
    return hit;
}

// pass is the time of one pass over what a piece of work touches.
static double pass(Device *d, const Work &w, bool *allCached) {
    const Truth &t = truth();
    double read = 0, write = 0, cached = 0, all = 0;
    for (const Touch &touch : w.touches) {
        double hit = d->cache.touch(touch.at, touch.bytes, (double)t.l2Bytes);
        cached += hit;
        all += touch.bytes;
        (touch.write ? write : read) += touch.bytes - hit;
    }
    *allCached = cached >= all;
    // A result of a few bytes does not make a reading kernel one that reads and writes.
    double few = 0.01 * (read + write);
    double rate = write <= few ? t.readRate : read <= few ? t.writeRate : t.copyRate;
    return std::max((read + write) / rate, all / t.l2Rate);
}

double seconds(Device *d, const Work &w, double startS) {
    const Truth &t = truth();
    bool cached;
    double s = pass(d, w, &cached);
    if (w.passes > 1) s += (w.passes - 1) * pass(d, w, &cached); // the others are like the second
    if (w.chaseSteps > 0) s = w.chaseSteps * (cached ? t.l2LatencyS : t.memoryLatencyS);
    if (w.flops > 0) s = std::max(s, w.flops / t.flops.at(w.type));
    return startS + std::max(s, w.linkS);
}

static bool throttled(double nowS) {
    const Truth &t = truth();
    return t.throttlePeriodS > 0 && std::fmod(nowS, t.throttlePeriodS) > t.throttlePeriodS - t.throttleS;
}

// speed is the share of its full clock at which a device runs now.
static double speed(Device *d, double nowS) {
    const Truth &t = truth();
    double v = 1 - t.sag * (1 - std::exp(-d->busyS / t.sagS));
    return throttled(nowS) ? v * t.throttleFactor : v;
}

static double drawNoise(Device *d) {
    const Truth &t = truth();
    std::normal_distribution<double> normal(0, 1);
    std::uniform_real_distribution<double> uniform(0, 1);
    double f = 1 + t.noise * std::clamp(normal(d->random), -4.0, 4.0);
    return uniform(d->random) < t.tailProbability ? f * t.tailFactor : f;
}

// Spin is one that the host has not been seen to let go.
struct Spin {
    std::weak_ptr<double> releasedS;
    std::function<bool()> ready;
};
static std::vector<Spin> spins_;

// noticeReleases notes when the host let spins go: the flag is memory, of which
// the host's next call is the first to tell.
static void noticeReleases() {
    auto over = [](Spin &spin) {
        auto at = spin.releasedS.lock();
        if (!at) return true; // it has run
        if (!spin.ready()) return false;
        *at = hostS;
        return true;
    };
    spins_.erase(std::remove_if(spins_.begin(), spins_.end(), over), spins_.end());
}

CUresult enqueue(CUstream s, Op op) { return enqueue(s, std::move(op), truth().hostLaunchS); }

CUresult enqueue(CUstream s, Op op, double hostTakesS) {
    if (s->capture) {
        s->capture->ops.push_back(std::move(op));
        return CUDA_SUCCESS;
    }
    // A full queue holds the host up: behind a spin until that gives up.
    if (s->queue.size() >= queueDepth && s->queue.front().ready && !s->queue.front().ready()) {
        bool done;
        if (CUresult e = drain(s, true, &done)) return e;
    }
    noticeReleases();
    hostS += hostTakesS;
    op.enqueuedS = hostS;
    if (op.ready) {
        op.releasedS = std::make_shared<double>(-1);
        spins_.push_back({op.releasedS, op.ready});
    }
    if (op.record) {
        op.record->pending++;
        op.record->stream = s;
    }
    s->queue.push_back(std::move(op));
    return CUDA_SUCCESS;
}

// perform runs one operation and its time.
static CUresult perform(CUstream s, const Op &op, bool timed) {
    Device *d = s->context->device;
    Work w = op.work ? op.work() : Work{};
    for (const Touch &t : w.touches)
        if (t.bytes > 0 && !owner(t.at, t.bytes)) return CUDA_ERROR_ILLEGAL_ADDRESS;
    double spunS = s->nowS; // since when a spin spins
    double took = seconds(d, w, op.startS) * s->factor / speed(d, s->nowS);
    s->throttled |= throttled(s->nowS);
    s->nowS += took;
    d->busyS += took;
    double size = w.flops;
    for (const Touch &t : w.touches) size += t.bytes * w.passes;
    if (op.execute && !op.ready && !timed && size <= truth().executeLimit) {
        if (CUresult e = op.execute()) return e;
        if (op.kernel && wrongs(op.name))
            for (const Touch &t : w.touches)
                if (t.write)
                    for (double i = 1; i < t.bytes; i += 2) ((unsigned char *)t.at)[(size_t)i] ^= 0x55;
    }
    if (op.ready) { // a spin ends when the host lets go, or gives up before
        if (!op.ready()) hostS = std::max(hostS, spunS + op.spinS); // the host is here and waits
        double releasedS = *op.releasedS >= 0 ? *op.releasedS : std::max(hostS, spunS);
        if (!op.ready() || releasedS > spunS + op.spinS) {
            op.giveUp();
            releasedS = spunS + op.spinS;
        }
        s->nowS = std::max(s->nowS, releasedS);
    }
    return CUDA_SUCCESS;
}

// meet waits for a join's other streams, running them as far as they get.
static CUresult meet(CUstream s, Op &op, bool wait, bool timed, bool *met) {
    Join &j = *op.join;
    if (!op.arrived) {
        op.arrived = ++j.arrivals[s];
        j.startS = std::max(j.startS, s->nowS);
    }
    auto all = [&] {
        size_t there = 0;
        for (auto &a : j.arrivals) there += a.second >= op.arrived;
        return there >= j.ranks;
    };
    for (CUstream other : j.streams) {
        if (j.completed >= op.arrived) break;
        if (other == s || other->draining || j.arrivals[other] >= op.arrived) continue;
        bool done;
        if (CUresult e = drain(other, wait, &done)) return e;
    }
    if (j.completed < op.arrived && all()) {
        j.completed = op.arrived;
        j.endS = j.startS + j.seconds * s->factor / speed(s->context->device, j.startS);
        if (!timed)
            if (CUresult e = j.execute()) return e;
    }
    *met = j.completed >= op.arrived;
    if (*met) s->nowS = std::max(s->nowS, j.endS);
    return CUDA_SUCCESS;
}

// onlyTimed reports whether of what follows an event, up to the next, only the
// time counts: it stands behind a spin or is more than one operation. Running the
// source of a whole batch would take the host too long; a single operation may be
// one whose answer is looked at.
static bool onlyTimed(CUstream s) {
    for (size_t i = 1; i < s->queue.size(); i++)
        if (s->queue[i].record) return s->spun || i > 2;
    return false;
}

CUresult drain(CUstream s, bool wait, bool *done) {
    CUcontext c = s->context;
    *done = false;
    s->draining = true;
    struct Leave {
        CUstream s;
        ~Leave() { s->draining = false; }
    } leave{s};
    while (!s->queue.empty() && !c->lost) {
        Op &op = s->queue.front();
        s->hung |= op.hang;
        if (s->hung || (op.ready && !op.ready() && !wait)) return CUDA_SUCCESS;
        s->nowS = std::max(s->nowS, op.enqueuedS);
        bool timed = s->timed;
        CUresult e = CUDA_SUCCESS;
        if (op.wait) {
            while (op.wait->pending && !op.wait->stream->draining) {
                bool other;
                if ((e = drain(op.wait->stream, wait, &other))) break;
                if (!other && op.wait->pending) return CUDA_SUCCESS;
            }
            s->nowS = std::max(s->nowS, op.wait->atS);
        } else if (op.record) {
            op.record->atS = s->nowS;
            op.record->recorded = true;
            op.record->pending--;
            s->timed = onlyTimed(s);
            s->factor = drawNoise(c->device);
        } else if (op.join) {
            bool met = false;
            e = meet(s, op, wait, timed, &met);
            if (!e && !met) return CUDA_SUCCESS;
        } else {
            e = perform(s, op, timed);
            s->spun |= (bool)op.ready;
        }
        s->queue.pop_front();
        if (e) c->lost = e;
    }
    if (c->lost) {
        for (Op &op : s->queue)
            if (op.record) op.record->pending--;
        s->queue.clear();
    }
    *done = true;
    if (s->throttled) note("throttled"); // what NVML would tell
    s->timed = s->spun = s->throttled = false;
    hostS = std::max(hostS, s->nowS);
    return c->lost;
}

void pauseForOthers() {
    mutex.unlock();
    usleep(200);
    mutex.lock();
}

CUresult drainAll(CUcontext c, bool blockingOnly) {
    for (CUstream s : c->streams) {
        if (blockingOnly && s->nonBlocking) continue;
        bool done = false;
        if (CUresult e = drain(s, true, &done)) return e;
        while (!done) {
            pauseForOthers();
            if (CUresult e = drain(s, true, &done)) return e;
        }
    }
    return CUDA_SUCCESS;
}

static CUresult join(CUstream s, const char *name, std::shared_ptr<Join> j) {
    std::lock_guard<std::recursive_mutex> lock(mutex);
    if (!(s = resolve(s))) return CUDA_ERROR_INVALID_HANDLE;
    j->streams.push_back(s);
    Op op;
    op.name = name;
    op.join = std::move(j);
    return enqueue(s, std::move(op));
}

static CUresult put(CUstream s, const char *name, double startS, const Work &w, std::function<CUresult()> execute) {
    std::lock_guard<std::recursive_mutex> lock(mutex);
    if (!(s = resolve(s))) return CUDA_ERROR_INVALID_HANDLE;
    Op op;
    op.name = name;
    op.kernel = true;
    op.startS = startS;
    op.work = [w] { return w; };
    op.execute = std::move(execute);
    return enqueue(s, std::move(op));
}

const Outside outside = {put, join, [](CUstream s) { return s->context->device->index; }};

} // namespace fake
