package host

/*
#include "team.h"
*/
import "C"

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"bench/datasets"
)

// allowedCPUs lists the CPUs that this process may use, the first hardware
// thread of each core only, and fewer where the control group's quota is less.
func allowedCPUs(root string) ([]int, error) {
	var list [4096]C.int
	n := C.allowed_cpus(&list[0], C.int(len(list)))
	if n < 1 {
		return nil, fmt.Errorf("the CPUs that this process may use cannot be read: %w", syscall.Errno(-n))
	}
	all := make([]int, 0, n)
	for _, c := range list[:min(int(n), len(list))] {
		all = append(all, int(c))
	}
	cores := onePerCore(root, all)
	if q := cpuQuota(root); q > 0 && q < len(cores) {
		cores = cores[:q]
	}
	return cores, nil
}

// onePerCore keeps the first of the CPUs that share a core.
func onePerCore(root string, cpus []int) []int {
	taken := map[int]bool{}
	var cores []int
	for _, c := range cpus {
		if taken[c] {
			continue
		}
		cores = append(cores, c)
		path := filepath.Join(root, "sys/devices/system/cpu", "cpu"+strconv.Itoa(c), "topology/thread_siblings_list")
		for _, s := range parseCPUList(readText(path)) {
			taken[s] = true
		}
	}
	return cores
}

// cpuQuota is how many whole CPUs' time the control group grants, at least 1,
// or 0 where it sets no limit.
func cpuQuota(root string) int {
	f := strings.Fields(readText(filepath.Join(root, "sys/fs/cgroup/cpu.max")))
	if len(f) != 2 {
		return 0
	}
	quota, err1 := strconv.ParseFloat(f[0], 64)
	period, err2 := strconv.ParseFloat(f[1], 64)
	if err1 != nil || err2 != nil || period <= 0 {
		return 0
	}
	return max(1, int(quota/period))
}

// parseCPUList reads the kernel's form "0-3,8,10-11"; what is malformed ends
// the list.
func parseCPUList(s string) []int {
	var cpus []int
	for _, part := range strings.Split(strings.TrimSpace(s), ",") {
		low, high, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(low)
		if err != nil {
			return cpus
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(high); err != nil {
				return cpus
			}
		}
		for c := a; c <= b && len(cpus) < 1<<16; c++ {
			cpus = append(cpus, c)
		}
	}
	return cpus
}

// readText is a file's text, or "" where there is none: every figure read with
// it may be missing.
func readText(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// describe reads what the kernel says of the machine below root ("/").
func describe(root string, cpus []int) datasets.Device {
	d := datasets.Device{ID: "host", Kind: "cpu", Arch: archName(runtime.GOARCH), Units: len(cpus), NodeSize: 1}
	d.Name, d.Vendor = processor(root)
	if d.Name == "" {
		d.Name = d.Arch + " processor"
	}
	d.Caches = caches(root, cpus)
	if total := memInfo(root, "MemTotal"); total > 0 {
		d.MemoryBytes = datasets.Figure{Value: float64(total), Origin: datasets.Measured, Source: "/proc/meminfo MemTotal"}
	}
	return d
}

func archName(goarch string) string {
	if goarch == "amd64" {
		return "x86-64"
	}
	return goarch
}

// processor is the model and vendor of /proc/cpuinfo; arm64 kernels name only
// the implementer's number.
func processor(root string) (name, vendor string) {
	for line := range strings.Lines(readText(filepath.Join(root, "proc/cpuinfo"))) {
		k, v, _ := strings.Cut(line, ":")
		v = strings.TrimSpace(v)
		switch strings.TrimSpace(k) {
		case "model name":
			if name == "" {
				name = v
			}
		case "vendor_id", "CPU implementer":
			if vendor == "" {
				vendor = v
			}
		}
	}
	return name, vendor
}

// caches lists the data and unified caches of the first CPU, with how many of
// the cores in use share each.
func caches(root string, cpus []int) []datasets.CacheLevel {
	if len(cpus) == 0 {
		return nil
	}
	used := map[int]bool{}
	for _, c := range cpus {
		used[c] = true
	}
	pattern := filepath.Join(root, "sys/devices/system/cpu", "cpu"+strconv.Itoa(cpus[0]), "cache/index*")
	dirs, _ := filepath.Glob(pattern)
	var levels []datasets.CacheLevel
	for _, dir := range dirs {
		if readText(filepath.Join(dir, "type")) == "Instruction" {
			continue
		}
		level, err := strconv.Atoi(readText(filepath.Join(dir, "level")))
		size := parseSize(readText(filepath.Join(dir, "size")))
		if err != nil || size == 0 {
			continue
		}
		line, _ := strconv.Atoi(readText(filepath.Join(dir, "coherency_line_size")))
		ways, _ := strconv.Atoi(readText(filepath.Join(dir, "ways_of_associativity")))
		shared := 0
		for _, c := range parseCPUList(readText(filepath.Join(dir, "shared_cpu_list"))) {
			if used[c] {
				shared++
			}
		}
		levels = append(levels, datasets.CacheLevel{Level: level, LineBytes: line, Ways: ways, SharedBy: max(shared, 1),
			SizeBytes: datasets.Figure{Value: float64(size), Origin: datasets.Datasheet, Source: "CPUID through " + strings.TrimPrefix(dir, root)}})
	}
	return levels
}

// parseSize reads "32K" or "1M".
func parseSize(s string) int64 {
	unit := int64(1)
	switch {
	case strings.HasSuffix(s, "K"):
		unit = 1 << 10
	case strings.HasSuffix(s, "M"):
		unit = 1 << 20
	}
	n, err := strconv.ParseInt(strings.TrimRight(s, "KM"), 10, 64)
	if err != nil {
		return 0
	}
	return n * unit
}

// memInfo is one line of /proc/meminfo in bytes, or 0.
func memInfo(root, key string) int64 {
	for line := range strings.Lines(readText(filepath.Join(root, "proc/meminfo"))) {
		f := strings.Fields(line)
		if len(f) >= 2 && f[0] == key+":" {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			return kib * 1024
		}
	}
	return 0
}

// available is how many bytes may be allocated without swapping: the kernel's
// estimate, or what is left of the control group's limit where that is less.
func available(root string) int64 {
	free := memInfo(root, "MemAvailable")
	limit, err1 := strconv.ParseInt(readText(filepath.Join(root, "sys/fs/cgroup/memory.max")), 10, 64)
	used, err2 := strconv.ParseInt(readText(filepath.Join(root, "sys/fs/cgroup/memory.current")), 10, 64)
	if err1 == nil && err2 == nil && limit-used < free {
		return max(limit-used, 0)
	}
	return free
}
