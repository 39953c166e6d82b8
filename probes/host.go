// Package probes says what this machine is and how it is doing: an inventory
// of the host and, through NVML opened at run time, of its GPUs; and telemetry
// while a case runs. It changes nothing and measures no speed.
//
// A figure that could not be read says why; none is made up in its place.
package probes

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	// cpuid: the hypervisor's own name, which no file tells.
	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/unix"
)

// Reading is a figure, or why it could not be read.
type Reading[T any] struct {
	Value T
	// Unread is why there is no value, or "".
	Unread string
}

func read[T any](v T, err error) Reading[T] {
	if err == nil {
		return Reading[T]{Value: v}
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return Reading[T]{Unread: "could not read /" + p.Path}
	}
	return Reading[T]{Unread: err.Error()}
}

func (r Reading[T]) String() string {
	if r.Unread != "" {
		return r.Unread
	}
	return fmt.Sprint(r.Value)
}

// Host is the inventory of a machine.
type Host struct {
	Name, OS, Arch string
	Kernel         Reading[string]
	CPU            Reading[string]
	Vendor         Reading[string]
	Microcode      Reading[string]
	// ISA holds the instruction-set extensions that bear on arithmetic.
	ISA Reading[[]string]
	// CPUs are those that the kernel has online, Allowed those that this
	// process may run on.
	CPUs    Reading[[]int]
	Allowed Reading[[]int]
	// Cores and Sockets are physical ones; CPUs beyond Cores are SMT threads.
	Cores, Sockets Reading[int]
	Caches         Reading[[]Cache]
	NUMA           Reading[[]NUMANode]
	// MemoryBytes is installed, AvailableBytes free for use now: by the kernel's
	// estimate, or what the control group has left where that is less.
	MemoryBytes, AvailableBytes Reading[int64]
	// Hypervisor names the virtual machine monitor, "none" on bare metal.
	Hypervisor Reading[string]
	Governor   Reading[string]
	// Turbo is "on" or "off".
	Turbo Reading[string]
	// MaxHz and CurrentHz are cpufreq's. A guest has none, and the MHz of its
	// /proc/cpuinfo is the time-stamp counter's, not the core's.
	MaxHz, CurrentHz Reading[float64]
	// HugePages is the mode of transparent huge pages.
	HugePages   Reading[string]
	LoadAverage Reading[float64]
	// CPULimit is how many CPUs' worth of time the control group may use, and
	// MemoryLimitBytes how much memory; "unlimited" reads as Unread.
	CPULimit         Reading[float64]
	MemoryLimitBytes Reading[int64]
}

// Cache is one data or unified cache.
type Cache struct {
	Level     int
	SizeBytes int64
	// LineBytes and Ways are 0 where the kernel does not say.
	LineBytes, Ways int
	// SharedBy lists the CPUs that share the instance, nil where it does not say.
	SharedBy []int
	// File is the folder below the root that says so.
	File string
}

// NUMANode is one node of memory with its CPUs.
type NUMANode struct {
	ID          int
	CPUs        []int
	MemoryBytes int64
}

// ThisHost reads the machine that the process runs on.
func ThisHost() Host {
	h := ReadHost(os.DirFS("/"))
	h.Name, _ = os.Hostname()
	h.OS, h.Arch = runtime.GOOS, runtime.GOARCH
	var set unix.CPUSet
	err := unix.SchedGetaffinity(0, &set)
	var allowed []int
	for cpu := range len(set) * strconv.IntSize {
		if set.IsSet(cpu) {
			allowed = append(allowed, cpu)
		}
	}
	h.Allowed = read(allowed, err)
	if v := cpuid.CPU.HypervisorVendorString; h.Hypervisor.Value == unnamed && v != "" {
		h.Hypervisor.Value = v
	}
	return h
}

// ReadHost reads a machine from a file system that holds its /proc and /sys.
func ReadHost(root fs.FS) Host {
	info, infoErr := cpuInfo(root)
	field := func(names ...string) Reading[string] {
		if infoErr != nil {
			return read("", infoErr)
		}
		for _, n := range names {
			if v := info[n]; v != "" {
				return Reading[string]{Value: v}
			}
		}
		return Reading[string]{Unread: fmt.Sprintf("/proc/cpuinfo has no %q", names[0])}
	}
	h := Host{
		Kernel:    read(text(root, "proc/sys/kernel/osrelease")),
		CPU:       field("model name", "Model", "CPU part"),
		Vendor:    field("vendor_id", "CPU implementer"),
		Microcode: field("microcode"),
		CPUs:      read(cpuList(text(root, "sys/devices/system/cpu/online"))),
		Allowed:   Reading[[]int]{Unread: "only the process itself knows"},
		Caches:    read(Caches(root, 0)),
		NUMA:      read(numa(root)),
		Governor:  read(text(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
		MaxHz:     read(kiloHz(root, "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")),
		CurrentHz: read(kiloHz(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")),
		Turbo:     turbo(root),
	}
	flags := field("flags", "Features")
	h.ISA = Reading[[]string]{Value: arithmeticISA(flags.Value), Unread: flags.Unread}
	h.Hypervisor = hypervisor(root, flags)
	h.Cores, h.Sockets = topology(root, h.CPUs)
	h.MemoryBytes = read(memInfo(root, "MemTotal"))
	h.AvailableBytes = read(AvailableBytes(root))
	h.HugePages = hugePages(root)
	h.LoadAverage = read(loadAverage(root))
	h.CPULimit, h.MemoryLimitBytes = CPULimit(root), memoryLimit(root)
	return h
}

func text(root fs.FS, name string) (string, error) {
	b, err := fs.ReadFile(root, name)
	return strings.TrimSpace(string(b)), err
}

func number(root fs.FS, name string) (int64, error) {
	s, err := text(root, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/%s holds %q, not a number", name, s)
	}
	return n, nil
}

func kiloHz(root fs.FS, name string) (float64, error) {
	n, err := number(root, name)
	return float64(n) * 1e3, err
}

// cpuInfo is the first processor's block of /proc/cpuinfo.
func cpuInfo(root fs.FS) (map[string]string, error) {
	b, err := fs.ReadFile(root, "proc/cpuinfo")
	if err != nil {
		return nil, err
	}
	info := map[string]string{}
	for line := range strings.Lines(string(b)) {
		k, v, ok := strings.Cut(line, ":")
		k = strings.TrimSpace(k)
		if _, seen := info[k]; ok && !seen {
			info[k] = strings.TrimSpace(v)
		}
	}
	return info, nil
}

// arithmeticISA keeps the flags that decide what arithmetic a core can do.
func arithmeticISA(flags string) []string {
	var out []string
	for _, f := range strings.Fields(flags) {
		switch {
		case strings.HasPrefix(f, "avx"), strings.HasPrefix(f, "amx"), strings.HasPrefix(f, "sve"),
			f == "sme", strings.HasPrefix(f, "sme2"), f == "fma", f == "f16c", f == "sse4_2",
			f == "asimd", f == "asimdhp", f == "asimddp", f == "bf16", f == "i8mm":
			out = append(out, f)
		}
	}
	return out
}

// unnamed is a hypervisor that shows itself by a flag only.
const unnamed = "one that does not give its name"

func hypervisor(root fs.FS, flags Reading[string]) Reading[string] {
	vendor, err := text(root, "sys/class/dmi/id/sys_vendor")
	product, _ := text(root, "sys/class/dmi/id/product_name")
	name := strings.TrimSpace(vendor + " " + product)
	virtual := slices.Contains(strings.Fields(flags.Value), "hypervisor")
	switch {
	case flags.Unread != "":
		return Reading[string]{Unread: flags.Unread}
	case !virtual && runtime.GOARCH == "amd64":
		return Reading[string]{Value: "none"}
	case !virtual:
		return Reading[string]{Unread: "only x86-64 says whether there is a hypervisor"}
	case err != nil || name == "":
		return Reading[string]{Value: unnamed}
	}
	return Reading[string]{Value: name}
}

// OnePerCore keeps the first of the CPUs that share a core; a CPU that the
// kernel says nothing of stands for itself.
func OnePerCore(root fs.FS, cpus []int) []int {
	taken := map[int]bool{}
	var cores []int
	for _, c := range cpus {
		if taken[c] {
			continue
		}
		cores = append(cores, c)
		siblings, _ := cpuList(text(root, fmt.Sprintf("sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", c)))
		for _, s := range siblings {
			taken[s] = true
		}
	}
	return cores
}

// topology counts the distinct (package, core) pairs of the online CPUs.
func topology(root fs.FS, cpus Reading[[]int]) (cores, sockets Reading[int]) {
	if cpus.Unread != "" {
		return Reading[int]{Unread: cpus.Unread}, Reading[int]{Unread: cpus.Unread}
	}
	type core struct{ socket, id int64 }
	seenCores, seenSockets := map[core]bool{}, map[int64]bool{}
	for _, cpu := range cpus.Value {
		dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/topology/", cpu)
		socket, err1 := number(root, dir+"physical_package_id")
		id, err2 := number(root, dir+"core_id")
		if err := errors.Join(err1, err2); err != nil {
			return read(0, err), read(0, err)
		}
		seenCores[core{socket, id}], seenSockets[socket] = true, true
	}
	return Reading[int]{Value: len(seenCores)}, Reading[int]{Value: len(seenSockets)}
}

// Caches lists the data and unified caches that a CPU reaches.
func Caches(root fs.FS, cpu int) ([]Cache, error) {
	base := fmt.Sprintf("sys/devices/system/cpu/cpu%d/cache", cpu)
	dirs, err := fs.Glob(root, base+"/index*")
	if err == nil && len(dirs) == 0 {
		err = &fs.PathError{Op: "open", Path: base, Err: fs.ErrNotExist}
	}
	var out []Cache
	for _, d := range dirs {
		kind, _ := text(root, path.Join(d, "type"))
		if kind == "Instruction" {
			continue
		}
		level, err1 := number(root, path.Join(d, "level"))
		size, err2 := cacheBytes(text(root, path.Join(d, "size")))
		line, _ := number(root, path.Join(d, "coherency_line_size"))
		ways, _ := number(root, path.Join(d, "ways_of_associativity"))
		shared, _ := cpuList(text(root, path.Join(d, "shared_cpu_list")))
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		out = append(out, Cache{Level: int(level), SizeBytes: size, LineBytes: int(line), Ways: int(ways), SharedBy: shared, File: d})
	}
	return out, err
}

// cacheBytes reads "32K", or "1M".
func cacheBytes(s string, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	digits, unit := strings.TrimSuffix(s, "K"), int64(1<<10)
	if mega, ok := strings.CutSuffix(s, "M"); ok {
		digits, unit = mega, 1<<20
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return 0, fmt.Errorf("%q is no size of a cache", s)
	}
	return n * unit, nil
}

func numa(root fs.FS) ([]NUMANode, error) {
	const base = "sys/devices/system/node"
	ids, err := cpuList(text(root, base+"/online"))
	if err != nil {
		return nil, err
	}
	var out []NUMANode
	for _, id := range ids {
		dir := fmt.Sprintf("%s/node%d", base, id)
		cpus, err := cpuList(text(root, dir+"/cpulist"))
		if err != nil {
			return nil, err
		}
		mem, _ := fs.ReadFile(root, dir+"/meminfo")
		out = append(out, NUMANode{ID: id, CPUs: cpus, MemoryBytes: kib(mem, "MemTotal")})
	}
	return out, nil
}

func memInfo(root fs.FS, field string) (int64, error) {
	b, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, err
	}
	if n := kib(b, field); n > 0 {
		return n, nil
	}
	return 0, fmt.Errorf("/proc/meminfo has no %s", field)
}

// kib finds "field: N kB" and returns bytes, or 0.
func kib(b []byte, field string) int64 {
	_, rest, ok := bytes.Cut(b, []byte(field+":"))
	if f := strings.Fields(string(rest)); ok && len(f) > 0 {
		n, _ := strconv.ParseInt(f[0], 10, 64)
		return n << 10
	}
	return 0
}

func turbo(root fs.FS) Reading[string] {
	if v, err := text(root, "sys/devices/system/cpu/intel_pstate/no_turbo"); err == nil {
		return Reading[string]{Value: map[string]string{"0": "on", "1": "off"}[v]}
	}
	v, err := text(root, "sys/devices/system/cpu/cpufreq/boost")
	return read(map[string]string{"0": "off", "1": "on"}[v], err)
}

// hugePages picks the mode in brackets: "always [madvise] never".
func hugePages(root fs.FS) Reading[string] {
	v, err := text(root, "sys/kernel/mm/transparent_hugepage/enabled")
	_, rest, _ := strings.Cut(v, "[")
	mode, _, _ := strings.Cut(rest, "]")
	return read(mode, err)
}

func loadAverage(root fs.FS) (float64, error) {
	s, err := text(root, "proc/loadavg")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(s, " ")
	return strconv.ParseFloat(first, 64)
}

// cpuList reads the kernel's list format, "0-3,8".
func cpuList(s string, err error) ([]int, error) {
	if err != nil {
		return nil, err
	}
	var out []int
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, ranged := strings.Cut(part, "-")
		a, err := strconv.Atoi(lo)
		b := a
		if err == nil && ranged {
			b, err = strconv.Atoi(hi)
		}
		if err != nil || b < a || b-a > 1<<20 {
			return nil, fmt.Errorf("%q is no list of CPUs", s)
		}
		for ; a <= b; a++ {
			out = append(out, a)
		}
	}
	return out, nil
}
