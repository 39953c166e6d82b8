package gpu

import (
	"encoding/binary"
	"math"

	"bench/cuda"
	"bench/cuda/kernels/reference"
	"bench/datasets"
	"bench/microbench"
)

// normEpsilon is what RMS norm adds to the mean square, Llama's.
const normEpsilon = 1e-5

// prepareDecode prepares a decode step of a layer, on one GPU or on TP of them.
// As on the host, every sequence's new token is the last of its context: each
// step writes its key and value to the cache again, and reads the whole cache.
func (b *Backend) prepareDecode(w datasets.DecodeLayer) (microbench.Case, error) {
	switch {
	case w.Launch != "" && w.Launch != "eager" && w.Launch != "graph":
		return nil, skip("decode: a GPU has no launch mode %q, only eager and graph", w.Launch)
	case w.Ranks != w.TP:
		return nil, skip("decode: %d GPUs and %d-way tensor parallelism: a layer's GPUs all share its matrices; "+
			"one rank's share on one GPU is a workload of its own, with heads and feed-forward divided", w.Ranks, w.TP)
	case w.Hidden > maxRow(w.Type):
		return nil, skip("decode: the norm's kernel holds rows of up to %d elements, and the model's width is %d", maxRow(w.Type), w.Hidden)
	}
	share := w.FFWidth / int64(w.TP)
	if err := widths(datasets.SuiteDecode, "the model's width", w.Hidden, "a rank's feed-forward", share); err != nil {
		return nil, err
	}
	if err := refuseAttention(w.Attention(), b.gpus[0].device); err != nil {
		return nil, err
	}
	if w.TP > 1 {
		return b.decodeTeam(w)
	}
	l, err := b.newLayer(b.gpus[0], datasets.SuiteDecode, w.Type)
	if err != nil {
		return nil, err
	}
	l.decode(w)
	return l.newCase(w.Launch)
}

// decode adds the steps of a layer of which l's rank has w.
func (l *layer) decode(w datasets.DecodeLayer) {
	a := w.Attention()
	size, kv := w.Type.Size(), a.KVBytes()
	awake := float64(min(w.Experts, w.Batch*w.TopK))
	touched := (w.AttentionWeights()+awake*w.ExpertWeights())*size + kv
	l.rotate(w.Cache, int64(touched), int64((w.AttentionWeights()+float64(w.Experts)*w.ExpertWeights())*size+kv))

	queries := w.Heads * w.HeadDim
	x := l.input(w.Batch, w.Hidden)
	gains := [2]tensor{l.weight(1, w.Hidden, 1), l.weight(1, w.Hidden, 1)}
	qkv := l.part(queries+2*w.KVHeads*w.HeadDim, w.Hidden, 1/math.Sqrt(float64(w.Hidden)))
	keys, values := l.cache(a)
	output := l.part(w.Hidden, queries, 1/math.Sqrt(float64(queries)))

	norm := l.rmsNorm(x, gains[0])
	projected := l.product(norm, qkv)
	q := l.appendToCache(a, projected, keys, values)
	attended := l.attention(a, q, keys, values)
	middle, norm := l.addNorm(l.allReduce(l.product(attended, output)), x, gains[1])
	if w.Experts > 1 {
		l.uses("built-in grouped mma.sync products")
		l.experts(expertShape{tokens: w.Batch, hidden: w.Hidden, inter: w.FFWidth, experts: w.Experts, placed: w.Experts,
			topK: w.TopK, gated: w.Gated}, norm, middle)
		return
	}
	l.feedForward(w, norm, middle)
}

// feedForward is the dense one: up (with the gate's rows before it), the
// activation, down, and the residual.
func (l *layer) feedForward(w datasets.DecodeLayer, x, residual tensor) tensor {
	gates := int64(1)
	if w.Gated {
		gates = 2
	}
	up := l.part(gates*w.FFWidth, w.Hidden, 1/math.Sqrt(float64(w.Hidden)))
	down := l.part(w.Hidden, w.FFWidth, 1/math.Sqrt(float64(w.FFWidth)))
	wide := l.product(x, up)
	return l.add(l.allReduce(l.product(l.activate(wide, w.FFWidth, w.Gated), down)), residual)
}

// appendToCache turns the queries and the new keys by the last position's
// angles, and writes keys and values there.
func (l *layer) appendToCache(a datasets.Attention, projected, keys, values tensor) (q tensor) {
	q = l.buffer(l.t, a.Batch, a.Heads*a.HeadDim)
	angles := reference.Angles(a.ContextTokens-1, int(a.HeadDim/2))
	table := l.upload(angleTable(angles))
	l.kernel("rowwise", l.name("bench_rope_append"), cuda.Launch{Grid: [3]int{int(a.Heads + 2*a.KVHeads), int(a.Batch)}, Block: [3]int{32}},
		func(c int64) []any {
			return []any{q.p, keys.at(c), values.at(c), projected.p, table, int32(a.ContextTokens - 1), int32(a.ContextTokens),
				int32(a.Heads), int32(a.KVHeads), int32(a.HeadDim)}
		})
	l.checked(func(v *verification, c int64) error {
		d, bound := a.HeadDim, roundoff(l.t)+0x1p-20
		for _, s := range sample(a.Batch, sampledRows) {
			from, turned := v.row(projected, 0, s), v.row(q, 0, s)
			for _, h := range sample(a.Heads, sampledRows) {
				v.compare(turned[h*d:(h+1)*d], reference.Rotate(from[h*d:(h+1)*d], angles), 0, bound)
			}
			for _, h := range sample(a.KVHeads, sampledRows) {
				at, k := (s*a.KVHeads+h+1)*a.ContextTokens-1, (a.Heads+h)*d
				v.compare(v.row(keys, c, at), reference.Rotate(from[k:k+d], angles), 0, bound)
				v.compare(v.row(values, c, at), from[k+a.KVHeads*d:k+(a.KVHeads+1)*d], 0, 0)
			}
		}
		return v.err
	})
	return q
}

// angleTable is cosine and sine of each angle, fp32.
func angleTable(angles []float64) []byte {
	var raw []byte
	for _, a := range angles {
		for _, f := range []float64{math.Cos(a), math.Sin(a)} {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f)))
		}
	}
	return raw
}
