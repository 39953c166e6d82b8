package probes

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// GPUTelemetry is how the GPUs did while a case ran. A figure that NVML does
// not give is 0.
type GPUTelemetry struct {
	// Samples is how often the GPUs were looked at.
	Samples int
	// ClockHz is the mean SM clock of the slowest GPU, MinClockHz the least
	// reading of any; MemoryClockHz the least memory clock seen.
	ClockHz, MinClockHz, MemoryClockHz float64
	// PowerWatt is the mean of the hungriest GPU, TemperatureC the hottest
	// reading of any.
	PowerWatt, TemperatureC float64
	// ClockReasons are why a clock was held down, in the order in which they
	// were first seen, and HeldRatio the share of readings with any.
	ClockReasons []string
	HeldRatio    float64
	// ECCErrors (uncorrected), RetiredPages (remapped rows on A100 and later),
	// PCIeReplays and NVLinkErrors are new ones since the start.
	ECCErrors, RetiredPages, PCIeReplays, NVLinkErrors int64
	// Xids are the driver's error events (NVIDIA, "Xid Errors").
	Xids []uint64
	// OtherProcesses is the most compute processes seen that are not ours.
	OtherProcesses int
	// Lost says which GPU does not answer any more, and why; "" where all do.
	Lost string
}

// Throttled lists the reasons that say that something is wrong with power or
// cooling. A power cap is none: a large product at full rate draws all that a
// GPU may have, so it is a condition of the case and not a disturbance.
func (t *GPUTelemetry) Throttled() []string {
	var out []string
	for _, r := range t.ClockReasons {
		if slices.Contains(throttling, r) {
			out = append(out, r)
		}
	}
	return out
}

var throttling = []string{"hardware slowdown", "software thermal slowdown", "hardware thermal slowdown", "power brake"}

// gpuPeriod is how often GPUs are looked at: NVML's own power and clock
// readings change every 20 to 100 ms.
const gpuPeriod = 25 * time.Millisecond

// GPUWatch samples GPUs on a goroutine of its own, from its start to its end:
// the thread that measures waits for the device meanwhile.
type GPUWatch struct {
	lib    nvml.Interface
	gpus   []*watchedGPU
	events nvml.EventSet
	stop   chan struct{}
	done   sync.WaitGroup
	out    GPUTelemetry
	held   int
}

// watchedGPU is one GPU with the counters as they were at the start.
type watchedGPU struct {
	nvml.Device
	uuid     string
	clockHz  float64
	clocks   int
	watts    float64
	powers   int
	counters gpuCounters
}

// gpuCounters only ever grow.
type gpuCounters struct{ ecc, retired, replays, links int64 }

// StartGPUWatch begins to watch the GPUs of these UUIDs ("GPU-…").
func StartGPUWatch(uuids []string) (*GPUWatch, error) { return WatchGPUs(nvml.New(), uuids) }

// WatchGPUs is StartGPUWatch on an NVML, real or mock.
func WatchGPUs(lib nvml.Interface, uuids []string) (*GPUWatch, error) {
	if err := initNVML(lib); err != nil {
		return nil, err
	}
	w := &GPUWatch{lib: lib, stop: make(chan struct{})}
	for _, id := range uuids {
		d, ret := lib.DeviceGetHandleByUUID(id)
		if ret != nvml.SUCCESS {
			lib.Shutdown()
			return nil, fmt.Errorf("NVML does not find the GPU %s: %s", id, ret.Error())
		}
		w.gpus = append(w.gpus, &watchedGPU{Device: d, uuid: id, counters: readCounters(d)})
	}
	w.registerXids()
	w.sample()
	w.done.Go(w.run)
	return w, nil
}

// registerXids asks for the driver's error events, where it offers them.
func (w *GPUWatch) registerXids() {
	set, ret := w.lib.EventSetCreate()
	if ret != nvml.SUCCESS {
		return
	}
	for _, g := range w.gpus {
		if ret := g.RegisterEvents(nvml.EventTypeXidCriticalError, set); ret != nvml.SUCCESS {
			set.Free()
			return
		}
	}
	w.events = set
}

func (w *GPUWatch) run() {
	tick := time.NewTicker(gpuPeriod)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
			w.sample()
		}
	}
}

// End looks once more and says what happened since the start.
func (w *GPUWatch) End() GPUTelemetry {
	close(w.stop)
	w.done.Wait()
	w.sample()
	t := &w.out
	for _, g := range w.gpus {
		if g.clocks > 0 {
			if mean := g.clockHz / float64(g.clocks); t.ClockHz == 0 || mean < t.ClockHz {
				t.ClockHz = mean
			}
		}
		if g.powers > 0 {
			t.PowerWatt = max(t.PowerWatt, g.watts/float64(g.powers))
		}
		// A counter that falls was reset by somebody: nothing is known then.
		now, was := readCounters(g.Device), g.counters
		t.ECCErrors += max(0, now.ecc-was.ecc)
		t.RetiredPages += max(0, now.retired-was.retired)
		t.PCIeReplays += max(0, now.replays-was.replays)
		t.NVLinkErrors += max(0, now.links-was.links)
	}
	if t.Samples > 0 {
		t.HeldRatio = float64(w.held) / float64(t.Samples*len(w.gpus))
	}
	if w.events != nil {
		w.events.Free()
	}
	w.lib.Shutdown()
	return *t
}

// sample reads every GPU once.
func (w *GPUWatch) sample() {
	t := &w.out
	t.Samples++
	for _, g := range w.gpus {
		if mhz, ret := g.GetClockInfo(nvml.CLOCK_SM); ret == nvml.SUCCESS {
			hz := float64(mhz) * 1e6
			g.clockHz += hz
			g.clocks++
			if t.MinClockHz == 0 || hz < t.MinClockHz {
				t.MinClockHz = hz
			}
		} else if ret == nvml.ERROR_GPU_IS_LOST || ret == nvml.ERROR_RESET_REQUIRED {
			t.Lost = g.uuid + ": " + ret.Error()
		}
		if mhz, ret := g.GetClockInfo(nvml.CLOCK_MEM); ret == nvml.SUCCESS {
			if hz := float64(mhz) * 1e6; t.MemoryClockHz == 0 || hz < t.MemoryClockHz {
				t.MemoryClockHz = hz
			}
		}
		if mw, ret := g.GetPowerUsage(); ret == nvml.SUCCESS {
			g.watts += float64(mw) / 1e3
			g.powers++
		}
		if c, ret := g.GetTemperature(nvml.TEMPERATURE_GPU); ret == nvml.SUCCESS {
			t.TemperatureC = max(t.TemperatureC, float64(c))
		}
		if bits, ret := eventReasons(w.lib, g.Device); ret == nvml.SUCCESS {
			w.reasons(clockReasons(bits))
		}
		if ps, ret := g.GetComputeRunningProcesses(); ret == nvml.SUCCESS {
			t.OtherProcesses = max(t.OtherProcesses, others(ps))
		}
	}
	w.xids()
}

func (w *GPUWatch) reasons(now []string) {
	held := false
	for _, r := range now {
		if r == "idle" {
			continue
		}
		held = true
		if !slices.Contains(w.out.ClockReasons, r) {
			w.out.ClockReasons = append(w.out.ClockReasons, r)
		}
	}
	if held {
		w.held++
	}
}

// xids takes the events that have come, without waiting for more.
func (w *GPUWatch) xids() {
	const most = 16 // a GPU that falls from the bus can repeat itself for ever
	for w.events != nil && len(w.out.Xids) < most {
		e, ret := w.events.Wait(0)
		if ret != nvml.SUCCESS {
			return
		}
		w.out.Xids = append(w.out.Xids, e.EventData)
	}
}

func readCounters(d nvml.Device) (c gpuCounters) {
	if n, ret := d.GetTotalEccErrors(nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.VOLATILE_ECC); ret == nvml.SUCCESS {
		c.ecc = int64(n)
	}
	if corrected, uncorrected, _, _, ret := d.GetRemappedRows(); ret == nvml.SUCCESS {
		c.retired = int64(corrected + uncorrected)
	}
	if n, ret := d.GetPcieReplayCounter(); ret == nvml.SUCCESS {
		c.replays = int64(n)
	}
	for link := range nvml.NVLINK_MAX_LINKS {
		for _, kind := range []nvml.NvLinkErrorCounter{nvml.NVLINK_ERROR_DL_REPLAY, nvml.NVLINK_ERROR_DL_RECOVERY, nvml.NVLINK_ERROR_DL_CRC_FLIT} {
			n, ret := d.GetNvLinkErrorCounter(link, kind)
			if ret == nvml.ERROR_NOT_SUPPORTED || ret == nvml.ERROR_INVALID_ARGUMENT {
				return c
			}
			if ret == nvml.SUCCESS {
				c.links += int64(n)
			}
		}
	}
	return c
}

// others counts the processes that are neither this one nor descend from it.
// In a container NVML may number processes as the host does, and none is known
// for ours: while a case runs, one of them is.
func others(ps []nvml.ProcessInfo) int {
	n, found := 0, false
	for _, p := range ps {
		if ours(int(p.Pid)) {
			found = true
		} else {
			n++
		}
	}
	if !found {
		n = max(0, n-1)
	}
	return n
}

// ours follows a process's parents up to this one.
func ours(pid int) bool {
	for range 8 {
		if pid == os.Getpid() {
			return true
		}
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			return false
		}
		// "pid (name) state ppid …"; a name may hold spaces and brackets.
		_, rest, ok := strings.Cut(string(b[max(0, strings.LastIndexByte(string(b), ')')):]), " ")
		f := strings.Fields(rest)
		if !ok || len(f) < 2 {
			return false
		}
		if pid, err = strconv.Atoi(f[1]); err != nil || pid <= 1 {
			return false
		}
	}
	return false
}
