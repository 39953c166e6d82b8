//go:build cgo && linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"bench/datasets"
	"bench/microbench/launcher"
	"bench/microbench/session"
	"bench/reports"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// runFlags are the flags of run.
type runFlags struct {
	out, resume, host string
	labels            map[string]string
	list, partition   bool
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
		RunE: func(cmd *cobra.Command, _ []string) error { return ended(f.run(cmd)) },
	}
	fl := c.Flags()
	f.register(fl)
	fl.StringVar(&f.out, "out", defaultOut, "folder for the journal and the Parquet file")
	fl.BoolVar(&f.partition, "partition", false, "put the Parquet file into date=YYYY-MM-DD/host=NAME/ below the folder, for many nights and nodes")
	fl.StringVar(&f.host, "host", os.Getenv("BENCH_HOST"), "name of this machine in the results (default BENCH_HOST, or else the host's own name)")
	fl.Lookup("host").DefValue = ""
	fl.StringToStringVar(&f.labels, "label", nil, "a label of your own for the results, such as rack=7")
	fl.StringVar(&f.resume, "resume", "", "journal of a run to go on with")
	fl.StringVar(&f.target.LockClocks, "lock-clocks", "", "hold the GPUs' SM clock at so many MHz, or at the published boost clock, until the run ends")
	fl.Lookup("lock-clocks").NoOptDefVal = "boost"
	fl.BoolVar(&f.list, "list", false, "print the plan with each workload's arithmetic, and measure nothing")
	return c
}

// defaultOut is where results go, and where unfinished runs are looked for.
const defaultOut = "results"

// check refuses what is wrong whatever the device is.
func (f *runFlags) check(given *pflag.FlagSet) error {
	if given.Changed("time") && f.time <= 0 {
		return fmt.Errorf("--time is %s: give the whole run more than that, such as 90s", f.time)
	}
	if f.resume != "" && (given.Changed("host") || given.Changed("label")) {
		return fmt.Errorf("%s: the run keeps the host's name and the labels that it was begun with: leave out --host and --label", f.resume)
	}
	printable := func(s string) bool {
		return len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError })
	}
	if !printable(f.host) {
		return fmt.Errorf("the host's name is %.40q: write up to 128 printable characters", f.host)
	}
	for k, v := range f.labels {
		if k == "" || !printable(k) || !printable(v) || strings.ContainsAny(k, " =") {
			return fmt.Errorf("--label %.40q=%.40q: write NAME=VALUE of up to 128 printable characters each, the name without spaces", k, v)
		}
	}
	_, _, err := session.ParseDevice(f.target.Device)
	return err
}

// run measures, predicts, writes and reports, one after the other.
func (f *runFlags) run(cmd *cobra.Command) error {
	stderr, out := cmd.ErrOrStderr(), cmd.OutOrStdout()
	if err := f.check(cmd.Flags()); err != nil {
		return err
	}
	if f.join {
		if err := f.joined(); err != nil {
			return err
		}
		if f.target.Place.Rank > 0 && !f.list {
			return session.Follow(f.target.Place, f.target.Zeros, unguarded(stderr)) // a child guards its own
		}
	}
	s := session.Session{Warn: func(format string, args ...any) { fmt.Fprintf(stderr, "bench: "+format+"\n", args...) }}
	defer s.Close()
	var command []string
	if f.resume != "" && !f.list {
		began, err := s.Resume(f.resume)
		if err != nil {
			return err
		}
		if err = f.adopt(cmd.Flags(), began); err == nil && f.join && f.target.Place.Alone() {
			err = errors.New("the run was begun with --join: go on with all its processes, as it was begun")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.resume, err)
		}
	}
	options, err := f.options()
	if err != nil {
		return err
	}
	if err := s.Open(f.target, options); err != nil {
		return err
	}
	if command == nil {
		command = planCommand(cmd.Flags(), s.Target.Name)
	}
	if f.list {
		return listParts(out, s.Parts)
	}
	if err := s.Begin(f.out, datasets.Meta{Bench: version(), Command: command, Profile: f.profile, Host: f.host, Labels: f.labels}); err != nil {
		return err
	}
	if s.Target.Notice != "" {
		s.Warn("%s", s.Target.Notice)
	}
	ctx, stop := interruptible(stderr)
	defer stop()
	show := newProgress(stderr, s.Total())
	s.OnCase, s.OnPart = show.add, show.say
	s.Warn = func(format string, args ...any) { show.say("bench: " + fmt.Sprintf(format, args...)) }
	result, err := s.Measure(ctx)
	show.end()
	if err != nil {
		return err
	}
	tiers := reports.Store(result)
	file, err := s.Write(result, f.partition)
	if err != nil {
		return err
	}
	report, err := reports.New([]*datasets.Run{result}, tiers, reports.Catalogue(nil))
	if err != nil {
		return err
	}
	if err := reports.Brief(out, report, reports.TextOptions{Width: width(cmd), Files: []string{file}}); err != nil {
		return err
	}
	return session.Outcome(result)
}

// ended gives a session's error its exit code.
func ended(err error) error {
	switch {
	case errors.Is(err, session.ErrSaid):
		return &exitError{exitNothing, errSaid}
	case errors.As(err, new(*session.NothingError)):
		return &exitError{exitNothing, err}
	case errors.As(err, new(*session.FailedError)):
		return &exitError{exitCheckFailed, err}
	}
	return err
}

// joined finds this process's place among those that --join joins, and narrows
// the run to what they can do together.
func (f *runFlags) joined() error {
	p, err := launcher.FromEnv(os.Getenv)
	if err != nil {
		return err
	}
	if p.Alone() {
		return errors.New("--join joins the processes that torchrun, srun or mpirun starts, one a GPU, and this is the only one: run without --join")
	}
	if kind, gpus, _ := session.ParseDevice(f.target.Device); kind == "host" || gpus != nil {
		return fmt.Errorf("--join takes a GPU for each process by itself: leave out --device %s", f.target.Device)
	}
	if len(f.ranks) > 0 {
		return fmt.Errorf("--join measures over all %d processes, not over --ranks", p.Size)
	}
	if len(f.suites) == 0 {
		f.suites = []string{string(datasets.SuiteAllReduce)}
	}
	for _, s := range f.suites {
		if datasets.Suite(s) != datasets.SuiteAllReduce {
			return fmt.Errorf("--join is for collectives over several processes: suite %s runs without it, on each node by itself", s)
		}
	}
	f.target.Device, f.target.Place = "cuda", p
	return nil
}

// interruptible is a context that the first Ctrl-C (or a termination) ends; a
// second one ends the program at once, as it would without us.
func interruptible(stderr io.Writer) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(signals, syscall.SIGHUP)
	}
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			signal.Stop(signals)
			fmt.Fprintln(stderr, "\nbench: stopping after the case in flight; a second Ctrl-C stops at once")
			cancel()
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}

// hiddenVerbs are processes that a session starts.
var hiddenVerbs = []func() *cobra.Command{measureChildCommand, followChildCommand, restoreClocksCommand}

func measureChildCommand() *cobra.Command {
	return hidden(session.ChildVerb+" OPTIONS", "Serve a backend to another bench process", cobra.MaximumNArgs(1), func(_ *cobra.Command, args []string) error {
		if code := session.ServeChild(append(args, "")[0]); code != 0 {
			os.Exit(code)
		}
		return nil
	})
}

func followChildCommand() *cobra.Command {
	return hidden(session.FollowVerb+" OPTIONS", "Take part in what rank 0 measures", cobra.ExactArgs(1), func(_ *cobra.Command, args []string) error {
		return ended(session.ServeFollower(args[0]))
	})
}

func restoreClocksCommand() *cobra.Command {
	return hidden(session.GuardVerb+" UUID…", "Let the GPUs' clocks go when standard input ends", cobra.MinimumNArgs(1), func(cmd *cobra.Command, uuids []string) error {
		return session.GuardClocks(cmd.InOrStdin(), uuids)
	})
}

func hidden(use, short string, args cobra.PositionalArgs, run func(*cobra.Command, []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Hidden: true, Args: args, RunE: run}
}
