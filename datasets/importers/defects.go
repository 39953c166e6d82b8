package importers

import (
	"fmt"
	"slices"

	"bench/datasets"
)

// defectiveShare is the share of a table's decode rows of one kind of heads that
// may beat the memory's peak before all of that kind are left out: single
// outliers are flagged, a collector's mistake shows in every row that is long
// enough to tell.
const defectiveShare = 0.04

// leaveOutDefective refuses the decode attention of a table whose rows cannot
// have read the keys and values that they claim. It judges heads that have a KV
// head of their own and those that share one apart, because a collector lays out
// one cache for each: aiconfigurator's for TensorRT-LLM 1.0.0 let the K and V of
// shared heads alias (mended in its commit dec5f4cd2), so that half was read.
func (b *batch) leaveOutDefective() {
	type class struct {
		device  string
		dtype   datasets.DType
		kv      datasets.DType
		grouped bool
	}
	of := func(r *datasets.Row) (class, bool) {
		a, ok := r.Workload.(datasets.Attention)
		return class{r.DeviceID, a.Type, a.KV(), a.KVHeads < a.Heads}, ok && a.QueryTokens == 1 && a.ValueDim == 0
	}
	rows, beaten := map[class]int{}, map[class]int{}
	for i := range b.rows {
		if c, ok := of(&b.rows[i]); ok {
			rows[c]++
			if slices.Contains(b.rows[i].Measurement.Flags, datasets.FlagImplausible) {
				beaten[c]++
			}
		}
	}
	b.rows = slices.DeleteFunc(b.rows, func(r datasets.Row) bool {
		c, ok := of(&r)
		if !ok || float64(beaten[c]) <= defectiveShare*float64(rows[c]) {
			return false
		}
		heads := "heads with a KV head of their own"
		if c.grouped {
			heads = "heads that share a KV head"
		}
		why := fmt.Sprintf("decode attention of %s: %d of the table's %d such rows beat the memory's peak, so that none can have read all keys and values",
			heads, beaten[c], rows[c])
		b.refuse(r.Measurement.Origin.Record, why, why)
		return true
	})
}
