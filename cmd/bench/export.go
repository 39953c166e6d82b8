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
		Use:   "export PATH… --format csv|json",
		Short: "Write rows for other programs",
		Long: `export writes every row with the columns of the Parquet file, nulls empty (csv) or
left out (json), and what each tier predicts.`,
		Example: "  bench export results/ --format csv -o results.csv",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("export: name a Parquet file or a folder of them, such as results/")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			write := datasets.WriteCSV
			switch format {
			case "csv":
			case "json":
				write = datasets.WriteJSON
			case "":
				return errors.New("export: give --format csv or json")
			case "openmetrics", "benchfmt":
				return fmt.Errorf("format %s is not available yet: use csv or json", format)
			default:
				return unknown("format", format, exportFormats)
			}
			var runs []*datasets.Run
			if stored {
				var err error
				if runs, err = readRuns(args, f.broken(cmd)); err != nil {
					return err
				}
			} else {
				r, err := f.join(cmd, args)
				if err != nil {
					return err
				}
				runs = reports.WithPredictions(r)
			}
			return output(cmd, out, func(w io.Writer) error { return write(w, runs) })
		},
	}
	f.define(c)
	c.Flags().StringVar(&format, "format", "", "csv or json (required)")
	c.Flags().StringVarP(&out, "out", "o", "", "write to a file instead of standard output")
	c.Flags().BoolVar(&stored, "stored", false, "the predictions kept in the file, instead of new ones")
	return c
}
