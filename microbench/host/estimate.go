package host

import "bench/datasets"

// EstimateBytes is how much memory the workload takes when it is prepared here,
// copies of a cold case's operands included, or 0 for a workload that is
// refused whatever the memory.
func (b *Backend) EstimateBytes(w datasets.Workload) int64 {
	if w.Validate() != nil {
		return 0
	}
	plan := &layerCase{operands: operands{dry: true}}
	switch w := w.(type) {
	case datasets.Stream:
		return w.SizeBytes
	case datasets.GEMM:
		if w.Kernel == "peak" {
			return 0
		}
		return b.copies(w) * int64(w.Bytes())
	case datasets.Collective:
		return collectiveBytes(w)
	case datasets.DecodeLayer:
		if refuseDecode(w.Type, w.HeadDim) == nil {
			b.layDecode(w, plan)
		}
	case datasets.Attention:
		if refuseDecode(w.Type, 2) == nil {
			b.layAttention(w, plan)
		}
	case datasets.MoELayer:
		if _, known := weightTypes[w.Type]; !known {
			return 0
		}
		if r, err := route(w); err == nil {
			b.layMoE(w, r, plan)
		}
	}
	return plan.bytes
}
