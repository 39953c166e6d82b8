package datasets

import (
	"database/sql"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	// DuckDB reads what was written by other means than ours.
	_ "github.com/duckdb/duckdb-go/v2"
)

// openDuckDB opens an in-memory database.
func openDuckDB(t testing.TB) *sql.DB {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Every column of every row, nulls and lists included, is in DuckDB's eyes
// what the row says. What a column should hold is said by the JSON form, whose
// own round trip is tested elsewhere, and by hand for derived columns.
func TestDuckDBReadsEveryColumn(t *testing.T) {
	run := testRun(8, 3000)
	path := filepath.Join(t.TempDir(), "run.parquet")
	if err := WriteFile(path, run); err != nil {
		t.Fatal(err)
	}
	db := openDuckDB(t)
	got, err := db.Query("SELECT * FROM read_parquet('" + path + "')")
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	names, err := got.Columns()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != len(fields) {
		t.Fatalf("DuckDB sees %d columns of %d", len(names), len(fields))
	}
	for i, n := range names {
		if n != fields[i].name {
			t.Errorf("column %d is %s, and should be %s", i, n, fields[i].name)
		}
	}
	nulls, set := make([]int, len(fields)), make([]int, len(fields))
	row := 0
	for got.Next() {
		cells := make([]any, len(names))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := got.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		var r record
		if err := r.flatten(&run.Rows[row], run.Meta.ID); err != nil {
			t.Fatal(err)
		}
		for i := range fields {
			cell := *cells[i].(*any)
			want := wantCell(&fields[i], &r)
			if !sameCell(want, cell) {
				t.Fatalf("row %d, column %s: wrote %v, DuckDB reads %v (%T)", row, fields[i].name, want, cell, cell)
			}
			if cell == nil {
				nulls[i]++
			} else {
				set[i]++
			}
		}
		row++
	}
	if err := got.Err(); err != nil || row != len(run.Rows) {
		t.Fatalf("DuckDB reads %d rows: %v", row, err)
	}
	// The rows leave no column untested, either way, but those that are never
	// null.
	for i := range fields {
		never := strings.Contains(" run_id key suite op dtype ranks device_id source verdict bytes ", " "+fields[i].name+" ")
		if set[i] == 0 || nulls[i] == 0 && !never {
			t.Errorf("column %s: %d nulls, %d values", fields[i].name, nulls[i], set[i])
		}
	}
}

func wantCell(f *field, r *record) any {
	switch {
	case f.null(r):
		return nil
	case f.integer != nil:
		return *f.integer(r)
	case f.float != nil:
		return *f.float(r)
	case f.text != nil:
		return *f.text(r)
	case f.flag != nil:
		return *f.flag(r)
	case f.floats != nil:
		list := make([]any, 0)
		for _, v := range *f.floats(r) {
			list = append(list, v)
		}
		return list
	}
	list := make([]any, 0)
	for _, v := range *f.texts(r) {
		list = append(list, v)
	}
	return list
}

func sameCell(want, got any) bool {
	switch w := want.(type) {
	case float64:
		g, ok := got.(float64)
		return ok && (math.Float64bits(w) == math.Float64bits(g) || math.IsNaN(w) && math.IsNaN(g))
	case []any:
		g, ok := got.([]any)
		if !ok || len(w) != len(g) {
			return false
		}
		for i := range w {
			if !sameCell(w[i], g[i]) {
				return false
			}
		}
		return true
	}
	return want == got
}

// Derived columns by hand: an all_reduce of 1 MiB over 4 ranks in 1 ms has an
// algorithm bandwidth of 1048576/0.001 = 1.048576e9 B/s, and a bus bandwidth of
// 2·3/4 of that, 1.572864e9. A product of 64×32×16 fp32 in 1 µs is 2·32768 =
// 65536 FLOP, at 6.5536e10 FLOP/s, and moves (64·16 + 16·32 + 64·32)·4 = 14336
// B, at 1.4336e10 B/s. Predicted to take 1.5 µs, its error is 0.5.
func TestDuckDBDerivedColumns(t *testing.T) {
	ok := Measurement{Source: SourceMeasured, Verdict: OK}
	slow, fast := ok, ok
	slow.TimeS, fast.TimeS = 1e-3, 1e-6
	failed := fast
	failed.Verdict, failed.Reason = Failed, "wrong"
	moe := slow
	moe.MaxLoad, moe.MeanLoad = 12, 8
	run := &Run{Meta: Meta{ID: "r"}, Rows: []Row{
		{Workload: Collective{Kind: "all_reduce", Type: FP32, SizeBytes: 1 << 20, Ranks: 4, Nodes: 1}, Measurement: slow},
		{Workload: GEMM{Kernel: "matmul", Type: FP32, M: 64, N: 32, K: 16, Ranks: 1}, Measurement: fast,
			Predictions: []Prediction{{Tier: TierCeilings, Seconds: 1.5e-6, Terms: []Term{{"compute", 1.5e-6}, {"launch", 0}}}}},
		{Workload: GEMM{Kernel: "matmul", Type: FP32, M: 64, N: 32, K: 16, Ranks: 1}, Measurement: failed},
		{Workload: MoELayer{Kernel: "layer", Type: FP32, Tokens: 64, Hidden: 8, Intermediate: 8, Experts: 8, TopK: 1, TP: 1, EP: 1,
			Routing: Routing{Rule: RouteUniform}, Ranks: 1}, Measurement: moe},
	}}
	path := filepath.Join(t.TempDir(), "run.parquet")
	if err := WriteFile(path, run); err != nil {
		t.Fatal(err)
	}
	var got []string
	rows, err := openDuckDB(t).Query(`SELECT concat_ws(' ', suite, round(flop), round(bytes), round(wire_bytes), round(flop_per_s/1e6), round(bandwidth_bytes_per_s/1e6),
		round(algorithm_bandwidth_bytes_per_s), round(bus_bandwidth_bytes_per_s), round(tokens_per_s), imbalance,
		round(ceilings_error, 9), ceilings_term_names, in_place, routing_seed, wrong) FROM read_parquet('` + path + `')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	// all_reduce: (4−1) additions for each of 262144 elements; 2·4 MiB; 1.5 MiB.
	// moe: 64 tokens · 2·8·8 weights · 2 + router 2·64·8·8; 8·(1 − (7/8)^64) =
	// 7.998 experts of 128 weights, the router's 64, and 2·512 activations, all of 4 bytes.
	want := []string{
		fmt.Sprintf("allreduce %d.0 %d.0 %d.0 786.0 1048576000.0 1572864000.0 false", 3<<18, 8<<20, 3<<19),
		"gemm 65536.0 14336.0 0.0 65536.0 14336.0 0.5 [compute, launch]",
		"gemm 65536.0 14336.0 0.0",
		"moe 24576.0 8447.0 0.0 25.0 8.0 64000.0 1.5 0",
	}
	for i := range want {
		// wire_bytes of 0 is null.
		want[i] = strings.Replace(want[i], " 0.0", "", 1)
		if i >= len(got) || got[i] != want[i] {
			t.Errorf("row %d:\ngot  %v\nwant %s", i, got, want[i])
		}
	}
}
