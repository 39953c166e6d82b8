package main

import (
	"testing"

	"bench/datasets"
)

// The rule on figures whose truth is known: eight quiet runs between 0.98 and 1.02.
func TestHostileRule(t *testing.T) {
	at := func(low, time, high float64, flags ...string) *datasets.Measurement {
		v := datasets.OK
		if len(flags) > 0 {
			v = datasets.Flagged
		}
		return &datasets.Measurement{Verdict: v, TimeS: time, LowS: low, HighS: high, Flags: flags}
	}
	var runs []map[string]*datasets.Measurement
	for i := range 8 {
		time := 0.98 + 0.04*float64(i)/7
		runs = append(runs, map[string]*datasets.Measurement{"a": at(time*0.995, time, time*1.005)})
	}
	runs = append(runs, map[string]*datasets.Measurement{"a": at(2, 2, 2, datasets.FlagShared)}) // says nothing
	quiet := control(runs)
	for i, q := range quiet {
		if q.silent+q.wrongFlagged > 0 && i < 8 || q.cases != 1 {
			t.Errorf("quiet run %d: %+v", i, q)
		}
	}
	for name, c := range map[string]struct {
		m    *datasets.Measurement
		want func(j judged) int
		fool bool
	}{
		"holds the quiet figure":            {at(0.9, 1.2, 1.3), func(j judged) int { return j.right }, false},
		"no further than a quiet run":       {at(1.019, 1.02, 1.03), func(j judged) int { return j.right }, false},
		"the same, flagged":                 {at(1.019, 1.02, 1.03, datasets.FlagShared), func(j judged) int { return j.rightFlagged }, false},
		"10 % slow without a flag":          {at(1.09, 1.1, 1.11), func(j judged) int { return j.silent }, true},
		"10 % fast without a flag":          {at(0.89, 0.9, 0.91), func(j judged) int { return j.silent }, true},
		"10 % slow and flagged":             {at(1.09, 1.1, 1.11, datasets.FlagDrift), func(j judged) int { return j.wrongFlagged }, false},
		"its interval is wide, and says so": {at(1.09, 1.3, 1.5, datasets.FlagUnsteady), func(j judged) int { return j.wrongFlagged }, false},
		"failed":                            {&datasets.Measurement{Verdict: datasets.Failed}, func(j judged) int { return j.withheld }, false},
		"missing":                           {nil, func(j judged) int { return j.withheld }, false},
	} {
		j := judgeRun(map[string]*datasets.Measurement{"a": c.m}, gather(runs))
		if c.want(j) != 1 || fooled(j, quiet) != c.fool || j.right+j.rightFlagged+j.wrongFlagged+j.silent+j.withheld != 1 {
			t.Errorf("%s: %+v", name, j)
		}
	}
	if j := judgeRun(runs[0], gather(runs[:leastQuiet-1])); j.unjudged != 1 {
		t.Errorf("five quiet runs judge: %+v", j)
	}
}
