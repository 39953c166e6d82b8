package ceilings

import (
	"cmp"
	"slices"
)

// No case enters its own prediction, so that every ceiling asks for the median
// of all the others. Sorted once, a list answers each of them in the time of a
// search: a run of 250,000 ceilings would take hours otherwise.

// leaveOut is values in ascending order.
type leaveOut []float64

func newLeaveOut(values []float64) leaveOut {
	slices.Sort(values)
	return values
}

// median is of all values; 0 where there are none.
func (l leaveOut) median() float64 {
	if len(l) == 0 {
		return 0
	}
	return (l[(len(l)-1)/2] + l[len(l)/2]) / 2
}

// without is the median of all values but one that equals v, which is among
// them; 0 where there are no others.
func (l leaveOut) without(v float64) float64 {
	out, _ := slices.BinarySearch(l, v)
	n := len(l) - 1
	if n < 1 {
		return 0
	}
	at := func(i int) float64 {
		if i >= out {
			i++
		}
		return l[i]
	}
	return (at((n-1)/2) + at(n/2)) / 2
}

// medians is the median of all values, and those that leave out one of them:
// four at most.
func (l leaveOut) medians() []float64 {
	out := []float64{l.median()}
	for _, i := range []int{0, len(l) / 2, (len(l) - 1) / 2, len(l) - 1} {
		if i >= 0 && i < len(l) {
			if m := l.without(l[i]); !slices.Contains(out, m) {
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
	times []leaveOut
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
		s.bytes, s.times = append(s.bytes, float64(sorted[0].bytes)), append(s.times, newLeaveOut(same))
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
			return s.times[i].without(out.seconds)
		}
		return s.times[i].median()
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
