package reports

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"bench/datasets"
)

// Aggregate says what an aggregated report was made from.
type Aggregate struct {
	Rows  int `json:"rows"`
	Runs  int `json:"runs"`
	Hosts int `json:"hosts"`
	// FirstUnixS and LastUnixS are when the first and the last run began.
	FirstUnixS int64 `json:"first_unix_s"`
	LastUnixS  int64 `json:"last_unix_s"`
	// QuantileAccuracy bounds the relative error of medians and percentiles of
	// more than ExactValues rows; all other figures are exact.
	QuantileAccuracy float64 `json:"quantile_accuracy_ratio"`
	ExactValues      int     `json:"exact_values"`
}

// AggregateRows is above how many rows a report is aggregated: its memory then
// depends on how many groups there are, not on how many rows.
const AggregateRows = 200_000

// Aggregated makes a report of any number of rows in one pass: groups, reasons
// and fleet as New makes them, medians and percentiles of large groups out of
// a sketch, and of the rows only the worst of each section. The error is one
// of reading, or of wrong usage (Predict).
func Aggregated(s *datasets.Scanner, paths []string, tiers []datasets.Tier, devices Devices) (*Report, error) {
	t := newTally(tiers)
	scan := *s
	scan.Columns = append(JoinColumns(), ExtraColumns...)
	for part, err := range Stream(&scan, paths, tiers, devices) {
		if err != nil {
			return nil, err
		}
		t.add(&part)
	}
	return t.report(), nil
}

// ExtraColumns are read beyond JoinColumns for the figures beside the worst
// rows.
var ExtraColumns = []string{"time_low_s", "time_high_s", "active_experts", "max_load", "mean_load"}

// tally counts rows as they come.
type tally struct {
	tiers        []datasets.Tier
	r            *Report
	file         *datasets.File
	hosts        map[string]bool
	cells        map[cell][]distribution
	notPredicted map[Reason]int
	cases        map[Reason]int
	worst        map[section][]worstRow
	suites       map[section]*suiteTally
	fleet        *fleetTally

	lastCell  cell
	lastTiers []distribution
}

type section struct {
	source       datasets.Source
	tool, device string
	suite        datasets.Suite
}

// worstRow is a row kept for its error.
type worstRow struct {
	row Joined
	ape float64
}

func newTally(tiers []datasets.Tier) *tally {
	return &tally{tiers: tiers, r: &Report{Tiers: tiers, Aggregate: &Aggregate{QuantileAccuracy: sketchAccuracy, ExactValues: exactValues}},
		hosts: map[string]bool{}, cells: map[cell][]distribution{}, notPredicted: map[Reason]int{}, cases: map[Reason]int{},
		worst: map[section][]worstRow{}, suites: map[section]*suiteTally{}, fleet: newFleetTally(tiers)}
}

func (t *tally) add(p *Part) {
	a := t.r.Aggregate
	if p.File != t.file {
		t.file = p.File
		at := p.File.Meta.StartUnixS
		if a.Runs == 0 || at < a.FirstUnixS {
			a.FirstUnixS = at
		}
		a.Runs, a.LastUnixS = a.Runs+1, max(a.LastUnixS, at)
		t.hosts[p.File.Meta.Host] = true
	}
	a.Rows += len(p.Rows)
	for i := range p.Rows {
		j := &p.Rows[i]
		countCase(t.cases, j)
		m := &j.Row.Measurement
		at := section{m.Source, m.Origin.Tool, j.Row.DeviceID, j.Row.Workload.Suite()}
		if t.suites[at] == nil {
			t.suites[at] = &suiteTally{section: at}
		}
		t.suites[at].add(t.r, j, nil)
		if !j.Row.Measurement.Usable() {
			continue
		}
		countNotPredicted(t.notPredicted, j, t.tiers)
		c := cellOf(j)
		if c != t.lastCell || t.lastTiers == nil {
			t.lastCell, t.lastTiers = c, t.cells[c]
			if t.lastTiers == nil {
				t.lastTiers = make([]distribution, len(t.tiers))
				t.cells[c] = t.lastTiers
			}
		}
		for k := range t.tiers {
			if e, ok := j.Error(k); ok {
				t.lastTiers[k].add(e)
			}
		}
		t.keepWorst(j)
		t.fleet.add(&p.File.Meta, p.File.Devices, j)
	}
}

// keepWorst keeps the row if it is among the worst of its section so far.
func (t *tally) keepWorst(j *Joined) {
	best := t.r.Best(j)
	if best < 0 {
		return
	}
	e, _ := j.Error(best)
	ape := math.Abs(e)
	w, m := j.Row.Workload, &j.Row.Measurement
	s := section{m.Source, m.Origin.Tool, j.Row.DeviceID, w.Suite()}
	list := t.worst[s]
	if len(list) == defaultWorst && ape <= list[len(list)-1].ape {
		return
	}
	// A copy: the row would keep its whole row group in memory.
	kept := *j
	row := *j.Row
	kept.Row, kept.Predictions = &row, slices.Clone(j.Predictions)
	at, _ := slices.BinarySearchFunc(list, ape, func(x worstRow, v float64) int { return cmp.Or(cmp.Compare(v, x.ape), -1) })
	list = slices.Insert(list, at, worstRow{kept, ape})
	t.worst[s] = list[:min(len(list), defaultWorst)]
}

func (t *tally) report() *Report {
	r := t.r
	r.Aggregate.Hosts = len(t.hosts)
	r.Groups = groupsOf(rollUp(t.cells), t.tiers)
	r.NotPredicted, r.Cases = sortedReasons(t.notPredicted), sortedReasons(t.cases)
	r.Fleet = t.fleet.fleet()
	sections := slices.SortedFunc(maps.Keys(t.suites), func(a, b section) int {
		return cmp.Or(sourceOrder(a.source)-sourceOrder(b.source), cmp.Compare(a.tool, b.tool), cmp.Compare(a.device, b.device), suiteOrder(a.suite)-suiteOrder(b.suite))
	})
	for _, s := range sections {
		r.tallied = append(r.tallied, t.suites[s])
		for _, j := range t.worst[s] {
			r.Rows = append(r.Rows, j.row)
		}
	}
	return r
}

// rollUp joins the finest cells into those with "all" in any place.
func rollUp(cells map[cell][]distribution) map[cell][]distribution {
	rolled := map[cell][]distribution{}
	for c, tiers := range cells {
		for up := range c.above() {
			to := rolled[up]
			if to == nil {
				to = make([]distribution, len(tiers))
				rolled[up] = to
			}
			for k := range tiers {
				to[k].merge(&tiers[k])
			}
		}
	}
	return rolled
}

// groupsOf are the figures of rolled-up cells, in the order of Groups.
func groupsOf(rolled map[cell][]distribution, tiers []datasets.Tier) []Group {
	keys := sortedCells(rolled)
	perCell := make([][]Group, len(keys))
	overChunks(len(keys), func(i int) {
		for k, tier := range tiers {
			d := &rolled[keys[i]][k]
			if d.n == 0 {
				continue
			}
			g := keys[i].group(tier)
			g.N, g.MAPE, g.MedianAPE, g.P90APE, g.Bias = d.figures()
			perCell[i] = append(perCell[i], g)
		}
	})
	return slices.Concat(perCell...)
}
