package gate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/reports"
	"bench/reports/compare"
)

// measured is one night's measurement of a workload.
type measured struct {
	run *datasets.Run
	row *datasets.Row
}

// history is the nights before, oldest first, by workload and device.
type history struct {
	runs []*datasets.Run
	of   map[series][]measured
}

type series struct{ key, device, uuid string }

func seriesOf(row *datasets.Row, key string) series { return series{key, row.DeviceID, row.DeviceUUID} }

// newHistory sorts the nights before. The night itself, runs that began after
// it, and those of other machines are left out, and the last are noted.
func newHistory(night, runs []*datasets.Run, r *Result) *history {
	h := &history{of: map[series][]measured{}}
	var others, later int
	for _, run := range runs {
		switch placeOf(night, &run.Meta) {
		case otherMachine:
			others++
		case laterNight:
			later++
		case nightBefore:
			h.runs = append(h.runs, run)
		}
	}
	if others > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d runs of other machines are no history of this one and were left out.", others))
	}
	if later > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d runs began after this one and were left out.", later))
	}
	slices.SortStableFunc(h.runs, func(a, b *datasets.Run) int { return cmp.Compare(a.Meta.StartUnixS, b.Meta.StartUnixS) })
	for _, run := range h.runs {
		for i := range run.Rows {
			row := &run.Rows[i]
			if telling(row) {
				k := seriesOf(row, row.Workload.Key())
				h.of[k] = append(h.of[k], measured{run, row})
			}
		}
	}
	return h
}

// place is what a run is to the night that is judged.
type place int

const (
	nightItself place = iota
	otherMachine
	laterNight
	nightBefore
)

func placeOf(night []*datasets.Run, run *datasets.Meta) place {
	switch {
	case slices.ContainsFunc(night, func(n *datasets.Run) bool { return n.Meta.ID == run.ID }):
		return nightItself
	case !slices.ContainsFunc(night, func(n *datasets.Run) bool { return sameMachine(&n.Meta, run) }):
		return otherMachine
	case !slices.ContainsFunc(night, func(n *datasets.Run) bool { return n.Meta.StartUnixS >= run.StartUnixS }):
		return laterNight
	}
	return nightBefore
}

// IsHistory reports whether a run is one of the nights before, on the same
// machine: of all others the rows need not be read.
func IsHistory(night []*datasets.Run, run *datasets.Meta) bool {
	return placeOf(night, run) == nightBefore
}

// guard is NewGuard of the history.
func (h *history) guard(alpha float64) Guard {
	worst := map[*datasets.Run]*Guard{}
	for _, past := range h.of {
		nights := make([]Night, len(past))
		for i, m := range past {
			nights[i] = nightOf(&m.row.Measurement)
		}
		for s, k := range splits {
			for i, p := range pastPs(nights, k) {
				g := worst[past[i].run]
				if g == nil {
					g = &Guard{}
					*g = NoGuard
					worst[past[i].run] = g
				}
				g[s] = min(g[s], p)
			}
		}
	}
	var least [len(splits)][]float64
	for _, g := range worst {
		for s, p := range g {
			least[s] = append(least[s], p)
		}
	}
	return NewGuard(least, alpha)
}

// telling reports whether a row was measured and not disturbed.
func telling(row *datasets.Row) bool {
	return row.Measurement.Usable() && len(compare.Withheld(&row.Measurement)) == 0
}

// earlier is what was measured of a workload before the last of rows.
func earlier(night []*datasets.Run, rows []*reports.Joined) []measured {
	var out []measured
	for _, j := range rows[:len(rows)-1] {
		if telling(j.Row) {
			out = append(out, measured{night[j.Run], j.Row})
		}
	}
	return out
}

// sameMachine reports whether two runs were made on one machine: host and CPU
// are the same. Another kernel or microcode makes no other machine, and may be
// the cause of a loss.
func sameMachine(a, b *datasets.Meta) bool {
	if a.Machine == "" || b.Machine == "" {
		return a.Host == b.Host
	}
	return !slices.ContainsFunc(datasets.FingerprintDifferences(a.Machine, b.Machine), func(d datasets.Difference) bool {
		return d.Part == "host" || d.Part == "cpu" || d.Part == "system"
	})
}

func nightOf(m *datasets.Measurement) Night {
	n := Night{Log: math.Log(m.TimeS)}
	if l, ok := compare.LogMedian(m); ok {
		n.SE = l.SE
	}
	return n
}

// againstHistory looks in every workload's nights for a change of level.
func (r *Result) againstHistory(night []*datasets.Run, rows []reports.Joined, h *history) {
	o := &r.Options
	// Of several measurements of a workload the last is judged, and those
	// before it follow the history.
	tonight := map[series][]*reports.Joined{}
	var order []series
	for i := range rows {
		k := seriesOf(rows[i].Row, rows[i].Key)
		if tonight[k] == nil {
			order = append(order, k)
		}
		tonight[k] = append(tonight[k], &rows[i])
	}
	guard := h.guard(o.Alpha)
	var ps []float64
	var tested []int
	for _, k := range order {
		last := tonight[k][len(tonight[k])-1]
		f := finding(last, night, AgainstHistory)
		for _, m := range append(slices.Clone(h.of[k]), earlier(night, tonight[k])...) {
			if m.row.Measurement.Source == last.Row.Measurement.Source {
				f.past = append(f.past, m)
			}
		}
		if f.Why == "" {
			var nights []Night
			for _, m := range f.past {
				nights = append(nights, nightOf(&m.row.Measurement))
			}
			nights = append(nights, nightOf(&last.Row.Measurement))
			// The correction comes after all have been tested; until then
			// Detectable takes the least that Holm's may ask.
			c, ok := Detect(nights, o.Alpha/float64(len(order)), guard)
			f.change, f.Before = c, c.Before
			if !ok {
				f.Why = fmt.Sprintf("%d undisturbed nights before this one: %d are needed", len(nights)-1, LeastNights)
			} else {
				ps, tested = append(ps, c.P), append(tested, len(r.Findings))
			}
		}
		r.Findings = append(r.Findings, f)
	}
	adjusted := stats.Holm(ps)
	for i, at := range tested {
		r.Findings[at].judgeChange(adjusted[i], o)
	}
	if r.History < LeastNights {
		r.Notes = append(r.Notes, fmt.Sprintf("The history holds %s: %d are needed, and some 20 to see small changes.", reports.Plural(r.History, "night"), LeastNights))
	}
}

// judgeChange gives a tested workload its outcome.
func (f *Finding) judgeChange(p float64, o *Options) {
	c := &f.change
	f.P, f.Nights = &p, c.Nights
	f.ExpectedS = math.Exp(c.Level)
	f.Ratio = math.Exp(c.Shift)
	f.Limit = max(math.Exp(c.Detectable), 1+o.Within)
	significant := p <= o.Alpha && math.Abs(c.Shift) >= math.Log1p(o.Within)
	switch {
	case significant && c.Slower:
		f.Outcome = Fail
	case significant:
		f.Outcome = Improved
	case f.Limit > 1+o.See:
		f.Why = fmt.Sprintf("the nights scatter by %s: three nights would be seen to be slower only from %.3g × their time", reports.Percent(c.Scale), f.Limit)
	default:
		f.Outcome = Pass
	}
	if significant {
		f.Since = f.night(c.Nights)
	} else {
		// What the night itself was, where nothing changed.
		f.Nights = 1
		f.Ratio = f.MeasuredS / f.ExpectedS
	}
}

// night names the first of the last k nights.
func (f *Finding) night(k int) string {
	if k == 1 {
		return "this night"
	}
	at := len(f.past) - (k - 1)
	if at < 0 || at >= len(f.past) {
		return reports.Plural(k, "night")
	}
	m := &f.past[at].run.Meta
	if m.StartUnixS == 0 {
		return m.ID
	}
	return time.Unix(m.StartUnixS, 0).UTC().Format(time.DateOnly) + " (" + m.ID + ")"
}
