package ceilings

import (
	"cmp"
	"slices"

	"bench/datasets/stats"
)

// No case enters its own prediction, so that every ceiling asks for the median
// of all the others. Sorted once, a list answers each of them in the time of a
// search: a run of 250,000 ceilings would take hours otherwise.

// medians is the median of all values, and those that leave out one of them:
// four at most.
func medians(l stats.Sorted) []float64 {
	out := []float64{l.Median()}
	for _, i := range []int{0, len(l) / 2, (len(l) - 1) / 2, len(l) - 1} {
		if i >= 0 && i < len(l) {
			if m := l.MedianWithout(l[i]); !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	return out
}

// lookup finds points by their case's key.
type lookup map[string]point

func newLookup(points []point) lookup {
	l := make(lookup, len(points))
	for _, p := range points {
		l[p.key] = p
	}
	return l
}

// sizes are the times of messages by their size.
type sizes struct {
	bytes []float64 // ascending
	times []stats.Sorted
	own   lookup
}

func newSizes(points []point) *sizes {
	s := &sizes{own: newLookup(points)}
	sorted := slices.SortedFunc(slices.Values(points), func(a, b point) int { return cmp.Compare(a.bytes, b.bytes) })
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].bytes == sorted[0].bytes {
			n++
		}
		same := make([]float64, n)
		for i := range same {
			same[i] = sorted[i].seconds
		}
		s.bytes, s.times = append(s.bytes, float64(sorted[0].bytes)), append(s.times, stats.Sort(same))
		sorted = sorted[n:]
	}
	return s
}

// between is the time of a message of so many bytes, on the straight line between
// the next smaller and the next larger measured one: a latency and a bandwidth,
// both of the neighbourhood (Hockney, Parallel Computing 20(3), 1994). ok is false
// at the ends: a line is not drawn beyond what was measured. The case of the key
// except is left out.
func (s *sizes) between(bytes float64, except string) (seconds float64, ok bool) {
	if s == nil {
		return 0, false
	}
	out, left := s.own[except]
	// The size that is left with no case at all, or none.
	empty := -1
	at := func(i int) float64 {
		if left && s.bytes[i] == float64(out.bytes) {
			return s.times[i].MedianWithout(out.seconds)
		}
		return s.times[i].Median()
	}
	if left {
		if i, _ := slices.BinarySearch(s.bytes, float64(out.bytes)); len(s.times[i]) == 1 {
			empty = i
		}
	}
	high, found := slices.BinarySearch(s.bytes, bytes)
	if found && high != empty {
		return at(high), true
	}
	low := high - 1
	if low == empty {
		low--
	}
	if high == empty {
		high++
	}
	if low < 0 || high >= len(s.bytes) {
		return 0, false
	}
	a, b := at(low), at(high)
	return a + (b-a)*(bytes-s.bytes[low])/(s.bytes[high]-s.bytes[low]), true
}
