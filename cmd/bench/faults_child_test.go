package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bench/datasets"
)

// child is the measuring process of a run.
func (r *running) child() int {
	r.t.Helper()
	parent := fmt.Sprintf("\nPPid:\t%d\n", r.cmd.Process.Pid)
	all, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, path := range all {
		if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), parent) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err == nil {
				return pid
			}
		}
	}
	r.t.Fatal("the run has no measuring process")
	return 0
}

// oneFailed checks a finished run of which just one case failed, for a reason.
func oneFailed(t *testing.T, folder, reason string) {
	t.Helper()
	failed := 0
	for _, r := range finished(t, folder, 9) {
		if r.Measurement.Verdict == datasets.Failed {
			failed++
			if !strings.Contains(r.Measurement.Reason, reason) {
				t.Errorf("%s failed: %s; want %s", r.Workload.Key(), r.Measurement.Reason, reason)
			}
		}
	}
	if failed != 1 {
		t.Errorf("%d cases failed, want 1", failed)
	}
}

// The measuring process is killed, as for want of memory: the case in flight
// fails, and a fresh process measures the others.
func TestChildDies(t *testing.T) {
	folder := realRun(t)
	r := begin(t, benchAt(t), append(longPlan, "--out", folder)...)
	r.keeps(folder, 2)
	syscall.Kill(r.child(), syscall.SIGKILL)
	const died = "the measuring process died (signal: killed), often by the kernel for want of memory"
	r.end(1, `^bench: 1 of 9 cases failed, the first being hbm/.*the measuring process died \(signal: killed\)`)
	oneFailed(t, folder, died)
}

// Something else writes into the pipe of the measuring process, as a library
// might.
func TestChildPrintsRubbish(t *testing.T) {
	folder := realRun(t)
	r := begin(t, benchAt(t), append(longPlan, "--out", folder)...)
	r.keeps(folder, 2)
	pipe, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/4", r.child()), os.O_WRONLY, 0)
	if err != nil {
		t.Skip("the pipe of another process cannot be opened here: ", err)
	}
	pipe.WriteString("hello from a library\n")
	pipe.Close()
	r.end(1, `^bench: 1 of 9 cases failed, the first being hbm/.*the measuring process was ended: it answered with `)
	oneFailed(t, folder, "it answered with ")
}

// The measuring process hangs: it is stopped and does not answer. HANGS=1 has the
// two minutes for it that the host's limits allow a batch.
func TestChildHangs(t *testing.T) {
	if os.Getenv("HANGS") == "" {
		t.Skip("HANGS=1 runs it: a batch may take two minutes")
	}
	folder := realRun(t)
	r := begin(t, benchAt(t), append(longPlan, "--out", folder)...)
	r.keeps(folder, 2)
	syscall.Kill(r.child(), syscall.SIGSTOP)
	r.end(1, `^bench: 1 of 9 cases failed, the first being hbm/.* did not answer for \d+ s, and its process was killed`)
	oneFailed(t, folder, "and its process was killed")
}

// A run that is killed leaves no process behind, not even one that is stopped and
// so can't see that its parent is gone.
func TestNoOrphan(t *testing.T) {
	for name, stop := range map[string]bool{"working": false, "stopped": true} {
		t.Run(name, func(t *testing.T) {
			folder := realRun(t)
			r := begin(t, benchAt(t), append(longPlan, "--out", folder)...)
			r.keeps(folder, 1)
			child := r.child()
			if stop {
				syscall.Kill(child, syscall.SIGSTOP)
			}
			r.cmd.Process.Kill()
			<-r.ended
			for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
				if err != nil || strings.Contains(string(b), ") Z ") {
					return // gone, or waiting for init to take note
				}
				if time.Now().After(end) {
					t.Fatalf("the measuring process is still there: %s", b)
				}
			}
		})
	}
}

// begun is a run that was killed, with its journal read.
func begun(t *testing.T) (journal string, header datasets.JournalHeader, rows []datasets.Row) {
	folder := realRun(t)
	r := begin(t, benchAt(t), append(longPlan, "--out", folder)...)
	journal = r.keeps(folder, 2)
	r.cmd.Process.Kill()
	<-r.ended
	header, rows, _, err := datasets.ReadJournal(journal)
	if err != nil {
		t.Fatal(err)
	}
	return journal, header, rows
}

// rewrite puts a journal with that header in another's place.
func rewrite(t *testing.T, path string, header datasets.JournalHeader, rows []datasets.Row) {
	t.Helper()
	os.Remove(path)
	j, err := datasets.CreateJournal(path, header)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, row := range rows {
		if err := j.Append(row); err != nil {
			t.Fatal(err)
		}
	}
}

// What cannot stand in one file is refused, with the difference named, and the
// journal stays as it is.
func TestResumeElsewhere(t *testing.T) {
	journal, header, rows := begun(t)
	for name, c := range map[string]struct {
		change func(*datasets.JournalHeader)
		want   string
	}{
		"machine": {func(h *datasets.JournalHeader) { h.Meta.Machine += "; kernel=0.1" }, `the run was begun on a different machine: kernel was "0.1" and is "`},
		"binary":  {func(h *datasets.JournalHeader) { h.Meta.Bench = "bench 0.0.1" }, `the run was begun by a different program: it was "bench 0.0.1" and is "bench `},
		"plan":    {func(h *datasets.JournalHeader) { h.PlanHash = "0123" }, `the run was begun with a different plan: "bench run .*" planned 0123 then and plans `},
	} {
		t.Run(name, func(t *testing.T) {
			other := header
			c.change(&other)
			rewrite(t, journal, other, rows)
			before, _ := os.ReadFile(journal)
			begin(t, benchAt(t), "run", "--resume", journal).end(2, `^bench: .*\.journal: `+c.want)
			if after, err := os.ReadFile(journal); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the journal was changed: %v", err)
			}
		})
	}
}

// The time of day was put back by a day between the beginning and the end: the
// run says so, and it does not end before it began.
func TestClockPutBack(t *testing.T) {
	path, header, rows := begun(t)
	header.Meta.StartUnixS += 86400
	rewrite(t, path, header, rows)
	begin(t, benchAt(t), "run", "--resume", path).end(0, "")
	runs, err := datasets.ReadPaths([]string{filepath.Dir(path)})
	if err != nil || len(runs) != 1 || len(runs[0].Rows) != 9 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	m := &runs[0].Meta
	if m.EndUnixS < m.StartUnixS || !strings.Contains(strings.Join(m.Notes, "\n"), "the time of day was put back") {
		t.Errorf("began at %d, ended at %d, notes %q", m.StartUnixS, m.EndUnixS, m.Notes)
	}
}
