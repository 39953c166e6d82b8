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

// implausible says which physical peak a time beats, or "". Cold operands are held
// against the memory's bandwidth by notCold, which knows how far they rotate.
func implausible(dev *datasets.Device, w datasets.Workload, seconds float64) string {
	for _, l := range dev.Limits(w) {
		if l.Term == "memory" && datasets.CacheOf(w) == datasets.Cold {
			continue
		}
		if share := l.Share(seconds); share > l.Tolerance {
			unit := "GB/s"
			if l.Term == "compute" {
				unit = "GFLOP/s"
			}
			return fmt.Sprintf("%.4g %s is more than the %s of %.4g %s", share*l.PeakPerS/1e9, unit, l.Name, l.PeakPerS/1e9, unit)
		}
	}
	return ""
}

// disturbed reports whether the flags are ones that a quieter moment may lift.
func disturbed(m *datasets.Measurement) bool {
	return slices.ContainsFunc(m.Flags, func(f string) bool {
		return f == datasets.FlagDrift || f == datasets.FlagShared || f == datasets.FlagThrottled
	})
}
