package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bench/datasets"
)

// told runs the program to its end, which comes within a minute, and returns what
// it said on standard error: printable text. It takes less than a gigabyte.
func told(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, said bytes.Buffer
	c := exec.Command(benchAt(t), args...)
	c.Stdout, c.Stderr = &out, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	c.Wait()
	if !late.Stop() {
		t.Fatalf("bench %q does not end", args)
	}
	if got := c.ProcessState.ExitCode(); got != code || strings.Contains(said.String(), "a bug in bench") {
		t.Errorf("bench %q ends with %d, want %d: %s", args, got, code, &said)
	}
	printable(t, fmt.Sprintf("bench %q", args), said.String())
	if used := c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10; used > 1<<30 {
		t.Errorf("bench %q took %d MB", args, used>>20)
	}
	return said.String()
}

// Journals that no run wrote are refused with one sentence, and stay as they are.
func TestResumeOfWhatNoRunWrote(t *testing.T) {
	path, header, rows := begun(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, records, _ := bytes.Cut(good, []byte("\n"))
	record, _, _ := bytes.Cut(records, []byte("\n"))
	object := string(record[9:])
	sealed := func(object string) string {
		return fmt.Sprintf("%08x %s\n", crc32.Checksum([]byte(object), crc32.MakeTable(crc32.Castagnoli)), object)
	}
	// with is the journal with a first row in which one thing is another; fields
	// are replaced whole, as often as they are.
	with := func(pairs ...any) string {
		var row map[string]json.RawMessage
		if err := json.Unmarshal([]byte(object), &row); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(pairs); i += 2 {
			if _, ok := row[pairs[i].(string)]; !ok {
				t.Fatalf("a row has no %s: %s", pairs[i], object)
			}
			row[pairs[i].(string)] = json.RawMessage(pairs[i+1].(string))
		}
		b, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		return string(head) + "\n" + sealed(string(b))
	}
	headed := func(change func(*datasets.JournalHeader)) string {
		h := header
		change(&h)
		b, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		return sealed(string(b)) + string(records)
	}
	raw := func(from, to string) string {
		if !strings.Contains(object, from) {
			t.Fatalf("a row has no %s: %s", from, object)
		}
		return string(head) + "\n" + sealed(strings.Replace(object, from, to, 1))
	}
	w := rows[0].Workload.(datasets.Stream)
	other := w
	other.SizeBytes *= 3
	for name, c := range map[string]struct{ text, want string }{
		"control codes":         {headed(func(h *datasets.JournalHeader) { h.Meta.Command = []string{"bench", "run", "--suite=\x1b]0;owned\a\n"} }), "unknown suite"},
		"a command of its own":  {headed(func(h *datasets.JournalHeader) { h.Meta.Command = append(h.Meta.Command, "--out=/tmp/x") }), "command line is not one of this program's"},
		"a name that leads out": {headed(func(h *datasets.JournalHeader) { h.Meta.ID = "../../x" }), `the run's name "../../x" is none that bench gives`},
		"no name":               {headed(func(h *datasets.JournalHeader) { h.Meta.ID = "" }), `the run's name "" is none that bench gives`},
		"a row for a header":    {sealed(object), "this is no journal of bench"},
		"a header for a row":    {string(head) + "\n" + string(head) + "\n", "a row has no workload"},
		"a line without an end": {string(head) + "\n" + strings.Repeat("x", 33<<20) + "\n", "line 2: longer than any record"},
		"a list of 262,144":     {raw(`"samples_s":[`, `"samples_s":[`+strings.Repeat("1,", 1<<18)), "its time is "},
		"nested lists":          {string(head) + "\n" + sealed(strings.Repeat(`{"key":[`, 1<<20)), "line 2: "},
		"nested in a column":    {raw(`"samples_s":[`, `"samples_s":[`+strings.Repeat("[", 1<<20)), "line 2: "},
		"a number too large":    {with("time_median_s", "1e400"), "line 2: time_median_s: "},
		"a negative time":       {with("time_median_s", "-1"), "cannot have been measured: its time is -1 s"},
		"no number for a time":  {with("time_median_s", `"NaN"`), "cannot have been measured: its time is NaN s"},
		"a text for a time":     {with("time_median_s", `"fast"`), "line 2: time_median_s: "},
		"no samples":            {with("samples_s", "[]"), "it has no samples"},
		"a negative sample":     {with("samples_s", "[-1]"), "a sample took -1 s"},
		"an endless sample":     {with("samples_s", `["+Inf"]`), "a sample took +Inf s"},
		"a verdict of its own":  {with("verdict", `"splendid\u001b[31m"`), "its verdict is "},
		"imported":              {with("source", `"imported"`), `its source is "imported"`},
		"another case":          {with("size_bytes", fmt.Sprint(other.SizeBytes), "key", fmt.Sprintf("%q", other.Key())), "is not of the plan"},
		"a key of its own":      {with("key", `"hbm/x"`), `line 2: the key "hbm/x" does not belong to the workload`},
		"no such ranks":         {with("ranks", "-1"), "line 2: "},
		"a torn line behind":    {with("time_median_s", "-1") + "0123", "its time is -1 s"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			said := told(t, exitUsage, "run", "--resume", path)
			last := said[strings.LastIndexByte(strings.TrimSpace(said), '\n')+1:]
			if !strings.HasPrefix(last, "bench: ") || !strings.Contains(last, c.want) {
				t.Errorf("it says %q, want %q", said, c.want)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != c.text {
				t.Errorf("the journal was changed: %v", err)
			}
			if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
				t.Errorf("besides the journal there is more: %v, %v", left, err)
			}
		})
	}
	os.Remove(path)
	for name, put := range map[string]func() error{
		"a pipe":   func() error { return syscall.Mkfifo(path, 0o644) },
		"a device": func() error { return os.Symlink("/dev/zero", path) },
		"a loop":   func() error { return os.Symlink(path, path) },
		"a folder": func() error { return os.Mkdir(path, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := put(); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(path)
			told(t, exitUsage, "run", "--resume", path)
		})
	}
}

// A folder of results in which somebody put what is none: each is named and passed
// over where that is asked for, and else ends the verb with one sentence.
func TestFolderOfWhatIsNoResult(t *testing.T) {
	folder := realRun(t)
	good := func(dir string) {
		t.Helper()
		for _, host := range []string{"a", "b"} {
			if err := datasets.WriteFile(filepath.Join(dir, host+".parquet"), spelledRun(harmless, host, 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, put := range []func(dir string) error{
		func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "x\nbench: all is well\x1b[31m.parquet"), nil, 0o644)
		},
		func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "--out=x.parquet"), []byte("PAR1"), 0o644)
		},
		func(dir string) error { return os.Symlink("loop.parquet", filepath.Join(dir, "loop.parquet")) },
		func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "pipe.parquet"), 0o644) },
		func(dir string) error { return os.Symlink("/dev/zero", filepath.Join(dir, "device.parquet")) },
		func(dir string) error { // a terabyte that takes no room
			f, err := os.Create(filepath.Join(dir, "sparse.parquet"))
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Truncate(1 << 40)
		},
	} {
		dir := filepath.Join(folder, fmt.Sprint(i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		good(dir)
		if err := put(dir); err != nil {
			t.Fatal(err)
		}
		if said := told(t, exitUsage, "report", dir, "--fleet"); strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "bench: ") {
			t.Errorf("%d: it says %q, want one sentence", i, said)
		}
		if said := told(t, exitDone, "report", dir, "--fleet", "--skip-broken"); strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "bench: warning: passed over: ") {
			t.Errorf("%d: it says %q, want one warning", i, said)
		}
	}
	// What is no file of results at all is not looked at; a folder is a folder,
	// whatever its name.
	dir := filepath.Join(folder, "none")
	inside := filepath.Join(dir, "x.parquet")
	if err := os.MkdirAll(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", filepath.Join(dir, "up")); err != nil {
		t.Fatal(err)
	}
	if said := told(t, exitUsage, "report", dir, "--fleet"); !strings.Contains(said, "holds no .parquet file") {
		t.Error(said)
	}
	good(inside)
	told(t, exitDone, "report", dir, "--fleet")
}
