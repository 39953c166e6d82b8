package ceilings

import (
	"math"

	"bench/datasets"
)

// streamedRows is up to how many rows of A a product streams B from where it
// lies. With more, blocks of A and B are packed first. It mirrors streamedRows of
// microbench/host, which chooses what runs; change both together.
const streamedRows = 8

// gemm is a launch, then for few rows the longer of arithmetic at the measured
// peak and of the operands' traffic at the measured bandwidth of where they
// lie. Larger products are blocked (Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008): panels of A
// and B are copied next to each other before they are multiplied, and C is
// visited once for every block of k, so that this traffic adds to the
// arithmetic.
func (m *Model) gemm(w datasets.GEMM) datasets.Prediction {
	if w.Kernel == "peak" {
		return missing("the arithmetic peak is itself the ceiling")
	}
	peak := m.peaks[peakID{w.Type, w.Ranks}]
	if peak == 0 {
		return missing("no measured %s peak of %d workers", w.Type, w.Ranks)
	}
	compute, launch := w.FLOPs()/peak, m.launch(w.Ranks)
	size := w.Type.Size()
	inputs := float64(w.M*w.K+w.K*w.N) * size
	output := float64(w.M*w.N) * w.Type.OutSize()
	workingSet := inputs + output
	if w.Cache == datasets.Cold {
		workingSet = max(workingSet, rotation*m.last.SizeBytes.Value)
	}
	shares := m.shares(workingSet, w.Ranks, m.lastBytes[streamID{"", w.Ranks}])
	read, okR := m.read[w.Ranks]
	write, okW := m.write[w.Ranks]
	if !okR || !okW {
		return missing("no read and write cases of %d workers: run suite hbm too", w.Ranks)
	}
	in, okI := pass(inputs, shares, read)
	out, okO := pass(output, shares, write)
	if !okI || !okO {
		return missing("the hbm cases of %d workers do not cover every level of memory", w.Ranks)
	}
	loads, _ := levelTerms(in)
	stores, _ := levelTerms(out)
	if w.M <= streamedRows {
		memory := loads + stores
		return joined("max(compute, memory) + launch", max(compute, memory)+launch,
			datasets.Term{Name: "compute", Seconds: compute}, datasets.Term{Name: "memory", Seconds: memory},
			datasets.Term{Name: "launch", Seconds: launch})
	}
	// The packed panels are written to and read from the second level.
	packing := loads + inputs*(write[1]+read[1])
	visits := math.Ceil(float64(w.K) / blockK)
	update := stores + (visits-1)*output*(read[1]+write[1])
	return joined("sum", compute+packing+update+launch,
		datasets.Term{Name: "compute", Seconds: compute}, datasets.Term{Name: "packing", Seconds: packing},
		datasets.Term{Name: "output", Seconds: update}, datasets.Term{Name: "launch", Seconds: launch})
}

// blockK is k_c, how much of k a packed block holds: half of a 32 KiB
// first-level cache for a panel of n_r = 16 columns of 4 bytes (Goto and van de
// Geijn, section 6.1).
const blockK = 256
