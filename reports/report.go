package reports

import (
	"cmp"
	"math"
	"slices"

	"bench/datasets"
)

// Report is everything that a renderer shows.
type Report struct {
	Runs         []*datasets.Run
	Tiers        []datasets.Tier
	Rows         []Joined
	Groups       []Group
	NotPredicted []Reason
	// Cases counts the failed, skipped and flagged ones.
	Cases []Reason
	// Fleet compares the nodes, where there are several.
	Fleet *Fleet
	// Aggregate is set where there were too many rows to keep. Runs is then
	// empty, and Rows holds the worst of each section alone.
	Aggregate *Aggregate

	// Again says which stored predictions were not used, and why.
	Again []string

	balanced map[string]float64
	// tallied are an aggregate's counts by section.
	tallied []*suiteTally
	// devices and override are what rows were predicted with (DeviceOf).
	devices  Devices
	override string
}

// New joins, groups and counts. The error is one of wrong usage (Predict).
func New(runs []*datasets.Run, tiers []datasets.Tier, devices Devices) (*Report, error) {
	rows, again, err := predictRuns(runs, tiers, devices)
	if err != nil {
		return nil, err
	}
	r := assemble(runs, tiers, rows)
	r.devices, r.Again = devices, again
	r.override, err = devices.bind(runs)
	return r, err
}

// assemble groups and counts rows that are joined.
func assemble(runs []*datasets.Run, tiers []datasets.Tier, rows []Joined) *Report {
	r := &Report{Runs: runs, Tiers: tiers, Rows: rows, Groups: Groups(rows, tiers),
		NotPredicted: NotPredicted(rows, tiers), Cases: Cases(rows), Fleet: FleetOf(runs, rows, tiers), balanced: map[string]float64{}}
	for i := range rows {
		if m, ok := rows[i].Row.Workload.(datasets.MoELayer); ok && m.Routing.Rule == datasets.RouteBalanced && rows[i].Row.Measurement.Usable() {
			r.balanced[balancedKey(&rows[i], m)] = rows[i].Row.Measurement.TimeS
		}
	}
	r.appointJudges()
	return r
}

func balancedKey(j *Joined, m datasets.MoELayer) string {
	m.Routing = datasets.Routing{Rule: datasets.RouteBalanced}
	return j.Row.DeviceID + "\x00" + string(j.Row.Measurement.Source) + "\x00" + m.Key()
}

// Slowdown is how much longer an MoE row took than the same layer under
// balanced routing at the same batch, as a ratio; 0 where the report holds no
// such row.
func (r *Report) Slowdown(j *Joined) float64 {
	m, ok := j.Row.Workload.(datasets.MoELayer)
	if !ok || !j.Row.Measurement.Usable() {
		return 0
	}
	if b := r.balanced[balancedKey(j, m)]; b > 0 {
		return j.Row.Measurement.TimeS / b
	}
	return 0
}

// Best is the index of the most informed tier that predicted the row, or −1.
func (r *Report) Best(j *Joined) int {
	best := -1
	for i, t := range r.Tiers {
		if _, ok := j.Error(i); ok && (best < 0 || tierRank(t) > tierRank(r.Tiers[best])) {
			best = i
		}
	}
	return best
}

// tierRank orders tiers by what they know of the device itself: its own peaks
// say more than a relative's parameters.
func tierRank(t datasets.Tier) int {
	return slices.Index([]datasets.Tier{datasets.TierDatasheet, datasets.TierTransferred, datasets.TierCeilings, datasets.TierCalibrated}, t)
}

// Section is the rows of one source, tool, device and suite: one table.
type Section struct {
	Source datasets.Source
	// Tool made imported rows, else "".
	Tool   string
	Device string
	Suite  datasets.Suite
	// Rows is all of the section's rows, in the order of the input.
	Rows []*Joined
}

// Sections splits the rows into tables, hardware before simulation.
func (r *Report) Sections() []Section {
	type id struct {
		source       datasets.Source
		tool, device string
		suite        datasets.Suite
	}
	at := map[id]int{}
	var sections []Section
	for i := range r.Rows {
		j := &r.Rows[i]
		k := id{j.Row.Measurement.Source, j.Row.Measurement.Origin.Tool, j.Row.DeviceID, j.Row.Workload.Suite()}
		s, ok := at[k]
		if !ok {
			s = len(sections)
			at[k] = s
			sections = append(sections, Section{Source: k.source, Tool: k.tool, Device: k.device, Suite: k.suite})
		}
		sections[s].Rows = append(sections[s].Rows, j)
	}
	rank := map[datasets.Source]int{datasets.SourceMeasured: 0, datasets.SourceImported: 1, datasets.SourceSimulated: 2}
	slices.SortStableFunc(sections, func(a, b Section) int {
		return cmp.Or(cmp.Compare(rank[a.Source], rank[b.Source]), cmp.Compare(a.Tool, b.Tool), cmp.Compare(a.Device, b.Device),
			cmp.Compare(suiteOrder(a.Suite), suiteOrder(b.Suite)))
	})
	return sections
}

// Worst returns the n rows with the largest |error| of the most informed tier
// that predicted each, the worst first. Rows that no tier predicted are left
// out; ties keep the order of the input.
func (r *Report) Worst(rows []*Joined, n int) []*Joined {
	type judged struct {
		row *Joined
		ape float64
	}
	var all []judged
	for _, j := range rows {
		if t := r.Best(j); t >= 0 {
			e, _ := j.Error(t)
			all = append(all, judged{j, math.Abs(e)})
		}
	}
	slices.SortStableFunc(all, func(a, b judged) int { return cmp.Compare(b.ape, a.ape) })
	all = all[:min(n, len(all))]
	out := make([]*Joined, len(all))
	for i, a := range all {
		out[i] = a.row
	}
	return out
}

// Title names a section.
func (s *Section) Title() string {
	t := string(s.Suite) + " on " + s.Device + ", " + string(s.Source)
	if s.Tool != "" {
		t += " from " + s.Tool
	}
	return t
}

// Headline is the groups over all ops, data types and regimes of a suite, and
// of each stack where imported rows are of several: on the test half where the
// suite has calibrated predictions (so that every tier is judged on the same
// rows), else on all rows.
func (r *Report) Headline() []Group {
	type id struct{ source, tool, device, suite string }
	calibrated := map[id]bool{}
	several := map[id]bool{} // stacks
	for _, g := range r.Groups {
		k := id{g.Source, g.Tool, g.Device, g.Suite}
		several[k] = several[k] || g.Stack == All
		if g.Tier == string(datasets.TierCalibrated) && g.Split == string(datasets.TestHalf) {
			calibrated[k] = true
		}
	}
	var out []Group
	for _, g := range r.Groups {
		split, k := All, id{g.Source, g.Tool, g.Device, g.Suite}
		if calibrated[k] {
			split = string(datasets.TestHalf)
		}
		apart := g.Source == string(datasets.SourceImported)
		if (!several[k] || (g.Stack != All) == apart) && g.Op == All && g.DType == All && g.Regime == All && g.Split == split {
			out = append(out, g)
		}
	}
	return out
}
