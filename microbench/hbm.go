package microbench

import (
	"slices"

	"bench/datasets"
)

// The elementary passes measure a level of the memory hierarchy each; the
// composite ones show how loads and stores share it.
var (
	elementary = []string{"read", "write", "write_nt"}
	composite  = []string{"copy", "triad"}
	further    = []string{"scale", "copy_nt", "triad_nt"}
)

// assumedLLC stands in for a last-level cache whose size the machine hides.
const assumedLLC = 32 << 20

var hbmSuite = suite{
	name: datasets.SuiteHBM, share: 0.36,
	takes: []string{"dtype", "size", "ranks"},
	workloads: func(a *axes) ([]datasets.Workload, error) {
		if a.dev.Kind == "gpu" {
			return slices.Concat(a.peerPairs(), a.gpuStreams(), a.gpuRowwise()), nil
		}
		var out []datasets.Workload
		add := func(kernel string, t datasets.DType, size int64, ranks int) {
			s := datasets.Stream{Kernel: kernel, Type: t, SizeBytes: size, Ranks: ranks}
			// Whole cache lines of each array for each worker, so that the bytes
			// counted are the bytes moved.
			if r, w := s.Arrays(); r+w > 0 && kernel != "latency" {
				unit := int64(r+w) * 64 * int64(ranks)
				s.SizeBytes = max(size/unit*unit, unit)
			}
			out = append(out, s)
		}
		for _, ranks := range a.oneAndAll() {
			if len(a.SizesBytes) == 0 { // a launch has none
				out = append(out, datasets.Stream{Kernel: "launch", Ranks: ranks})
			}
		}
		sizes, fewer := a.hbmSizes()
		for _, size := range sizes {
			add("latency", datasets.I64, size, 1)
		}
		for _, t := range or(a.DTypes, datasets.FP64) {
			if t == datasets.I64 {
				continue
			}
			for _, ranks := range a.oneAndAll() {
				for _, size := range sizes {
					for _, k := range elementary {
						add(k, t, size, ranks)
					}
				}
				for _, size := range fewer {
					for _, k := range composite {
						add(k, t, size, ranks)
					}
				}
				last := fewer
				if a.Profile == Quick {
					last = fewer[max(0, len(fewer)-1):]
				}
				for _, size := range last {
					for _, k := range further {
						add(k, t, size, ranks)
					}
				}
			}
		}
		return out, nil
	},
}

// hbmSizes are the working sets: all of them for the elementary passes and
// load latency, fewer for the rest. They run from 16 KiB to four times the
// last-level cache, which is more than a guest of a shared cache can hold of
// it, whatever its share.
//
// Quick takes two sizes well inside each level (for one worker and for all,
// whose parts are smaller), standard every power of two, full also the sizes
// half way between.
func (a *axes) hbmSizes() (sizes, fewer []int64) {
	if len(a.SizesBytes) > 0 {
		return a.SizesBytes, a.SizesBytes
	}
	llc := int64(a.dev.LastLevel().SizeBytes.Value)
	if llc == 0 {
		llc = assumedLLC
	}
	const least = 16 << 10
	top := 4 * llc
	if a.Profile == Quick {
		l2 := int64(a.dev.Cache(2).SizeBytes.Value)
		sizes, fewer = []int64{least, 24 << 10}, []int64{least}
		if l2 > 0 && l2 < llc {
			sizes, fewer = append(sizes, l2/4, l2/2), append(fewer, l2/2)
		}
		// One as large as the last level shows how much of it this guest gets.
		sizes, fewer = append(sizes, llc/8, llc/4, llc, 3*llc, top), append(fewer, llc/4, top)
		slices.Sort(sizes)
		return slices.Compact(sizes), slices.Compact(fewer)
	}
	for s := int64(least); s < top; s *= 2 {
		sizes = append(sizes, s)
		if a.Profile == Full || s == least || s*2 >= top {
			sizes = append(sizes, s*3/2)
		}
	}
	for i, s := 0, int64(least); s < top; i, s = i+1, s*2 {
		if a.Profile == Full || i%2 == 0 {
			fewer = append(fewer, s)
		}
	}
	return append(sizes, top), append(fewer, top)
}
