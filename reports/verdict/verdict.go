// Package verdict says whether a measurement is as it should be. Judge is the one
// function that decides, and Word the words that every page uses; Checker judges
// whatever was pasted (bench check).
//
// What is expected comes from the most informed prediction that knows its own range
// (datasets.Prediction.LowS, HighS); where only the datasheet's bound is known, from
// what published sound machines reach of it (usual).
package verdict

import (
	"math"
	"slices"

	"bench/datasets"
)

// Word is a verdict.
type Word string

const (
	AsExpected Word = "as expected"
	Slow       Word = "slow"
	Broken     Word = "broken"
	CantSay    Word = "can't say"
)

// severity orders the words: the worst finding decides.
var severity = map[Word]int{AsExpected: 0, CantSay: 1, Slow: 2, Broken: 3}

// Worse returns the worse of two verdicts.
func Worse(a, b Word) Word {
	if severity[b] > severity[a] {
		return b
	}
	return a
}

// Judge holds a measurement against what is expected. faster is said where it beats
// the range: by the bound itself, it is a mistake or a cache.
func Judge(m *datasets.Measurement, e Expected) (word Word, faster bool) {
	t := m.TimeS
	if m.Verdict == datasets.Failed || m.Wrong > 0 {
		return Broken, false
	}
	if !(t > 0) || !(e.HighS > 0) || math.IsInf(e.HighS, 0) {
		return CantSay, false
	}
	// Noise widens: the whole interval must lie beyond the range.
	soonest := t
	if m.Source == datasets.SourceMeasured && m.LowS > 0 {
		soonest = min(t, m.LowS)
	}
	switch {
	case soonest > e.HighS && (t <= e.FloorS || soonest <= e.HighS*slowdown(m)):
		return CantSay, false
	case soonest > e.HighS:
		return Slow, false
	}
	return AsExpected, t < e.LowS
}

// slowdown is how many times longer a disturbance can have made a row. A neighbour or a
// lowered clock may halve the speed; more is allowed only where the readings say so.
func slowdown(m *datasets.Measurement) float64 {
	disturbed := slices.ContainsFunc(m.Flags, func(f string) bool {
		return f == datasets.FlagShared || f == datasets.FlagDrift || f == datasets.FlagThrottled
	})
	if !disturbed {
		return 1
	}
	c := &m.Conditions
	left := max(1-c.StealRatio-c.OtherCPURatio, 0.01)
	return max(2, c.SentinelRatio, 1/left)
}
