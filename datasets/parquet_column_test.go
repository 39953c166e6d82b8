package datasets

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Columns that outgrow a page or a dictionary, and numbers without an order,
// come back whole, and DuckDB, which skips by our statistics, finds them.
func TestParquetLargeColumns(t *testing.T) {
	rows := randomRows(4, 3000)
	for i := range rows {
		m := &rows[i].Measurement
		m.Reason = fmt.Sprintf("%d %s", i, strings.Repeat("x", 1000)) // 3 MB of texts
		m.SamplesS = nil
		for j := range i % 300 { // 3.6 MB of samples
			m.SamplesS = append(m.SamplesS, float64(i*j))
		}
		m.MaxRelError, m.Checked = []float64{math.NaN(), 0, math.Inf(1), -1}[i%4], 1
		m.Conditions.PowerWatt = float64(i + 1)
	}
	path := filepath.Join(t.TempDir(), "run.parquet")
	if err := WriteFile(path, &Run{Rows: rows}); err != nil {
		t.Fatal(err)
	}
	back, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		want, got := rows[i].Measurement, back.Rows[i].Measurement
		if want.Reason != got.Reason || !slices.Equal(want.SamplesS, got.SamplesS) ||
			math.Float64bits(want.MaxRelError) != math.Float64bits(got.MaxRelError) {
			t.Fatalf("row %d: wrote %+v, read %+v", i, want, got)
		}
	}
	db := openDuckDB(t)
	for where, want := range map[string]int{
		"power_watt = 3000": 1, "power_watt <= 10": 10, "power_watt > 3000": 0,
		"max_rel_error = 0": 750, "isnan(max_rel_error)": 750, "max_rel_error = 'inf'": 750, "max_rel_error = -1": 750,
		"starts_with(reason, '2999 ')": 1, "len(samples_s) = 299": 10, "reason is null": 0, "samples_s is null": 10,
		"source = 'measured' or source <> 'measured'": 3000,
	} {
		got := 0
		if err := db.QueryRow("SELECT count(*) FROM read_parquet('" + path + "') WHERE " + where).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %d rows, want %d: %v", where, got, want, err)
		}
	}
}
