package microbench

import (
	"bench/datasets"
	"bench/datasets/catalog"
)

// hostModels are the catalogue's layers that are scaled to a host's memory:
// multi-head, grouped-query and multi-query attention.
var hostModels = []string{"host-mha", "host-gqa", "host-mqa"}

var decodeSuite = suite{
	name: datasets.SuiteDecode, share: 0.14,
	takes: []string{"dtype", "batch", "context", "model", "ranks"},
	workloads: func(a *axes) ([]datasets.Workload, error) {
		if a.dev.Kind == "gpu" {
			return a.gpuDecode()
		}
		models := a.Models
		if len(models) == 0 {
			for _, id := range hostModels {
				m, err := catalog.Model(id)
				if err != nil {
					return nil, err
				}
				models = append(models, m)
			}
		}
		type point struct{ batch, context int64 }
		points := map[Profile][]point{
			Quick: {{1, 512}, {16, 512}, {4, 2048}},
			Standard: {{1, 128}, {1, 1024}, {1, 2048}, {4, 128}, {4, 1024}, {4, 2048}, {16, 128}, {16, 1024},
				{64, 128}, {64, 512}, {256, 128}},
		}[a.Profile]
		if a.Profile == Full || len(a.Batches)+len(a.Contexts) > 0 {
			points = nil
			batches, contexts := []int64{1, 16}, []int64{512}
			if a.Profile == Full {
				batches, contexts = []int64{1, 4, 16, 64, 256}, []int64{128, 512, 2048, 4096}
			}
			for _, b := range or(a.Batches, batches...) {
				for _, c := range or(a.Contexts, contexts...) {
					points = append(points, point{b, c})
				}
			}
		}
		var out []datasets.Workload
		for _, t := range or(a.DTypes, datasets.FP32) {
			for _, m := range models {
				for i, p := range points {
					// A context that the model was never trained on is measured
					// only where it is asked for.
					if p.context > m.Context && len(a.Contexts) == 0 {
						continue
					}
					ranks := or(a.Ranks, a.all)
					if len(a.Ranks) == 0 && i == 0 {
						ranks = a.oneAndAll()
					}
					for _, r := range ranks {
						out = append(out, m.DecodeLayer(t, p.batch, p.context, 1, r))
					}
				}
			}
		}
		return out, nil
	},
}
