package reports

import (
	"io"
	"os"
	"runtime"
	"testing"

	"bench/datasets"
	"bench/datasets/importers"
)

// BenchmarkImportPredictReport is the road of issue 5: 110,000 published rows
// imported, predicted in three tiers and reported. It says how long the whole
// takes, and the heap that is live when all is in memory.
func BenchmarkImportPredictReport(b *testing.B) {
	const data = "../../shared/data/aiconfigurator"
	if _, err := os.Stat(data); err != nil {
		b.Skipf("%s is absent", data)
	}
	tiers := []datasets.Tier{datasets.TierDatasheet, datasets.TierTransferred, datasets.TierCalibrated}
	for b.Loop() {
		run, _, err := importers.Import("aiconfigurator", []string{data})
		if err != nil {
			b.Fatal(err)
		}
		r, err := New([]*datasets.Run{&run}, tiers, Catalogue(nil))
		if err != nil {
			b.Fatal(err)
		}
		for _, render := range []func() error{
			func() error { return Text(io.Discard, r, TextOptions{Rows: 0}) },
			func() error { return JSON(io.Discard, r) },
		} {
			if err := render(); err != nil {
				b.Fatal(err)
			}
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(len(r.Rows)), "rows")
		b.ReportMetric(float64(m.Sys)/1e6, "MB")
	}
}
