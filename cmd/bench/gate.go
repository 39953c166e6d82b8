package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"bench/datasets"
	"bench/reports"
	"bench/reports/gate"

	"github.com/spf13/cobra"
)

// gateFlags are the flags of gate beside those that join rows with predictions.
type gateFlags struct {
	joinFlags
	baseline                                 []string
	format, out, waivers, known, junit, tell string
	simulated                                bool
}

func gateCommand() *cobra.Command {
	var f gateFlags
	o := gate.Defaults
	c := &cobra.Command{
		Use:   "gate PATH (--baseline PATH… | --model | both)",
		Short: "Pass or fail a run against the nights before, against the model, or both",
		Long: `gate holds the run in PATH against the nights before (--baseline, files or folders;
the run itself and later ones are left out), by looking for a change of level in
every workload's nights, and against what the model predicts (--model), with the
errors that the model is known to have for that suite, type and regime.

Exit codes: 0 pass; 1 fail; 4 can't tell, where disturbed or scattered
measurements support no verdict (--cant-tell pass or fail makes it 0 or 1);
2 wrong usage or unreadable input.

A waiver file holds lines such as
  2026-03-01 gemm/matmul fp8 * # waiting for the new driver
the last day on which it counts, a pattern on the workload's key, the reason.`,
		Example: `  bench gate results/tonight.parquet --baseline results/
  bench gate h100.parquet --model --junit gate.xml
  bench gate tonight.parquet --baseline nights/ --model --waivers waivers.txt --format md`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("gate: name the run's Parquet file, such as results/tonight.parquet")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.gate(cmd, args, o) },
	}
	f.define(c)
	fl := c.Flags()
	fl.StringSliceVar(&f.baseline, "baseline", nil, "the nights before: Parquet files or folders of them")
	fl.BoolVar(&o.Model, "model", false, "hold each row against its prediction")
	fl.StringVar(&f.waivers, "waivers", "", "file of workloads that may fail until a day")
	fl.StringVar(&f.known, "known-errors", "", "table of a validation's errors for --model, as bench validate writes it (default the one published)")
	fl.StringVar(&f.tell, "cant-tell", "", "pass or fail: what \"can't tell\" ends the program as (default exit code 4)")
	fl.StringVar(&f.junit, "junit", "", "also write a JUnit XML file")
	fl.StringVar(&f.format, "format", "text", "text, md or json")
	fl.StringVarP(&f.out, "out", "o", "", "write to a file instead of standard output")
	fl.BoolVar(&f.simulated, "allow-simulated", false, "judge simulated rows, to try a gate out")
	fl.Float64Var(&o.Alpha, "alpha", o.Alpha, "probability that a sound night fails against its history, over all workloads")
	fl.Float64Var(&o.Within, "within", o.Within, "relative change of no interest")
	fl.Float64Var(&o.See, "see", o.See, "slowdown, lasting three nights, that a workload's nights must be able to show for its pass to count")
	return c
}

func (f *gateFlags) gate(cmd *cobra.Command, args []string, o gate.Options) error {
	if err := f.check(&o); err != nil {
		return err
	}
	var err error
	if o.Tiers, o.Devices, err = f.asked(); err != nil {
		return err
	}
	o.Now = time.Now()
	if o.Known, err = f.knownErrors(); err != nil {
		return err
	}
	if f.waivers != "" {
		if o.Waivers, err = readWith(f.waivers, func(r io.Reader) ([]gate.Waiver, error) {
			return gate.ReadWaivers(r, f.waivers, o.Now)
		}); err != nil {
			return err
		}
	}
	night, err := f.read(cmd, args)
	if err != nil {
		return err
	}
	var history []*datasets.Run
	if len(f.baseline) > 0 {
		s := &datasets.Scanner{Broken: f.broken(cmd), Whole: func(file *datasets.File) bool { return gate.IsHistory(night, &file.Meta) }}
		if history, err = s.Runs(f.baseline); err == nil {
			err = f.checkSimulated(history)
		}
		if err != nil {
			return err
		}
	}
	r, err := gate.Gate(night, history, o)
	if err != nil {
		return err
	}
	if f.junit != "" {
		if err := writeFile(f.junit, func(w io.Writer) error { return gate.JUnit(w, r) }); err != nil {
			return fmt.Errorf("the JUnit file is not written: %w", err)
		}
	}
	err = output(cmd, f.out, func(w io.Writer) error {
		switch f.format {
		case "json":
			return gate.JSON(w, r)
		case "md":
			return gate.Write(reports.NewMarkdownPage(w), r)
		}
		return gate.Write(reports.NewTextPage(w, width(cmd)), r)
	})
	if err != nil {
		return err
	}
	return f.outcome(r)
}

func (f *gateFlags) check(o *gate.Options) error {
	switch {
	case !o.Model && len(f.baseline) == 0:
		return errors.New("gate: say what to hold the run against: --baseline PATH, --model, or both")
	case !slices.Contains(pageFormats, f.format):
		return unknown("format", f.format, pageFormats)
	case !slices.Contains([]string{"", "pass", "fail"}, f.tell):
		return unknown("outcome of --cant-tell", f.tell, []string{"pass", "fail"})
	case !(o.Alpha > 0 && o.Alpha < 1):
		return fmt.Errorf("alpha is %g: write a probability between 0 and 1, such as 0.01", o.Alpha)
	case !(o.Within >= 0 && o.Within < 1):
		return fmt.Errorf("within is %g: write a share from 0 to below 1, such as 0.02", o.Within)
	case !(o.See > o.Within):
		return fmt.Errorf("see is %g: write a share above --within (%g), such as 0.1", o.See, o.Within)
	}
	return nil
}

// read reads the runs that are judged, with no row at all an error.
func (f *gateFlags) read(cmd *cobra.Command, paths []string) ([]*datasets.Run, error) {
	runs, err := readRuns(paths, f.broken(cmd))
	if err != nil {
		return nil, err
	}
	return runs, f.checkSimulated(runs)
}

// checkSimulated refuses simulated rows unless they are asked for.
func (f *gateFlags) checkSimulated(runs []*datasets.Run) error {
	for _, run := range runs {
		for i := range run.Rows {
			if run.Rows[i].Measurement.Source == datasets.SourceSimulated && !f.simulated {
				return fmt.Errorf("gate: run %s holds simulated rows, which say nothing about hardware: leave it out, or give --allow-simulated", reports.Clean(run.Meta.ID))
			}
		}
	}
	return nil
}

func (f *gateFlags) knownErrors() ([]gate.Known, error) {
	if f.known == "" {
		return gate.Published()
	}
	return readWith(f.known, func(r io.Reader) ([]gate.Known, error) { return gate.ReadKnown(r, f.known) })
}

func readWith[T any](path string, read func(io.Reader) (T, error)) (T, error) {
	file, err := os.Open(path)
	if err != nil {
		var none T
		return none, err
	}
	defer file.Close()
	return read(file)
}

// outcome is how the program ends.
func (f *gateFlags) outcome(r *gate.Result) error {
	failed, told := 0, 0
	for i := range r.Findings {
		switch r.Findings[i].Outcome {
		case gate.Fail:
			failed++
			told++
		case gate.CantTell:
		default:
			told++
		}
	}
	switch {
	case r.Outcome == gate.Fail:
		return checkFailed("the gate fails: %d of %d findings", failed, len(r.Findings))
	case r.Outcome == gate.CantTell && f.tell != "pass":
		err := fmt.Errorf("the gate can't tell: %d of %d findings could be judged", told, len(r.Findings))
		if f.tell == "fail" {
			return &exitError{exitCheckFailed, err}
		}
		return &exitError{exitCantTell, err}
	}
	return nil
}
