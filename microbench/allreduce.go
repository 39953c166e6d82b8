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
			return nil, fmt.Errorf("an all-reduce needs at least 2 ranks, and %s has %d %s", a.dev.ID, a.all, a.workerName())
		}
		if a.dev.Kind == "gpu" {
			return a.gpuCollectives(ranks), nil
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

// workerName is what a rank runs on.
func (a *axes) workerName() string {
	if a.dev.Kind == "gpu" {
		return "GPUs"
	}
	return "cores"
}

// gpuCollectives are NCCL's. Quick shows an all-reduce of one type over all
// GPUs, replayed from a graph, and launched one by one where that matters;
// standard and full every collective that nccl-tests has, subsets of the GPUs,
// and all-reduces in place.
func (a *axes) gpuCollectives(ranks []int) []datasets.Workload {
	step := map[Profile]int64{Quick: 32, Standard: 8, Full: 2}[a.Profile]
	largest := map[Profile]int64{Quick: 1 << 30, Standard: 8 << 30, Full: 8 << 30}[a.Profile]
	var sizes []int64
	for s := int64(8); s < largest; s *= step {
		sizes = append(sizes, s)
	}
	sizes = append(sizes, largest)
	types := []datasets.DType{datasets.BF16}
	kinds := []string{"all_reduce"}
	if a.Profile != Quick {
		types = []datasets.DType{datasets.BF16, datasets.FP16, datasets.FP32}
		kinds = append(kinds, "all_gather", "reduce_scatter", "all_to_all", "send_recv", "broadcast")
	} else if len(a.Ranks) == 0 {
		ranks = ranks[len(ranks)-1:]
	}
	// Beyond this a launch is hidden behind the transfer.
	const launchMatters = 1 << 20
	nodes := max(a.Nodes, 1)
	var out []datasets.Workload
	for _, kind := range kinds {
		for i, t := range or(a.DTypes, types...) {
			if kind != "all_reduce" && i > 0 && len(a.DTypes) == 0 {
				continue // the other types move the same bytes
			}
			for _, r := range ranks {
				for _, s := range or(a.SizesBytes, sizes...) {
					unit := int64(t.Size())
					if kind == "all_gather" || kind == "reduce_scatter" || kind == "all_to_all" {
						unit *= int64(r)
					}
					w := datasets.Collective{Kind: kind, Type: t, SizeBytes: max(s/unit*unit, unit), Ranks: r, Nodes: nodes, Launch: "graph"}
					out = append(out, w)
					if s <= launchMatters {
						eager := w
						eager.Launch = "eager"
						out = append(out, eager)
					}
					if kind == "all_reduce" && a.Profile != Quick {
						w.InPlace = true
						out = append(out, w)
					}
				}
			}
		}
	}
	return out
}
