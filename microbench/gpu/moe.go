package gpu

import (
	"bench/datasets"
	"bench/microbench"
)

func (b *Backend) prepareMoE(w datasets.MoELayer) (microbench.Case, error) {
	return nil, skip("%s/%s has no GPU kernel yet", w.Suite(), w.Op())
}
