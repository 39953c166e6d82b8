package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict"
	"bench/predict/claims"
	"bench/reports"

	"github.com/spf13/cobra"
)

func claimsCommand() *cobra.Command {
	var set []string
	var format, device, path string
	var explain bool
	c := &cobra.Command{
		Use:   "claims [S4|S4.3|S4.3a …]",
		Short: "Recompute the published claims about GPT-4 and say which hold",
		Long: `claims recomputes what SemiAnalysis published of GPT-4's architecture, training
and serving (July 2023), and says of each line whether it is reproduced (within
5 % or inside the published range), close (25 %), contradicted, or needs an
input that was not published, and then shows the range over plausible values.

--device puts a device in the place of the claim's: a catalogue entry, a JSON
file, or a run of bench (a Parquet file or a folder of them), whose measured
ceilings are used and whose rows are marked "measured".`,
		Example: `  bench claims
  bench claims S4 --explain
  bench claims S4.2 --set gpu_hour_usd=1.5 --set mfu=0.4
  bench claims S6 --device results/
  bench claims --format md -o docs/claims.md`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "md", "json"}, format) {
				return unknown("format", format, []string{"text", "md", "json"})
			}
			o := claims.Options{Set: map[string]float64{}}
			for _, s := range set {
				name, value, ok := strings.Cut(s, "=")
				x, err := strconv.ParseFloat(value, 64)
				if !ok || err != nil {
					return fmt.Errorf("--set %q: write it as NAME=NUMBER, such as gpu_hour_usd=1.5", s)
				}
				o.Set[name] = x
			}
			if device != "" {
				d, err := claimsDevice(device)
				if err != nil {
					return err
				}
				o.Device = &d
			}
			rows, err := claims.Rows(args, o)
			if err != nil {
				return err
			}
			return output(cmd, path, func(w io.Writer) error {
				switch format {
				case "json":
					return reports.ClaimsJSON(w, rows)
				case "md":
					return reports.ClaimsMarkdown(w, rows, explain)
				}
				if len(args) == 0 && !explain {
					return reports.ClaimsSummary(w, rows)
				}
				return reports.ClaimsText(w, rows, explain)
			})
		},
	}
	f := c.Flags()
	f.StringArrayVar(&set, "set", nil, "replace an input, NAME=NUMBER; gpu_hour_usd and mfu among them (repeatable)")
	f.StringVar(&format, "format", "text", "text, md or json")
	f.StringVar(&device, "device", "", "catalogue entry, JSON file, or run whose measured ceilings are used")
	f.BoolVar(&explain, "explain", false, "formula, assumptions with sources, elasticities, and the workload that measures it")
	f.StringVarP(&path, "output", "o", "", "file to write instead of standard output")
	return c
}

// claimsDevice takes what --device says: a catalogue entry, a device file, or a
// run, of which the device with the most measured ceilings is taken.
func claimsDevice(name string) (datasets.Device, error) {
	info, err := os.Stat(name)
	run := err == nil && (info.IsDir() || strings.HasSuffix(name, ".parquet"))
	if !run {
		return catalog.LookupOrLoad(name)
	}
	runs, err := datasets.ReadPaths([]string{name})
	if err != nil {
		return datasets.Device{}, err
	}
	var best datasets.Device
	for _, r := range runs {
		// Only what was measured is a measured ceiling.
		rows := slices.DeleteFunc(slices.Clone(r.Rows), func(row datasets.Row) bool {
			return row.Measurement.Source != datasets.SourceMeasured
		})
		for _, d := range r.Devices {
			if known, err := catalog.Lookup(d.ID); err == nil {
				d = known
			}
			d.Ceilings = predict.CeilingsOf(rows, d.ID)
			if len(d.Ceilings) > len(best.Ceilings) {
				best = d
			}
		}
	}
	if len(best.Ceilings) == 0 {
		return best, errors.New(name + ": no measured ceilings in this run: run the suites gemm and hbm")
	}
	return best, nil
}
