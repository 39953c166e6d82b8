package gate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func nights(logs ...float64) []Night {
	out := make([]Night, len(logs))
	for i, v := range logs {
		out[i].Log = v
	}
	return out
}

// Six nights of mean 0, their squares 6 × .0004 = .0024, so that their variance
// is .0024/5 = .00048; then one at 0.1. SE = √(.00048 × (1 + 1/6)) = .023664,
// t = 4.2258 with 5 degrees of freedom; R: pt(4.2258, 5, lower=FALSE) = 0.00415.
// Five nights must stay before, so that two splits are tried.
func TestDetectByHand(t *testing.T) {
	c := split(nights(0.02, -0.02, 0.02, -0.02, 0.02, -0.02, 0.1), 1)
	if math.Abs(c.se-0.023664) > 1e-6 || c.df != 5 || math.Abs(c.P-0.00415) > 2e-5 || !c.Slower {
		t.Errorf("se %g, df %g, p %g, slower %v", c.se, c.df, c.P, c.Slower)
	}
	got, ok := Detect(nights(0.02, -0.02, 0.02, -0.02, 0.02, -0.02, 0.1), 0.01, NoGuard)
	if !ok || got.Nights != 1 || got.Before != 6 || math.Abs(got.P-2*c.P) > 1e-12 || math.Abs(got.Shift-0.1) > 1e-12 {
		t.Errorf("%+v", got)
	}
	// t of 0.005 (two tests) with 5 degrees of freedom is 4.0321; the scatter of
	// .021909 over three nights' median is √(π/7 + 1/7) of itself.
	if want := 4.032143 * 0.021909 * math.Sqrt(math.Pi/7+1.0/7); math.Abs(got.Detectable-want) > 1e-5 {
		t.Errorf("detectable %g, want %g", got.Detectable, want)
	}
	if _, ok := Detect(nights(1, 2, 3, 4, 5), 0.01, NoGuard); ok {
		t.Error("four nights before show no scatter")
	}
}

// A night whose own samples scatter counts for less.
func TestDetectWeighsADoubtfulNight(t *testing.T) {
	n := nights(0.02, -0.02, 0.02, -0.02, 0.02, -0.02, 0.1)
	sure, _ := Detect(n, 0.01, NoGuard)
	n[6].SE = 0.05
	doubtful, _ := Detect(n, 0.01, NoGuard)
	if doubtful.P <= sure.P || doubtful.Detectable <= sure.Detectable {
		t.Errorf("p %g and %g", sure.P, doubtful.P)
	}
}

func series20(random *rand.Rand, n int, scale float64) []Night {
	out := make([]Night, n)
	for i := range out {
		out[i].Log = scale * random.NormFloat64()
	}
	return out
}

func TestDetectFindsTheNight(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	n := series20(random, 30, 0.005)
	for i := 24; i < 30; i++ {
		n[i].Log += 0.05
	}
	c, _ := Detect(n, 0.01, NoGuard)
	if c.Nights != 6 || !c.Slower || c.P > 1e-4 || math.Abs(c.Shift-0.05) > 0.01 {
		t.Errorf("%+v", c)
	}
	// It went away again: the last night does not show it.
	n[28].Log -= 0.05
	n[29].Log -= 0.05
	if c, _ := Detect(n, 0.01, NoGuard); c.P < 0.01 && c.Slower {
		t.Errorf("a loss that has passed: %+v", c)
	}
	// An improvement is one.
	n = series20(random, 20, 0.005)
	n[19].Log -= 0.1
	if c, _ := Detect(n, 0.01, NoGuard); c.Slower || c.P > 1e-4 {
		t.Errorf("%+v", c)
	}
}

// 20 slow nights, 20 fast ones, and then a loss of 5 % that is still faster
// than the first: held against the fast ones alone.
func TestAnOldImprovementHidesNoLoss(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	n := series20(random, 41, 0.005)
	for i := range 20 {
		n[i].Log += 0.2
	}
	n[40].Log += 0.05
	c, _ := Detect(n, 0.01, NoGuard)
	if c.Before != 20 || c.Nights != 1 || !c.Slower || c.P > 1e-4 {
		t.Errorf("%+v", c)
	}
}

// Of unchanged nights, at most the share alpha may be called changed.
func TestDetectKeepsItsLevel(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	const trials, alpha = 4000, 0.05
	wrong := 0
	for range trials {
		if c, _ := Detect(series20(random, 25, 0.01), alpha, NoGuard); c.P <= alpha {
			wrong++
		}
	}
	// P is one-sided and either side is called, so twice alpha at most; the
	// splits share nights, so that Bonferroni gives some of it back.
	share := float64(wrong) / trials
	t.Logf("called changed: %.3f", share)
	if share > 2*alpha || share < alpha/4 {
		t.Errorf("%.3f of unchanged series are called changed, want up to %.3f", share, 2*alpha)
	}
}

// guardOf is the guard of one workload's past.
func guardOf(past []Night) Guard {
	var least [len(splits)][]float64
	for s, k := range splits {
		least[s] = pastPs(past, k)
	}
	return NewGuard(least, 0.01)
}

// One spoilt night among quiet ones is no change of level: not on the night
// itself where the past has seen its like, and not on the next.
func TestASpoiltNightIsNoChange(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	past := series20(random, 25, 0.005)
	past[7].Log += 0.3 // in this workload or another, long ago
	guard := guardOf(past)
	quiet := series20(random, 26, 0.005)
	quiet[25].Log += 0.1
	if c, _ := Detect(quiet, 0.01, guard); c.P <= 0.01 {
		t.Errorf("a lone night no worse than one of the past is called: %+v", c)
	}
	if c, _ := Detect(quiet, 0.01, NoGuard); c.P > 1e-4 {
		t.Errorf("the same where the past was quiet: %+v", c)
	}
	// The night after it, as slow: now it is called, since two nights.
	again := append(quiet[:26:26], Night{Log: 0.1})
	if c, _ := Detect(again, 0.01, guard); c.P > 1e-4 || c.Nights != 2 {
		t.Errorf("two nights: %+v", c)
	}
	// The night after it is well again.
	well := append(quiet[:26:26], Night{})
	if c, _ := Detect(well, 0.01, guard); c.P <= 0.01 && c.Slower {
		t.Errorf("it was one night: %+v", c)
	}
	// Three spoilt nights in a row, and the past has seen that too.
	past = series20(random, 25, 0.005)
	for i := 12; i < 15; i++ {
		past[i].Log += 0.3
	}
	worse := append(again[:27:27], Night{Log: 0.1})
	if c, _ := Detect(worse, 0.01, guardOf(past)); c.P <= 0.01 {
		t.Errorf("three nights no worse than three of the past: %+v", c)
	}
}

// A change that is still there is no past that hides the next.
func TestALastingChangeDoesNotGuardItself(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	past := series20(random, 25, 0.005)
	quiet := guardOf(past[:20])
	for i := 20; i < 25; i++ {
		past[i].Log += 0.1
	}
	if g := guardOf(past); g[0] < quiet[0]/10 || g[threeNights] < quiet[threeNights]/10 {
		t.Errorf("guard %v, and %v before the change", g, quiet)
	}
}

// By hand: of 20 nights the least p of all; of 199 the second least, since
// 0.01 × 200 = 2 nights may fall below.
func TestGuardByHand(t *testing.T) {
	var least [len(splits)][]float64
	for i := range 20 {
		least[0] = append(least[0], float64(20-i)/100)
	}
	if got := NewGuard(least, 0.01); got[0] != 0.01 || got[1] != 1 {
		t.Errorf("%v", got)
	}
	for len(least[0]) < 199 {
		least[0] = append(least[0], 0.5)
	}
	if got := NewGuard(least, 0.01); got[0] != 0.02 {
		t.Errorf("%v", got)
	}
}

// Against 200,000 draws: the standard error of their variance is some 0.3 %.
func TestMedianVariance(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 14))
	for _, k := range splits {
		const trials = 200000
		var sum, squares float64
		x := make([]float64, k)
		for range trials {
			for i := range x {
				x[i] = random.NormFloat64()
			}
			slices.Sort(x)
			m := x[(k-1)/2]
			sum += m
			squares += m * m
		}
		got := squares/trials - sum/trials*sum/trials
		if want := medianVariance(k); math.Abs(got/want-1) > 0.03 {
			t.Errorf("the lower median of %d has variance %.4f, not %.4f", k, got, want)
		}
	}
}
