package host

import (
	"bench/datasets"
	"bench/microbench"
)

func (b *Backend) prepareDecode(datasets.DecodeLayer) (microbench.Case, error) {
	return nil, skip("the host has no decode kernels yet")
}

func (b *Backend) prepareAttention(datasets.Attention) (microbench.Case, error) {
	return nil, skip("the host has no decode kernels yet")
}
