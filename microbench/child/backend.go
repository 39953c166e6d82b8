// Package child measures in a process of its own: a backend served over pipes. A
// kernel that hangs, a segmentation fault or a CUDA error that loses the context
// then ends one case, with its cause, and not the run: the next case gets a fresh
// process. It takes no time inside a batch, since the clock is read in the child.
package child

import (
	"errors"
	"fmt"
	"math"
	"net/rpc"
	"os/exec"
	"time"

	"bench/datasets"
	"bench/microbench"
)

// Config says how to start a child.
type Config struct {
	// Command makes the command of a fresh child, which calls Main.
	Command func() *exec.Cmd
	// Device is what hangs, in a sentence: "GPU" or "host".
	Device string
	// Limits are DefaultLimits where zero.
	Limits Limits
}

// Limits are how long a call may take before the child is killed.
type Limits struct {
	// Open covers loading the driver and making a context, Prepare allocation and
	// filling, Check the reference, Other all that should be short.
	Open, Prepare, Check, Other time.Duration
	// A batch may take Batch and Times what the same iterations took before.
	Batch time.Duration
	Times float64
}

// DefaultLimits suit a GPU.
var DefaultLimits = Limits{Open: 120 * time.Second, Prepare: 120 * time.Second, Check: 120 * time.Second,
	Other: 30 * time.Second, Batch: 30 * time.Second, Times: 20}

// Backend is a microbench.Backend in a child.
type Backend struct {
	config   Config
	process  *process
	opened   Opened // what the first child said
	renewals int
}

var (
	_ microbench.Backend    = (*Backend)(nil)
	_ microbench.Identified = (*Backend)(nil)
	_ microbench.Separate   = (*Backend)(nil)
)

// Start starts a child and opens its backend.
func Start(c Config) (*Backend, error) {
	if c.Limits == (Limits{}) {
		c.Limits = DefaultLimits
	}
	if c.Device == "" {
		c.Device = "device"
	}
	b := &Backend{config: c}
	if err := b.start(&b.opened); err != nil {
		return nil, err
	}
	return b, nil
}

// start makes a fresh child, which says what it is.
func (b *Backend) start(o *Opened) (err error) {
	if b.process, err = start(b.config.Command()); err != nil {
		return fmt.Errorf("the measuring process does not start: %w", err)
	}
	if err = b.call("Open", none{}, o, b.config.Limits.Open); err != nil {
		b.Renew() // it may be alive, with nothing to serve
	}
	return err
}

// fresh starts a child where there is none.
func (b *Backend) fresh() error {
	if b.process != nil {
		return nil
	}
	b.renewals++
	return b.start(new(Opened))
}

// Renewals is how often a child had to be replaced.
func (b *Backend) Renewals() int { return b.renewals }

// Renew ends the child; the next case gets a fresh one.
func (b *Backend) Renew() {
	if b.process != nil {
		b.process.kill()
		b.process = nil
	}
}

// Process is the child's number, 0 where there is none now.
func (b *Backend) Process() int {
	if b.process == nil {
		return 0
	}
	return b.process.cmd.Process.Pid
}

// call makes a call of the living child. Where the child dies of it, or is of no
// use afterwards, the error names the device.
func (b *Backend) call(method string, argument, reply any, limit time.Duration) error {
	p := b.process
	if p == nil {
		return errors.New("the measuring process was ended")
	}
	watchdog := time.AfterFunc(limit, p.kill)
	err := p.Call(serviceName+"."+method, argument, reply)
	hung := !watchdog.Stop()
	told, isTold := err.(rpc.ServerError)
	switch {
	case hung:
		err = fmt.Errorf("the %s did not answer for %.0f s, and its process was killed", b.config.Device, limit.Seconds())
	case err == nil:
		return nil
	case !isTold:
		err = p.death(err)
	case told[0] == skipped:
		return &microbench.SkipError{Reason: string(told[1:])}
	case told[0] == plain:
		return errors.New(string(told[1:]))
	default:
		err = errors.New(string(told[1:]))
	}
	b.Renew()
	if b.Where() != "" {
		err = fmt.Errorf("%w: %s", err, b.Where())
	}
	return err
}

func (b *Backend) Device() datasets.Device        { return b.opened.Device }
func (b *Backend) Clock() microbench.Clock        { return b.opened.Clock }
func (b *Backend) Environment() map[string]string { return b.opened.Environment }
func (b *Backend) UUIDs() []string                { return b.opened.UUIDs }
func (b *Backend) Devices() []datasets.Device     { return b.opened.Devices }
func (b *Backend) Simulated() bool                { return b.opened.Simulated }
func (b *Backend) Where() string                  { return b.opened.Where }

// Sentinel runs the child's.
func (b *Backend) Sentinel() (seconds float64, err error) {
	if err = b.fresh(); err == nil {
		err = b.call("Sentinel", none{}, &seconds, b.config.Limits.Other)
	}
	return seconds, err
}

// Prepare prepares a case in the child, or in a fresh one where it died.
func (b *Backend) Prepare(w datasets.Workload) (microbench.Case, error) {
	if err := b.fresh(); err != nil {
		return nil, err
	}
	c := &childCase{b: b, process: b.process}
	if err := b.call("Prepare", Work{w}, &c.prepared, b.config.Limits.Prepare); err != nil {
		return nil, err
	}
	if c.prepared.Routed {
		return routedCase{c}, nil
	}
	return c, nil
}

// Close ends the child.
func (b *Backend) Close() error {
	if b.process == nil {
		return nil
	}
	err := b.call("End", none{}, new(none), b.config.Limits.Other)
	if p := b.process; p != nil {
		p.Close()
		p.waited(endWithin)
		b.Renew()
	}
	return err
}

// childCase is a case in one child; when that has died, it is gone.
type childCase struct {
	b        *Backend
	process  *process
	prepared Prepared
	checked  Checked
	// longest is the most seconds that an iteration took in any batch.
	longest float64
}

type routedCase struct{ *childCase }

func (c routedCase) Loads() (active int64, maxLoad, meanLoad float64) {
	return c.checked.Active, c.checked.Max, c.checked.Mean
}

func (c *childCase) call(method string, argument, reply any, limit time.Duration) error {
	if c.b.process != c.process {
		return errors.New("the measuring process that held the case was ended")
	}
	return c.b.call(method, argument, reply, limit)
}

func (c *childCase) Check() (microbench.Check, error) {
	c.checked = Checked{}
	err := c.call("Check", none{}, &c.checked, c.b.config.Limits.Check)
	return c.checked.Check, err
}

func (c *childCase) Batch(n int64) (t microbench.Timing, err error) {
	l := c.b.config.Limits
	expected := time.Duration(l.Times * c.longest * float64(n) * float64(time.Second))
	if err := c.call("Batch", n, &t, l.Batch+expected); err != nil {
		return microbench.Timing{}, err
	}
	if longest := max(t.Seconds, t.WallSeconds) / float64(n); longest > c.longest && longest < math.Inf(1) {
		c.longest = longest
	}
	return t, nil
}

func (c *childCase) Implementation() (name, version string) {
	return c.prepared.Name, c.prepared.Version
}

// Close frees the case; one whose child has died is gone already.
func (c *childCase) Close() error {
	if c.b.process != c.process || c.process == nil {
		return nil
	}
	return c.b.call("Free", none{}, new(none), c.b.config.Limits.Other)
}
