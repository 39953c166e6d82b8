package gpu

import (
	"fmt"

	"bench/datasets"
	"bench/microbench"
)

// prepareMoE prepares a mixture-of-experts layer on one GPU: router, dispatch,
// experts, combine. The router's product and its choice are made and timed, and
// then the workload's routing takes its place, weighted by the router's softmax.
// An expert that no token goes to is never read, so its weights are not even
// allocated.
func (b *Backend) prepareMoE(w datasets.MoELayer) (microbench.Case, error) {
	switch {
	case w.Kernel != "layer":
		return nil, skip("moe: the GPU times whole layers, not %s alone", w.Kernel)
	case w.TP > 1 || w.EP > 1 || w.Ranks > 1:
		return nil, skip("moe: layers over several GPUs (TP %d, EP %d, %d ranks) are not measured yet: dispatch and combine between GPUs are missing", w.TP, w.EP, w.Ranks)
	case w.Format != "":
		return nil, skip("moe: the GPU has no kernel for weights in format %s", w.Format)
	}
	if err := widths(datasets.SuiteMoE, "the model's width", w.Hidden, "the experts'", w.Intermediate); err != nil {
		return nil, err
	}
	assigned, err := w.Routing.Assign(w.Tokens, w.Experts, w.TopK)
	if err != nil {
		return nil, fmt.Errorf("moe: %w", err)
	}
	l, err := b.newLayer(b.gpus[0], datasets.SuiteMoE, w.Type)
	if err != nil {
		return nil, err
	}
	s := expertShape{tokens: w.Tokens, hidden: w.Hidden, inter: w.Intermediate, experts: w.Experts, topK: w.TopK, gated: w.Gated,
		imposed: assigned, place: make([]int32, w.Experts)}
	loads := datasets.Loads(assigned, w.Experts)
	maxLoad := int64(0)
	for e, n := range loads {
		maxLoad = max(maxLoad, n)
		s.place[e] = -1
		if n > 0 {
			s.place[e] = int32(s.placed)
			s.placed++
		}
	}
	touched := int64(float64(s.placed)*w.ExpertBytes() + float64(w.Experts*w.Hidden)*w.Type.Size())
	l.rotate(w.Cache, touched, touched)
	l.experts(s, l.input(w.Tokens, w.Hidden), tensor{})
	if err := l.done(); err != nil {
		return nil, err
	}
	l.uses("built-in grouped mma.sync products")
	work := l.work("")
	work.loads = func() (int64, float64, float64) {
		return s.placed, float64(maxLoad), float64(w.Tokens*w.TopK) / float64(w.Experts)
	}
	return b.newCase(work), nil
}
