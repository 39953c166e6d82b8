package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bench/datasets"
	"bench/datasets/importers"

	"github.com/spf13/cobra"
)

func importCommand() *cobra.Command {
	var out string
	var about strings.Builder
	var names []string
	for _, f := range importers.Formats() {
		names = append(names, f[0])
		fmt.Fprintf(&about, "  %-16s%s\n", f[0], f[1])
	}
	c := &cobra.Command{
		Use:   "import FORMAT PATH… -o FILE",
		Short: "Turn another tool's results into rows that report, gate and calibrate read",
		Long: `import reads files, and folders in depth, and writes one Parquet file of rows with
the source "imported": each keeps the tool, the device's name as printed, the
file with its checksum, and the line or row in it. The formats:

` + about.String() + `
What cannot be understood is counted and named on stderr, and so are rows that
beat the datasheet of their device, which wrong units do.`,
		Example: `  bench import nccl-tests all_reduce.log -o results/nccl.parquet
  bench import aiconfigurator src/aiconfigurator/systems/data/h100_sxm -o h100.parquet`,
		Args: func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return fmt.Errorf("import: name a format, one of %s, and what to read", strings.Join(names, ", "))
			case 1:
				return fmt.Errorf("import %s: name the files or folders to read", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return errors.New("import: say where the rows go with -o FILE, such as -o results/imported.parquet")
			}
			if info, err := os.Stat(out); err == nil && info.IsDir() {
				return fmt.Errorf("import: %s is a folder: name a file in it with -o", out)
			}
			start := time.Now()
			run, report, err := importers.Import(args[0], args[1:])
			if err != nil {
				return fmt.Errorf("import: %w", err)
			}
			if _, err := report.WriteTo(cmd.ErrOrStderr()); err != nil {
				return err
			}
			if report.Rows == 0 {
				return fmt.Errorf("import: none of the %d records could be understood, and nothing was written", report.Refused)
			}
			run.Meta = importMeta(args, out, start, &run, report)
			return datasets.WriteFile(out, &run)
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "the Parquet file to write; an existing one is replaced")
	return c
}

// importMeta is the provenance of an imported run; its ID names the format,
// the time and what was read.
func importMeta(args []string, out string, start time.Time, run *datasets.Run, report *importers.Report) datasets.Meta {
	sums := sha256.New()
	seen := ""
	for i := range run.Rows {
		if s := run.Rows[i].Measurement.Origin.SHA256; s != seen {
			fmt.Fprintln(sums, s)
			seen = s
		}
	}
	host, _ := os.Hostname()
	m := datasets.Meta{
		ID:         fmt.Sprintf("import-%s-%s-%x", report.Format, start.UTC().Format("20060102T150405Z"), sums.Sum(nil)[:4]),
		Bench:      version(),
		Command:    append(append([]string{"bench", "import"}, args...), "-o", filepath.Clean(out)),
		StartUnixS: start.Unix(),
		EndUnixS:   time.Now().Unix(),
		Host:       host,
		Notes:      report.Warnings,
	}
	if report.Refused > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("%d of %d records were refused", report.Refused, report.Refused+report.Rows))
	}
	return m
}
