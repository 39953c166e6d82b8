package gate

import (
	"math"
	"math/rand/v2"
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
	got, ok := Detect(nights(0.02, -0.02, 0.02, -0.02, 0.02, -0.02, 0.1), 0.01)
	if !ok || got.Nights != 1 || got.Before != 6 || math.Abs(got.P-2*c.P) > 1e-12 || math.Abs(got.Shift-0.1) > 1e-12 {
		t.Errorf("%+v", got)
	}
	// t of 0.005 (two tests) with 5 degrees of freedom is 4.0321.
	if want := 4.032143 * 0.023664; math.Abs(got.Detectable-want) > 1e-5 {
		t.Errorf("detectable %g, want %g", got.Detectable, want)
	}
	if _, ok := Detect(nights(1, 2, 3, 4, 5), 0.01); ok {
		t.Error("four nights before show no scatter")
	}
}

// A night whose own samples scatter counts for less.
func TestDetectWeighsADoubtfulNight(t *testing.T) {
	n := nights(0.02, -0.02, 0.02, -0.02, 0.02, -0.02, 0.1)
	sure, _ := Detect(n, 0.01)
	n[6].SE = 0.05
	doubtful, _ := Detect(n, 0.01)
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
	c, _ := Detect(n, 0.01)
	if c.Nights != 6 || !c.Slower || c.P > 1e-4 || math.Abs(c.Shift-0.05) > 0.01 {
		t.Errorf("%+v", c)
	}
	// It went away again: the last night does not show it.
	n[28].Log -= 0.05
	n[29].Log -= 0.05
	if c, _ := Detect(n, 0.01); c.P < 0.01 && c.Slower {
		t.Errorf("a loss that has passed: %+v", c)
	}
	// An improvement is one.
	n = series20(random, 20, 0.005)
	n[19].Log -= 0.1
	if c, _ := Detect(n, 0.01); c.Slower || c.P > 1e-4 {
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
	c, _ := Detect(n, 0.01)
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
		if c, _ := Detect(series20(random, 25, 0.01), alpha); c.P <= alpha {
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
