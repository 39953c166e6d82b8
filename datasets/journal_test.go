package datasets

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func testJournal(t testing.TB, n int) (path string, rows []Row) {
	path = filepath.Join(t.TempDir(), "run.journal")
	run := testRun(4, n)
	j, err := CreateJournal(path, JournalHeader{Meta: run.Meta, Devices: run.Devices, PlanHash: "abc"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range run.Rows {
		if err := j.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path, run.Rows
}

func TestJournalRoundTrip(t *testing.T) {
	path, rows := testJournal(t, 300)
	header, back, torn, err := ReadJournal(path)
	if err != nil || torn {
		t.Fatal(err, torn)
	}
	if i, ok := sameRows(rows, back); !ok {
		t.Fatalf("row %d:\nwrote %+v\nread  %+v", i, rows[i], back[i])
	}
	run := testRun(4, 0)
	if !reflect.DeepEqual(header, JournalHeader{SchemaVersion, run.Meta, run.Devices, "abc"}) {
		t.Errorf("header %+v", header)
	}
	if _, err := CreateJournal(path, JournalHeader{}); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("created over a journal: %v", err)
	}
}

// Cut anywhere, a journal keeps every whole row, and goes on from there.
func TestJournalTorn(t *testing.T) {
	path, rows := testJournal(t, 4)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(whole, '\n') + 1
	for cut := first; cut < len(whole); cut += 61 {
		p := filepath.Join(t.TempDir(), "torn.journal")
		if err := os.WriteFile(p, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		n := bytes.Count(whole[:cut], []byte("\n")) - 1
		j, _, back, torn, err := OpenJournal(p)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if _, ok := sameRows(rows[:n], back); !ok || torn != (whole[cut-1] != '\n') {
			t.Fatalf("cut at %d: %d rows, torn %v", cut, len(back), torn)
		}
		if err := j.Append(rows[n]); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		_, back, torn, err = ReadJournal(p)
		if _, ok := sameRows(rows[:n+1], back); err != nil || torn || !ok {
			t.Fatalf("cut at %d and resumed: %d rows, torn %v, %v", cut, len(back), torn, err)
		}
		if err := j.Append(rows[0]); err == nil {
			t.Error("appended to a closed journal")
		}
	}
	// The last line's blocks may never have been written.
	hole := bytes.Clone(whole)
	clear(hole[len(hole)-20 : len(hole)-1])
	p := filepath.Join(t.TempDir(), "hole.journal")
	os.WriteFile(p, hole, 0o600)
	if _, back, torn, err := ReadJournal(p); err != nil || !torn || len(back) != 3 {
		t.Errorf("a hole: %d rows, torn %v, %v", len(back), torn, err)
	}
}

func TestJournalRefuses(t *testing.T) {
	path, _ := testJournal(t, 3)
	whole, _ := os.ReadFile(path)
	lines := bytes.SplitAfter(whole, []byte("\n"))
	spoiled := func(n int) []byte {
		b := bytes.Clone(whole)
		at := 0
		for _, l := range lines[:n] {
			at += len(l)
		}
		b[at+40] ^= 1
		return b
	}
	object := func(s string) []byte {
		return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum([]byte(s), castagnoli), s)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"header":  {spoiled(0), "line 1: the record does not match its checksum"},
		"middle":  {spoiled(2), "line 3: the record does not match its checksum"},
		"empty":   {nil, "no whole first line"},
		"cut":     {lines[0][:10], "no whole first line"},
		"foreign": {[]byte("hello\nworld\n"), "line 1: "},
		"json":    {object(`{"a":1}`), "line 1: this is no journal of bench"},
		"newer":   {object(`{"journal_schema_version":9}`), "schema version 9, and this bench reads up to 1: use a newer bench"},
		"row":     {append(bytes.Clone(lines[0]), object(`{"suite":"hbm"}`)...), "line 2: a row has no workload"},
		"key":     {append(bytes.Clone(lines[0]), object(`{"key":"x","suite":"hbm","op":"copy"}`)...), `line 2: the key "x" does not belong`},
		"type":    {append(bytes.Clone(lines[0]), object(`{"ranks":"two"}`)...), "line 2: ranks: "},
	} {
		p := filepath.Join(t.TempDir(), name+".journal")
		os.WriteFile(p, c.data, 0o600)
		_, _, _, err := ReadJournal(p)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), p) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if _, _, _, _, err := OpenJournal(p); err == nil {
			t.Errorf("%s: opened", name)
		}
		if b, _ := os.ReadFile(p); !bytes.Equal(b, c.data) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func FuzzReadJournal(f *testing.F) {
	path, _ := testJournal(f, 3)
	whole, _ := os.ReadFile(path)
	f.Add(whole)
	f.Add(whole[:len(whole)-9])
	f.Fuzz(func(t *testing.T, b []byte) {
		// Checksums are mended, so that what they cover is fuzzed as well.
		var mended []byte
		for line := range bytes.Lines(b) {
			if len(line) > 9 && line[len(line)-1] == '\n' {
				object := line[9 : len(line)-1]
				line = fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(object, castagnoli), object)
			}
			mended = append(mended, line...)
		}
		_, rows, good, _, err := readJournal(bytes.NewReader(mended))
		if err != nil {
			return
		}
		if good > int64(len(mended)) {
			t.Fatal("more was good than there was")
		}
		for i := range rows {
			b, err := marshalRow(&rows[i])
			if err != nil {
				t.Fatal(err)
			}
			again, err := unmarshalRow(b)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := sameRows(rows[i:i+1], []Row{again}); !ok {
				t.Fatalf("%+v became %+v", rows[i], again)
			}
		}
	})
}

// BenchmarkJournalAppend shows what the fsync of each case costs.
func BenchmarkJournalAppend(b *testing.B) {
	path := filepath.Join(b.TempDir(), "run.journal")
	j, err := CreateJournal(path, JournalHeader{})
	if err != nil {
		b.Fatal(err)
	}
	row := benchmarkRows(1)[0]
	for b.Loop() {
		if err := j.Append(row); err != nil {
			b.Fatal(err)
		}
	}
}

// Two runs that resumed one journal would both append to it.
func TestAJournalHasOneWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.journal")
	j, err := CreateJournal(path, JournalHeader{Meta: Meta{ID: "run-1"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, _, err := OpenJournal(path); err == nil || !strings.Contains(err.Error(), "another run is writing it") {
		t.Errorf("a journal in use opens: %v", err)
	}
	if _, _, _, err := ReadJournal(path); err != nil {
		t.Errorf("a journal in use cannot be read: %v", err)
	}
	// One that is about to end, as what a killed run leaves behind is, is waited for.
	time.AfterFunc(2*lockPause, func() { j.Close() })
	again, _, _, _, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// A power cut may leave the last record at any length, and may leave the blocks
// of its end unwritten, as zeros: what was synced before it is read, and it is
// never taken for whole.
func TestJournalTornAtEveryByte(t *testing.T) {
	path, rows := testJournal(t, 2)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	check := func(what string, at int, b []byte) {
		_, back, good, torn, err := readJournal(bytes.NewReader(b))
		if _, same := sameRows(rows[:1], back); err != nil || !same || good != int64(last) || torn != (len(b) > last) {
			t.Fatalf("%s at byte %d of %d: %d rows, %d bytes good, torn %v, %v", what, at-last, len(whole)-last, len(back), good, torn, err)
		}
	}
	for at := last; at < len(whole); at++ {
		check("cut off", at, whole[:at])
		zeros := bytes.Clone(whole)
		clear(zeros[at:])
		check("zeros", at, zeros)
		if at < len(whole)-1 { // the newline was written and what is before it was not
			zeros[len(zeros)-1] = '\n'
			check("a hole", at, zeros)
		}
	}
}

// The open file outlives its name: the journal writes itself again where its
// folder was removed under it.
func TestJournalIsRestored(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "results", "today")
	if err := MakeFolder(folder); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "run.journal")
	run := testRun(4, 3)
	j, err := CreateJournal(path, JournalHeader{Meta: run.Meta})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for i, r := range run.Rows {
		if i == 1 {
			if err := os.RemoveAll(filepath.Dir(folder)); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	_, back, torn, err := ReadJournal(path)
	if _, same := sameRows(run.Rows, back); err != nil || torn || !same || j.Restored() != 1 {
		t.Errorf("%d rows, torn %v, restored %d times, %v", len(back), torn, j.Restored(), err)
	}
	if _, _, _, _, err := OpenJournal(path); err == nil {
		t.Error("the restored journal has no lock")
	}

	// Another's file in its place is left alone.
	os.Remove(path)
	os.WriteFile(path, []byte("mine"), 0o600)
	err = j.Append(run.Rows[0])
	if err == nil || !strings.Contains(err.Error(), "another file has taken its place") {
		t.Errorf("a journal whose name is another's: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Errorf("another's file became %q", b)
	}
}
