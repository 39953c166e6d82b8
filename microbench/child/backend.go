// Package child measures in a process of its own: a backend served over pipes. A
// kernel that hangs, a segmentation fault or a CUDA error that loses the context
// then ends one case, with its cause, and not the run: the next case gets a fresh
// process. It takes no time inside a batch, since the clock is read in the child.
package child

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"time"

	"bench/datasets"
	"bench/microbench"
)

// Config says how to start a child.
type Config struct {
	// Command makes the command of a fresh child, which calls Main.
	Command func() *exec.Cmd
	// Options go to the child's Opener as JSON.
	Options any
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
	config  Config
	options json.RawMessage
	process *process
	opened
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
	options, err := json.Marshal(c.Options)
	if err != nil {
		return nil, err
	}
	b := &Backend{config: c, options: options}
	if b.opened, err = b.start(); err != nil {
		return nil, err
	}
	return b, nil
}

// start makes a fresh child, which says what it is.
func (b *Backend) start() (opened, error) {
	p, err := start(b.config.Command())
	if err != nil {
		return opened{}, fmt.Errorf("the measuring process does not start: %w", err)
	}
	b.process = p
	a, err := b.call(request{Call: callOpen, Options: b.options}, b.config.Limits.Open)
	if err != nil {
		if b.process != nil { // alive, with nothing to serve
			b.process.kill()
			b.process = nil
		}
		return opened{}, err
	}
	if a.Opened == nil {
		return opened{}, b.rubbish(callOpen)
	}
	return *a.Opened, nil
}

// fresh starts a child where there is none.
func (b *Backend) fresh() error {
	if b.process != nil {
		return nil
	}
	b.renewals++
	_, err := b.start()
	return err
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

// call makes a call of the living child. Where the child dies of it, the error
// names the device.
func (b *Backend) call(q request, limit time.Duration) (reply, error) {
	if b.process == nil {
		return reply{}, errors.New("the measuring process was ended")
	}
	a, err := b.process.call(q, limit)
	var hang *hangError
	switch {
	case errors.As(err, &hang):
		b.process = nil
		return a, fmt.Errorf("the %s did not answer for %.0f s, and its process was killed%s", b.config.Device, hang.after.Seconds(), b.at())
	case err != nil:
		b.process = nil
		return a, fmt.Errorf("%w%s", err, b.at())
	case a.Kind == kindFatal:
		b.process.waited(endWithin)
		b.process.kill()
		b.process = nil
		return a, fmt.Errorf("%s%s", a.Error, b.at())
	case a.Kind == kindCrash: // who knows what it left behind
		b.Renew()
		return a, errors.New(a.Error)
	case a.Kind == kindSkip:
		return a, &microbench.SkipError{Reason: a.Error}
	case a.Error != "":
		return a, errors.New(a.Error)
	}
	return a, nil
}

// rubbish ends a child whose reply lacks what was asked for.
func (b *Backend) rubbish(call string) error {
	b.process.kill()
	b.process = nil
	return fmt.Errorf("the measuring process was ended: its answer to %q lacks what was asked for%s", call, b.at())
}

// at names the very device, where it has a name.
func (b *Backend) at() string {
	if b.Where() == "" {
		return ""
	}
	return ": " + b.Where()
}

// Device is what the first child said.
func (b *Backend) Device() datasets.Device { return b.opened.Device }

// Clock is what the first child said.
func (b *Backend) Clock() microbench.Clock { return b.opened.Clock }

// Environment is what the first child said.
func (b *Backend) Environment() map[string]string { return b.opened.Environment }

// UUIDs are the GPUs', none for a host.
func (b *Backend) UUIDs() []string { return b.opened.UUIDs }

// Devices describe them.
func (b *Backend) Devices() []datasets.Device { return b.opened.Devices }

// Simulated reports whether the device is a stand-in.
func (b *Backend) Simulated() bool { return b.opened.Simulated }

// Where names the very device.
func (b *Backend) Where() string { return b.opened.Where }

// Sentinel runs the child's.
func (b *Backend) Sentinel() (float64, error) {
	if err := b.fresh(); err != nil {
		return 0, err
	}
	a, err := b.call(request{Call: callSentinel}, b.config.Limits.Other)
	return float64(a.Seconds), err
}

// Prepare prepares a case in the child, or in a fresh one where it died.
func (b *Backend) Prepare(w datasets.Workload) (microbench.Case, error) {
	sent, err := wrap(w)
	if err != nil {
		return nil, err
	}
	if err := b.fresh(); err != nil {
		return nil, err
	}
	a, err := b.call(request{Call: callPrepare, Workload: sent}, b.config.Limits.Prepare)
	if err != nil {
		return nil, err
	}
	if a.Case == nil {
		return nil, b.rubbish(callPrepare)
	}
	c := &childCase{b: b, process: b.process, preparedCase: *a.Case}
	if a.Case.Routed {
		return routedCase{c}, nil
	}
	return c, nil
}

// Close ends the child.
func (b *Backend) Close() error {
	if b.process == nil {
		return nil
	}
	_, err := b.call(request{Call: callClose}, b.config.Limits.Other)
	if p := b.process; p != nil {
		p.requests.Close()
		if !p.waited(endWithin) {
			p.kill()
		}
		b.process = nil
	}
	return err
}

// childCase is a case in one child; when that has died, it is gone.
type childCase struct {
	b       *Backend
	process *process
	preparedCase
	loads loads
	// longest is the most seconds that an iteration took in any batch.
	longest float64
}

type routedCase struct{ *childCase }

func (c routedCase) Loads() (active int64, maxLoad, meanLoad float64) {
	return c.loads.Active, float64(c.loads.Max), float64(c.loads.Mean)
}

var errGone = errors.New("the measuring process that held the case was ended")

func (c *childCase) call(q request, limit time.Duration) (reply, error) {
	if c.b.process != c.process {
		return reply{}, errGone
	}
	return c.b.call(q, limit)
}

func (c *childCase) Check() (microbench.Check, error) {
	a, err := c.call(request{Call: callCheck}, c.b.config.Limits.Check)
	if err != nil {
		return microbench.Check{}, err
	}
	if a.Check == nil || c.Routed && a.Loads == nil {
		return microbench.Check{}, c.b.rubbish(callCheck)
	}
	if a.Loads != nil {
		c.loads = *a.Loads
	}
	k := a.Check
	return microbench.Check{Wrong: k.Wrong, Checked: k.Checked, MaxRelError: float64(k.MaxRelError), Bound: float64(k.Bound)}, nil
}

func (c *childCase) Batch(n int64) (microbench.Timing, error) {
	l := c.b.config.Limits
	expected := time.Duration(l.Times * c.longest * float64(n) * float64(time.Second))
	a, err := c.call(request{Call: callBatch, N: n}, l.Batch+expected)
	if err != nil {
		return microbench.Timing{}, err
	}
	if a.Timing == nil {
		return microbench.Timing{}, c.b.rubbish(callBatch)
	}
	t := microbench.Timing{Seconds: float64(a.Timing.Seconds), WallSeconds: float64(a.Timing.WallSeconds),
		OffCPUSeconds: float64(a.Timing.OffCPUSeconds), ClockSeconds: float64(a.Timing.ClockSeconds), Moved: a.Timing.Moved}
	if longest := max(t.Seconds, t.WallSeconds) / float64(n); longest > c.longest && longest < math.Inf(1) {
		c.longest = longest
	}
	return t, nil
}

func (c *childCase) Implementation() (name, version string) { return c.Name, c.Version }

// Close frees the case; one whose child has died is gone already.
func (c *childCase) Close() error {
	if c.b.process != c.process || c.process == nil {
		return nil
	}
	_, err := c.b.call(request{Call: callFree}, c.b.config.Limits.Other)
	return err
}
