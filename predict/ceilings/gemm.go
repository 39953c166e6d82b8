package ceilings

import "bench/datasets"

// gemm is the longer of arithmetic at the measured peak and of the operands'
// traffic at the measured bandwidth of where they lie, with the launch before.
func (m *Model) gemm(w datasets.GEMM) datasets.Prediction {
	if w.Kernel == "peak" {
		return missing("the arithmetic peak is itself the ceiling")
	}
	compute, memory, why := m.product(w)
	if why != "" {
		return missing("%s", why)
	}
	launch := m.launch(w.Ranks)
	return joined("max(compute, memory) + launch", max(compute, memory)+launch,
		datasets.Term{Name: "compute", Seconds: compute}, datasets.Term{Name: "memory", Seconds: memory},
		datasets.Term{Name: "launch", Seconds: launch})
}

// product gives the two roofs of a GEMM in seconds, or why there are none.
func (m *Model) product(w datasets.GEMM) (compute, memory float64, why string) {
	peak := m.peaks[peakID{w.Type, w.Ranks}]
	if peak == 0 {
		return 0, 0, missing("no measured %s peak of %d workers", w.Type, w.Ranks).NotPredicted
	}
	t, ok := m.operands(w.Bytes(), w.Cache, w.Ranks)
	if !ok {
		return 0, 0, missing("no measured read bandwidth of %d workers", w.Ranks).NotPredicted
	}
	return w.FLOPs() / peak, t, ""
}

// operands is the time to read bytes once: from memory if cold, from where so
// much stays if hot.
func (m *Model) operands(bytes float64, cache datasets.Cache, ranks int) (float64, bool) {
	costs, ok := m.read[ranks]
	if !ok {
		return 0, false
	}
	shares := [maxLevels]float64{maxLevels - 1: 1}
	if cache == datasets.Hot {
		shares = m.shares(bytes, ranks, m.lastBytes[streamID{"", ranks}])
	}
	t, ok := pass(bytes, shares, costs)
	total, _ := levelTerms(t)
	return total, ok
}
