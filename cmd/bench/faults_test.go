package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bench/datasets"

	"golang.org/x/sys/unix"
)

// These tests run the real program and do to it what a bad day does. Whatever
// happens, it ends with one of DESIGN.md's exit codes and one sentence, keeps what
// was finished, and goes on from there. docs/robustness.md is their table.

// longPlan leaves time to do something in the middle of it: nine cases, about a
// second.
var longPlan = []string{"run", "--device", "host", "--suite", "hbm", "--size", "16KiB", "--ranks", "1", "--time", "900ms"}

// shortPlan is the same in less time.
var shortPlan = append(slices.Clone(longPlan[:len(longPlan)-1]), "200ms")

// benchAt is the program: this test binary under the name bench, which
// testscript's Main put on the path.
func benchAt(t *testing.T) string {
	path, err := exec.LookPath("bench")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// running is the program at work.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan struct{}
}

// begin starts the program, or a shell that becomes it.
func begin(t *testing.T, name string, args ...string) *running {
	r := &running{t: t, cmd: exec.Command(name, args...), ended: make(chan struct{})}
	r.cmd.Stderr = &r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		r.cmd.Wait()
		close(r.ended)
	}()
	t.Cleanup(func() {
		r.cmd.Process.Kill()
		<-r.ended
	})
	return r
}

// end waits for the end and checks the exit code and that the last line of stderr
// matches; there is no panic.
func (r *running) end(code int, last string) {
	r.t.Helper()
	<-r.ended
	said := strings.TrimSpace(r.stderr.String())
	line := said[strings.LastIndexByte(said, '\n')+1:]
	if got := r.cmd.ProcessState.ExitCode(); got != code || !regexp.MustCompile(last).MatchString(line) ||
		strings.Contains(said, "goroutine ") || strings.Contains(said, "a bug in bench") {
		r.t.Fatalf("exit code %d, want %d, and a last line that matches %q:\n%s", got, code, last, said)
	}
}

// keeps waits until a folder's one journal has so many whole cases.
func (r *running) keeps(folder string, cases int) (journal string) {
	r.t.Helper()
	for {
		if journal = one(r.t, folder, "*.journal"); journal != "" {
			if b, _ := os.ReadFile(journal); bytes.Count(b, []byte("\n")) > cases {
				return journal
			}
		}
		select {
		case <-r.ended:
			r.t.Fatalf("it ended before %d cases were kept: %s", cases, &r.stderr)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// finished are the rows of a folder's one Parquet file, which must be of so many
// workloads; and nothing else is left there.
func finished(t *testing.T, folder string, cases int) []datasets.Row {
	t.Helper()
	runs, err := datasets.ReadPaths([]string{folder})
	if err != nil || len(runs) != 1 || len(runs[0].Rows) != cases {
		t.Fatalf("%d runs in %s: %v", len(runs), folder, err)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("besides the Parquet file there is more in %s: %v", folder, left)
	}
	return runs[0].Rows
}

// resumes goes on with a journal to the end, where every case that was finished
// is still there and not measured twice.
func resumes(t *testing.T, journal string, atLeast int) {
	t.Helper()
	_, before, _, err := datasets.ReadJournal(journal)
	if err != nil || len(before) < atLeast {
		t.Fatalf("%d cases are kept, want %d: %v", len(before), atLeast, err)
	}
	r := begin(t, benchAt(t), "run", "--resume", journal)
	<-r.ended
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("the resumed run ends with %d: %s", code, &r.stderr)
	}
	now := map[string]datasets.Measurement{}
	for _, row := range finished(t, filepath.Dir(journal), 9) {
		now[row.Workload.Key()] = row.Measurement
	}
	for _, row := range before {
		is, ok := now[row.Workload.Key()]
		if !ok || row.Measurement.Verdict == datasets.OK && is.Conditions.StartUnixNS != row.Measurement.Conditions.StartUnixNS {
			t.Errorf("%s was finished, and is lost or measured again", row.Workload.Key())
		}
	}
}

func realRun(t *testing.T) (folder string) {
	if testing.Short() {
		t.Skip("a real run")
	}
	t.Parallel()
	return filepath.Join(t.TempDir(), "results")
}

const goOn = `^bench: stopped: .*cases are kept in .*; go on with: bench run --resume `

// A disk that fills up while a run goes on, for real.
func TestDiskFull(t *testing.T) {
	folder := realRun(t)
	os.Mkdir(folder, 0o755)
	if err := unix.Mount("none", folder, "tmpfs", 0, "size=68m"); err != nil {
		t.Skip("no file system can be mounted here, which needs root: ", err)
	}
	t.Cleanup(func() { unix.Unmount(folder, unix.MNT_DETACH) })
	r := begin(t, benchAt(t), append(longPlan, "--out", folder)...)
	journal := r.keeps(folder, 2)
	filler := filepath.Join(folder, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 1<<12))
	}
	f.Close()
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	// What is left of the journal's last page takes a few more cases, and may take
	// all of them: then the Parquet file is the first that does not fit.
	r.end(1, `^bench: (stopped: .*cases are kept in .*; go on with|the results are not written: .*every case is kept in .*: make room, then):? bench run --resume `)
	if !strings.Contains(r.stderr.String(), "no space left on device") {
		t.Errorf("the cause is not named: %s", &r.stderr)
	}
	begin(t, benchAt(t), append(longPlan, "--out", folder)...).end(2, `^bench: the output folder .* has 0 B left, and a run needs up to 64 MiB$`)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	resumes(t, journal, 2)
}

// A limit on the size of files ends in the middle of a record: a torn one, for
// real.
func TestRecordCutShort(t *testing.T) {
	folder := realRun(t)
	header := func() int64 { // a run that is killed early shows how long it is
		r := begin(t, benchAt(t), append(longPlan, "--out", folder+"-try")...)
		b, _ := os.ReadFile(r.keeps(folder+"-try", 1))
		return int64(bytes.IndexByte(b, '\n'))
	}()
	blocks := (header+1800)/512 + 1 // two or three records fit
	r := begin(t, "sh", append([]string{"-c", fmt.Sprintf(`ulimit -f %d; exec "$0" "$@"`, blocks), benchAt(t)}, append(longPlan, "--out", folder)...)...)
	r.end(1, goOn)
	journal := one(t, folder, "*.journal")
	if _, _, torn, err := datasets.ReadJournal(journal); err != nil || !torn {
		t.Errorf("the last record is torn %v, want true: %v", torn, err)
	}
	resumes(t, journal, 1)
}

// Errors of the disk that come at the sync, as a quota's over NFS do: strace makes
// them, in the middle of a run.
func TestSyncFails(t *testing.T) {
	folder := realRun(t)
	needStrace(t)
	r := begin(t, benchAt(t), append(longPlan, "--out", folder)...)
	journal := r.keeps(folder, 2)
	s := begin(t, "strace", "-f", "-o", os.DevNull, "-e", "trace=fsync", "-e", "inject=fsync:error=EDQUOT", "-p", fmt.Sprint(r.cmd.Process.Pid))
	r.end(1, goOn)
	<-s.ended
	if !strings.Contains(r.stderr.String(), "disk quota exceeded") {
		t.Errorf("the cause is not named: %s", &r.stderr)
	}
	resumes(t, journal, 2)
}

// The Parquet file cannot get its name: every case stays in the journal.
func TestResultsCannotBeWritten(t *testing.T) {
	folder := realRun(t)
	needStrace(t)
	c := begin(t, "strace", append([]string{"--seccomp-bpf", "-f", "-o", os.DevNull, "-e", "trace=renameat", "-e", "inject=renameat:error=EROFS", benchAt(t)},
		append(shortPlan, "--out", folder)...)...)
	c.end(1, `^bench: the results are not written: .*read-only file system; every case is kept in .*: make room, then bench run --resume `)
	if left, _ := os.ReadDir(folder); len(left) != 1 {
		t.Errorf("besides the journal there is more: %v", left)
	}
	resumes(t, one(t, folder, "*.journal"), 9)
}

func TestReadOnlyFolder(t *testing.T) {
	folder := realRun(t)
	os.Mkdir(folder, 0o755)
	if os.Geteuid() != 0 {
		os.Chmod(folder, 0o555)
	} else if err := unix.Mount("none", folder, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Skip("no file system can be mounted here: ", err)
	} else {
		t.Cleanup(func() { unix.Unmount(folder, unix.MNT_DETACH) })
	}
	begin(t, benchAt(t), append(shortPlan, "--out", folder)...).end(2, `^bench: the output folder cannot be written: .*: (read-only file system|permission denied)$`)
}

// The folder is removed under a run; and then the run is killed.
func TestFolderVanishes(t *testing.T) {
	folder := realRun(t)
	r := begin(t, benchAt(t), append(longPlan, "--out", folder)...)
	r.keeps(folder, 2)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	journal := r.keeps(folder, 3)
	r.cmd.Process.Kill()
	<-r.ended
	resumes(t, journal, 3)
}

func TestFolderVanishesAndTheRunGoesOn(t *testing.T) {
	folder := realRun(t)
	r := begin(t, benchAt(t), append(longPlan, "--out", folder)...)
	r.keeps(folder, 2)
	if err := os.Rename(folder, folder+"-moved"); err != nil {
		t.Fatal(err)
	}
	r.end(0, `^bench: warning: .*\.journal was removed while the run went on, and was written again$`)
	finished(t, folder, 9)
}

// Two runs at once write two files; two resumptions of one journal do not.
func TestTwoRunsAtOnce(t *testing.T) {
	folder := realRun(t)
	a := begin(t, benchAt(t), append(shortPlan, "--out", folder)...)
	b := begin(t, benchAt(t), append(shortPlan, "--out", folder)...)
	a.end(0, "")
	b.end(0, "")
	runs, err := datasets.ReadPaths([]string{folder})
	if err != nil || len(runs) != 2 || len(runs[0].Rows) != 9 || len(runs[1].Rows) != 9 || runs[0].Meta.ID == runs[1].Meta.ID {
		t.Fatalf("%d runs, %v", len(runs), err)
	}

	folder += "-resumed"
	a = begin(t, benchAt(t), append(longPlan, "--out", folder)...)
	journal := a.keeps(folder, 1)
	a.cmd.Process.Signal(syscall.SIGSTOP) // it shall not end while the other waits for it
	begin(t, benchAt(t), "run", "--resume", journal).end(2, `^bench: journal .*: another run is writing it now: wait until that has ended, or stop it$`)
	a.cmd.Process.Signal(syscall.SIGCONT)
	a.end(0, "")
	finished(t, folder, 9)
}

// Few file descriptors: either enough, or a sentence. Below 8 the Go runtime
// itself does not start.
func TestFewFileDescriptors(t *testing.T) {
	folder := realRun(t)
	for _, n := range []int{8, 12, 16} {
		begin(t, "sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, n), benchAt(t)}, append(shortPlan, "--out", folder)...)...).
			end(3, `^bench: the measuring process does not start: .*too many open files$`)
	}
	// They run out in the middle: what is open is enough.
	r := begin(t, benchAt(t), append(longPlan, "--out", folder)...)
	journal := r.keeps(folder, 2)
	if err := unix.Prlimit(r.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: 3}, nil); err != nil {
		t.Fatal(err)
	}
	r.end(1, `^bench: the results are not written: .*too many open files; every case is kept in `)
	resumes(t, journal, 9)
}

// one is the only file of a pattern, or "".
func one(t *testing.T, dir, pattern string) string {
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) > 1 {
		t.Fatalf("%q: %v", found, err)
	}
	return strings.Join(found, "")
}
