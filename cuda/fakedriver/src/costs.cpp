#include "costs.h"

#include <cstring>

namespace fake {

bool spins(const Launch &l) { return l.kernel == "bench_spin"; }

bool held(const Launch &l) { return *(volatile unsigned *)l.pointer(0) == 0; }

Work costOf(const Launch &l) {
    Work w;
    if (spins(l)) return w;
    w.counted = false;
    return w;
}

} // namespace fake
