// Hostile runs bench on this machine, quiet and beside each adversary in turn, judges
// every figure by the quiet runs (rule.go), and writes the table of docs/measuring.md:
//
//	go run ./tools/hostile [-doc docs/measuring.md] [-only NAME] bin/bench
//
// It needs root, two CPUs and some ten minutes on a quiet machine. An adversary that
// fools the program, and again when it is tried a second time, ends it with status 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

func main() {
	doc := flag.String("doc", "", "put the table into this document, between its marks")
	only := flag.String("only", "", "try the adversaries whose names hold this")
	flag.Parse()
	log.SetFlags(0)
	if flag.NArg() != 1 {
		log.Print("hostile: name the program, such as bin/bench")
		os.Exit(2)
	}
	if n := len(probes.ThisHost().Allowed.Value); n < 2 || os.Getuid() != 0 {
		log.Printf("hostile: two CPUs and root are needed; here are %d CPUs and user %d", n, os.Getuid())
		os.Exit(2)
	}
	dir, err := os.MkdirTemp("", "hostile")
	if err == nil {
		err = study(flag.Arg(0), dir, *only, *doc)
		removeQuotaGroup()
		os.RemoveAll(dir)
	}
	if err != nil {
		log.Print("hostile: ", err)
		os.Exit(1)
	}
}

// check panics with an error, so that neighbours are ended on the way to study.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

// study tries the adversaries whose names hold only, prints the table, and writes it
// into doc.
func study(bench, dir, only, doc string) (err error) {
	defer func() {
		if e, ok := recover().(error); ok {
			err = e
		}
	}()
	host := probes.ThisHost()
	s := &hostileStudy{bench: bench, dir: dir, labels: map[string]string{}}
	load := s.calm()
	all := newWorkshop(dir).adversaries()
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
			log.Printf("again: %s", all[i].name)
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
				err = errors.Join(err, fmt.Errorf("%s: %d silently wrong figures, up to %.2g %% off, and again %d, up to %.2g %%", all[i].name, j.silent, j.worst*100, second.silent, second.worst*100))
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %s | %s | %s |\n", all[i].name, j.cases, j.right, j.rightFlagged, j.wrongFlagged, j.withheld, j.unjudged, silent,
			countFlags(j.flags, 1), s.example(j))
	}
	fmt.Print(b.String())
	if 2*unjudged > cases {
		return fmt.Errorf("of %d figures of quiet runs %d cannot be judged: nothing is known, and nothing written; try again when the machine is quiet", cases, unjudged)
	}
	if doc != "" {
		err = errors.Join(err, doctable.Write(doc, "hostile", b.String()))
	}
	return err
}

// hostileStudy is the runs so far.
type hostileStudy struct {
	bench, version, dir string
	quietRuns           []map[string]*datasets.Measurement
	labels              map[string]string
}

// calm waits until the load of what built this test is forgotten, which is soon
// where nothing else runs, and returns what is left.
func (s *hostileStudy) calm() (load float64) {
	const compiling = 4.0
	for end := time.Now().Add(4 * time.Minute); ; time.Sleep(15 * time.Second) {
		load = probes.ThisHost().LoadAverage.Value
		if load <= quietLoad || load > compiling || time.Now().After(end) {
			return load
		}
		log.Printf("waiting: the load average is %.2f", load)
	}
}

func (s *hostileStudy) quiet() {
	s.quietRuns = append(s.quietRuns, s.run(&adversary{name: "quiet"}))
}

// run measures the plans beside an adversary.
func (s *hostileStudy) run(a *adversary) map[string]*datasets.Measurement {
	start := time.Now()
	leave := a.arrive()
	defer leave()
	out := map[string]*datasets.Measurement{}
	for _, plan := range hostilePlans {
		folder, err := os.MkdirTemp(s.dir, "run")
		check(err)
		words := slices.Concat(a.command, []string{s.bench, "run", "--device", "host", "--out", folder}, plan)
		c := exec.Command(words[0], words[1:]...)
		c.Env = append(os.Environ(), a.env...)
		var said strings.Builder
		c.Stderr = &said
		check(c.Start())
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if a.during == nil {
				return
			}
			for wait(ctx, 10*time.Millisecond) {
				if child := measuringChild(c.Process.Pid); child != 0 {
					a.during(ctx, [2]int{c.Process.Pid, child})
				}
			}
		}()
		hangs := time.AfterFunc(3*time.Minute, func() { c.Process.Kill() })
		err = c.Wait()
		hangs.Stop()
		cancel()
		<-done
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		if err != nil {
			log.Printf("%s: %v: %s", a.name, err, lines[len(lines)-1])
		}
		files, _ := filepath.Glob(filepath.Join(folder, "*.parquet"))
		for _, file := range files {
			r, err := datasets.ReadFile(file)
			check(err)
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
	log.Printf("%s: %d cases in %.0f s; %s", a.name, len(out), time.Since(start).Seconds(), countFlags(flags, 1))
	return out
}

// measuringChild is the process that measures for bench, 0 where there is none.
func measuringChild(parent int) (pid int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, list := range lists {
		for _, child := range strings.Fields(text(list)) {
			if strings.Contains(text("/proc/"+child+"/cmdline"), session.ChildVerb) {
				pid, _ = strconv.Atoi(child)
			}
		}
	}
	return pid
}

func text(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
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
