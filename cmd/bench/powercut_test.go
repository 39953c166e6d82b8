package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// needStrace skips where strace is missing or may not trace.
func needStrace(t *testing.T) {
	if err := exec.Command("strace", "-o", os.DevNull, "true").Run(); err != nil {
		t.Skip("strace cannot be used here: ", err)
	}
}

// TestWhatAPowerCutCanTake watches the system calls of a run. What is not synced
// may be gone after a power cut, so the order says what can be lost: no more than
// the case in flight.
func TestWhatAPowerCutCanTake(t *testing.T) {
	if testing.Short() {
		t.Skip("a real run")
	}
	t.Parallel()
	needStrace(t)
	dir := t.TempDir()
	folder, log := filepath.Join(dir, "results"), filepath.Join(dir, "log")
	bench := benchAt(t)
	c := exec.Command("strace", append([]string{"--seccomp-bpf", "-f", "-y", "-s", "48", "-o", log,
		"-e", "trace=mkdirat,openat,write,fsync,renameat,unlinkat", bench}, append(shortPlan, "--out", folder)...)...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	got := diskOrder(string(text), dir, folder)
	// The folder and its name; the journal, its header, its name; then each case
	// begins only when the one before is written and synced; at last the Parquet
	// file, whole and synced before it has its name, and the journal goes after that.
	want := regexp.MustCompile(`^folder sync-parent journal record sync-journal sync-folder (begin begun record sync-journal ){9,}` +
		`temporary sync-temporary rename sync-folder remove-journal $`)
	if !want.MatchString(got) {
		t.Errorf("the order on disk is: %s", got)
	}
}

var resumed = regexp.MustCompile(`^<\.\.\. \w+ resumed>`)

// diskOrder puts what a log of strace says of a run's folder into words, in
// order: a sync when it is over, all else when it begins.
func diskOrder(log, parent, folder string) string {
	var words strings.Builder
	say := func(w string) { words.WriteString(w + " ") }
	waiting := map[string]string{} // by thread, the sync that is not over
	in := regexp.QuoteMeta(folder)
	kinds := []struct {
		word string
		of   *regexp.Regexp
	}{
		{"folder", regexp.MustCompile(`^mkdirat\(.*"` + in + `"`)},
		{"sync-parent", regexp.MustCompile(`^fsync\(\d+<` + regexp.QuoteMeta(parent) + `>`)},
		{"sync-folder", regexp.MustCompile(`^fsync\(\d+<` + in + `>`)},
		{"sync-journal", regexp.MustCompile(`^fsync\(\d+<` + in + `/[^.>]+\.journal>`)},
		{"sync-temporary", regexp.MustCompile(`^fsync\(\d+<` + in + `/\.[^>]*\.tmp>`)},
		{"journal", regexp.MustCompile(`^openat\(.*"` + in + `/[^"]*\.journal", .*O_CREAT`)},
		{"temporary", regexp.MustCompile(`^openat\(.*"` + in + `/\.[^"]*\.tmp", .*O_CREAT`)},
		{"record", regexp.MustCompile(`^write\(\d+<` + in + `/[^>]*\.journal>`)},
		{"begun", regexp.MustCompile(`^write\(\d+<pipe:[^"]*"\\0reply.*Child\.Prepare`)},
		{"begin", regexp.MustCompile(`^write\(\d+<pipe:[^"]*"(\\[1-9]|[^\\])[^"]*Child\.Prepare`)},
		{"rename", regexp.MustCompile(`^renameat\(.*"` + in + `/.*\.parquet"`)},
		{"remove-journal", regexp.MustCompile(`^unlinkat\(.*"` + in + `/[^"]*\.journal"`)},
	}
	for line := range strings.Lines(log) {
		thread, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		call = strings.TrimSpace(call)
		if resumed.MatchString(call) {
			if w := waiting[thread]; w != "" && strings.HasSuffix(call, "= 0") {
				say(w)
			}
			delete(waiting, thread)
			continue
		}
		for _, k := range kinds {
			if !k.of.MatchString(call) {
				continue
			}
			sync := strings.HasPrefix(k.word, "sync")
			switch {
			case sync && strings.HasSuffix(call, "<unfinished ...>"):
				waiting[thread] = k.word
			case !sync || strings.HasSuffix(call, "= 0"):
				say(k.word)
			}
		}
	}
	return words.String()
}

// The reading of strace's log itself: a sync that comes too late, fails or never
// ends is seen.
func TestDiskOrderIsRead(t *testing.T) {
	const log = `7 openat(AT_FDCWD</d>, "/d/r/x.journal", O_RDWR|O_CREAT|O_EXCL, 0644) = 5</d/r/x.journal>
7 write(5</d/r/x.journal>, "1 {"..., 9 <unfinished ...>
7 <... write resumed>) = 9
7 fsync(5</d/r/x.journal> <unfinished ...>
8 write(6<pipe:[1]>, "\21\377\202\1\rChild.Prepare"..., 60) = 60
9 write(4<pipe:[2]>, "\0reply\0\0\0\0\21\22\377\202\1\rChild.Prepare"..., 60) = 60
7 <... fsync resumed>) = 0
8 fsync(5</d/r/x.journal>) = -1 EIO (Input/output error) (INJECTED)
8 fsync(5</d/r>) = 0
`
	if got := diskOrder(log, "/d", "/d/r"); got != "journal record begin begun sync-journal sync-folder " {
		t.Error(got)
	}
}

// TestASlowDiskEntersNoTime makes every fsync take half a second, as over NFS:
// the run takes longer, and no batch of a case does.
func TestASlowDiskEntersNoTime(t *testing.T) {
	if testing.Short() {
		t.Skip("a real run")
	}
	t.Parallel()
	needStrace(t)
	const delay = 500 * time.Millisecond
	folder := filepath.Join(t.TempDir(), "results")
	start := time.Now()
	c := exec.Command("strace", "--seccomp-bpf", "-f", "-o", os.DevNull, "-e", "trace=fsync", "-e", "inject=fsync:delay_enter=500000",
		benchAt(t), "run", "--device", "host", "--suite", "allreduce", "--size", "16KiB", "--ranks", "2", "--time", "200ms", "--out", folder)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// At the least: two folders, the header, two cases, the Parquet file.
	if took := time.Since(start); took < 6*delay {
		t.Fatalf("the run took %v: nothing was delayed", took)
	}
	rows := finished(t, folder, 2)
	for _, r := range rows {
		m := &r.Measurement
		for _, s := range m.SamplesS {
			if batch := time.Duration(s * float64(m.BatchIterations) * 1e9); batch >= delay {
				t.Errorf("%s: a batch took %v", r.Workload.Key(), batch)
			}
		}
	}
}
