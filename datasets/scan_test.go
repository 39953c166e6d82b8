package datasets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeNights writes a partitioned folder: a file for each night and host, each
// of n rows.
func writeNights(t testing.TB, nights, hosts, n int) string {
	dir := t.TempDir()
	for night := range nights {
		for host := range hosts {
			run := testRun(uint64(night*hosts+host), n)
			run.Meta.ID = fmt.Sprintf("n%dh%d", night, host)
			run.Meta.StartUnixS = time.Date(2026, 1, 30+night, 23, 0, 0, 0, time.UTC).Unix()
			run.Meta.Host = fmt.Sprintf("node %d", host)
			folder := filepath.Join(dir, PartitionFolder(&run.Meta))
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := WriteFile(filepath.Join(folder, run.Meta.ID+".parquet"), run); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func TestPartitionFolder(t *testing.T) {
	at := time.Date(2026, 2, 1, 1, 30, 0, 0, time.FixedZone("", 2*3600)).Unix() // 31 January in UTC
	for host, want := range map[string]string{
		"node17": "date=2026-01-31/host=node17", "": "date=2026-01-31/host=__HIVE_DEFAULT_PARTITION__",
		"a b/../c=d%": "date=2026-01-31/host=a%20b%2F..%2Fc%3Dd%25",
	} {
		if got := filepath.ToSlash(PartitionFolder(&Meta{Host: host, StartUnixS: at})); got != want {
			t.Errorf("host %q: %s, want %s", host, got, want)
		}
	}
}

// A scan gives what reading each file gives, in the order of the names.
func TestScanReadsAllInOrder(t *testing.T) {
	dir := writeNights(t, 3, 2, 40)
	files, err := Paths([]string{dir})
	if err != nil || len(files) != 6 {
		t.Fatal(files, err)
	}
	at := 0
	for b, err := range Scan([]string{dir}) {
		if err != nil {
			t.Fatal(err)
		}
		want, err := ReadFile(files[at])
		if err != nil {
			t.Fatal(err)
		}
		if i, ok := sameRows(want.Rows, b.Rows); !ok || b.File.Path != files[at] || b.File.Meta.ID != want.Meta.ID {
			t.Fatalf("file %d, %s: row %d differs from reading %s", at, b.File.Path, i, files[at])
		}
		at++
	}
	if at != 6 {
		t.Errorf("%d batches", at)
	}
	// Leaving early leaves nothing running that could be seen by the race
	// detector or block.
	for range Scan([]string{dir}, "key") {
		break
	}
	for f, err := range new(Scanner).Files([]string{dir}) {
		if err != nil || f.NumRows != 40 {
			t.Fatal(f, err)
		}
	}
}

func TestScanRefuses(t *testing.T) {
	foreign, err := os.ReadFile("testdata/foreign.parquet")
	if err != nil {
		t.Fatal(err)
	}
	spoil := map[string]struct {
		change func(dir, file string)
		want   string
	}{
		"foreign": {func(_, file string) { os.WriteFile(file, foreign, 0o644) }, "was not written by bench"},
		"cut": {func(_, file string) {
			b, _ := os.ReadFile(file)
			os.WriteFile(file, b[:len(b)/2], 0o644)
		}, "is truncated"},
		"host": {func(dir, file string) {
			os.MkdirAll(filepath.Join(dir, "date=2026-01-31", "host=elsewhere"), 0o755)
			os.Rename(file, filepath.Join(dir, "date=2026-01-31", "host=elsewhere", "x.parquet"))
		}, `its folder says host="elsewhere", and the run in it "node%200"`},
		"date": {func(dir, file string) {
			os.MkdirAll(filepath.Join(dir, "date=2025-01-01", "host=node%200"), 0o755)
			os.Rename(file, filepath.Join(dir, "date=2025-01-01", "host=node%200", "x.parquet"))
		}, `its folder says date="2025-01-01", and the run in it "2026-01-31"`},
	}
	for name, c := range spoil {
		t.Run(name, func(t *testing.T) {
			dir := writeNights(t, 3, 1, 5)
			c.change(dir, filepath.Join(dir, "date=2026-01-31", "host=node%200", "n1h0.parquet"))
			rows, stopped := 0, error(nil)
			for b, err := range Scan([]string{dir}, "key") {
				if stopped = err; err == nil {
					rows += len(b.Rows)
				}
			}
			if stopped == nil || !strings.Contains(stopped.Error(), c.want) || !strings.HasPrefix(stopped.Error(), dir) {
				t.Errorf("after %d rows: %v", rows, stopped)
			}
			if _, err := ReadPaths([]string{dir}); err == nil || err.Error() != stopped.Error() {
				t.Errorf("ReadPaths: %v", err)
			}
			// Passed over, and named.
			var broken []error
			s := Scanner{Broken: func(err error) { broken = append(broken, err) }}
			rows = 0
			for b, err := range s.Rows([]string{dir}) {
				if err != nil {
					t.Fatal(err)
				}
				rows += len(b.Rows)
			}
			if rows != 10 || len(broken) != 1 || broken[0].Error() != stopped.Error() {
				t.Errorf("%d rows, passed over %v", rows, errors.Join(broken...))
			}
		})
	}
	if _, err := ReadPaths([]string{writeNights(t, 1, 1, 1)}); err != nil {
		t.Error(err)
	}
	for _, err := range Scan([]string{writeNights(t, 1, 1, 1)}, "colour") {
		if err == nil || !strings.Contains(err.Error(), `there is no column "colour"`) {
			t.Error(err)
		}
	}
}

// Of files that are not wanted whole a run has its provenance, and no row.
func TestScannerWhole(t *testing.T) {
	dir := t.TempDir()
	for _, host := range []string{"a", "b"} {
		run := testRun(3, 5)
		run.Meta.Host = host
		if err := WriteFile(filepath.Join(dir, host+".parquet"), run); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := (&Scanner{Whole: func(f *File) bool { return f.Meta.Host == "b" }}).Runs([]string{dir})
	if err != nil || len(runs) != 2 {
		t.Fatal(len(runs), err)
	}
	if runs[0].Meta.Host != "a" || len(runs[0].Rows) != 0 || len(runs[1].Rows) != 5 {
		t.Errorf("%s has %d rows, %s %d", runs[0].Meta.Host, len(runs[0].Rows), runs[1].Meta.Host, len(runs[1].Rows))
	}
}
