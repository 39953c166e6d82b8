package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"bench/datasets"
	"bench/reports/compare"

	"github.com/spf13/cobra"
)

// interleave runs two builds of bench, or one with two sets of flags,
// alternating on this machine, and returns the runs of each.
type interleave struct {
	rounds int
	keep   string
	// sides are the commands: a program and further flags for its run.
	sides [2][]string
	flags []string
}

// newInterleave takes the two commands and what is passed on to both runs.
func newInterleave(args []string, dash, rounds int, keep string) (*interleave, error) {
	i := &interleave{rounds: rounds, keep: keep}
	if dash < 0 {
		dash = len(args)
	}
	if dash != 2 {
		return nil, fmt.Errorf("compare --interleave: name two commands, such as bin/old bin/new, not %d; flags for both runs follow --", dash)
	}
	if rounds < 1 || rounds > 100 {
		return nil, fmt.Errorf("rounds is %d: write a number from 1 to 100", rounds)
	}
	i.flags = args[dash:]
	for n, command := range args[:dash] {
		words := strings.Fields(command)
		if len(words) == 0 {
			return nil, errors.New("compare --interleave: a command is empty: name a build of bench")
		}
		if _, err := exec.LookPath(words[0]); err != nil {
			return nil, fmt.Errorf("compare --interleave: %s is no program that can be run: %w", words[0], err)
		}
		i.sides[n] = words
	}
	return i, nil
}

func (i *interleave) run(cmd *cobra.Command) (sides [2][]*datasets.Run, err error) {
	dir := i.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "bench-interleave-"); err != nil {
			return sides, err
		}
		defer os.RemoveAll(dir)
	}
	order := compare.Schedule(i.rounds)
	for n, side := range order {
		name := string(rune('A' + side))
		fmt.Fprintf(cmd.ErrOrStderr(), "run %d of %d: %s, %s\n", n+1, len(order), name, strings.Join(i.sides[side], " "))
		out := filepath.Join(dir, name, fmt.Sprintf("%02d", n+1))
		run, err := i.one(cmd, i.sides[side], out)
		if err != nil {
			return sides, err
		}
		sides[side] = append(sides[side], run)
	}
	return sides, nil
}

// one runs a side once. A run in which a case failed has results all the same.
func (i *interleave) one(cmd *cobra.Command, words []string, out string) (*datasets.Run, error) {
	args := append([]string{"run", "--out", out}, words[1:]...)
	c := exec.CommandContext(cmd.Context(), words[0], append(args, i.flags...)...)
	var said strings.Builder
	c.Stderr = &said
	failed := c.Run()
	files, _ := filepath.Glob(filepath.Join(out, "*.parquet"))
	if len(files) != 1 {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		if failed == nil {
			failed = errors.New("no results")
		}
		return nil, fmt.Errorf("%s: %w: %s", c, failed, lines[len(lines)-1])
	}
	return datasets.ReadFile(files[0])
}
