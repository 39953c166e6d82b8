package host

import (
	"bench/datasets"
	"bench/microbench"
)

func (b *Backend) prepareMoE(datasets.MoELayer) (microbench.Case, error) {
	return nil, skip("the host has no moe kernels yet")
}
