package predict

import (
	"slices"

	"bench/datasets"
	"bench/predict/fit"
)

// APE summarizes |predicted/measured − 1|: its mean and 90th percentile.
type APE struct{ Mean, P90 float64 }

// Ablation is what each parameter of a law buys on the test half.
type Ablation struct {
	// Name is the stack, law and variant.
	Name       string
	Parameters []datasets.Parameter
	TestRows   int
	Whole      APE
	// Held are the errors with one parameter held at the low and at the high end of its
	// range and the others fitted again. nil: no row takes the parameter's path.
	Held []*[2]APE
}

// Ablate fits every law of dev's calibration again, with each of its own parameters
// held, to the first rowsOfFit rows of the fit half in at most steps steps.
func Ablate(dev datasets.Device, rows []datasets.Row, rowsOfFit, steps int) []Ablation {
	groups, _ := groupsOf(&dev, rows, Options{})
	at := New(dev, datasets.TierCalibrated)
	var out []Ablation
	for _, g := range groups {
		f := at.choose(choice{g.law, g.variant, g.stack.Library, g.stack.Version})
		if f.missing != "" {
			continue
		}
		g.values, g.facts, g.prior = f.values, f.facts, f.values
		judge := func(values []float64) (e APE) {
			g.values = values
			e.Mean, e.P90 = g.ratios(g.test).ape()
			g.values = f.values
			return e
		}
		p := g.problem(g.fit, rowsOfFit, g.facts, false)
		p.Width = nil
		a := Ablation{Name: g.name(), Parameters: g.law.Parameters, TestRows: len(g.test), Whole: judge(f.values), Held: make([]*[2]APE, len(f.values))}
		whole := p.Loss(f.values)
		for i, q := range g.law.Parameters {
			held := slices.Clone(f.values)
			loss := func(v float64) float64 { held[i] = v; return p.Loss(held) }
			if isMachine(q.Name) || loss(q.Min) == whole && loss(q.Max) == whole {
				continue
			}
			a.Held[i] = new([2]APE)
			box := p.Box[i]
			for e, v := range []float64{q.Min, q.Max} {
				held[i], p.Box[i] = v, fit.Range{Min: v, Max: v}
				best, _ := p.Minimize(held, steps)
				a.Held[i][e] = judge(best)
			}
			p.Box[i] = box
		}
		out = append(out, a)
	}
	return out
}
