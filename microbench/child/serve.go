package child

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"bench/datasets"
	"bench/microbench"
)

// none is the argument or the reply of a call that has none.
type none = struct{}

// Opened is what a backend says about itself.
type Opened struct {
	Device      datasets.Device
	Clock       microbench.Clock
	Environment map[string]string
	// The rest comes from a microbench.Identified backend.
	UUIDs     []string
	Devices   []datasets.Device
	Simulated bool
	Where     string
}

// Work is the argument of Prepare. Like all that crosses the pipes it is gob's, which
// carries a NaN, as a wrong answer's error often is; JSON does not.
type Work struct{ Workload datasets.Workload }

// Prepared describes a case.
type Prepared struct {
	Name, Version string
	Routed        bool
}

// Checked is the outcome of a check, and the loads of a routed case.
type Checked struct {
	microbench.Check
	Active    int64
	Max, Mean float64
}

// An error crosses as text. Its first byte says what the parent makes of it.
const (
	plain   = '-'
	skipped = 's' // a *microbench.SkipError
	lost    = 'x' // the backend is lost: the process is of no use
)

// service is what the parent calls. One call runs at a time.
type service struct {
	open    func() (microbench.Backend, error)
	fatal   func(error) bool
	backend microbench.Backend
	current microbench.Case
}

// Main is the whole child process: it serves the backend over the pipes that
// Start gave it until the parent closes its end. After an error that fatal
// accepts the backend is lost, and the parent replaces the process. What
// libraries print on stdout goes to stderr. It returns the exit code.
func Main(open func() (microbench.Backend, error), fatal func(error) bool) int {
	if os.Getenv(pipesVariable) == "" {
		fmt.Fprintln(os.Stderr, "bench: this verb is bench's own: it serves another bench process")
		return 2
	}
	// The poller waits for requests. A thread in a blocking read would make the
	// runtime's monitor wake every 20 µs, which takes a seventh of a core from the
	// workers that share it.
	if err := syscall.SetNonblock(requestFD, true); err != nil {
		fmt.Fprintln(os.Stderr, "bench: the parent's pipe:", err)
		return 2
	}
	os.Stdout = os.Stderr
	s, server := &service{open: open, fatal: fatal}, rpc.NewServer()
	if err := server.RegisterName(serviceName, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	server.ServeConn(&pipes{parent{os.NewFile(requestFD, "requests")}, replyWriter{os.NewFile(replyFD, "replies")}})
	if err := s.end(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

const (
	serviceName = "Child"
	// The pipes' descriptors are the first two of exec.Cmd.ExtraFiles.
	requestFD = 3
	replyFD   = 4
	// pipesVariable says that they are there: a descriptor of that number may be
	// the runtime's own.
	pipesVariable = "BENCH_CHILD_PIPES"
)

// parent reads requests. When they end, a call that still runs has a moment to
// finish; then the process ends, whatever hangs in it.
type parent struct{ io.ReadCloser }

func (p parent) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if err != nil {
		time.AfterFunc(endWithin, func() { os.Exit(1) })
	}
	return n, err
}

// do runs a call, and marks its error for the parent. A panic ends the call and
// not the process: its message says more than an exit code would.
func (s *service) do(call func() error) (err error) {
	kind := byte(plain)
	defer func() {
		if r := recover(); r != nil {
			os.Stderr.Write(debug.Stack())
			kind, err = lost, fmt.Errorf("the case crashed: %v (%s)", r, microbench.PanicSite())
		}
		if err != nil {
			err = errors.New(string(kind) + err.Error())
		}
	}()
	err = call()
	switch {
	case errors.As(err, new(*microbench.SkipError)):
		kind = skipped
	case err != nil && s.fatal != nil && s.fatal(err):
		kind = lost
	}
	return err
}

// Open opens the backend.
func (s *service) Open(_ none, o *Opened) error {
	return s.do(func() (err error) {
		b, err := s.open()
		if err != nil {
			return err
		}
		s.backend = b
		o.Device, o.Clock, o.Environment = b.Device(), b.Clock(), b.Environment()
		if i, ok := b.(microbench.Identified); ok {
			o.UUIDs, o.Devices, o.Simulated, o.Where = i.UUIDs(), i.Devices(), i.Simulated(), i.Where()
		}
		return nil
	})
}

// Prepare prepares a case.
func (s *service) Prepare(w Work, p *Prepared) error {
	return s.do(func() error {
		c, err := s.backend.Prepare(w.Workload)
		if err != nil {
			return err
		}
		s.current = c
		_, p.Routed = c.(microbench.RoutedCase)
		p.Name, p.Version = c.Implementation()
		return nil
	})
}

// Check checks the case's answer.
func (s *service) Check(_ none, k *Checked) error {
	return s.do(func() (err error) {
		k.Check, err = s.current.Check()
		if r, ok := s.current.(microbench.RoutedCase); ok && err == nil {
			k.Active, k.Max, k.Mean = r.Loads()
		}
		return err
	})
}

// Batch runs n iterations.
func (s *service) Batch(n int64, t *microbench.Timing) error {
	return s.do(func() (err error) {
		*t, err = s.current.Batch(n)
		return err
	})
}

// Sentinel runs the sentinel.
func (s *service) Sentinel(_ none, seconds *float64) error {
	return s.do(func() (err error) {
		*seconds, err = s.backend.Sentinel()
		return err
	})
}

// Free frees the case.
func (s *service) Free(none, *none) error { return s.do(s.free) }

// End frees the case and closes the backend.
func (s *service) End(none, *none) error { return s.do(s.end) }

func (s *service) free() (err error) {
	if s.current != nil {
		err = s.current.Close()
		s.current = nil
	}
	return err
}

func (s *service) end() error {
	err := s.free()
	if s.backend != nil {
		err = errors.Join(err, s.backend.Close())
		s.backend = nil
	}
	return err
}
