// Ablation writes what each parameter of each model buys (docs/models-parameters.md)
// to standard output:
//
//	go run ./tools/ablation [../shared/data]
//
// A parameter is held at either end of its range, at one of which its term mostly
// vanishes; the others are fitted again from the calibration, and the test half judges.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/datasets/importers"
	"bench/predict"
)

// The size of a fit: a search near the calibration.
const fitRows, steps = 1000, 15

// sources are the folders whose rows the committed calibrations were fitted on.
var sources = []string{"aiconfigurator", "vidur", "llmcompass"}

func main() {
	data := filepath.Join("..", "shared", "data")
	if len(os.Args) > 1 {
		data = os.Args[1]
	}
	if err := write(data); err != nil {
		fmt.Fprintln(os.Stderr, "ablation:", err)
		os.Exit(2)
	}
}

func write(data string) error {
	var rows []datasets.Row
	for _, s := range sources {
		run, _, err := importers.Import(s, []string{filepath.Join(data, s)})
		if err != nil {
			return err
		}
		rows = append(rows, run.Rows...)
	}
	var devices []datasets.Device
	for _, id := range []string{"a100-sxm-80", "h100-sxm"} {
		d, err := catalog.Lookup(id)
		if err != nil {
			return err
		}
		devices = append(devices, d)
	}
	fmt.Print(head)
	for _, d := range devices {
		for _, a := range predict.Ablate(d, rows, fitRows, steps) {
			writeLaw(d.ID, &a)
		}
	}
	return nil
}

const head = `# What each parameter buys

Written by ` + "`make ablation`" + `, from the recorded measurements in ` + "`../shared/data`" + `. A figure is MAPE (90th percentile of |error|)
on the test half, in percent. First the model as calibrated. Then each parameter is held at the low and at the high end of its range, at one of which its
term mostly vanishes (a latency of next to nothing, an efficiency of 1), and the others are fitted again, from the calibration on, in at most
15 steps on 1,000 rows of the fit half; the machine's parameters stay. The calibration had more of both, so differences of a few tenths come from the search. A parameter is worth
fitting where both ends cost something. Parameters whose path no row takes are left out.
The laws are in [models.md](models.md) and [models-products.md](models-products.md), the parameters' meaning, value and interval in ` + "`datasets/catalog/calibrations`" + `.
`

func writeLaw(device string, a *predict.Ablation) {
	fmt.Printf("\n## %s, %s\n\n| held at an end of its range | %d rows: low | high |\n|---|--:|--:|\n| none | %s | |\n", device, a.Name, a.TestRows, percents(a.Whole))
	for i, p := range a.Parameters {
		if held := a.Held[i]; held != nil {
			fmt.Printf("| `%s`, %.4g to %.4g %s | %s | %s |\n", p.Name, p.Min, p.Max, strings.TrimPrefix(p.Unit, "1"), percents(held[0]), percents(held[1]))
		}
	}
}

func percents(e predict.APE) string { return fmt.Sprintf("%.1f (%.1f)", 100*e.Mean, 100*e.P90) }
