package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/microbench/doctable"
	"bench/microbench/session"
	"bench/probes"
	"bench/reports"
)

// hostilePlans touch every suite, hot and cold, on one core and on two.
var hostilePlans = [][]string{
	{"--suite", "hbm,gemm", "--dtype", "fp32", "--size", "8MiB", "--ranks", "1", "--time", "5s"},
	{"--suite", "hbm,allreduce,decode,moe", "--dtype", "fp32", "--size", "32MiB", "--batch", "16", "--context", "512", "--model", "host-mqa", "--ranks", "2", "--time", "6s"},
}

// quietLoad is the load average above which a machine is not quiet.
const quietLoad = 0.5

// TestHostileMachine runs the program, given by HOSTILE, on this machine, quiet and
// beside each adversary in turn, and judges every figure by the quiet runs
// (hostile_rule_test.go). An adversary that fools it, and again when it is tried a
// second time, fails the test. With HOSTILE_DOC the table goes there. `make hostile`
// has both. HOSTILE_ONLY tries the adversaries whose names hold it.
func TestHostileMachine(t *testing.T) {
	s := &hostileStudy{t: t, bench: os.Getenv("HOSTILE"), labels: map[string]string{}}
	if s.bench == "" {
		t.Skip("HOSTILE names the program; make hostile runs it, in some ten minutes")
	}
	host := probes.ThisHost()
	if n := len(host.Allowed.Value); n < 2 || os.Getuid() != 0 {
		t.Skipf("two CPUs and root are needed; here are %d CPUs", n)
	}
	load := s.calm()
	w := newWorkshop(t)
	all := w.adversaries(t)
	only := os.Getenv("HOSTILE_ONLY")
	all = slices.DeleteFunc(all, func(a adversary) bool { return !strings.Contains(a.name, only) })
	s.quiet()
	beside := make([]map[string]*datasets.Measurement, len(all))
	for i := range all {
		if all[i].lacking == "" {
			beside[i] = s.run(&all[i])
			s.quiet()
		}
	}
	for len(s.quietRuns) <= leastQuiet {
		s.quiet()
	}
	judge := func(run map[string]*datasets.Measurement) judged { return judgeRun(run, gather(s.quietRuns)) }
	again := map[int]judged{}
	for i := range all {
		if all[i].lacking == "" && fooled(judge(beside[i]), control(s.quietRuns)) {
			t.Logf("again: %s", all[i].name)
			run := s.run(&all[i])
			s.quiet()
			again[i] = judge(run)
		}
	}
	quiet := control(s.quietRuns)
	cases, unjudged := 0, 0
	for _, q := range quiet {
		cases, unjudged = cases+q.cases, unjudged+q.unjudged
	}

	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d CPUs, Linux %s, %s, %s; load average before it began %.2f", host.CPU, len(host.Allowed.Value), host.Kernel, time.Now().UTC().Format("2 January 2006"), s.version, load)
	if load > quietLoad {
		fmt.Fprintf(&b, ": **this machine was not quiet**, and the table is worth little")
	}
	fmt.Fprintf(&b, ". What the rule allows: %s.\n\n", s.allowed())
	fmt.Fprintln(&b, "| what was done to it | cases | right | right, flagged | wrong, flagged | withheld | not judged | silently wrong | flags | furthest from the quiet figure |")
	fmt.Fprintln(&b, "|---|--:|--:|--:|--:|--:|--:|--:|---|---|")
	fmt.Fprintln(&b, s.controlLine(quiet))
	for i := range all {
		if all[i].lacking != "" {
			fmt.Fprintf(&b, "| %s | not provoked: %s |\n", all[i].name, all[i].lacking)
			continue
		}
		j := judge(beside[i])
		silent := fmt.Sprint(j.silent)
		if second, ok := again[i]; ok {
			silent += fmt.Sprintf("; tried again %d", second.silent)
			if fooled(second, quiet) {
				t.Errorf("%s: %d silently wrong figures, up to %.2g %% off, and again %d, up to %.2g %%", all[i].name, j.silent, j.worst*100, second.silent, second.worst*100)
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %s | %s | %s |\n", all[i].name, j.cases, j.right, j.rightFlagged, j.wrongFlagged, j.withheld, j.unjudged, silent,
			countFlags(j.flags, 1), s.example(j))
	}
	t.Log("\n" + b.String())
	if 2*unjudged > cases {
		t.Fatalf("of %d figures of quiet runs %d cannot be judged: nothing is known, and nothing written; try again when the machine is quiet", cases, unjudged)
	}
	if path := os.Getenv("HOSTILE_DOC"); path != "" {
		if err := doctable.Write(path, "hostile", b.String()); err != nil {
			t.Fatal(err)
		}
	}
}

// hostileStudy is the runs so far.
type hostileStudy struct {
	t              *testing.T
	bench, version string
	quietRuns      []map[string]*datasets.Measurement
	labels         map[string]string
}

// calm waits until the load of what built this test is forgotten, which is soon
// where nothing else runs, and returns what is left.
func (s *hostileStudy) calm() (load float64) {
	const compiling = 4.0
	within(4*time.Minute, func() bool {
		load = probes.ThisHost().LoadAverage.Value
		if load <= quietLoad || load > compiling {
			return true
		}
		s.t.Logf("waiting: the load average is %.2f", load)
		time.Sleep(15 * time.Second)
		return false
	})
	return load
}

func (s *hostileStudy) quiet() {
	s.quietRuns = append(s.quietRuns, s.run(&adversary{name: "quiet"}))
}

// run measures the plans beside an adversary.
func (s *hostileStudy) run(a *adversary) map[string]*datasets.Measurement {
	s.t.Helper()
	start := time.Now()
	leave := a.arrive(s.t)
	defer leave()
	out := map[string]*datasets.Measurement{}
	for _, plan := range hostilePlans {
		folder := s.t.TempDir()
		words := slices.Concat(a.command, []string{s.bench, "run", "--device", "host", "--out", folder}, plan)
		c := exec.Command(words[0], words[1:]...)
		c.Env = append(os.Environ(), a.env...)
		var said strings.Builder
		c.Stderr = &said
		if err := c.Start(); err != nil {
			s.t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if a.during == nil {
				return
			}
			for wait(ctx, 10*time.Millisecond) {
				if child := findChildren(c.Process.Pid, session.ChildVerb); len(child) == 1 {
					a.during(ctx, [2]int{c.Process.Pid, child[0]})
				}
			}
		}()
		hangs := time.AfterFunc(3*time.Minute, func() { c.Process.Kill() })
		err := c.Wait()
		hangs.Stop()
		cancel()
		<-done
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		if err != nil {
			s.t.Logf("%s: %v: %s", a.name, err, lines[len(lines)-1])
		}
		files, _ := filepath.Glob(filepath.Join(folder, "*.parquet"))
		for _, file := range files {
			r, err := datasets.ReadFile(file)
			if err != nil {
				s.t.Fatal(err)
			}
			s.version = r.Meta.Bench
			for i := range r.Rows {
				key := r.Rows[i].Workload.Key()
				out[key] = &r.Rows[i].Measurement
				s.labels[key] = fmt.Sprintf("%s %s ×%d", r.Rows[i].Workload.Suite(), reports.Label(r.Rows[i].Workload), r.Rows[i].Workload.Workers())
			}
		}
	}
	flags := map[string]int{}
	for _, m := range out {
		for _, f := range m.Flags {
			flags[f]++
		}
	}
	s.t.Logf("%s: %d cases in %.0f s; %s", a.name, len(out), time.Since(start).Seconds(), countFlags(flags, 1))
	return out
}

// allowed says how far a figure's interval may lie from the quiet figure.
func (s *hostileStudy) allowed() string {
	var all []float64
	for _, ms := range gather(s.quietRuns) {
		if len(ms) >= leastQuiet {
			all = append(all, ofQuiet(ms).allowed*100)
		}
	}
	if len(all) == 0 {
		return "nothing can be judged, since no case was undisturbed in quiet runs often enough"
	}
	middle := stats.Median(all)
	return fmt.Sprintf("%.2g %% in the median of the cases, %.2g %% at most", middle, slices.Max(all))
}

// controlLine is the table's first: the quiet runs, each against the others.
func (s *hostileStudy) controlLine(quiet []judged) string {
	var sum judged
	sum.flags = map[string]int{}
	most := 0
	worst := judged{}
	for _, q := range quiet {
		sum.cases, sum.right, sum.rightFlagged, sum.wrongFlagged = sum.cases+q.cases, sum.right+q.right, sum.rightFlagged+q.rightFlagged, sum.wrongFlagged+q.wrongFlagged
		sum.withheld, sum.silent, sum.unjudged = sum.withheld+q.withheld, sum.silent+q.silent, sum.unjudged+q.unjudged
		for f, n := range q.flags {
			sum.flags[f] += n
		}
		most = max(most, q.silent)
		if q.worst >= worst.worst {
			worst = q
		}
	}
	n := float64(len(quiet))
	mean := func(v int) string { return fmt.Sprintf("%.3g", float64(v)/n) }
	return fmt.Sprintf("| **nothing**: %d quiet runs, each against the others; mean of a run | %s | %s | %s | %s | %s | %s | %s; most in a run %d | %s | %s |", len(quiet), mean(sum.cases), mean(sum.right), mean(sum.rightFlagged),
		mean(sum.wrongFlagged), mean(sum.withheld), mean(sum.unjudged), mean(sum.silent), most, countFlags(sum.flags, n), s.example(worst))
}

func (s *hostileStudy) example(j judged) string {
	if j.example == "" {
		return ""
	}
	return s.labels[j.example] + ": " + j.figures
}

// countFlags lists flags with how many cases of a run have each.
func countFlags(flags map[string]int, runs float64) string {
	var out []string
	for _, f := range slices.Sorted(maps.Keys(flags)) {
		out = append(out, fmt.Sprintf("%s %.3g", f, float64(flags[f])/runs))
	}
	return strings.Join(out, ", ")
}
