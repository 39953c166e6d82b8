package microbench

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bench/datasets"
	"bench/probes"
)

// Shares of all CPUs' time above which a case counts as disturbed. The kernel
// counts in ticks of 10 ms, so a share also needs minDisturbedS behind it.
const (
	maxStealRatio = 0.02
	maxOtherRatio = 0.05
	minDisturbedS = 0.03
)

// implausibleBy is by how much a time must beat the physical peak to be called
// implausible: a CPU's peak is computed from the clock with all cores busy, and
// one core alone was seen to run 2 % faster.
const implausibleBy = 1.03

// gpuImplausibleBy is the same for a GPU's arithmetic: its published peak holds at
// its boost clock, and its highest clock is up to 8 % above that (H100 SXM: 1980
// over 1830 MHz).
const gpuImplausibleBy = 1.10

// judge flags what the conditions of a case say against it, and settles its
// verdict. before and after are the sentinel's ratios on either side of it, memory
// the bandwidth that this run has measured for as many workers, or 0.
func judge(m *datasets.Measurement, dev *datasets.Device, w datasets.Workload, t probes.Telemetry, g *probes.GPUTelemetry, s *sentinel, before, after, memory float64) {
	worst := before
	if math.Abs(math.Log(after)) > math.Abs(math.Log(before)) {
		worst = after
	}
	c := &m.Conditions
	c.SentinelRatio, c.StealRatio, c.OtherCPURatio = worst, t.StealRatio, t.OtherRatio
	c.ClockHz, c.LoadAverage, c.TemperatureC = t.ClockHz, t.LoadAverage, t.TemperatureC
	if dev.Kind == "gpu" {
		c.ClockHz, c.TemperatureC = 0, 0 // the host's are not meant
	}
	if g != nil {
		gpuConditions(c, g)
	}
	if m.Verdict != datasets.OK {
		return
	}
	var why []string
	if m.Reason != "" {
		why = append(why, m.Reason)
	}
	flag := func(name, format string, args ...any) {
		if !slices.Contains(m.Flags, name) {
			m.Flags = append(m.Flags, name)
		}
		why = append(why, fmt.Sprintf(format, args...))
	}
	if s.drifted(worst) {
		flag(datasets.FlagDrift, "the sentinel took %.2f of its time at the start, outside ±%.0f %%", worst, s.band*100)
	}
	switch {
	case dev.Kind == "gpu": // neighbours on the CPU do not slow it; gpuFlags has what does
	case t.StealRatio > maxStealRatio && t.StealRatio*t.CPUSeconds > minDisturbedS:
		flag(datasets.FlagShared, "the hypervisor gave %.0f %% of the CPU time to other guests", t.StealRatio*100)
	case t.OtherRatio > maxOtherRatio && t.OtherRatio*t.CPUSeconds > minDisturbedS:
		flag(datasets.FlagShared, "other processes used %.0f %% of the CPU time", t.OtherRatio*100)
	}
	if g != nil {
		gpuFlags(g, flag)
	}
	// A clock that falls below nine tenths of its own mean within one case is
	// held down by something.
	if dev.Kind != "gpu" && t.MinClockHz > 0 && t.MinClockHz < 0.9*t.ClockHz {
		flag(datasets.FlagThrottled, "the clock fell to %.2f GHz from a mean of %.2f GHz", t.MinClockHz/1e9, t.ClockHz/1e9)
	}
	if sentence := implausible(dev, w, m.TimeS); sentence != "" {
		flag(datasets.FlagImplausible, "%s", sentence)
	}
	if sentence := beyondCore(dev, w, m.TimeS); sentence != "" {
		flag(datasets.FlagImplausible, "%s", sentence)
	} else if sentence := notCold(dev, w, m.TimeS, memory); sentence != "" {
		flag(datasets.FlagImplausible, "%s", sentence)
	}
	if len(m.Flags) > 0 {
		m.Verdict = datasets.Flagged
		m.Reason = strings.Join(why, "; ")
	}
}

// implausible says which physical peak a time beats, or "". Arithmetic is held
// against the dense peak of as many workers; traffic against the memory's
// published bandwidth, where there is one and the operands cannot be in a
// cache; what ranks send against the link's, unless the switch adds.
func implausible(dev *datasets.Device, w datasets.Workload, seconds float64) string {
	if !(seconds > 0) {
		return ""
	}
	share := 1.0
	if dev.Kind == "cpu" && dev.Units > 0 {
		share = min(1, float64(w.Workers())/float64(dev.Units))
	} else if w.Workers() > 1 {
		share = float64(w.Workers())
	}
	by := implausibleBy
	if dev.Kind == "gpu" {
		by = gpuImplausibleBy
	}
	beats := func(what string, rate, peak float64, unit string) string {
		if peak > 0 && rate > peak*by {
			return fmt.Sprintf("%.4g %s is more than the %s of %.4g %s", rate/1e9, unit, what, peak/1e9, unit)
		}
		return ""
	}
	if w.Suite() != datasets.SuiteHBM && w.Suite() != datasets.SuiteAllReduce {
		if s := beats("arithmetic peak", w.FLOPs()/seconds, dev.PeakFLOPs[w.DType()].Value*share, "GFLOP/s"); s != "" {
			return s
		}
	}
	by = implausibleBy
	if s, ok := w.(datasets.Stream); ok && (s.Kernel == "host_to_device" || s.Kernel == "device_to_host") {
		return beats("host link", w.Bytes()/seconds, dev.PCIeBandwidth.Value, "GB/s")
	}
	if s, ok := w.(datasets.Stream); ok && s.Kernel == "peer" {
		return beats("link bandwidth", w.WireBytes()/seconds, dev.LinkBandwidth.Value, "GB/s")
	}
	if s, ok := w.(datasets.Stream); ok && float64(s.SizeBytes) > 4*dev.LastLevel().SizeBytes.Value {
		if s := beats("memory bandwidth", w.Bytes()/seconds, dev.MemoryBandwidth.Value*max(share, 1), "GB/s"); s != "" {
			return s
		}
	}
	if !dev.SwitchReduces {
		return beats("link bandwidth", w.WireBytes()/seconds, dev.LinkBandwidth.Value, "GB/s")
	}
	return ""
}

// disturbed reports whether the flags are ones that a quieter moment may lift.
func disturbed(m *datasets.Measurement) bool {
	return slices.ContainsFunc(m.Flags, func(f string) bool {
		return f == datasets.FlagDrift || f == datasets.FlagShared || f == datasets.FlagThrottled
	})
}
