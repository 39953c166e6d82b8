// A stand-in for libnccl: collectives between the simulated devices of one
// process, reduced in host memory, in the time that the truth's link gives them.
// Types and constants are those of nccl.h 2.22.
#include "engine.h"

#include "fault.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <ctime>

using namespace fake;

namespace {

typedef int Result;
enum { Success = 0, UnhandledCudaError = 1, SystemError = 2, InternalError = 3, InvalidArgument = 4, InvalidUsage = 5 };

struct Id {
    char bytes[128];
};

// Call is a collective, with the buffers of the ranks that have called it.
struct Call {
    std::string name;
    size_t count = 0;
    int type = 0, root = 0;
    std::vector<const void *> from;
    std::vector<void *> to;
};

// Clique is a communicator over all its ranks, and the calls that some of them
// have made and others have not yet, by their number.
struct Clique {
    int ranks = 0, joined = 0;
    struct Pending {
        std::shared_ptr<Call> call;
        std::shared_ptr<Join> join;
        int made = 0;
    };
    std::map<long, Pending> pending;
};

struct Comm {
    std::shared_ptr<Clique> clique;
    int rank = 0, device = -1; // -1: whichever stream comes
    long next = 0;
};

struct Message {
    bool send;
    void *at;
    size_t bytes;
    int peer;
    Comm *comm;
    CUstream stream;
};

std::mutex lock;
std::condition_variable joining;
std::map<std::string, std::shared_ptr<Clique>> cliques;
thread_local int depth = 0;
thread_local std::vector<Message> messages;
thread_local std::vector<std::function<Result()>> deferred; // a group's collectives
thread_local Result failed = Success;                       // what a call of the group returned

// refused is a call's error, after which its group does nothing, as in NCCL (group.cc, ncclGroupEnd).
Result refused(Result e) {
    if (depth) failed = e;
    return e;
}

size_t sizeOf(int type) {
    static const size_t bytes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
    return type >= 0 && type < 10 ? bytes[type] : 0;
}

float half(uint16_t h) {
    int e = h >> 10 & 31, m = h & 1023;
    float v = e == 0 ? std::ldexp((float)m, -24) : e == 31 ? (m ? NAN : INFINITY) : std::ldexp((float)(m + 1024), e - 25);
    return h & 0x8000 ? -v : v;
}

uint16_t toHalf(float f) { // to the nearest, ties to even
    uint16_t sign = std::signbit(f) ? 0x8000 : 0;
    f = std::fabs(f);
    if (std::isnan(f)) return sign | 0x7e00;
    if (f >= 65520) return sign | 0x7c00;
    if (f < std::ldexp(1.0f, -14)) return sign | (uint16_t)std::nearbyint(std::ldexp(f, 24));
    int e;
    std::frexp(f, &e); // f = x·2^e, x in [1/2, 1)
    return sign | (uint16_t)(((e + 13) << 10) + (int)std::nearbyint(std::ldexp(f, 11 - e)));
}

float brain(uint16_t b) {
    uint32_t u = (uint32_t)b << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

uint16_t toBrain(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

template <class T> void sum(void *to, const void *from, size_t n) {
    for (size_t i = 0; i < n; i++) ((T *)to)[i] = (T)(((T *)to)[i] + ((const T *)from)[i]);
}

// add adds in the type itself, as a ring does at each step.
void add(void *to, const void *from, size_t n, int type) {
    auto *a = (uint16_t *)to;
    auto *b = (const uint16_t *)from;
    switch (type) {
    case 0: sum<int8_t>(to, from, n); break;
    case 1: sum<uint8_t>(to, from, n); break;
    case 2: case 3: sum<uint32_t>(to, from, n); break;
    case 4: case 5: sum<uint64_t>(to, from, n); break;
    case 6:
        for (size_t i = 0; i < n; i++) a[i] = toHalf(half(a[i]) + half(b[i]));
        break;
    case 7: sum<float>(to, from, n); break;
    case 8: sum<double>(to, from, n); break;
    case 9:
        for (size_t i = 0; i < n; i++) a[i] = toBrain(brain(a[i]) + brain(b[i]));
        break;
    }
}

// run does a collective once every rank's buffers are known.
CUresult run(const Call &c, int ranks) {
    size_t n = (size_t)ranks, bytes = c.count * sizeOf(c.type);
    std::vector<unsigned char> all;
    if (c.name == "ncclBroadcast") {
        all.assign((const unsigned char *)c.from[(size_t)c.root], (const unsigned char *)c.from[(size_t)c.root] + bytes);
        for (void *to : c.to) memcpy(to, all.data(), bytes);
    } else if (c.name == "ncclAllGather") {
        for (const void *from : c.from) all.insert(all.end(), (const unsigned char *)from, (const unsigned char *)from + bytes);
        for (void *to : c.to) memcpy(to, all.data(), all.size());
    } else {
        bool scatter = c.name == "ncclReduceScatter";
        size_t whole = scatter ? bytes * n : bytes;
        all.assign((const unsigned char *)c.from[0], (const unsigned char *)c.from[0] + whole);
        for (size_t r = 1; r < n; r++) add(all.data(), c.from[r], whole / sizeOf(c.type), c.type);
        for (size_t r = 0; r < n; r++) memcpy(c.to[r], all.data() + (scatter ? r * bytes : 0), bytes);
    }
    if (wrongs(c.name) && bytes) ((unsigned char *)c.to[0])[bytes - 1] ^= 0x40;
    return CUDA_SUCCESS;
}

// wire is the bytes that each rank sends in a ring, the least there is without a
// switch that adds (nccl-tests, PERFORMANCE.md).
double wire(const Call &c, double n) {
    double bytes = (double)(c.count * sizeOf(c.type));
    if (c.name == "ncclAllReduce") return 2 * (n - 1) / n * bytes;
    if (c.name == "ncclBroadcast") return n > 1 ? bytes : 0;
    return (n - 1) * bytes;
}

Result start(const char *name, const void *from, void *to, size_t count, int type, int root, Comm *comm, CUstream stream) {
    std::shared_ptr<Join> join;
    {
        std::lock_guard<std::mutex> hold(lock);
        Clique &q = *comm->clique;
        Clique::Pending &p = q.pending[comm->next];
        if (!p.call) {
            p.call = std::make_shared<Call>();
            p.call->name = name, p.call->count = count, p.call->type = type, p.call->root = root;
            p.call->from.resize((size_t)q.ranks);
            p.call->to.resize((size_t)q.ranks);
            p.join = std::make_shared<Join>();
            p.join->ranks = (size_t)q.ranks;
            p.join->seconds = truth().collectiveS + wire(*p.call, q.ranks) / truth().peerRate;
            p.join->execute = [call = p.call, ranks = q.ranks] { return run(*call, ranks); };
        }
        if (p.call->name != name || p.call->count != count || p.call->type != type) return InvalidUsage; // ranks that disagree
        p.call->from[(size_t)comm->rank] = from;
        p.call->to[(size_t)comm->rank] = to;
        join = p.join;
        if (++p.made == q.ranks) q.pending.erase(comm->next);
        comm->next++;
    }
    return stream->outside->join(stream, name, join) ? UnhandledCudaError : Success;
}

Result collective(const char *name, const void *from, void *to, size_t count, int type, int root, Comm *comm, CUstream stream) {
    if (int e = entered(name)) return refused(e);
    if (!comm || !sizeOf(type) || !stream || root < 0 || root >= comm->clique->ranks) return refused(InvalidArgument);
    if (comm->device >= 0 && stream->outside->device(stream) != comm->device) return refused(InvalidArgument);
    if (!depth) return start(name, from, to, count, type, root, comm, stream);
    deferred.push_back([=] { return start(name, from, to, count, type, root, comm, stream); });
    return Success;
}

// exchange puts a group's messages on their streams as one piece of work.
Result exchange() {
    std::vector<Message> list = std::move(messages);
    messages.clear();
    if (list.empty()) return Success;
    auto j = std::make_shared<Join>();
    std::vector<CUstream> streams;
    std::map<Comm *, double> sent, received;
    std::vector<std::pair<Message, Message>> pairs;
    std::vector<bool> taken(list.size());
    for (const Message &m : list) {
        if (std::find(streams.begin(), streams.end(), m.stream) == streams.end()) streams.push_back(m.stream);
        if (!m.send) continue;
        bool found = false;
        for (size_t i = 0; i < list.size() && !found; i++) {
            const Message &r = list[i];
            if (r.send || taken[i] || r.comm->clique != m.comm->clique || r.comm->rank != m.peer || r.peer != m.comm->rank) continue;
            if (r.bytes != m.bytes) return InvalidUsage;
            taken[i] = found = true;
            pairs.push_back({m, r});
            if (m.comm != r.comm) {
                sent[m.comm] += (double)m.bytes;
                received[r.comm] += (double)m.bytes;
            }
        }
        if (!found) return InvalidUsage; // it would wait for ever
    }
    double most = 0;
    for (auto &s : sent) most = std::max(most, s.second);
    for (auto &r : received) most = std::max(most, r.second);
    j->ranks = streams.size();
    j->seconds = truth().collectiveS + most / truth().peerRate;
    j->execute = [pairs] {
        std::vector<std::vector<unsigned char>> read;
        for (auto &p : pairs) read.emplace_back((unsigned char *)p.first.at, (unsigned char *)p.first.at + p.first.bytes);
        for (size_t i = 0; i < pairs.size(); i++) memcpy(pairs[i].second.at, read[i].data(), read[i].size());
        return CUDA_SUCCESS;
    };
    for (CUstream s : streams)
        if (s->outside->join(s, "ncclSendRecv", j)) return UnhandledCudaError;
    return Success;
}

Result message(const char *name, bool send, void *at, size_t count, int type, int peer, Comm *comm, CUstream stream) {
    if (int e = entered(name)) return refused(e);
    if (!comm || !sizeOf(type) || !stream || peer < 0 || peer >= comm->clique->ranks) return refused(InvalidArgument);
    messages.push_back({send, at, count * sizeOf(type), peer, comm, stream});
    return depth ? Success : exchange();
}

} // namespace

API Result ncclGetVersion(int *v) {
    if (int e = entered(__func__)) return e;
    *v = 22203;
    return Success;
}

API const char *ncclGetErrorString(Result r) {
    static const char *texts[] = {"no error", "unhandled cuda error (run with NCCL_DEBUG=INFO for details)", "unhandled system error (run with NCCL_DEBUG=INFO for details)",
                                  "internal error - please report this issue to the NCCL developers", "invalid argument (run with NCCL_DEBUG=WARN for details)",
                                  "invalid usage (run with NCCL_DEBUG=WARN for details)", "remote process exited or there was a network error", "NCCL operation in progress"};
    return r >= 0 && r < 8 ? texts[r] : "unknown result code";
}

API Result ncclGetUniqueId(Id *id) {
    if (int e = entered(__func__)) return e;
    static long count = 0;
    memset(id, 0, sizeof *id);
    snprintf(id->bytes, sizeof id->bytes, "fake-%ld-%ld", (long)time(nullptr), ++count);
    return Success;
}

API Result ncclCommInitAll(Comm **comms, int n, const int *devices) {
    if (int e = entered(__func__)) return e;
    if (n < 1 || n > truth().devices) return InvalidArgument;
    auto q = std::make_shared<Clique>();
    q->ranks = q->joined = n;
    for (int i = 0; i < n; i++) {
        int device = devices ? devices[i] : i;
        if (device < 0 || device >= truth().devices) return InvalidArgument;
        for (int k = 0; k < i; k++)
            if (comms[k]->device == device) return InvalidUsage; // a device twice
        comms[i] = new Comm{q, i, device, 0};
    }
    return Success;
}

// Ranks of several processes cannot meet here, those of several threads can.
API Result ncclCommInitRank(Comm **comm, int ranks, Id id, int rank) {
    if (int e = entered(__func__)) return e;
    if (ranks < 1 || rank < 0 || rank >= ranks) return InvalidArgument;
    std::unique_lock<std::mutex> hold(lock);
    auto &q = cliques[std::string(id.bytes, sizeof id.bytes)];
    if (!q) q = std::make_shared<Clique>();
    q->ranks = ranks;
    auto mine = q;
    mine->joined++;
    joining.notify_all();
    joining.wait(hold, [&] { return mine->joined >= ranks; });
    *comm = new Comm{mine, rank, -1, 0};
    return Success;
}

API Result ncclCommDestroy(Comm *c) {
    if (int e = entered(__func__)) return e;
    if (!c) return InvalidArgument;
    delete c;
    return Success;
}

API Result ncclCommAbort(Comm *c) {
    if (int e = entered(__func__)) return e;
    delete c;
    return Success;
}

API Result ncclCommGetAsyncError(Comm *c, Result *r) {
    if (int e = entered(__func__)) return e;
    if (!c) return InvalidArgument;
    *r = Success;
    return Success;
}

API Result ncclAllReduce(const void *from, void *to, size_t n, int type, int op, Comm *c, CUstream s) {
    if (op != 0) return InvalidArgument; // bench only ever sums
    return collective(__func__, from, to, n, type, 0, c, s);
}

API Result ncclAllGather(const void *from, void *to, size_t n, int type, Comm *c, CUstream s) { return collective(__func__, from, to, n, type, 0, c, s); }

API Result ncclReduceScatter(const void *from, void *to, size_t n, int type, int op, Comm *c, CUstream s) {
    if (op != 0) return InvalidArgument;
    return collective(__func__, from, to, n, type, 0, c, s);
}

API Result ncclBroadcast(const void *from, void *to, size_t n, int type, int root, Comm *c, CUstream s) { return collective(__func__, from, to, n, type, root, c, s); }

API Result ncclSend(const void *from, size_t n, int type, int peer, Comm *c, CUstream s) { return message(__func__, true, (void *)from, n, type, peer, c, s); }

API Result ncclRecv(void *to, size_t n, int type, int peer, Comm *c, CUstream s) { return message(__func__, false, to, n, type, peer, c, s); }

API Result ncclGroupStart() {
    if (int e = entered(__func__)) return e;
    depth++;
    return Success;
}

API Result ncclGroupEnd() {
    int e = entered(__func__);
    if (depth < 1) return InvalidUsage;
    if (--depth) return e ? refused(e) : Success;
    if (!e) e = failed;
    failed = Success;
    std::vector<std::function<Result()>> list = std::move(deferred);
    deferred.clear();
    for (auto &begin : list)
        if (!e) e = begin();
    if (!e) return exchange();
    messages.clear();
    return e;
}
