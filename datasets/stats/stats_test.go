package stats

import (
	"math"
	"slices"
	"testing"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s is %g, want %g", what, got, want)
	}
}

// Worked out by hand from the definitions: m = 4.
func TestBenjaminiHochbergAndHolm(t *testing.T) {
	p := []float64{0.04, 0.01, 0.03, 0.005}
	// Sorted: .005×4/1=.02, .01×4/2=.02, .03×4/3=.04, .04×4/4=.04.
	if got, want := BenjaminiHochberg(p), []float64{0.04, 0.02, 0.04, 0.02}; !close(got, want) {
		t.Errorf("Benjamini and Hochberg: %v, want %v", got, want)
	}
	// Sorted: .005×4=.02, .01×3=.03, .03×2=.06, .04×1=.04 raised to .06.
	if got, want := Holm(p), []float64{0.06, 0.03, 0.06, 0.02}; !close(got, want) {
		t.Errorf("Holm: %v, want %v", got, want)
	}
	if BenjaminiHochberg(nil) == nil || len(Holm(nil)) != 0 {
		t.Error("no tests are no fault")
	}
}

func close(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Abs(x-y) < 1e-12 })
}

func TestSuperiorityByHand(t *testing.T) {
	// Of the 9 pairs new is longer in 6, equal in 1: (6 + ½)/9.
	near(t, "superiority", Superiority([]float64{3, 1, 2}, []float64{2, 3.5, 2.5}), (1.5+3+2)/9, 1e-12)
	near(t, "of nothing", Superiority(nil, []float64{1}), 0.5, 0)
}

func TestRobustSigma(t *testing.T) {
	// Median 3, absolute deviations 2 1 0 1 97, of which the median is 1.
	near(t, "sigma", RobustSigma([]float64{1, 2, 3, 4, 100}), 1.4826, 1e-12)
}

// Position q·(n−1) of 0 10 20 30 by hand: 0.9·3 = 2.7.
func TestQuantileByHand(t *testing.T) {
	v := []float64{30, 0, 20, 10}
	near(t, "0.9", Quantile(v, 0.9), 27, 1e-12)
	near(t, "least", Quantile(v, 0), 0, 0)
	near(t, "greatest", Quantile(v, 1), 30, 0)
	near(t, "median", Median(v), 15, 0)
	near(t, "median of three", Median([]float64{7, -1, 3}), 3, 0)
	near(t, "of one", Quantile([]float64{7}, 0.9), 7, 0)
	if !slices.Equal(v, []float64{30, 0, 20, 10}) {
		t.Error("the values were changed")
	}
	if Quantile(nil, 0.5) != 0 || Quantile(nil, 0) != 0 || Median(nil) != 0 || Mean(nil) != 0 || RobustSigma(nil) != 0 {
		t.Error("of no values all are 0")
	}
}

// The sorted list answers as the plain functions do.
func TestSorted(t *testing.T) {
	v := []float64{5, 1, 4, 4, 9, 2}
	for ; len(v) > 0; v = v[1:] {
		s := Sort(slices.Clone(v))
		near(t, "median", s.Median(), Median(v), 0)
		for i := range v {
			near(t, "without", s.MedianWithout(v[i]), Median(slices.Delete(slices.Clone(v), i, i+1)), 0)
		}
	}
	near(t, "of none", Sorted(nil).Median(), 0, 0)
}

// R: qt(0.975, 4) = 2.776445, pt(-3.674235, 4) = 0.010656, qnorm(0.975) = 1.959964.
func TestStudentsT(t *testing.T) {
	near(t, "quantile", TQuantile(0.975, 4), 2.776445, 1e-6)
	near(t, "normal quantile", TQuantile(0.975, math.Inf(1)), 1.959964, 1e-6)
	near(t, "tail", UpperTail(3.674235, 4), 0.010656, 1e-6)
	near(t, "normal tail", UpperTail(1.959964, math.Inf(1)), 0.025, 1e-8)
	near(t, "tail of infinity", UpperTail(math.Inf(1), 4), 0, 0)
}
