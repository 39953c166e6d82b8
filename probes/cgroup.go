package probes

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// group is a control group that this process is in, or one above it.
type group struct {
	// v2 is of the unified hierarchy; a group of version 1 serves controllers.
	v2          bool
	controllers []string
	dir         string
}

// file is the path of a controller's file below the root, "" where the group
// does not serve the controller.
func (g group) file(controller, v2, v1 string) string {
	switch {
	case g.v2:
		return path.Join("sys/fs/cgroup", g.dir, v2)
	case slices.Contains(g.controllers, controller):
		return path.Join("sys/fs/cgroup", controller, g.dir, v1)
	}
	return ""
}

// groups lists the control groups of this process and all above them, whose
// limits hold too.
func groups(root fs.FS) ([]group, error) {
	lines, err := text(root, "proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	var out []group
	for line := range strings.Lines(lines) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		for dir := strings.Trim(f[2], "/"); ; dir = path.Dir(dir) {
			if dir == "." || dir == "/" {
				dir = ""
			}
			out = append(out, group{v2: f[0] == "0" && f[1] == "", controllers: strings.Split(f[1], ","), dir: dir})
			if dir == "" {
				break
			}
		}
	}
	return out, nil
}

// unlimited is why a limit that nobody set has no value.
const unlimited = "unlimited"

// CPULimit is how many CPUs' worth of time the process's control groups grant.
func CPULimit(root fs.FS) Reading[float64] {
	limit := Reading[float64]{Unread: unlimited}
	in, err := groups(root)
	if err != nil {
		return read(0.0, err)
	}
	for _, g := range in {
		quota, err1 := text(root, g.file("cpu", "cpu.max", "cpu.cfs_quota_us"))
		quota, period, _ := strings.Cut(quota, " ")
		var err2 error
		if !g.v2 {
			period, err2 = text(root, g.file("cpu", "", "cpu.cfs_period_us"))
		}
		if errors.Join(err1, err2) == nil {
			tighten(&limit, quota, period)
		}
	}
	return limit
}

// memoryLimit is how much memory they grant.
func memoryLimit(root fs.FS) Reading[int64] {
	limit := Reading[int64]{Unread: unlimited}
	in, err := groups(root)
	if err != nil {
		return read(int64(0), err)
	}
	for _, g := range in {
		if n, ok := memoryMax(root, g); ok && (limit.Unread != "" || n < limit.Value) {
			limit = Reading[int64]{Value: n}
		}
	}
	return limit
}

// AvailableBytes is how much memory may be allocated without swapping: the
// kernel's estimate, or what is left of a control group's limit where that is
// less.
func AvailableBytes(root fs.FS) (int64, error) {
	free, err := memInfo(root, "MemAvailable")
	if err != nil {
		return 0, err
	}
	in, err := groups(root)
	if err != nil {
		return free, nil //nolint:nilerr // no control group, no limit
	}
	for _, g := range in {
		most, limited := memoryMax(root, g)
		used, err := number(root, g.file("memory", "memory.current", "memory.usage_in_bytes"))
		if limited && err == nil {
			free = max(0, min(free, most-used))
		}
	}
	return free, nil
}

// memoryMax is a group's own limit. Version 1 writes "no limit" as the largest
// multiple of a page.
func memoryMax(root fs.FS, g group) (int64, bool) {
	n, err := number(root, g.file("memory", "memory.max", "memory.limit_in_bytes"))
	return n, err == nil && n > 0 && n < 1<<60
}

func tighten(limit *Reading[float64], quota, period string) {
	q, err1 := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if errors.Join(err1, err2) == nil && q > 0 && p > 0 && (limit.Unread != "" || q/p < limit.Value) {
		*limit = Reading[float64]{Value: q / p}
	}
}
