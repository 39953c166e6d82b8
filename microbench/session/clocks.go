package session

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"bench/probes"
)

// GuardVerb is the hidden verb that lets clocks go when its parent is gone; its
// arguments are the GPUs' UUIDs, and GuardClocks does it.
const GuardVerb = "restore-clocks"

// lockClocks holds the GPUs' clocks where the options ask for it. Close lets them
// go; a process beside us does so too when ours ends in any other way.
func (t *Target) lockClocks(warn func(format string, args ...any)) error {
	if t.options.LockClocks == "" {
		return nil
	}
	hz := t.Devices[0].ClockHz.Value
	if t.options.LockClocks != "boost" {
		mhz, err := strconv.ParseFloat(t.options.LockClocks, 64)
		if err != nil || !(mhz > 0 && mhz < 10_000) {
			return fmt.Errorf("--lock-clocks is %q, and must be a clock in MHz, such as 1410", t.options.LockClocks)
		}
		hz = mhz * 1e6
	}
	guard, err := startGuard(t.uuids)
	if err != nil {
		return fmt.Errorf("the process that would let the clocks go does not start: %w", err)
	}
	unlock, err := probes.LockClocks(t.uuids, hz)
	if err != nil {
		guard()
		return &NothingError{err}
	}
	t.unlock = func() {
		if err := unlock(); err != nil {
			warn("warning: %v", err)
		}
		guard()
	}
	return nil
}

// startGuard starts a process that lets the clocks of these GPUs go when its
// standard input ends: when we close it, or when we are gone, SIGKILL included.
func startGuard(uuids []string) (end func(), err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	c := ownCommand(append([]string{GuardVerb}, uuids...)...)
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

// GuardClocks lets the GPUs' clocks go when in ends.
func GuardClocks(in io.Reader, uuids []string) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	_, _ = io.Copy(io.Discard, in)
	return probes.UnlockClocks(uuids)
}
