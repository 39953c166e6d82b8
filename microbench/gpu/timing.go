package gpu

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"bench/cuda"
	"bench/microbench"
)

const (
	// maxHeld iterations wait behind the hold at a time, and maxHeldLaunches: the
	// driver's queue takes about a thousand launches before the host waits for the
	// device, which would wait for the host.
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

// timed makes n launches between two events on every GPU's stream, and takes the
// slowest GPU's time. Unless they are to be eager they wait behind a holding kernel on
// each GPU, so that none starts before the work of all is enqueued. Where one gave up
// before the host let go, the time says nothing: see repeated.
func (c *gpuCase) timed(n int64, launch func(i int64) error) (t microbench.Timing, err error) {
	holds := make([]*hold, len(c.gpus))
	for i, g := range c.gpus {
		if holds[i], err = g.holding(); err != nil {
			return t, err
		}
	}
	held := c.launch != "eager"
	start := time.Now()
	err = c.enqueueBetween(holds, held, n, launch)
	if held {
		start = time.Now()
	}
	for _, h := range holds {
		atomic.StoreUint32(h.flag, 1) // whatever happened
	}
	if err == nil {
		err = c.wait()
	}
	if err != nil {
		return t, err
	}
	t.WallSeconds = time.Since(start).Seconds()
	for i, g := range c.gpus {
		c.gaveUp = c.gaveUp || atomic.LoadUint32(holds[i].gave) != 0
		seconds, err := g.ctx.Elapsed(holds[i].begin, holds[i].end)
		if err != nil {
			return t, err
		}
		t.Seconds = max(t.Seconds, seconds)
	}
	return t, nil
}

// enqueueBetween puts the whole batch on the streams.
func (c *gpuCase) enqueueBetween(holds []*hold, held bool, n int64, launch func(i int64) error) error {
	for i, h := range holds {
		s := c.gpus[i].stream
		atomic.StoreUint32(h.flag, 0)
		atomic.StoreUint32(h.gave, 0)
		if held {
			if err := s.Launch(h.spin, cuda.Launch{}, h.flagP, uint64(holdNS), h.gavP); err != nil {
				return err
			}
		}
		if err := s.Record(h.begin); err != nil {
			return err
		}
	}
	for i := range n {
		if err := launch(i); err != nil {
			return err
		}
	}
	for i, h := range holds {
		if err := c.gpus[i].stream.Record(h.end); err != nil {
			return err
		}
	}
	return nil
}

// maxGaveUp is how often in a row the hold of one launch may give up: the first may
// have loaded what the second finds there.
const maxGaveUp = 3

// repeated makes a batch until none of its holds has given up, each time with half
// as many launches held.
func (c *gpuCase) repeated(batch func() (microbench.Timing, error)) (microbench.Timing, error) {
	for single := 0; ; {
		c.gaveUp = false
		t, err := batch()
		if err != nil || !c.gaveUp {
			return t, err
		}
		if c.held > 1 {
			c.held /= 2
			continue
		}
		if single++; single == maxGaveUp {
			return t, fmt.Errorf("%d times in a row the host took more than %g s to enqueue one launch, longer than a GPU is held: is the host overloaded, or stopped?",
				single, holdNS/1e9)
		}
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
		t, err := c.timed(1, func(int64) error { return c.enqueue(c.gpus[0].stream, i) })
		if err != nil {
			return sum, err
		}
		sum.Seconds += t.Seconds
		sum.WallSeconds += t.WallSeconds
	}
	return sum, nil
}

// flush writes twice the L2's size of memory of its own, so that nothing else is
// left in the L2. The first time it is checked that all of it is written.
func (b *Backend) flush() error {
	g := b.gpus[0]
	bytes := 2 * g.device.L2Bytes / 16 * 16
	f, err := g.function("flush", "bench_flush")
	if err != nil {
		return err
	}
	write := func(p cuda.Ptr) error { return g.stream.Launch(f, g.everySM(), p, bytes/16) }
	if b.flushed != 0 {
		return write(b.flushed)
	}
	p, err := g.ctx.Alloc(bytes)
	if err != nil {
		return err
	}
	err = errors.Join(g.stream.Fill8(p, 1, bytes), write(p))
	if err == nil {
		var left uint64
		if left, err = b.checksum(p, bytes); err == nil && left != 0 {
			err = fmt.Errorf("emptying the L2 leaves some of %d bytes unwritten on %s: is the GPU, or the driver's compilation of the kernels, faulty?", bytes, g)
		}
	}
	if err != nil {
		return errors.Join(err, g.ctx.Free(p))
	}
	b.flushed = p
	return write(p)
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

// wait waits for every GPU. Where one hangs, NCCL may know which peer died.
func (c *gpuCase) wait() error {
	for i, g := range c.gpus {
		err := g.wait(answerWithin)
		if errors.As(err, new(*HangError)) && c.comms != nil {
			err = errors.Join(err, c.comms[i].AsyncError())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Clock is the events'.
func (b *Backend) Clock() microbench.Clock { return b.clock }

// readClock works out the events' clock: a resolution of about half a microsecond
// (cuEventElapsedTime), and what a pair costs, measured between two that have
// nothing in between.
func (b *Backend) readClock() error {
	b.clock = microbench.Clock{Name: "CUDA events", ResolutionS: 0.5e-6}
	var pairs []float64
	empty := b.newCase(work{enqueue: func(*cuda.Stream, int64) error { return nil }})
	for range 11 {
		t, err := empty.Batch(1)
		if err != nil {
			return err
		}
		pairs = append(pairs, t.Seconds)
	}
	slices.Sort(pairs)
	b.clock.OverheadS = pairs[len(pairs)/2]
	return nil
}
