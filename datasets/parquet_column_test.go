package datasets

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The example of Encodings.md: 0 … 7 in three bits are 88 C6 FA.
func TestHybridKnown(t *testing.T) {
	for _, c := range []struct {
		v     []uint32
		width uint
		want  []byte
	}{
		{[]uint32{0, 1, 2, 3, 4, 5, 6, 7}, 3, []byte{1<<1 | 1, 0x88, 0xC6, 0xFA}},
		{slices.Repeat([]uint32{300}, 100), 9, []byte{200, 1, 0x2C, 1}}, // 100·2 = 200 is C8 01 as a varint
		{[]uint32{1, 0, 1}, 1, []byte{1<<1 | 1, 0b101}},
	} {
		if got := appendHybrid(nil, c.v, c.width); !bytes.Equal(got, c.want) {
			t.Errorf("%v in %d bits: % x, want % x", c.v, c.width, got, c.want)
		}
	}
}

// What is encoded is decoded, at every width and mix of runs.
func TestHybridRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	k := chunk{field: &fields[0]}
	for i := range 2000 {
		width := uint(1 + i%20)
		var v []uint32
		for range r.IntN(12) {
			x := r.Uint32N(1 << width)
			for range 1 + r.IntN(20)*r.IntN(2) {
				v = append(v, x)
			}
		}
		back, err := k.hybrid(appendHybrid(nil, v, width), width, int64(len(v)), nil)
		if err != nil || !slices.Equal(v, back) {
			t.Fatalf("%v in %d bits came back as %v: %v", v, width, back, err)
		}
	}
}

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
