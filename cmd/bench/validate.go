package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"bench/datasets"
	"bench/datasets/importers"
	"bench/reports"
	"bench/reports/gate"
	"bench/reports/services"

	"github.com/spf13/cobra"
)

// validateCommand is for those who work on bench, hence hidden: make validate.
func validateCommand() *cobra.Command {
	var out, known, hosts string
	c := &cobra.Command{
		Use:     "validate DIR",
		Hidden:  true,
		Short:   "Hold the models against the recorded measurements in DIR, and write docs/validation.md and .json",
		Example: `  bench validate ../shared/data --docs docs`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Stat(args[0]); errors.Is(err, fs.ErrNotExist) {
				fmt.Fprintf(cmd.ErrOrStderr(), "validate: skipped, there are no recorded measurements at %s\n", args[0])
				return nil
			}
			if err := validateServices(filepath.Join(args[0], "serving"), out, hosts, cmd.ErrOrStderr()); err != nil {
				return err
			}
			runs, err := recorded(args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			v, err := reports.Validate(runs)
			if err != nil {
				return err
			}
			if err := writeFile(filepath.Join(out, "validation.md"), func(w io.Writer) error {
				return reports.ValidationMarkdown(w, v)
			}); err != nil {
				return err
			}
			if err := writeFile(filepath.Join(out, "validation.json"), func(w io.Writer) error {
				return reports.ValidationJSON(w, v)
			}); err != nil || known == "" {
				return err
			}
			return writeFile(known, func(w io.Writer) error { return gate.WriteKnown(w, gate.ValidatedErrors(v)) })
		},
	}
	c.Flags().StringVar(&out, "docs", "docs", "folder to write to")
	c.Flags().StringVar(&known, "known-errors", "", "also write the table of errors that gate --model knows")
	c.Flags().StringVar(&hosts, "hosts", "", "also write the fitted times of the engines' hosts")
	return c
}

// validateServices holds whole models against measured services, where there are
// any, on a page of their own.
func validateServices(dir, docs, hosts string, progress io.Writer) error {
	if _, err := os.Stat(dir); err != nil {
		fmt.Fprintf(progress, "serving: skipped, there are no recorded measurements at %s\n", dir)
		return nil
	}
	run, _, err := importers.Import("serving", []string{dir})
	if err != nil {
		return err
	}
	v, err := services.Collect(run.Rows, datasets.TierCalibrated)
	if err != nil {
		return err
	}
	v.Run()
	if err := writeFile(filepath.Join(docs, "validation-serving.md"), v.Markdown); err != nil || hosts == "" {
		return err
	}
	return writeFile(hosts, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v.Hosts)
	})
}

// recorded imports every format of which dir has a folder by its name, and the
// kernel tables of further stacks.
func recorded(dir string, progress io.Writer) ([]*datasets.Run, error) {
	var runs []*datasets.Run
	formats := map[string]string{"stacks": "aiconfigurator"}
	for _, f := range importers.Formats() {
		formats[f[0]] = f[0]
	}
	for _, folder := range slices.Sorted(maps.Keys(formats)) {
		path := filepath.Join(dir, folder)
		if _, err := os.Stat(path); err != nil || formats[folder] == "serving" { // whole models have a page of their own
			continue
		}
		run, report, err := importers.Import(formats[folder], []string{path})
		if err != nil {
			return nil, err
		}
		run.Meta.Notes = append(run.Meta.Notes, fmt.Sprintf("%s: %s rows from %d files, %d records refused",
			folder, reports.Count(report.Rows), len(report.Files), report.Refused))
		fmt.Fprintln(progress, run.Meta.Notes[0])
		runs = append(runs, &run)
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("validate: %s has no folder named after an import format", dir)
	}
	return runs, nil
}
