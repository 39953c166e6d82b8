package main

import "testing"

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
