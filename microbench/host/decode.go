package host

/*
#include "layer.h"
*/
import "C"

import (
	"math"
	"unsafe"

	"bench/datasets"
	"bench/microbench"
)

// refuseDecode says what the host's decode kernels cannot do.
func refuseDecode(t datasets.DType, headDim int64) error {
	if _, ok := weightTypes[t]; !ok {
		return skip("decode: the host has no kernels for %s, only fp32 and bf16", t)
	}
	if headDim%2 != 0 {
		return skip("decode: rotary embedding needs an even head size, and it is %d", headDim)
	}
	return nil
}

// attention places the cache and fills in what layer and attention have alike.
func (l *layout) attention(o *operands, a *C.attention, w datasets.Attention) {
	a._type = l.weight
	a.batch, a.context = C.long(w.Batch), C.long(w.ContextTokens)
	a.heads, a.kv_heads, a.head_dim = C.long(w.Heads), C.long(w.KVHeads), C.long(w.HeadDim)
	a.keys = l.matrix(w.Batch*w.KVHeads, w.ContextTokens, w.HeadDim, 1)
	a.values = l.matrix(w.Batch*w.KVHeads, w.HeadDim, w.ContextTokens, 1)
	a.out = array[C.float](o, w.Batch*w.Heads*w.HeadDim)
	a.scratch = (*C.char)(o.get(int64(w.Ranks) * int64(C.attention_scratch(a))))
}

// attentionMACs is the reference's work for one sequence.
func attentionMACs(w datasets.Attention) float64 { return w.FLOPs() / 2 / float64(w.Batch) }

// prepareAttention prepares softmax(Q·Kᵀ/√d)·V over a cache that holds every
// key and value.
func (b *Backend) prepareAttention(w datasets.Attention) (microbench.Case, error) {
	if w.QueryTokens != 1 {
		return nil, skip("prefill: the host has no kernel for %d new tokens a sequence, only for one", w.QueryTokens)
	}
	if err := refuseDecode(w.Type, 2); err != nil {
		return nil, err
	}
	if w.KVType != "" {
		if err := refuseDecode(w.KVType, 2); err != nil {
			return nil, err
		}
	}
	return b.prepareLayer(w, w.Ranks, func(c *layerCase) { b.layAttention(w, c) })
}

func (b *Backend) layAttention(w datasets.Attention, c *layerCase) {
	o := &c.operands
	a := argument[C.attention_arg](o)
	l := layout{weight: weightTypes[w.Type]}
	if w.KVType != "" {
		l.weight = weightTypes[w.KVType]
	}
	l.attention(o, &a.attention, w)
	row := w.Heads * w.HeadDim
	a.attention.query, a.attention.row = array[C.float](o, w.Batch*row), C.long(row)
	copies := b.blocks(w.Cache, w.KVBytes())
	a.copies, a.stride = C.long(copies), C.size_t(l.bytes)
	a.base = (*C.char)(o.get(copies * l.bytes))
	c.sample(w.Batch, attentionMACs(w))
	l.fill(c.team, o, unsafe.Pointer(a.base), copies)
	if o.dry || o.err != nil {
		return
	}
	C.fill_rows(a.attention.query, C.long(w.Batch), C.long(row), C.long(row), 7)
	a.ops, a.team = C.vector_ops_of(C.int(bestISA())), c.team.c
	c.check.attention, c.check.bound = a, C.double(bound(max(w.ContextTokens, w.HeadDim), C.WEIGHT_F32))
	c.kernel, c.arg, c.width, c.name = C.bench_kernel(C.attention_kernel), unsafe.Pointer(a), row, implementation(l.weight)
}

// prepareDecode prepares a decode step of a layer. Every sequence's new token
// is the last of its context: each step writes its key and value to the cache
// again, and reads the whole cache.
func (b *Backend) prepareDecode(w datasets.DecodeLayer) (microbench.Case, error) {
	if err := refuseDecode(w.Type, w.HeadDim); err != nil {
		return nil, err
	}
	if w.TP > 1 {
		return nil, skip("decode asks for %d-way tensor parallelism, and the host's workers share every matrix instead", w.TP)
	}
	if w.Launch != "" {
		return nil, skip("decode: the host has no launch mode %q", w.Launch)
	}
	return b.prepareLayer(w, w.Ranks, func(c *layerCase) { b.layDecode(w, c) })
}

func (b *Backend) layDecode(w datasets.DecodeLayer, c *layerCase) {
	o := &c.operands
	a := argument[C.layer_arg](o)
	l := layout{weight: weightTypes[w.Type]}
	row, q, kv := wholePanels(w.Hidden), w.Heads*w.HeadDim, w.KVHeads*w.HeadDim

	l.attention(o, &a.attention, w.Attention())
	a.qkv = l.matrix(1, q+2*kv, w.Hidden, 1/math.Sqrt(float64(w.Hidden)))
	a.output = l.matrix(1, w.Hidden, q, 1/math.Sqrt(float64(q)))
	topK := w.TopK
	if w.Experts == 1 {
		topK = 0
	}
	l.experts(o, &a.experts, expertShape{tokens: w.Batch, hidden: w.Hidden, inter: w.FFWidth, experts: w.Experts,
		placed: w.Experts, topK: topK, gated: w.Gated, groups: 1, ranks: int64(w.Ranks)})
	a.gain = [2]C.size_t{l.vector(w.Hidden), l.vector(w.Hidden)}

	for _, p := range []**C.float{&a.x, &a.norm, &a.middle, &a.out} {
		*p = array[C.float](o, w.Batch*row)
	}
	projected := wholePanels(q + 2*kv)
	a.projected = array[C.float](o, w.Batch*projected)
	cosine, sine := array[C.float](o, w.HeadDim/2), array[C.float](o, w.HeadDim/2)
	touched := (w.AttentionWeights()+float64(min(w.Experts, w.Batch*max(topK, 1)))*w.ExpertWeights())*w.Type.Size() + w.Attention().KVBytes()
	copies := b.blocks(w.Cache, touched)
	a.copies, a.stride = C.long(copies), C.size_t(l.bytes)
	a.base = (*C.char)(o.get(copies * l.bytes))
	c.sample(w.Batch, w.FLOPs()/2/float64(w.Batch))
	l.fill(c.team, o, unsafe.Pointer(a.base), copies)
	if o.dry || o.err != nil {
		return
	}
	at := &a.attention
	at.query, at.row = a.projected, C.long(projected)
	at.key = &unsafe.Slice(a.projected, q+2*kv)[q]
	at.value = &unsafe.Slice(a.projected, q+2*kv)[q+kv]
	at.cosine, at.sine = cosine, sine
	if topK == 0 {
		a.experts.gathered = a.norm
	}
	C.layer_fill_rest(a, cosine, sine)
	a.ops, a.team = C.vector_ops_of(C.int(bestISA())), c.team.c
	longest := max(w.Hidden, w.FFWidth, w.ContextTokens, q)
	c.check.layer, c.check.bound = a, C.double(bound(longest, l.weight))
	c.kernel, c.arg, c.width, c.name = C.bench_kernel(C.layer_kernel), unsafe.Pointer(a), w.Hidden, implementation(l.weight)
}

// prepareLayer adds up what lay asks for, refuses what does not fit, and then
// has it laid out.
func (b *Backend) prepareLayer(w datasets.Workload, ranks int, lay func(*layerCase)) (microbench.Case, error) {
	plan := &layerCase{operands: operands{dry: true}}
	lay(plan)
	if err := b.fits(w, plan.bytes); err != nil {
		return nil, err
	}
	t, err := b.team(ranks)
	if err != nil {
		return nil, err
	}
	c := &layerCase{team: t}
	if lay(c); c.err != nil {
		c.free()
		return nil, c.err
	}
	return c, nil
}
