package child

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"bench/datasets"
	"bench/microbench"
)

// The two processes talk in lines of JSON: a request, its reply, one at a time.

// The longest request and reply; a recorded routing of some million tokens fits
// the former.
const (
	maxRequest = 256 << 20
	maxReply   = 4 << 20
)

// The calls.
const (
	callOpen     = "open"
	callPrepare  = "prepare"
	callCheck    = "check"
	callBatch    = "batch"
	callFree     = "free"
	callSentinel = "sentinel"
	callClose    = "close"
)

type request struct {
	Call string `json:"call"`
	// Options of callOpen are the backend's own.
	Options json.RawMessage `json:"options,omitempty"`
	// Workload of callPrepare.
	Workload *workload `json:"workload,omitempty"`
	// N is the iterations of callBatch.
	N int64 `json:"n,omitempty"`
}

// The kinds of failure.
const (
	kindSkip  = "skip"  // a *microbench.SkipError
	kindFatal = "fatal" // the backend is lost: the process ends itself
	kindCrash = "crash" // a panic, which the process survives
)

type reply struct {
	// Error is why the call failed, "" where it did not, and Kind of what kind.
	Error string `json:"error,omitempty"`
	Kind  string `json:"kind,omitempty"`

	Opened  *opened       `json:"opened,omitempty"`
	Case    *preparedCase `json:"case,omitempty"`
	Check   *check        `json:"check,omitempty"`
	Loads   *loads        `json:"loads,omitempty"`
	Timing  *timing       `json:"timing,omitempty"`
	Seconds number        `json:"seconds,omitempty"`
}

// check is a microbench.Check, and timing a microbench.Timing.
type check struct {
	Wrong       int64  `json:"wrong"`
	Checked     int64  `json:"checked"`
	MaxRelError number `json:"max_rel_error"`
	Bound       number `json:"bound"`
}

type timing struct {
	Seconds     number `json:"seconds"`
	WallSeconds number `json:"wall_seconds"`
	// These are the host's.
	OffCPUSeconds number `json:"off_cpu_seconds,omitempty"`
	ClockSeconds  number `json:"clock_seconds,omitempty"`
	Moved         int    `json:"moved,omitempty"`
}

// number is a float64 that may be a NaN or infinite, which JSON has no numbers
// for: a wrong answer's error often is.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		text = `"` + text + `"`
	}
	return []byte(text), nil
}

func (n *number) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	*n = number(f)
	return err
}

// opened is what a backend says of itself.
type opened struct {
	Device      datasets.Device   `json:"device"`
	Clock       microbench.Clock  `json:"clock"`
	Environment map[string]string `json:"environment,omitempty"`
	// The rest is that of a microbench.Identified backend.
	UUIDs     []string          `json:"uuids,omitempty"`
	Devices   []datasets.Device `json:"devices,omitempty"`
	Simulated bool              `json:"simulated,omitempty"`
	Where     string            `json:"where,omitempty"`
}

type preparedCase struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Routed  bool   `json:"routed,omitempty"`
}

type loads struct {
	Active int64  `json:"active"`
	Max    number `json:"max"`
	Mean   number `json:"mean"`
}

// workload is a datasets.Workload by its columns, and a recorded routing, which
// they name only.
type workload struct {
	Columns json.RawMessage `json:"columns"`
	Trace   []int32         `json:"trace,omitempty"`
}

func wrap(w datasets.Workload) (*workload, error) {
	columns, err := datasets.MarshalWorkload(w)
	if err != nil {
		return nil, err
	}
	out := &workload{Columns: columns}
	if m, ok := w.(datasets.MoELayer); ok {
		out.Trace = m.Routing.Trace
	}
	return out, nil
}

func (w *workload) unwrap() (datasets.Workload, error) {
	if w == nil {
		return nil, errors.New("no workload was sent")
	}
	out, err := datasets.UnmarshalWorkload(w.Columns)
	if m, ok := out.(datasets.MoELayer); ok {
		m.Routing.Trace = w.Trace
		out = m
	}
	return out, err
}

// readLine reads one message of up to most bytes into v; io.EOF where the other
// side has gone.
func readLine(r *bufio.Reader, v any, most int) error {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if len(line) > 0 && errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		if len(line) > most {
			return fmt.Errorf("a message of more than %d bytes", most)
		}
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("no message but %q", shorten(line))
	}
	return nil
}

func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

func shorten(b []byte) string {
	const most = 80
	if len(b) > most {
		return string(b[:most]) + "…"
	}
	return string(b)
}
