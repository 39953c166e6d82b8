package gpu

import (
	"errors"

	"bench/cuda"
	"bench/microbench"
)

// work is what a suite's prepare function makes of a workload.
type work struct {
	// enqueue puts iteration i's work on the stream and does not wait; i chooses
	// the copy of the operands.
	enqueue func(s *cuda.Stream, i int64) error
	// launch says how the host hands the work over: "" behind a kernel that holds
	// the stream until a batch is enqueued, so that device time is all there is;
	// "eager" as a program would, its launches in the measured time; "graph"
	// captured once and replayed.
	launch string
	// copies is how many iterations go round before the first copy is used again;
	// 0 means 1.
	copies int64
	// launches is how many an iteration is; 0 means 1.
	launches int64
	// flush empties the L2 before each iteration, outside the measured time: for
	// cold operands of which no second copy fits.
	flush bool
	check func() (microbench.Check, error)
	// close frees what was allocated. It may be nil.
	close func() error
	// loads is RoutedCase's, for an MoE layer; nil for all others.
	loads         func() (active int64, maxLoad, meanLoad float64)
	name, version string
}

// gpuCase is a work with what its batches need.
type gpuCase struct {
	b *Backend
	work
	// held is how many iterations may wait behind the hold.
	held int64
	// next is the iteration that comes next.
	next  int64
	graph *cuda.Graph
	// inGraph is how many iterations the graph holds.
	inGraph int64
}

type routedCase struct{ *gpuCase }

func (c routedCase) Loads() (active int64, maxLoad, meanLoad float64) { return c.loads() }

// newCase makes a case of a work.
func (b *Backend) newCase(w work) microbench.Case {
	if w.copies < 1 {
		w.copies = 1
	}
	c := &gpuCase{b: b, work: w, held: max(1, min(maxHeld, maxHeldLaunches/max(w.launches, 1)))}
	if w.launch == "graph" {
		c.held = maxHeldGraphs
	}
	if w.loads != nil {
		return routedCase{c}
	}
	return c
}

// Check runs the work once and compares its answer with the reference.
func (c *gpuCase) Check() (microbench.Check, error) {
	if c.check == nil {
		return microbench.Check{}, nil
	}
	return c.check()
}

// Implementation names the kernel or library.
func (c *gpuCase) Implementation() (name, version string) { return c.name, c.version }

// Close frees the graph and what was allocated.
func (c *gpuCase) Close() error {
	var errs []error
	if c.graph != nil {
		errs = append(errs, c.graph.Close())
		c.graph = nil
	}
	if c.close != nil {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// Batch runs n iterations between two events. A graph holds whole rounds over the
// copies: its batch is the next whole number of graphs, and its time is scaled to
// n.
func (c *gpuCase) Batch(n int64) (microbench.Timing, error) {
	switch {
	case c.flush:
		return c.flushed(n)
	case c.launch == "graph":
		if c.graph == nil {
			if err := c.capture(); err != nil {
				return microbench.Timing{}, err
			}
		}
		graphs := (n + c.inGraph - 1) / c.inGraph
		t, err := c.timed(graphs, func(int64) error { return c.graph.Launch(c.b.stream) })
		scale := float64(n) / float64(graphs*c.inGraph)
		return microbench.Timing{Seconds: t.Seconds * scale, WallSeconds: t.WallSeconds * scale}, err
	}
	if c.launch == "eager" {
		return c.run(n)
	}
	// No launch may come at the host's pace, so a longer batch is several held
	// ones, with one pair of events' cost among them, as any batch has.
	var sum microbench.Timing
	for first := true; n > 0; first = false {
		k := min(n, c.held)
		n -= k
		t, err := c.run(k)
		if err != nil {
			return sum, err
		}
		if !first {
			t.Seconds = max(0, t.Seconds-c.b.Clock().OverheadS)
		}
		sum.Seconds += t.Seconds
		sum.WallSeconds += t.WallSeconds
	}
	return sum, nil
}

// run runs the next n iterations between one pair of events.
func (c *gpuCase) run(n int64) (microbench.Timing, error) {
	from := c.next
	c.next += n
	return c.timed(n, func(i int64) error { return c.enqueue(c.b.stream, from+i) })
}

// A graph holds as many rounds over the copies as fill graphSeconds, so that what
// its launch costs is spread as over a model's layers; and graphLayers iterations
// at most, or one round.
const (
	graphSeconds = 1e-3
	graphLayers  = 16
)

// capture makes the graph.
func (c *gpuCase) capture() error {
	rounds := int64(1)
	if c.copies < graphLayers {
		one := func(i int64) error { return c.enqueue(c.b.stream, i) }
		if _, err := c.timed(1, one); err != nil { // the first loads and allocates
			return err
		}
		t, err := c.timed(1, one)
		if err != nil {
			return err
		}
		most := graphLayers / c.copies
		rounds = most
		if round := t.Seconds * float64(c.copies); round*float64(most) > graphSeconds {
			rounds = min(most, max(1, int64(graphSeconds/round)))
		}
	}
	c.inGraph = rounds * c.copies
	g, err := c.b.stream.Capture(func() error {
		for i := range c.inGraph {
			if err := c.enqueue(c.b.stream, i); err != nil {
				return err
			}
		}
		return nil
	})
	c.graph = g
	return err
}
