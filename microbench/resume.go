package microbench

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/probes"
)

// CheckResume refuses to go on with a run that another machine, another
// program or another plan began: its rows could not stand in one file. The
// error names what differs.
func CheckResume(began, now datasets.JournalHeader) error {
	if d := probes.Differences(began.Meta.Machine, now.Meta.Machine); len(d) > 0 {
		return fmt.Errorf("the run was begun on a different machine: %s", strings.Join(d, "; "))
	}
	if began.Meta.Bench != now.Meta.Bench {
		return fmt.Errorf("the run was begun by a different program: it was %q and is %q", began.Meta.Bench, now.Meta.Bench)
	}
	if began.PlanHash != now.PlanHash {
		return fmt.Errorf("the run was begun with a different plan: %q planned %s then and plans %s now",
			strings.Join(began.Meta.Command, " "), began.PlanHash, now.PlanHash)
	}
	return nil
}

// CheckKept refuses rows that a journal holds and that no run of the plan can have
// written there. A journal's checksums find what a disk did to it, not what somebody
// wrote.
func CheckKept(p Plan, rows []datasets.Row) error {
	planned := map[string]bool{}
	for _, w := range p.Workloads {
		planned[w.Key()] = true
	}
	for i := range rows {
		key := rows[i].Workload.Key()
		if !planned[key] {
			return fmt.Errorf("the case %s is not of the plan", key)
		}
		if err := checkMeasured(&rows[i].Measurement); err != nil {
			return fmt.Errorf("the case %s cannot have been measured: %w", key, err)
		}
	}
	return nil
}

func checkMeasured(m *datasets.Measurement) error {
	if m.Source != datasets.SourceMeasured && m.Source != datasets.SourceSimulated {
		return fmt.Errorf("its source is %q", m.Source)
	}
	if m.Wrong < 0 || m.Checked < 0 || m.Wrong > m.Checked {
		return fmt.Errorf("%d of %d checked elements are wrong", m.Wrong, m.Checked)
	}
	switch m.Verdict {
	case datasets.Failed, datasets.Skipped:
		return nil
	case datasets.OK, datasets.Flagged:
	default:
		return fmt.Errorf("its verdict is %q", m.Verdict)
	}
	if m.Wrong > 0 {
		return fmt.Errorf("%d elements are wrong, and its verdict is %q", m.Wrong, m.Verdict)
	}
	if m.BatchIterations < 1 || len(m.SamplesS) == 0 {
		return errors.New("it has no samples")
	}
	for _, s := range m.SamplesS {
		if !(s > 0) || math.IsInf(s, 0) {
			return fmt.Errorf("a sample took %v s", s)
		}
	}
	if median := stats.Median(m.SamplesS); m.TimeS != median {
		return fmt.Errorf("its time is %v s, and the median of its samples %v s", m.TimeS, median)
	}
	return nil
}
