package microbench

import (
	"math/rand/v2"
	"testing"
)

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
