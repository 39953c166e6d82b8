package gpu

import (
	"fmt"

	"bench/datasets"
	"bench/microbench"
)

// prepareMoE prepares a mixture-of-experts layer: router, dispatch, experts,
// combine. On TP GPUs each has a slice of every expert; on EP times as many, groups
// of TP share out the experts, and the tokens start evenly on the groups. The
// router's product and its choice are made and timed, and then the workload's
// routing takes its place, weighted by the router's softmax. An expert that no token
// goes to is never read, so its weights are not even allocated.
func (b *Backend) prepareMoE(w datasets.MoELayer) (microbench.Case, error) {
	switch {
	case w.Kernel != "layer":
		return nil, skip("moe: the GPU times whole layers, not %s alone", w.Kernel)
	case w.Ranks != w.EP*w.TP:
		return nil, skip("moe: %d GPUs, %d-way expert and %d-way tensor parallelism: each GPU has a part of its own, so there must be %d",
			w.Ranks, w.EP, w.TP, w.EP*w.TP)
	case w.Intermediate%int64(w.TP) != 0:
		return nil, skip("moe: experts of width %d cannot be split over %d GPUs", w.Intermediate, w.TP)
	case w.Format != "":
		return nil, skip("moe: the GPU has no kernel for weights in format %s", w.Format)
	}
	s := expertShape{tokens: w.Tokens, hidden: w.Hidden, inter: w.Intermediate / int64(w.TP), experts: w.Experts, topK: w.TopK, gated: w.Gated}
	if err := widths(datasets.SuiteMoE, "the model's width", s.hidden, "a GPU's part of an expert", s.inter); err != nil {
		return nil, err
	}
	var err error
	if s.imposed, err = w.Routing.Assign(w.Tokens, w.Experts, w.TopK); err != nil {
		return nil, fmt.Errorf("moe: %w", err)
	}
	groups := spread{groups: w.EP, tokens: w.Tokens, experts: w.Experts, topK: w.TopK, assigned: s.imposed}
	build := func(l *layer) {
		// The copies are as many as the group that wakes the fewest experts needs,
		// and as fit the one that wakes the most.
		least, most := int64(0), int64(0)
		for g := range w.EP {
			if _, awake := groups.place(g); awake > 0 {
				if least == 0 {
					least = awake
				}
				least, most = min(least, awake), max(most, awake)
			}
		}
		router := int64(float64(w.Experts*w.Hidden) * w.Type.Size())
		l.rotate(w.Cache, int64(float64(least)*w.ExpertBytes()), int64(float64(most)*w.ExpertBytes())+router)
		l.uses("built-in grouped mma.sync products")
		if w.EP > 1 {
			l.spreadExperts(s, groups)
			return
		}
		s := s
		s.place, s.placed = groups.place(0)
		l.experts(s, l.input(w.Tokens, w.Hidden), tensor{})
	}
	loads := func() (active int64, maxLoad, meanLoad float64) { return loadsOf(w, s.imposed) }
	if w.Ranks > 1 {
		t, err := b.newTeam(datasets.SuiteMoE, w.Type, "", w.EP, w.TP, build)
		if err != nil {
			return nil, err
		}
		return routedCase{t, loads}, nil
	}
	l, err := b.newLayer(b.gpus[0], datasets.SuiteMoE, w.Type)
	if err != nil {
		return nil, err
	}
	build(l)
	if err := l.done(); err != nil {
		return nil, err
	}
	return routedCase{b.newCase(l.work("")), loads}, nil
}

// loadsOf is RoutedCase's Loads: of the experts, or of the groups that share them
// out.
func loadsOf(w datasets.MoELayer, assigned []int32) (active int64, maxLoad, meanLoad float64) {
	loads := datasets.Loads(assigned, w.Experts)
	active = datasets.SummarizeLoads(loads).Active
	if w.EP > 1 {
		loads = datasets.RankLoads(loads, w.EP)
	}
	s := datasets.SummarizeLoads(loads)
	return active, float64(s.Max), s.Mean
}
