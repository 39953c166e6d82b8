package gpu

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"bench/cuda"
	"bench/microbench"
)

const (
	// maxHeld iterations wait behind the hold, and maxHeldLaunches: the driver's
	// queue takes about a thousand launches before the host waits for the device,
	// which would wait for the host.
	maxHeld         = 250
	maxHeldLaunches = 750
	maxHeldGraphs   = 8
	// holdNS is how long the holding kernel spins before it gives up, so that
	// nothing can hang on it.
	holdNS = 1e9
	// answerWithin is how long the device may take over a batch.
	answerWithin = 30 * time.Second
)

// HangError says that the device did not answer. Its context is lost.
type HangError struct {
	GPU   string
	After time.Duration
}

func (e *HangError) Error() string {
	return fmt.Sprintf("the GPU did not answer for %.0f s: %s", e.After.Seconds(), e.GPU)
}

// hold is the kernel that keeps a stream waiting until the host lets go, with two
// words of pinned memory: the host's flag, and whether the kernel gave up.
type hold struct {
	spin        *cuda.Function
	flag, gave  *uint32
	begin, end  *cuda.Event
	flagP, gavP cuda.Ptr
}

// holding prepares the hold of a GPU once.
func (g *gpu) holding() (*hold, error) {
	if g.hold != nil {
		return g.hold, nil
	}
	spin, err := g.function("spin", "bench_spin")
	if err != nil {
		return nil, err
	}
	p, err := g.ctx.AllocHost(256)
	if err != nil {
		return nil, err
	}
	h := &hold{spin: spin, flag: (*uint32)(p), gave: (*uint32)(unsafe.Add(p, 128))}
	h.flagP, h.gavP = cuda.Ptr(uintptr(p)), cuda.Ptr(uintptr(p))+128
	if h.begin, err = g.ctx.NewEvent(); err != nil {
		return nil, err
	}
	if h.end, err = g.ctx.NewEvent(); err != nil {
		return nil, err
	}
	g.hold = h
	return h, nil
}

// timed runs n launches between two events on the first GPU's stream. What
// launch is "" or "graph" is held until it is enqueued, up to held launches; the
// rest is enqueued while the device works. Where the holding kernel gave up
// before the host let go, the batch says nothing: half as many are held next.
func (c *gpuCase) timed(n int64, launch func(i int64) error) (microbench.Timing, error) {
	g := c.b.gpus[0]
	h, err := g.holding()
	if err != nil {
		return microbench.Timing{}, err
	}
	for {
		held := min(n, c.held)
		if c.launch == "eager" {
			held = 0
		}
		atomic.StoreUint32(h.flag, 0)
		atomic.StoreUint32(h.gave, 0)
		if held > 0 {
			if err := g.stream.Launch(h.spin, cuda.Launch{}, h.flagP, uint64(holdNS), h.gavP); err != nil {
				return microbench.Timing{}, err
			}
		}
		release := func() { atomic.StoreUint32(h.flag, 1) }
		start := time.Now()
		err := g.stream.Record(h.begin)
		for i := int64(0); i < n && err == nil; i++ {
			if i == held {
				release()
				start = time.Now()
			}
			err = launch(i)
		}
		if err == nil {
			err = g.stream.Record(h.end)
		}
		if held == n {
			start = time.Now()
		}
		release() // whatever happened
		if err != nil {
			return microbench.Timing{}, err
		}
		if err := g.wait(answerWithin); err != nil {
			return microbench.Timing{}, err
		}
		wall := time.Since(start).Seconds()
		if held > 1 && atomic.LoadUint32(h.gave) != 0 {
			c.held /= 2
			continue
		}
		t := microbench.Timing{WallSeconds: wall}
		t.Seconds, err = g.ctx.Elapsed(h.begin, h.end)
		return t, err
	}
}

// flushed times each of n iterations on its own, with the L2 emptied before it.
func (c *gpuCase) flushed(n int64) (microbench.Timing, error) {
	var sum microbench.Timing
	for range n {
		if err := c.b.flush(); err != nil {
			return sum, err
		}
		i := c.next
		c.next++
		t, err := c.timed(1, func(int64) error { return c.enqueue(c.b.stream, i) })
		if err != nil {
			return sum, err
		}
		sum.Seconds += t.Seconds
		sum.WallSeconds += t.WallSeconds
	}
	return sum, nil
}

// flush writes twice the L2's size of memory of its own, so that nothing else is
// left in the L2.
func (b *Backend) flush() error {
	g := b.gpus[0]
	bytes := 2 * g.device.L2Bytes / 16 * 16
	if b.flushed == 0 {
		p, err := g.ctx.Alloc(bytes)
		if err != nil {
			return err
		}
		b.flushed = p
	}
	f, err := g.function("flush", "bench_flush")
	if err != nil {
		return err
	}
	return g.stream.Launch(f, g.everySM(), b.flushed, bytes/16)
}

// wait waits for the stream. It asks instead of blocking in the driver, so that a
// device that hangs is noticed; often at first, since a batch takes milliseconds.
func (g *gpu) wait(limit time.Duration) error {
	start := time.Now()
	for {
		done, err := g.stream.Query()
		if done || err != nil {
			return err
		}
		waited := time.Since(start)
		if waited > limit {
			return &HangError{GPU: g.String(), After: waited}
		}
		if waited > 20*time.Millisecond {
			time.Sleep(50 * time.Microsecond)
		}
	}
}

// Clock is the events'.
func (b *Backend) Clock() microbench.Clock { return b.clock }

// readClock works out the events' clock: a resolution of about half a microsecond
// (cuEventElapsedTime), and what a pair costs, measured between two that have
// nothing in between.
func (b *Backend) readClock() error {
	b.clock = microbench.Clock{Name: "CUDA events", ResolutionS: 0.5e-6}
	var pairs []float64
	empty := &gpuCase{b: b, held: maxHeld}
	for range 11 {
		t, err := empty.timed(1, func(int64) error { return nil })
		if err != nil {
			return err
		}
		pairs = append(pairs, t.Seconds)
	}
	slices.Sort(pairs)
	b.clock.OverheadS = pairs[len(pairs)/2]
	return nil
}
