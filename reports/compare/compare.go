// Package compare holds two sets of runs against each other, workload by
// workload: the ratio of their medians, how sure it is, and what follows.
//
// The ratio's interval is rank-based: each median's own interval, which knows
// that samples of one run are autocorrelated, joined on the logarithmic scale
// (Price and Bonett 2002). Of a bootstrap it has the advantages that dependent
// samples need no block length, that six samples suffice, that it draws no
// random numbers, and that it costs nothing: the interval is in the file beside
// the samples. What it cannot know is how far two runs of the same thing lie
// apart. Where a side has several measurements of a workload, their scatter
// says so; where each has one, the scatter of the whole suite's ratios does.
//
// A comparison shows many workloads to somebody who will look at the few that
// stand out, so the correction is Benjamini and Hochberg's, of the share of
// wrong calls among these. (A gate, which one wrong call turns red, uses
// Holm's.)
package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/reports"
)

// The verdicts of a row.
const (
	Faster    = "faster"
	Slower    = "slower"
	Same      = "same"
	NoVerdict = "no verdict"
)

// Verdicts lists them in the order in which they are shown.
var Verdicts = []string{Slower, Faster, Same, NoVerdict}

// Options of a comparison.
type Options struct {
	// Within is the relative difference of no interest: a row is the same if
	// its whole interval is nearer to 1, and never slower or faster for less.
	Within float64
	// FDR is the share of wrong calls among the rows called slower or faster.
	FDR float64
	// Across names conditions (Across) that are meant to differ, so that their
	// difference takes no verdict.
	Across []string
}

// Defaults: a run asks for medians known to ±1 % each.
var Defaults = Options{Within: 0.02, FDR: 0.05}

// Confidence is that of each ratio's interval, before any correction.
const Confidence = 0.95

// fullConfidence is what a median's interval must reach for a verdict; fewer
// than six samples, or dependent ones, reach less than 95 %.
const fullConfidence = 0.9499

// sharedVarianceRows is how many rows of a suite it takes to know the variance
// between two runs from the scatter of their ratios.
const sharedVarianceRows = 8

// Row is one workload in both sides.
type Row struct {
	Key   string `json:"key"`
	Label string `json:"-"`
	Suite string `json:"suite"`
	// BaseDevice and NewDevice differ where devices are compared.
	BaseDevice string `json:"base_device"`
	NewDevice  string `json:"new_device"`
	// UUID is the very GPU where that is on both sides.
	UUID string `json:"device_uuid,omitempty"`
	// BaseN and NewN count the measurements of each side.
	BaseN int `json:"base_measurements"`
	NewN  int `json:"new_measurements"`
	// BaseS and NewS are the medians in seconds; of several measurements, the
	// geometric mean of the medians. 0 where there is none.
	BaseS float64 `json:"base_s,omitempty"`
	NewS  float64 `json:"new_s,omitempty"`
	// Ratio is new/base, above 1 where new is slower, with its interval at
	// Confidence; Low is 0 where there is none.
	Ratio float64 `json:"ratio,omitempty"`
	Low   float64 `json:"ratio_low,omitempty"`
	High  float64 `json:"ratio_high,omitempty"`
	// P is of no difference at all, AdjustedP corrected for all rows. Both are
	// absent where there is no interval.
	P         *float64 `json:"p,omitempty"`
	AdjustedP *float64 `json:"p_adjusted,omitempty"`
	// Superiority is the effect size: the probability that a sample of new
	// takes longer than one of base (Superiority); absent without samples.
	Superiority *float64 `json:"superiority,omitempty"`
	// Simulated is set where either side is: such rows say nothing about hardware.
	Simulated bool   `json:"simulated"`
	Verdict   string `json:"verdict"`
	// Why there is no verdict: conditions, or one sentence.
	Why []Condition `json:"why,omitempty"`
	// Conditions differed, but were meant to (Options.Across, two devices).
	Conditions []Condition `json:"conditions,omitempty"`

	diff   Difference
	ranked bool
}

// Only is a workload that one side alone has.
type Only struct {
	// Side is "base" or "new".
	Side   string `json:"side"`
	Key    string `json:"key"`
	Suite  string `json:"suite"`
	Device string `json:"device"`
	UUID   string `json:"device_uuid,omitempty"`
}

// Suite sums up a suite's rows of one pair of devices.
type Suite struct {
	Suite      string `json:"suite"`
	BaseDevice string `json:"base_device"`
	NewDevice  string `json:"new_device"`
	// N counts the rows that have a ratio; GeoMean is their geometric mean.
	N       int     `json:"n"`
	GeoMean float64 `json:"geomean_ratio"`
	// Counts of rows by verdict.
	Counts map[string]int `json:"verdicts"`
	// BetweenRuns is the standard deviation between two single runs that the
	// scatter of the suite's ratios shows beyond their intervals, as a ratio; 0
	// where it is not needed or not known.
	BetweenRuns float64 `json:"between_runs,omitempty"`
}

// Result is a comparison.
type Result struct {
	Base, New []datasets.Meta
	Options   Options
	Rows      []Row
	Only      []Only
	Suites    []Suite
	Notes     []string
}

// Compare matches the workloads of two sides and judges each.
func Compare(base, new []*datasets.Run, o Options) *Result {
	r := &Result{Options: o}
	for _, run := range base {
		r.Base = append(r.Base, run.Meta)
	}
	for _, run := range new {
		r.New = append(r.New, run.Meta)
	}
	byGPU := shareGPUs(base, new)
	pairs, only := match(collect(base, byGPU), collect(new, byGPU))
	r.Only = only
	for _, p := range pairs {
		r.Rows = append(r.Rows, measure(p, &o))
	}
	slices.SortStableFunc(r.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.BaseDevice, b.BaseDevice), cmp.Compare(a.NewDevice, b.NewDevice),
			cmp.Compare(suiteOrder(a.Suite), suiteOrder(b.Suite)), cmp.Compare(a.Suite, b.Suite))
	})
	r.group()
	judge(r.Rows, &o)
	r.summarise()
	return r
}

func suiteOrder(s string) int {
	if i := slices.Index(datasets.Suites, datasets.Suite(s)); i >= 0 {
		return i
	}
	return len(datasets.Suites)
}

// measure gives a pair its times, ratio and interval.
func measure(p pair, o *Options) Row {
	w := p.base[0].row.Workload
	r := Row{Key: p.key, Label: reports.Label(w), Suite: string(w.Suite()), BaseDevice: p.baseDevice, NewDevice: p.newDevice, UUID: p.uuid,
		Simulated: simulatedCell(p.base[0]) || simulatedCell(p.new[0]), Verdict: NoVerdict}
	baseUsable, newUsable := usable(p.base), usable(p.new)
	r.BaseN, r.NewN = len(baseUsable), len(newUsable)
	if r.BaseN == 0 || r.NewN == 0 {
		for _, side := range []struct {
			name  string
			cells []cell
			n     int
		}{{"base", p.base, r.BaseN}, {"new", p.new, r.NewN}} {
			if side.n == 0 {
				m := &side.cells[0].row.Measurement
				r.Why = append(r.Why, Condition{string(m.Verdict), fmt.Sprintf("%s %s: %s", side.name, m.Verdict, m.Reason)})
			}
		}
	}
	r.BaseS, r.NewS = geometricMean(baseUsable), geometricMean(newUsable)
	if r.BaseS > 0 && r.NewS > 0 {
		r.Ratio = r.NewS / r.BaseS
	}
	if r.Ratio == 0 {
		return r
	}
	r.conditions(baseUsable, newUsable, o)
	b, okB := joined(baseUsable)
	n, okN := joined(newUsable)
	switch {
	case !okB || !okN:
		r.Why = append(r.Why, Condition{"no interval", noInterval(baseUsable, newUsable)})
	default:
		r.diff, r.ranked = Between(b, n), true
		if x, y := samples(baseUsable), samples(newUsable); len(x) > 0 && len(y) > 0 {
			s := stats.Superiority(x, y)
			r.Superiority = &s
		}
	}
	return r
}

func simulatedCell(c cell) bool { return c.row.Measurement.Source == datasets.SourceSimulated }

func usable(cells []cell) []cell {
	var out []cell
	for _, c := range cells {
		if c.row.Measurement.Usable() {
			out = append(out, c)
		}
	}
	return out
}

func samples(cells []cell) []float64 {
	var out []float64
	for _, c := range cells {
		out = append(out, c.row.Measurement.SamplesS...)
	}
	return out
}

func geometricMean(cells []cell) float64 {
	if len(cells) == 0 {
		return 0
	}
	if len(cells) == 1 {
		return cells[0].row.Measurement.TimeS
	}
	var sum float64
	for _, c := range cells {
		sum += math.Log(c.row.Measurement.TimeS)
	}
	return math.Exp(sum / float64(len(cells)))
}

// joined is the time of a side: one measurement's own interval, or the scatter
// of several.
func joined(cells []cell) (LogTime, bool) {
	if len(cells) == 1 {
		return LogMedian(&cells[0].row.Measurement)
	}
	logs := make([]float64, len(cells))
	for i, c := range cells {
		if len(c.row.Measurement.SamplesS) == 0 {
			return LogTime{}, false
		}
		logs[i] = math.Log(c.row.Measurement.TimeS)
	}
	return MeanLogTime(logs), true
}

func noInterval(base, new []cell) string {
	for _, side := range []struct {
		name  string
		cells []cell
	}{{"base", base}, {"new", new}} {
		for _, c := range side.cells {
			if m := &c.row.Measurement; len(m.SamplesS) == 0 {
				return fmt.Sprintf("%s is %s without samples", side.name, m.Source)
			}
		}
	}
	return "a median has no interval"
}

// conditions collects what flags and differing conditions say, each name once
// for a side, and sets those apart that are meant to differ.
func (r *Row) conditions(base, new []cell, o *Options) {
	add := func(list *[]Condition, c Condition) {
		if !slices.ContainsFunc(*list, func(h Condition) bool { return h.Text == c.Text }) {
			*list = append(*list, c)
		}
	}
	for _, side := range []struct {
		name  string
		cells []cell
	}{{"base", base}, {"new", new}} {
		held := 0
		var flags []Condition
		for _, c := range side.cells {
			w := Withheld(&c.row.Measurement)
			held += min(1, len(w))
			flags = append(flags, w...)
			if len(side.cells) == 1 && len(w) == 0 && c.row.Measurement.Confidence < fullConfidence && len(c.row.Measurement.SamplesS) > 0 {
				add(&r.Why, Condition{"few samples", side.name + " has too few independent samples for an interval at 95 %"})
			}
		}
		// Of several measurements, a few disturbed ones widen the scatter;
		// half of them or more leave nothing to trust.
		if 2*held >= len(side.cells) {
			for _, f := range flags {
				add(&r.Why, Condition{f.Name, side.name + ": " + f.Text})
			}
		}
	}
	devices := r.BaseDevice != r.NewDevice
	for _, b := range base {
		for _, n := range new {
			for _, c := range Differences(b.run, b.row, n.run, n.row) {
				if devices && c.Name != "source" || slices.Contains(o.Across, c.Name) {
					add(&r.Conditions, c)
				} else {
					add(&r.Why, c)
				}
			}
		}
	}
}

// group lists the suites of each pair of devices and adds to rows of single
// measurements the variance between two runs of the same thing, which neither
// run can know: what the ratios of the suite scatter beyond their intervals,
// robustly, so that the few rows that did change do not count. Flagged rows are
// among those that show it. A suite of too few rows takes all of the pair's.
// Two devices differ from row to row for better reasons and are left alone.
func (r *Result) group() {
	for from := 0; from < len(r.Rows); {
		pair := from
		for pair < len(r.Rows) && r.Rows[pair].BaseDevice == r.Rows[from].BaseDevice && r.Rows[pair].NewDevice == r.Rows[from].NewDevice {
			pair++
		}
		all := betweenRuns(r.Rows[from:pair])
		for from < pair {
			to := from
			for to < pair && r.Rows[to].Suite == r.Rows[from].Suite {
				to++
			}
			rows := r.Rows[from:to]
			variance := betweenRuns(rows)
			if math.IsNaN(variance) {
				variance = all
			}
			s := Suite{Suite: rows[0].Suite, BaseDevice: rows[0].BaseDevice, NewDevice: rows[0].NewDevice}
			if variance > 0 {
				s.BetweenRuns = math.Sqrt(variance)
				for i := range rows {
					if rows[i].shares() {
						rows[i].diff = rows[i].diff.plus(variance)
					}
				}
			}
			r.Suites = append(r.Suites, s)
			from = to
		}
	}
}

// shares reports whether the variance between runs is missing from a row.
func (r *Row) shares() bool {
	return r.ranked && r.BaseN == 1 && r.NewN == 1 && r.BaseDevice == r.NewDevice
}

// betweenRuns is the variance between two runs, and NaN where the rows are too
// few to know.
func betweenRuns(rows []Row) float64 {
	var logs, variances []float64
	for i := range rows {
		if r := &rows[i]; r.shares() {
			logs = append(logs, r.diff.Log)
			variances = append(variances, r.diff.SE*r.diff.SE)
		}
	}
	if len(logs) < sharedVarianceRows {
		return math.NaN()
	}
	s := stats.RobustSigma(logs)
	return max(0, s*s-stats.Median(variances))
}

// judge sets intervals, p-values and verdicts.
func judge(rows []Row, o *Options) {
	var ps []float64
	var at []int
	for i := range rows {
		r := &rows[i]
		if !r.ranked {
			continue
		}
		low, high := r.diff.Interval(Confidence)
		// Of two measurements a side the interval can be beyond all numbers.
		r.Low, r.High = math.Exp(max(low, -700)), math.Exp(min(high, 700))
		p := r.diff.P()
		r.P = &p
		if len(r.Why) == 0 {
			ps, at = append(ps, p), append(at, i)
		}
	}
	limit := math.Log1p(o.Within)
	for k, adjusted := range stats.BenjaminiHochberg(ps) {
		r := &rows[at[k]]
		r.AdjustedP = &adjusted
		switch {
		case adjusted <= o.FDR && r.diff.Log >= limit:
			r.Verdict = Slower
		case adjusted <= o.FDR && r.diff.Log <= -limit:
			r.Verdict = Faster
		case math.Log(r.Low) > -limit && math.Log(r.High) < limit:
			r.Verdict = Same
		default:
			r.Why = append(r.Why, Condition{"noise", fmt.Sprintf("the interval %s … %s decides nothing",
				reports.SignedPercent(r.Low-1), reports.SignedPercent(r.High-1))})
		}
	}
}

func (r *Result) summarise() {
	for i := range r.Suites {
		s := &r.Suites[i]
		s.Counts = map[string]int{}
		var sum float64
		for j := range r.Rows {
			row := &r.Rows[j]
			if row.Suite != s.Suite || row.BaseDevice != s.BaseDevice || row.NewDevice != s.NewDevice {
				continue
			}
			s.Counts[row.Verdict]++
			if row.Ratio > 0 {
				s.N++
				sum += math.Log(row.Ratio)
			}
		}
		if s.N > 0 {
			s.GeoMean = math.Exp(sum / float64(s.N))
		}
	}
	single := slices.ContainsFunc(r.Rows, func(r Row) bool { return r.ranked && (r.BaseN == 1 || r.NewN == 1) })
	if single {
		r.Notes = append(r.Notes, "A side with one measurement of a workload cannot show what a whole run is off by, which all its rows share: repeat the runs (folders of several are taken together), or use --interleave.")
	}
}
