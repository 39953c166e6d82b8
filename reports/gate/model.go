package gate

import (
	"fmt"
	"slices"

	"bench/datasets"
	"bench/reports"
	"bench/reports/compare"
	"bench/reports/verdict"

	// distuv: the binomial tail.
	"gonum.org/v1/gonum/stat/distuv"
)

// knownTail is how rare a row beyond a known error's P99 is on sound hardware.
const knownTail = 0.01

// widestLimit is the largest limit that is used, as measured over predicted. A
// wider one would pass hardware at half its speed: such a prediction decides
// nothing.
const widestLimit = 2

// informed lists the tiers, the one to judge by first.
var informed = []datasets.Tier{datasets.TierCalibrated, datasets.TierCeilings, datasets.TierTransferred, datasets.TierDatasheet}

// againstModel holds each row against the prediction of the most informed tier
// whose error is known. A row fails if it is slower beside its prediction than
// any row of the validation was. One that is slower than 99 in 100 fails too
// where so many of its group are that chance does not explain it (a binomial
// tail below Alpha); else nothing can be told of it, for one sound row in a
// hundred is as slow.
//
// The errors of the ceilings tier are known of no device but from this one's
// own nights before: their rows stand for the validation.
func (r *Result) againstModel(night []*datasets.Run, rows []reports.Joined, h *history) error {
	o := &r.Options
	known := index(o.Known)
	if len(h.runs) > 0 {
		past, err := reports.Predict(h.runs, o.Tiers, o.Devices)
		if err != nil {
			return err
		}
		own := KnownErrors(past, o.Tiers, func(j *reports.Joined, tier datasets.Tier) bool {
			return tier == datasets.TierCeilings && len(compare.Withheld(&j.Row.Measurement)) == 0
		})
		for _, k := range own {
			known[k.name()] = k
		}
	}
	type group struct{ beyond, rows []int }
	groups := map[string]*group{}
	for i := range rows {
		j := &rows[i]
		f := finding(j, night, AgainstModel)
		var k Known
		if f.Why == "" {
			k = f.predicted(j, o.Tiers, known)
			if f.Why != "" {
				f.published(j, o.Devices, &k)
			}
		}
		r.Findings = append(r.Findings, f)
		if f.Why != "" {
			continue
		}
		at := len(r.Findings) - 1
		g := groups[k.name()]
		if g == nil {
			g = &group{}
			groups[k.name()] = g
		}
		g.rows = append(g.rows, at)
		found := &r.Findings[at]
		switch {
		case f.Ratio > k.Max:
			found.Outcome = Fail
			g.beyond = append(g.beyond, at)
		case f.Ratio > k.P99:
			found.Why = fmt.Sprintf("%s slower than predicted: of sound rows one in a hundred is %s slower or more (%s)",
				reports.Percent(f.Ratio-1), reports.Percent(k.P99-1), k.words())
			g.beyond = append(g.beyond, at)
		default:
			found.Outcome = Pass
		}
	}
	for _, g := range groups {
		if n := len(g.beyond); n == 0 || (distuv.Binomial{N: float64(len(g.rows)), P: knownTail}).Survival(float64(n-1)) > o.Alpha || n == 1 {
			continue
		}
		for _, at := range g.beyond {
			r.Findings[at].Outcome, r.Findings[at].Why = Fail, ""
		}
	}
	return nil
}

// predicted sets what a row is held against, and why there is nothing.
func (f *Finding) predicted(j *reports.Joined, tiers []datasets.Tier, known knownIndex) Known {
	why := ""
	for _, tier := range informed {
		t := slices.Index(tiers, tier)
		if t < 0 {
			continue
		}
		p := &j.Predictions[t]
		if _, ok := j.Error(t); !ok {
			if why == "" {
				why = p.NotPredicted
			}
			continue
		}
		k, ok, n := known.of(j, tier)
		if !ok {
			why = fmt.Sprintf("the error of the %s tier on %s is not known for %s: %d rows of a validation, %d are needed", tier, j.Row.DeviceID, f.Suite, n, LeastKnown)
			if tier == datasets.TierCeilings {
				why += "; --baseline PATH gives it those of earlier nights"
			}
			continue
		}
		if k.P99 > widestLimit {
			why = fmt.Sprintf("the %s tier is too far off to judge by: of sound rows one in a hundred is %s slower than it says, or more (%s)", tier, reports.Percent(k.P99-1), k.words())
			continue
		}
		f.Tier, f.KnownError, f.Known, f.Binds = tier, k.P90, k.words(), p.Binds
		f.ExpectedS, f.Ratio, f.Limit = p.Seconds, f.MeasuredS/p.Seconds, k.P99
		return k
	}
	if why == "" {
		why = "no tier predicts it"
	}
	f.Why = why
	return Known{}
}

// published holds a row against what published sound machines reach, or the range
// that a prediction brings, where no error of a tier is known: as bench check does.
func (f *Finding) published(j *reports.Joined, devices reports.Devices, k *Known) {
	var dev datasets.Device
	found := false
	switch {
	case devices.Override != nil:
		dev, found = *devices.Override, true
	case devices.Lookup != nil:
		dev, found = devices.Lookup(j.Row.DeviceID)
	}
	c, collective := j.Row.Workload.(datasets.Collective)
	if !found || collective && c.Nodes > 1 { // whose network cards no flag here gives
		return
	}
	e, why := verdict.Expect(&dev, j.Row.Workload)
	if why != "" || !(e.HighS > 0) {
		return
	}
	high := e.HighS / e.TypicalS
	*k = Known{Device: j.Row.DeviceID, Suite: string(j.Row.Workload.Suite()), Op: j.Row.Workload.Op(), Tier: e.Tier, P90: high, P99: high, Max: max(e.HighS, e.FloorS) / e.TypicalS}
	f.Why, f.Tier, f.KnownError, f.Known = "", e.Tier, high, e.Source
	f.ExpectedS, f.Ratio, f.Limit = e.TypicalS, f.MeasuredS/e.TypicalS, high
}
