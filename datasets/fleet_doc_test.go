package datasets

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// docQueries are the SQL blocks of a document's section.
func docQueries(t *testing.T, path, section string) []string {
	t.Helper()
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, doc2, found := strings.Cut(string(doc), "\n## "+section+"\n")
	if !found {
		t.Fatalf("%s has no section %s", path, section)
	}
	doc2, _, _ = strings.Cut(doc2, "\n## ")
	var queries []string
	for i, block := range strings.Split(doc2, "```") {
		if i%2 == 1 {
			queries = append(queries, strings.TrimPrefix(block, "sql\n"))
		}
	}
	return queries
}

// Every DuckDB query of docs/fleet.md runs over a folder as bench writes it, and
// finds the node that is 30 % slower.
func TestFleetDocQueries(t *testing.T) {
	dir := t.TempDir()
	for night := range 2 {
		for host := range 4 {
			slow := 1.0
			if host == 2 {
				slow = 1.3
			}
			run := &Run{Meta: Meta{ID: fmt.Sprintf("r%d%d", night, host), Host: fmt.Sprintf("node%d", host),
				StartUnixS: time.Date(2026, 1, 30+night, 2, 0, 0, 0, time.UTC).Unix()}}
			for op, s := range map[string]float64{"copy": 1e-3, "triad": 2e-3} {
				run.Rows = append(run.Rows, Row{DeviceID: "host", Workload: Stream{Kernel: op, Type: FP64, SizeBytes: 3 << 20, Ranks: 1},
					Measurement: Measurement{Source: SourceMeasured, Verdict: OK, TimeS: s * slow, SamplesS: []float64{s, s, s}},
					Predictions: []Prediction{{Tier: TierCeilings, Seconds: s}}})
			}
			run.Rows = append(run.Rows, Row{DeviceID: "host", Workload: Stream{Kernel: "read", Type: FP64, SizeBytes: 8, Ranks: 1},
				Measurement: Measurement{Source: SourceMeasured, Verdict: Skipped, Reason: "too small"}})
			folder := filepath.Join(dir, "results", PartitionFolder(&run.Meta))
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := WriteFile(filepath.Join(folder, run.Meta.ID+".parquet"), run); err != nil {
				t.Fatal(err)
			}
		}
	}
	db := openDuckDB(t)
	query := func(q string) (rows [][]any) {
		got, err := db.Query(strings.ReplaceAll(q, "'results/", "'"+filepath.Join(dir, "results")+"/"))
		if err != nil {
			t.Fatalf("%v\n%s", err, q)
		}
		defer got.Close()
		names, _ := got.Columns()
		for got.Next() {
			cells := make([]any, len(names))
			for i := range cells {
				cells[i] = new(any)
			}
			if err := got.Scan(cells...); err != nil {
				t.Fatal(err)
			}
			for i := range cells {
				cells[i] = *cells[i].(*any)
			}
			rows = append(rows, cells)
		}
		if err := got.Err(); err != nil {
			t.Fatalf("%v\n%s", err, q)
		}
		return rows
	}
	queries := docQueries(t, "../docs/fleet.md", "DuckDB")
	want := []int{16, 2, 4, 8, 48} // 2 nights × 4 nodes × 2 workloads; 2 ops; 4 nodes; 8 skipped; 3 samples each
	if len(queries) != len(want) {
		t.Fatalf("%d queries", len(queries))
	}
	for i, q := range queries {
		rows := query(q)
		if len(rows) != want[i] {
			t.Errorf("query %d gives %d rows, want %d:\n%s", i+1, len(rows), want[i], q)
		}
		switch i {
		case 1: // three nodes of four as predicted, one 1/1.3 − 1 = −23.1 % off
			if mape := rows[0][5].(float64); math.Abs(mape-(1-1/1.3)/4) > 1e-12 {
				t.Errorf("MAPE %v", rows[0])
			}
		case 2:
			if rows[0][0] != "node2" || math.Abs(rows[0][2].(float64)-0.3) > 1e-12 || math.Abs(rows[1][2].(float64)) > 1e-12 {
				t.Errorf("against the fleet: %v", rows)
			}
		case 3:
			if rows[0][3] != "too small" {
				t.Errorf("why: %v", rows[0])
			}
		}
	}
}
