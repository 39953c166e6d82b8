package ceilings

import (
	"math"

	"bench/datasets"
)

// maxLevels is three levels of cache and the memory behind them.
const maxLevels = 4

var levelNames = [maxLevels]string{"l1", "l2", "l3", "memory"}

// shares says which part of a cyclic pass over sizeBytes is served by each
// level, for so many workers that each own an equal part of the working set.
//
// The shared last level keeps lastBytes/size of a pass that does not fit: an
// adaptive policy protects a part of a cyclic working set (Qureshi et al.,
// "Adaptive Insertion Policies", ISCA 2007, section 4).
func (m *Model) shares(sizeBytes float64, ranks int, lastBytes float64) [maxLevels]float64 {
	return m.withLast(m.private(sizeBytes, ranks), sizeBytes, ranks, lastBytes)
}

// private gives the cumulative hits of the levels before the last.
func (m *Model) private(sizeBytes float64, ranks int) [maxLevels]float64 {
	var h [maxLevels]float64
	for i := range m.caches {
		if c := &m.caches[i]; c.SizeBytes.Value > 0 && c.Level != m.last.Level {
			h[i] = c.hits(sizeBytes / instances(c.CacheLevel, ranks))
		}
	}
	return h
}

// instances is how many of a cache so many workers use.
func instances(c datasets.CacheLevel, ranks int) float64 {
	return math.Ceil(float64(ranks) / float64(max(c.SharedBy, 1)))
}

func (m *Model) withLast(h [maxLevels]float64, sizeBytes float64, ranks int, lastBytes float64) (s [maxLevels]float64) {
	if m.last.Level > 0 {
		h[m.last.Level-1] = min(1, lastBytes*instances(m.last, ranks)/sizeBytes)
	}
	nearer := 0.0
	for i := range maxLevels - 1 {
		s[i] = max(h[i]-nearer, 0)
		nearer += s[i]
	}
	s[maxLevels-1] = 1 - nearer
	return s
}

const pageBytes = 4096

// cache is a level with what its hits need, prepared once.
type cache struct {
	datasets.CacheLevel
	// colours is 1 where a way is no larger than a page.
	colours float64
	// byPages is the hits of a colour that so many pages share, up to
	// emptyAt times as many as there are ways; beyond, next to nothing hits.
	byPages []float64
}

const emptyAt = 16

func newCache(c datasets.CacheLevel) cache {
	out := cache{CacheLevel: c, colours: 1}
	if c.Ways > 0 {
		out.colours = max(1, c.SizeBytes.Value/float64(c.Ways)/pageBytes)
	}
	if out.colours > 1 {
		for n := range emptyAt * c.Ways {
			out.byPages = append(out.byPages, colourHits(float64(c.Ways), float64(n+1)))
		}
	}
	return out
}

// hits is the share of hits of a cyclic pass over size bytes in a private
// cache. A way larger than a page makes the cache one of several colours, each
// a page wide and as many pages deep as there are ways, and physical memory
// comes in pages of random colour, so that the pages of a colour are Poisson
// distributed and some colours overflow before the cache is full (Kessler and
// Hill, "Page Placement Algorithms for Large Real-Indexed Caches", ACM TOCS
// 10(4), 1992, section 3). Under a hypervisor that is so even where the guest
// has huge pages.
func (c *cache) hits(size float64) float64 {
	if c.byPages == nil {
		return colourHits(c.SizeBytes.Value, size)
	}
	mean := size / pageBytes / c.colours
	if mean >= float64(len(c.byPages)) {
		return 0
	}
	// Of all pages, the share that lie in a colour of n is n·P(n)/mean, which is
	// P(n−1) of the same Poisson distribution. e^−mean may underflow, so the sum
	// starts within ten standard deviations.
	low := max(0, math.Floor(mean-10*math.Sqrt(mean)))
	logGamma, _ := math.Lgamma(low + 1)
	p := math.Exp(low*math.Log(max(mean, math.SmallestNonzeroFloat64)) - mean - logGamma)
	hits := 0.0
	for n := int(low); n < len(c.byPages) && float64(n) < mean+10*math.Sqrt(mean)+10; n++ {
		hits += p * c.byPages[n]
		p *= mean / float64(n+1)
	}
	return hits
}

// colourHits is the share of hits of a cyclic pass over size in a set of the
// given capacity, whose pseudo-LRU replacement is taken as random. A line comes
// round again after (1−h)·size was replaced, and each replacement spares it
// with probability 1 − 1/capacity, so h = exp(−(1−h)·size/capacity): the
// characteristic time of Che, Tung and Wang (IEEE JSAC 20(7), 2002) as Martina,
// Garetto and Leonardi (INFOCOM 2014, section III) apply it to random
// replacement.
func colourHits(capacity, size float64) float64 {
	if size <= capacity {
		return 1
	}
	h := 0.0
	for range 60 {
		next := math.Exp(-(1 - h) * size / capacity)
		if next-h < 1e-6 {
			break
		}
		h = next
	}
	return h
}

// view is the levels of memory as the other cases show them to one: the cache
// that the guest holds, the costs of the case's own operation, and those of the
// elementary passes.
type view struct {
	last                        float64
	costs, read, write, writeNT [maxLevels]float64
}

// pass is the time, level by level, to move bytes of a cyclic working set at
// the given costs. ok is false where a level that matters was not measured.
func pass(bytes float64, shares, costs [maxLevels]float64) (t [maxLevels]float64, ok bool) {
	for l := range shares {
		if shares[l] < 1e-3 {
			continue
		}
		if costs[l] == 0 {
			return t, false
		}
		t[l] = bytes * shares[l] * costs[l]
	}
	return t, true
}

// inTurn joins loads and stores: a core does both to its first level in the
// same cycle, and further out they take turns.
func inTurn(loads, stores [maxLevels]float64) (t [maxLevels]float64) {
	for l := range t {
		t[l] = loads[l] + stores[l]
	}
	t[0] = max(loads[0], stores[0])
	return t
}

func levelTerms(t [maxLevels]float64) (total float64, terms []datasets.Term) {
	for l := range t {
		total += t[l]
		terms = append(terms, datasets.Term{Name: levelNames[l], Seconds: t[l]})
	}
	return total, terms
}

// stream predicts an elementary pass (read, write, write_nt) and the latency
// probe from other sizes of the same probe, and a composite one (copy, scale,
// triad) from the elementary ones. A core loads and stores to its first level
// in the same cycle, and a non-temporal store does not hold up a load, so those
// overlap; further out, loads and stores take turns.
func (m *Model) stream(w datasets.Stream) datasets.Prediction {
	if w.Kernel == "launch" {
		return missing("an empty launch is itself the ceiling")
	}
	own, known := m.own[w.Key()]
	if !known {
		if own, known = m.unseen[streamID{w.Kernel, w.Ranks}]; !known {
			own = m.unseen[streamID{"", w.Ranks}]
		}
	}
	shares := m.shares(float64(w.SizeBytes), w.Ranks, own.last)
	switch w.Kernel {
	case "latency", "read", "write", "write_nt":
		bytes := w.Bytes()
		if w.Kernel == "latency" {
			bytes = 1
		}
		t, ok := pass(bytes, shares, own.costs)
		if !ok {
			return missing("no other %s case of %d workers in the same level of memory", w.Kernel, w.Ranks)
		}
		total, terms := levelTerms(t)
		return joined("sum", total, terms...)
	}
	nt := w.Kernel == "copy_nt" || w.Kernel == "triad_nt"
	store, storeCosts := "write", own.write
	if nt {
		store, storeCosts = "write_nt", own.writeNT
	}
	reads, writes := w.Arrays()
	if writes == 0 {
		return missing("no ceilings model of hbm/%s", w.Kernel)
	}
	perArray := w.Bytes() / float64(reads+writes)
	r, okR := pass(perArray*float64(reads), shares, own.read)
	s, okS := pass(perArray*float64(writes), shares, storeCosts)
	if !okR || !okS {
		return missing("no read and %s cases of %d workers in the same level of memory", store, w.Ranks)
	}
	if nt {
		loads, _ := levelTerms(r)
		stores, _ := levelTerms(s)
		return joined("max", max(loads, stores), datasets.Term{Name: "loads", Seconds: loads},
			datasets.Term{Name: "non_temporal_stores", Seconds: stores})
	}
	total, terms := levelTerms(inTurn(r, s))
	return joined("sum", total, terms...)
}
