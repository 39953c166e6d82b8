package stats

import "testing"

// The ranks of Conover's table A3 and Hahn and Meeker's table A.15 for the
// median at 95 %: n = 6 gives the extremes (1 − 2·2⁻⁶ = 0.969), n = 5 nothing
// (1 − 2·2⁻⁵ = 0.9375); for n = 20, P(B ≤ 5) = 0.0207 and P(B ≤ 6) = 0.0577,
// so l−1 = 5; for n = 100, P(B ≤ 39) = 0.0176 and P(B ≤ 40) = 0.0284, so l = 40.
func TestMedianRank(t *testing.T) {
	for _, c := range []struct{ n, want int }{{1, 0}, {5, 0}, {6, 1}, {8, 1}, {9, 2}, {20, 6}, {100, 40}} {
		if got := medianRank(c.n, 0.95); got != c.want {
			t.Errorf("n=%d: rank %d, want %d", c.n, got, c.want)
		}
	}
}

func TestMedianIntervalOfFewSamples(t *testing.T) {
	i := MedianInterval([]float64{3, 1, 2}, 0.95)
	// 1 − 2·2⁻³ = 0.75 is all that three samples can say.
	if i.Median != 2 || i.Low != 1 || i.High != 3 || i.Confidence != 0.75 {
		t.Errorf("got %+v", i)
	}
	if i := MedianInterval(nil, 0.95); i != (Interval{}) {
		t.Errorf("no samples: %+v", i)
	}
}

// Samples that switch level once, half way, have as good as two independent
// values, however many there are: the interval must not pretend otherwise.
func TestMedianIntervalOfStep(t *testing.T) {
	s := make([]float64, 200)
	for i := range s {
		s[i] = 1 + float64(i)*1e-9
		if i >= 100 {
			s[i] += 0.5
		}
	}
	i := MedianInterval(s, 0.95)
	if i.EffectiveN > 10 {
		t.Errorf("effective n %.1f of 200 samples on two levels", i.EffectiveN)
	}
	if i.Low > 1.01 || i.High < 1.49 {
		t.Errorf("interval [%v, %v] leaves out a level", i.Low, i.High)
	}
}
