package fit

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A floor and a rate, y = max(floor, x/rate), one sample in ten wrong by a factor of 5:
// the search must find both, and again give the same values when repeated.
func TestMinimizeRecoversAKinkedLaw(t *testing.T) {
	truth := []float64{3e-6, 2e9}
	law := func(v []float64, x float64) float64 { return max(v[0], x/v[1]) }
	var x []float64
	for v := 1e2; v < 1e6; v *= 1.1 {
		x = append(x, v)
	}
	p := Problem{N: len(x), Box: []Range{{1e-7, 1e-4}, {1e8, 1e11}}, Residuals: func(v, out []float64) {
		for i := range x {
			out[i] = math.Log(law(v, x[i]) / law(truth, x[i]))
			if i%10 == 0 {
				out[i] -= math.Log(5)
			}
		}
	}}
	a, _ := p.Minimize([]float64{1e-5, 1e10}, 60)
	b, _ := p.Minimize([]float64{1e-5, 1e10}, 60)
	for i := range truth {
		if math.Abs(a[i]/truth[i]-1) > 5e-3 {
			t.Errorf("parameter %d: found %g, want %g", i, a[i], truth[i])
		}
		if a[i] != b[i] {
			t.Errorf("parameter %d: %g, then %g on the same data", i, a[i], b[i])
		}
	}
}

func TestMinimizeStaysInTheBox(t *testing.T) {
	// The loss falls towards +∞ and −∞; the answer is the corner.
	p := Problem{N: 1, Box: []Range{{0, 2}, {0.5, 8}}, Residuals: func(v, out []float64) { out[0] = 3 + v[1]/9 - v[0] }}
	v, _ := p.Minimize([]float64{1, 1}, 60)
	if math.Abs(v[0]-2) > 1e-3 || math.Abs(v[1]-0.5) > 1e-2 {
		t.Errorf("found %v, want the corner [2 0.5]", v)
	}
}

// A prior that is worth as much as the observations halves what they say: one residual of
// 1 + u, |slope| 1, against Pull/2·(u/width)² has its least where Pull·u/width² = 1.
func TestPriorHolds(t *testing.T) {
	p := Problem{N: 1, Box: []Range{{0, 1}}, Prior: []float64{1}, Width: []float64{0.5}, Pull: 1,
		Residuals: func(v, out []float64) { out[0] = 1 + v[0] }}
	v, _ := p.Minimize([]float64{1}, 60)
	if math.Abs(v[0]-0.75) > 0.01 {
		t.Errorf("found %g, want 0.75", v[0])
	}
}

// 95 % intervals hold the truth in about 95 of 100 samples of a noisy floor and rate,
// though the two are free to follow each other; a parameter without effect has its range.
func TestIntervalsHoldTheTruth(t *testing.T) {
	const trials = 300
	r := rand.New(rand.NewPCG(1, 2))
	truth := []float64{3e-6, 2e9, 5}
	box := []Range{{1e-7, 1e-4}, {1e8, 1e11}, {1, 100}}
	held := [2]int{}
	for range trials {
		x, noise := make([]float64, 200), make([]float64, 200)
		series := make([]string, len(x))
		for i := range x {
			x[i], noise[i] = 1e2*math.Pow(1e4, float64(i)/200), 0.1*r.NormFloat64()
			series[i] = string(rune(i))
		}
		p := Problem{N: len(x), Box: box, Residuals: func(v, out []float64) {
			for i := range x {
				out[i] = math.Log((v[0]+x[i]/v[1])/(truth[0]+x[i]/truth[1])) - noise[i]
			}
		}}
		v, _ := p.Minimize(truth, 30)
		low, high := p.Intervals(v, series)
		for i := range held {
			if low[i] <= truth[i] && truth[i] <= high[i] {
				held[i]++
			}
		}
		if low[2] != 1 || high[2] != 100 {
			t.Fatalf("an unused parameter's interval is [%g, %g], want [1, 100]", low[2], high[2])
		}
	}
	for i, n := range held {
		if n < trials*90/100 || n > trials*99/100 {
			t.Errorf("the interval of parameter %d held the truth in %d of %d samples", i, n, trials)
		}
	}
}
