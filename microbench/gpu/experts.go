package gpu

import (
	"math"

	"bench/cuda"
	"bench/cuda/kernels/reference"
	"bench/datasets"
)

// expertShape is what a mixture of experts is made of.
type expertShape struct {
	tokens, hidden, inter, experts int64
	// placed is how many experts have their weights in memory.
	placed, topK int64
	gated        bool
	// imposed is a choice that takes the router's place, topK a token, and place
	// where an expert's weights are; nil for the router's own, and for all in order.
	imposed, place []int32
}

// mixture is what the routing steps leave for the others.
type mixture struct {
	expertShape
	router, logits          tensor
	chosen, assigned, share tensor
	slot, order             tensor
	starts                  tensor
}

// int32s is a buffer of n numbers.
func (l *layer) int32s(n int64) tensor { return l.buffer(datasets.FP32, 1, n) }

// experts adds router, dispatch, experts and combine on x, plus the residual
// where that has an address.
func (l *layer) experts(s expertShape, x, residual tensor) tensor {
	m := &mixture{expertShape: s}
	counts := l.route(m, x)
	results := l.feed(m, x, counts)
	if l.ranks == 1 {
		return l.combine(m, results, residual)
	}
	y := l.allReduce(l.combine(m, results, tensor{}))
	if residual.p == 0 {
		return y
	}
	// The residual counts once, after the sum over ranks.
	return l.add(y, residual)
}

// matrices are the experts' weights, and the activation between them.
type matrices struct {
	up, down   tensor
	wide       int64
	activation int
}

func (l *layer) matrices(s expertShape) matrices {
	m := matrices{wide: s.inter, activation: groupedGELU}
	if s.gated {
		m.wide, m.activation = 2*s.inter, groupedSiLUMul
	}
	m.up = l.part(s.placed*m.wide, s.hidden, 1/math.Sqrt(float64(s.hidden)))
	m.down = l.part(s.placed*s.hidden, s.inter, 1/math.Sqrt(float64(s.inter)))
	return m
}

// feed adds what the experts make of x's rows, a row for each pair in the order
// of experts. counts has each expert's number of pairs.
func (l *layer) feed(m *mixture, x tensor, counts cuda.Ptr) tensor {
	pairs := m.tokens * m.topK
	tile := tileFor(ceilDiv(pairs, min(m.experts, pairs)))
	w := l.matrices(m.expertShape)
	rows := l.permute(m, counts, tile)
	inner := l.grouped(tile, rows, x, w.up, w.wide, pairs, w.activation)
	rows.order = 0 // they lie in the order of experts already
	rows.check = m.rowsToCheck(func(_ int32, slot int64) int64 { return slot })
	return l.grouped(tile, rows, inner, w.down, m.hidden, pairs, groupedPlain)
}

// route adds the router's product and its choice, and returns where the choice
// has counted each expert's pairs.
func (l *layer) route(m *mixture, x tensor) (counts cuda.Ptr) {
	pairs := m.tokens * m.topK
	m.router = l.weight(m.experts, m.hidden, 1/math.Sqrt(float64(m.hidden)))
	m.logits = l.buffer(datasets.FP32, m.tokens, m.experts)
	m.chosen, m.assigned, m.share = l.int32s(pairs), l.int32s(pairs), l.int32s(pairs)
	counts = l.counts(m.experts)
	var imposed cuda.Ptr
	if m.imposed != nil {
		imposed = l.ints(m.imposed)
	}
	l.kernel("routing", l.name("bench_moe_router"), cuda.Launch{Grid: [3]int{int(ceilDiv(m.experts, 8)), int(ceilDiv(m.tokens, 16))}, Block: [3]int{256}},
		func(c int64) []any {
			return []any{m.logits.p, x.at(c), m.router.at(c), int32(m.tokens), int32(m.experts), int32(m.hidden)}
		})
	l.kernel("routing", "bench_moe_choose", cuda.Launch{Grid: [3]int{int(ceilDiv(m.tokens, 4))}, Block: [3]int{128}},
		fixed(m.chosen.p, m.assigned.p, m.share.p, counts, m.logits.p, imposed, int32(m.tokens), int32(m.experts), int32(m.topK)))
	l.checked(func(v *verification, c int64) error { return m.checkChoice(v, c, x) })
	return counts
}

// counts begin at zero, and every plan leaves them so: no activation.
func (l *layer) counts(experts int64) cuda.Ptr { return l.ints(make([]int32, experts)) }

// permute adds the permutation of the pairs into the order of experts.
func (l *layer) permute(m *mixture, counts cuda.Ptr, tile groupedTile) rowsOf {
	pairs := m.tokens * m.topK
	m.slot, m.order, m.starts = l.int32s(pairs), l.int32s(pairs), l.int32s(m.experts+1)
	// An expert's last tile may be partly empty, and no more experts are awake
	// than pairs.
	most := ceilDiv(pairs, tile.rows) + min(m.experts, pairs)
	next, tileExpert, tileRow, tiles := l.int32s(m.experts), l.int32s(most), l.int32s(most), l.int32s(1)
	var place cuda.Ptr
	if m.place != nil {
		place = l.ints(m.place)
	}
	l.kernel("routing", "bench_moe_plan", cuda.Launch{Grid: [3]int{1}, Block: [3]int{256}},
		fixed(m.starts.p, next.p, tileExpert.p, tileRow.p, tiles.p, counts, int32(m.experts), int32(tile.rows)))
	l.kernel("routing", "bench_moe_scatter", cuda.Launch{Grid: [3]int{int(ceilDiv(pairs, 256))}, Block: [3]int{256}},
		fixed(m.slot.p, m.order.p, next.p, m.assigned.p, int32(pairs)))
	l.checked(func(v *verification, _ int64) error { return m.checkOrder(v, counts) })
	return rowsOf{starts: m.starts.p, tileExpert: tileExpert.p, tileRow: tileRow.p, tiles: tiles.p, order: m.order.p, place: place, most: most, topK: m.topK,
		check: m.rowsToCheck(func(pair int32, _ int64) int64 { return int64(pair) / m.topK })}
}

// rowsToCheck are the pairs of some tokens; from says which row of the product's
// operand a pair's is.
func (m *mixture) rowsToCheck(from func(pair int32, slot int64) int64) func(v *verification) ([]checkedRow, error) {
	return func(v *verification) (rows []checkedRow, err error) {
		assigned, slot := v.ints(m.assigned.p, m.slot.cols), v.ints(m.slot.p, m.slot.cols)
		for _, pair := range sample(int64(len(slot)), 2*sampledRows) {
			place := int64(assigned[pair])
			if m.place != nil && place >= 0 && place < m.experts {
				place = int64(m.place[place])
			}
			at := int64(slot[pair])
			if at < 0 || at >= int64(len(slot)) || place < 0 || place >= m.placed {
				return nil, v.err // the routing's own check has counted it
			}
			rows = append(rows, checkedRow{at, from(int32(pair), at), place})
		}
		return rows, v.err
	}
}

// checkChoice compares some tokens' logits, choice and shares. A choice is the
// reference's on the logits as they are in memory; ties go to the lower index on
// both sides.
func (m *mixture) checkChoice(v *verification, c int64, x tensor) error {
	assigned, chosen, shares := v.ints(m.assigned.p, m.assigned.cols), v.ints(m.chosen.p, m.chosen.cols), v.row(m.share, 0, 0)
	for _, t := range sample(m.tokens, sampledRows) {
		have, from := v.row(m.logits, 0, t), v.row(x, c, t)
		columns := sample(m.experts, sampledColumns)
		want := make([]float64, len(columns))
		for i, e := range columns {
			want[i] = reference.Dot(from, v.values(m.router, e*m.hidden, m.hidden))
		}
		v.compare(pick(have, columns), want, 1, sumBound(m.hidden))
		mine := reference.TopK(have, int(m.topK))
		v.same(chosen[t*m.topK:(t+1)*m.topK], mine)
		if m.imposed != nil {
			mine = m.imposed[t*m.topK : (t+1)*m.topK]
		}
		v.same(assigned[t*m.topK:(t+1)*m.topK], mine)
		v.compare(shares[t*m.topK:(t+1)*m.topK], reference.Shares(have, mine), 0, 1e-5)
	}
	return v.err
}

// checkOrder counts pairs whose slot is not their expert's, or is taken already,
// or does not lead back to them; and counts that the plan has not set back to zero,
// with which the next iteration would begin.
func (m *mixture) checkOrder(v *verification, counts cuda.Ptr) error {
	v.same(v.ints(counts, m.experts), make([]int32, m.experts))
	assigned, slot, order := v.ints(m.assigned.p, m.slot.cols), v.ints(m.slot.p, m.slot.cols), v.ints(m.order.p, m.slot.cols)
	starts := v.ints(m.starts.p, m.experts+1)
	if v.err != nil {
		return v.err
	}
	taken := make([]bool, len(slot))
	for pair, s := range slot {
		e := assigned[pair]
		v.check.Checked++
		if e < 0 || int64(e) >= m.experts || s < starts[e] || s >= starts[e+1] || s < 0 || int(s) >= len(slot) || taken[s] || order[s] != int32(pair) {
			v.check.Wrong++
			continue
		}
		taken[s] = true
	}
	return nil
}

// combine adds y = residual + Σ share · results.
func (l *layer) combine(m *mixture, results, residual tensor) tensor {
	y := l.buffer(l.t, m.tokens, m.hidden)
	l.kernel("routing", l.name("bench_moe_combine"), threadPerVector(m.tokens, m.hidden, vectorWidth(l.t)),
		fixed(y.p, results.p, m.share.p, m.slot.p, residual.p, int32(m.hidden), int32(m.topK)))
	l.checked(func(v *verification, c int64) error {
		slot, shares := v.ints(m.slot.p, m.slot.cols), v.row(m.share, 0, 0)
		for _, t := range sample(m.tokens, sampledRows) {
			want := make([]float64, m.hidden)
			if residual.p != 0 {
				want = v.row(residual, 0, t)
			}
			for j := t * m.topK; j < (t+1)*m.topK; j++ {
				if slot[j] < 0 || int(slot[j]) >= len(slot) {
					return v.err // counted by the routing's check
				}
				for i, r := range v.row(results, 0, int64(slot[j])) {
					want[i] += shares[j] * r
				}
			}
			// topK additions in fp32.
			v.compare(v.row(y, 0, t), want, 0, roundoff(l.t)+float64(m.topK+2)*0x1p-23)
		}
		return v.err
	})
	return y
}
