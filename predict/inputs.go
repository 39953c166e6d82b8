package predict

import (
	"maps"
	"math"
	"slices"

	"bench/datasets"
)

// Input is a figure that a prediction rests on.
type Input struct {
	// Name is the device's figure ("memory_bandwidth_bytes_per_s"), the key of a
	// measured ceiling, or a fitted parameter of the model, with its Unit.
	Name, Unit string
	Figure     datasets.Figure
	// Elasticity is by how many percent the predicted time grows where the figure
	// grows by one: −1 where the time is inverse to it, 0 where another term binds.
	Elasticity float64
	// Terms names the terms that depend on it.
	Terms []string
}

// MostCeilings is how many measured ceilings Inputs tries, each of which prepares
// the tier twice again; of a run with more it leaves the ceilings out.
const MostCeilings = 400

// Inputs finds what a prediction rests on by trying: each figure that the tier
// knows of the device is changed by 1 % up and down, and is an input where a term
// changes. So it holds for every law, and cannot say otherwise than Predict does;
// a figure that only chooses between whole numbers (waves, splits) may be missed.
func Inputs(dev datasets.Device, tier datasets.Tier, w datasets.Workload, stack datasets.Stack) []Input {
	base := New(dev, tier).PredictOn(w, stack)
	if base.NotPredicted != "" {
		return nil
	}
	var out []Input
	note := func(in Input, up, down datasets.Prediction) {
		for _, t := range base.Terms {
			if secondsOf(up, t.Name) != t.Seconds || secondsOf(down, t.Name) != t.Seconds {
				in.Terms = append(in.Terms, t.Name)
			}
		}
		if len(in.Terms) == 0 {
			return
		}
		if up.Seconds > 0 && down.Seconds > 0 {
			in.Elasticity = math.Log(up.Seconds/down.Seconds) / math.Log(1.01*1.01)
		}
		out = append(out, in)
	}
	try := func(in Input, change func(d *datasets.Device, by float64)) {
		at := func(by float64) datasets.Prediction {
			d := cloned(dev)
			change(&d, by)
			return New(d, tier).PredictOn(w, stack)
		}
		note(in, at(1.01), at(1/1.01))
	}
	for _, f := range figuresOf(&dev, w) {
		try(Input{Name: f.name, Unit: f.unit, Figure: f.get(&dev)}, func(d *datasets.Device, by float64) { f.scale(d, by) })
	}
	switch tier {
	case datasets.TierCeilings:
		if len(dev.Ceilings) > MostCeilings {
			break
		}
		for i, c := range dev.Ceilings {
			try(Input{Name: c.Key, Unit: "s", Figure: datasets.Figure{Value: c.Seconds, Origin: datasets.Measured, Source: "a row of the same run"}},
				func(d *datasets.Device, by float64) { d.Ceilings[i].Seconds *= by })
		}
	case datasets.TierCalibrated, datasets.TierTransferred:
		law := lawOf(w)
		v := variantOf(w)
		v.KernelSource = stack.KernelSource
		f := New(dev, tier).choose(choice{law, v, stack.Library, stack.Version})
		for i, p := range law.Parameters {
			at := func(by float64) datasets.Prediction {
				values := slices.Clone(f.values)
				values[i] *= by
				return law.predict(&dev, values, f.facts, w)
			}
			name := law.Name + "." + p.Name
			if isMachine(p.Name) {
				name = "machine." + p.Name
			}
			note(Input{Name: name, Unit: p.Unit, Figure: datasets.Figure{Value: f.values[i], Origin: datasets.Fitted, Source: p.Meaning}}, at(1.01), at(1/1.01))
		}
	}
	return out
}

func secondsOf(p datasets.Prediction, term string) float64 {
	for _, t := range p.Terms {
		if t.Name == term {
			return t.Seconds
		}
	}
	return 0
}

// cloned is a device whose ceilings, caches and peaks can be changed.
func cloned(d datasets.Device) datasets.Device {
	d.PeakFLOPs, d.Caches, d.Ceilings = maps.Clone(d.PeakFLOPs), slices.Clone(d.Caches), slices.Clone(d.Ceilings)
	return d
}

// deviceFigure reads and scales one figure of a device; its name is the JSON's.
type deviceFigure struct {
	name, unit string
	get        func(d *datasets.Device) datasets.Figure
	scale      func(d *datasets.Device, by float64)
}

// figuresOf lists the device's known figures that may enter a prediction of w.
func figuresOf(dev *datasets.Device, w datasets.Workload) []deviceFigure {
	var out []deviceFigure
	if t := w.DType(); dev.PeakFLOPs[t].Value > 0 {
		out = append(out, deviceFigure{"peak_flop_per_s." + string(t), "FLOP/s",
			func(d *datasets.Device) datasets.Figure { return d.PeakFLOPs[t] },
			func(d *datasets.Device, by float64) {
				f := d.PeakFLOPs[t]
				f.Value *= by
				d.PeakFLOPs[t] = f
			}})
	}
	for _, f := range []struct {
		name, unit string
		of         func(d *datasets.Device) *datasets.Figure
	}{
		{"vector_flop_per_s", "FLOP/s", func(d *datasets.Device) *datasets.Figure { return &d.VectorFLOPs }},
		{"memory_bandwidth_bytes_per_s", "bytes/s", func(d *datasets.Device) *datasets.Figure { return &d.MemoryBandwidth }},
		{"link_bandwidth_bytes_per_s", "bytes/s", func(d *datasets.Device) *datasets.Figure { return &d.LinkBandwidth }},
		{"pcie_bandwidth_bytes_per_s", "bytes/s", func(d *datasets.Device) *datasets.Figure { return &d.PCIeBandwidth }},
		{"network_bandwidth_bytes_per_s", "bytes/s", func(d *datasets.Device) *datasets.Figure { return &d.NetworkBandwidth }},
		{"clock_hz", "Hz", func(d *datasets.Device) *datasets.Figure { return &d.ClockHz }},
	} {
		if f.of(dev).Value > 0 {
			out = append(out, deviceFigure{f.name, f.unit,
				func(d *datasets.Device) datasets.Figure { return *f.of(d) },
				func(d *datasets.Device, by float64) { f.of(d).Value *= by }})
		}
	}
	if last := dev.LastLevel(); last.SizeBytes.Value > 0 {
		out = append(out, deviceFigure{"size_bytes of the last-level cache", "bytes",
			func(d *datasets.Device) datasets.Figure { return d.LastLevel().SizeBytes },
			func(d *datasets.Device, by float64) {
				for i := range d.Caches {
					if d.Caches[i].Level == last.Level {
						d.Caches[i].SizeBytes.Value *= by
					}
				}
			}})
	}
	return out
}
