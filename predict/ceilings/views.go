package ceilings

import (
	"cmp"
	"math"
	"slices"
)

// views prepares what the ceilings of so many workers say to each of them.
type views struct {
	m     *Model
	ranks int
	// latency is, by point of the latency probe, the last-level cache that the
	// others hold.
	latency []float64
	tables  map[tableID]*costTable
}

type tableID struct {
	op        string
	lastBytes float64
}

func (m *Model) views(ranks int) *views {
	v := &views{m: m, ranks: ranks, tables: map[tableID]*costTable{}, latency: m.latencyCapacities(ranks)}
	for op, last := range m.lastCapacities(ranks) {
		m.lastBytes[streamID{op, ranks}] = last
	}
	m.lastBytes[streamID{"latency", ranks}] = v.latency[len(v.latency)-1]
	return v
}

// of is the view that leaves out the operation's point number i, or none where
// it is −1.
func (v *views) of(op string, i int) view {
	last := v.m.lastBytes[streamID{op, v.ranks}]
	if last == 0 {
		last = v.m.lastBytes[streamID{"", v.ranks}]
	}
	if op == "latency" && i >= 0 {
		last = v.latency[i]
	}
	costs := func(of string) [maxLevels]float64 {
		id := tableID{of, last}
		t := v.tables[id]
		if t == nil {
			t = v.m.costs(streamID{of, v.ranks}, last)
			v.tables[id] = t
		}
		if of != op {
			return t.without(-1)
		}
		return t.without(i)
	}
	return view{last: last, costs: costs(op), read: costs("read"), write: costs("write"), writeNT: costs("write_nt")}
}

// capacities are the sizes of the shared last-level cache that are tried, as
// parts of the nominal one.
func capacities(yield func(float64) bool) {
	for f := 1.0; f >= 0.1; f *= 0.93 {
		if !yield(f) {
			return
		}
	}
}

// lastCapacities is how much of the shared last-level cache the passes of so
// many workers really get, in bytes: other guests of the machine use it too,
// and a pass holds the more the faster it comes round. Of the sizes from a
// tenth of the nominal one to all of it, it is the one under which the passes
// agree best with the costs of their own levels. It is given by operation, which
// itself has no say, and by "" for all of them. The latency probe is apart
// (latencyCapacities): a chain of single loads comes round too slowly for other
// operations to tell its share.
func (m *Model) lastCapacities(ranks int) map[string]float64 {
	var ops []string
	for id := range m.streams {
		if id.ranks == ranks && id.op != "launch" && id.op != "latency" {
			ops = append(ops, id.op)
		}
	}
	nominal := m.last.SizeBytes.Value
	best, bestLoss := map[string]float64{"": nominal}, map[string]float64{"": math.Inf(1)}
	for _, op := range ops {
		best[op], bestLoss[op] = nominal, math.Inf(1)
	}
	type miss struct {
		op  string
		err float64
	}
	for f := range capacities {
		var all []miss
		count := map[string]int{}
		for _, op := range ops {
			t := m.costs(streamID{op, ranks}, f*nominal)
			c := t.without(-1)
			for i := range t.points {
				if err, ok := t.miss(i, c, op); ok {
					all = append(all, miss{op, err})
					count[op]++
				}
			}
		}
		slices.SortFunc(all, func(a, b miss) int { return cmp.Compare(a.err, b.err) })
		for but := range best {
			// Of many passes, the worst quarter is left to noise.
			n := len(all) - count[but]
			n -= n / 4
			sum, left := 0.0, n
			for i := 0; left > 0; i++ {
				if all[i].op != but {
					sum += all[i].err
					left--
				}
			}
			if n > 0 && sum/float64(n) < bestLoss[but] {
				best[but], bestLoss[but] = f*nominal, sum/float64(n)
			}
		}
	}
	if len(m.streams[streamID{"launch", ranks}]) > 0 {
		best["launch"] = best[""]
	}
	return best
}

// latencyCapacities is, by point of the latency probe, the last-level cache that
// its other points hold, and at the end what all of them do.
func (m *Model) latencyCapacities(ranks int) []float64 {
	nominal := m.last.SizeBytes.Value
	n := len(m.streams[streamID{"latency", ranks}])
	best, bestLoss := make([]float64, n+1), make([]float64, n+1)
	for i := range best {
		best[i], bestLoss[i] = nominal, math.Inf(1)
	}
	for f := range capacities {
		t := m.costs(streamID{"latency", ranks}, f*nominal)
		// Leaving out a point leaves one of a few costs.
		known := map[[maxLevels]float64]*misses{}
		for i := range best {
			out := i
			if i == n {
				out = -1
			}
			c := t.without(out)
			if known[c] == nil {
				known[c] = t.misses(c)
			}
			if mean, ok := known[c].without(out); ok && mean < bestLoss[i] {
				best[i], bestLoss[i] = f*nominal, mean
			}
		}
	}
	return best
}

// misses are how far the latency probe's points are from one set of costs.
type misses struct {
	// place is each point's among those that have a say, or −1.
	place []int
	// upTo and from are the sums of the first so many, and of all from there on,
	// in ascending order. A difference of sums would still hold a rounding of what
	// is left out.
	upTo, from []float64
}

func (t *costTable) misses(c [maxLevels]float64) *misses {
	x := &misses{place: make([]int, len(t.points))}
	type miss struct {
		err float64
		of  int
	}
	var all []miss
	for i := range t.points {
		x.place[i] = -1
		if err, ok := t.miss(i, c, "latency"); ok {
			all = append(all, miss{err, i})
		}
	}
	slices.SortFunc(all, func(a, b miss) int { return cmp.Compare(a.err, b.err) })
	n := len(all)
	x.upTo, x.from = make([]float64, n+1), make([]float64, n+1)
	for k := range all {
		x.place[all[k].of] = k
		x.upTo[k+1] = x.upTo[k] + all[k].err
	}
	for k := n - 1; k >= 0; k-- {
		x.from[k] = all[k].err + x.from[k+1]
	}
	return x
}

// without is the mean of all but point i, or of all where it is −1.
func (x *misses) without(i int) (float64, bool) {
	n := len(x.upTo) - 1
	sum := x.upTo[n]
	if i >= 0 && x.place[i] >= 0 {
		sum = x.upTo[x.place[i]] + x.from[x.place[i]+1]
		n--
	}
	return sum / float64(max(n, 1)), n > 0
}

// miss is how far the costs are from point i, as the |logarithm| of their ratio;
// it is false of a pass that the nearer caches serve.
func (t *costTable) miss(i int, c [maxLevels]float64, op string) (float64, bool) {
	s, p := &t.shares[i], &t.points[i]
	if s[0]+s[1] > 0.2 {
		return 0, false
	}
	seconds := s[0]*c[0] + s[1]*c[1] + s[2]*c[2] + s[3]*c[3]
	if op != "latency" {
		seconds *= float64(p.bytes)
	}
	if !(seconds > 0) {
		return 0, false
	}
	return math.Abs(math.Log(seconds / p.seconds)), true
}
