// Kill kills bench with SIGKILL at random moments of a run, and of its resumption,
// until a run completes, again and again: no finished case is lost or measured again,
// no broken Parquet file is ever seen, and the set of workloads is the plan's.
//
//	go run ./tools/kill [-kills 1000] bin/bench
//
// A thousand kills take some 20 minutes.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bench/datasets"
)

// killPlan is a run of nine cases that takes about a second.
var killPlan = []string{"run", "--device", "host", "--suite", "hbm", "--size", "16KiB", "--ranks", "1", "--time", "200ms"}

func main() {
	kills := flag.Int("kills", 1000, "how many kills")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "kill: name the program, such as bin/bench")
		os.Exit(2)
	}
	said, err := study(flag.Arg(0), *kills)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kill:", err)
		os.Exit(1)
	}
	fmt.Println(said)
}

// study kills the program so many times and says what the kills met. The error says
// what a kill broke.
func study(bench string, kills int) (said string, err error) {
	dir, err := os.MkdirTemp("", "kill")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	defer func() {
		if e, ok := recover().(error); ok {
			err = e
		}
	}()
	k := &killer{bench: bench, dir: dir, random: rand.New(rand.NewPCG(9, uint64(kills)))}
	whole := k.whole()
	for k.kills < kills {
		k.oneRun(whole)
	}
	return fmt.Sprintf("%d kills: %d before there was a journal, %d in its first line, %d while a torn record was being written, %d after the Parquet file appeared; %d runs were completed, %d cases kept across kills",
		k.kills, k.noJournal, k.noHeader, k.torn, k.afterFile, k.completed, k.kept), nil
}

// fail ends the study.
func fail(format string, args ...any) { panic(fmt.Errorf(format, args...)) }

type killer struct {
	bench  string
	dir    string
	random *rand.Rand
	plan   []string // the workloads' keys, sorted

	kills, noJournal, noHeader, torn, afterFile, completed, kept int
}

func (k *killer) folder() string {
	dir, err := os.MkdirTemp(k.dir, "run")
	if err != nil {
		fail("%w", err)
	}
	return dir
}

// whole runs the plan without a kill, and returns how long it takes.
func (k *killer) whole() time.Duration {
	dir := k.folder()
	defer os.RemoveAll(dir)
	start := time.Now()
	out, err := exec.Command(k.bench, append(killPlan, "--out", dir)...).CombinedOutput()
	if err != nil {
		fail("a run that nobody kills fails: %v\n%s", err, out)
	}
	took := time.Since(start)
	k.plan = k.keys(dir)
	return took
}

// keys are the workloads of the one whole Parquet file in a folder.
func (k *killer) keys(dir string) (keys []string) {
	for _, r := range k.rows(dir) {
		keys = append(keys, r.Workload.Key())
	}
	slices.Sort(keys)
	return keys
}

func (k *killer) rows(dir string) []datasets.Row {
	runs, err := datasets.ReadPaths([]string{dir})
	if err != nil || len(runs) != 1 {
		fail("%d whole files in %s: %v", len(runs), dir, err)
	}
	return runs[0].Rows
}

// oneRun begins a run, kills it and its resumptions, and checks what is left.
func (k *killer) oneRun(whole time.Duration) {
	dir := k.folder()
	defer os.RemoveAll(dir)
	finished := map[string]datasets.Row{}
	args := append(slices.Clone(killPlan), "--out", dir)
	for {
		if !k.run(args, k.moment(whole)) {
			break // it was done before its moment came
		}
		k.kills++
		journal := ""
		if found, _ := filepath.Glob(filepath.Join(dir, "*.journal")); len(found) > 0 {
			journal = found[0]
		}
		files, _ := filepath.Glob(filepath.Join(dir, "*.parquet"))
		if len(files) > 0 {
			k.afterFile++
			k.keys(dir) // can be read to its end
		}
		if journal == "" {
			if len(finished) > 0 && len(files) == 0 {
				fail("the journal and its cases are gone")
			}
			if len(files) > 0 {
				break
			}
			k.noJournal++
			return
		}
		_, rows, torn, err := datasets.ReadJournal(journal)
		if err != nil {
			if len(finished) > 0 || !strings.Contains(err.Error(), "no whole first line") {
				fail("the journal cannot be read: %v", err)
			}
			k.noHeader++
			return
		}
		if torn {
			k.torn++
		}
		k.sameCases(finished, rows)
		args = []string{"run", "--resume", journal}
	}
	if got := k.keys(dir); !slices.Equal(got, k.plan) {
		fail("the completed run has %q, and the plan is %q", got, k.plan)
	}
	k.kept += len(finished)
	k.sameCases(finished, k.rows(dir))
	k.completed++
}

// moment is when to kill: anywhere in a run, and as often in its first tenth,
// where the journal begins, as anywhere else.
func (k *killer) moment(whole time.Duration) time.Duration {
	part := 1.1
	if k.random.IntN(2) == 0 {
		part = 0.1
	}
	return time.Duration(k.random.Float64() * part * float64(whole))
}

// sameCases checks that every case that was finished is there still and was not
// measured again, unless it was disturbed and is due another try; and takes
// note of all that are finished now.
func (k *killer) sameCases(finished map[string]datasets.Row, rows []datasets.Row) {
	now := map[string]datasets.Row{}
	for _, r := range rows {
		now[r.Workload.Key()] = r // the last of a key counts
	}
	for key, was := range finished {
		is, ok := now[key]
		switch {
		case !ok:
			fail("the finished case %s is lost", key)
		case was.Measurement.Verdict == datasets.OK && is.Measurement.Conditions.StartUnixNS != was.Measurement.Conditions.StartUnixNS:
			fail("the finished case %s was measured again", key)
		}
	}
	for key, r := range now {
		finished[key] = r
	}
}

// run starts the program and kills it after a while; false where it ended first.
func (k *killer) run(args []string, after time.Duration) (killed bool) {
	c := exec.Command(k.bench, args...)
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		fail("%w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			fail("bench %s: %v\n%s", strings.Join(args, " "), err, out.String())
		}
		return false
	case <-time.After(after):
		c.Process.Kill()
		return fmt.Sprint(<-ended) == "signal: killed"
	}
}
