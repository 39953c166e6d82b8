// Command bench measures hardware, predicts each measurement from first
// principles, and reports the error.
//
// A verb is a file of this folder: it reads flags, calls the rooms that do the
// work, and writes what they return. Data goes to stdout, progress and
// warnings to stderr.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	// cobra: subcommands, help and flags in the form users know from kubectl and gh.
	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitDone        = 0
	exitCheckFailed = 1 // measured, and a check failed: gate, verification, a failed case
	exitUsage       = 2 // wrong usage or unreadable input
	exitNothing     = 3 // nothing could be measured
	exitCantTell    = 4 // a gate that the measurements can support no verdict on
)

// verbs makes every command, in the order in which help lists them. A new verb
// is a file with such a function, and a line here.
var verbs = []func() *cobra.Command{
	checkCommand,
	devicesCommand,
	catalogCommand,
	runCommand,
	importCommand,
	predictCommand,
	reportCommand,
	compareCommand,
	gateCommand,
	calibrateCommand,
	exportCommand,
	validateCommand,
	claimsCommand,
	versionCommand,
	manCommand,
}

// exitError is an error that says how the program ends. Any other error that a
// verb returns ends it with exitUsage.
type exitError struct {
	code int
	err  error
}

// errSaid is the error of a verb that has told the user why it ends.
var errSaid = errors.New("said already")

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// checkFailed ends the program with exit code 1 and one sentence.
func checkFailed(format string, args ...any) error {
	return &exitError{exitCheckFailed, fmt.Errorf(format, args...)}
}

// nothingMeasured ends the program with exit code 3 and one sentence.
func nothingMeasured(format string, args ...any) error {
	return &exitError{exitNothing, fmt.Errorf(format, args...)}
}

// unknown is the error for a word that is not among those known:
// `unknown suite "gem": use one of hbm, gemm, …`.
func unknown[T ~string](what, got string, known []T) error {
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = string(k)
	}
	return fmt.Errorf("unknown %s %q: use one of %s", what, got, strings.Join(names, ", "))
}

func main() {
	if err := withoutRelativeFolders(guarded{os.Stderr}); err != nil {
		fmt.Fprintln(guarded{os.Stderr}, "bench:", err)
		os.Exit(exitUsage)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program but for the process around it. No panic reaches a
// user: it becomes one sentence, and the trace where BENCH_TRACE is set.
func run(args []string, stdout, stderr io.Writer) (code int) {
	stderr = guarded{stderr}
	written := &standardOutput{Writer: stdout}
	stdout = written
	if isTerminal(stdout) {
		stdout = guarded{stdout}
	}
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(stderr, "bench: a bug in bench: %v (set BENCH_TRACE=1 for the trace)\n", r)
			if os.Getenv("BENCH_TRACE") != "" {
				fmt.Fprintf(stderr, "%s", debug.Stack())
			}
			code = exitUsage
		}
	}()
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	if err == nil && written.err != nil {
		err = fmt.Errorf("the output is not whole: %w", written.err)
	}
	if err == nil {
		return exitDone
	}
	e := &exitError{code: exitUsage}
	errors.As(err, &e)
	if !errors.Is(err, errSaid) {
		fmt.Fprintln(stderr, "bench:", oneLine(err))
	}
	return e.code
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "bench",
		Short: "Measure hardware, predict each measurement from first principles, report the error",
		Long: `bench measures what a machine does, predicts from first principles what it
should do, and reports the difference.

Exit codes: 0 done; 1 measured, and a check failed; 2 wrong usage or unreadable
input; 3 nothing could be measured; 4 a gate can't tell.`,
		Example: `  bench run --profile quick
  bench devices`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			var names []string
			for _, c := range cmd.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, c.Name())
				}
			}
			slices.Sort(names)
			return unknown("verb", args[0], names)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(cmd.ErrOrStderr())
			cmd.Help()
			return errors.New("say what to do: name a verb")
		},
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "FlagUsages |", "FlagUsagesWrapped 80 |"))
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	for _, make := range slices.Concat(verbs, hiddenVerbs) {
		root.AddCommand(make())
	}
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the program's version and the commit that it was built from",
		Example: "  bench version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return err
		},
	}
}

// commit is what the program was built from; the Makefile sets it.
var commit = ""

// version is the program's version with the commit that it was built from,
// where the build recorded one.
func version() string {
	const v = "bench 0.1.0"
	c := commit
	if info, ok := debug.ReadBuildInfo(); ok && c == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				c = s.Value[:min(12, len(s.Value))]
			}
		}
	}
	if c == "" {
		return v
	}
	return v + " (" + c + ")"
}
