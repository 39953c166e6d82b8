#include "costs.h"

#include "engine.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

namespace fake {
namespace {


// element is the bytes of the type that a kernel's name tells, as one of its words.
double element(const std::string &kernel) {
    static const struct {
        const char *name;
        double bytes;
    } types[] = {{"f32", 4}, {"fp32", 4}, {"tf32", 4}, {"f64", 8}, {"fp64", 8}, {"bf16", 2}, {"fp16", 2}, {"fp8", 1}, {"i8", 1}, {"int8", 1}};
    std::string words = kernel + "_";
    for (auto &t : types)
        if (words.find("_" + std::string(t.name) + "_") != std::string::npos) return t.bytes;
    return 0;
}

// typed is the type's name as the truth's FLOP rates have it.
std::string typed(const std::string &kernel) {
    std::string words = kernel + "_";
    for (const char *t : {"bf16", "fp16", "tf32", "fp32", "fp64", "fp8", "int8"})
        if (words.find("_" + std::string(t) + "_") != std::string::npos) return t;
    return "fp32";
}

struct Cost {
    const Launch &l;
    Work w;
    void touch(CUdeviceptr p, double bytes, bool write) {
        if (p && bytes > 0) w.touches.push_back({p, bytes, write});
    }
    void read(size_t i, double bytes) { touch(l.pointer(i), bytes, false); }
    void write(size_t i, double bytes) { touch(l.pointer(i), bytes, true); }
    double n(size_t i) const { return l.number(i); }
};

// peak counts FLOPs of a pass by each block. Blocks that do not fill the SMs leave
// the others idle.
void peak(Cost &c, double flopsOfAPass, double outBytes) {
    double sms = truth().sms, blocks = c.l.blocks(), rounds = std::ceil(blocks / sms);
    c.w.flops = flopsOfAPass * c.n(3) * blocks / (blocks / (rounds * sms));
    c.w.type = typed(c.l.kernel);
    c.write(0, outBytes * blocks);
}

const int *ints(CUdeviceptr p, double n) { return owner(p, 4 * n) ? (const int *)p : nullptr; }

// experts works out which weights a grouped product reads, and for how many rows:
// both lie in memory, where bench_moe_plan put them.
void experts(Cost &c) {
    double inputs = c.n(10), outputs = c.n(11), made = c.n(12) == 1 ? outputs / 2 : outputs;
    const int *tiles = ints(c.l.pointer(6), 1), *expert = tiles ? ints(c.l.pointer(4), tiles[0]) : nullptr;
    if (!expert) return;
    std::set<int> active(expert, expert + tiles[0]);
    double rows = 0;
    for (int e : active) {
        const int *starts = ints(c.l.pointer(3), e + 2), *place = ints(c.l.pointer(8), e + 1);
        if (!starts) return;
        double some = starts[e + 1] - starts[e];
        int at = place ? place[e] : e;
        c.touch(c.l.pointer(2) + (CUdeviceptr)(at * inputs * outputs * 2), inputs * outputs * 2, false);
        rows += some;
    }
    c.read(1, (c.l.pointer(7) ? rows / c.n(9) : rows) * inputs * 2);
    c.write(0, rows * made * 2);
    c.w.flops = 2 * rows * inputs * outputs;
    c.w.type = typed(c.l.kernel);
}

void attention(Cost &c) {
    double context = c.n(7), capacity = c.n(8), heads = c.n(9), groups = c.n(10), dim = c.n(11), batch = c.l.grid[2], splits = c.l.grid[0];
    for (double s = 0; s < batch * groups; s++)
        for (size_t kv : {4, 5}) c.touch(c.l.pointer(kv) + (CUdeviceptr)(s * capacity * dim * 2), context * dim * 2, false);
    c.read(3, ((batch - 1) * c.n(6) + heads * dim) * 2);
    if (splits == 1) {
        c.write(0, batch * heads * dim * 2);
    } else {
        c.write(1, batch * heads * splits * dim * 4);
        c.write(2, batch * heads * splits * 8);
    }
    c.w.flops = 4 * batch * heads * context * dim;
    c.w.type = typed(c.l.kernel);
}

typedef std::function<void(Cost &)> Counter;

// counters are by the beginning of a kernel's name; the longest that fits counts.
const std::map<std::string, Counter> &counters() {
    static const std::map<std::string, Counter> all = {
        {"bench_spin", [](Cost &) {}},
        {"bench_empty", [](Cost &) {}},
        {"bench_flush", [](Cost &c) { c.write(0, c.n(1) * 16); }},
        {"bench_sentinel", [](Cost &c) { // 100 passes of 64 multiply-adds on each element
             c.w.passes = 100;
             c.read(0, c.n(1) * 16);
             c.write(0, c.n(1) * 16);
             c.w.flops = 100.0 * 64 * 2 * 4 * c.n(1);
             c.w.type = "fp32";
         }},
        {"bench_write", [](Cost &c) {
             c.write(0, c.n(1));
             c.w.passes = c.n(3);
         }},
        {"bench_copy", [](Cost &c) {
             c.read(1, c.n(2));
             c.write(0, c.n(2));
             c.w.passes = c.n(3);
         }},
        {"bench_read_", [](Cost &c) {
             c.read(1, c.n(2) * element(c.l.kernel));
             c.write(0, c.l.blocks() * 8);
             c.w.passes = c.n(3);
         }},
        {"bench_dot_", [](Cost &c) {
             c.read(1, c.n(3) * element(c.l.kernel));
             c.read(2, c.n(3) * element(c.l.kernel));
             c.write(0, c.l.blocks() * 8);
             c.w.passes = c.n(4);
         }},
        {"bench_scale_", [](Cost &c) {
             c.read(1, c.n(2) * element(c.l.kernel));
             c.write(0, c.n(2) * element(c.l.kernel));
             c.w.passes = c.n(4);
         }},
        {"bench_triad_", [](Cost &c) {
             c.read(1, c.n(3) * element(c.l.kernel));
             c.read(2, c.n(3) * element(c.l.kernel));
             c.write(0, c.n(3) * element(c.l.kernel));
             c.w.passes = c.n(5);
         }},
        {"bench_checksum", [](Cost &c) {
             c.read(1, c.n(2));
             c.write(0, 8);
         }},
        {"bench_chain", [](Cost &c) { c.write(0, c.n(1) * c.n(2)); }},
        {"bench_chase", [](Cost &c) { // through all that was allocated from its base on
             CUdeviceptr base = c.l.pointer(0);
             auto it = allocations.upper_bound(base);
             if (it == allocations.begin()) return;
             --it;
             c.read(0, (double)it->second.bytes - (double)(base - it->first));
             c.w.chaseSteps = c.n(2);
         }},
        {"bench_fill_", [](Cost &c) { c.write(0, c.n(1) * element(c.l.kernel)); }},
        // out, a, b, passes: 8 warps of 16×64 products of 32 bytes of k, or 16 numbers of fp64
        {"bench_peak_mma_", [](Cost &c) { peak(c, 8 * 2.0 * 16 * 64 * (element(c.l.kernel) == 8 ? 16 : 32 / element(c.l.kernel)), 8 * 16 * 64 * std::max(element(c.l.kernel), 4.0)); }},
        // 2 warpgroups of 64×256 products of 128 bytes of k
        {"bench_peak_wgmma_", [](Cost &c) { peak(c, 2 * 2.0 * 64 * 256 * 128 / element(c.l.kernel), 2 * 64 * 256 * 4); }},
        // 256 threads of 16 fused multiply-adds
        {"bench_peak_vector_", [](Cost &c) { peak(c, 256 * 16 * 2, 256 * 16 * 4); }},

        {"bench_attention_", attention},
        {"bench_attention_combine_", [](Cost &c) {
             double rows = (double)c.l.grid[0] * c.l.grid[1], splits = c.n(3), dim = c.n(4);
             c.read(1, rows * splits * dim * 4);
             c.read(2, rows * splits * 8);
             c.write(0, rows * dim * 2);
         }},

        // Rows of cols elements, grid.x of them.
        {"bench_rms_norm_", [](Cost &c) {
             double row = c.n(3) * element(c.l.kernel);
             c.read(1, row * c.l.grid[0]);
             c.read(2, row);
             c.write(0, row * c.l.grid[0]);
         }},
        {"bench_add_rms_norm_", [](Cost &c) {
             double row = c.n(5) * element(c.l.kernel);
             c.read(2, row * c.l.grid[0]);
             c.read(3, row * c.l.grid[0]);
             c.read(4, row);
             c.write(0, row * c.l.grid[0]);
             c.write(1, row * c.l.grid[0]);
         }},
        {"bench_layer_norm_", [](Cost &c) {
             double row = c.n(4) * element(c.l.kernel);
             c.read(1, row * c.l.grid[0]);
             c.read(2, row);
             c.read(3, row);
             c.write(0, row * c.l.grid[0]);
         }},
        {"bench_softmax_", [](Cost &c) {
             double all = c.n(2) * element(c.l.kernel) * c.l.grid[0];
             c.read(1, all);
             c.write(0, all);
         }},
        {"bench_gelu_", [](Cost &c) {
             double all = c.n(2) * element(c.l.kernel) * c.l.grid[0];
             c.read(1, all);
             c.write(0, all);
         }},
        {"bench_silu_mul_", [](Cost &c) {
             double e = element(c.l.kernel), rows = c.l.grid[0], read = ((rows - 1) * c.n(4) + c.n(3)) * e;
             c.read(1, read);
             c.read(2, read);
             c.write(0, rows * c.n(3) * e);
         }},
        {"bench_add_", [](Cost &c) {
             double all = c.n(3) * element(c.l.kernel) * c.l.grid[0];
             c.read(1, all);
             c.read(2, all);
             c.write(0, all);
         }},
        {"bench_rope_", [](Cost &c) {
             double all = c.n(3) * element(c.l.kernel) * c.l.grid[0];
             c.read(1, all);
             c.read(2, std::min((double)c.l.grid[0], c.n(5)) * c.n(4) * 4);
             c.write(0, all);
         }},
        {"bench_rope_append_", [](Cost &c) {
             double e = element(c.l.kernel), position = c.n(5), capacity = c.n(6), heads = c.n(7), groups = c.n(8), dim = c.n(9), batch = c.l.grid[1];
             c.read(3, batch * (heads + 2 * groups) * dim * e);
             c.read(4, dim * 4);
             c.write(0, batch * heads * dim * e);
             for (double s = 0; s < batch * groups; s++)
                 for (size_t kv : {1, 2}) c.touch(c.l.pointer(kv) + (CUdeviceptr)((s * capacity + position) * dim * e), dim * e, true);
         }},
        {"bench_embedding_", [](Cost &c) {
             double row = c.n(3) * element(c.l.kernel);
             const int *index = ints(c.l.pointer(2), c.l.grid[0]);
             c.read(2, 4.0 * c.l.grid[0]);
             for (unsigned i = 0; index && i < c.l.grid[0]; i++) c.touch(c.l.pointer(1) + (CUdeviceptr)(index[i] * row), row, false);
             c.write(0, row * c.l.grid[0]);
         }},

        {"bench_moe_router_", [](Cost &c) {
             double tokens = c.n(3), experts = c.n(4), hidden = c.n(5);
             c.read(1, tokens * hidden * 2);
             c.read(2, experts * hidden * 2);
             c.write(0, tokens * experts * 4);
             c.w.flops = 2 * tokens * experts * hidden;
             c.w.type = typed(c.l.kernel);
         }},
        {"bench_moe_choose", [](Cost &c) {
             double tokens = c.n(6), experts = c.n(7), choices = c.n(8) * tokens;
             c.read(4, tokens * experts * 4);
             c.read(5, choices * 4);
             for (size_t i : {0, 1, 2}) c.write(i, choices * 4);
             c.write(3, experts * 4);
         }},
        {"bench_moe_plan", [](Cost &c) {
             c.write(0, (c.n(6) + 1) * 4);
             c.write(1, c.n(6) * 4);
             c.read(5, c.n(6) * 4);
         }},
        {"bench_moe_scatter", [](Cost &c) {
             c.read(3, c.n(4) * 4);
             c.write(0, c.n(4) * 4);
             c.write(1, c.n(4) * 4);
         }},
        {"bench_moe_pack_", [](Cost &c) {
             double row = c.n(5) * element(c.l.kernel), pairs = c.l.grid[0];
             c.read(2, row * std::ceil(pairs / c.n(6)));
             c.read(3, pairs * 4);
             c.read(4, pairs * 4);
             c.write(0, row * pairs);
             c.write(1, pairs * 4);
         }},
        {"bench_moe_count", [](Cost &c) { c.read(1, c.n(2) * 4); }},
        {"bench_moe_combine_", [](Cost &c) {
             double e = element(c.l.kernel), tokens = c.l.grid[0], hidden = c.n(5), choices = tokens * c.n(6);
             c.read(1, choices * hidden * e);
             c.read(2, choices * 4);
             c.read(3, choices * 4);
             c.read(4, tokens * hidden * e);
             c.write(0, tokens * hidden * e);
         }},
        {"bench_moe_experts_", experts},
    };
    return all;
}

} // namespace

bool spins(const Launch &l) { return l.kernel == "bench_spin"; }

bool held(const Launch &l) { return *(volatile unsigned *)l.pointer(0) == 0; }

// counter is the one whose name is the longest beginning of the kernel's.
static const Counter *counter(const std::string &kernel) {
    const Counter *best = nullptr;
    size_t length = 0;
    for (auto &c : counters()) {
        if (kernel.compare(0, c.first.size(), c.first) || c.first.size() < length) continue;
        best = &c.second;
        length = c.first.size();
    }
    return best;
}

bool counted(const std::string &kernel) { return counter(kernel) != nullptr; }

Work costOf(const Launch &l) {
    Cost c{l, {}};
    if (const Counter *f = counter(l.kernel)) (*f)(c);
    return c.w;
}

} // namespace fake
