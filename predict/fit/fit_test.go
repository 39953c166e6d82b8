package fit

import (
	"math"
	"testing"
)

// A floor and a rate, y = max(floor, x/rate), sampled without noise: the search
// must find both, and again give the same values when repeated.
func TestGlobalThenLocalRecoverAKinkedLaw(t *testing.T) {
	truth := []float64{3e-6, 2e9}
	law := func(v []float64, x float64) float64 { return max(v[0], x/v[1]) }
	loss := func(v []float64) float64 {
		s := 0.0
		for x := 1e2; x < 1e6; x *= 1.3 {
			s += math.Abs(math.Log(law(v, x) / law(truth, x)))
		}
		return s
	}
	box := []Range{{1e-7, 1e-4}, {1e8, 1e11}}
	find := func() []float64 {
		v, _ := Global(loss, []float64{1e-5, 1e10}, box, 600)
		v, _ = Local(loss, v, box, 300)
		return v
	}
	a, b := find(), find()
	for i := range truth {
		if math.Abs(a[i]/truth[i]-1) > 1e-3 {
			t.Errorf("parameter %d: found %g, want %g", i, a[i], truth[i])
		}
		if a[i] != b[i] {
			t.Errorf("parameter %d: %g, then %g on the same data", i, a[i], b[i])
		}
	}
}

func TestSearchStaysInTheBox(t *testing.T) {
	// The loss falls without end towards +∞ and −∞; the answer is the corner.
	loss := func(v []float64) float64 { return v[1] - v[0] }
	v, _ := Global(loss, []float64{1, 1}, []Range{{0, 2}, {0.5, 8}}, 800)
	if v[0] != 2 || v[1] != 0.5 {
		t.Errorf("found %v, want the corner [2 0.5]", v)
	}
}

// y = a with alternating noise of ±10 %: the loss |ln(a/y)| is flat between the
// two values, so the interval must hold both; a second parameter that the law
// never uses must span its whole range.
func TestIntervalHoldsWhatTheDataCannotTell(t *testing.T) {
	y := make([]float64, 200)
	series := make([]string, len(y))
	for i := range y {
		y[i] = 0.9 + 0.2*float64(i%2)
		series[i] = string(rune('a' + i/10))
	}
	losses := func(v, out []float64) {
		for i := range y {
			out[i] = math.Abs(math.Log(v[0] / y[i]))
		}
	}
	box := []Range{{0.1, 10}, {1, 100}}
	best := []float64{math.Sqrt(0.9 * 1.1), 10}
	low, high := Interval(losses, best, box, 0, series)
	if low > 0.9 || low < 0.85 || high < 1.1 || high > 1.16 {
		t.Errorf("interval [%g, %g], want just around [0.9, 1.1]", low, high)
	}
	if low, high = Interval(losses, best, box, 1, series); low != 1 || high != 100 {
		t.Errorf("an unused parameter's interval is [%g, %g], want [1, 100]", low, high)
	}
}
