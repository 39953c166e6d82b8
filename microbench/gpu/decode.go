package gpu

import (
	"bench/datasets"
	"bench/microbench"
)

func (b *Backend) prepareDecode(w datasets.DecodeLayer) (microbench.Case, error) {
	return nil, skip("%s/%s has no GPU kernel yet", w.Suite(), w.Op())
}

func (b *Backend) prepareAttention(w datasets.Attention) (microbench.Case, error) {
	return nil, skip("%s/%s has no GPU kernel yet", w.Suite(), w.Op())
}
