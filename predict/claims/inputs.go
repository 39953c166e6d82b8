package claims

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"bench/datasets"
	"bench/datasets/catalog"
)

// Input is a number that formulas use, with where it comes from.
type Input struct {
	// Span is one value, or the range that the source states or that is
	// plausible for what it leaves open.
	Span
	Unit   string
	Source string
	// Missing inputs are not given by the article: their range is an assumption
	// of ours, with the source of its ends.
	Missing bool
	// Whole inputs count things.
	Whole bool
	// Set is true where the user gave the value.
	Set bool

	// device and origin of a device's figure, else "". absent figures are those
	// that the device of Options does not have; foreign ones belong to another
	// product than the claim's.
	device          string
	origin          datasets.Origin
	absent, foreign bool
}

func (i Input) ranged() bool { return i.Low != i.High }

// middle is the geometric middle of a range of positive ends.
func (i Input) middle() float64 {
	m := i.Mid()
	if i.Low > 0 {
		m = math.Sqrt(i.Low * i.High)
	}
	if i.Whole {
		m = math.Round(m)
	}
	return m
}

// together are names of --set that stand for several inputs.
var together = map[string][]string{
	"gpu_hour_usd": {"a100_hour_usd", "h100_hour_usd"},
	"mfu":          {"train_mfu"},
}

// InputNames lists what Options.Set may name.
func InputNames() []string {
	names := slices.Collect(maps.Keys(together))
	known, _ := inputs(Options{})
	names = slices.AppendSeq(names, maps.Keys(known))
	slices.Sort(names)
	return names
}

// base is the table of inputs as they stand.
var base = sync.OnceValue(func() map[string]Input { known, _ := inputs(Options{}); return known })

// inputs makes the table of inputs under the options.
func inputs(o Options) (map[string]Input, error) {
	known := maps.Clone(printedInputs)
	maps.Copy(known, literature)
	named := map[string]bool{}
	for _, d := range catalog.Devices() {
		named[d.ID] = true
		for name, i := range figures(&d, false) {
			known[d.ID+"."+name] = i
		}
	}
	if o.Device != nil {
		same := o.Device.ID
		if id, ok := catalog.Match(o.Device.Name); ok && !named[same] {
			same = id
		}
		theirs := slices.Contains(claimDevices, same)
		measured := figures(o.Device, true)
		for _, id := range claimDevices {
			if theirs && id != same {
				continue
			}
			for name := range figures(&datasets.Device{}, true) {
				i, ok := measured[name]
				if !ok || i.Low == 0 {
					i = known[id+"."+name]
					i.absent = true
				}
				i.foreign = !theirs
				known[id+"."+name] = i
			}
		}
	}
	for name, x := range o.Set {
		if math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
			return nil, fmt.Errorf("--set %s=%g: a finite number, not below 0, is needed", name, x)
		}
		names := together[name]
		if names == nil {
			names = []string{name}
		}
		for _, n := range names {
			i, ok := known[n]
			if !ok {
				return nil, fmt.Errorf("unknown input %q: use one of %s", name, strings.Join(InputNames(), ", "))
			}
			i.Span, i.Set, i.Missing, i.Source = Span{x, x}, true, false, "set by you; else "+i.Source
			known[n] = i
		}
	}
	return known, nil
}

// claimDevices are the catalogue devices that claims name.
var claimDevices = []string{"a100-sxm-40", "a100-sxm-80", "h100-sxm"}

// figures are a device's numbers by the names that formulas use. Measured
// ceilings take the place of peaks where the device has them.
func figures(d *datasets.Device, ceilings bool) map[string]Input {
	peak := func(t datasets.DType) datasets.Figure { return d.PeakFLOPs[t] }
	from := map[string]struct {
		f    datasets.Figure
		unit string
	}{
		"fp16":              {peak(datasets.FP16), "FLOP/s"},
		"fp8":               {peak(datasets.FP8), "FLOP/s"},
		"int8":              {peak(datasets.INT8), "FLOP/s"},
		"memory":            {d.MemoryBytes, "bytes"},
		"memory_bandwidth":  {d.MemoryBandwidth, "bytes/s"},
		"link_bandwidth":    {d.LinkBandwidth, "bytes/s"},
		"network_bandwidth": {d.NetworkBandwidth, "bytes/s"},
	}
	if bf16 := peak(datasets.BF16); from["fp16"].f.Value == 0 && bf16.Value != 0 {
		e := from["fp16"]
		e.f = bf16
		from["fp16"] = e
	}
	out := map[string]Input{}
	for name, e := range from {
		out[name] = Input{Span: Span{e.f.Value, e.f.Value}, Unit: e.unit, Source: e.f.Source,
			device: d.ID, origin: cmp.Or(e.f.Origin, datasets.Datasheet)}
	}
	out["node_size"] = Input{Span: Span{float64(d.NodeSize), float64(d.NodeSize)}, Unit: "1", Whole: true,
		Source: d.Name, device: d.ID, origin: datasets.Datasheet}
	if !ceilings {
		return out
	}
	for name, x := range measuredPeaks(d) {
		i := out[name]
		i.Span, i.origin, i.Source = Span{x.rate, x.rate}, datasets.Measured, "measured: "+x.key
		out[name] = i
	}
	return out
}

// rate is a measured figure and the workload that gave it.
type rate struct {
	rate float64
	key  string
}

// measuredPeaks are the best rates among a device's ceilings.
func measuredPeaks(d *datasets.Device) map[string]rate {
	best := map[string]rate{}
	better := func(name string, x float64, key string) {
		if x > best[name].rate {
			best[name] = rate{x, key}
		}
	}
	llc := d.LastLevel().SizeBytes.Value
	for _, c := range d.Ceilings {
		if c.Seconds <= 0 || c.Workload == nil {
			continue
		}
		// The workers of a CPU are one device, those of a GPU run are several.
		if d.Kind == "gpu" && c.Workload.Suite() != datasets.SuiteAllReduce && c.Workload.Workers() > 1 {
			continue
		}
		switch w := c.Workload.(type) {
		case datasets.GEMM:
			name := string(w.Type)
			if w.Type == datasets.BF16 {
				name = "fp16"
			}
			if slices.Contains([]string{"fp16", "fp8", "int8"}, name) {
				better(name, w.FLOPs()/c.Seconds, c.Key)
			}
		case datasets.Stream:
			// A working set of four last-level caches streams from memory, as
			// McCalpin's STREAM asks.
			if w.Kernel == "read" && float64(w.SizeBytes) >= 4*llc {
				better("memory_bandwidth", w.Bytes()/c.Seconds, c.Key)
			}
		case datasets.Collective:
			if w.Kind == "all_reduce" && w.Nodes <= 1 && w.Ranks > 1 {
				better("link_bandwidth", w.WireBytes()/c.Seconds, c.Key)
			}
		}
	}
	return best
}

// substituted reports whether a row stands on the figures of another product
// than the claim's.
func substituted(known map[string]Input, read []string) bool {
	return slices.ContainsFunc(read, func(n string) bool { return known[n].foreign })
}
