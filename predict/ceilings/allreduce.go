package ceilings

import (
	"bench/datasets"
	"bench/datasets/stats"
)

// small is the size in bytes below which an all-reduce is all latency: a few
// cache lines, which cost no more to move than one.
const small = 1024

// collective predicts the host's all-reduce over shared memory: what the
// kernels of microbench/host read and write, at the measured cost of the level
// where the ranks' buffers lie together, plus the latency of its signals, from
// the small cases of the same algorithm. Buffers that another core has just
// written are dirty in its cache; what that transfer costs comes from the
// ring's other sizes.
func (m *Model) collective(w datasets.Collective) datasets.Prediction {
	if w.Kind != "all_reduce" || w.Nodes > 1 {
		return missing("no ceilings model of %s over %d nodes", w.Kind, w.Nodes)
	}
	id, key := reduceID{w.Kind, w.Algorithm, w.Type, w.Ranks, w.InPlace}, w.Key()
	measured := m.reduces[id]
	latency := measured.latency(key)
	if latency == 0 {
		return missing("no other small %s all-reduce of %d ranks", w.Algorithm, w.Ranks)
	}
	terms := []datasets.Term{{Name: "latency", Seconds: latency}}
	total := latency
	if w.SizeBytes > small {
		t, ok := m.buffers(w)
		if !ok {
			return missing("no read and write cases of %d workers: run suite hbm too", w.Ranks)
		}
		total += t
		terms = append(terms, datasets.Term{Name: "memory", Seconds: t})
		if w.Algorithm == "ring" {
			t := measured.transfer(key, latency, m.inPrivate(w)) * dirtyBytes(w)
			total += t
			terms = append(terms, datasets.Term{Name: "core_to_core", Seconds: t})
		}
	}
	return joined("sum", total, terms...)
}

// buffers is the time to read and write the ranks' buffers. Direct: each rank
// reads its slice of every input and writes the sum to every output. Ring:
// a rank reads two and writes one slice in each of n−1 steps of the
// reduce-scatter, and reads and writes one in each of the all-gather's, less
// what dirtyBytes counts. Outputs that no cache can hold are stored past it,
// all of them by the direct algorithm and those of the all-gather by the ring.
func (m *Model) buffers(w datasets.Collective) (float64, bool) {
	n, s := float64(w.Ranks), float64(w.SizeBytes)
	reads, writes, past := n*s, n*s, n*s
	if w.Algorithm == "ring" {
		reads = 3*(n-1)*s - n*dirtyBytes(w)
		writes, past = 2*(n-1)*s, (n-1)*s
	}
	workingSet := m.workingSet(w)
	streams := !w.InPlace && workingSet > m.last.SizeBytes.Value
	if streams {
		workingSet -= past
		writes -= past
	}
	shares := m.shares(workingSet, w.Ranks, m.lastBytes[streamID{"", w.Ranks}])
	r, okR := pass(reads, shares, m.read[w.Ranks])
	v, okW := pass(writes, shares, m.write[w.Ranks])
	t, _ := levelTerms(inTurn(r, v))
	if streams {
		nt := m.writeNT[w.Ranks][maxLevels-1]
		t, okW = max(t, past*nt), okW && nt > 0
	}
	return t, okR && okW
}

// workingSet is the bytes of all ranks' buffers.
func (m *Model) workingSet(w datasets.Collective) float64 {
	if w.InPlace {
		return float64(w.Ranks) * float64(w.SizeBytes)
	}
	return 2 * float64(w.Ranks) * float64(w.SizeBytes)
}

// dirtyBytes is what a rank of a ring reads that its neighbour has just
// written: every step but the first.
func dirtyBytes(w datasets.Collective) float64 {
	n := float64(w.Ranks)
	return (2*(n-1) - 1) * float64(w.SizeBytes) / n
}

// reduces are the measured all-reduces of one kind.
type reduces struct {
	own lookup
	// small is the time of an all-reduce of next to nothing.
	small stats.Sorted
	// transfers are a ring's, by the latency that is taken off, which leaving out
	// a small case changes.
	transfers map[float64]*transfers
}

// transfers are the measured costs in seconds a byte of reading what the
// neighbour has just written and of taking over the lines that it has read,
// from ring cases of 4 KiB and more. Lines that have left the private caches
// since cost less, so cases in the same level come first.
type transfers struct {
	all stats.Sorted
	// byLevel is of the cases whose buffers stay in private caches (true), and
	// of the others.
	byLevel map[bool]stats.Sorted
	cost    map[string]float64 // by key
	private map[string]bool
}

func (m *Model) newReduces(id reduceID, points []point) *reduces {
	r := &reduces{own: newLookup(points), transfers: map[float64]*transfers{}}
	var times []float64
	for _, p := range points {
		if p.bytes <= small {
			times = append(times, p.seconds)
		}
	}
	r.small = stats.Sort(times)
	if id.algorithm != "ring" {
		return r
	}
	for _, latency := range medians(r.small) {
		t := &transfers{cost: map[string]float64{}, private: map[string]bool{}}
		byLevel := map[bool][]float64{}
		var all []float64
		for _, p := range points {
			w := datasets.Collective{Kind: id.kind, Algorithm: id.algorithm, Type: id.dtype, Ranks: id.ranks, InPlace: id.inPlace, SizeBytes: p.bytes}
			seconds, ok := m.buffers(w)
			if p.bytes < 4096 || !ok {
				continue
			}
			perByte, private := max(0, p.seconds-latency-seconds)/dirtyBytes(w), m.inPrivate(w)
			all, byLevel[private] = append(all, perByte), append(byLevel[private], perByte)
			t.cost[p.key], t.private[p.key] = perByte, private
		}
		t.all = stats.Sort(all)
		t.byLevel = map[bool]stats.Sorted{true: stats.Sort(byLevel[true]), false: stats.Sort(byLevel[false])}
		r.transfers[latency] = t
	}
	return r
}

// latency is the time of an all-reduce of next to nothing, without the case of
// the key; 0 where there is none.
func (r *reduces) latency(except string) float64 {
	if r == nil {
		return 0
	}
	if p, ok := r.own[except]; ok && p.bytes <= small {
		return r.small.MedianWithout(p.seconds)
	}
	return r.small.Median()
}

// transfer is a ring's cost at the latency and in the level, without the case of
// the key.
func (r *reduces) transfer(except string, latency float64, private bool) float64 {
	t := r.transfers[latency]
	if t == nil {
		return 0
	}
	cost, left := t.cost[except]
	same := t.byLevel[private]
	switch {
	case !left && len(same) > 0:
		return same.Median()
	case !left:
		return t.all.Median()
	case t.private[except] != private && len(same) > 0:
		return same.Median()
	case t.private[except] == private && len(same) > 1:
		return same.MedianWithout(cost)
	}
	return t.all.MedianWithout(cost)
}

// inPrivate reports whether the ranks' buffers stay in their private caches.
func (m *Model) inPrivate(w datasets.Collective) bool {
	s := m.shares(m.workingSet(w), w.Ranks, 0)
	return s[0]+s[1] > 0.5
}
