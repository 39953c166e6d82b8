package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
)

// collective judges the large sizes for bandwidth and the small ones for latency. In
// between nothing is known well enough, so that such rows are judged alone only
// where there are no others.
func (c *Checker) collective(s *series, d datasets.Device, w datasets.Collective, f Finding) []Finding {
	across := spans(&d, w)
	if !across || c.System != nil {
		return c.bySize(s, d, w, f)
	}
	systems := cardsOf(d.ID, w)
	switch {
	case len(systems) == 0 && d.NetworkBandwidth.Value == 0:
		f.Verdict, f.Why = CantSay, "nothing says which network cards a node has: give --nics, such as --nics 8x400"
		f.Measured, f.Unit = rate(s.largest())
		return []Finding{f}
	case len(systems) == 0:
		f.Assumed = append(f.Assumed, d.NetworkBandwidth.Source+" (--nics)")
		return c.bySize(s, d, w, f)
	}
	// One assumption where all agree; where they do not, each one's verdict.
	var words []Word
	var all [][]Finding
	var figures []string
	for _, sys := range systems {
		dev := d
		sys.Apply(&dev)
		g := f
		g.Assumed = append(slices.Clone(f.Assumed), fmt.Sprintf("%s's %s network cards (--nics)", sys.Name, sys.Cards()))
		found := c.bySize(s, dev, w, g)
		word := AsExpected
		for _, x := range found {
			word = Worse(word, x.Verdict)
		}
		words, all = append(words, word), append(all, found)
		if w, _ := s.largest(); true {
			if e, why := Expect(&dev, w); why == "" {
				typical, unit := rate(w, e.TypicalS)
				figures = append(figures, fmt.Sprintf("%s: %.0f %s", sys.Cards(), typical, unit))
			}
		}
	}
	if !slices.ContainsFunc(words, func(x Word) bool { return x != words[0] }) {
		if len(systems) == 1 || words[0] != AsExpected {
			return all[0]
		}
	}
	if len(systems) == 1 {
		return all[0]
	}
	f.Verdict = CantSay
	f.Measured, f.Unit = rate(s.largest())
	f.Why = fmt.Sprintf("it depends on the network cards of a node; usual is %s: give --nics, such as --nics 8x200", strings.Join(figures, ", "))
	return []Finding{f}
}

// cardsOf are the catalogued nodes of a device that differ in what their cards carry
// together, as far as the ranks fit them.
func cardsOf(device string, w datasets.Collective) (out []datasets.System) {
	for _, s := range catalog.SystemsOf(device) {
		total := float64(s.NICs) * s.NICGbitPerS
		if total > 0 && s.GPUs >= w.Ranks/max(w.Nodes, 1) && !slices.ContainsFunc(out, func(o datasets.System) bool { return float64(o.NICs)*o.NICGbitPerS == total }) {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b datasets.System) int {
		return cmp.Compare(float64(b.NICs)*b.NICGbitPerS, float64(a.NICs)*a.NICGbitPerS)
	})
	return out
}

// largest is the largest workload and its best time.
func (s *series) largest() (datasets.Workload, float64) {
	best := 0
	for i := range s.points {
		if p, b := &s.points[i], &s.points[best]; p.size > b.size || p.size == b.size && p.timeS < b.timeS {
			best = i
		}
	}
	return s.at(best), s.points[best].timeS
}

// The sizes at which a collective is judged: for bandwidth, those whose bound is so
// many times the usual overhead, and at least a quarter of the largest; for latency,
// those whose bound is a small part of it.
const (
	bandwidthFrom = 20
	latencyTo     = 0.2
)

func (c *Checker) bySize(s *series, d datasets.Device, w datasets.Collective, f Finding) []Finding {
	o := oneNode
	if spans(&d, w) {
		o = manyNodes
	}
	e, why := Expect(&d, w)
	if why != "" {
		f.Verdict, f.Why = CantSay, why
		f.Measured, f.Unit = rate(s.largest())
		return []Finding{f}
	}
	perByte := e.BoundS / float64(w.SizeBytes)
	top := int64(0)
	for _, p := range s.points {
		top = max(top, p.size)
	}
	large, small, middle := *s, *s, *s
	large.points, small.points, middle.points = nil, nil, nil
	for _, p := range s.points {
		switch bound := perByte * float64(p.size); {
		case bound >= bandwidthFrom*o.typical && p.size >= top/4:
			large.points = append(large.points, p)
		case bound <= latencyTo*o.typical:
			small.points = append(small.points, p)
		case bound < bandwidthFrom*o.typical:
			middle.points = append(middle.points, p)
		}
	}
	var out []Finding
	if len(large.points) > 0 {
		out = append(out, large.bandwidth(&d, f))
	}
	if len(small.points) > 0 {
		out = append(out, small.latency(&d, f))
	}
	if len(large.points) == 0 && len(middle.points) > 0 {
		out = append(out, middle.between(&d, f, len(small.points) > 0))
	}
	return out
}

// bandwidth judges the largest sizes by their median rate.
func (s *series) bandwidth(d *datasets.Device, f Finding) Finding {
	at := s.middle(d)
	w, t := s.at(at), s.points[at].timeS
	e, _ := Expect(d, w)
	word, faster := Judge(&datasets.Measurement{TimeS: t}, e)
	f.fill(w, t, e, word, faster)
	f.Where = sizes(s.points)
	c := w.(datasets.Collective)
	if word == Slow && spans(d, c) && c.Kind != "all_to_all" && c.Kind != "send_recv" {
		card := d.NetworkCardBandwidth.Value
		if card == 0 {
			card = d.NetworkBandwidth.Value
		}
		if one := 0.96 * card / 1e9; f.Measured < 1.02*one {
			f.Why = fmt.Sprintf("even one card of %.0f Gb a node gives %.0f: %s", card*8/1e9, one, f.Why)
		}
	}
	return f
}

// middle is the point whose time beside its bound is the median of all.
func (s *series) middle(d *datasets.Device) int {
	order := make([]int, len(s.points))
	ratio := make([]float64, len(s.points))
	for i := range s.points {
		w := s.at(i).(datasets.Collective)
		order[i], ratio[i] = i, s.points[i].timeS/w.WireBytes()
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(ratio[a], ratio[b]) })
	return order[(len(order)-1)/2]
}

// latency judges the small sizes by their median time.
func (s *series) latency(d *datasets.Device, f Finding) Finding {
	order := slices.Clone(s.points)
	slices.SortFunc(order, func(a, b point) int { return cmp.Compare(a.timeS, b.timeS) })
	one := series{first: s.first, points: []point{order[len(order)/2]}}
	w, t := one.at(0), one.points[0].timeS
	e, _ := Expect(d, w)
	word, faster := Judge(&datasets.Measurement{TimeS: t}, e)
	e.Why = "launches without a graph, a busy host, or a slow path between ranks"
	f.fill(w, t, e, word, faster)
	f.Measured, f.Low, f.Typical, f.High, f.Unit = t*1e6, e.LowS*1e6, e.TypicalS*1e6, e.HighS*1e6, "us"
	f.Where = sizes(s.points)
	return f
}

// between judges sizes at which neither bandwidth nor latency is all.
func (s *series) between(d *datasets.Device, f Finding, aside bool) Finding {
	at := s.middle(d)
	w, t := s.at(at), s.points[at].timeS
	e, _ := Expect(d, w)
	word, faster := Judge(&datasets.Measurement{TimeS: t / 1.5}, e)
	if f.Where = sizes(s.points); word == AsExpected {
		word = CantSay
		e.Why = fmt.Sprintf("%s is too small to show the bandwidth: run up to several GiB (-e 8G)", bytesOf(s.points))
		f.aside = aside
	}
	if f.fill(w, t, e, word, faster); word == CantSay {
		f.Low, f.Typical, f.High = 0, 0, 0
	}
	return f
}

// sizes words the span of points.
func sizes(points []point) string {
	low, high := points[0].size, points[0].size
	for _, p := range points {
		low, high = min(low, p.size), max(high, p.size)
	}
	if low == high {
		return binary(low)
	}
	return binary(low) + "–" + binary(high)
}

func bytesOf(points []point) string {
	high := int64(0)
	for _, p := range points {
		high = max(high, p.size)
	}
	return binary(high)
}

// binary is a size in powers of 1,024.
func binary(n int64) string {
	v, unit := float64(n), 0
	for v >= 1024 && unit < 4 {
		v, unit = v/1024, unit+1
	}
	return fmt.Sprintf("%.4g %s", v, []string{"B", "KiB", "MiB", "GiB", "TiB"}[unit])
}
