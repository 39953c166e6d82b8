package main

import (
	"errors"
	"fmt"
	"io"

	"bench/datasets"
	"bench/reports"

	"github.com/spf13/cobra"
)

// exportFormats are the words of --format.
var exportFormats = []string{"csv", "json", "openmetrics", "benchfmt"}

func exportCommand() *cobra.Command {
	var f joinFlags
	var format, out string
	var stored bool
	c := &cobra.Command{
		Use:   "export PATH… --format csv|json|openmetrics|benchfmt",
		Short: "Write rows for other programs",
		Long: `export writes every row, and what each tier predicts, a row group at a time, so that
a folder may be larger than memory.

  csv, json    the columns of the Parquet file, nulls empty (csv) or left out (json)
  openmetrics  gauges for the textfile collector of Prometheus' node_exporter; of
               a workload that several runs of a host hold, the newest run's
  benchfmt     the Go benchmark format, a line a sample, for benchstat OLD NEW`,
		Example: `  bench export results/ --format csv -o results.csv
  bench export results/ --format openmetrics -o /var/lib/prometheus/node-exporter/bench.prom
  bench export old.parquet --format benchfmt -o old; bench export new.parquet --format benchfmt -o new; benchstat old new`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("export: name a Parquet file or a folder of them, such as results/")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if format == "" {
				return errors.New("export: give --format " + words(exportFormats))
			}
			make, ok := datasets.Exporters[format]
			if !ok {
				return unknown("format", format, exportFormats)
			}
			return output(cmd, out, func(w io.Writer) error { return f.export(cmd, args, make(w), stored) })
		},
	}
	f.define(c)
	c.Flags().StringVar(&format, "format", "", "csv, json, openmetrics or benchfmt (required)")
	c.Flags().StringVarP(&out, "out", "o", "", "write to a file instead of standard output")
	c.Flags().BoolVar(&stored, "stored", false, "the predictions kept in the file, instead of new ones")
	return c
}

// export passes every row on. No row at all is an error.
func (f *joinFlags) export(cmd *cobra.Command, paths []string, to datasets.Exporter, stored bool) error {
	tiers, devices, err := f.asked()
	if err != nil {
		return err
	}
	n := 0
	pass := func(file *datasets.File, rows []datasets.Row) error {
		n += len(rows)
		return to.Export(&file.Meta, rows)
	}
	s := &datasets.Scanner{Broken: f.broken(cmd)}
	if stored {
		for batch, err := range s.Rows(paths) {
			if err == nil {
				err = pass(batch.File, batch.Rows)
			}
			if err != nil {
				return err
			}
		}
	} else {
		for part, err := range reports.Stream(s, paths, tiers, devices) {
			if err == nil {
				err = pass(part.File, part.Predicted())
			}
			if err != nil {
				return err
			}
		}
	}
	if n == 0 {
		return fmt.Errorf("%s: no rows", paths[0])
	}
	return to.Close()
}
