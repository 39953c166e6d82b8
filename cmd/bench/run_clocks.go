package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"bench/probes"

	"github.com/spf13/cobra"
)

// guardVerb is the hidden verb that lets clocks go when its parent is gone.
const guardVerb = "restore-clocks"

// lock holds the GPUs' clocks where --lock-clocks asks for it. restore lets them
// go; a process beside us does so too when ours ends in any other way.
func (f *runFlags) lock(t *target, stderr io.Writer) (restore func(), err error) {
	if f.lockClocks == "" {
		return func() {}, nil
	}
	hz := t.devices[0].ClockHz.Value
	if f.lockClocks != "boost" {
		mhz, err := strconv.ParseFloat(f.lockClocks, 64)
		if err != nil || !(mhz > 0 && mhz < 10_000) {
			return nil, fmt.Errorf("--lock-clocks is %q, and must be a clock in MHz, such as 1410", f.lockClocks)
		}
		hz = mhz * 1e6
	}
	guard, err := startGuard(t.uuids)
	if err != nil {
		return nil, fmt.Errorf("the process that would let the clocks go does not start: %w", err)
	}
	unlock, err := probes.LockClocks(t.uuids, hz)
	if err != nil {
		guard()
		return nil, nothingMeasured("%w", err)
	}
	return func() {
		if err := unlock(); err != nil {
			fmt.Fprintln(stderr, "bench: warning:", err)
		}
		guard()
	}, nil
}

// startGuard starts a process that lets the clocks of these GPUs go when its
// standard input ends: when we close it, or when we are gone, SIGKILL included.
func startGuard(uuids []string) (end func(), err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	c := ownCommand(append([]string{guardVerb}, uuids...)...)()
	c.Stdin, c.SysProcAttr = r, &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		w.Close()
		return nil, err
	}
	return func() {
		w.Close()
		_ = c.Wait()
	}, nil
}

func restoreClocksCommand() *cobra.Command {
	return &cobra.Command{
		Use:    guardVerb + " UUID…",
		Short:  "Let the GPUs' clocks go when standard input ends",
		Hidden: true,
		Args:   cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, uuids []string) error {
			signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			_, _ = io.Copy(io.Discard, cmd.InOrStdin())
			return probes.UnlockClocks(uuids)
		},
	}
}
