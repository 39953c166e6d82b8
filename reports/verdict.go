package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"bench/datasets"
	"bench/datasets/stats"
)

// offRatio is how far the median error of a suite's rows must lie from 0 for a
// verdict to call them faster or slower than predicted; it is the band of the
// plots.
const offRatio = 0.10

// Verdict is what a reader with ten seconds should know of a subject. Each
// sentence follows from figures of the report; a cause is named only where the
// terms of the predictions or the device's figures say so.
type Verdict struct {
	Subject *Subject
	// Sentences, each without a full stop.
	Sentences []string
	// Off is set where a suite differs from its prediction, or cases failed.
	Off bool
}

// Text joins the sentences.
func (v *Verdict) Text() string { return strings.Join(v.Sentences, "; ") + "." }

// Verdicts says it of each subject.
func (r *Report) Verdicts() []Verdict {
	subjects := r.Subjects()
	out := make([]Verdict, len(subjects))
	for i := range subjects {
		s := &subjects[i]
		v := &out[i]
		v.Subject = s
		if s.Source == datasets.SourceSimulated {
			v.Sentences = append(v.Sentences, "simulated: says nothing about hardware")
		}
		dev, known := r.DeviceOf(s)
		if known {
			v.add(bestMemory(s, &dev))
			v.add(bestCompute(s, &dev))
		}
		v.Off = r.judgeSuites(v, &dev)
		if n := countVerdict(s.Rows, datasets.Failed); n > 0 {
			v.Off = true
			v.add(Plural(n, "case") + " failed")
		}
		if n, all := countVerdict(s.Rows, datasets.Flagged), len(measuredRows(s.Rows)); n > 0 && 4*n >= all {
			v.add(fmt.Sprintf("%s of %s cases are flagged (%s), so small differences mean nothing here", Count(n), Count(all), flagsOf(s.Rows)))
		}
		if len(v.Sentences) == 0 {
			v.add("nothing was measured that a datasheet or a prediction could be held against")
		}
	}
	return out
}

func (v *Verdict) add(sentence string) {
	if sentence != "" {
		v.Sentences = append(v.Sentences, sentence)
	}
}

// StreamsMemory reports whether a stream's bandwidth is that of main memory: it
// reads, and its working set is at least twice the last-level cache.
func StreamsMemory(s datasets.Stream, dev *datasets.Device) bool {
	switch s.Kernel {
	case "read", "copy", "copy_nt", "scale", "triad", "triad_nt", "dot":
		return float64(s.SizeBytes) >= 2*dev.LastLevel().SizeBytes.Value
	}
	return false
}

// bestMemory is the best bandwidth with main memory: of a stream over at least
// twice the last-level cache, or where there is none, of any operation that
// memory bounds.
func bestMemory(s *Subject, dev *datasets.Device) string {
	var best *Joined
	top, stream := 0.0, false
	for _, j := range s.Rows {
		m, w := &j.Row.Measurement, j.Row.Workload
		if !m.Usable() || slices.Contains(m.Flags, datasets.FlagImplausible) || w.Bytes() <= 0 {
			continue
		}
		st, isStream := w.(datasets.Stream)
		if isStream {
			if !StreamsMemory(st, dev) {
				continue
			}
		} else if stream || j.Regime != "memory" {
			continue
		}
		_, devices := dev.Parts(w)
		rate := w.Bytes() / m.TimeS / devices
		if rate > top || isStream && !stream {
			top, best, stream = rate, j, isStream
		}
	}
	if best == nil {
		return ""
	}
	what := Label(best.Row.Workload)
	sheet := dev.MemoryBandwidth
	switch {
	case sheet.Value > 0 && sheet.Origin == datasets.Datasheet:
		return fmt.Sprintf("memory reaches %s of its datasheet bandwidth (%s of %s; %s)", wholePercent(top/sheet.Value), BytesPerSecond(top), BytesPerSecond(sheet.Value), what)
	case stream:
		return fmt.Sprintf("memory delivers at most %s (%s), and no datasheet figure is known to hold that against", BytesPerSecond(top), what)
	}
	return ""
}

// bestCompute is the type whose best rate comes closest to its peak, among
// operations that arithmetic bounds.
func bestCompute(s *Subject, dev *datasets.Device) string {
	var best *Joined
	top := 0.0
	for _, j := range s.Rows {
		m, w := &j.Row.Measurement, j.Row.Workload
		peak := dev.PeakFLOPs[w.DType()]
		if !m.Usable() || slices.Contains(m.Flags, datasets.FlagImplausible) || j.Regime != "compute" || !(peak.Value > 0) || peak.Origin != datasets.Datasheet {
			continue
		}
		devices, _ := dev.Parts(w)
		if rate := w.FLOPs() / m.TimeS / (peak.Value * devices); rate > top {
			top, best = rate, j
		}
	}
	if best == nil {
		return ""
	}
	return fmt.Sprintf("arithmetic reaches %s of its %s peak (%s)", wholePercent(top), best.Row.Workload.DType(), Label(best.Row.Workload))
}

// judged is a row with the error of its most informed tier.
type judged struct {
	row  *Joined
	err  float64
	tier int
}

// judgeSuites says of each suite whether its rows are as predicted, and of
// those that are not by how much and what binds where.
func (r *Report) judgeSuites(v *Verdict, dev *datasets.Device) (off bool) {
	bySuite := map[datasets.Suite][]judged{}
	var suites []datasets.Suite
	for _, j := range v.Subject.Rows {
		e, tier, ok := r.Judged(j)
		if !ok || !r.Unseen(j, tier) {
			continue
		}
		w := j.Row.Workload.Suite()
		if bySuite[w] == nil {
			suites = append(suites, w)
		}
		bySuite[w] = append(bySuite[w], judged{j, e, tier})
	}
	slices.SortFunc(suites, func(a, b datasets.Suite) int { return cmp.Or(suiteOrder(a)-suiteOrder(b), cmp.Compare(a, b)) })
	var fine, differ []string
	for _, suite := range suites {
		rows := mostInformed(r.Tiers, bySuite[suite])
		if s := r.allReduceVerdict(rows, dev); s != "" {
			differ = append(differ, s)
		}
		bias := medianError(rows)
		if math.Abs(bias) <= offRatio {
			fine = append(fine, string(suite))
			continue
		}
		differ = append(differ, r.off(suite, rows, bias))
	}
	if len(fine) > 0 {
		v.add(strings.Join(fine, ", ") + " as predicted (median error within ±10 %)")
	}
	for _, s := range differ {
		v.add(s)
	}
	return len(differ) > 0
}

// mostInformed keeps the rows of the most informed tier: one operation of a
// suite may be calibrated and another have no more than a lower bound.
func mostInformed(tiers []datasets.Tier, rows []judged) []judged {
	best := slices.MaxFunc(rows, func(a, b judged) int { return tierRank(tiers[a.tier]) - tierRank(tiers[b.tier]) })
	return slices.DeleteFunc(slices.Clone(rows), func(j judged) bool { return j.tier != best.tier })
}

func medianError(rows []judged) float64 {
	errors := make([]float64, len(rows))
	for i, j := range rows {
		errors[i] = j.err
	}
	return stats.Median(errors)
}

// off words a suite that differs, in time: an error of −0.5 is twice the
// predicted time, 100 % longer.
func (r *Report) off(suite datasets.Suite, rows []judged, bias float64) string {
	side := func(e float64) bool { return e < -offRatio }
	difference := wholePercent(1/(1+bias)-1) + " longer"
	if bias > 0 {
		side = func(e float64) bool { return e > offRatio }
		difference = wholePercent(1-1/(1+bias)) + " less"
	}
	binds := map[string]int{}
	n := 0
	for _, j := range rows {
		if side(j.err) {
			n++
			binds[j.row.Predictions[j.tier].Binds]++
		}
	}
	tier := r.Tiers[rows[0].tier]
	s := fmt.Sprintf("%s takes %s than predicted (median of %s, %s tier)", suite, difference, Plural(len(rows), "row"), tier)
	if tier == datasets.TierDatasheet {
		s = fmt.Sprintf("%s takes %s × its datasheet roofline (median of %s; no better prediction is at hand)", suite, threeDigits(1/(1+bias)), Plural(len(rows), "row"))
	}
	if term, k := most(binds); term != "" && 2*k >= n && n > 1 {
		s += fmt.Sprintf(", mostly where %s binds", words(term))
	}
	return s
}

// minSwitchRows is how many sizes a verdict on an all-reduce needs: one or two
// may have been disturbed.
const minSwitchRows = 3

// allReduceVerdict looks at the all-reduces of the most ranks that bandwidth
// decides: where their median is below its prediction, it says by how much, and
// where the device's switch can add but the largest does no better than the
// links alone allow, that the addition in the switch looks off. Flagged rows
// count only where there are no others.
func (r *Report) allReduceVerdict(rows []judged, dev *datasets.Device) string {
	var most []judged
	ranks, clean := 0, false
	for _, j := range rows {
		c, ok := j.row.Row.Workload.(datasets.Collective)
		if !ok || c.Kind != "all_reduce" || c.Nodes > 1 || j.row.Regime != "communication" {
			continue
		}
		ok = j.row.Row.Measurement.Verdict == datasets.OK
		switch {
		case c.Ranks > ranks || c.Ranks == ranks && ok && !clean:
			most, ranks, clean = []judged{j}, c.Ranks, ok
		case c.Ranks == ranks && ok == clean:
			most = append(most, j)
		}
	}
	if len(most) < minSwitchRows {
		return ""
	}
	bias := medianError(most)
	if bias >= -offRatio {
		return ""
	}
	largest := slices.MaxFunc(most, func(a, b judged) int {
		return cmp.Compare(a.row.Row.Workload.(datasets.Collective).SizeBytes, b.row.Row.Workload.(datasets.Collective).SizeBytes)
	})
	c := largest.row.Row.Workload.(datasets.Collective)
	bus := float64(c.SizeBytes) / largest.row.Row.Measurement.TimeS * c.BusFactor()
	s := fmt.Sprintf("all-reduce at %d ranks is %s below its predicted bandwidth (median of %s; bus %s at %s)", ranks, wholePercent(-bias), Plural(len(most), "row"), BytesPerSecond(bus), Bytes(float64(c.SizeBytes)))
	// A ring over links alone reaches no more than 0.8 of them (predict/collective.go).
	if link := dev.LinkBandwidth.Value; dev.SwitchReduces && link > 0 && bus <= 0.8*link {
		s += ": no more than a ring over the links gives, in-switch reduction looks off"
	}
	return s
}

func countVerdict(rows []*Joined, verdict datasets.Verdict) (n int) {
	for _, j := range rows {
		if j.Row.Measurement.Verdict == verdict {
			n++
		}
	}
	return n
}

// flagsOf names the flags of rows, the most frequent first.
func flagsOf(rows []*Joined) string {
	counts := map[string]int{}
	for _, j := range rows {
		for _, f := range j.Row.Measurement.Flags {
			counts[f]++
		}
	}
	names := sortedKeys(counts)
	slices.SortStableFunc(names, func(a, b string) int { return counts[b] - counts[a] })
	return Clean(strings.Join(names, ", "))
}

// most is the key with the highest count, the first in order where several have
// it.
func most(counts map[string]int) (key string, n int) {
	for _, k := range sortedKeys(counts) {
		if counts[k] > n {
			key, n = k, counts[k]
		}
	}
	return key, n
}

func words(term string) string { return strings.ReplaceAll(Clean(term), "_", " ") }

func wholePercent(ratio float64) string { return fmt.Sprintf("%.0f %%", ratio*100) }

// Plural counts things: "1 row", "2,000 rows".
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return Count(n) + " " + thing + "s"
}
