// Package predict says from first principles how long a workload should take
// on a device. Everything here is a pure function of the two: no file, no
// clock, no randomness without a seed.
//
// Predictor is the one door. The datasheet tier is the roofline (roofline.go);
// the ceilings tier puts the device's own measured peaks in its place (package
// ceilings, one file a suite); the calibrated and transferred tiers use the law of
// a kernel (law.go) with a few fitted parameters of the machine and of the stack.
package predict

import (
	"fmt"
	"sync"
	"sync/atomic"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict/ceilings"
)

// Predictor predicts workloads on one device at one tier. It is safe for
// concurrent use.
type Predictor struct {
	dev  datasets.Device
	tier datasets.Tier
	// sources are the calibrations that the tier may use, the nearest first.
	sources []*datasets.Calibration
	// chosen keeps which fit a law, variant and stack are predicted by, and recent
	// the last of each law.
	chosen *sync.Map // *fitted by choice
	recent *[mostLaws]atomic.Pointer[fitted]
	// ceilings is the model of the ceilings tier, or nil.
	ceilings *ceilings.Model
	// unavailable says why the tier predicts nothing on this device, or "".
	unavailable string
}

// New prepares a predictor. A tier that the device cannot support is no error:
// every prediction then says why it is missing. The calibrated tier needs
// dev.Calibration fitted on dev itself. The transferred tier takes the nearest
// stack, and the device's own machine part where it has one: of dev.Calibration
// where that is another device's, else of the shipped ones.
func New(dev datasets.Device, tier datasets.Tier) *Predictor {
	p := &Predictor{dev: dev, tier: tier, chosen: &sync.Map{}, recent: new([mostLaws]atomic.Pointer[fitted])}
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
			break
		}
		p.sources = []*datasets.Calibration{c}
	case datasets.TierTransferred:
		if c != nil {
			p.sources = append(p.sources, c)
		}
		if c == nil || c.Device == dev.ID {
			p.sources = append(p.sources, catalog.Relatives(dev)...)
		}
		if len(p.sources) == 0 || len(p.sources) == 1 && p.sources[0].Device == dev.ID {
			p.unavailable = "no calibration of a relative of " + dev.ID
		}
	default:
		p.unavailable = fmt.Sprintf("unknown tier %q", tier)
	}
	return p
}

// Unavailable says why the tier predicts nothing on the device, or "".
func (p *Predictor) Unavailable() string { return p.unavailable }

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

// Predict predicts under the device's best known stack. It never fails: a workload
// that the tier cannot predict comes back with NotPredicted saying why.
func (p *Predictor) Predict(w datasets.Workload) datasets.Prediction {
	return p.PredictOn(w, datasets.Stack{})
}

// PredictOn predicts under a stack; of a zero one, under the device's best known.
func (p *Predictor) PredictOn(w datasets.Workload, stack datasets.Stack) datasets.Prediction {
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
		out = p.byLaw(w, stack)
	}
	out.Tier = p.tier
	return out
}

// byLaw is the calibrated and the transferred tier.
func (p *Predictor) byLaw(w datasets.Workload, stack datasets.Stack) (out datasets.Prediction) {
	law, i := lawAt(w)
	if law == nil {
		out.NotPredicted = fmt.Sprintf("no model of %s/%s", w.Suite(), w.Op())
		return out
	}
	if out.NotPredicted = law.Declines(&p.dev, w); out.NotPredicted != "" {
		return out
	}
	v := variantOf(w)
	v.KernelSource = stack.KernelSource
	c := choice{law, v, stack.Library, stack.Version}
	f := p.recent[i].Load()
	if f == nil || f.of != c {
		f = p.choose(c)
		p.recent[i].Store(f)
	}
	if f.missing != "" {
		out.NotPredicted = f.missing
		return out
	}
	out = law.predict(&p.dev, f.values, f.facts, w)
	setRange(&out, f.spreads)
	out.Machine, out.Stack = f.machine, f.stack
	return out
}

// predict is a law's prediction, not below the least time that the device allows.
func (l *Law) predict(d *datasets.Device, values []float64, facts []int, w datasets.Workload) datasets.Prediction {
	k := kernel{law: l, dev: d, values: values, facts: facts}
	k.list = make([]datasets.Term, 0, 12)
	whole := l.Time(&k, w)
	if least := l.Least(d, w); least > whole.seconds {
		whole = k.longest(whole, k.of("roofline", least))
	}
	p := k.finish(whole)
	p.Rule = l.ruleOf(&k, w)
	return p
}

// ruleOf is the words of how the terms join. They depend on the law and on which
// terms there are, so the words are made once for each such set.
func (l *Law) ruleOf(k *kernel, w datasets.Workload) string {
	key := ruleKey{l, k.present, k.calls}
	if r, ok := rules.Load(key); ok {
		return r.(string)
	}
	again := kernel{law: l, dev: k.dev, values: k.values, facts: k.facts}
	again.words = true
	whole := l.Time(&again, w)
	if least := l.Least(k.dev, w); least > whole.seconds {
		whole = again.longest(whole, again.of("roofline", least))
	}
	rules.Store(key, whole.rule)
	return whole.rule
}

// seconds is the time alone, for fits.
func (l *Law) seconds(k *kernel, w datasets.Workload) float64 {
	k.list = k.list[:0]
	return max(l.Time(k, w).seconds, l.Least(k.dev, w))
}
