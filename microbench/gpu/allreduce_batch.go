package gpu

import (
	"errors"
	"sync/atomic"
	"time"

	"bench/cuda"
	"bench/microbench"
)

// maxHeldGroups iterations wait behind the holds: a group is a launch and a few
// events of NCCL's own on every GPU.
const maxHeldGroups = 50

// graphGroups is how many iterations a graph holds.
const graphGroups = 16

// Batch runs n iterations between two events on every GPU, and takes the slowest
// GPU's time.
func (c *collectiveCase) Batch(n int64) (microbench.Timing, error) {
	if c.w.Launch != "graph" {
		held := c.held
		if c.w.Launch == "eager" {
			held = 0
		}
		from := c.next
		c.next += n
		return c.run(n, held, func(i int64) error { return c.iteration(from + i) })
	}
	if c.ranks[0].graph == nil {
		if err := c.capture(c.ranks); err != nil {
			return microbench.Timing{}, err
		}
	}
	graphs := (n + graphGroups - 1) / graphGroups
	t, err := c.run(graphs, min(c.held, maxHeldGraphs), func(int64) error {
		for _, r := range c.ranks {
			if err := r.graph.Launch(r.stream); err != nil {
				return err
			}
		}
		return nil
	})
	scale := float64(n) / float64(graphs*graphGroups)
	return microbench.Timing{Seconds: t.Seconds * scale, WallSeconds: t.WallSeconds * scale}, err
}

// iteration enqueues iteration i on every GPU.
func (c *collectiveCase) iteration(i int64) error {
	if c.one != nil {
		return c.one(i)
	}
	return c.lib.Enqueue(c.calls...)
}

// capture makes a graph a GPU. The streams of all of them capture at once, each
// within the one before, since a group puts work on all.
func (c *collectiveCase) capture(rest []*rank) error {
	if len(rest) == 0 {
		for i := range int64(graphGroups) {
			if err := c.iteration(i); err != nil {
				return err
			}
		}
		return nil
	}
	g, err := rest[0].stream.Capture(func() error { return c.capture(rest[1:]) })
	rest[0].graph = g
	return err
}

// run makes n launches between two events on every GPU's stream, the first held
// of them behind a holding kernel on each, so that no GPU starts before the work
// of all is enqueued. It is timed for several streams; gpuCase.timed says what
// holding is for.
func (c *collectiveCase) run(n, held int64, launch func(i int64) error) (microbench.Timing, error) {
	var holds []*hold
	for _, r := range c.ranks {
		h, err := r.holding()
		if err != nil {
			return microbench.Timing{}, err
		}
		holds = append(holds, h)
	}
	release := func() {
		for _, h := range holds {
			atomic.StoreUint32(h.flag, 1)
		}
	}
	held = min(held, n)
	for {
		start, err := c.enqueue(holds, n, held, release, launch)
		release() // whatever happened
		if err != nil {
			return microbench.Timing{}, err
		}
		if err := c.wait(); err != nil {
			return microbench.Timing{}, err
		}
		t := microbench.Timing{WallSeconds: time.Since(start).Seconds()}
		gaveUp := false
		for i, h := range holds {
			gaveUp = gaveUp || atomic.LoadUint32(h.gave) != 0
			seconds, err := c.ranks[i].ctx.Elapsed(h.begin, h.end)
			if err != nil {
				return t, err
			}
			t.Seconds = max(t.Seconds, seconds)
		}
		if held > 1 && gaveUp {
			held /= 2
			c.held = held
			continue
		}
		return t, nil
	}
}

// enqueue puts the whole batch on the streams, and returns when the devices were
// let go.
func (c *collectiveCase) enqueue(holds []*hold, n, held int64, release func(), launch func(i int64) error) (start time.Time, err error) {
	for i, h := range holds {
		s := c.ranks[i].stream
		atomic.StoreUint32(h.flag, 0)
		atomic.StoreUint32(h.gave, 0)
		if held > 0 {
			if err := s.Launch(h.spin, cuda.Launch{}, h.flagP, uint64(holdNS), h.gavP); err != nil {
				return start, err
			}
		}
		if err := s.Record(h.begin); err != nil {
			return start, err
		}
	}
	start = time.Now()
	for i := range n {
		if i == held {
			release()
			start = time.Now()
		}
		if err := launch(i); err != nil {
			return start, err
		}
	}
	for i, h := range holds {
		if err := c.ranks[i].stream.Record(h.end); err != nil {
			return start, err
		}
	}
	if held == n {
		start = time.Now()
	}
	return start, nil
}

// wait waits for every GPU. Where one hangs, NCCL may know which peer died.
func (c *collectiveCase) wait() error {
	for i, r := range c.ranks {
		err := r.wait(answerWithin)
		if hang := (*HangError)(nil); errors.As(err, &hang) {
			return errors.Join(err, c.comms[i].AsyncError())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
