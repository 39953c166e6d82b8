package probes

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
)

func files(m map[string]string) fstest.MapFS {
	fs := fstest.MapFS{}
	for k, v := range m {
		fs[k] = &fstest.MapFile{Data: []byte(v)}
	}
	return fs
}

// A two-socket machine of two cores each with SMT on the first socket only,
// version-2 control groups nested two deep.
func machine() fstest.MapFS {
	m := map[string]string{
		"proc/cpuinfo":                                             "processor : 0\nvendor_id : GenuineIntel\nmodel name : Xeon\nmicrocode : 0x2b\nflags : fpu sse4_2 avx2 fma avx512f amx_bf16 ht\n\nprocessor : 1\nmodel name : other\n",
		"proc/meminfo":                                             "MemTotal:  1024 kB\nMemAvailable: 512 kB\n",
		"proc/loadavg":                                             "0.25 0.10 0.05 1/100 42\n",
		"proc/sys/kernel/osrelease":                                "6.8.0\n",
		"proc/self/cgroup":                                         "0::/a/b\n",
		"sys/fs/cgroup/a/cpu.max":                                  "150000 100000\n",
		"sys/fs/cgroup/a/b/cpu.max":                                "max 100000\n",
		"sys/fs/cgroup/a/b/memory.max":                             "1048576\n",
		"sys/devices/system/cpu/online":                            "0-4\n",
		"sys/devices/system/node/online":                           "0\n",
		"sys/devices/system/node/node0/cpulist":                    "0-4\n",
		"sys/devices/system/node/node0/meminfo":                    "Node 0 MemTotal: 1024 kB\n",
		"sys/devices/system/cpu/cpu0/cache/index0/type":            "Data\n",
		"sys/devices/system/cpu/cpu0/cache/index0/level":           "1\n",
		"sys/devices/system/cpu/cpu0/cache/index0/size":            "32K\n",
		"sys/devices/system/cpu/cpu0/cache/index0/shared_cpu_list": "0,4\n",
		"sys/devices/system/cpu/cpu0/cache/index1/type":            "Instruction\n",
		"sys/kernel/mm/transparent_hugepage/enabled":               "always [madvise] never\n",
		"sys/devices/system/cpu/intel_pstate/no_turbo":             "1\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor":     "performance\n",
		"sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq":     "3500000\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq":     "2000000\n",
		"sys/devices/system/cpu/cpu0/topology/physical_package_id": "0",
		"sys/devices/system/cpu/cpu0/topology/core_id":             "0",
		"sys/devices/system/cpu/cpu1/topology/physical_package_id": "0",
		"sys/devices/system/cpu/cpu1/topology/core_id":             "1",
		"sys/devices/system/cpu/cpu2/topology/physical_package_id": "1",
		"sys/devices/system/cpu/cpu2/topology/core_id":             "0",
		"sys/devices/system/cpu/cpu3/topology/physical_package_id": "1",
		"sys/devices/system/cpu/cpu3/topology/core_id":             "1",
		"sys/devices/system/cpu/cpu4/topology/physical_package_id": "0",
		"sys/devices/system/cpu/cpu4/topology/core_id":             "0",
		"sys/class/thermal/thermal_zone0/temp":                     "41500\n",
		"sys/class/thermal/thermal_zone1/temp":                     "63000\n",
		"proc/stat":                                                "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1\n",
	}
	return files(m)
}

func TestReadHost(t *testing.T) {
	h := ReadHost(machine())
	for _, c := range []struct{ what, got, want string }{
		{"cpu", h.CPU.String(), "Xeon"},
		{"isa", list(h.ISA), "sse4_2 avx2 fma avx512f amx_bf16"},
		{"cores", cores(&h), "4 in 2 sockets, 5 CPUs online"},
		{"caches", describeCaches(h.Caches), "L1 32 KiB shared by 2"},
		{"numa", describeNUMA(h.NUMA), "node 0: 5 CPUs, 1 MiB"},
		{"memory", bytesOf(h.AvailableBytes), "512 KiB"},
		{"turbo", h.Turbo.String(), "off"},
		{"huge pages", h.HugePages.String(), "madvise"},
		{"load", h.LoadAverage.String(), "0.25"},
		{"cpu limit of the parent group", h.CPULimit.String(), "1.5"},
		{"memory limit", bytesOf(h.MemoryLimitBytes), "1 MiB"},
		{"frequency", hertz(h.MaxHz), "3.5 GHz"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
}

// What is not there is said, field by field, and never invented.
func TestReadHostOfNothing(t *testing.T) {
	h := ReadHost(fstest.MapFS{})
	for _, l := range h.Lines() {
		if l.Name != "host" && l.Name != "system" && !strings.Contains(l.Value, "could not read /") {
			t.Errorf("%s: %q does not say that it could not be read", l.Name, l.Value)
		}
	}
}

func TestDifferencesNameThePart(t *testing.T) {
	h := ReadHost(machine())
	before := h.Fingerprint().String()
	if d := Differences(before, h.Fingerprint().String()); d != nil {
		t.Errorf("equal machines differ: %q", d)
	}
	h.LoadAverage.Value, h.AvailableBytes.Value = 9, 1
	if d := Differences(before, h.Fingerprint().String()); d != nil {
		t.Errorf("a load is no difference: %q", d)
	}
	h.Microcode.Value = "0x2c"
	want := []string{`microcode was "0x2b" and is "0x2c"`}
	if d := Differences(before, h.Fingerprint().String()); !slices.Equal(d, want) {
		t.Errorf("got %q, want %q", d, want)
	}
}

// 1,000 ticks pass (10 s of CPU time): 300 idle, 600 busy of which 400 are our
// own 4 s, 100 stolen. So 10 % steal, 20 % others.
func TestWatch(t *testing.T) {
	root := machine()
	own := 1.0
	w := startWatch(root, func() float64 { return own })
	root["proc/stat"] = &fstest.MapFile{Data: []byte("cpu  500 50 250 1050 50 0 0 100 0 0\n")}
	root["sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"] = &fstest.MapFile{Data: []byte("1000000\n")}
	own = 5
	got := w.End()
	want := Telemetry{StealRatio: 0.1, OtherRatio: 0.2, CPUSeconds: 10, ClockHz: 1.5e9, MinClockHz: 1e9, LoadAverage: 0.25, TemperatureC: 63, Samples: 2}
	got.StealRatio, got.OtherRatio = round(got.StealRatio), round(got.OtherRatio)
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := startWatch(fstest.MapFS{}, func() float64 { return 0 }).End(); got != (Telemetry{}) {
		t.Errorf("a machine that tells nothing gave %+v", got)
	}
}

func round(v float64) float64 { return float64(int(v*1e6+0.5)) / 1e6 }

func TestOnePerCore(t *testing.T) {
	root := files(map[string]string{
		"sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0,4\n",
		"sys/devices/system/cpu/cpu1/topology/thread_siblings_list": "1,5\n",
		"sys/devices/system/cpu/cpu5/topology/thread_siblings_list": "1,5\n",
		"sys/devices/system/cpu/cpu4/topology/thread_siblings_list": "0,4\n",
	})
	// CPU 7 has no topology file and stands for itself.
	if got := OnePerCore(root, []int{0, 1, 4, 5, 7}); !slices.Equal(got, []int{0, 1, 7}) {
		t.Errorf("got %v", got)
	}
}

func TestCacheBytes(t *testing.T) {
	for text, want := range map[string]int64{"48K": 48 << 10, "30M": 30 << 20, "": 0, "0K": 0, "-1K": 0, "x": 0, "99999999999999K": 0} {
		if got, err := cacheBytes(text, nil); got != want || err == nil && want == 0 {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
}

// Version 2: the group above has the tighter limit and 524,288 bytes left of
// it. Version 1: 100,000 bytes left, and no limit at the top.
func TestAvailableHeedsControlGroups(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"none": {map[string]string{}, 1000 << 10},
		"version 2": {map[string]string{
			"proc/self/cgroup":                 "0::/a/b\n",
			"sys/fs/cgroup/a/memory.max":       "614400\n",
			"sys/fs/cgroup/a/memory.current":   "90112\n",
			"sys/fs/cgroup/a/b/memory.max":     "max\n",
			"sys/fs/cgroup/a/b/memory.current": "90112\n",
			"sys/fs/cgroup/c/memory.max":       "1\n", // not ours
			"sys/fs/cgroup/c/memory.current":   "1\n",
		}, 524288},
		"version 1": {map[string]string{
			"proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/x\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "300000\n",
			"sys/fs/cgroup/memory/x/memory.usage_in_bytes": "200000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes":   "900000000\n",
			"sys/fs/cgroup/cpu/x/cpu.cfs_quota_us":         "50000\n",
			"sys/fs/cgroup/cpu/x/cpu.cfs_period_us":        "100000\n",
		}, 100000},
		"used up": {map[string]string{
			"proc/self/cgroup":             "0::/\n",
			"sys/fs/cgroup/memory.max":     "1000\n",
			"sys/fs/cgroup/memory.current": "2000\n",
		}, 0},
	} {
		c.files["proc/meminfo"] = "MemAvailable: 1000 kB\n"
		root := files(c.files)
		if got, err := AvailableBytes(root); err != nil || got != c.want {
			t.Errorf("%s: %d, %v; want %d", name, got, err, c.want)
		}
		if q := CPULimit(root); name == "version 1" && q.Value != 0.5 || name != "version 1" && q.Unread == "" {
			t.Errorf("%s: CPU limit %v", name, q)
		}
	}
}

func TestCPUListRejects(t *testing.T) {
	for _, s := range []string{"", "a", "3-1", "0-99999999", "1,,2"} {
		if _, err := cpuList(s, nil); err == nil {
			t.Errorf("%q was taken for a list of CPUs", s)
		}
	}
}

func TestReadGPUs(t *testing.T) {
	lib := mockNode()
	lib.Devices[7].(*server.Device).GetPowerUsageFunc = func() (uint32, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
	lib.Devices[7].(*server.Device).GetCurrentClocksEventReasonsFunc = func() (uint64, nvml.Return) { return 1 | 4, nvml.SUCCESS }
	lib.Devices[7].(*server.Device).GetTotalEccErrorsFunc = func(nvml.MemoryErrorType, nvml.EccCounterType) (uint64, nvml.Return) { return 2, nvml.SUCCESS }
	got, err := ReadGPUs(lib)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Devices) != 8 || got.CUDA.Value != "12.4" {
		t.Fatalf("%d devices, CUDA %s", len(got.Devices), got.CUDA)
	}
	g := got.Devices[7]
	if !strings.Contains(g.Name.Value, "H100") || g.ComputeCapability.Value != "9.0" || g.MaxMemoryClockHz.Value != 2.619e9 ||
		g.PowerLimitWatt.Value != 700 || g.NVLinks.Value != (Links{Up: 18, ToSwitch: 18}) || g.Index != 7 {
		t.Errorf("got %+v", g)
	}
	if g.PowerWatt.Unread == "" || g.PowerWatt.Value != 0 {
		t.Errorf("power that NVML does not give reads as %+v", g.PowerWatt)
	}
	want := []string{"its clock is held down: power cap", "2 uncorrected ECC errors since the driver was loaded"}
	if !slices.Equal(g.Concerns(), want) {
		t.Errorf("concerns %q, want %q", g.Concerns(), want)
	}
}

func TestNoDriverIsOneSentence(t *testing.T) {
	lib := dgxh100.New()
	lib.InitFunc = func() nvml.Return { return nvml.ERROR_LIBRARY_NOT_FOUND }
	_, err := ReadGPUs(lib)
	if err == nil || !strings.Contains(err.Error(), "libnvidia-ml.so.1") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

// Without /proc nothing speaks for or against measuring: that is said.
func TestHealthWithoutProc(t *testing.T) {
	h := ReadHost(fstest.MapFS{})
	if got := strings.Join(h.Concerns(), "\n"); !strings.Contains(got, "health is not known: could not read /proc/loadavg") {
		t.Errorf("%q", got)
	}
}
