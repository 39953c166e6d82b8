package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict/serving"

	// distuv: the binomial tail.
	"gonum.org/v1/gonum/stat/distuv"
)

// outside is how many sound rows in a hundred lie beyond one end of a 90 % range, and
// chance how rare a count of them must be to mean something.
const outside, chance = 0.05, 0.01

// Excess reports whether so many of n rows lie above their 90 % ranges that it is
// not chance: half of them, or a binomial tail below one in a hundred.
func Excess(above, n int) bool {
	if above == 0 {
		return false
	}
	return 2*above >= n || (distuv.Binomial{N: float64(n), P: outside}).Survival(float64(above-1)) < chance
}

// general judges rows of any kind, each by its own range, and says of the group what
// its rows say together.
func (c *Checker) general(s *series, d datasets.Device, f Finding) []Finding {
	type judged struct {
		at    int
		e     Expected
		ratio float64
		word  Word
	}
	var rows []judged
	reasons := map[string]int{}
	above, faster := 0, 0
	for i := range s.points {
		w := s.at(i)
		e, why := Expect(&d, w)
		if v, ok := w.(datasets.Serve); ok {
			e, why = expectService(d, v, s.stack)
		}
		if why != "" {
			reasons[why]++
			continue
		}
		var m *datasets.Measurement
		if s.points[i].detail != nil {
			m = s.points[i].m
		}
		if m == nil {
			m = &datasets.Measurement{TimeS: s.points[i].timeS}
		}
		word, fast := Judge(m, e)
		if word == Slow {
			above++
		}
		if fast {
			faster++
		}
		rows = append(rows, judged{i, e, m.TimeS / e.TypicalS, word})
	}
	if len(rows) == 0 {
		f.Verdict, f.aside = CantSay, true
		for why, n := range reasons {
			if n > reasons[f.Why] || f.Why == "" {
				f.Why = why
			}
		}
		if len(s.points) > 0 {
			f.Measured, f.Unit = rate(s.at(0), s.points[0].timeS)
		}
		return []Finding{f}
	}
	slices.SortFunc(rows, func(a, b judged) int { return cmp.Compare(a.ratio, b.ratio) })
	shown := rows[len(rows)/2]
	word := shown.word
	switch {
	case Excess(above, len(rows)):
		word = Slow
		for _, r := range rows { // one that is slow, in the middle of those
			if r.word == Slow {
				shown = r
				break
			}
		}
		f.Where = fmt.Sprintf("%d of %d rows", above, len(rows))
	case word == Slow:
		word = AsExpected
	}
	f.fill(s.at(shown.at), s.points[shown.at].timeS, shown.e, word, 2*faster > len(rows))
	if m, ok := s.first.(datasets.ModelPass); ok {
		f.aside = m.QueryTokens > 1 && word == CantSay
		if strings.Contains(m.Options, "nkvo=1") {
			f.Verdict, f.aside = CantSay, true
			f.Why = "the KV cache is in the host's memory (nkvo 1), whose link and speed the file does not give"
		} else if shown.e.Share != "" && word != AsExpected {
			f.Why = shown.e.Share + ": " + shown.e.Why
			if word == CantSay {
				f.Why = shown.e.Share + fmt.Sprintf(" at %.0f tokens/s; what is usual below spans too much to judge by", float64(m.QueryTokens)/shown.e.BoundS)
			}
		}
	}
	return []Finding{f}
}

// subject words a series: "8 × H100, one node · all_reduce fp32 · nccl-tests".
func (s *series) subject(d *datasets.Device) string {
	var b strings.Builder
	name := s.deviceName
	if d.Name != "" {
		name = d.Name
	}
	for _, vendor := range []string{"NVIDIA ", "GeForce ", "AMD Instinct ", "Tesla "} {
		name = strings.TrimPrefix(name, vendor)
	}
	n := s.first.Workers()
	if _, ok := s.first.(datasets.Stream); ok {
		n = 1
	}
	if name == "" || name == "unknown" {
		name = "unknown GPU"
	}
	if n > 1 {
		fmt.Fprintf(&b, "%d × ", n)
	}
	b.WriteString(name)
	if c, ok := s.first.(datasets.Collective); ok {
		b.WriteString(map[bool]string{true: ", one node", false: fmt.Sprintf(", %d nodes", c.Nodes)}[c.Nodes <= 1])
	}
	op := s.first.Op()
	switch w := s.first.(type) {
	case datasets.Stream:
		op = cmp.Or(s.stack.KernelSource, op)
		if s.tool != "nvbandwidth" {
			op = w.Kernel
		}
		op += " of " + binary(w.SizeBytes)
		if s.tool == "nvbandwidth" {
			op = strings.TrimSuffix(op, " of "+binary(w.SizeBytes)) + " of " + binary(int64(float64(w.SizeBytes)/copies(w)))
		}
	case datasets.ModelPass:
		op = fmt.Sprintf("%s, %s", w.Model, map[bool]string{true: fmt.Sprintf("prompt of %d", w.QueryTokens), false: "generation"}[w.QueryTokens > 1])
		if w.Options != "" {
			op += ", " + w.Options
		}
	case datasets.Serve:
		op = strings.TrimSpace(fmt.Sprintf("%s %s, %d in and %d out", w.Model, w.Type, w.InputTokens, w.OutputTokens))
	default:
		var types []string
		for _, t := range s.dtypes {
			types = append(types, string(t))
		}
		op += " " + strings.Join(types, ", ")
	}
	fmt.Fprintf(&b, " · %s", strings.TrimSpace(op))
	if s.tool != "" {
		fmt.Fprintf(&b, " · %s", s.tool)
	}
	if _, ok := s.first.(datasets.Serve); !ok && len(s.points) > 1 {
		fmt.Fprintf(&b, " · %d rows", len(s.points))
	}
	return b.String()
}

// copies is how many buffers a copy's size counts.
func copies(s datasets.Stream) float64 {
	if r, w := s.Arrays(); r+w == 2 {
		return 2
	}
	return 1
}

// expectService is what a served model's figure should be, at the best tier of the
// device.
func expectService(d datasets.Device, w datasets.Serve, stack datasets.Stack) (Expected, string) {
	d, tier := catalog.BestTier(d)
	p := serving.PredictRow(d, tier, w, stack)
	if p.NotPredicted != "" {
		return Expected{}, p.NotPredicted
	}
	if p.HighS == 0 {
		return Expected{BoundS: p.Seconds, Tier: tier}, "only the datasheet's bound is known of " + d.ID
	}
	return Expected{LowS: p.LowS, TypicalS: p.Seconds, HighS: p.HighS, Tier: tier, Why: p.Binds + " binds", Source: p.Stack}, ""
}
