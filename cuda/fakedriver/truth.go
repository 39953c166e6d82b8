package fakedriver

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Truth is what a simulated machine really is. Zero fields are those of a small
// device (src/truth.h). Rates are bytes/s and count every byte read and every
// one written; times are seconds; FLOPs are by data type.
type Truth struct {
	// Name of each device; it must end with " (simulated)".
	Name string
	// Devices of the machine; NoDevice makes cuInit find none.
	Devices  int
	NoDevice bool
	// Major and Minor are the compute capability, Driver the CUDA version as 12040.
	Major, Minor, Driver int
	SMs                  int
	MemoryBytes, L2Bytes int64
	ClockHz              float64

	// Read, Write and Copy are device memory's rates for kernels that read only,
	// write only, and do both.
	Read, Write, Copy, L2            float64
	HostToDevice, DeviceToHost, Peer float64
	NoPeer                           bool
	FLOPs                            map[string]float64
	// MemoryLatency and L2Latency are of a dependent load.
	MemoryLatency, L2Latency float64
	// Kernel and GraphKernel are the least that a kernel takes, launched and in a
	// graph; CopyStart that of a copy or fill, Collective that of a collective.
	Kernel, GraphKernel, CopyStart, Collective float64
	// HostLaunch is what a call takes the host.
	HostLaunch, EventResolution float64

	// Noise is a batch's relative standard deviation; with TailProbability a batch
	// takes TailFactor times as long. The clock sinks by the share Sag as work goes
	// on, with a time constant of SagTime; every ThrottlePeriod all runs at
	// ThrottleFactor of its speed for ThrottleTime.
	Noise, TailProbability, TailFactor           float64
	Sag, SagTime                                 float64
	ThrottlePeriod, ThrottleTime, ThrottleFactor float64
	Seed                                         int64

	// ExecuteLimit is the most work (bytes and FLOPs) of a launch that runs its
	// kernel's source, and SIMT the library of the sources compiled for the host.
	ExecuteLimit float64
	SIMT         string
	// Fail, Hang, Wrong and Lose are faults (src/fault.h): "cuMemAlloc_v2:3:2".
	Fail, Hang, Wrong, Lose string
	// StateDir makes a fault happen once over all processes; Log is a file that
	// gets a line with a call's name when a process has made it 1, 2, 4, 8, … times,
	// "throttled" for a batch that ran in an episode, and "left" with the bytes of
	// device memory that were in a context when it was given back.
	StateDir, Log string
}

// text is the file that the library reads.
func (t Truth) text() string {
	var b strings.Builder
	number := func(key string, v float64) {
		if v != 0 {
			fmt.Fprintf(&b, "%s=%.17g\n", key, v)
		}
	}
	word := func(key, v string) {
		if v != "" {
			fmt.Fprintf(&b, "%s=%s\n", key, v)
		}
	}
	word("name", t.Name)
	number("devices", float64(t.Devices))
	if t.NoDevice {
		word("devices", "0")
	}
	number("major", float64(t.Major))
	if t.Major != 0 {
		word("minor", fmt.Sprint(t.Minor))
	}
	number("driver", float64(t.Driver))
	number("sms", float64(t.SMs))
	number("memory_bytes", float64(t.MemoryBytes))
	number("l2_bytes", float64(t.L2Bytes))
	number("clock_hz", t.ClockHz)
	number("seed", float64(t.Seed))
	number("read_bytes_per_s", t.Read)
	number("write_bytes_per_s", t.Write)
	number("copy_bytes_per_s", t.Copy)
	number("l2_bytes_per_s", t.L2)
	number("h2d_bytes_per_s", t.HostToDevice)
	number("d2h_bytes_per_s", t.DeviceToHost)
	number("peer_bytes_per_s", t.Peer)
	if t.NoPeer {
		word("peer", "0")
	}
	for _, k := range slices.Sorted(maps.Keys(t.FLOPs)) {
		number("flops_"+k, t.FLOPs[k])
	}
	number("memory_latency_s", t.MemoryLatency)
	number("l2_latency_s", t.L2Latency)
	number("kernel_s", t.Kernel)
	number("graph_kernel_s", t.GraphKernel)
	number("copy_start_s", t.CopyStart)
	number("collective_s", t.Collective)
	number("host_launch_s", t.HostLaunch)
	number("event_resolution_s", t.EventResolution)
	number("noise", t.Noise)
	number("tail_probability", t.TailProbability)
	number("tail_factor", t.TailFactor)
	number("sag", t.Sag)
	number("sag_s", t.SagTime)
	number("throttle_period_s", t.ThrottlePeriod)
	number("throttle_s", t.ThrottleTime)
	number("throttle_factor", t.ThrottleFactor)
	number("execute_limit", t.ExecuteLimit)
	word("simt", t.SIMT)
	word("fail", t.Fail)
	word("hang", t.Hang)
	word("wrong", t.Wrong)
	word("lose", t.Lose)
	word("state_dir", t.StateDir)
	word("log", t.Log)
	return b.String()
}
