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
	slot                    tensor
	starts                  tensor
}

// int32s is a buffer of n numbers.
func (l *layer) int32s(n int64) tensor { return l.buffer(datasets.FP32, 1, n) }

// experts adds router, dispatch, experts and combine on x, plus the residual
// where that has an address.
func (l *layer) experts(s expertShape, x, residual tensor) tensor {
	pairs := s.tokens * s.topK
	m := &mixture{expertShape: s}
	m.router = l.weight(s.experts, s.hidden, 1/math.Sqrt(float64(s.hidden)))
	matrices, activation := int64(1), groupedGELU
	if s.gated {
		matrices, activation = 2, groupedSiLUMul
	}
	up := l.part(s.placed*matrices*s.inter, s.hidden, 1/math.Sqrt(float64(s.hidden)))
	down := l.part(s.placed*s.hidden, s.inter, 1/math.Sqrt(float64(s.inter)))
	tile := tileFor(ceilDiv(pairs, min(s.experts, pairs)))
	rows := l.route(m, x, tile)
	inner := l.grouped(tile, rows, x, up, matrices*s.inter, pairs, activation)
	rows.order = 0 // they lie in the order of experts already
	rows.check = m.rowsToCheck(func(_ int32, slot int64) int64 { return slot })
	results := l.grouped(tile, rows, inner, down, s.hidden, pairs, groupedPlain)
	if l.ranks == 1 {
		return l.combine(m, results, residual)
	}
	// The residual counts once, after the sum over ranks.
	return l.add(l.allReduce(l.combine(m, results, tensor{})), residual)
}

// route adds the router's product, its choice, and the permutation of the pairs
// into the order of experts.
func (l *layer) route(m *mixture, x tensor, tile groupedTile) rowsOf {
	pairs := m.tokens * m.topK
	m.logits = l.buffer(datasets.FP32, m.tokens, m.experts)
	m.chosen, m.assigned, m.share, m.slot = l.int32s(pairs), l.int32s(pairs), l.int32s(pairs), l.int32s(pairs)
	m.starts = l.int32s(m.experts + 1)
	// An expert's last tile may be partly empty, and no more experts are awake
	// than pairs.
	most := ceilDiv(pairs, tile.rows) + min(m.experts, pairs)
	order, next, tileExpert, tileRow, tiles := l.int32s(pairs), l.int32s(m.experts), l.int32s(most), l.int32s(most), l.int32s(1)
	// The counts begin at zero, and every plan leaves them so: no activation.
	counts := l.ints(make([]int32, m.experts))
	var imposed, place cuda.Ptr
	if m.imposed != nil {
		imposed = l.ints(m.imposed)
	}
	if m.place != nil {
		place = l.ints(m.place)
	}
	l.kernel("routing", l.name("bench_moe_router"), cuda.Launch{Grid: [3]int{int(ceilDiv(m.experts, 8)), int(ceilDiv(m.tokens, 16))}, Block: [3]int{256}},
		func(c int64) []any {
			return []any{m.logits.p, x.at(c), m.router.at(c), int32(m.tokens), int32(m.experts), int32(m.hidden)}
		})
	l.kernel("routing", "bench_moe_choose", cuda.Launch{Grid: [3]int{int(ceilDiv(m.tokens, 4))}, Block: [3]int{128}},
		fixed(m.chosen.p, m.assigned.p, m.share.p, counts, m.logits.p, imposed, int32(m.tokens), int32(m.experts), int32(m.topK)))
	l.kernel("routing", "bench_moe_plan", cuda.Launch{Grid: [3]int{1}, Block: [3]int{256}},
		fixed(m.starts.p, next.p, tileExpert.p, tileRow.p, tiles.p, counts, int32(m.experts), int32(tile.rows)))
	l.kernel("routing", "bench_moe_scatter", cuda.Launch{Grid: [3]int{int(ceilDiv(pairs, 256))}, Block: [3]int{256}},
		fixed(m.slot.p, order.p, next.p, m.assigned.p, int32(pairs)))
	l.checked(func(v *verification, c int64) error { return m.checkRouting(v, c, x) })
	return rowsOf{starts: m.starts.p, tileExpert: tileExpert.p, tileRow: tileRow.p, tiles: tiles.p, order: order.p, place: place, most: most, topK: m.topK,
		check: m.rowsToCheck(func(pair int32, _ int64) int64 { return int64(pair) / m.topK })}
}

// rowsToCheck are the pairs of some tokens; from says which row of the product's
// operand a pair's is.
func (m *mixture) rowsToCheck(from func(pair int32, slot int64) int64) func(v *verification) ([]checkedRow, error) {
	return func(v *verification) (rows []checkedRow, err error) {
		assigned, slot := v.ints(m.assigned.p, m.assigned.cols), v.ints(m.slot.p, m.slot.cols)
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

// checkRouting compares some tokens' logits, and every token's choice, shares,
// and place in the order of experts. A choice is the reference's on the logits
// as they are in memory; ties go to the lower index on both sides.
func (m *mixture) checkRouting(v *verification, c int64, x tensor) error {
	assigned, slot, starts := v.ints(m.assigned.p, m.assigned.cols), v.ints(m.slot.p, m.slot.cols), v.ints(m.starts.p, m.experts+1)
	chosen, shares := v.ints(m.chosen.p, m.chosen.cols), v.row(m.share, 0, 0)
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
	if v.err != nil {
		return v.err
	}
	// Every slot belongs to the expert of its pair, and none is taken twice.
	taken := make([]bool, len(slot))
	for pair, s := range slot {
		e := assigned[pair]
		v.check.Checked++
		if e < 0 || int64(e) >= m.experts || s < starts[e] || s >= starts[e+1] || s < 0 || int(s) >= len(slot) || taken[s] {
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
