package datasets

import (
	"os"
	"strings"
	"testing"
)

// Files of the writer before parquet-go's, which did without compression where it
// saved little and without dictionaries where all was null, are read as they were.
func TestOldFilesStayReadable(t *testing.T) {
	run, err := ReadFile("testdata/version1.parquet")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("testdata/version1.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(want) != 24 || len(run.Rows) != len(want) || run.Meta.ID != "run-1" || len(run.Devices) != 1 {
		t.Fatalf("%d rows of %d, run %q on %d devices", len(run.Rows), len(want), run.Meta.ID, len(run.Devices))
	}
	for i := range want {
		var r record
		if err := r.flatten(&run.Rows[i], run.Meta.ID); err != nil {
			t.Fatal(err)
		}
		if got := string(appendColumns(nil, &r, func(f *field) bool { return !f.derived })); got != want[i] {
			t.Errorf("row %d:\nread  %s\nwrote %s", i, got, want[i])
		}
	}
}
