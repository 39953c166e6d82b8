package datasets

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// errorGroup is the figures of one suite, op, device and type.
type errorGroup struct {
	n                 int
	mape, median, p90 float64
}

// errorsByGroup is the errors of a tier as files recorded them. Quantiles are
// exact, linear between neighbours as DuckDB's quantile_cont are.
func errorsByGroup(s Scanner, paths []string, tier Tier) (map[[4]string]errorGroup, error) {
	s.Columns = []string{"suite", "op", "device_id", "dtype", string(tier) + "_error"}
	groups := map[[4]string]*[]float64{}
	for c, err := range s.Chunks(paths) {
		if err != nil {
			return nil, err
		}
		// Within a row group, a place for each combination of four texts.
		texts, errs := c.Columns[:4], &c.Columns[4]
		size := 1
		for _, t := range texts {
			size *= len(t.Texts)
		}
		to := make([]*[]float64, size)
		for i, e := range errs.Floats {
			if errs.Valid != nil && !errs.Valid[i] {
				continue
			}
			at := uint32(0)
			for j := range texts {
				at = at*uint32(len(texts[j].Texts)) + texts[j].Index[i]
			}
			g := to[at]
			if g == nil {
				var key [4]string
				for j := range texts {
					key[j] = texts[j].Texts[texts[j].Index[i]]
				}
				if g = groups[key]; g == nil {
					g = new([]float64)
					groups[key] = g
				}
				to[at] = g
			}
			*g = append(*g, math.Abs(e))
		}
	}
	out := map[[4]string]errorGroup{}
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan bool, runtime.GOMAXPROCS(0))
	for key, errs := range groups {
		all.Go(func() {
			slots <- true
			defer func() { <-slots }()
			v, sum := *errs, 0.0
			slices.Sort(v)
			for _, e := range v {
				sum += e
			}
			at := func(q float64) float64 {
				x := q * float64(len(v)-1)
				i := int(x)
				return v[i] + (x-float64(i))*(v[min(i+1, len(v)-1)]-v[i])
			}
			mu.Lock()
			defer mu.Unlock()
			out[key] = errorGroup{len(v), sum / float64(len(v)), at(0.5), at(0.9)}
		})
	}
	all.Wait()
	return out, nil
}

// write10M makes a folder that is read as 10 M rows: ten files of 100,000
// predicted rows, each under ten names.
func write10M(b *testing.B) string {
	dir := b.TempDir()
	for i := range 10 {
		run := &Run{Meta: Meta{ID: fmt.Sprint("run-", i), Host: fmt.Sprintf("node%02d", i), StartUnixS: 1769900000}, Rows: make([]Row, 100_000)}
		for j := range run.Rows {
			k := int64(i*len(run.Rows) + j)
			var w Workload = GEMM{Kernel: "matmul", Type: []DType{BF16, FP8, FP16}[k%3], M: 64 << (k % 8), N: 1024 * (1 + k/8%12), K: 1024 * (1 + k/96%8), Ranks: 1}
			if k%4 == 3 {
				w = Collective{Kind: "all_reduce", Type: FP16, SizeBytes: 1024 << (k / 4 % 20), Ranks: 8, Nodes: 1}
			}
			seconds := 1e-6 * float64(10+k*7919%9973)
			run.Rows[j] = Row{DeviceID: []string{"h100-sxm", "a100-sxm"}[i%2], Workload: w,
				Measurement: Measurement{Source: SourceMeasured, Verdict: OK, TimeS: seconds},
				Predictions: []Prediction{{Tier: TierDatasheet, Seconds: seconds * (0.6 + 0.0003*float64(k*31%1999)), Rule: "max"}}}
		}
		first := filepath.Join(dir, fmt.Sprintf("%02d-0.parquet", i))
		if err := WriteFile(first, run); err != nil {
			b.Fatal(err)
		}
		for j := range 9 {
			if err := os.Link(first, filepath.Join(dir, fmt.Sprintf("%02d-%d.parquet", i, j+1))); err != nil {
				b.Fatal(err)
			}
		}
	}
	return dir
}

// BenchmarkDuckDB10M sets our columns beside DuckDB on the query of
// docs/fleet.md over 10 M rows, both on two threads, in turn, and reports the
// ratio of the better times of three.
func BenchmarkDuckDB10M(b *testing.B) {
	dir := write10M(b)
	db := openDuckDB(b)
	if _, err := db.Exec("SET threads TO 2"); err != nil {
		b.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	ours, theirs := math.Inf(1), math.Inf(1)
	for b.Loop() {
		for range 3 {
			start := time.Now()
			got, err := errorsByGroup(Scanner{}, []string{dir}, TierDatasheet)
			if err != nil {
				b.Fatal(err)
			}
			ours = min(ours, time.Since(start).Seconds())
			start = time.Now()
			rows, err := db.Query(`SELECT suite, op, device_id, dtype, count(datasheet_error), avg(abs(datasheet_error)),
				quantile_cont(abs(datasheet_error), 0.5), quantile_cont(abs(datasheet_error), 0.9)
				FROM read_parquet('` + dir + `/*.parquet') WHERE datasheet_error IS NOT NULL GROUP BY ALL`)
			if err != nil {
				b.Fatal(err)
			}
			n, groups := 0, 0
			for rows.Next() {
				var key [4]string
				var g errorGroup
				if err := rows.Scan(&key[0], &key[1], &key[2], &key[3], &g.n, &g.mape, &g.median, &g.p90); err != nil {
					b.Fatal(err)
				}
				o := got[key]
				near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-9*y }
				if o.n != g.n || !near(o.mape, g.mape) || !near(o.median, g.median) || !near(o.p90, g.p90) {
					b.Fatalf("%v: %+v, and DuckDB has %+v", key, o, g)
				}
				n, groups = n+g.n, groups+1
			}
			if err := rows.Err(); err != nil || n != 10_000_000 || groups != len(got) {
				b.Fatalf("%d rows in %d groups, here %d: %v", n, groups, len(got), err)
			}
			theirs = min(theirs, time.Since(start).Seconds())
			rows.Close()
		}
	}
	b.ReportMetric(ours, "s")
	b.ReportMetric(theirs, "duckdb-s")
	b.ReportMetric(ours/theirs, "of-duckdb")
}
