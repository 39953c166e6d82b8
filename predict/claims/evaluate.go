package claims

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"bench/datasets"
)

// values gives a formula its inputs and remembers which it read.
type values struct {
	known map[string]Input
	// at replaces the value of an input while ranges and elasticities are
	// worked out.
	at   map[string]float64
	read []string
	err  error
}

// in is an input's value: the low end of a range, unless another is asked for.
func (v *values) in(name string) float64 {
	i, ok := v.known[name]
	if !ok {
		v.err = cmp.Or(v.err, fmt.Errorf("unknown input %q", name))
		return math.NaN()
	}
	if !slices.Contains(v.read, name) {
		v.read = append(v.read, name)
	}
	if x, ok := v.at[name]; ok {
		return x
	}
	return i.Low
}

// dev is a figure of a catalogue device, such as dev("h100-sxm", "fp8").
func (v *values) dev(device, figure string) float64 { return v.in(device + "." + figure) }

// maxRanges bounds how many ranged inputs one formula may have, as every corner
// of their box is evaluated.
const maxRanges = 8

// span evaluates compute over all corners of the box of ranged inputs, which is
// exact for a formula that is monotone in each, as all here are.
func (v *values) span(compute func(*values) float64) Span {
	v.at, v.read = nil, nil
	compute(v)
	var ranged []string
	for _, n := range v.read {
		if v.known[n].ranged() && len(ranged) < maxRanges {
			ranged = append(ranged, n)
		}
	}
	s := Span{math.Inf(1), math.Inf(-1)}
	for corner := range 1 << len(ranged) {
		v.at = map[string]float64{}
		for i, n := range ranged {
			v.at[n] = v.known[n].Low
			if corner>>i&1 == 1 {
				v.at[n] = v.known[n].High
			}
		}
		x := compute(v)
		s.Low, s.High = min(s.Low, x), max(s.High, x)
	}
	v.at = nil
	return s
}

// elasticities are d ln f / d ln x at the middle of all ranges, by central
// differences of 1 %, whole inputs by at least one step; those below 0.005 are
// left out, and the rest come largest first.
func (v *values) elasticities(compute func(*values) float64) []Elasticity {
	middle := map[string]float64{}
	read := slices.Clone(v.read)
	for _, n := range read {
		i := v.known[n]
		middle[n] = i.middle()
	}
	f := func(name string, x float64) float64 {
		v.at = map[string]float64{}
		for n, m := range middle {
			v.at[n] = m
		}
		v.at[name] = x
		return compute(v)
	}
	var out []Elasticity
	for _, n := range read {
		x := middle[n]
		up, down := x*1.01, x*0.99
		if v.known[n].Whole {
			step := max(1, math.Round(x/100))
			up, down = x+step, max(x-step, 1)
		}
		a, b := f(n, up), f(n, down)
		e := math.Log(a/b) / math.Log(up/down)
		if !math.IsNaN(e) && !math.IsInf(e, 0) && math.Abs(e) >= 0.005 {
			out = append(out, Elasticity{n, math.Round(e*1000) / 1000})
		}
	}
	v.at, v.read = nil, read
	slices.SortStableFunc(out, func(a, b Elasticity) int { return cmp.Compare(math.Abs(b.Value), math.Abs(a.Value)) })
	return out
}

// Options say under which inputs the claims are recomputed.
type Options struct {
	// Set replaces inputs by name, "gpu_hour_usd" and "mfu" among them.
	Set map[string]float64
	// Device takes the place of the device that a claim names, or is nil. Its
	// ceilings, where it has them, take the place of its peaks.
	Device *datasets.Device
}

// Rows recomputes the claims whose id is one of ids or below it ("S4" means
// all of section 4, "S4.3" its rows a, b, …); no ids mean all. The error says
// which id or input is unknown.
func Rows(ids []string, o Options) ([]Row, error) {
	known, err := inputs(o)
	if err != nil {
		return nil, err
	}
	used := make([]bool, len(ids))
	var rows []Row
	for _, section := range sections() {
		for _, c := range section {
			wanted := len(ids) == 0
			for i, id := range ids {
				if matches(c.id, id) {
					wanted, used[i] = true, true
				}
			}
			if !wanted {
				continue
			}
			r, err := c.evaluate(known, o)
			if err != nil {
				return nil, fmt.Errorf("claim %s: %w", c.id, err)
			}
			rows = append(rows, r)
		}
	}
	for i, ok := range used {
		if !ok {
			return nil, fmt.Errorf("unknown claim %q: use a section, S1 to S12, or an id such as S4.3 or S4.3a", ids[i])
		}
	}
	return rows, nil
}

// lacks reports whether a figure is read that the device of Options lacks.
func lacks(known map[string]Input, read []string) bool {
	return slices.ContainsFunc(read, func(n string) bool { return known[n].absent && !known[n].Set })
}

func with(known map[string]Input, name string, i Input) map[string]Input {
	out := maps.Clone(known)
	out[name] = i
	return out
}

// matches reports whether a row's id is id or one of its parts: S4.3a is part
// of S4.3 and of S4, and S11.1 is no part of S1 or S11.10.
func matches(row, id string) bool {
	rest, ok := strings.CutPrefix(strings.ToUpper(row), strings.ToUpper(strings.TrimSpace(id)))
	if !ok || id == "" {
		return false
	}
	return rest == "" || rest[0] == '.' || strings.Contains(id, ".") && (rest[0] < '0' || rest[0] > '9')
}

// noAnswer is the row where the inputs or the device that the user gave have
// none. With nothing given it is a fault of the claim's formula.
func (c *claim) noAnswer(v *values, given bool) (Row, error) {
	why := cmp.Or(v.err, errors.New("the formula has no finite value"))
	if given {
		return Row{ID: c.id, Claim: c.text, Relation: c.relation, Unit: c.unit, Computed: Span{math.NaN(), math.NaN()}, Verdict: Needs,
			Formula: full(c.formula, printable), Worked: v.worked(c.formula), Assumptions: []Assumption{},
			Answer: "No answer with these inputs: " + why.Error() + "."}, nil
	}
	return Row{}, why
}

// printable writes a device's figure by its catalogue name, as --set takes it.
func printable(formula string) string {
	for short, id := range devices {
		formula = strings.ReplaceAll(formula, short+".", id+".")
	}
	return formula
}

func (c *claim) compute(v *values) float64 { return v.eval(c.formula) }

func (c *claim) evaluate(known map[string]Input, o Options) (Row, error) {
	dev, given := o.Device, o.Device != nil || len(o.Set) > 0
	v := &values{known: known}
	r := Row{ID: c.id, Claim: c.text, Relation: c.relation, Unit: c.unit, Binds: c.binds, Identity: c.identity, Command: c.command}
	r.Computed = v.span(c.compute)
	if lacks(known, v.read) {
		// A figure that the device does not have leaves the row as it stands.
		v.known, v.err = base(), nil
		dev = nil
		for n, i := range known {
			if i.Set {
				v.known = with(v.known, n, i)
			}
		}
		known = v.known
		r.Computed = v.span(c.compute)
	}
	if s := r.Computed; v.err != nil || math.IsNaN(s.Low+s.High) || math.IsInf(s.Low, 0) || math.IsInf(s.High, 0) {
		return c.noAnswer(v, given)
	}
	if !c.drawn {
		r.Sensitivity = v.elasticities(c.compute)
		v.err = nil // a shape next to the row's own may not exist
	}
	missing := false
	for _, n := range v.read {
		i := known[n]
		r.Assumptions = append(r.Assumptions, Assumption{n, i.Span, i.Unit, i.Source, i.Missing, i.Set})
		missing = missing || i.Missing
		if i.device != "" {
			r.Device, r.Origin = i.device, cmp.Or(r.Origin, i.origin)
			if i.origin == datasets.Measured {
				r.Origin = datasets.Measured
			}
		}
	}
	switch len(c.published) {
	case 1:
		r.Published = &Span{c.published[0], c.published[0]}
	case 2:
		r.Published = &Span{c.published[0], c.published[1]}
	}
	if c.printed != "" {
		// What was printed does not move with --set or --device.
		p := &values{known: base()}
		s := p.span(func(v *values) float64 { return v.eval(c.printed) })
		v.err = cmp.Or(v.err, p.err)
		r.Published = &s
	}
	var e float64
	r.Verdict, e = judge(r.Published, c.relation, r.Computed, missing, c.limit)
	if r.Published != nil {
		r.Error = &e
	}
	r.Formula = full(c.formula, printable)
	r.Worked = v.worked(c.formula)
	r.Answer = v.fill(c.answer, r.Computed, c.unit)
	if r.Verdict == Contradicted || r.Verdict == Close {
		r.ContradictedBy = v.fill(c.by, r.Computed, c.unit)
		r.Correction = v.fill(c.correction, r.Computed, c.unit)
	}
	if c.workload != nil {
		r.Workload = c.workload.Key()
	}
	if dev != nil && r.Device == dev.ID && substituted(known, v.read) {
		// Another device than the claim's says nothing about the claim.
		r.Verdict, r.ContradictedBy, r.Correction = Needs, "", ""
		r.Answer = strings.TrimSpace(r.Answer + " Recomputed for " + dev.ID + ", which is not the claim's device.")
	}
	if r.Origin == datasets.Measured {
		own := &values{known: base()}
		s := own.span(c.compute)
		r.Datasheet = &s
	}
	if v.err != nil {
		return c.noAnswer(v, given)
	}
	return r, nil
}
