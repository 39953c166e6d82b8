package microbench

import (
	"math/rand/v2"
	"testing"
)

// A stopping rule looks for moments when the interval is narrow, which costs some
// of its nominal 95 %: what is left must be at least 93 % over 1,000 runs of each
// noise, those that are correlated included. (Fewer runs under the race detector
// scatter by 1.4 %.)
func TestCoverageOfStoppedIntervals(t *testing.T) {
	for _, n := range noises {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			if got := ours.try(coverageRuns, n); got.held < leastCoverage {
				t.Errorf("the interval holds the truth in %.1f %% of the runs, with %.0f samples on average", got.held*100, got.samples)
			}
		})
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
