package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"bench/datasets"
	"bench/reports/verdict"
)

// suiteTally counts what a brief says of a section.
type suiteTally struct {
	section
	// rows are those with a time, ranged those whose expected range is known.
	rows, ranged, within, slow, faster, failed, skipped, disturbed int
	errors                                                         distribution
	// slowness is measured over expected time of the slow rows.
	slowness distribution
	// unjudged counts why rows have no range.
	unjudged map[string]int
	// best is the highest rate, peak its share of the datasheet's, 0 where that is
	// not known.
	best       string
	rate, peak float64
}

// judge holds a row against what is expected of it: the range of the most informed
// tier that has one, or else what published machines reach of the datasheet's bound.
// why says what is missing where the word is "can't say".
func (r *Report) judge(j *Joined, dev *datasets.Device) (word verdict.Word, faster bool, e verdict.Expected, why string) {
	for i, t := range r.Tiers {
		p := &j.Predictions[i]
		switch {
		case p.NotPredicted != "":
			if why == "" {
				why = p.NotPredicted
			}
		case p.HighS > 0 && !math.IsInf(p.HighS, 0) && (e.HighS == 0 || tierRank(t) > tierRank(e.Tier)):
			e = verdict.Expected{LowS: p.LowS, TypicalS: p.Seconds, HighS: p.HighS, Tier: t}
		case e.HighS == 0 && t == datasets.TierDatasheet && dev != nil:
			if u, ok := verdict.Usual(dev, j.Row.Workload, *p); ok {
				e = u
			}
		}
	}
	switch word, faster = verdict.Judge(&j.Row.Measurement, e); {
	case e.HighS > 0 && word == verdict.CantSay:
		why = "the disturbance could explain it"
	case e.HighS > 0:
		why = ""
	case r.Best(j) >= 0:
		why = "no prediction here knows its own range"
	}
	return word, faster, e, why
}

// add counts a row.
func (s *suiteTally) add(r *Report, j *Joined, dev *datasets.Device) {
	m := &j.Row.Measurement
	switch m.Verdict {
	case datasets.Failed:
		s.failed++
		return
	case datasets.Skipped:
		s.skipped++
		return
	}
	if !m.Usable() {
		return
	}
	s.rows++
	if len(m.Flags) > 0 {
		s.disturbed++
	}
	if t := r.tierOf(j); t >= 0 && r.Unseen(j, t) {
		e, _ := j.Error(t)
		s.errors.add(e)
	}
	word, faster, e, why := r.judge(j, dev)
	if e.HighS > 0 {
		s.ranged++
	}
	switch {
	case word == verdict.Slow:
		s.slow++
		s.slowness.add(m.TimeS / e.TypicalS)
	case word == verdict.CantSay:
		if s.unjudged == nil {
			s.unjudged = map[string]int{}
		}
		s.unjudged[why]++
	case faster:
		s.faster++
	case word == verdict.AsExpected:
		s.within++
	}
	if slices.Contains(m.Flags, datasets.FlagImplausible) {
		return
	}
	if rate, peak, words := bestRate(j, dev); peak > s.peak || peak == s.peak && rate > s.rate {
		s.rate, s.peak, s.best = rate, peak, words+"  "+Label(j.Row.Workload)
	}
}

// tierOf is the tier that a row's error is counted by, or −1.
func (r *Report) tierOf(j *Joined) int {
	if _, t, ok := r.Judged(j); ok {
		return t
	}
	if j.judge == 0 {
		return r.Best(j)
	}
	return -1
}

// bestRate is the rate that people quote of a row, and its share of the datasheet's
// peak, 0 where that is not known.
func bestRate(j *Joined, dev *datasets.Device) (rate, peak float64, words string) {
	rates, w := j.Row.Rates(), j.Row.Workload
	sheet := func(f datasets.Figure, arithmetic bool) float64 {
		if dev == nil || f.Origin != datasets.Datasheet {
			return 0
		}
		devices, memories := dev.Parts(w)
		if arithmetic {
			return f.Value * devices
		}
		return f.Value * memories
	}
	var memory, compute float64
	if dev != nil {
		memory, compute = sheet(dev.MemoryBandwidth, false), sheet(dev.PeakFLOPs[w.DType()], true)
	}
	of := func(rate, peak float64, words string) (float64, float64, string) {
		if peak > 0 {
			return rate, rate / peak, words
		}
		return rate, 0, words
	}
	switch w := w.(type) {
	case datasets.Collective:
		var link float64
		if dev != nil && w.Nodes <= 1 {
			link = dev.LinkBandwidth.Value
		}
		return of(rates.BusBytesPerS, link, BytesPerSecond(rates.BusBytesPerS)+" bus")
	case datasets.Stream:
		if w.Kernel == "latency" || w.Kernel == "launch" || dev != nil && !StreamsMemory(w, dev) {
			return 0, 0, ""
		}
		return of(rates.BandwidthBytesPerS, memory, BytesPerSecond(rates.BandwidthBytesPerS))
	}
	if compute > 0 && j.Regime == "compute" || rates.BandwidthBytesPerS == 0 || w.Suite() == datasets.SuiteGEMM {
		return of(rates.FLOPPerS, compute, FLOPsPerSecond(rates.FLOPPerS))
	}
	if j.Regime != "memory" { // out of a cache, it says nothing of the memory's peak
		memory = 0
	}
	return of(rates.BandwidthBytesPerS, memory, BytesPerSecond(rates.BandwidthBytesPerS))
}

// verdict is the section's word, and why.
func (s *suiteTally) verdict() (verdict.Word, string) {
	switch {
	case s.failed > 0:
		return verdict.Broken, Plural(s.failed, "case") + " failed"
	case verdict.Excess(s.slow, s.ranged):
		_, median, _, _, _ := s.slowness.figures()
		return verdict.Slow, fmt.Sprintf("%s of %s rows, median %s×", Count(s.slow), Count(s.ranged), threeDigits(median))
	case s.rows == 0:
		return verdict.CantSay, "nothing was measured"
	case s.disturbed == s.rows:
		return verdict.CantSay, "every row was disturbed"
	case 2*(s.within+s.faster) <= s.rows:
		why, _ := most(s.unjudged)
		return verdict.CantSay, cmp.Or(why, "too few rows have an expected range")
	case 2*s.faster > s.ranged:
		return verdict.AsExpected, "faster than its range"
	}
	return verdict.AsExpected, ""
}

// tallies are the sections' counts, hardware before simulation.
func (r *Report) tallies() []*suiteTally {
	if r.Aggregate != nil {
		return r.tallied
	}
	var out []*suiteTally
	devices := map[string]*datasets.Device{}
	for _, s := range r.Sections() {
		t := &suiteTally{section: section{s.Source, s.Tool, s.Device, s.Suite}}
		for _, j := range s.Rows {
			id := fmt.Sprint(j.Run, " ", s.Device)
			if _, ok := devices[id]; !ok {
				devices[id] = nil
				if d, ok := r.DeviceOf(&Subject{Device: s.Device, Run: j.Run}); ok {
					devices[id] = &d
				}
			}
			t.add(r, j, devices[id])
		}
		out = append(out, t)
	}
	return out
}
