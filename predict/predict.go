// Package predict says from first principles how long a workload should take
// on a device. Everything here is a pure function of the two: no file, no
// clock, no randomness without a seed.
//
// Predictor is the one door. The datasheet tier is the roofline (roofline.go);
// the ceilings tier puts the device's own measured peaks in its place (package
// ceilings, one file a suite); the calibrated and transferred tiers use a model
// of the kernel with a few fitted physical parameters, one file a model.
package predict

import (
	"fmt"

	"bench/datasets"
	"bench/predict/ceilings"
)

// Predictor predicts workloads on one device at one tier. It is safe for
// concurrent use.
type Predictor struct {
	dev  datasets.Device
	tier datasets.Tier
	// values holds each model's parameters, by Model.Name, and ranges its spreads.
	values map[string][]float64
	ranges map[string][]datasets.Spread
	// ceilings is the model of the ceilings tier, or nil.
	ceilings *ceilings.Model
	// unavailable says why the tier predicts nothing on this device, or "".
	unavailable string
}

// New prepares a predictor. A tier that the device cannot support is no error:
// every prediction then says why it is missing. The calibrated tier needs
// dev.Calibration fitted on dev itself, the transferred tier one fitted on
// another device of the same architecture, or on any other device where none
// is known.
func New(dev datasets.Device, tier datasets.Tier) *Predictor {
	p := &Predictor{dev: dev, tier: tier}
	c := dev.Calibration
	switch tier {
	case datasets.TierDatasheet:
	case datasets.TierCeilings:
		if len(dev.Ceilings) == 0 {
			p.unavailable = "no measured ceilings of " + dev.ID + " in this run"
			break
		}
		p.ceilings = ceilings.New(dev)
	case datasets.TierCalibrated:
		if c == nil || c.Device != dev.ID {
			p.unavailable = "no calibration of " + dev.ID
		}
	case datasets.TierTransferred:
		if c == nil || c.Device == dev.ID {
			p.unavailable = "no calibration of a relative of " + dev.ID
		}
	default:
		p.unavailable = fmt.Sprintf("unknown tier %q", tier)
	}
	if p.unavailable == "" && (tier == datasets.TierCalibrated || tier == datasets.TierTransferred) {
		p.values, p.ranges = make(map[string][]float64, len(c.Models)), make(map[string][]datasets.Spread, len(c.Models))
		for _, m := range Models {
			if v, ok := m.valuesOf(c); ok {
				p.values[m.Name], p.ranges[m.Name] = v, c.Fits[m.Name].Spreads
				if tier == datasets.TierTransferred {
					p.ranges[m.Name] = transferredSpreads(m.Name, c.Fits[m.Name].Spreads, c.Arch == dev.Arch)
				}
			}
		}
	}
	return p
}

// CeilingsOf picks the measured peaks out of a run's rows on one device, for
// Device.Ceilings.
func CeilingsOf(rows []datasets.Row, deviceID string) []datasets.Ceiling {
	return ceilings.Of(rows, deviceID)
}

// IsCeiling reports whether CeilingsOf would pick the row.
func IsCeiling(row *datasets.Row) bool { return ceilings.Is(row) }

// mostCounted is the FLOP and bytes below which products of a shape stay within
// 64 bits; beyond, they would wrap into a wrong number.
const mostCounted = 1 << 62

// Predict never fails: a workload that the tier cannot predict comes back with
// NotPredicted saying why.
func (p *Predictor) Predict(w datasets.Workload) datasets.Prediction {
	out := datasets.Prediction{Tier: p.tier, NotPredicted: p.unavailable}
	if p.unavailable != "" {
		return out
	}
	if m, whole := w.(datasets.ModelPass); whole {
		out.NotPredicted = "a pass of a whole model of which only the size is known: the datasheet tier has its bound"
		if p.tier == datasets.TierDatasheet {
			out = modelPass(&p.dev, m)
			out.Tier = p.tier
		}
		return out
	}
	// Rows are read from files as they stand there.
	if err := w.Validate(); err != nil {
		out.NotPredicted = "no workload: " + err.Error()
		return out
	}
	if w.FLOPs() >= mostCounted || w.Bytes() >= mostCounted {
		out.NotPredicted = "a shape of 2^62 FLOP or bytes and more, which is no kernel of any device"
		return out
	}
	switch p.tier {
	case datasets.TierDatasheet:
		// A bound from below: what a library reaches of it is not published.
		out = roofline(&p.dev, w)
		out.LowS = out.Seconds
	case datasets.TierCeilings:
		out = p.ceilings.Predict(w)
		if p.dev.Kind == "cpu" {
			setRange(&out, ceilingsOfHost[w.Suite()])
		}
	default:
		m := modelOf(w)
		if m == nil {
			out.NotPredicted = fmt.Sprintf("no model of %s/%s", w.Suite(), w.Op())
			break
		}
		if why := m.Declines(&p.dev, w); why != "" {
			out.NotPredicted = why
			break
		}
		v, ok := p.values[m.Name]
		if !ok {
			out.NotPredicted = "the calibration has no parameters for " + m.Name
			break
		}
		out = m.Predict(&p.dev, v, w)
		setRange(&out, p.ranges[m.Name])
		out.Machine = p.dev.Calibration.Device
	}
	out.Tier = p.tier
	return out
}

// Model is a kernel's timing law with at most 12 fitted parameters.
type Model struct {
	// Name is its key in a calibration: "gemm", "decode_attention", ….
	Name string
	// Parameters describe each value: name, unit, meaning, plausible range,
	// and Value as the start of a fit.
	Parameters []datasets.Parameter
	// Applies reports whether a workload is of the kind that is modelled.
	Applies func(w datasets.Workload) bool
	// Declines says why a workload of that kind is not predicted, or "".
	Declines func(d *datasets.Device, w datasets.Workload) string
	// FitsOn, where not nil, reports whether a measurement is of the kind that
	// the model is best fitted on. Others are predicted like these, and enter a
	// fit only where there are too few of these.
	FitsOn func(m *datasets.Measurement) bool
	// Predict applies the law. Its result is never below roofline's.
	Predict func(d *datasets.Device, values []float64, w datasets.Workload) datasets.Prediction
}

// Models lists every calibrated model; a workload belongs to the first that
// applies.
var Models = []*Model{
	gemmModel, moeModel,
	decodeAttention, prefillAttention,
	customAllReduce, sendRecv, peerExchange, collective, networkCollective,
	rowwise, rowwiseEager,
}

func modelOf(w datasets.Workload) *Model {
	for _, m := range Models {
		if m.Applies(w) {
			return m
		}
	}
	return nil
}

// valuesOf picks the model's values out of a calibration, by name.
func (m *Model) valuesOf(c *datasets.Calibration) ([]float64, bool) {
	have := c.Models[m.Name]
	if len(have) == 0 {
		return nil, false
	}
	v := make([]float64, len(m.Parameters))
	for i, want := range m.Parameters {
		found := false
		for _, h := range have {
			if h.Name == want.Name {
				v[i], found = h.Value, true
			}
		}
		if !found {
			return nil, false
		}
	}
	return v, true
}
