package gate

import (
	"math"

	"bench/reports/compare"
)

// Night is one night's time of a workload on the logarithmic scale, with the
// standard error that the samples of that night imply.
type Night struct{ Log, SE float64 }

// Change is what the nights of one workload say about the last of them.
type Change struct {
	// P is the probability of a change at least as clear where there is none,
	// corrected for the splits that were tried; Slower tells its direction.
	P      float64
	Slower bool
	// Nights is how many nights, the last included, lie after the change, and
	// Before how many it was held against.
	Nights, Before int
	// Level is the logarithm of the time before, Shift by how much it rose.
	Level, Shift float64
	// Scale is the standard deviation between two nights before.
	Scale float64
	// Detectable is the rise in the last night alone that would just be called
	// at a probability of alpha (Detect).
	Detectable float64

	se, df float64
}

const (
	// LeastNights is how many nights a history needs to show its scatter.
	LeastNights = 5
	// Window is how far back a change is looked for, in nights. What happened
	// before is how things are now.
	Window = 14
	// leastSegment is the shortest stretch between two changes of the past.
	leastSegment = LeastNights
	// segmentAlpha is the probability of cutting an unchanged past in two.
	segmentAlpha = 0.001
)

// Detect looks for a change of level in a series of nights, the last of which
// is judged. It returns false where there are too few.
//
// For a change k nights ago, k up to Window, Student's t holds the mean of the
// last k nights against those before: the generalised likelihood ratio test of
// a window-limited scheme (Lai, "Sequential changepoint detection in quality
// control and dynamical systems", J. R. Statist. Soc. B 57, 1995), with the
// scatter between nights estimated from the nights before the change alone, so
// that a change does not hide itself. k takes 1, 2, 3, 5, 8 and 13 to test, and
// p is multiplied by their number (Bonferroni); the night is then found among
// all. A t test between two stretches in place of permutations is Hunter's
// (Fleming et al., "Hunter: Using Change Point Detection to Hunt for
// Performance Regressions", ICPE 2023).
//
// The past before the window may have changed too: it is cut where it did
// (binary segmentation by the same test, both sides alike) and its last stretch
// kept, so that an old improvement does not hide a new loss.
//
// A night whose samples scatter more than usual counts for less: what its
// variance exceeds the others' by is added.
func Detect(nights []Night, alpha float64) (Change, bool) {
	if len(nights) < LeastNights+1 {
		return Change{}, false
	}
	nights = nights[lastStretch(nights[:max(LeastNights, len(nights)-Window)]):]
	n := len(nights)
	longest := min(Window, n-LeastNights)
	tests := 0
	var best Change
	for _, k := range []int{1, 2, 3, 5, 8, 13} {
		if k > longest {
			break
		}
		tests++
		if c := split(nights, k); k == 1 || c.P < best.P {
			best = c
		}
	}
	// The night: of all splits in that direction, the one that explains most.
	out, explained := best, 0.0
	for k := 1; k <= longest; k++ {
		c := split(nights, k)
		if e := c.Shift * c.Shift * float64(k) * float64(n-k) / float64(n); c.Slower == best.Slower && e > explained {
			out, explained = c, e
		}
	}
	out.P = min(1, best.P*float64(tests))
	tonight := split(nights, 1)
	out.Detectable = compare.Quantile(1-alpha/float64(tests), tonight.df) * tonight.se
	// A change that the last night does not show has passed.
	if now := tonight.Shift + tonight.Level - out.Level; now*out.Shift <= 0 || math.Abs(now) < math.Abs(out.Shift)/2 {
		out.P = 1
	}
	return out, true
}

// split holds the last k nights against those before. P is one-sided, in the
// direction that was seen.
func split(nights []Night, k int) Change {
	head, tail := nights[:len(nights)-k], nights[len(nights)-k:]
	c := Change{Nights: k, Before: len(head)}
	var after, variance, usual, now float64
	for _, x := range head {
		c.Level += x.Log / float64(len(head))
		usual += x.SE * x.SE / float64(len(head))
	}
	for _, x := range head {
		variance += (x.Log - c.Level) * (x.Log - c.Level) / float64(len(head)-1)
	}
	for _, x := range tail {
		after += x.Log / float64(k)
		now += x.SE * x.SE / float64(k)
	}
	c.Shift, c.Scale = after-c.Level, math.Sqrt(variance)
	c.Slower = c.Shift > 0
	c.df = float64(len(head) - 1)
	c.se = math.Sqrt(variance*(1/float64(k)+1/float64(len(head))) + max(0, now-usual)/float64(k))
	c.P = 1
	if c.Shift != 0 {
		c.P = compare.UpperTail(math.Abs(c.Shift)/c.se, c.df)
	}
	return c
}

// lastStretch is where the last stretch of unchanged level begins: the series
// is cut where Student's t of two stretches is clearest, if it is clear, and
// what follows is looked at again.
func lastStretch(nights []Night) int {
	at, least := 0, 1.0
	tries := 0
	for i := leastSegment; i <= len(nights)-leastSegment; i++ {
		tries++
		if p := compare.Between(mean(nights[:i]), mean(nights[i:])).P(); p < least {
			at, least = i, p
		}
	}
	if tries == 0 || least*float64(tries) > segmentAlpha {
		return 0
	}
	return at + lastStretch(nights[at:])
}

func mean(nights []Night) compare.LogTime {
	logs := make([]float64, len(nights))
	for i, x := range nights {
		logs[i] = x.Log
	}
	return compare.MeanLogTime(logs)
}
