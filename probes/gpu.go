package probes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	// go-nvml: NVIDIA's own binding, which opens libnvidia-ml at run time, so
	// that the program builds and starts without a driver.
	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// GPU is the inventory and health of one GPU, as NVML gives them.
type GPU struct {
	Index             int
	Name, UUID        Reading[string]
	ComputeCapability Reading[string]
	MemoryBytes       Reading[int64]
	// UsedBytes is memory in use now, by anybody.
	UsedBytes Reading[int64]
	// MaxSMClockHz and MaxMemoryClockHz are the highest that NVML will set.
	SMClockHz, MaxSMClockHz, MaxMemoryClockHz Reading[float64]
	PowerWatt, PowerLimitWatt                 Reading[float64]
	TemperatureC                              Reading[float64]
	// ClockReasons is why the clock is where it is; empty where nothing holds
	// it down.
	ClockReasons Reading[[]string]
	// ECC is "on" or "off"; ECCErrors are uncorrected ones since the driver
	// was loaded.
	ECC       Reading[string]
	ECCErrors Reading[int64]
	// MIG is "on" or "off".
	MIG     Reading[string]
	NVLinks Reading[Links]
	// RetiredPages is rows remapped (A100 and later) for uncorrected errors, and
	// PendingRetirement is set where a reset is needed for more of it.
	RetiredPages      Reading[int64]
	PendingRetirement bool
	// Persistence is "on" or "off".
	Persistence Reading[string]
	// Processes is how many compute processes hold the GPU.
	Processes Reading[int]
}

// GPUs is every GPU that the driver knows, with the driver's own versions.
type GPUs struct {
	Driver, NVML, CUDA Reading[string]
	// Library is the file of NVML that was opened.
	Library Reading[string]
	Devices []GPU
	// P2P is the NVLink status between every two of Devices, "ok" or why not.
	P2P [][]string
}

// NoDriverError says that there is no NVIDIA driver to ask.
type NoDriverError struct{ Reason string }

func (e *NoDriverError) Error() string { return e.Reason }

// ThisMachinesGPUs opens libnvidia-ml.so.1 at run time and lists the GPUs. A
// machine without the library or the driver gives a *NoDriverError.
func ThisMachinesGPUs() (*GPUs, error) { return ReadGPUs(nvml.New()) }

// ReadGPUs lists the GPUs of an NVML, real or mock.
func ReadGPUs(lib nvml.Interface) (*GPUs, error) {
	if err := initNVML(lib); err != nil {
		return nil, err
	}
	defer lib.Shutdown()
	out := &GPUs{}
	out.Driver = from(lib.SystemGetDriverVersion())
	out.NVML = from(lib.SystemGetNVMLVersion())
	out.Library = read(mappedFile(os.DirFS("/"), "libnvidia-ml.so"))
	cuda := from(lib.SystemGetCudaDriverVersion())
	out.CUDA = convert(cuda, func(v int) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) })
	n, ret := lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return nil, errors.New("NVML could not count the GPUs: " + ret.Error())
	}
	var handles []nvml.Device
	for i := range n {
		d, ret := lib.DeviceGetHandleByIndex(i)
		if ret != nvml.SUCCESS {
			out.Devices = append(out.Devices, GPU{Index: i, Name: Reading[string]{Unread: ret.Error()}})
			continue
		}
		out.Devices = append(out.Devices, readGPU(lib, i, d))
		handles = append(handles, d)
	}
	// The matrix is by position, so it is only told where every GPU answers.
	if len(handles) == n {
		out.P2P = readP2P(handles)
	}
	return out, nil
}

// mappedFile is the file with such a beginning of its name that this process has
// loaded (proc_pid_maps(5)).
func mappedFile(root fs.FS, prefix string) (string, error) {
	b, err := fs.ReadFile(root, "proc/self/maps")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if i := strings.IndexByte(line, '/'); i >= 0 && strings.HasPrefix(path.Base(line[i:]), prefix) {
			return strings.TrimSpace(line[i:]), nil
		}
	}
	return "", errors.New("no file " + prefix + " is loaded")
}

// initNVML starts NVML, or says in one sentence why there is no GPU to ask.
func initNVML(lib nvml.Interface) error {
	switch ret := lib.Init(); ret {
	case nvml.SUCCESS:
		return nil
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return &NoDriverError{"no NVIDIA GPU can be used: libnvidia-ml.so.1, which comes with the driver, is not installed"}
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return &NoDriverError{"no NVIDIA GPU can be used: the driver is installed but not loaded"}
	default:
		return &NoDriverError{"no NVIDIA GPU can be used: NVML does not start: " + ret.Error()}
	}
}

func readGPU(lib nvml.Interface, i int, d nvml.Device) GPU {
	g := GPU{Index: i, Name: from(d.GetName()), UUID: from(d.GetUUID())}
	if major, minor, ret := d.GetCudaComputeCapability(); ret == nvml.SUCCESS {
		g.ComputeCapability.Value = fmt.Sprintf("%d.%d", major, minor)
	} else {
		g.ComputeCapability.Unread = ret.Error()
	}
	mem := from(d.GetMemoryInfo())
	g.MemoryBytes = convert(mem, func(m nvml.Memory) int64 { return int64(m.Total) })
	g.UsedBytes = convert(mem, func(m nvml.Memory) int64 { return int64(m.Used) })
	mega := func(v uint32) float64 { return float64(v) * 1e6 }
	milli := func(v uint32) float64 { return float64(v) / 1e3 }
	g.SMClockHz = convert(from(d.GetClockInfo(nvml.CLOCK_SM)), mega)
	g.MaxSMClockHz = convert(from(d.GetMaxClockInfo(nvml.CLOCK_SM)), mega)
	g.MaxMemoryClockHz = convert(from(d.GetMaxClockInfo(nvml.CLOCK_MEM)), mega)
	g.PowerWatt = convert(from(d.GetPowerUsage()), milli)
	g.PowerLimitWatt = convert(from(d.GetEnforcedPowerLimit()), milli)
	g.TemperatureC = convert(from(d.GetTemperature(nvml.TEMPERATURE_GPU)), func(v uint32) float64 { return float64(v) })
	g.ClockReasons = convert(from(eventReasons(lib, d)), clockReasons)
	if now, _, ret := d.GetEccMode(); ret == nvml.SUCCESS {
		g.ECC.Value = onOff(now == nvml.FEATURE_ENABLED)
	} else {
		g.ECC.Unread = ret.Error()
	}
	g.ECCErrors = convert(from(d.GetTotalEccErrors(nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.VOLATILE_ECC)),
		func(v uint64) int64 { return int64(v) })
	if now, _, ret := d.GetMigMode(); ret == nvml.SUCCESS {
		g.MIG.Value = onOff(now == nvml.DEVICE_MIG_ENABLE)
	} else {
		g.MIG.Unread = ret.Error()
	}
	g.NVLinks = readLinks(d)
	if _, uncorrected, pending, _, ret := d.GetRemappedRows(); ret == nvml.SUCCESS {
		g.RetiredPages.Value, g.PendingRetirement = int64(uncorrected), pending
	} else {
		g.RetiredPages.Unread = "NVML: " + ret.Error()
	}
	g.Persistence = convert(from(d.GetPersistenceMode()), func(s nvml.EnableState) string { return onOff(s == nvml.FEATURE_ENABLED) })
	g.Processes = convert(from(d.GetComputeRunningProcesses()), func(p []nvml.ProcessInfo) int { return len(p) })
	return g
}

// Concerns says in words what speaks against measuring on the GPU now.
func (g *GPU) Concerns() []string {
	var out []string
	for _, r := range g.ClockReasons.Value {
		if r != "idle" {
			out = append(out, "its clock is held down: "+r)
		}
	}
	if n := g.ECCErrors.Value; n > 0 {
		out = append(out, fmt.Sprintf("%d uncorrected ECC errors since the driver was loaded", n))
	}
	if g.ECC.Value == "off" {
		out = append(out, "ECC is off")
	}
	if g.MIG.Value == "on" {
		out = append(out, "MIG is on: a slice is not the whole GPU")
	}
	if g.PendingRetirement {
		out = append(out, "memory rows wait to be remapped: reset the GPU")
	}
	if n := g.RetiredPages.Value; n > 0 {
		out = append(out, fmt.Sprintf("%d memory rows were remapped after uncorrected errors", n))
	}
	if g.Persistence.Value == "off" {
		out = append(out, "persistence mode is off: the driver is loaded anew for each process")
	}
	if n := g.Processes.Value; n > 0 {
		out = append(out, fmt.Sprintf("%d other compute processes hold it", n))
	}
	return out
}

// eventReasons asks by the call's old name where the driver is older than R535:
// go-nvml would call a symbol that is not there.
func eventReasons(lib nvml.Interface, d nvml.Device) (uint64, nvml.Return) {
	if lib.Extensions().LookupSymbol("nvmlDeviceGetCurrentClocksEventReasons") == nil {
		return d.GetCurrentClocksEventReasons()
	}
	return d.GetCurrentClocksThrottleReasons()
}

// clockReasons names the bits of nvmlClocksEventReasons (nvml.h).
func clockReasons(bits uint64) []string {
	names := []struct {
		bit  uint64
		name string
	}{
		{nvml.ClocksEventReasonGpuIdle, "idle"},
		{nvml.ClocksEventReasonApplicationsClocksSetting, "application clocks"},
		{nvml.ClocksEventReasonSwPowerCap, "power cap"},
		{nvml.ClocksThrottleReasonHwSlowdown, "hardware slowdown"},
		{nvml.ClocksEventReasonSyncBoost, "sync boost"},
		{nvml.ClocksEventReasonSwThermalSlowdown, "software thermal slowdown"},
		{nvml.ClocksThrottleReasonHwThermalSlowdown, "hardware thermal slowdown"},
		{nvml.ClocksThrottleReasonHwPowerBrakeSlowdown, "power brake"},
		{nvml.ClocksEventReasonDisplayClockSetting, "display clocks"},
	}
	var out []string
	for _, n := range names {
		if bits&n.bit != 0 {
			out = append(out, n.name)
		}
	}
	return out
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// from makes a reading of an NVML answer.
func from[T any](v T, ret nvml.Return) Reading[T] {
	if ret == nvml.SUCCESS {
		return Reading[T]{Value: v}
	}
	return Reading[T]{Unread: "NVML: " + ret.Error()}
}

func convert[A, B any](r Reading[A], f func(A) B) Reading[B] {
	if r.Unread != "" {
		return Reading[B]{Unread: r.Unread}
	}
	return Reading[B]{Value: f(r.Value)}
}
