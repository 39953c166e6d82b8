package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/datasets/importers"
	"bench/reports"
	"bench/reports/html"

	"github.com/spf13/cobra"
	// term: is standard output a terminal, and how wide.
	"golang.org/x/term"
)

// joinFlags are those of every verb that joins rows with predictions.
type joinFlags struct {
	tiers      []string
	device     string
	skipBroken bool
}

func (f *joinFlags) define(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.tiers, "tier", nil, "only these tiers: "+words(datasets.Tiers)+" (default all)")
	c.Flags().StringVar(&f.device, "device", "", "catalogue entry or JSON file to predict with, for rows of that device or of an unknown one")
	c.Flags().BoolVar(&f.skipBroken, "skip-broken", false, "name files that cannot be read and go on without them, instead of stopping")
}

// broken is what becomes of a file that cannot be read: nil, the verb ends; with
// --skip-broken it is named and passed over.
func (f *joinFlags) broken(c *cobra.Command) func(error) {
	if !f.skipBroken {
		return nil
	}
	return func(err error) { fmt.Fprintf(c.ErrOrStderr(), "bench: warning: passed over: %s\n", oneLine(err)) }
}

// asked is the tiers and the devices that the flags ask for.
func (f *joinFlags) asked() ([]datasets.Tier, reports.Devices, error) {
	tiers, err := parseTiers(f.tiers)
	if err != nil || f.device == "" {
		return tiers, reports.Catalogue(nil), err
	}
	d, err := catalog.LookupOrLoad(f.device)
	return tiers, reports.Catalogue(&d), err
}

// join reads paths and predicts every row. Of many rows the report is
// aggregated, unless each one must be at hand.
func (f *joinFlags) join(cmd *cobra.Command, paths []string, eachRow bool) (*reports.Report, error) {
	tiers, devices, err := f.asked()
	if err != nil {
		return nil, err
	}
	s := &datasets.Scanner{Broken: f.broken(cmd)}
	if !eachRow && !slices.ContainsFunc(paths, importers.Known) {
		many, err := s.MoreRowsThan(reports.AggregateRows, paths)
		if err != nil {
			return nil, err
		}
		if many {
			return reports.Aggregated(s, paths, tiers, devices)
		}
	}
	runs, err := readRuns(paths, f.broken(cmd))
	if err != nil {
		return nil, err
	}
	return reports.New(runs, tiers, devices)
}

// readRuns reads Parquet files, folders of them, and files of other tools that are
// known. No row at all is an error.
func readRuns(paths []string, broken func(error)) ([]*datasets.Run, error) {
	var runs []*datasets.Run
	var parquet []string
	for _, path := range paths {
		if !importers.Known(path) {
			parquet = append(parquet, path)
			continue
		}
		start := time.Now()
		run, read, err := importers.ReadRun(path, importers.Options{})
		if err != nil {
			return nil, err
		}
		run.Meta = importMeta([]string{read.Format, path}, "", start, run, read.Report)
		run.Meta.Notes = append(run.Meta.Notes, read.Assumed...)
		runs = append(runs, run)
	}
	if parquet != nil {
		found, err := (&datasets.Scanner{Broken: broken}).Runs(parquet)
		if err != nil {
			return nil, err
		}
		runs = append(runs, found...)
	}
	for _, r := range runs {
		if len(r.Rows) > 0 {
			return runs, nil
		}
	}
	return nil, fmt.Errorf("%s: no rows", paths[0])
}

// reportFormats are the words of --format.
var reportFormats = []string{"text", "md", "html", "json"}

func reportCommand() *cobra.Command {
	var f joinFlags
	var format, out, explain, rows string
	var fleet bool
	c := &cobra.Command{
		Use:   "report PATH…",
		Short: "Show measurements beside what each tier predicts, and the error",
		Long: `report reads Parquet files, or folders of them. It begins with the verdict, a
line a suite and the rows furthest from their predictions; --rows shows every row
with the error of every tier: predicted / measured − 1. Predictions that were
stored with a run are used while this program's models would make the same ones;
where they are made again, the report says why.

Sources (measured, imported, simulated) never share a figure. Nodes of several
hosts are compared, and outliers named. More than 200,000 rows are aggregated in
bounded memory, and the report says so; html and --explain hold them all.`,
		Example: `  bench report results/
  bench report results/ -o report.html
  bench report results/ --format json
  bench report results/ --fleet
  bench report h100.parquet --tier datasheet,calibrated --rows all
  bench report h100.parquet --explain "m=8192 n=12288 k=4096"`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("report: name a Parquet file or a folder of them, such as results/")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			limit, err := parseRows(rows)
			if err != nil {
				return err
			}
			if format == "" {
				format = formatOf(out)
			}
			if explain != "" && format != "text" {
				return fmt.Errorf("--explain is a page of text and has no format %s: bench export --format json writes all columns of a row", format)
			}
			render, err := renderer(format, limit, width(cmd))
			if fleet && err == nil {
				render, err = fleetRenderer(format, limit, width(cmd))
			}
			if err != nil {
				return err
			}
			for _, path := range args {
				for _, u := range datasets.Unfinished(path) {
					fmt.Fprintf(cmd.ErrOrStderr(), "bench: %s\n", u)
				}
			}
			r, err := f.join(cmd, args, format == "html" || explain != "")
			if err != nil {
				return err
			}
			switch {
			case explain != "":
				render = func(w io.Writer, r *reports.Report) error { return reports.Explain(w, r, explain) }
			case format == "text" && limit == 0 && !fleet:
				render = func(w io.Writer, r *reports.Report) error {
					return reports.Brief(w, r, reports.TextOptions{Width: width(cmd), Files: args})
				}
			}
			return output(cmd, out, func(w io.Writer) error { return render(w, r) })
		},
	}
	f.define(c)
	c.Flags().StringVar(&format, "format", "", "text, md, html or json (default by the ending of -o, else text)")
	c.Flags().StringVarP(&out, "out", "o", "", "write to a file instead of standard output")
	c.Flags().StringVar(&explain, "explain", "", "how the rows with this key, or part of one, came about: samples, interval, terms, error")
	c.Flags().BoolVar(&fleet, "fleet", false, "the nodes alone: one line each, against the fleet and against the prediction")
	c.Flags().StringVar(&rows, "rows", "", "tables of rows in place of the verdict: all, or so many of the worst in each")
	return c
}

// parseRows reads --rows; all is −1, and nothing the default, 0.
func parseRows(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	if s == "all" {
		return -1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("rows %q is no number above 0: write one, or all", s)
	}
	return n, nil
}

func renderer(format string, rows, width int) (func(io.Writer, *reports.Report) error, error) {
	switch format {
	case "text":
		return func(w io.Writer, r *reports.Report) error {
			return reports.Text(w, r, reports.TextOptions{Width: width, Rows: rows})
		}, nil
	case "md":
		return func(w io.Writer, r *reports.Report) error { return reports.Markdown(w, r, rows) }, nil
	case "json":
		return reports.JSON, nil
	case "html":
		return html.Write, nil
	}
	return nil, unknown("format", format, reportFormats)
}

// formatOf is the format that a file's ending asks for.
func formatOf(path string) string {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".html", ".htm":
		return "html"
	case ".md":
		return "md"
	case ".json":
		return "json"
	}
	return "text"
}

// fleetRenderer writes the nodes alone.
func fleetRenderer(format string, rows, width int) (func(io.Writer, *reports.Report) error, error) {
	write := map[string]func(io.Writer, *reports.Fleet) error{
		"text": func(w io.Writer, f *reports.Fleet) error {
			return reports.FleetText(w, f, reports.TextOptions{Width: width, Rows: rows})
		},
		"md":   func(w io.Writer, f *reports.Fleet) error { return reports.FleetMarkdown(w, f, rows) },
		"json": reports.FleetJSON,
	}[format]
	if write == nil {
		return nil, fmt.Errorf("--fleet has no format %s: use text, md or json", format)
	}
	return func(w io.Writer, r *reports.Report) error {
		if r.Fleet == nil {
			return errors.New("the input holds rows that were measured on one host alone, or on none: a fleet is two or more")
		}
		return write(w, r.Fleet)
	}, nil
}

// width is the terminal's, or 80 where standard output is none.
func width(cmd *cobra.Command) int {
	if f, ok := unguarded(cmd.OutOrStdout()).(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w >= 60 {
			return w
		}
	}
	return 80
}
