package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"bench/datasets"
	"bench/microbench/session"

	// testscript: whole programs in a folder of their own, outputs compared.
	"github.com/rogpeppe/go-internal/testscript"
)

// noSleep spares each process under the race detector the second that it else
// sleeps as it ends.
const noSleep = "atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	os.Setenv("GORACE", noSleep)
	// A run in this very process starts the test binary again for its cases: it
	// must not run the tests again, and with them such a run, for ever.
	if len(os.Args) > 1 && slices.Contains([]string{session.ChildVerb, session.FollowVerb, session.GuardVerb}, os.Args[1]) {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	testscript.Main(m, map[string]func(){"bench": main})
}

// TestScripts runs the real program: the test binary is started again as
// bench, in a process of its own that can be interrupted and killed.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			nights, err := filepath.Abs("../../reports/gate/testdata/nights")
			e.Setenv("NIGHTS", nights)
			if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
				e.Setenv("FREE_PORT", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
				l.Close()
			}
			e.Setenv("GORACE", noSleep)
			docs, err2 := filepath.Abs("../../docs")
			e.Setenv("DOCS", docs)
			posts, err3 := filepath.Abs("../../../shared/data/posts")
			e.Setenv("POSTS", posts)
			return errors.Join(err, err2, err3)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":    status,
			"growing":   growing,
			"cases":     cases,
			"rename-to": renameTo,
			"fleet":     fleet,
			"run-file":  runFile,
		},
	})
}

// status CODE COMMAND…: the command ends with exactly that exit code.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE COMMAND ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if err != nil {
		var exit interface{ ExitCode() int }
		if e, ok := err.(interface{ ExitCode() int }); ok {
			exit = e
			code = exit.ExitCode()
		} else {
			ts.Fatalf("%v", err)
		}
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// glob is the one file that a pattern names.
func glob(ts *testscript.TestScript, pattern string) string {
	files, err := filepath.Glob(ts.MkAbs(pattern))
	ts.Check(err)
	if len(files) != 1 {
		ts.Fatalf("%s names %d files", pattern, len(files))
	}
	return files[0]
}

// growing PATTERN LINES: waits until the one file has that many lines.
func growing(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	for range 3000 {
		files, _ := filepath.Glob(ts.MkAbs(args[0]))
		if len(files) == 1 {
			b, _ := os.ReadFile(files[0])
			n := 0
			for _, c := range b {
				if c == '\n' {
					n++
				}
			}
			if n >= want {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s did not grow to %d lines", args[0], want)
}

// cases PATTERN N: the one Parquet file holds N different workloads.
func cases(ts *testscript.TestScript, neg bool, args []string) {
	run, err := datasets.ReadFile(glob(ts, args[0]))
	ts.Check(err)
	seen := map[string]bool{}
	for i := range run.Rows {
		seen[run.Rows[i].Workload.Key()] = true
	}
	if strconv.Itoa(len(seen)) != args[1] || len(run.Rows) != len(seen) {
		ts.Fatalf("%d rows of %d workloads, want %s", len(run.Rows), len(seen), args[1])
	}
}

// rename-to PATTERN NAME: gives the one file a name that scripts can know.
func renameTo(ts *testscript.TestScript, neg bool, args []string) {
	from := glob(ts, args[0])
	ts.Check(os.Rename(from, ts.MkAbs(args[1])))
}

// fleet DIR N SLOW FACTOR: writes a run of each of N nodes, alike but for the
// one of number SLOW, which takes FACTOR times as long.
func fleet(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	factor, err := strconv.ParseFloat(args[3], 64)
	ts.Check(err)
	ts.Check(os.MkdirAll(ts.MkAbs(args[0]), 0o755))
	for node := range n {
		seconds := 1e-3
		if strconv.Itoa(node) == args[2] {
			seconds *= factor
		}
		name := "node" + strconv.Itoa(node)
		ts.Check(datasets.WriteFile(filepath.Join(ts.MkAbs(args[0]), name+".parquet"), &datasets.Run{
			Meta: datasets.Meta{ID: name, Host: name, StartUnixS: 1769900000},
			Rows: []datasets.Row{{DeviceID: "host", Workload: datasets.Stream{Kernel: "copy", Type: datasets.FP64, SizeBytes: 1 << 24, Ranks: 1},
				Measurement: datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.OK, TimeS: seconds}}}}))
	}
}
