package datasets

import (
	"math"
	"path/filepath"
	"testing"
)

// Read as columns, each value is what its row says; derived ones too.
func TestColumnsAreTheRows(t *testing.T) {
	run := testRun(8, 20_000) // two row groups
	path := filepath.Join(t.TempDir(), "run.parquet")
	if err := WriteFile(path, run); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range fields {
		if !fields[i].list() {
			names = append(names, fields[i].name)
		}
	}
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	row, nulls := 0, 0
	for c, err := range f.Columns(names...) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Rows {
			var r record
			if err := r.flatten(&run.Rows[row], run.Meta.ID); err != nil {
				t.Fatal(err)
			}
			row++
			for j, n := range names {
				of, col := &fields[fieldIndex[n]], &c.Columns[j]
				null := col.Valid != nil && !col.Valid[i]
				if null != of.null(&r) {
					t.Fatalf("row %d, column %s: null is %v", row-1, n, null)
				}
				if null {
					nulls++
				}
				same := true
				switch {
				case null:
				case of.integer != nil:
					same = col.Integers[i] == *of.integer(&r)
				case of.float != nil:
					same = math.Float64bits(col.Floats[i]) == math.Float64bits(*of.float(&r))
				case of.flag != nil:
					same = col.Flags[i] == *of.flag(&r)
				default:
					same = col.Texts[col.Index[i]] == *of.text(&r)
				}
				if !same {
					t.Fatalf("row %d, column %s differs", row-1, n)
				}
			}
		}
	}
	if row != len(run.Rows) || nulls == 0 {
		t.Errorf("%d rows of %d, %d nulls", row, len(run.Rows), nulls)
	}
	for _, wrong := range []string{"samples_s", "no_such_column"} {
		for _, err := range f.Columns(wrong) {
			if err == nil {
				t.Errorf("column %s is read", wrong)
			}
		}
	}
}
