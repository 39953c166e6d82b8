package child

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"syscall"

	"bench/microbench"
)

// Opener opens the backend that a process serves.
type Opener func(options json.RawMessage) (microbench.Backend, error)

// Main is the whole child process: it serves the backend over the pipes that
// Start gave it, until the parent closes its end. fatal tells the errors after
// which the backend is lost; the process then ends itself, and the parent starts
// another. What libraries print on stdout goes to stderr. It returns the exit
// code.
func Main(open Opener, fatal func(error) bool) int {
	if os.Getenv(pipesVariable) == "" {
		fmt.Fprintln(os.Stderr, "bench: this verb is bench's own: it serves another bench process")
		return 2
	}
	// Waited for by the poller and not in a blocking read: with a thread in one, the
	// runtime's monitor wakes every 20 µs, which takes a seventh of a core from the
	// workers that it is shared with.
	if err := syscall.SetNonblock(requestFD, true); err != nil {
		fmt.Fprintln(os.Stderr, "bench: the parent's pipe:", err)
		return 2
	}
	in, out := os.NewFile(requestFD, "requests"), os.NewFile(replyFD, "replies")
	os.Stdout = os.Stderr
	if err := serve(in, out, open, fatal, os.Exit); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// The pipes' descriptors, the first two of exec.Cmd.ExtraFiles.
const (
	requestFD = 3
	replyFD   = 4
	// pipesVariable says that they are there: a descriptor of that number may be
	// the runtime's own.
	pipesVariable = "BENCH_CHILD_PIPES"
)

// serve answers requests until in ends. They are read while a call runs, so that
// a parent that has gone ends the process at once, whatever hangs in it.
func serve(in io.Reader, out io.Writer, open Opener, fatal func(error) bool, exit func(int)) error {
	requests := make(chan request)
	failed := make(chan error, 1)
	busy := make(chan struct{}, 1) // holds a token while a call runs
	go func() {
		r := bufio.NewReader(in)
		for {
			var q request
			if err := readLine(r, &q, maxRequest); err != nil {
				select {
				case busy <- struct{}{}: // nothing runs: end in order
				default:
					exit(1)
				}
				failed <- err
				return
			}
			busy <- struct{}{}
			requests <- q
		}
	}()
	s := &server{open: open}
	for {
		select {
		case err := <-failed:
			s.close()
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("the parent sent %w", err)
		case q := <-requests:
			a, err := s.call(&q)
			if err != nil {
				a = reply{Error: err.Error()}
				var skip *microbench.SkipError
				var crash *crashError
				switch {
				case errors.As(err, &skip):
					a.Kind = kindSkip
				case fatal != nil && fatal(err):
					a.Kind = kindFatal
				case errors.As(err, &crash):
					a.Kind = kindCrash
				}
			}
			<-busy
			if err := writeLine(out, a); err != nil {
				return fmt.Errorf("the parent does not listen: %w", err)
			}
			if a.Kind == kindFatal {
				return nil // the backend is lost: freeing it might hang
			}
			if q.Call == callClose {
				return nil
			}
		}
	}
}

type server struct {
	open    Opener
	backend microbench.Backend
	current microbench.Case
}

// crashError is a panic in a call.
type crashError struct{ text string }

func (e *crashError) Error() string { return e.text }

func (s *server) call(q *request) (a reply, err error) {
	defer func() {
		if r := recover(); r != nil {
			os.Stderr.Write(debug.Stack())
			err = &crashError{fmt.Sprintf("the case crashed: %v (%s)", r, microbench.PanicSite())}
		}
	}()
	if q.Call != callOpen && s.backend == nil {
		return a, fmt.Errorf("%q before %q", q.Call, callOpen)
	}
	if s.current == nil && (q.Call == callCheck || q.Call == callBatch) {
		return a, fmt.Errorf("%q without a case", q.Call)
	}
	switch q.Call {
	case callOpen:
		return s.opened(q.Options)
	case callPrepare:
		return s.prepare(q)
	case callCheck:
		k, err := s.current.Check()
		a.Check = &check{k.Wrong, k.Checked, number(k.MaxRelError), number(k.Bound)}
		if r, ok := s.current.(microbench.RoutedCase); ok && err == nil {
			active, most, mean := r.Loads()
			a.Loads = &loads{active, number(most), number(mean)}
		}
		return a, err
	case callBatch:
		t, err := s.current.Batch(q.N)
		a.Timing = &timing{number(t.Seconds), number(t.WallSeconds), number(t.OffCPUSeconds), number(t.ClockSeconds), t.Moved}
		return a, err
	case callFree:
		if s.current == nil {
			return a, nil
		}
		c := s.current
		s.current = nil
		return a, c.Close()
	case callSentinel:
		t, err := s.backend.Sentinel()
		a.Seconds = number(t)
		return a, err
	case callClose:
		return a, s.close()
	}
	return a, fmt.Errorf("unknown call %q", q.Call)
}

func (s *server) opened(options json.RawMessage) (a reply, err error) {
	if s.backend != nil {
		return a, errors.New("opened twice")
	}
	b, err := s.open(options)
	if err != nil {
		return a, err
	}
	s.backend = b
	o := &opened{Device: b.Device(), Clock: b.Clock(), Environment: b.Environment()}
	if i, ok := b.(microbench.Identified); ok {
		o.UUIDs, o.Devices, o.Simulated, o.Where = i.UUIDs(), i.Devices(), i.Simulated(), i.Where()
	}
	return reply{Opened: o}, nil
}

func (s *server) prepare(q *request) (a reply, err error) {
	if s.current != nil {
		return a, errors.New("a case is prepared already")
	}
	w, err := q.Workload.unwrap()
	if err != nil {
		return a, err
	}
	c, err := s.backend.Prepare(w)
	if err != nil {
		return a, err
	}
	s.current = c
	_, routed := c.(microbench.RoutedCase)
	a.Case = &preparedCase{Routed: routed}
	a.Case.Name, a.Case.Version = c.Implementation()
	return a, nil
}

func (s *server) close() error {
	var errs []error
	if s.current != nil {
		errs = append(errs, s.current.Close())
		s.current = nil
	}
	if s.backend != nil {
		errs = append(errs, s.backend.Close())
		s.backend = nil
	}
	return errors.Join(errs...)
}
