package predict

import (
	"slices"

	"bench/datasets"
	"bench/predict/fit"
)

// APE summarizes |predicted/measured − 1|: its mean and 90th percentile.
type APE struct{ Mean, P90 float64 }

// Ablation is what each parameter of a calibrated model buys on the test half.
type Ablation struct {
	TestRows int
	Whole    APE
	// Held are the errors with one parameter held at the low and at the high end of its
	// range and the others fitted again. nil: no row takes the parameter's path.
	Held []*[2]APE
}

// Ablate fits the model again, with each of its parameters held, to the first fitRows
// observations of the fit half. It is false where the device has no calibration of the
// model, or fewer than 30 rows to fit.
func (m *Model) Ablate(dev *datasets.Device, rows []datasets.Row, fitRows, evaluations int) (Ablation, bool) {
	values, ok := m.valuesOf(dev.Calibration)
	fitHalf, testHalf := split(observationsOf(m, dev, rows))
	if !ok || len(fitHalf) < minRows {
		return Ablation{}, false
	}
	judge := func(values []float64) (e APE) {
		e.Mean, e.P90 = apeOf(m, dev, values, testHalf)
		return e
	}
	loss := lossOn(m, dev, fitHalf, fitRows)
	a := Ablation{TestRows: len(testHalf), Whole: judge(values), Held: make([]*[2]APE, len(values))}
	whole := loss(values)
	for i, p := range m.Parameters {
		held := slices.Clone(values)
		at := func(v float64) float64 { held[i] = v; return loss(held) }
		if at(p.Min) == whole && at(p.Max) == whole {
			continue
		}
		a.Held[i] = new([2]APE)
		for e, v := range []float64{p.Min, p.Max} {
			box := boxOf(m)
			held[i], box[i] = v, fit.Range{Min: v, Max: v}
			best, _ := fit.Local(loss, held, box, evaluations)
			a.Held[i][e] = judge(best)
		}
	}
	return a, true
}
