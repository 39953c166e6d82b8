package gpu

import (
	"errors"
	"slices"

	"bench/cuda"
	"bench/cuda/nccl"
	"bench/microbench"
)

// work is what a suite's prepare function makes of a workload.
type work struct {
	// gpus are those that do it; nil means the backend's first. comms are their ends
	// of NCCL's communicator, where they have one.
	gpus  []*gpu
	comms []*nccl.Comm
	// enqueue puts iteration i's work on the first GPU's stream, and on the others'
	// where there are several, and does not wait; i chooses the copy of the operands.
	enqueue func(s *cuda.Stream, i int64) error
	// launch says how the host hands the work over: "" behind a kernel that holds
	// the stream until a batch is enqueued, so that device time is all there is;
	// "eager" as a program would, its launches in the measured time; "graph"
	// captured once and replayed.
	launch string
	// copies is how many iterations go round before the first copy is used again;
	// 0 means 1.
	copies int64
	// launches is how many an iteration is on a GPU; 0 means 1.
	launches int64
	// inGraph is how many iterations a graph holds; 0: as many as fill graphSeconds.
	inGraph int64
	// flush empties the L2 before each iteration, outside the measured time: for
	// cold operands of which no second copy fits.
	flush bool
	check func() (microbench.Check, error)
	// close frees what was allocated. It may be nil.
	close         func() error
	name, version string
}

// gpuCase is a work with what its batches need.
type gpuCase struct {
	b *Backend
	work
	// held is how many launches may wait behind the hold at a time, gaveUp whether a
	// holding kernel has given up in this batch.
	held   int64
	gaveUp bool
	// next is the iteration that comes next.
	next int64
	// graphs are one a GPU.
	graphs []*cuda.Graph
}

// routedCase is an MoE layer's, which knows how its tokens fell.
type routedCase struct {
	microbench.Case
	loads func() (active int64, maxLoad, meanLoad float64)
}

func (c routedCase) Loads() (active int64, maxLoad, meanLoad float64) { return c.loads() }

// newCase makes a case of a work.
func (b *Backend) newCase(w work) *gpuCase {
	if w.gpus == nil {
		w.gpus = b.gpus[:1]
	}
	if w.copies < 1 {
		w.copies = 1
	}
	c := &gpuCase{b: b, work: w, held: max(1, min(maxHeld, maxHeldLaunches/max(w.launches, 1)))}
	if w.launch == "graph" {
		c.held = maxHeldGraphs
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

// Close frees the graphs and what was allocated.
func (c *gpuCase) Close() error {
	errs := []error{c.closeGraphs()}
	if c.close != nil {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

func (c *gpuCase) closeGraphs() error {
	var errs []error
	for _, g := range c.graphs {
		errs = append(errs, g.Close())
	}
	c.graphs = nil
	return errors.Join(errs...)
}

// Batch runs n iterations between two events on every GPU.
func (c *gpuCase) Batch(n int64) (microbench.Timing, error) {
	return c.repeated(func() (microbench.Timing, error) { return c.batch(n) })
}

// batch is one try. A graph holds whole rounds over the copies: its batch is the
// next whole number of graphs, and its time is scaled to n.
func (c *gpuCase) batch(n int64) (sum microbench.Timing, err error) {
	if c.flush {
		return c.flushed(n)
	}
	launches, launch := n, func(int64) error {
		c.next++
		return c.enqueue(c.gpus[0].stream, c.next-1)
	}
	if c.launch == "graph" {
		if c.graphs == nil {
			if err := c.capture(); err != nil || c.gaveUp {
				return sum, err
			}
		}
		launches, launch = ceilDiv(n, c.inGraph), c.replay
	}
	// No launch may come at the host's pace unless it is to, so a longer batch is
	// several held ones, with one pair of events' cost among them, as any batch has.
	most := c.held
	if c.launch == "eager" {
		most = launches
	}
	for done := int64(0); done < launches; done += most {
		t, err := c.timed(min(most, launches-done), launch)
		if err != nil {
			return sum, err
		}
		if done > 0 {
			t.Seconds = max(0, t.Seconds-c.b.Clock().OverheadS)
		}
		sum.Seconds += t.Seconds
		sum.WallSeconds += t.WallSeconds
	}
	if c.launch == "graph" {
		scale := float64(n) / float64(launches*c.inGraph)
		sum.Seconds, sum.WallSeconds = sum.Seconds*scale, sum.WallSeconds*scale
	}
	return sum, nil
}

// replay puts the graphs on the streams.
func (c *gpuCase) replay(int64) error {
	for i, g := range c.graphs {
		if err := g.Launch(c.gpus[i].stream); err != nil {
			return err
		}
	}
	return nil
}

// A graph holds as many rounds over the copies as fill graphSeconds, so that what
// its launch costs is spread as over a model's layers; and graphLayers iterations
// at most, or one round.
const (
	graphSeconds = 1e-3
	graphLayers  = 16
)

// capture makes the graphs.
func (c *gpuCase) capture() error {
	if c.inGraph == 0 {
		rounds := int64(1)
		if c.copies < graphLayers {
			one := func(i int64) error { return c.enqueue(c.gpus[0].stream, i) }
			if _, err := c.timed(1, one); err != nil { // the first loads and allocates
				return err
			}
			t, err := c.timed(1, one)
			if err != nil {
				return err
			}
			most := graphLayers / c.copies
			rounds = most
			if c.gaveUp {
				return nil // t says nothing
			}
			if round := t.Seconds * float64(c.copies); round*float64(most) > graphSeconds {
				rounds = min(most, max(1, int64(graphSeconds/round)))
			}
		}
		c.inGraph = rounds * c.copies
	}
	err := c.captureOn(c.gpus)
	if err != nil {
		err = errors.Join(err, c.closeGraphs())
	}
	return err
}

// captureOn captures on the streams of all GPUs at once, each within the one before,
// since an iteration may put work on all.
func (c *gpuCase) captureOn(rest []*gpu) error {
	if len(rest) == 0 {
		for i := range c.inGraph {
			if err := c.enqueue(c.gpus[0].stream, i); err != nil {
				return err
			}
		}
		return nil
	}
	g, err := rest[0].stream.Capture(func() error { return c.captureOn(rest[1:]) })
	if err == nil {
		c.graphs = slices.Insert(c.graphs, 0, g)
	}
	return err
}
