package host

/*
#include "layer.h"
*/
import "C"

import (
	"fmt"
	"math"
	"unsafe"

	"bench/datasets"
	"bench/microbench"
)

// expertShape is what a feed-forward is made of; topK is 0 where it is dense.
type expertShape struct {
	tokens, hidden, inter, experts, topK int64
	// placed is how many experts have their weights in memory.
	placed        int64
	gated         bool
	groups, ranks int64
}

// experts places the matrices and the scratch of a feed-forward.
func (l *layout) experts(o *operands, e *C.experts, s expertShape) {
	e._type, e.tokens, e.hidden, e.inter = l.weight, C.long(s.tokens), C.long(s.hidden), C.long(s.inter)
	e.experts, e.top_k, e.groups = C.long(s.experts), C.long(s.topK), C.int(s.groups)
	hidden, inter := 1/math.Sqrt(float64(s.hidden)), 1/math.Sqrt(float64(s.inter))
	if s.gated {
		e.gated = 1
		e.gate = l.matrix(s.placed, s.inter, s.hidden, hidden)
	}
	e.up = l.matrix(s.placed, s.inter, s.hidden, hidden)
	e.down = l.matrix(s.placed, s.hidden, s.inter, inter)
	rows := s.tokens
	if s.topK > 0 {
		e.router = l.matrix(1, s.experts, s.hidden, hidden)
		rows = s.tokens * s.topK
		e.logits = array[C.float](o, s.tokens*wholePanels(s.experts))
		for _, p := range []**C.int32_t{&e.chosen, &e.assign, &e.slot} {
			*p = array[C.int32_t](o, rows)
		}
		e.share = array[C.float](o, rows)
		table := s.ranks * lineUp(8*(s.experts+1)) / 8
		e.counts, e.starts = array[C.long](o, table), array[C.long](o, table)
		e.gathered = array[C.float](o, rows*wholePanels(s.hidden))
		e.results = array[C.float](o, rows*wholePanels(s.hidden))
	}
	e.ups = array[C.float](o, rows*wholePanels(s.inter))
	if s.gated {
		e.gates = array[C.float](o, rows*wholePanels(s.inter))
	}
}

// moeCase also knows how its tokens fell.
type moeCase struct {
	*layerCase
	active            int64
	maxLoad, meanLoad float64
}

var _ microbench.RoutedCase = moeCase{}

func (c moeCase) Loads() (active int64, maxLoad, meanLoad float64) {
	return c.active, c.maxLoad, c.meanLoad
}

// prepareMoE prepares a mixture-of-experts layer: router, dispatch, experts,
// combine. The router's products and its choice are made and timed, and then
// the workload's routing takes its place, weighted by the router's softmax. An
// expert that no token goes to is never read, so its weights are not even
// allocated.
func (b *Backend) prepareMoE(w datasets.MoELayer) (microbench.Case, error) {
	switch _, known := weightTypes[w.Type]; {
	case w.Kernel != "layer":
		return nil, skip("moe: the host times whole layers, not %s alone", w.Kernel)
	case !known:
		return nil, skip("moe: the host has no kernels for %s, only fp32 and bf16", w.Type)
	case w.TP > 1:
		return nil, skip("moe asks for %d-way tensor parallelism, and the host's workers share every matrix instead", w.TP)
	case w.Ranks%w.EP != 0:
		return nil, skip("moe: %d workers cannot be parted into %d equal groups of experts", w.Ranks, w.EP)
	case w.Format != "":
		return nil, skip("moe: the host has no kernel for weights in format %s", w.Format)
	}
	r, err := route(w)
	if err != nil {
		return nil, err
	}
	c, err := b.prepareLayer(w, w.Ranks, func(c *layerCase) { b.layMoE(w, r, c) })
	if err != nil {
		return nil, err
	}
	loads := r.loads
	if w.EP > 1 {
		loads = datasets.RankLoads(loads, w.EP)
	}
	out := moeCase{layerCase: c.(*layerCase), active: r.active}
	for _, n := range loads {
		out.maxLoad = max(out.maxLoad, float64(n))
		out.meanLoad += float64(n) / float64(len(loads))
	}
	return out, nil
}

// routed is an assignment of tokens, and the experts that it wakes.
type routed struct {
	assigned []int32
	// place numbers the experts that have any token, -1 for the others.
	place  []int32
	loads  []int64
	active int64
}

func route(w datasets.MoELayer) (*routed, error) {
	assigned, err := w.Routing.Assign(w.Tokens, w.Experts, w.TopK)
	if err != nil {
		return nil, fmt.Errorf("moe: %w", err)
	}
	r := &routed{assigned: assigned, place: make([]int32, w.Experts), loads: datasets.Loads(assigned, w.Experts)}
	for i, n := range r.loads {
		r.place[i] = -1
		if n > 0 {
			r.place[i] = int32(r.active)
			r.active++
		}
	}
	return r, nil
}

func (b *Backend) layMoE(w datasets.MoELayer, r *routed, c *layerCase) {
	o := &c.operands
	a := argument[C.moe_arg](o)
	l := layout{weight: weightTypes[w.Type]}
	l.experts(o, &a.experts, expertShape{tokens: w.Tokens, hidden: w.Hidden, inter: w.Intermediate, experts: w.Experts,
		placed: r.active, topK: w.TopK, gated: w.Gated, groups: int64(w.EP), ranks: int64(w.Ranks)})
	row := wholePanels(w.Hidden)
	a.x, a.out = array[C.float](o, w.Tokens*row), array[C.float](o, w.Tokens*row)
	imposed, places := array[C.int32_t](o, int64(len(r.assigned))), array[C.int32_t](o, w.Experts)
	copies := b.blocks(w.Cache, float64(l.bytes))
	a.copies, a.stride = C.long(copies), C.size_t(l.bytes)
	a.base = (*C.char)(o.get(copies * l.bytes))
	c.sample(w.Tokens, w.FLOPs()/2/float64(w.Tokens))
	l.fill(c.team, o, unsafe.Pointer(a.base), copies)
	if o.dry || o.err != nil {
		return
	}
	copy(unsafe.Slice((*int32)(imposed), len(r.assigned)), r.assigned)
	copy(unsafe.Slice((*int32)(places), len(r.place)), r.place)
	a.experts.imposed, a.experts.place = imposed, places
	C.fill_rows(a.x, C.long(w.Tokens), C.long(w.Hidden), C.long(row), 7)
	a.ops, a.team = C.vector_ops_of(C.int(bestISA())), c.team.c
	c.check.moe, c.check.bound = a, C.double(bound(max(w.Hidden, w.Intermediate), C.WEIGHT_F32))
	c.kernel, c.arg, c.width, c.name = C.bench_kernel(C.moe_kernel), unsafe.Pointer(a), w.Hidden, implementation(l.weight)
}
