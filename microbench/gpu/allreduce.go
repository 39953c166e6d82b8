package gpu

import (
	"bench/datasets"
	"bench/microbench"
)

func (b *Backend) prepareCollective(w datasets.Collective) (microbench.Case, error) {
	return nil, skip("%s/%s has no GPU kernel yet", w.Suite(), w.Op())
}
