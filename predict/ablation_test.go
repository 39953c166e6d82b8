package predict

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/datasets/importers"
	"bench/predict/fit"
)

// The size of an ablation's fit: a search near the calibration.
const ablationRows, ablationEvaluations = 1500, 1000

// ablationSources are the folders of ../../shared/data whose rows the committed
// calibrations were fitted on.
var ablationSources = []string{"aiconfigurator", "vidur", "llmcompass"}

// ends are a model's errors with one parameter held at the low and at the high end of
// its range, or dashes where no row takes its path: neither end changes any prediction.
type ends [2]string

// BenchmarkAblation writes docs/models-parameters.md: what each parameter of each
// model buys. It is held at either end of its range, at one of which its term mostly
// vanishes (a latency of next to nothing, an efficiency of 1); the others are fitted
// again from the calibration, on 1,500 rows of the fit half, and all of the test half
// is judged.
func BenchmarkAblation(b *testing.B) {
	var rows []datasets.Row
	for _, s := range ablationSources {
		path := filepath.Join("..", "..", "shared", "data", s)
		if _, err := os.Stat(path); err != nil {
			b.Skip("the recorded measurements are not here: ", err)
		}
		run, _, err := importers.Import(s, []string{path})
		if err != nil {
			b.Fatal(err)
		}
		rows = append(rows, run.Rows...)
	}
	var devices []datasets.Device
	for _, id := range []string{"a100-sxm-80", "h100-sxm"} {
		d, err := catalog.Lookup(id)
		if err != nil {
			b.Fatal(err)
		}
		devices = append(devices, d)
	}
	for b.Loop() {
		var doc strings.Builder
		doc.WriteString(ablationHead)
		for _, m := range Models {
			writeAblation(&doc, m, devices, rows)
		}
		if path := os.Getenv("ABLATION_DOC"); path != "" {
			if err := os.WriteFile(path, []byte(doc.String()), 0o644); err != nil {
				b.Fatal(err)
			}
		} else {
			b.Log(doc.String())
		}
	}
}

const ablationHead = `# What each parameter buys

Written by a benchmark of the models, ` + "`make ablation`" + `, from the recorded measurements in ` + "`../shared/data`" + `. A figure is MAPE (90th percentile of |error|)
on the test half, in percent. First the model as calibrated. Then each parameter is held at the low and at the high end of its range, at one of which its
term mostly vanishes (a latency of next to nothing, an efficiency of 1), and the others are fitted again, from the calibration on, by a search
of 1,000 evaluations on 1,500 rows of the fit half. The calibration had more of both, so that a few tenths either way are the search's own. A parameter is worth
fitting where both ends cost something. “–”: no row takes its path.
The laws are in [models.md](models.md) and [models-products.md](models-products.md), the parameters' meaning, value and interval in ` + "`datasets/catalog/calibrations`" + `.
`

func writeAblation(doc *strings.Builder, m *Model, devices []datasets.Device, rows []datasets.Row) {
	names, rule, whole := "", "", ""
	cells := make([]string, len(m.Parameters))
	for i := range devices {
		d := &devices[i]
		values, ok := m.valuesOf(d.Calibration)
		fitHalf, testHalf := split(observationsOf(m, d, rows))
		if !ok || len(fitHalf) < minRows {
			continue
		}
		names += fmt.Sprintf(" %s, %d rows: low | high |", d.ID, len(testHalf))
		rule += "--:|--:|"
		whole += " " + percents(apeOf(m, d, values, testHalf)) + " | |"
		for j, e := range ablate(m, d, values, fitHalf, testHalf) {
			cells[j] += " " + e[0] + " | " + e[1] + " |"
		}
	}
	if names == "" {
		return
	}
	fmt.Fprintf(doc, "\n## %s\n\n| held at an end of its range |%s\n|---|%s\n| none |%s\n", m.Name, names, rule, whole)
	for i, p := range m.Parameters {
		unit := " " + p.Unit
		if p.Unit == "1" {
			unit = ""
		}
		fmt.Fprintf(doc, "| `%s`, %.4g to %.4g%s |%s\n", p.Name, p.Min, p.Max, unit, cells[i])
	}
}

func percents(mape, p90 float64) string { return fmt.Sprintf("%.1f (%.1f)", 100*mape, 100*p90) }

// ablate fits the model again with each of its parameters held.
func ablate(m *Model, dev *datasets.Device, values []float64, fitHalf, testHalf []observation) []ends {
	loss := lossOn(m, dev, fitHalf, ablationRows)
	whole := loss(values)
	out := make([]ends, len(values))
	for i, p := range m.Parameters {
		out[i] = ends{"–", "–"}
		held := slices.Clone(values)
		at := func(v float64) float64 { held[i] = v; return loss(held) }
		if at(p.Min) == whole && at(p.Max) == whole {
			continue
		}
		for e, v := range []float64{p.Min, p.Max} {
			box := boxOf(m)
			held[i], box[i] = v, fit.Range{Min: v, Max: v}
			best, _ := fit.Local(loss, held, box, ablationEvaluations)
			out[i][e] = percents(apeOf(m, dev, best, testHalf))
		}
	}
	return out
}
