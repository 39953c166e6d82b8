package microbench

import (
	"fmt"
	"math"
	"slices"
	"time"

	"bench/datasets/stats"
)

// sentinel watches for a change of the machine: a short fixed piece of work
// that runs between cases and should always take the same time.
type sentinel struct {
	run func() (float64, error)
	// start is its reading when the run began, and band how far a later one may
	// lie from it, as a ratio.
	start, band float64
	// last is the ratio of the latest reading to start.
	last float64
}

const (
	// sentinelBand is the drift that is always allowed: where the sentinel
	// itself was noisier than that at the start, twice its spread is.
	sentinelBand = 0.05
	// maxSentinelBand bounds the allowance: on a machine that cannot hold its
	// own speed within it, every verdict is withheld.
	maxSentinelBand = 0.15
	// sentinelStarts readings are taken at the start, after as many that only
	// warm up. A reading is the fastest of sentinelRuns: the case before has
	// taken the caches from the sentinel, whose first runs win them back, and a
	// burst of somebody else's work is seen in the CPU times anyway. What is
	// left to see is a machine that has become slower or faster.
	sentinelStarts  = 5
	sentinelRuns    = 8
	sentinelWarmups = 5
)

// sentinelSeconds is how long the machine is looked at first: a fiftieth of the
// run's time, where it is bounded, and at most a second.
func sentinelSeconds(run time.Duration) float64 {
	if run <= 0 {
		return 1
	}
	return min(1, run.Seconds()/50)
}

// newSentinel reads the machine as it is at the start of a run. The fastest
// reading of so many seconds is what later ones are held against, so that a
// disturbance while the run began does not make everything after it look odd.
func newSentinel(run func() (float64, error), seconds float64) (*sentinel, error) {
	s := &sentinel{run: run, last: 1}
	var starts []float64
	for spent := 0.0; len(starts) < sentinelWarmups+sentinelStarts || spent < seconds; {
		t, err := s.fastest()
		if err != nil {
			return nil, err
		}
		starts = append(starts, t)
		spent += sentinelRuns * t
	}
	starts = starts[sentinelWarmups:]
	s.start = slices.Min(starts)
	typical := stats.Median(starts)
	spread := typical/s.start - 1
	s.band = min(max(sentinelBand, 2*spread), maxSentinelBand)
	return s, nil
}

// fastest is one reading, in seconds.
func (s *sentinel) fastest() (float64, error) {
	best := math.Inf(1)
	for range sentinelRuns {
		t, err := s.run()
		if err != nil {
			return 0, fmt.Errorf("the sentinel, a short fixed piece of work between cases, does not run: %w", err)
		}
		if !(t > 0) {
			return 0, fmt.Errorf("the sentinel took %v s: the clock does not advance", t)
		}
		best = min(best, t)
	}
	return best, nil
}

// read runs the sentinel and returns its time as a ratio to the start.
func (s *sentinel) read() (float64, error) {
	t, err := s.fastest()
	if err != nil {
		return 0, err
	}
	s.last = t / s.start
	return s.last, nil
}

// drifted reports whether a ratio lies outside the band.
func (s *sentinel) drifted(ratio float64) bool { return ratio > 1+s.band || ratio < 1/(1+s.band) }
