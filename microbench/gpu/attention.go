package gpu

import (
	"fmt"
	"math"

	"bench/cuda"
	"bench/cuda/kernels/reference"
	"bench/datasets"
	"bench/microbench"
)

// What cuda/kernels/attention.cu is made for.
const (
	attentionThreads = 128
	attentionTile    = 64 // positions of the context that a block takes at once
	attentionDims    = 256
)

// attentionPlan is how one attention is launched.
type attentionPlan struct {
	// dim is the head size that the kernel is compiled for, rowTiles how many
	// tiles of 16 query heads share each key, rowBlocks how many blocks a KV head's
	// group takes.
	dim, rowTiles, rowBlocks int64
	shared                   int
	splits                   int64
}

// planAttention chooses everything but the splits. Shared memory holds the
// queries and two stages of keys and values, in rows of dim + 8; where it does
// not go as far, a group is served by more blocks, which read its cache again.
func planAttention(w datasets.Attention, sharedLimit int) attentionPlan {
	p := attentionPlan{dim: 64, rowTiles: 1}
	for p.dim < w.HeadDim {
		p.dim *= 2
	}
	group := w.Heads / w.KVHeads
	for p.rowTiles < 4 && 16*p.rowTiles < group {
		p.rowTiles *= 2
	}
	size := func() int { return int((16*p.rowTiles + 4*attentionTile) * (p.dim + 8) * 2) }
	for p.rowTiles > 1 && size() > sharedLimit {
		p.rowTiles /= 2
	}
	p.rowBlocks, p.shared = ceilDiv(group, 16*p.rowTiles), size()
	return p
}

// attentionSplits is over how many blocks the context of each of `blocks`
// (sequence, KV head, row block) triples is spread, when `slots` blocks run at
// the same time: as many as end soonest, and of those the fewest. A block takes
// as long as its tiles, and about two tiles more to begin and to write its part.
func attentionSplits(blocks, slots, context int64) int64 {
	tiles := ceilDiv(context, attentionTile)
	best, least := int64(1), int64(math.MaxInt64)
	for s := int64(1); s <= tiles; s++ {
		if t := ceilDiv(blocks*s, slots) * (ceilDiv(tiles, s) + 2); t < least {
			best, least = s, t
		}
		if blocks*s >= 4*slots {
			break // more waves cannot help
		}
	}
	return best
}

// mostGridY is the most blocks in a grid's y and in its z (CUDA C++ Programming
// Guide, "Technical Specifications per Compute Capability").
const mostGridY = 65535

// refuseAttention says what the attention kernel is not made for, on this GPU.
func refuseAttention(w datasets.Attention, d *cuda.Device) error {
	if w.HeadDim%8 != 0 || w.HeadDim > attentionDims {
		return skip("decode: the GPU's attention kernel takes head sizes that are multiples of 8 up to %d, and it is %d", attentionDims, w.HeadDim)
	}
	if p := planAttention(w, d.SharedPerBlockOptin); p.shared > d.SharedPerBlockOptin {
		return skip("decode: the GPU's attention kernel needs %d bytes of shared memory a block for heads of %d, and %s has %d",
			p.shared, w.HeadDim, d.Name, d.SharedPerBlockOptin)
	} else if most := max(w.Batch, w.KVHeads*p.rowBlocks); most > mostGridY {
		return skip("decode: the GPU's attention kernel takes up to %d sequences, and heads with a cache of their own, and it is %d", mostGridY, most)
	}
	return nil
}

// cache places keys and values, [batch · kv_heads][context][head_dim] each.
func (l *layer) cache(w datasets.Attention) (keys, values tensor) {
	rows := w.Batch * w.KVHeads * w.ContextTokens
	return l.part(rows, w.HeadDim, 1), l.part(rows, w.HeadDim, 1)
}

// attention adds softmax(q·Kᵀ/√d)·V of a row of queries for each sequence.
func (l *layer) attention(w datasets.Attention, q, keys, values tensor) (out tensor) {
	row := w.Heads * w.HeadDim
	out = l.buffer(l.t, w.Batch, row)
	if l.err != nil {
		return out
	}
	g := l.g
	p := planAttention(w, g.device.SharedPerBlockOptin)
	name := l.name("bench_attention") + fmt.Sprintf("_d%d", p.dim)
	f, err := g.function("attention", name)
	if err == nil {
		err = f.SetSharedBytes(p.shared)
	}
	resident := 0
	if err == nil {
		resident, err = f.ActiveBlocks(attentionThreads, p.shared)
	}
	if err != nil {
		l.err = err
		return out
	}
	blocks := w.Batch * w.KVHeads * p.rowBlocks
	p.splits = attentionSplits(blocks, int64(g.device.SMs*max(resident, 1)), w.ContextTokens)
	partial, softmax := tensor{}, tensor{}
	if p.splits > 1 {
		partial = l.buffer(datasets.FP32, w.Batch*w.Heads*p.splits, w.HeadDim)
		softmax = l.buffer(datasets.FP32, w.Batch*w.Heads*p.splits, 2)
	}
	l.uses("built-in split-KV attention")
	scale := float32(math.Log2E / math.Sqrt(float64(w.HeadDim)))
	l.kernel("attention", name, cuda.Launch{Grid: [3]int{int(p.splits), int(w.KVHeads * p.rowBlocks), int(w.Batch)},
		Block: [3]int{attentionThreads}, SharedBytes: p.shared}, func(c int64) []any {
		return []any{out.p, partial.p, softmax.p, q.at(c), keys.at(c), values.at(c), q.cols, int32(w.ContextTokens), int32(w.ContextTokens),
			int32(w.Heads), int32(w.KVHeads), int32(w.HeadDim), int32(p.rowTiles), scale}
	})
	if p.splits > 1 {
		l.kernel("attention", l.name("bench_attention_combine"), cuda.Launch{Grid: [3]int{int(w.Heads), int(w.Batch)}, Block: [3]int{128}},
			fixed(out.p, partial.p, softmax.p, int32(p.splits), int32(w.HeadDim)))
	}
	l.checked(func(v *verification, c int64) error { return checkAttention(v, c, w, q, keys, values, out) })
	return out
}

// attentionHeads bounds the heads of a sequence that are checked: each costs the
// reference a pass over its context.
const attentionHeads = 2

// checkAttention compares whole heads of some sequences. The last position is
// taken from memory: a step before has written it, and its own check is that
// step's. The probabilities are rounded to the type before they weigh the
// values, and then the sum is rounded: two roundoffs, and one for the
// probabilities' own error.
func checkAttention(v *verification, c int64, w datasets.Attention, q, keys, values, out tensor) error {
	d := w.HeadDim
	for _, s := range sample(w.Batch, 2) {
		queries, have := v.row(q, c, s), v.row(out, 0, s)
		for _, h := range sample(w.Heads, attentionHeads) {
			at := (s*w.KVHeads + h/(w.Heads/w.KVHeads)) * w.ContextTokens
			of := func(x tensor) func(int) []float64 {
				last := v.row(x, c, at+w.ContextTokens-1)
				return func(t int) []float64 {
					if int64(t) == w.ContextTokens-1 {
						return last
					}
					return v.values(x, (at+int64(t))*d, d)
				}
			}
			want := reference.Attention(queries[h*d:(h+1)*d], int(w.ContextTokens), of(keys), of(values))
			v.compare(have[h*d:(h+1)*d], want, 0, 3*roundoff(out.t)+sumBound(max(w.ContextTokens, d)))
		}
	}
	return v.err
}

// prepareAttention prepares attention over a cache that holds every key and
// value.
func (b *Backend) prepareAttention(w datasets.Attention) (microbench.Case, error) {
	switch {
	case w.QueryTokens != 1:
		return nil, skip("prefill: the GPU has no kernel for %d new tokens a sequence, only for one", w.QueryTokens)
	case w.KVType != "" && w.KVType != w.Type:
		return nil, skip("decode: the GPU's attention kernel has queries and cache of one type, not %s and %s", w.Type, w.KVType)
	case w.Ranks > 1:
		return nil, skip("decode: attention alone is measured on one GPU; %d would each do a share without a word to the others", w.Ranks)
	}
	if err := refuseAttention(w, b.gpus[0].device); err != nil {
		return nil, err
	}
	l, err := b.newLayer(b.gpus[0], datasets.SuiteDecode, w.Type)
	if err != nil {
		return nil, err
	}
	touched := int64(w.KVBytes())
	l.rotate(w.Cache, touched, touched)
	q := l.input(w.Batch, w.Heads*w.HeadDim)
	keys, values := l.cache(w)
	l.attention(w, q, keys, values)
	return l.newCase("")
}
