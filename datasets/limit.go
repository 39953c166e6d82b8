package datasets

import "fmt"

// Limit is a peak of a device that holds a workload back.
type Limit struct {
	// Term is its name in a roofline: compute, memory, network, communication,
	// pcie or host_link. Name is the peak's in a sentence.
	Term, Name string
	// Amount is what must pass it: FLOP for compute, else bytes.
	Amount float64
	// Spared is how much of Amount the device may get around: bytes that its caches
	// keep from one repetition to the next, or that a switch sends which adds.
	Spared float64
	// PeakPerS is FLOP or bytes a second, of all workers together for compute and
	// memory, and of one for the rest.
	PeakPerS float64
	// Tolerance is how many times PeakPerS a true measurement may reach.
	Tolerance float64
	// Missing says which figure is not known. Then there is no peak.
	Missing string
}

// A peak that follows from a clock is beaten where the clock is. The boost clock
// of a GPU's datasheet is up to 8 % below its highest (H100 SXM: 1830 and 1980
// MHz). Memory and links have fixed clocks, and a CPU's peak is of the clock with
// all cores busy, beside which one core alone ran 2 % faster. 1 % more is a
// measurement's own error.
const (
	Tolerance           = 1.03
	BoostClockTolerance = 1.10
)

// Seconds is the least time that the limit leaves, with nothing spared (Williams,
// Waterman and Patterson, "Roofline", CACM 52(4), 2009).
func (l Limit) Seconds() float64 { return l.Amount / l.PeakPerS }

// Share is the share of the peak that a time amounts to, with all spared that may
// be; 0 where there is no peak. No true time has a Share above Tolerance.
func (l Limit) Share(seconds float64) float64 {
	if l.Missing != "" || !(seconds > 0) {
		return 0
	}
	return max(l.Amount-l.Spared, 0) / l.PeakPerS / seconds
}

// Limits are the peaks that a workload on a device meets, those with an unknown
// figure included.
func (d *Device) Limits(w Workload) []Limit {
	out := make([]Limit, 0, 4)
	add := func(l Limit, figure Figure, times float64, missing string) {
		l.PeakPerS = figure.Value * times
		if l.Tolerance == 0 {
			l.Tolerance = Tolerance
		}
		if figure.Value == 0 && l.Missing == "" {
			l.Missing = missing
		}
		if l.Amount > 0 {
			out = append(out, l)
		}
	}
	arithmetic, traffic := d.Parts(w)
	compute, memory := Limit{Term: "compute", Name: "arithmetic peak", Amount: w.FLOPs()},
		Limit{Term: "memory", Name: "memory bandwidth", Amount: w.Bytes()}
	if format := formatOf(w); !knownFormat(format) {
		memory.Missing = "no model of the " + format + " format"
		compute.Missing = memory.Missing
	}
	if d.Kind == "gpu" {
		compute.Tolerance = BoostClockTolerance
	}
	if CacheOf(w) != Cold {
		memory.Spared = d.CachedBytes() * traffic
	}
	if w.Suite() != SuiteHBM && w.Suite() != SuiteAllReduce {
		peak := d.PeakFLOPs[w.DType()]
		if peak.Value == 0 && compute.Missing == "" {
			compute.Missing = fmt.Sprintf("no datasheet peak of %s for %s", d.ID, w.DType())
		}
		add(compute, peak, arithmetic, "")
	}
	if w.Suite() != SuiteAllReduce {
		add(memory, d.MemoryBandwidth, traffic, "no datasheet bandwidth")
	}
	if c, ok := w.(Collective); ok {
		d.collectiveLimits(c, add)
	} else if w.Workers() > 1 {
		figure, term, name := d.linkAmong(w.Workers())
		add(Limit{Term: term, Name: name, Amount: w.WireBytes()}, figure, 1, "no datasheet link bandwidth")
	}
	if s, ok := w.(Stream); ok && (s.Kernel == "host_to_device" || s.Kernel == "device_to_host") {
		add(Limit{Term: "host_link", Name: "host link", Amount: s.Bytes()}, d.PCIeBandwidth, 1, "no datasheet bandwidth of the host link")
	}
	return out
}

// Parts are how many times a device's peak and its memory bandwidth the workload's
// workers have together: one device each where they are GPUs, a share of its cores
// where it is a CPU.
func (d *Device) Parts(w Workload) (arithmetic, memory float64) {
	n := float64(max(w.Workers(), 1))
	if m, ok := w.(MoELayer); ok && m.Kernel == "experts" {
		n = 1 // one rank's share already
	}
	switch {
	case d.Kind != "cpu":
		return n, n
	case d.Units > 0:
		return min(1, n/float64(d.Units)), 1 // one core may already fill the memory
	}
	return 1, 1
}

// CachedBytes is what the caches beyond the first level keep together from one
// repetition of a workload to the next.
func (d *Device) CachedBytes() float64 {
	bytes := 0.0
	for _, c := range d.Caches {
		if c.Level > 1 {
			bytes += d.AllBytes(c)
		}
	}
	return bytes
}

// AllBytes is what all of the device's caches of one level hold together.
func (d *Device) AllBytes(c CacheLevel) float64 {
	if c.SharedBy < 1 || d.Units < 1 {
		return c.SizeBytes.Value
	}
	return c.SizeBytes.Value * float64((d.Units+c.SharedBy-1)/c.SharedBy)
}

// formatOf is the quantised form of a workload's weights, "" where it has none.
func formatOf(w Workload) string {
	switch w := w.(type) {
	case GEMM:
		return w.Format
	case MoELayer:
		return w.Format
	}
	return ""
}
