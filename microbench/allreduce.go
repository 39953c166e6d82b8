package microbench

import (
	"fmt"

	"bench/datasets"
)

var allReduceSuite = suite{
	name: datasets.SuiteAllReduce, share: 0.1,
	takes: []string{"dtype", "size", "ranks"},
	workloads: func(a *axes) ([]datasets.Workload, error) {
		var ranks []int
		for _, r := range or(a.Ranks, doubling(a.all)...) {
			if r >= 2 {
				ranks = append(ranks, r)
			}
		}
		if len(ranks) == 0 {
			if len(a.Suites) > 1 {
				return nil, nil // the other suites still have what to do
			}
			return nil, fmt.Errorf("an all-reduce needs at least 2 ranks, and %s has %d cores", a.dev.ID, a.all)
		}
		if a.Profile == Quick && len(a.Ranks) == 0 {
			ranks = append(ranks[:1:1], ranks[len(ranks)-1])
		}
		step := map[Profile]int64{Quick: 32, Standard: 8, Full: 2}[a.Profile]
		var sizes []int64
		for s := int64(8); s < 256<<20; s *= step {
			sizes = append(sizes, s)
		}
		if a.Profile == Quick {
			sizes = append(sizes, 64<<20)
		} else {
			sizes = append(sizes, 256<<20)
		}
		var out []datasets.Workload
		for _, t := range or(a.DTypes, datasets.FP32) {
			for _, r := range ranks {
				for _, s := range or(a.SizesBytes, sizes...) {
					for _, algorithm := range []string{"ring", "direct"} {
						out = append(out, datasets.Collective{Kind: "all_reduce", Type: t, SizeBytes: s, Ranks: r, Nodes: 1, Algorithm: algorithm})
					}
				}
			}
		}
		return out, nil
	},
}

// doubling is 2, 4, 8, … and n itself.
func doubling(n int) []int {
	var out []int
	for r := 2; r < n; r *= 2 {
		out = append(out, r)
	}
	return append(out, n)
}
