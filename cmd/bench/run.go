package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bench/datasets"
	"bench/microbench"
	"bench/microbench/launcher"
	"bench/probes"
	"bench/reports"

	"github.com/spf13/cobra"
)

// runFlags are the flags of run.
type runFlags struct {
	out, resume, lockClocks string
	list, partition         bool
	planFlags
}

func runCommand() *cobra.Command {
	f := &runFlags{}
	c := &cobra.Command{
		Use:   "run",
		Short: "Measure the suites on a device, predict each case, and report the error",
		Long: `run measures the suites on a device, checks every answer, predicts every case,
writes one Parquet file, and reports. A finished case goes to a journal at once:
a run that was stopped goes on with --resume. Ctrl-C stops after the case in
flight; a second one stops at once.`,
		Example: `  bench run --profile quick
  bench run --suite gemm,moe --profile standard --out results
  bench run --suite moe --zipf-exponent 1.2 --batch 64,1024
  bench run --out /shared/results --partition
  bench run --device cuda:0,1 --suite allreduce,decode --lock-clocks
  srun --ntasks-per-node=8 bench run --join --profile standard
  bench run --list
  bench run --resume results/20260131T120000Z-1a2b3c4d5e6f.journal`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fl := c.Flags()
	f.register(fl)
	fl.StringVar(&f.out, "out", "results", "folder for the journal and the Parquet file")
	fl.BoolVar(&f.partition, "partition", false, "put the Parquet file into date=YYYY-MM-DD/host=NAME/ below the folder, for many nights and nodes")
	fl.StringVar(&f.resume, "resume", "", "journal of a run to go on with")
	fl.StringVar(&f.lockClocks, "lock-clocks", "", "hold the GPUs' SM clock at so many MHz, or at the published boost clock, until the run ends")
	fl.Lookup("lock-clocks").NoOptDefVal = "boost"
	fl.BoolVar(&f.list, "list", false, "print the plan with each workload's arithmetic, and measure nothing")
	return c
}

func (f *runFlags) run(cmd *cobra.Command) error {
	if _, _, err := parseDevice(f.device); err != nil {
		return err
	}
	var place launcher.Place
	if f.join {
		var err error
		if place, err = f.joined(); err != nil {
			return err
		}
		if place.Rank > 0 && !f.list {
			return follow(place, f.zeros, cmd.ErrOrStderr())
		}
	}
	var began *datasets.JournalHeader
	var done []datasets.Row
	var journal *datasets.Journal
	if f.resume != "" && !f.list {
		j, header, rows, torn, err := datasets.OpenJournal(f.resume)
		if err != nil {
			return err
		}
		defer j.Close()
		if torn {
			fmt.Fprintln(cmd.ErrOrStderr(), "bench: the case that was being written when the run stopped is measured again")
		}
		if err := f.adopt(cmd.Flags(), header.Meta.Command); err != nil {
			return fmt.Errorf("%s: %w", f.resume, err)
		}
		journal, began, done = j, &header, rows
	}
	if f.join && place.Alone() {
		return fmt.Errorf("%s: the run was begun with --join: go on with all its processes, as it was begun", f.resume)
	}
	options, err := f.options()
	if err != nil {
		return err
	}
	stderr := cmd.ErrOrStderr()
	if f.join {
		options = together(options, place)
	}
	t, err := f.openTarget(stderr, place)
	if err != nil {
		return err
	}
	defer t.close()
	parts, err := t.parts(options)
	if err != nil {
		return err
	}
	if f.list {
		return listParts(cmd.OutOrStdout(), t, parts)
	}
	if err := t.knows(done); err != nil {
		return fmt.Errorf("%s: %w", f.resume, err)
	}

	h := probes.ThisHost()
	command := planCommand(cmd.Flags(), t.name)
	if began != nil {
		command = began.Meta.Command
	}
	meta, err := f.meta(&h, t, command)
	if err != nil {
		return err
	}
	header := datasets.JournalHeader{Meta: meta, Devices: t.distinct(), PlanHash: planHash(parts)}
	path := f.resume
	if began != nil {
		err := microbench.CheckResume(*began, header)
		if err == nil {
			err = checkKept(parts, done)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.resume, err)
		}
		header, f.out = *began, filepath.Dir(f.resume)
	}
	if err := checkOut(f.out); err != nil {
		return err
	}
	if began == nil {
		path = filepath.Join(f.out, meta.ID+".journal")
		if journal, err = datasets.CreateJournal(path, header); err != nil {
			return err
		}
		defer journal.Close()
	}
	result := &datasets.Run{Meta: header.Meta, Devices: header.Devices}

	restore, err := f.lock(t, stderr)
	if err != nil {
		return err
	}
	defer restore()
	ctx, stop := interruptible(stderr)
	defer stop()
	m := measuring{target: t, parts: parts, done: done, journal: journal, stderr: stderr, governor: h.Governor.Value}
	err = m.run(ctx)
	result.Rows, result.Meta.Notes = m.rows, append(result.Meta.Notes, m.notes...)
	result.Meta.EndUnixS = time.Now().Unix()
	if result.Meta.EndUnixS < result.Meta.StartUnixS {
		result.Meta.EndUnixS = result.Meta.StartUnixS
		result.Meta.Notes = append(result.Meta.Notes, "the time of day was put back while the run went on: when it ended is not known (no measured time depends on it)")
	}
	if journal.Restored() > 0 {
		fmt.Fprintf(stderr, "bench: warning: %s was removed while the run went on, and was written again\n", path)
	}
	if errors.Is(err, microbench.ErrInterrupted) {
		return checkFailed("interrupted: %s", m.kept())
	}
	if err != nil && len(m.rows) == 0 {
		return nothingMeasured("stopped: %w; %s", err, m.kept())
	}
	if err != nil {
		return checkFailed("stopped: %w; %s", err, m.kept())
	}
	return f.finish(cmd, result, journal, path)
}

// finish predicts, writes the Parquet file, drops the journal, and reports.
func (f *runFlags) finish(cmd *cobra.Command, result *datasets.Run, journal *datasets.Journal, journalPath string) error {
	addPredictions(result)
	folder := f.out
	if f.partition {
		folder = filepath.Join(folder, datasets.PartitionFolder(&result.Meta))
	}
	file := filepath.Join(folder, result.Meta.ID+".parquet")
	err := datasets.MakeFolder(folder)
	if err == nil {
		datasets.RemoveLeftovers(file)
		err = datasets.WriteFile(file, result)
	}
	if err != nil {
		return checkFailed("the results are not written: %w; every case is kept in %s: make room, then bench run --resume %s", err, journalPath, journalPath)
	}
	journal.Close()
	if err := os.Remove(journalPath); err != nil && !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(cmd.ErrOrStderr(), "bench: warning: the journal is not needed any more and stays: %v\n", err)
	}
	report, err := reports.New([]*datasets.Run{result}, runTiers, reports.Catalogue(nil))
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if err := reports.Text(out, report, reports.TextOptions{Width: width(cmd)}); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d cases are in %s\n", len(result.Rows), file)
	return verdict(result)
}

// verdict is how the program ends after a whole run.
func verdict(result *datasets.Run) error {
	usable, failed := 0, []*datasets.Row{}
	for i := range result.Rows {
		m := &result.Rows[i].Measurement
		if m.Usable() {
			usable++
		}
		if m.Verdict == datasets.Failed {
			failed = append(failed, &result.Rows[i])
		}
	}
	switch {
	case len(failed) > 0:
		return checkFailed("%d of %d cases failed, the first being %s: %s", len(failed), len(result.Rows), failed[0].Workload.Key(), failed[0].Measurement.Reason)
	case usable == 0 && len(result.Rows) > 0:
		return nothingMeasured("nothing could be measured: %s", result.Rows[0].Measurement.Reason)
	}
	return nil
}

// checkOut finds out before measuring whether the results can be kept.
func checkOut(dir string) error {
	if err := datasets.MakeFolder(dir); err != nil {
		return fmt.Errorf("the output folder cannot be made: %w", err)
	}
	// Tried rather than asked: root may write everywhere, and cannot in /proc.
	probe, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("the output folder cannot be written: %w", err)
	}
	probe.Close()
	os.Remove(probe.Name())
	const need = 64 << 20 // journal and Parquet file of the largest plan, with room to spare
	if free, err := probes.FreeBytes(dir); err == nil && free < need {
		return fmt.Errorf("the output folder %s has %s left, and a run needs up to %s", dir, reports.Bytes(float64(free)), reports.Bytes(need))
	}
	return nil
}
