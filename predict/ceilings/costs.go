package ceilings

import "bench/datasets/stats"

// pure is the share above which a measured point counts as one level's own.
const pure = 0.9

// costTable gives the measured seconds a byte (for latency: a load) of an
// operation in each level: the median over the points that lie in that level
// alone, and for memory over those that lie mostly there, less what the caches
// serve of them. Any one of the points can be left out, so that no case predicts
// itself. A level without points is 0.
type costTable struct {
	points []point
	// perByte is of each point, shares where its pass is served, and level the
	// level whose cost it tells, or −1.
	perByte []float64
	shares  [][maxLevels]float64
	level   []int8
	caches  [maxLevels - 1]stats.Sorted
	// memory is of the points that tell of memory, by the costs of the caches,
	// which leaving out a point of a cache changes.
	memory map[[maxLevels - 1]float64]*memoryCosts
}

type memoryCosts struct {
	sorted  stats.Sorted
	perByte []float64 // by point
}

// costs prepares the table of an operation, where the last-level cache holds
// lastBytes.
func (m *Model) costs(id streamID, lastBytes float64) *costTable {
	points := m.streams[id]
	t := &costTable{points: points, perByte: make([]float64, len(points)), shares: make([][maxLevels]float64, len(points)), level: make([]int8, len(points)),
		memory: map[[maxLevels - 1]float64]*memoryCosts{}}
	var caches [maxLevels - 1][]float64
	for i, p := range points {
		s := m.withLast(p.private, float64(p.bytes), id.ranks, lastBytes)
		t.shares[i], t.level[i], t.perByte[i] = s, -1, p.seconds/float64(p.bytes)
		if id.op == "latency" {
			t.perByte[i] = p.seconds
		}
		for l := range caches {
			if s[l] >= pure {
				t.level[i] = int8(l)
				caches[l] = append(caches[l], t.perByte[i])
			}
		}
		if s[maxLevels-1] >= 0.5 {
			t.level[i] = maxLevels - 1
		}
	}
	for l := range caches {
		t.caches[l] = stats.Sort(caches[l])
	}
	return t
}

// without is the costs in each level as the points other than number i show
// them; all of them do where i is none's.
func (t *costTable) without(i int) (c [maxLevels]float64) {
	of := -1
	if i >= 0 {
		of = int(t.level[i])
	}
	var caches [maxLevels - 1]float64
	for l := range caches {
		if l == of {
			caches[l] = t.caches[l].MedianWithout(t.perByte[i])
		} else {
			caches[l] = t.caches[l].Median()
		}
	}
	memory := t.memory[caches]
	if memory == nil {
		memory = t.costsOfMemory(caches)
		t.memory[caches] = memory
	}
	copy(c[:], caches[:])
	if of == maxLevels-1 {
		c[of] = memory.sorted.MedianWithout(memory.perByte[i])
	} else {
		c[maxLevels-1] = memory.sorted.Median()
	}
	return c
}

func (t *costTable) costsOfMemory(caches [maxLevels - 1]float64) *memoryCosts {
	const l = maxLevels - 1
	m := &memoryCosts{perByte: make([]float64, len(t.points))}
	for i, s := range t.shares {
		if t.level[i] != l {
			continue
		}
		m.perByte[i] = t.perByte[i]
		if s[l] < pure {
			m.perByte[i] = max(0, t.perByte[i]-s[0]*caches[0]-s[1]*caches[1]-s[2]*caches[2]) / s[l]
		}
		m.sorted = append(m.sorted, m.perByte[i])
	}
	m.sorted = stats.Sort(m.sorted)
	return m
}
