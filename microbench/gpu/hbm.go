package gpu

import (
	"bench/datasets"
	"bench/microbench"
)

func (b *Backend) prepareStream(w datasets.Stream) (microbench.Case, error) {
	if isRowwise(w.Kernel) {
		return b.prepareRowwise(w)
	}
	return nil, skip("%s/%s has no GPU kernel yet", w.Suite(), w.Op())
}
