package gpu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"bench/datasets"
	"bench/microbench"
)

// Collectives over several processes: rank 0 measures, and tells the others each
// step of a case, since all must take part in it.

// order is one step.
type order struct {
	Do       string               // "open", "prepare", "check", "batch" or "close"
	Workload *datasets.Collective `json:",omitempty"`
	N        int64                `json:",omitempty"`
	// Held is how many launches of a batch to hold.
	Held int64 `json:",omitempty"`
}

// report is what a rank says of a step.
type report struct {
	Error string `json:",omitempty"`
	// Skip is set where the error is a refusal by name.
	Skip   bool              `json:",omitempty"`
	Check  microbench.Check  `json:",omitempty"`
	Timing microbench.Timing `json:",omitempty"`
	// GaveUp says that a holding kernel did: then all repeat the batch, since a
	// rank that did so alone would wait for the others for ever.
	GaveUp bool `json:",omitempty"`
}

// ledCase is a collective that every process of the group has prepared.
type ledCase struct {
	*gpuCase
	b *Backend
}

// lead prepares a collective in every process.
func (b *Backend) lead(w datasets.Collective) (microbench.Case, error) {
	// First whether every process has NCCL at all: one without it would leave the
	// others waiting in a communicator that never comes about.
	open := func() (report, error) { return report{}, b.openNCCL() }
	if _, err := b.step(order{Do: "open"}, open); err != nil {
		return nil, err
	}
	var c *gpuCase
	_, err := b.step(order{Do: "prepare", Workload: &w}, func() (r report, err error) {
		c, err = b.newCollective(w)
		return r, err
	})
	led := &ledCase{c, b}
	if err != nil {
		// Whoever could prepare it must let go of it.
		return nil, errors.Join(err, led.Close())
	}
	return led, nil
}

// step has every process take a step, and puts the reports together: the checks
// added, the slowest time, the first error with its rank.
func (b *Backend) step(o order, mine func() (report, error)) (report, error) {
	g := b.options.Group
	text, err := json.Marshal(o)
	if err != nil {
		return report{}, err
	}
	if _, err := g.Broadcast(text); err != nil {
		return report{}, err
	}
	own, err := json.Marshal(reported(mine()))
	if err != nil {
		return report{}, err
	}
	all, err := g.Gather(own)
	if err != nil {
		return report{}, err
	}
	var sum report
	for rank, text := range all {
		var r report
		if err := json.Unmarshal(text, &r); err != nil {
			return sum, fmt.Errorf("rank %d answers rubbish: %w", rank, err)
		}
		switch {
		case r.Skip:
			return sum, skip("rank %d: %s", rank, r.Error)
		case r.Error != "":
			return sum, fmt.Errorf("rank %d: %s", rank, r.Error)
		}
		sum.Check.Wrong += r.Check.Wrong
		sum.Check.Checked += r.Check.Checked
		sum.Check.MaxRelError = math.Max(sum.Check.MaxRelError, r.Check.MaxRelError)
		sum.GaveUp = sum.GaveUp || r.GaveUp
		sum.Timing.Seconds = max(sum.Timing.Seconds, r.Timing.Seconds)
		sum.Timing.WallSeconds = max(sum.Timing.WallSeconds, r.Timing.WallSeconds)
	}
	return sum, nil
}

func reported(r report, err error) report {
	if err != nil {
		r.Error = err.Error()
		r.Skip = errors.As(err, new(*microbench.SkipError))
	}
	return r
}

func (c *ledCase) Check() (microbench.Check, error) {
	r, err := c.b.step(order{Do: "check"}, func() (r report, err error) {
		r.Check, err = c.gpuCase.Check()
		return r, err
	})
	return r.Check, err
}

func (c *ledCase) Batch(n int64) (microbench.Timing, error) {
	return c.repeated(func() (microbench.Timing, error) {
		r, err := c.b.step(order{Do: "batch", N: n, Held: c.held}, func() (report, error) { return c.take(n, c.held) })
		c.gaveUp = r.GaveUp
		return r.Timing, err
	})
}

// take is this process's part of a batch.
func (c *gpuCase) take(n, held int64) (r report, err error) {
	c.held, c.gaveUp = held, false
	r.Timing, err = c.batch(n)
	r.GaveUp = c.gaveUp
	return r, err
}

func (c *ledCase) Close() error {
	_, err := c.b.step(order{Do: "close"}, func() (report, error) {
		if c.gpuCase == nil {
			return report{}, nil
		}
		return report{}, c.gpuCase.Close()
	})
	return err
}

// Follow does what rank 0 says until it ends, in every other process.
func (b *Backend) Follow() error {
	g := b.options.Group
	var c *gpuCase
	for {
		text, err := g.Broadcast(nil)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var o order
		if err := json.Unmarshal(text, &o); err != nil {
			return fmt.Errorf("rank 0 says rubbish: %w", err)
		}
		var r report
		switch o.Do {
		case "open":
			err = b.openNCCL()
		case "prepare":
			if o.Workload == nil {
				return errors.New("rank 0 names no workload to prepare")
			}
			c, err = b.newCollective(*o.Workload)
		case "check", "batch":
			if c == nil {
				err = errors.New("nothing is prepared")
			} else if o.Do == "check" {
				r.Check, err = c.Check()
			} else {
				r, err = c.take(o.N, o.Held)
			}
		case "close":
			if c != nil {
				err = c.Close()
			}
			c = nil
		default:
			err = fmt.Errorf("rank 0 asks for %q, which this version does not know", o.Do)
		}
		own, err := json.Marshal(reported(r, err))
		if err != nil {
			return err
		}
		if _, err := g.Gather(own); err != nil {
			return err
		}
	}
}

// dismiss lets the other processes go.
func (b *Backend) dismiss() error {
	if g := b.options.Group; g != nil {
		return g.Dismiss()
	}
	return nil
}
