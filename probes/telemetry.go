package probes

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Telemetry is how the machine did while a case ran. A figure that the machine
// does not give is 0.
type Telemetry struct {
	// StealRatio is the share of all CPUs' time that the hypervisor gave to
	// other guests, OtherRatio what other processes here used.
	StealRatio, OtherRatio float64
	// CPUSeconds is the time of all CPUs that both are shares of.
	CPUSeconds float64
	// ClockHz is the mean of the readings of cpufreq, MinClockHz the least.
	ClockHz, MinClockHz float64
	// LoadAverage is the kernel's over one minute, at the end.
	LoadAverage float64
	// TemperatureC is the hottest reading of any thermal zone.
	TemperatureC float64
	// Samples is how often the clock was read.
	Samples int
}

// Watch observes the machine from its start to its end. Sample is called from
// the goroutine that measures, between its batches, so that watching takes no
// time inside a batch and wakes no thread of its own.
type Watch struct {
	root     fs.FS
	own      func() float64
	cpu0     cpuTimes
	own0     float64
	err      error
	sum, min float64
	n        int
	hottest  float64
}

// StartWatch begins to watch this machine. The process of number child, where it
// is not 0, measures on this one's behalf: its CPU time is our own.
func StartWatch(child int) *Watch {
	return startWatch(os.DirFS("/"), func() float64 { return ownCPUSeconds() + processCPUSeconds(child) })
}

func startWatch(root fs.FS, own func() float64) *Watch {
	w := &Watch{root: root, own: own}
	w.cpu0, w.err = readCPUTimes(root)
	w.own0 = own()
	w.Sample()
	return w
}

// Sample reads the clock and the temperature.
func (w *Watch) Sample() {
	if hz, err := kiloHz(w.root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"); err == nil && hz > 0 {
		if w.n == 0 || hz < w.min {
			w.min = hz
		}
		w.sum += hz
		w.n++
	}
	zones, _ := fs.Glob(w.root, "sys/class/thermal/thermal_zone*/temp")
	for _, z := range zones {
		if milli, err := number(w.root, z); err == nil {
			w.hottest = max(w.hottest, float64(milli)/1000)
		}
	}
}

// End reads the machine once more and says what happened since the start.
func (w *Watch) End() Telemetry {
	w.Sample()
	t := Telemetry{Samples: w.n, TemperatureC: w.hottest, MinClockHz: w.min}
	if w.n > 0 {
		t.ClockHz = w.sum / float64(w.n)
	}
	t.LoadAverage, _ = loadAverage(w.root)
	end, err := readCPUTimes(w.root)
	if total := end.total - w.cpu0.total; err == nil && w.err == nil && total > 0 {
		t.CPUSeconds = total
		t.StealRatio = (end.steal - w.cpu0.steal) / total
		// The kernel counts the busy time in ticks and this process's in
		// nanoseconds: over a short case the difference can fall below 0.
		t.OtherRatio = max(0, (end.busy-w.cpu0.busy-(w.own()-w.own0))/total)
	}
	return t
}

// cpuTimes are seconds since boot, of all CPUs together.
type cpuTimes struct{ total, busy, steal float64 }

// userHz is the tick of /proc/stat, 100 a second on every architecture that
// Linux has (proc(5), USER_HZ).
const userHz = 100

// readCPUTimes reads the first line of /proc/stat: user, nice, system, idle,
// iowait, irq, softirq, steal, guest, guest_nice; the last two are within user
// and nice (proc(5)).
func readCPUTimes(root fs.FS) (cpuTimes, error) {
	b, err := fs.ReadFile(root, "proc/stat")
	if err != nil {
		return cpuTimes{}, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return cpuTimes{}, fmt.Errorf("/proc/stat begins with %q, not with the times of all CPUs", line)
	}
	var t cpuTimes
	for i, s := range f[1:9] {
		ticks, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return cpuTimes{}, fmt.Errorf("/proc/stat holds %q, not a number", s)
		}
		v := ticks / userHz
		t.total += v
		switch i {
		case 3, 4: // idle, iowait
		case 7:
			t.steal += v
		default:
			t.busy += v
		}
	}
	return t, nil
}

// processCPUSeconds is the CPU time of all threads of another process, 0 where
// there is none: its clock's number is as clock_getcpuclockid(3) makes it.
func processCPUSeconds(pid int) float64 {
	const schedClock = 2
	var t unix.Timespec
	if pid <= 0 || unix.ClockGettime(int32(^pid<<3|schedClock), &t) != nil {
		return 0
	}
	return float64(t.Nano()) * 1e-9
}

// ownCPUSeconds is the CPU time of all threads of this process.
func ownCPUSeconds() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) * 1e-9
}
