// Objects of the driver and the engine that runs their queues on a virtual clock.
// Everything happens inside the calls that wait for it (synchronise, query,
// elapsed): a queue is run in order, each operation advances its stream's clock
// by what the hidden truth says it takes. Streams do not compete with each other.
#pragma once
#include "abi.h"
#include "costs.h"
#include "truth.h"

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <random>
#include <set>

namespace fake {

struct Device;

// Join is work that several streams do together, such as a collective: it begins
// when the last of them gets there, and ends for all at once. A replayed graph
// comes by again; each time counts for itself.
struct Join {
    size_t ranks = 0;                   // streams that take part
    std::vector<CUstream> streams;      // those that have been told
    double seconds = 0;
    std::function<CUresult()> execute;

    std::map<CUstream, long> arrivals;  // how often each has come by
    long completed = 0;
    double startS = 0, endS = 0;        // of the time in question: streams keep in step
};

// Outside is what the stand-ins for cuBLASLt and NCCL call: a stream begins with
// a pointer to it, so that they reach the driver that the stream belongs to, of
// the several that a test's process may have open.
struct Outside {
    CUresult (*put)(CUstream, const char *name, double startS, const Work &, std::function<CUresult()> execute);
    CUresult (*join)(CUstream, const char *name, std::shared_ptr<Join>);
    int (*device)(CUstream);
};
extern const Outside outside;

// Op is one entry of a stream's queue.
struct Op {
    std::string name;
    double startS = 0;                    // the least that it takes
    std::function<Work()> work;           // what it moves and computes
    std::function<CUresult()> execute;    // what it does to memory
    std::function<bool()> ready;          // a spin that is still held says no
    double spinS = 0;                     // after which a spin gives up
    std::function<void()> giveUp;         // and says so
    std::shared_ptr<double> releasedS;    // when the host let a spin go; negative: not yet noticed
    CUevent record = nullptr, wait = nullptr;
    std::shared_ptr<Join> join;
    long arrived = 0;                     // which time of the join this is; 0: not there yet
    double enqueuedS = 0;                 // on the host's virtual clock
    bool kernel = false, hang = false;
};

} // namespace fake

struct CUctx_st {
    fake::Device *device = nullptr;
    int references = 0;
    CUresult lost = CUDA_SUCCESS; // a sticky error's code
    std::set<CUcontext> peers;
    std::set<CUstream> streams;
    CUstream legacy = nullptr;
};

struct CUstream_st {
    const fake::Outside *outside = &fake::outside; // first: see there
    CUcontext context = nullptr;
    bool nonBlocking = false;
    std::deque<fake::Op> queue;
    double nowS = 0;
    double factor = 1; // this batch's noise
    bool throttled = false;           // something ran in an episode
    bool spun = false, timed = false; // since the queue was last empty: see onlyTimed
    bool hung = false, draining = false;
    CUgraph capture = nullptr;
};

struct CUevent_st {
    CUcontext context = nullptr;
    bool recorded = false, timed = true;
    int pending = 0;
    CUstream stream = nullptr;
    double atS = 0;
};

struct CUfunc_st {
    CUmodule module = nullptr;
    std::string name;
    std::vector<fake::Parameter> parameters;
    int staticShared = 0, dynamicShared = 48 << 10, maxThreads = 1024, ptxVersion = 0;
};

struct CUmod_st {
    CUcontext context = nullptr;
    std::map<std::string, std::unique_ptr<CUfunc_st>> functions;
};

struct CUgraph_st {
    std::vector<fake::Op> ops;
};

struct CUgraphExec_st {
    std::shared_ptr<std::vector<fake::Op>> ops;
};

namespace fake {

// Cache is which ranges of device memory the L2 holds: least recently used goes first.
class Cache {
  public:
    // touch returns how many bytes of a range were there, and brings it in.
    double touch(CUdeviceptr p, double bytes, double capacity);

  private:
    struct Range {
        CUdeviceptr from, to;
    };
    std::list<Range> ranges; // the latest first
};

struct Device {
    int index = 0;
    CUctx_st primary;
    bool active = false;
    int64_t used = 0;
    double busyS = 0;
    Cache cache;
    std::mt19937_64 random;
};

struct Allocation {
    size_t bytes = 0, mapped = 0;
    Device *device = nullptr; // none: pinned host memory
};

extern std::recursive_mutex mutex;
extern std::vector<std::unique_ptr<Device>> devices;
extern std::map<CUdeviceptr, Allocation> allocations;
extern double hostS; // the host's virtual clock
extern thread_local CUcontext current;

// declare tells a checked library of the kernels (cuda/simt) of memory, and forget
// that it is gone.
void declare(CUdeviceptr p, size_t bytes);
void forget(CUdeviceptr p);

// unmap gives an allocation back, and returns the next.
std::map<CUdeviceptr, Allocation>::iterator unmap(std::map<CUdeviceptr, Allocation>::iterator it);

// owner is the allocation that holds a whole range, or none.
const Allocation *owner(CUdeviceptr p, double bytes);

// enter begins a call: the injected fault, then (if it needs one) a live context.
enum Needs { Nothing, Initialised, AContext };
CUresult enter(const char *call, Needs needs);

// handles that exist; a call with any other is refused.
extern std::set<void *> handles;
template <class T> T *made(T *t) {
    handles.insert(t);
    return t;
}
inline bool known(void *h) { return handles.count(h) > 0; }

CUstream resolve(CUstream s); // 0 and the legacy handle are the context's own stream

// enqueue puts an operation on a stream, or into the graph that it captures.
CUresult enqueue(CUstream s, Op op);
CUresult enqueue(CUstream s, Op op, double hostTakesS);

// drain runs a stream's queue as far as it gets. It waits for a spin that is held only
// if told to. done is set where nothing is left.
CUresult drain(CUstream s, bool wait, bool *done);
// pauseForOthers lets other threads' calls in for a moment.
void pauseForOthers();
CUresult drainAll(CUcontext c, bool blockingOnly);

// seconds is how long a piece of work takes on a device whose clock and noise do nothing.
double seconds(Device *d, const Work &w, double startS);

} // namespace fake

#define ENTER(needs)                                                                                                   \
    std::lock_guard<std::recursive_mutex> lock_(fake::mutex);                                                          \
    if (CUresult e_ = fake::enter(__func__, fake::needs)) return e_
