package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bench/datasets"
)

// killPlan is a run of nine cases that takes about a second.
var killPlan = []string{"run", "--device", "host", "--suite", "hbm", "--size", "16KiB", "--ranks", "1", "--time", "200ms"}

// TestKilledAtRandomMoments kills the program with SIGKILL at random moments of
// a run, and of its resumption, until a run completes: no finished case is lost
// or measured again, no broken Parquet file is ever seen, and the set of
// workloads is the plan's. KILLS says how many kills, 6 without it;
// `make kill-study` takes 1,000.
func TestKilledAtRandomMoments(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds of real runs")
	}
	kills := 6
	if s := os.Getenv("KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		kills = n
	}
	bench := filepath.Join(t.TempDir(), "bench")
	if out, err := exec.Command("go", "build", "-o", bench, ".").CombinedOutput(); err != nil {
		t.Fatalf("bench does not build: %v\n%s", err, out)
	}
	k := &killer{t: t, bench: bench, random: rand.New(rand.NewPCG(9, uint64(kills)))}
	whole := k.whole()
	for k.kills < kills {
		k.oneRun(whole)
	}
	t.Logf("%d kills: %d before there was a journal, %d in its first line, %d while a torn record was being written, %d after the Parquet file appeared; %d runs were completed, %d cases kept across kills",
		k.kills, k.noJournal, k.noHeader, k.torn, k.afterFile, k.completed, k.kept)
}

type killer struct {
	t      *testing.T
	bench  string
	random *rand.Rand
	plan   []string // the workloads' keys, sorted

	kills, noJournal, noHeader, torn, afterFile, completed, kept int
}

// whole runs the plan without a kill, and returns how long it takes.
func (k *killer) whole() time.Duration {
	dir := k.t.TempDir()
	start := time.Now()
	out, err := exec.Command(k.bench, append(killPlan, "--out", dir)...).CombinedOutput()
	if err != nil {
		k.t.Fatalf("a run that nobody kills fails: %v\n%s", err, out)
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
		k.t.Fatalf("%d whole files in %s: %v", len(runs), dir, err)
	}
	return runs[0].Rows
}

// oneRun begins a run, kills it and its resumptions, and checks what is left.
func (k *killer) oneRun(whole time.Duration) {
	dir, err := os.MkdirTemp(k.t.TempDir(), "run")
	if err != nil {
		k.t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	finished := map[string]datasets.Row{}
	args := append(slices.Clone(killPlan), "--out", dir)
	for {
		if !k.run(args, k.moment(whole)) {
			break // it was done before its moment came
		}
		k.kills++
		journal := one(k.t, dir, "*.journal")
		files, _ := filepath.Glob(filepath.Join(dir, "*.parquet"))
		if len(files) > 0 {
			k.afterFile++
			k.keys(dir) // can be read to its end
		}
		if journal == "" {
			if len(finished) > 0 && len(files) == 0 {
				k.t.Fatal("the journal and its cases are gone")
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
				k.t.Fatalf("the journal cannot be read: %v", err)
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
		k.t.Fatalf("the completed run has %q, and the plan is %q", got, k.plan)
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
			k.t.Fatalf("the finished case %s is lost", key)
		case was.Measurement.Verdict == datasets.OK && is.Measurement.Conditions.StartUnixNS != was.Measurement.Conditions.StartUnixNS:
			k.t.Fatalf("the finished case %s was measured again", key)
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
		k.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			k.t.Fatalf("bench %s: %v\n%s", strings.Join(args, " "), err, out.String())
		}
		return false
	case <-time.After(after):
		c.Process.Kill()
		return fmt.Sprint(<-ended) == "signal: killed"
	}
}

// one is the only file of a pattern, or "".
func one(t *testing.T, dir, pattern string) string {
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) > 1 {
		t.Fatalf("%q: %v", found, err)
	}
	return strings.Join(found, "")
}
