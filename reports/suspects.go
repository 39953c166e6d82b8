package reports

import (
	"cmp"
	"fmt"
	"slices"

	"bench/datasets"
)

// SuspectRatio bounds what a neighbour allows (Suspects).
const SuspectRatio = 1.6

// Suspect is a row that contradicts its neighbour in a sweep.
type Suspect struct {
	Row *Joined
	// Why is one sentence.
	Why string
}

// Suspects lists rows whose time no law of the workload's size explains. In a
// sweep (rows equal but for one size: a product's m, a layer's tokens, a
// batch, a message) let a row of size s take t, and the next smaller one s₀
// take t₀. Work grows no faster than size, so that
//
//	t > 1.6 · (s/s₀) · t₀    makes the larger row suspect,
//	t₀ > 1.6 · t             makes the smaller row suspect.
//
// Suspects stay in all figures; the report shows the figures without them
// beside.
func Suspects(rows []*Joined) []Suspect {
	type point struct {
		row  *Joined
		size int64
	}
	series := map[string][]point{}
	for _, j := range rows {
		if !j.Row.Measurement.Usable() {
			continue
		}
		if key, size := Sweep(j.Row.Workload); size > 0 {
			m := &j.Row.Measurement
			id := string(m.Source) + "\x00" + m.Origin.Tool + "\x00" + m.Origin.File + "\x00" + m.Stack.String() + "\x00" + j.Row.DeviceID + "\x00" + key
			series[id] = append(series[id], point{j, size})
		}
	}
	why := map[*Joined]string{}
	for _, points := range series {
		slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.size, b.size) })
		for i := 1; i < len(points); i++ {
			small, large := points[i-1], points[i]
			if small.size == large.size {
				continue
			}
			ratio := large.row.Row.Measurement.TimeS / small.row.Row.Measurement.TimeS
			grown := float64(large.size) / float64(small.size)
			switch {
			case ratio > SuspectRatio*grown:
				why[large.row] = fmt.Sprintf("takes %s × the time of size %d at %s × its size", threeDigits(ratio), small.size, threeDigits(grown))
			case 1/ratio > SuspectRatio:
				why[small.row] = fmt.Sprintf("takes %s × the time of the larger size %d", threeDigits(1/ratio), large.size)
			}
		}
	}
	var out []Suspect
	for _, j := range rows {
		if w, ok := why[j]; ok {
			out = append(out, Suspect{j, w})
		}
	}
	return out
}

// Sweep names the series of a workload, and its place in it.
func Sweep(w datasets.Workload) (key string, size int64) {
	switch w := w.(type) {
	case datasets.GEMM:
		size, w.M = w.M, 0
		return w.Key(), size
	case datasets.Collective:
		size, w.SizeBytes = w.SizeBytes, 0
		return w.Key(), size
	case datasets.Attention:
		size, w.Batch = w.Batch, 0
		return w.Key(), size
	case datasets.DecodeLayer:
		size, w.Batch = w.Batch, 0
		return w.Key(), size
	case datasets.MoELayer:
		size, w.Tokens = w.Tokens, 0
		return w.Key(), size
	}
	return "", 0
}
