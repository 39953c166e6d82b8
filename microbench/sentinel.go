package microbench

import (
	"fmt"
	"slices"

	"github.com/montanaflynn/stats"
)

// sentinel watches for a change of the machine: a short fixed piece of work
// that runs between cases and should always take the same time.
type sentinel struct {
	run func() (float64, error)
	// start is its median when the run began, and band how far a later one may
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
	sentinelStarts  = 21
	sentinelRuns    = 5
)

// newSentinel reads the machine as it is at the start of a run, after as many
// unrecorded runs to warm up.
func newSentinel(run func() (float64, error)) (*sentinel, error) {
	s := &sentinel{run: run, last: 1}
	var times []float64
	for i := range 2 * sentinelStarts {
		t, err := run()
		if err != nil {
			return nil, fmt.Errorf("the sentinel, a short fixed piece of work between cases, does not run: %w", err)
		}
		if !(t > 0) {
			return nil, fmt.Errorf("the sentinel took %v s: the clock does not advance", t)
		}
		if i >= sentinelStarts {
			times = append(times, t)
		}
	}
	s.start, _ = stats.Median(times)
	// A reading is the median of sentinelRuns; its spread is judged from
	// medians of as many at the start.
	var medians []float64
	for c := range slices.Chunk(times, sentinelRuns) {
		m, _ := stats.Median(c)
		medians = append(medians, m)
	}
	spread := (slices.Max(medians) - slices.Min(medians)) / s.start
	s.band = min(max(sentinelBand, 2*spread), maxSentinelBand)
	return s, nil
}

// read runs the sentinel and returns its time as a ratio to the start.
func (s *sentinel) read() (float64, error) {
	var times []float64
	for range sentinelRuns {
		t, err := s.run()
		if err != nil {
			return 0, fmt.Errorf("the sentinel does not run any more: %w", err)
		}
		times = append(times, t)
	}
	m, _ := stats.Median(times)
	s.last = m / s.start
	return s.last, nil
}

// drifted reports whether a ratio lies outside the band.
func (s *sentinel) drifted(ratio float64) bool { return ratio > 1+s.band || ratio < 1/(1+s.band) }
