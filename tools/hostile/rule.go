package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bench/datasets"
	"bench/datasets/stats"
)

// The rule by which a figure that was measured beside an adversary is called right
// or wrong. Nobody knows a case's true time, so that the quiet runs between are the
// measure: they differ from each other too, by more than their intervals say.
//
// A figure's excess is how far its interval lies from the quiet figure, as a ratio,
// 0 where it holds it. It is allowed the largest excess that any of the quiet runs
// has against the others, and 1 % more, which is how narrow intervals are asked to
// be. Where the adversary changes nothing, its run is one like the others, and
// passes a largest of n by chance in 1 of n + 1 cases at most, before the 1 %.

// leastQuiet is how many undisturbed quiet measurements judge a case.
const leastQuiet = 6

// excess of a figure against a quiet one, as a signed ratio − 1.
func excess(m *datasets.Measurement, quiet float64) float64 {
	switch {
	case m.LowS > quiet:
		return m.LowS/quiet - 1
	case m.HighS < quiet:
		return m.HighS/quiet - 1
	}
	return 0
}

// undisturbed reports whether a quiet run's figure says what the quiet machine does.
func undisturbed(m *datasets.Measurement) bool {
	return m.Usable() && !slices.ContainsFunc(m.Flags, func(f string) bool { return f != datasets.FlagUnsteady && f != datasets.FlagWarmup })
}

// quietCase is what the quiet runs say of one case.
type quietCase struct {
	figure, allowed float64
	runs            int
}

// ofQuiet needs the undisturbed measurements of one case.
func ofQuiet(ms []*datasets.Measurement) quietCase {
	median := func(skip int) float64 {
		var times []float64
		for i, m := range ms {
			if i != skip {
				times = append(times, m.TimeS)
			}
		}
		return stats.Median(times)
	}
	q := quietCase{figure: median(-1), runs: len(ms)}
	for i, m := range ms {
		if len(ms) > 1 {
			q.allowed = max(q.allowed, math.Abs(excess(m, median(i))))
		}
	}
	q.allowed += 0.01
	return q
}

// judged is what became of a run's cases, by the rule.
type judged struct {
	cases                          int
	right, rightFlagged            int
	wrongFlagged, withheld, silent int
	// unjudged cases have too few undisturbed quiet measurements.
	unjudged int
	flags    map[string]int
	// worst is the largest excess of a figure without a flag.
	worst float64
	// example is the key of the case that is furthest from the quiet figure, of those
	// that are silently wrong, else of those flagged, else of all; figures are its.
	example, figures string
}

// judgeRun holds a run's measurements, by key, against the quiet ones.
func judgeRun(run map[string]*datasets.Measurement, quiet map[string][]*datasets.Measurement) judged {
	j := judged{flags: map[string]int{}}
	furthest, rank := -1.0, 0
	for key, ms := range quiet {
		j.cases++
		m := run[key]
		if m == nil || !m.Usable() {
			j.withheld++
			continue
		}
		for _, f := range m.Flags {
			j.flags[f]++
		}
		q := ofQuiet(ms)
		if q.runs < leastQuiet {
			j.unjudged++
			continue
		}
		e := excess(m, q.figure)
		flagged := len(m.Flags) > 0
		class := 0
		switch {
		case math.Abs(e) <= q.allowed && flagged:
			j.rightFlagged++
		case math.Abs(e) <= q.allowed:
			j.right++
		case flagged:
			j.wrongFlagged++
			class = 1
		default:
			j.silent++
			class = 2
		}
		if !flagged {
			j.worst = max(j.worst, math.Abs(e))
		}
		if d := math.Abs(m.TimeS/q.figure - 1); class > rank || class == rank && d > furthest {
			rank, furthest = class, d
			flags := "no flag"
			if flagged {
				flags = strings.Join(m.Flags, ", ")
			}
			j.example = key
			j.figures = fmt.Sprintf("%.4g → %.4g µs ±%.2g %%, %s", q.figure*1e6, m.TimeS*1e6, (m.HighS-m.LowS)/2/m.TimeS*100, flags)
		}
	}
	return j
}

// control is each quiet run against the others.
func control(runs []map[string]*datasets.Measurement) []judged {
	out := make([]judged, len(runs))
	for i, run := range runs {
		out[i] = judgeRun(run, gather(slices.Concat(runs[:i], runs[i+1:])))
	}
	return out
}

// gather collects the undisturbed measurements of each case that any run has.
func gather(runs []map[string]*datasets.Measurement) map[string][]*datasets.Measurement {
	out := map[string][]*datasets.Measurement{}
	for _, run := range runs {
		for key, m := range run {
			ms := out[key] // a case that was always disturbed is one too
			if undisturbed(m) {
				ms = append(ms, m)
			}
			out[key] = ms
		}
	}
	return out
}

// fooled reports whether a run has more silently wrong figures than any quiet run,
// or one that is further off than any quiet run's.
func fooled(j judged, quiet []judged) bool {
	most, worst := 0, 0.0
	for _, q := range quiet {
		most, worst = max(most, q.silent), max(worst, q.worst)
	}
	return j.silent > most || j.silent > 0 && j.worst > worst+0.01
}
