package microbench

import (
	"fmt"

	"bench/datasets"
)

const (
	// coreBytesPerCycle is what no core loads and stores in a cycle: two loads
	// and a store of 64 bytes are the most of any x86-64 or arm64 core (Fog,
	// "The microarchitecture of Intel, AMD and VIA CPUs", 2023). A copy of a copy
	// that a compiler has left out, or has made once for all iterations, is faster.
	coreBytesPerCycle = 3 * 64
	// leastLoadCycles is below the latency of every first-level cache (3 cycles
	// at least, and a core alone runs somewhat above the clock of all).
	leastLoadCycles = 2
)

// beyondCore says how a CPU's cores would have been faster than they can be with
// everything in their first-level caches, or "". It is what shows that work was
// left out where the answer does not: in iterations after the first.
func beyondCore(dev *datasets.Device, w datasets.Workload, seconds float64) string {
	if dev.Kind != "cpu" || !(dev.ClockHz.Value > 0) || !(seconds > 0) {
		return ""
	}
	clock := dev.ClockHz.Value * datasets.Tolerance
	if s, ok := w.(datasets.Stream); ok && s.Kernel == "latency" {
		if cycles := seconds * clock; cycles < leastLoadCycles {
			return fmt.Sprintf("a dependent load took %.2g cycles, and no cache answers within %d: loads were left out", cycles, leastLoadCycles)
		}
		return ""
	}
	if rate, most := w.Bytes()/seconds, coreBytesPerCycle*clock*float64(max(w.Workers(), 1)); rate > most {
		return fmt.Sprintf("%.4g GB/s is more than the %d bytes a cycle that a core can load and store, %.4g GB/s: work was left out", rate/1e9, coreBytesPerCycle, most/1e9)
	}
	return ""
}

// notCold says how a case whose operands are to be cold was faster than memory,
// or "". memory is the highest bandwidth that a pass over much more than the
// caches has reached in this run, with as many workers. Cold operands rotate
// through twice the last-level cache, so that even a cache that keeps what it has
// can serve no more than its share of that, and of the private caches above it:
// of those bytes memory need not deliver any, and of the rest each.
func notCold(dev *datasets.Device, w datasets.Workload, seconds, memory float64) string {
	last := dev.LastLevel()
	if !(memory > 0) || !(seconds > 0) || datasets.CacheOf(w) != datasets.Cold || !(last.SizeBytes.Value > 0) {
		return ""
	}
	share := dev.CachedBytes() / (2 * dev.AllBytes(last))
	if share >= 0.9 {
		return "" // the private caches are as large as the last level's: nothing can be said
	}
	if rate, most := w.Bytes()/seconds, memory*datasets.Tolerance/(1-share); rate > most {
		return fmt.Sprintf("%.4g GB/s of cold operands are more than memory's %.4g GB/s in this run, and what caches can add, allow: the operands were in a cache", rate/1e9, memory/1e9)
	}
	return ""
}

// memoryBandwidth is the highest rate of this run's passes over more than four
// times the last-level cache with at least as many workers, or 0.
func (r *runState) memoryBandwidth(workers int) float64 {
	best := 0.0
	for _, row := range r.have {
		s, ok := row.Workload.(datasets.Stream)
		if !ok || !row.Measurement.Usable() || s.Workers() < workers || s.Kernel == "latency" || s.Kernel == "launch" ||
			float64(s.SizeBytes) <= 4*r.device.LastLevel().SizeBytes.Value {
			continue
		}
		best = max(best, s.Bytes()/row.Measurement.TimeS)
	}
	return best
}
