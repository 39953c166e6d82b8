package probes

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// cgroupLimits reads the limits of this process's control group, version 2
// first and then version 1.
func cgroupLimits(root fs.FS) (cpus Reading[float64], memory Reading[int64]) {
	const none = "unlimited"
	cpus.Unread, memory.Unread = none, none
	groups, err := text(root, "proc/self/cgroup")
	if err != nil {
		return read(0.0, err), read(int64(0), err)
	}
	for line := range strings.Lines(groups) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		v2 := f[0] == "0" && f[1] == ""
		for dir := strings.Trim(f[2], "/"); ; dir = path.Dir(dir) {
			if dir == "." || dir == "/" {
				dir = ""
			}
			if v2 {
				if v, err := text(root, path.Join("sys/fs/cgroup", dir, "cpu.max")); err == nil {
					quota, period, _ := strings.Cut(v, " ")
					tighten(&cpus, quota, period)
				}
				if n, err := number(root, path.Join("sys/fs/cgroup", dir, "memory.max")); err == nil {
					tightenBytes(&memory, n)
				}
			}
			if slices.Contains(strings.Split(f[1], ","), "cpu") {
				quota, err1 := text(root, path.Join("sys/fs/cgroup/cpu", dir, "cpu.cfs_quota_us"))
				period, err2 := text(root, path.Join("sys/fs/cgroup/cpu", dir, "cpu.cfs_period_us"))
				if errors.Join(err1, err2) == nil {
					tighten(&cpus, quota, period)
				}
			}
			if f[1] == "memory" {
				if n, err := number(root, path.Join("sys/fs/cgroup/memory", dir, "memory.limit_in_bytes")); err == nil {
					tightenBytes(&memory, n)
				}
			}
			if dir == "" {
				break
			}
		}
	}
	return cpus, memory
}

func tighten(limit *Reading[float64], quota, period string) {
	q, err1 := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if errors.Join(err1, err2) == nil && q > 0 && p > 0 && (limit.Unread != "" || q/p < limit.Value) {
		*limit = Reading[float64]{Value: q / p}
	}
}

func tightenBytes(limit *Reading[int64], n int64) {
	// Version 1 writes "no limit" as the largest multiple of a page.
	if n > 0 && n < 1<<60 && (limit.Unread != "" || n < limit.Value) {
		*limit = Reading[int64]{Value: n}
	}
}
