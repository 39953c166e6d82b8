package predict

import "bench/datasets"

// Regime says which of a device's limits a workload runs into. It sorts rows
// for the figures of error; it predicts nothing.
type Regime string

const (
	// RegimeLatency: the roofline's time is below the fixed floor of one
	// operation, so that launch and latency decide.
	RegimeLatency Regime = "latency"
	// RegimeCompute: arithmetic at the peak takes longest.
	RegimeCompute Regime = "compute"
	// RegimeMemory: traffic with memory takes longest.
	RegimeMemory Regime = "memory"
	// RegimeCache is RegimeMemory with operands that fit in the last-level
	// cache and are found there.
	RegimeCache Regime = "cache"
	// RegimeCommunication: the bytes sent to other ranks take longest.
	RegimeCommunication Regime = "communication"
	// RegimeUnknown: the device's peaks are not known.
	RegimeUnknown Regime = "unknown"
)

// The fixed floors below which a roofline time says nothing: launching and
// draining one kernel of a GPU, the steps of a collective between GPUs, waking
// the threads of a CPU. They sort rows and are no model parameters, so round
// figures do.
const (
	kernelFloorS     = 5e-6
	collectiveFloorS = 15e-6
	cpuFloorS        = 2e-6
)

// Regimes sorts workloads on one device. The rule knows the device and the
// workload alone, so every tier shares it:
//
//  1. the three roofline terms, at the datasheet's peaks, or where there is no
//     such figure at the best ceiling measured on the device;
//  2. the longest is below the floor of one operation (5 µs for a kernel, 15 µs
//     for a collective on GPUs, 2 µs on a CPU): "latency"; so are chains of
//     dependent loads and empty launches;
//  3. else the longest names the regime, "memory" being "cache" where the
//     workload's bytes fit in the last-level cache and its operands are not
//     cold.
type Regimes struct {
	dev                    datasets.Device
	floor, collectiveFloor float64
	lastLevel              float64
}

// NewRegimes prepares the rule for a device.
func NewRegimes(dev datasets.Device) *Regimes {
	r := &Regimes{dev: dev, floor: kernelFloorS, collectiveFloor: collectiveFloorS,
		lastLevel: dev.LastLevel().SizeBytes.Value}
	if dev.Kind == "cpu" {
		r.floor, r.collectiveFloor = cpuFloorS, cpuFloorS
	}
	if dev.MemoryBandwidth.Value == 0 {
		r.dev.MemoryBandwidth.Value = measuredBandwidth(&dev)
	}
	if dev.Kind == "cpu" && dev.LinkBandwidth.Value == 0 {
		// Ranks on one host talk through its memory.
		r.dev.LinkBandwidth.Value = r.dev.MemoryBandwidth.Value
	}
	r.dev.PeakFLOPs = measuredPeaks(&dev)
	return r
}

// MemoryBandwidth is the bandwidth, in bytes/s, that the rule uses: the
// datasheet's, else the best measured on the device beyond its caches, else 0.
func (r *Regimes) MemoryBandwidth() float64 { return r.dev.MemoryBandwidth.Value }

// Of sorts one workload.
func (r *Regimes) Of(w datasets.Workload) Regime {
	if s, ok := w.(datasets.Stream); ok && (s.Kernel == "latency" || s.Kernel == "launch") {
		return RegimeLatency
	}
	p := roofline(&r.dev, w)
	if p.NotPredicted != "" {
		return RegimeUnknown
	}
	floor := r.floor
	if w.Suite() == datasets.SuiteAllReduce {
		floor = r.collectiveFloor
	}
	if p.Seconds < floor && w.Suite() != datasets.SuiteHBM {
		return RegimeLatency
	}
	switch p.Binds {
	case "compute":
		return RegimeCompute
	case "communication":
		return RegimeCommunication
	}
	if w.Bytes() <= r.lastLevel && datasets.CacheOf(w) != datasets.Cold {
		return RegimeCache
	}
	if p.Seconds < floor {
		return RegimeLatency
	}
	return RegimeMemory
}

// measuredBandwidth is the best bandwidth among ceilings whose working set is
// at least twice the last-level cache.
func measuredBandwidth(d *datasets.Device) float64 {
	best := 0.0
	for _, c := range d.Ceilings {
		s, ok := c.Workload.(datasets.Stream)
		if !ok || c.Seconds <= 0 || float64(s.SizeBytes) < 2*d.LastLevel().SizeBytes.Value {
			continue
		}
		switch s.Kernel {
		case "read", "copy", "copy_nt", "scale", "triad", "triad_nt":
			best = max(best, s.Bytes()/c.Seconds)
		}
	}
	return best
}

// measuredPeaks is the device's peaks, with measured ones where the datasheet
// has none.
func measuredPeaks(d *datasets.Device) map[datasets.DType]datasets.Figure {
	peaks := make(map[datasets.DType]datasets.Figure, len(d.PeakFLOPs))
	for t, f := range d.PeakFLOPs {
		peaks[t] = f
	}
	for _, c := range d.Ceilings {
		g, ok := c.Workload.(datasets.GEMM)
		if !ok || g.Kernel != "peak" || c.Seconds <= 0 || d.PeakFLOPs[g.Type].Value > 0 {
			continue
		}
		if f := g.FLOPs() / c.Seconds; f > peaks[g.Type].Value {
			peaks[g.Type] = datasets.Figure{Value: f, Origin: datasets.Measured}
		}
	}
	return peaks
}
