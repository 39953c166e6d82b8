package main

import (
	"bufio"
	"context"
	"embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// adversary makes the machine hostile while runs go on.
type adversary struct {
	// name says what it is, as the table has it.
	name string
	// command puts something before the program, and env into its environment.
	command, env []string
	// neighbours are processes beside the run: testdata/neighbour.c with
	// these words, each with what comes before it, such as nice.
	neighbours [][]string
	// during does something to the run until the context ends; pids are the run's
	// and its measuring child's.
	during func(ctx context.Context, pids [2]int)
	// lacking says why it cannot be had here, or "".
	lacking string
}

// workshop holds what adversaries are made of.
type workshop struct {
	neighbour, clock, folder string
}

//go:embed testdata/*.c
var sources embed.FS

// newWorkshop compiles the sources into a folder.
func newWorkshop(dir string) workshop {
	w := workshop{neighbour: filepath.Join(dir, "neighbour"), clock: filepath.Join(dir, "clock.so"), folder: dir}
	check(os.CopyFS(dir, sources))
	for _, args := range [][]string{
		{"-O2", "-o", w.neighbour, filepath.Join(dir, "testdata/neighbour.c"), "-lpthread"},
		{"-O2", "-shared", "-fPIC", "-o", w.clock, filepath.Join(dir, "testdata/clock.c")},
	} {
		if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
			panic(fmt.Errorf("%w: %s", err, out))
		}
	}
	return w
}

// adversaries of a machine with two CPUs or more.
func (w workshop) adversaries() []adversary {
	on := func(cpu int, words ...string) []string {
		return append([]string{"taskset", "-c", strconv.Itoa(cpu), w.neighbour}, words...)
	}
	anywhere := func(words ...string) []string { return append([]string{w.neighbour}, words...) }
	preload := func(mode string) []string { return []string{"LD_PRELOAD=" + w.clock, "HOSTILE_CLOCK=" + mode} }
	quota, lacking := quotaGroup(50_000, 100_000)
	return []adversary{
		{name: "a neighbour computes on one core", neighbours: [][]string{on(0, "spin", "1000", "0")}},
		{name: "a neighbour on each core", neighbours: [][]string{on(0, "spin", "1000", "0"), on(1, "spin", "1000", "0")}},
		{name: "a neighbour on one core, 50 ms on and 150 ms off", neighbours: [][]string{on(0, "spin", "50", "150")}},
		{name: "a neighbour on one core, 1 s of every 5 s", neighbours: [][]string{on(0, "spin", "1000", "4000")}},
		{name: "a neighbour wherever it finds room, 3 ms on and 97 ms off", neighbours: [][]string{anywhere("spin", "3", "97")}},
		{name: "a real-time neighbour on one core, 1 ms of every 20 ms", neighbours: [][]string{append([]string{"chrt", "--fifo", "50"}, on(0, "spin", "1", "19")...)}},
		{name: "a neighbour streams through memory on one core", neighbours: [][]string{on(1, "stream")}},
		{name: "the same, niced by 19", neighbours: [][]string{append([]string{"nice", "-n", "19"}, on(1, "stream")...)}},
		{name: "the run niced by 19 beside a neighbour on one core", command: []string{"nice", "-n", "19"}, neighbours: [][]string{on(1, "spin", "1000", "0")}},
		{name: "six threads that wake every 20 µs", neighbours: [][]string{anywhere("timers")}},
		{name: "a neighbour that writes 64 MiB of a file and syncs it, again and again", neighbours: [][]string{anywhere("sync", filepath.Join(w.folder, "dirty"))}},
		{name: "memory filled until 1 GiB is available", neighbours: [][]string{anywhere("fill", "1024")}},
		{name: "the measuring process stopped for 2 ms of every 20 ms", during: stopping(false, 2*time.Millisecond, 18*time.Millisecond)},
		{name: "the measuring process stopped for 300 ms of every 2 s", during: stopping(false, 300*time.Millisecond, 1700*time.Millisecond)},
		{name: "the whole run stopped for 50 ms of every 250 ms", during: stopping(true, 50*time.Millisecond, 200*time.Millisecond)},
		{name: "all its threads put on one CPU for 1 s of every 2 s, and then allowed both", during: moving},
		{name: "begun under taskset -c 0", command: []string{"taskset", "-c", "0"}},
		{name: "a quota of half a CPU: 50 ms of every 100 ms", command: quota, lacking: lacking},
		{name: "simulated by LD_PRELOAD: the C library's CLOCK_MONOTONIC_RAW runs 10 % fast", env: preload("rate 1.1")},
		{name: "simulated by LD_PRELOAD: it runs 10 % slow", env: preload("rate 0.9")},
		{name: "simulated by LD_PRELOAD: it steps ahead by 20 ms each second", env: preload("steps 0.02")},
		{name: "simulated by LD_PRELOAD: it steps back by 20 ms each second", env: preload("steps -0.02")},
		{name: "simulated by LD_PRELOAD: the C library's CLOCK_REALTIME goes a day ahead and back, each second", env: preload("days 1")},
	}
}

const quotaName = "bench-hostile"

// removeQuotaGroup removes what quotaGroup made.
func removeQuotaGroup() {
	for _, folder := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/cpu/"} {
		syscall.Rmdir(folder + quotaName)
	}
}

// quotaGroup makes a control group with a quota of CPU time in microseconds, and
// returns a command that runs another in it; or says why there is none.
func quotaGroup(quota, period int) (command []string, lacking string) {
	var group string
	var files map[string]string
	switch {
	case strings.Contains(" "+text("/sys/fs/cgroup/cgroup.controllers"), " cpu"):
		group, files = "/sys/fs/cgroup/"+quotaName, map[string]string{"cpu.max": fmt.Sprintf("%d %d", quota, period)}
	case text("/sys/fs/cgroup/cpu/cpu.cfs_period_us") != "":
		group, files = "/sys/fs/cgroup/cpu/"+quotaName, map[string]string{"cpu.cfs_period_us": strconv.Itoa(period), "cpu.cfs_quota_us": strconv.Itoa(quota)}
	default:
		return nil, "there is no control group with a CPU controller"
	}
	if err := os.Mkdir(group, 0o755); err != nil && !os.IsExist(err) {
		return nil, "no control group can be made: " + err.Error()
	}
	for file, value := range files {
		if err := os.WriteFile(filepath.Join(group, file), []byte(value), 0o644); err != nil {
			return nil, "no quota can be set: " + err.Error()
		}
	}
	return []string{"sh", "-c", "echo $$ > " + filepath.Join(group, "cgroup.procs") + ` && exec "$0" "$@"`}, ""
}

// stopping stops the child, or child and parent, again and again.
func stopping(both bool, off, on time.Duration) func(context.Context, [2]int) {
	return func(ctx context.Context, pids [2]int) {
		signal := func(s syscall.Signal) {
			syscall.Kill(pids[1], s)
			if both {
				syscall.Kill(pids[0], s)
			}
		}
		for wait(ctx, on) {
			signal(syscall.SIGSTOP)
			wait(ctx, off)
			signal(syscall.SIGCONT)
		}
	}
}

// moving puts all threads of the child on the first CPU, and allows them all again.
func moving(ctx context.Context, pids [2]int) {
	var one, all unix.CPUSet
	unix.SchedGetaffinity(0, &all)
	one.Set(0)
	for wait(ctx, time.Second) {
		for _, set := range []*unix.CPUSet{&one, &all} {
			tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pids[1]))
			for _, task := range tasks {
				if tid, err := strconv.Atoi(task.Name()); err == nil {
					unix.SchedSetaffinity(tid, set)
				}
			}
			wait(ctx, time.Second)
		}
	}
}

// wait returns false where the context ended first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// arrive starts the neighbours, waits until each is at work, and returns what ends
// them.
func (a *adversary) arrive() (leave func()) {
	var all []*exec.Cmd
	leave = func() {
		for _, c := range all {
			c.Process.Kill()
			c.Wait()
		}
	}
	for _, words := range a.neighbours {
		c := exec.Command(words[0], words[1:]...)
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			leave()
			panic(fmt.Errorf("%s: %w", a.name, err))
		}
		all = append(all, c)
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
			leave()
			panic(fmt.Errorf("%s: the neighbour says %q, %v", a.name, line, err))
		}
		go io.Copy(io.Discard, out)
	}
	return leave
}
