package main

import (
	"fmt"
	"io"
	"slices"

	"bench/datasets"
	"bench/reports"
	"bench/reports/compare"

	"github.com/spf13/cobra"
)

// pageFormats are the words of --format of compare and gate.
var pageFormats = []string{"text", "md", "json"}

func compareCommand() *cobra.Command {
	var format, out, keep string
	var alternate bool
	var rounds int
	o := compare.Defaults
	c := &cobra.Command{
		Use:   "compare BASE NEW",
		Short: "Compare two runs workload by workload, two devices, or night against night",
		Long: `compare matches the workloads of BASE and NEW, each a Parquet file or a folder of
them, by key, and by device where both have the same. It shows the ratio of the
medians, new / base, with its 95 % confidence interval, and calls a workload
slower or faster where that is significant after Benjamini and Hochberg's
correction for many comparisons and at least --within; the same where the whole
interval is nearer to 1. Where noise, a flag (drift, shared, throttled, …) or a
condition that differs (machine, driver, governor, clock, ecc, source) supports
no verdict, it gives none and says which. A folder of several runs a side shows
how far runs lie apart; one run a side cannot.

With --interleave, BASE and NEW are commands: two builds of bench, or one with
two sets of flags. Each runs twice a round on this machine, in the order ABBA;
flags after -- go to both.`,
		Example: `  bench compare results/monday.parquet results/tuesday.parquet
  bench compare a100.parquet h100.parquet --format md -o compare.md
  bench compare old-driver/ new-driver/ --across driver
  bench compare --interleave bin/old bin/new -- --suite gemm --time 10s
  bench compare --interleave "bench --library builtin" "bench --library openblas" -- --suite gemm`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case alternate:
				return nil
			case len(args) != 2:
				return fmt.Errorf("compare: name two Parquet files or folders, BASE and NEW, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkCompare(&o, format); err != nil {
				return err
			}
			var sides [2][]*datasets.Run
			if alternate {
				i, err := newInterleave(args, cmd.ArgsLenAtDash(), rounds, keep)
				if err != nil {
					return err
				}
				if sides, err = i.run(cmd); err != nil {
					return err
				}
				return writeComparison(cmd, out, format, compare.Compare(sides[0], sides[1], o))
			}
			for i, path := range args {
				var err error
				if sides[i], err = readRuns([]string{path}, nil); err != nil {
					return err
				}
			}
			return writeComparison(cmd, out, format, compare.Compare(sides[0], sides[1], o))
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text, md or json")
	c.Flags().StringVarP(&out, "out", "o", "", "write to a file instead of standard output")
	c.Flags().Float64Var(&o.Within, "within", o.Within, "relative difference of no interest")
	c.Flags().Float64Var(&o.FDR, "fdr", o.FDR, "share of wrong calls allowed among those slower or faster")
	c.Flags().StringSliceVar(&o.Across, "across", nil, "conditions that are meant to differ: "+words(compare.Across))
	c.Flags().BoolVar(&alternate, "interleave", false, "run two commands alternating, and compare what they measure")
	c.Flags().IntVar(&rounds, "rounds", 2, "with --interleave: rounds of ABBA, two runs a side each")
	c.Flags().StringVar(&keep, "keep", "", "with --interleave: folder that keeps the runs")
	return c
}

// checkCompare finds wrong words and numbers before anything is read or run.
func checkCompare(o *compare.Options, format string) error {
	if !slices.Contains(pageFormats, format) {
		return unknown("format", format, pageFormats)
	}
	for _, a := range o.Across {
		if !slices.Contains(compare.Across, a) {
			return unknown("condition", a, compare.Across)
		}
	}
	if !(o.Within >= 0 && o.Within < 1) {
		return fmt.Errorf("within is %g: write a share from 0 to below 1, such as 0.02", o.Within)
	}
	if !(o.FDR > 0 && o.FDR < 1) {
		return fmt.Errorf("fdr is %g: write a share between 0 and 1, such as 0.05", o.FDR)
	}
	return nil
}

func writeComparison(cmd *cobra.Command, out, format string, r *compare.Result) error {
	return output(cmd, out, func(w io.Writer) error {
		switch format {
		case "json":
			return compare.JSON(w, r)
		case "md":
			return compare.Write(reports.NewMarkdownPage(w), r)
		}
		return compare.Write(reports.NewTextPage(w, width(cmd)), r)
	})
}
