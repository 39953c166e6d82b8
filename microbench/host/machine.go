package host

/*
#include "team.h"
*/
import "C"

import (
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"syscall"

	"bench/datasets"
	"bench/probes"
)

// allowedCPUs lists the CPUs that this process may use, the first hardware
// thread of each core only, and fewer where the control group's quota is less.
func allowedCPUs(root fs.FS) ([]int, error) {
	var list [4096]C.int
	n := C.allowed_cpus(&list[0], C.int(len(list)))
	if n < 1 {
		return nil, fmt.Errorf("the CPUs that this process may use cannot be read: %w", syscall.Errno(-n))
	}
	all := make([]int, 0, n)
	for _, c := range list[:min(int(n), len(list))] {
		all = append(all, int(c))
	}
	cores := probes.OnePerCore(root, all)
	if q := probes.CPULimit(root); q.Unread == "" {
		// Below one CPU's time there is still one worker.
		cores = cores[:min(len(cores), max(1, int(q.Value)))]
	}
	return cores, nil
}

// describe reads what the kernel says of the machine below root.
func describe(root fs.FS, cpus []int) datasets.Device {
	d := datasets.Device{ID: "host", Kind: "cpu", Arch: archName(runtime.GOARCH), Units: len(cpus), NodeSize: 1}
	h := probes.ReadHost(root)
	d.Name, d.Vendor = h.CPU.Value, h.Vendor.Value
	if d.Name == "" {
		d.Name = d.Arch + " processor"
	}
	d.Caches = caches(root, cpus)
	if h.MemoryBytes.Unread == "" {
		d.MemoryBytes = datasets.Figure{Value: float64(h.MemoryBytes.Value), Origin: datasets.Measured, Source: "/proc/meminfo MemTotal"}
	}
	return d
}

func archName(goarch string) string {
	if goarch == "amd64" {
		return "x86-64"
	}
	return goarch
}

// caches lists the data and unified caches of the first CPU, with how many of
// the cores in use share each; none where the kernel does not say.
func caches(root fs.FS, cpus []int) []datasets.CacheLevel {
	if len(cpus) == 0 {
		return nil
	}
	found, err := probes.Caches(root, cpus[0])
	if err != nil {
		return nil
	}
	var levels []datasets.CacheLevel
	for _, c := range found {
		shared := 0
		for _, cpu := range c.SharedBy {
			if slices.Contains(cpus, cpu) {
				shared++
			}
		}
		levels = append(levels, datasets.CacheLevel{Level: c.Level, LineBytes: c.LineBytes, Ways: c.Ways, SharedBy: max(shared, 1),
			SizeBytes: datasets.Figure{Value: float64(c.SizeBytes), Origin: datasets.Datasheet, Source: "CPUID through /" + c.File}})
	}
	return levels
}
