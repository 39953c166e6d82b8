package microbench

import (
	"fmt"
	"strings"

	"bench/datasets"
	"bench/probes"
)

// watchGPUs begins to watch the GPUs that a workload uses, or returns nil where
// there are none or NVML cannot.
func (r *runState) watchGPUs(w datasets.Workload) GPUWatch {
	n := min(max(1, w.Workers()), len(r.uuids))
	if n == 0 {
		return nil
	}
	g, err := r.WatchGPUs(r.uuids[:n])
	if err != nil {
		if !r.blind {
			r.blind = true
			r.notes = append(r.notes, "clocks, power, temperature and faults of the GPU were not watched: "+err.Error())
		}
		return nil
	}
	return g
}

// faults fails a case under which the GPU reported an error, and gives the next
// one a fresh process: whatever the case's own answer says, it cannot be trusted.
func (r *runState) faults(m *datasets.Measurement, g *probes.GPUTelemetry) {
	var why []string
	if g.Lost != "" {
		why = append(why, "the GPU was lost: "+g.Lost)
	}
	if len(g.Xids) > 0 {
		var xids []string
		for _, x := range g.Xids {
			xids = append(xids, fmt.Sprint(x))
		}
		why = append(why, "the driver reported Xid "+strings.Join(xids, ", "))
	}
	if g.ECCErrors > 0 {
		why = append(why, fmt.Sprintf("%d uncorrected ECC errors occurred", g.ECCErrors))
	}
	if len(why) == 0 {
		return
	}
	reason := strings.Join(why, "; ") + ": " + r.where
	if m.Verdict == datasets.Failed && m.Reason != "" {
		reason = m.Reason + "; " + reason
	}
	m.Verdict, m.Reason = datasets.Failed, reason
	if s, ok := r.Backend.(Separate); ok {
		s.Renew()
	}
}

// runSentinel runs the sentinel. Before the first case no case can be blamed for
// one that does not run: a fresh process is asked once more, and the note says so.
func (r *runState) runSentinel() (float64, error) {
	seconds, err := r.Backend.Sentinel()
	if s, ok := r.Backend.(Separate); ok && err != nil && r.sentinel == nil {
		r.notes = append(r.notes, "the sentinel had to be run again in a fresh process: "+err.Error())
		s.Renew()
		return r.Backend.Sentinel()
	}
	return seconds, err
}

// gpuConditions are the conditions that NVML gives.
func gpuConditions(c *datasets.Conditions, g *probes.GPUTelemetry) {
	c.ClockHz, c.MemoryClockHz, c.PowerWatt, c.TemperatureC = g.ClockHz, g.MemoryClockHz, g.PowerWatt, g.TemperatureC
	c.ThrottleReasons, c.ECCErrors = g.ClockReasons, g.ECCErrors
}

// gpuFlags says what NVML has against a case. A power cap is a condition of full
// load and none of these.
func gpuFlags(g *probes.GPUTelemetry, flag func(name, format string, args ...any)) {
	if t := g.Throttled(); len(t) > 0 {
		flag(datasets.FlagThrottled, "the GPU's clock was held down: %s", strings.Join(t, ", "))
	}
	if g.OtherProcesses > 0 {
		flag(datasets.FlagShared, "%d other processes held the GPU", g.OtherProcesses)
	}
}
