package microbench

import (
	"fmt"
	"slices"

	"bench/datasets"
)

// The axes of collectives. NCCL's quick profile is an all-reduce of one type,
// replayed from a graph, and launched one by one where that matters; standard and
// full have every collective that nccl-tests has, and all-reduces in place.
var (
	allReduce    = []string{"all_reduce"}
	ncclKinds    = []string{"all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv", "broadcast"}
	ncclTypes    = []datasets.DType{datasets.BF16, datasets.FP16, datasets.FP32}
	hostBuffers  = values[int64]{append(multiples(8, 256<<20, 32), 64<<20), append(multiples(8, 256<<20, 8), 256<<20), append(multiples(8, 256<<20, 2), 256<<20)}
	ncclBuffers  = values[int64]{append(multiples(8, 1<<30, 32), 1<<30), append(multiples(8, 8<<30, 8), 8<<30), append(multiples(8, 8<<30, 2), 8<<30)}
	outOfPlace   = []bool{false}
	eitherPlaces = []bool{false, true}
)

// launchMatters is the buffer beyond which a launch is hidden behind the transfer.
const launchMatters = 1 << 20

var allReduceSuite = suite{
	name: datasets.SuiteAllReduce, share: 0.1,
	takes: []string{"dtype", "size", "ranks"},
	workloads: func(a *axes) ([]datasets.Workload, error) {
		ranks := slices.DeleteFunc(slices.Clone(or(a.Ranks, doubling(a.all)...)), func(r int) bool { return r < 2 })
		if len(ranks) == 0 {
			if len(a.Suites) > 1 {
				return nil, nil // the other suites still have what to do
			}
			return nil, fmt.Errorf("an all-reduce needs at least 2 ranks, and %s has %d %s", a.dev.ID, a.all, a.workerName())
		}
		gpu, algorithms, launches := a.dev.Kind == "gpu", []string{"ring", "direct"}, []string{""}
		nodes := 1
		if gpu {
			algorithms, launches, nodes = launches, []string{"graph", "eager"}, max(a.Nodes, 1)
		}
		if a.Profile == Quick && len(a.Ranks) == 0 {
			few := ranks[len(ranks)-1:]
			if !gpu {
				few = append(ranks[:1:1], few...)
			}
			ranks = few
		}
		fp32 := []datasets.DType{datasets.FP32}
		types := pick(a, a.DTypes, values[datasets.DType]{fp32, fp32, fp32}, values[datasets.DType]{ncclTypes[:1], ncclTypes, ncclTypes})
		cases := datasets.Cross(datasets.Collective{Nodes: nodes},
			datasets.Axis("op", pick(a, nil, values[string]{allReduce, allReduce, allReduce}, values[string]{allReduce, ncclKinds, ncclKinds})...),
			datasets.Axis("dtype", types...), datasets.Axis("ranks", ranks...),
			datasets.Axis("size_bytes", pick(a, a.SizesBytes, hostBuffers, ncclBuffers)...), datasets.Axis("algorithm", algorithms...),
			datasets.Axis("in_place", pick(a, nil, values[bool]{outOfPlace, outOfPlace, outOfPlace}, values[bool]{outOfPlace, eitherPlaces, eitherPlaces})...),
			datasets.Axis("launch", launches...))
		cases = slices.DeleteFunc(cases, func(c datasets.Collective) bool {
			return c.InPlace && c.Kind != "all_reduce" || c.Launch == "eager" && (c.InPlace || c.SizeBytes > launchMatters) ||
				c.Kind != "all_reduce" && c.Type != types[0] && len(a.DTypes) == 0 // the other types move the same bytes
		})
		for i, c := range cases {
			if unit := int64(c.Type.Size()); gpu {
				if c.Kind == "all_gather" || c.Kind == "reduce_scatter" || c.Kind == "all_to_all" {
					unit *= int64(c.Ranks)
				}
				cases[i].SizeBytes = max(c.SizeBytes/unit*unit, unit)
			}
		}
		return appendAll(nil, cases), nil
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
