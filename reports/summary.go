package reports

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"bench/datasets"
	"bench/datasets/stats"
)

// All stands in a roll-up for every stack, op, data type, regime or split.
const All = "all"

// Group is the error of one tier over rows that share all of these fields.
// Source and Tool are never rolled up.
type Group struct {
	Suite  string `json:"suite"`
	Op     string `json:"op"`
	Device string `json:"device"`
	// Stack is the library and its version, "" where it is not known.
	Stack  string `json:"stack"`
	DType  string `json:"dtype"`
	Regime string `json:"regime"`
	Tier   string `json:"tier"`
	// Split is "fit", "test" or "all"; the calibrated tier is judged on "test".
	Split  string `json:"split"`
	Source string `json:"source"`
	// Tool made the imported rows, else "".
	Tool string `json:"tool"`
	// Simulated rows say nothing about hardware.
	Simulated bool `json:"simulated"`

	N int `json:"n"`
	// MAPE is the mean of |error|, a ratio as are the others.
	MAPE      float64 `json:"mape"`
	MedianAPE float64 `json:"median_ape"`
	// P90APE is Quantile(|error|, 0.9).
	P90APE float64 `json:"p90_ape"`
	// Bias is the median of the signed error.
	Bias float64 `json:"bias"`
}

// Where is the device, and the stack of imported rows. Which libraries a run of
// this program used is its own choice.
func (g *Group) Where() string {
	if g.Stack == All || g.Stack == "" || g.Source != string(datasets.SourceImported) {
		return g.Device
	}
	return g.Device + ", " + g.Stack
}

// Reason counts cases that share why they have no prediction, or were failed,
// skipped or flagged.
type Reason struct {
	Suite  string `json:"suite"`
	Device string `json:"device"`
	Source string `json:"source"`
	// Tier is "" where the reason is of the measurement.
	Tier string `json:"tier,omitempty"`
	// Verdict is "failed", "skipped" or "flagged"; "" of a missing prediction.
	Verdict string `json:"verdict,omitempty"`
	Reason  string `json:"reason"`
	Count   int    `json:"count"`
}

// Figures is the error's summary of some signed errors. It sorts them.
func Figures(errors []float64) (n int, mape, medianAPE, p90APE, bias float64) {
	if len(errors) == 0 {
		return 0, 0, 0, 0, 0
	}
	slices.Sort(errors)
	abs := make([]float64, len(errors))
	for i, e := range errors {
		abs[i] = math.Abs(e)
	}
	slices.Sort(abs)
	return len(errors), stats.Mean(abs), stats.Quantile(abs, 0.5), stats.Quantile(abs, 0.9), stats.Quantile(errors, 0.5)
}

// cell is the finest grouping; roll-ups join cells.
type cell struct {
	suite                                          datasets.Suite
	stack, op, device, dtype, regime, source, tool string
	split                                          datasets.Split
}

// cellOf is the row's finest cell.
func cellOf(j *Joined) cell {
	w, m := j.Row.Workload, &j.Row.Measurement
	return cell{w.Suite(), m.Stack.Name(), w.Op(), j.Row.DeviceID, string(w.DType()), string(j.Regime), string(m.Source), m.Origin.Tool, j.Split}
}

// above are the cell and its roll-ups.
func (c cell) above() iter.Seq[cell] {
	return func(yield func(cell) bool) {
		for mask := range 32 {
			up := c
			for bit, field := range []*string{&up.stack, &up.op, &up.dtype, &up.regime, (*string)(&up.split)} {
				if mask>>bit&1 == 1 {
					*field = All
				}
			}
			if !yield(up) {
				return
			}
		}
	}
}

// group is the cell's group, its figures yet to come.
func (c cell) group(t datasets.Tier) Group {
	return Group{Suite: string(c.suite), Op: c.op, Device: c.device, Stack: c.stack, DType: c.dtype, Regime: c.regime,
		Tier: string(t), Split: string(c.split), Source: c.source, Tool: c.tool,
		Simulated: c.source == string(datasets.SourceSimulated)}
}

// sortedCells leaves out "all" stacks where there is but one.
func sortedCells[T any](cells map[cell]T) []cell {
	stack := func(c cell) cell { return cell{source: c.source, tool: c.tool, device: c.device, suite: c.suite} }
	stacks := map[cell]map[string]bool{}
	for c := range cells {
		if stacks[stack(c)] == nil {
			stacks[stack(c)] = map[string]bool{}
		}
		stacks[stack(c)][c.stack] = true
	}
	keys := make([]cell, 0, len(cells))
	for c := range cells {
		if c.stack != All || len(stacks[stack(c)]) > 2 {
			keys = append(keys, c)
		}
	}
	slices.SortFunc(keys, compareCells)
	return keys
}

// Groups summarises the error of every tier: by suite, stack, op, device, data
// type, regime, split, source and tool, and with "all" in the place of op, data
// type, regime, split, and the stack where there are several, in every
// combination. Groups without a row are left out. The order is by source, tool,
// device, suite, then from the widest to the finest.
func Groups(rows []Joined, tiers []datasets.Tier) []Group {
	cells := map[cell][][]float64{}
	for i := range rows {
		j := &rows[i]
		c := cellOf(j)
		errors := cells[c]
		if errors == nil {
			errors = make([][]float64, len(tiers))
			cells[c] = errors
		}
		for t := range tiers {
			if e, ok := j.Error(t); ok {
				errors[t] = append(errors[t], e)
			}
		}
	}

	rolled := map[cell][][][]float64{}
	for c, errors := range cells {
		for up := range c.above() {
			parts := rolled[up]
			if parts == nil {
				parts = make([][][]float64, len(tiers))
				rolled[up] = parts
			}
			for t := range tiers {
				if len(errors[t]) > 0 {
					parts[t] = append(parts[t], errors[t])
				}
			}
		}
	}

	keys := sortedCells(rolled)
	perCell := make([][]Group, len(keys))
	overChunks(len(keys), func(i int) {
		c := keys[i]
		for t, tier := range tiers {
			// Parts come in the map's order; Figures sorts what it is given.
			errors := slices.Concat(rolled[c][t]...)
			if len(errors) == 0 {
				continue
			}
			g := c.group(tier)
			g.N, g.MAPE, g.MedianAPE, g.P90APE, g.Bias = Figures(errors)
			perCell[i] = append(perCell[i], g)
		}
	})
	return slices.Concat(perCell...)
}

func compareCells(a, b cell) int {
	return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.tool, b.tool), cmp.Compare(a.device, b.device),
		cmp.Compare(suiteOrder(a.suite), suiteOrder(b.suite)), cmp.Compare(a.suite, b.suite),
		allFirst(a.stack, b.stack), allFirst(a.op, b.op), allFirst(a.dtype, b.dtype), allFirst(a.regime, b.regime), allFirst(string(a.split), string(b.split)))
}

func suiteOrder(s datasets.Suite) int {
	if i := slices.Index(datasets.Suites, s); i >= 0 {
		return i
	}
	return len(datasets.Suites)
}

func allFirst(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == All:
		return -1
	case b == All:
		return 1
	}
	return cmp.Compare(a, b)
}

// NotPredicted counts the usable rows without a prediction, by tier and reason,
// the most frequent first.
func NotPredicted(rows []Joined, tiers []datasets.Tier) []Reason {
	counts := map[Reason]int{}
	for i := range rows {
		if rows[i].Row.Measurement.Usable() {
			countNotPredicted(counts, &rows[i], tiers)
		}
	}
	return sortedReasons(counts)
}

func countNotPredicted(counts map[Reason]int, j *Joined, tiers []datasets.Tier) {
	for t, tier := range tiers {
		if why := j.Predictions[t].NotPredicted; why != "" {
			counts[Reason{Suite: string(j.Row.Workload.Suite()), Device: j.Row.DeviceID,
				Source: string(j.Row.Measurement.Source), Tier: string(tier), Reason: why}]++
		}
	}
}

// Cases counts what failed, was skipped or was flagged, by reason. A case with
// two flags counts under both.
func Cases(rows []Joined) []Reason {
	counts := map[Reason]int{}
	for i := range rows {
		countCase(counts, &rows[i])
	}
	return sortedReasons(counts)
}

func countCase(counts map[Reason]int, j *Joined) {
	m := &j.Row.Measurement
	if m.Verdict == datasets.OK {
		return
	}
	r := Reason{Suite: string(j.Row.Workload.Suite()), Device: j.Row.DeviceID,
		Source: string(m.Source), Verdict: string(m.Verdict), Reason: m.Reason}
	switch m.Verdict {
	case datasets.Failed, datasets.Skipped:
		if r.Reason == "" {
			r.Reason = "no reason recorded"
		}
		counts[r]++
	case datasets.Flagged:
		for _, r.Reason = range m.Flags {
			counts[r]++
		}
	}
}

func sortedReasons(counts map[Reason]int) []Reason {
	reasons := make([]Reason, 0, len(counts))
	for r, n := range counts {
		r.Count = n
		reasons = append(reasons, r)
	}
	slices.SortFunc(reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Suite, b.Suite),
			cmp.Compare(a.Device, b.Device), cmp.Compare(a.Tier, b.Tier), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Reason, b.Reason))
	})
	return reasons
}
