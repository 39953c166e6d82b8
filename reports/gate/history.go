package gate

import (
	"math"
	"slices"

	"bench/datasets/stats"
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
	// Detectable is the rise that would just be called at a probability of alpha
	// (Detect) if it lasted three nights.
	Detectable float64

	se, df float64
	// doubt is by how much the variance of the last nights' own samples exceeds
	// the others'.
	doubt float64
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
// For a change k nights ago, k up to Window, Student's t holds the last k
// nights against those before: the generalised likelihood ratio test of a
// window-limited scheme (Lai, "Sequential changepoint detection in quality
// control and dynamical systems", J. R. Statist. Soc. B 57, 1995), with the
// scatter between nights estimated from the nights before the change alone, so
// that a change does not hide itself. k takes 1, 2, 3, 5, 8 and 13 to test, and
// p is multiplied by their number (Bonferroni); the night is then found among
// all. A t test between two stretches in place of permutations is Hunter's
// (Fleming et al., "Hunter: Using Change Point Detection to Hunt for
// Performance Regressions", ICPE 2023).
//
// Nights of real machines have longer tails than the normal distribution, and
// follow each other: a neighbour spoils one, or three in a row. So the level of
// two nights and more is their lower median, which one of them cannot raise; and
// k nights are called slower only if their p is below what any k nights of the
// past reached (Guard).
//
// The past before the window may have changed too: it is cut where it did
// (binary segmentation by the same test, both sides alike) and its last stretch
// kept, so that an old improvement does not hide a new loss.
//
// A night whose samples scatter more than usual counts for less: what its
// variance exceeds the others' by is added.
func Detect(nights []Night, alpha float64, guard Guard) (Change, bool) {
	if len(nights) < LeastNights+1 {
		return Change{}, false
	}
	nights = nights[lastStretch(nights[:max(LeastNights, len(nights)-Window)]):]
	n := len(nights)
	longest := min(Window, n-LeastNights)
	tests := 0
	best := Change{P: 1}
	for i, k := range splits {
		if k > longest {
			break
		}
		tests++
		c := split(nights, k)
		if c.Slower && c.P >= guard[i] {
			continue
		}
		if c.P < best.P {
			best = c
		}
	}
	tonight := split(nights, 1)
	if best.P == 1 {
		best = tonight
		best.P = 1
	}
	out := split(nights, since(nights, longest, best.Slower))
	out.P = min(1, best.P*float64(tests))
	out.Detectable = -stats.TQuantile(min(alpha/float64(tests), guard[threeNights]), tonight.df) * math.Sqrt(tonight.Scale*tonight.Scale*(medianVariance(3)+1/float64(n))+tonight.doubt)
	// A change that the last night does not show has passed.
	if now := tonight.Shift + tonight.Level - out.Level; now*out.Shift <= 0 || math.Abs(now) < math.Abs(out.Shift)/2 {
		out.P = 1
	}
	return out, true
}

// medianVariance is the variance of the lower median of k independent normal
// values of variance 1: exactly for one and two, within 1 % for more of an odd
// number (Harter and Balakrishnan, "CRC Handbook of Tables for the Use of Order
// Statistics in Estimation", 1996).
func medianVariance(k int) float64 {
	switch k {
	case 1:
		return 1
	case 2:
		return 1 - 1/math.Pi
	}
	return math.Pi / float64(2*k+1)
}

// splits are the numbers of nights that are tested, and threeNights the place
// of 3 among them.
var splits = [...]int{1, 2, 3, 5, 8, 13}

const threeNights = 2

// Guard is, for each of splits, the p below which so many nights may be called
// slower.
type Guard [len(splits)]float64

// beside is how many nights on either side are left out (pastPs).
const beside = 3

// NoGuard lets every p pass.
var NoGuard = Guard{1, 1, 1, 1, 1, 1}

// NewGuard is what nights of the past reached, each k of them held against the
// others of its workload. least holds for each k the least p over all workloads
// of each stretch of k nights. Of n such stretches and tonight's none is likelier
// the worst than another, whatever the distribution, so that a sound night falls
// below with a probability of at most alpha, or 1/(n+1) where n is too small for
// alpha (a conformal test; Vovk, Gammerman and Shafer, "Algorithmic Learning in
// a Random World", 2005, section 2.2).
func NewGuard(least [len(splits)][]float64, alpha float64) Guard {
	g := NoGuard
	for i := range least {
		if n := len(least[i]); n > 0 {
			sorted := slices.Sorted(slices.Values(least[i]))
			g[i] = sorted[max(1, int(alpha*float64(n+1)))-1]
		}
	}
	return g
}

// pastPs is, for the k nights that end with each night, their p of being slower
// than the others of its last unchanged stretch; 1 where there are too few. What
// lies after a change that is still there is no past. The nights next to them are
// not among the others: spoilt nights follow each other, and would hide how
// clearly the first of them stood out.
func pastPs(nights []Night, k int) []float64 {
	out := make([]float64, len(nights))
	for i := range out {
		out[i] = 1
	}
	end := len(nights)
	if c, ok := Detect(nights, segmentAlpha, NoGuard); ok && c.P <= segmentAlpha {
		end -= c.Nights
	}
	start := lastStretch(nights[:end])
	if end-start < LeastNights+k {
		return out
	}
	for i := start + k - 1; i < end; i++ {
		before, after := max(start, i-k+1-beside), min(end, i+1+beside)
		others := append(slices.Clone(nights[start:before]), nights[after:end]...)
		if len(others) < LeastNights {
			continue
		}
		if c := split(append(others, nights[i-k+1:i+1]...), k); c.Slower {
			out[i] = c.P
		}
	}
	return out
}

// split holds the last k nights against those before. P is one-sided, in the
// direction that was seen.
func split(nights []Night, k int) Change {
	head, tail := nights[:len(nights)-k], nights[len(nights)-k:]
	c := Change{Nights: k, Before: len(head)}
	var variance, usual, now float64
	for _, x := range head {
		c.Level += x.Log / float64(len(head))
		usual += x.SE * x.SE / float64(len(head))
	}
	for _, x := range head {
		variance += (x.Log - c.Level) * (x.Log - c.Level) / float64(len(head)-1)
	}
	logs := make([]float64, k)
	for i, x := range tail {
		logs[i] = x.Log
		now += x.SE * x.SE / float64(k)
	}
	// The lower median; a change for the better has its mirror image.
	slices.Sort(logs)
	after := logs[(k-1)/2]
	if after < c.Level {
		after = min(c.Level, logs[k/2])
	}
	spread := medianVariance(k)
	c.Shift, c.Scale = after-c.Level, math.Sqrt(variance)
	c.Slower = c.Shift > 0
	c.df = float64(len(head) - 1)
	c.doubt = max(0, now-usual)
	c.se = math.Sqrt(variance*(spread+1/float64(len(head))) + c.doubt*spread)
	c.P = 1
	if c.Shift != 0 {
		c.P = stats.UpperTail(math.Abs(c.Shift)/c.se, c.df)
	}
	return c
}

// since is how many nights ago the level changed in that direction: of all
// splits, the one after which the squares of what is left are least, for which
// the means serve.
func since(nights []Night, longest int, slower bool) int {
	n, best, most := len(nights), 1, 0.0
	for k := 1; k <= longest; k++ {
		shift := mean(nights[n-k:]).Log - mean(nights[:n-k]).Log
		if gain := shift * shift * float64(k) * float64(n-k) / float64(n); (shift > 0) == slower && gain > most {
			best, most = k, gain
		}
	}
	return best
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
