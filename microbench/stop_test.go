package microbench

import (
	"math"
	"math/rand/v2"
	"testing"
)

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

// coverage runs the rule many times on noise with the median 1 and returns how
// often the interval held it, and the mean number of samples.
func coverage(runs int, draw func(*rand.Rand) func() float64) (share, meanN float64) {
	rng := rand.New(rand.NewPCG(4, 2))
	for range runs {
		next := draw(rng)
		r := MedianRule{HalfWidth: 0.01, Confidence: 0.95, Min: 20, Max: 1000}
		for r.Done() == "" {
			r.Add(next())
		}
		i := MedianInterval(r.Samples(), r.Confidence)
		if i.Low <= 1 && 1 <= i.High {
			share++
		}
		meanN += float64(len(r.Samples()))
	}
	return share / float64(runs), meanN / float64(runs)
}

// Stopping when the interval is narrow costs some of its nominal 95 %. What is
// left must be at least 93 % for symmetric, skewed and heavy-tailed noise. For
// strongly correlated samples it is less, since a stretch of them can look both
// narrow and independent; there the rule must still hold 87 %, where an
// interval that takes them for independent holds 60 %.
func TestCoverageOfStoppedIntervals(t *testing.T) {
	normal := func(sigma float64) func(*rand.Rand) func() float64 {
		return func(r *rand.Rand) func() float64 { return func() float64 { return 1 + sigma*r.NormFloat64() } }
	}
	for name, draw := range map[string]func(*rand.Rand) func() float64{
		"normal 1 %":  normal(0.01),
		"normal 5 %":  normal(0.05),
		"skewed 10 %": func(r *rand.Rand) func() float64 { return func() float64 { return math.Exp(0.1 * r.NormFloat64()) } },
		"one in ten preempted": func(r *rand.Rand) func() float64 {
			// Half of the clean samples lie below their own middle; the tenth
			// that is slow moves the median to the 5/9 quantile of the rest:
			// 0.1397σ above the clean middle.
			return func() float64 {
				v := 1 + 0.03*(r.NormFloat64()-0.13971)
				if r.IntN(10) == 0 {
					v += 1 + r.Float64()
				}
				return v
			}
		},
		"correlated 0.7": func(r *rand.Rand) func() float64 {
			state := r.NormFloat64()
			return func() float64 {
				state = 0.7*state + math.Sqrt(1-0.7*0.7)*r.NormFloat64()
				return 1 + 0.03*state
			}
		},
	} {
		share, n := coverage(1000, draw)
		t.Logf("%-22s covers %.1f %% with %.0f samples on average", name, share*100, n)
		want := 0.93
		if name == "correlated 0.7" {
			want = 0.87
		}
		if share < want {
			t.Errorf("%s: interval covers %.1f %% of 1,000 runs, want %.0f %%", name, share*100, want*100)
		}
	}
}

func TestMedianRuleStops(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	quiet := MedianRule{HalfWidth: 0.01, Confidence: 0.95, Min: 20, Max: 1000}
	for quiet.Done() == "" {
		quiet.Add(1 + 0.001*rng.NormFloat64())
	}
	if n := len(quiet.Samples()); quiet.Done() != "" && n != 20 {
		t.Errorf("quiet samples: stopped at %d, want the least number, 20", n)
	}
	loud := MedianRule{HalfWidth: 0.01, Confidence: 0.95, Min: 20, Max: 200}
	why := ""
	for why == "" {
		loud.Add(1 + rng.Float64())
		why = loud.Done()
	}
	if why != StopSamples || len(loud.Samples()) < 200 || len(loud.Samples()) > 220 {
		t.Errorf("loud samples: %q after %d", why, len(loud.Samples()))
	}
}
