package microbench

import (
	"strconv"

	"bench/datasets"
)

// Sizes of a peer copy's two buffers together: one that a launch and the link's
// latency make up, and one that only its bandwidth does.
const (
	peerLatencyBytes   = 2 * 8
	peerBandwidthBytes = 2 * 256 << 20
)

// peerPairs is the matrix of copies between GPUs, one way each. Quick takes each
// GPU to the next, which uses every GPU's links in both directions once.
func (a *axes) peerPairs() []datasets.Workload {
	if a.dev.Kind != "gpu" || a.all < 2 || len(a.DTypes) > 0 {
		return nil
	}
	var out []datasets.Workload
	for from := range a.all {
		for to := range a.all {
			if from == to || a.Profile == Quick && to != (from+1)%a.all {
				continue
			}
			for _, size := range or(a.SizesBytes, peerLatencyBytes, peerBandwidthBytes) {
				out = append(out, datasets.Stream{Kernel: "peer", Type: datasets.INT8, SizeBytes: max(size/2*2, 2), Ranks: 2,
					Pair: strconv.Itoa(from) + "-" + strconv.Itoa(to)})
			}
		}
	}
	return out
}
