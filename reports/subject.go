package reports

import (
	"slices"
	"strings"

	"bench/datasets"
)

// Subject is what a verdict, a panel or a column of differences is about: one
// device as one source saw it, and where the input has a few runs, in one run.
type Subject struct {
	Device string
	Source datasets.Source
	// Tool made imported rows, else "".
	Tool string
	// Run is the index of the run, or −1 where runs are joined.
	Run  int
	Name string
	Rows []*Joined
}

// maxSubjectRuns is up to how many runs are told apart; more are a fleet or a
// history, and one verdict a device says more than hundreds.
const maxSubjectRuns = 6

// Subjects lists them, hardware before simulation, else in the input's order.
// A simulated one is named so.
func (r *Report) Subjects() []Subject {
	type id struct {
		device, tool string
		source       datasets.Source
		run          int
	}
	apart := len(r.Runs) <= maxSubjectRuns
	at := map[id]int{}
	var out []Subject
	for i := range r.Rows {
		j := &r.Rows[i]
		m := &j.Row.Measurement
		k := id{j.Row.DeviceID, m.Origin.Tool, m.Source, -1}
		if apart {
			k.run = j.Run
		}
		s, ok := at[k]
		if !ok {
			s = len(out)
			at[k] = s
			out = append(out, Subject{Device: k.device, Source: k.source, Tool: k.tool, Run: k.run})
		}
		out[s].Rows = append(out[s].Rows, j)
	}
	slices.SortStableFunc(out, func(a, b Subject) int { return sourceOrder(a.Source) - sourceOrder(b.Source) })
	for i := range out {
		out[i].Name = r.subjectName(out, i)
	}
	return out
}

func sourceOrder(s datasets.Source) int {
	return max(slices.Index([]datasets.Source{datasets.SourceMeasured, datasets.SourceImported, datasets.SourceSimulated}, s), 0)
}

// subjectName is the device, and what tells it from the others of its name.
func (r *Report) subjectName(all []Subject, i int) string {
	s := &all[i]
	name := []string{s.Device}
	same := func(differs func(o *Subject) bool) bool {
		return slices.ContainsFunc(all, func(o Subject) bool { return o.Device == s.Device && differs(&o) })
	}
	switch {
	case s.Source == datasets.SourceSimulated:
		name = append(name, "(simulated)")
	case s.Tool != "" && same(func(o *Subject) bool { return o.Tool != s.Tool || o.Source != s.Source }):
		name = append(name, "("+s.Tool+")")
	}
	if s.Run >= 0 && same(func(o *Subject) bool { return o.Run != s.Run && o.Source == s.Source && o.Tool == s.Tool }) {
		meta := &r.Runs[s.Run].Meta
		switch {
		case same(func(o *Subject) bool { return o.Run >= 0 && r.Runs[o.Run].Meta.Host != meta.Host }) && meta.Host != "":
			name = append(name, meta.Host)
		case meta.ID != "":
			name = append(name, meta.ID)
		}
	}
	return Clean(strings.Join(name, " "))
}

// DeviceOf is what the report knows of a subject's device: the one given by
// --device, the catalogue's, or what the run says. It is false for an unknown
// one.
func (r *Report) DeviceOf(s *Subject) (datasets.Device, bool) {
	run := s.Run
	if run < 0 && len(s.Rows) > 0 {
		run = s.Rows[0].Run
	}
	if run < 0 || run >= len(r.Runs) {
		return datasets.Device{}, false
	}
	if r.devices.Override != nil && s.Device == r.override {
		d := *r.devices.Override
		d.Ceilings = ceilings(r.Runs[run], s.Device)
		return d, true
	}
	return r.devices.find(r.Runs[run], s.Device)
}

// suiteID is whose rows are judged by one tier: an operation's of a suite and
// stack.
type suiteID struct {
	device, tool string
	stack        string
	source       datasets.Source
	suite        datasets.Suite
	op           string
}

func suiteIDOf(j *Joined) suiteID {
	return suiteID{j.Row.DeviceID, j.Row.Measurement.Origin.Tool, j.Row.Measurement.Stack.Name(), j.Row.Measurement.Source, j.Row.Workload.Suite(), j.Row.Workload.Op()}
}

// appointJudges gives each row the most informed tier that predicts any row of
// its operation.
func (r *Report) appointJudges() {
	judges := map[suiteID]int{}
	for i := range r.Rows {
		t := r.Best(&r.Rows[i])
		if t < 0 {
			continue
		}
		k := suiteIDOf(&r.Rows[i])
		if have, ok := judges[k]; !ok || tierRank(r.Tiers[t]) > tierRank(r.Tiers[have-1]) {
			judges[k] = t + 1
		}
	}
	for i := range r.Rows {
		r.Rows[i].judge = judges[suiteIDOf(&r.Rows[i])]
	}
}

// Judged is a row's error at the most informed tier that predicts its operation,
// and the index of that tier, so that a lower bound that is all there is for
// some rows does not mix with predictions. Other rows are not judged, nor those
// that were not measured or not predicted.
func (r *Report) Judged(j *Joined) (err float64, tier int, ok bool) {
	if j.judge == 0 {
		return 0, -1, false
	}
	err, ok = j.Error(j.judge - 1)
	return err, j.judge - 1, ok
}

// Unseen reports whether a row may count in a figure of error: the calibrated
// tier is judged on the half that it was not fitted to.
func (r *Report) Unseen(j *Joined, tier int) bool {
	return r.Tiers[tier] != datasets.TierCalibrated || j.Split == datasets.TestHalf
}
