package datasets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func testRun(seed uint64, n int) *Run {
	return &Run{
		Meta: Meta{ID: "run-1", Bench: "v0", Command: []string{"bench", "run"}, StartUnixS: 1, EndUnixS: 2, Host: "h",
			Environment: map[string]string{"kernel": "6.1"}, Notes: []string{"a note"}},
		Devices: []Device{{ID: "host", Name: "CPU", Kind: "cpu", Arch: "x86-64", Units: 2,
			PeakFLOPs: map[DType]Figure{FP32: {1e11, Measured, "peak"}},
			Ceilings:  []Ceiling{{Workload: GEMM{Kernel: "peak", Type: FP32, Ops: 1 << 30, Ranks: 2}, Key: "gemm/peak fp32 ops=1073741824 ranks=2", Seconds: 0.5}}}},
		Rows: randomRows(seed, n),
	}
}

func TestParquetRoundTrip(t *testing.T) {
	// One row, less than a row group, several row groups with a rest.
	for _, n := range []int{0, 1, 5000, 2*rowGroupRows + 1234} {
		run := testRun(uint64(n), n)
		path := filepath.Join(t.TempDir(), "run.parquet")
		if err := WriteFile(path, run); err != nil {
			t.Fatal(err)
		}
		back, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if i, ok := sameRows(run.Rows, back.Rows); !ok {
			if i < 0 {
				t.Fatalf("%d rows came back as %d", len(run.Rows), len(back.Rows))
			}
			t.Fatalf("row %d:\nwrote %+v\nread  %+v", i, run.Rows[i], back.Rows[i])
		}
		if !reflect.DeepEqual(run.Meta, back.Meta) || !reflect.DeepEqual(run.Devices, back.Devices) {
			t.Errorf("provenance:\nwrote %+v %+v\nread  %+v %+v", run.Meta, run.Devices, back.Meta, back.Devices)
		}
		left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
		if len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// Rows may come one at a time, and the caller may use its slice again.
func TestParquetWriterKeepsNothing(t *testing.T) {
	run := testRun(5, 5000)
	path := filepath.Join(t.TempDir(), "run.parquet")
	w, err := CreateFile(path, run.Meta, run.Devices)
	if err != nil {
		t.Fatal(err)
	}
	var one [1]Row
	for i := range run.Rows {
		one[0] = run.Rows[i]
		if err := w.Write(one[:]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there before it is whole")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	back, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if i, ok := sameRows(run.Rows, back.Rows); !ok {
		t.Errorf("row %d differs", i)
	}
}

func TestParquetProjection(t *testing.T) {
	run := testRun(6, 100)
	path := filepath.Join(t.TempDir(), "run.parquet")
	if err := WriteFile(path, run); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	i := 0
	for rows, err := range f.Batches(append(WorkloadColumns(), append(TierColumns(TierCeilings), "time_median_s")...)...) {
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range rows {
			want := Row{Workload: run.Rows[i].Workload}
			want.Measurement.TimeS = run.Rows[i].Measurement.TimeS
			for _, p := range run.Rows[i].Predictions {
				if p.Tier == TierCeilings {
					want.Predictions = append(want.Predictions, p)
				}
			}
			if _, ok := sameRows([]Row{want}, []Row{got}); !ok {
				t.Fatalf("row %d:\nwant %+v\ngot  %+v", i, want, got)
			}
			i++
		}
	}
	if i != 100 {
		t.Errorf("%d rows", i)
	}
	for _, err := range f.Batches("speed") {
		if err == nil || !strings.Contains(err.Error(), `there is no column "speed"`) {
			t.Errorf("unknown column: %v", err)
		}
	}
}

func TestParquetWriteFailures(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run.parquet")
	if err := WriteFile(filepath.Join(dir, "none", "run.parquet"), testRun(1, 1)); err == nil || !strings.Contains(err.Error(), "the folder cannot be written to") {
		t.Errorf("no folder: %v", err)
	}
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := testRun(1, 10)
	run.Rows[7].Workload = nil
	if err := WriteFile(path, run); !errors.Is(err, errNoWorkload) {
		t.Errorf("no workload: %v", err)
	}
	run = testRun(1, 10)
	run.Rows[7].Predictions = []Prediction{{Tier: "guess"}}
	if err := WriteFile(path, run); err == nil || !strings.Contains(err.Error(), `"guess"`) {
		t.Errorf("unknown tier: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Errorf("a failed write touched the file: %q", b)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func wholeFile(t testing.TB, n int) []byte {
	path := filepath.Join(t.TempDir(), "run.parquet")
	if err := WriteFile(path, testRun(9, n)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParquetRefuses(t *testing.T) {
	dir := t.TempDir()
	good := wholeFile(t, 20)
	foreign, err := os.ReadFile("testdata/foreign.parquet")
	if err != nil {
		t.Fatal(err)
	}
	hugeFooter := bytes.Clone(good)
	binary.LittleEndian.PutUint32(hugeFooter[len(hugeFooter)-8:], 1<<31)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":     {nil, "this is not a Parquet file"},
		"text":      {[]byte("suite,op\n"), "this is not a Parquet file"},
		"head":      {[]byte("PAR1"), "truncated"},
		"truncated": {good[:len(good)/2], "the file is truncated: its end is missing"},
		"footer":    {hugeFooter, "a footer of 2147483648 bytes does not fit"},
		"foreign":   {foreign, "was not written by bench"},
		"newer":     {bytes.Replace(good, []byte("bench.schema_version\x18\x011"), []byte("bench.schema_version\x18\x017"), 1), "schema version 7, and this bench reads up to 1: use a newer bench"},
	} {
		path := filepath.Join(dir, name+".parquet")
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadFile(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := ReadFile(dir); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := ReadFile(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestReadPaths(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"b.parquet", "suite=gemm/day=1/a.parquet", "suite=hbm/c.parquet"} {
		p = filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		run := testRun(1, 3)
		run.Meta.ID = filepath.Base(p)
		if err := WriteFile(p, run); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(dir, ".b.parquet.123.tmp"), []byte("half"), 0o600)
	os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("no data"), 0o600)
	runs, err := ReadPaths([]string{dir, filepath.Join(dir, "b.parquet")})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range runs {
		ids = append(ids, r.Meta.ID)
	}
	if strings.Join(ids, " ") != "b.parquet a.parquet c.parquet b.parquet" {
		t.Errorf("read %v", ids)
	}
	empty := t.TempDir()
	if _, err := ReadPaths([]string{empty}); err == nil || err.Error() != empty+" holds no .parquet file" {
		t.Errorf("empty folder: %v", err)
	}
}

// Bytes of a small file are spoiled: nothing may panic, and memory
// stays bounded.
func TestParquetSpoiled(t *testing.T) {
	good := wholeFile(t, 3)
	r := rand.New(rand.NewPCG(2, 2))
	for range 3000 {
		// The footer says most, and takes most of a small file.
		i := r.IntN(len(good))
		for _, v := range []byte{0xff, good[i] ^ 1<<r.IntN(8)} {
			bad := bytes.Clone(good)
			bad[i] = v
			readBytes(bad)
		}
	}
}

func readBytes(b []byte) (*Run, error) {
	f, err := newFile("f", bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return f.readAll(nil)
}

func FuzzReadParquet(f *testing.F) {
	f.Add(wholeFile(f, 3))
	f.Add(wholeFile(f, 40))
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run, err := readBytes(b)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<29+uint64(len(b))<<14 {
			t.Errorf("%d bytes of file took %d bytes of memory", len(b), used)
		}
		if err != nil {
			return
		}
		// What was read can be written and read again.
		path := filepath.Join(t.TempDir(), "run.parquet")
		for i := range run.Rows {
			if run.Rows[i].Workload == nil {
				return
			}
		}
		if err := WriteFile(path, run); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFile(path); err != nil {
			t.Fatal(err)
		}
	})
}

// benchmarkRows are like a night's: all types, a third predicted at two tiers,
// ten samples each.
func benchmarkRows(n int) []Row {
	r := rand.New(rand.NewPCG(1, 1))
	rows := make([]Row, n)
	for i := range rows {
		m := Measurement{Source: SourceMeasured, Verdict: OK, TimeS: r.ExpFloat64(), LowS: r.Float64(), HighS: r.Float64(), Confidence: 0.95,
			Stop: "interval", Checked: 100, RelErrBound: 1e-5, MaxRelError: r.Float64(), Stack: Stack{"openblas", "0.3.21", "dgemm"}, BatchIterations: 1 + r.Int64N(100),
			SamplesS: make([]float64, 10), Conditions: Conditions{StartUnixNS: r.Int64N(1 << 60), ClockHz: 3e9, Governor: "performance", LoadAverage: 1, SentinelRatio: 1}}
		for j := range m.SamplesS {
			m.SamplesS[j] = r.Float64()
		}
		rows[i] = Row{Workload: randomWorkload(r), DeviceID: "host", Measurement: m, Predictions: []Prediction{
			{Tier: TierDatasheet, NotPredicted: "no datasheet bandwidth"},
			{Tier: TierCeilings, Seconds: r.Float64(), Rule: "max", Binds: "memory", Terms: []Term{{"compute", r.Float64()}, {"memory", r.Float64()}}}}}
	}
	return rows
}

const million = 1_000_000

func BenchmarkParquetWrite1M(b *testing.B) {
	rows := benchmarkRows(20_000)
	path := filepath.Join(b.TempDir(), "run.parquet")
	b.ResetTimer()
	for b.Loop() {
		w, err := CreateFile(path, Meta{ID: "run-1"}, nil)
		if err != nil {
			b.Fatal(err)
		}
		for range million / len(rows) {
			if err := w.Write(rows); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	info, _ := os.Stat(path)
	report(b)
	b.ReportMetric(float64(info.Size())/million, "file-B/row")
}

func BenchmarkParquetRead1M(b *testing.B) {
	rows := benchmarkRows(20_000)
	path := filepath.Join(b.TempDir(), "run.parquet")
	w, _ := CreateFile(path, Meta{ID: "run-1"}, nil)
	for range million / len(rows) {
		w.Write(rows)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		f, err := OpenFile(path)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for batch, err := range f.Batches() {
			if err != nil {
				b.Fatal(err)
			}
			n += len(batch)
		}
		if f.Close(); n != million {
			b.Fatalf("%d rows", n)
		}
	}
	report(b)
}

// report gives rows a second and the most memory that Go has held.
func report(b *testing.B) {
	b.ReportMetric(float64(million)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/1e6, "MB-held")
}
