package host

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// threadsSought bounds the search for products on all threads; mostly the first are.
// On a busy machine a thread may not get its core in time, and the caller then
// waits for it by spinning.
const threadsSought = 500 * time.Millisecond

// threadsSeen is the CPU time of the caller over which threads are counted: what
// else the process does is little beside it.
const threadsSeen = 5 * time.Millisecond

// usesThreads makes products until some took as many threads as were asked for,
// whatever the library says of itself: a build without threads, or a variable such
// as OMP_THREAD_LIMIT, leaves it with fewer. It refuses the case by name where
// none do.
func (c *gemmCase) usesThreads() error {
	if c.library == nil || c.w.Ranks == 1 {
		return nil
	}
	most, n := 0.0, int64(1)
	for end := time.Now().Add(threadsSought); most == 0 || time.Now().Before(end); {
		all, own, err := c.cpuTimes(n)
		if err != nil {
			return err
		}
		if own < threadsSeen {
			n *= 2
			continue
		}
		if most = max(most, float64(all)/float64(own)); most > float64(c.w.Ranks)-0.5 {
			return nil
		}
	}
	return skip("%s (%s) was asked for %d threads and used %.1f of them: use its threaded build, look for a variable that limits it (OMP_THREAD_LIMIT, OMP_DYNAMIC, MKL_DYNAMIC), or choose another library",
		c.library.name, c.library.path(), c.w.Ranks, most)
}

// cpuTimes are the CPU time of the whole process over n products and that of the
// caller, which does its share of the work.
func (c *gemmCase) cpuTimes(n int64) (all, own time.Duration, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all, own = cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID), cpuTime(unix.CLOCK_THREAD_CPUTIME_ID)
	_, err = c.Batch(n)
	return cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID) - all, cpuTime(unix.CLOCK_THREAD_CPUTIME_ID) - own, err
}

// cpuTime reads a clock of CPU time. getrusage is behind by up to a tick.
func cpuTime(clock int32) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		panic(err) // the clocks are constants
	}
	return time.Duration(t.Nano())
}
