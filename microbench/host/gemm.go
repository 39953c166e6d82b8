package host

import (
	"bench/datasets"
	"bench/microbench"
)

func (b *Backend) prepareGEMM(w datasets.GEMM) (microbench.Case, error) {
	if w.Kernel == "peak" {
		return b.preparePeak(w)
	}
	return nil, skip("the host has no gemm kernels yet")
}
