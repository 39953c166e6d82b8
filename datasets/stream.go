package datasets

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// Stream is a pass over memory (suite hbm).
//
// The operations are those of STREAM (McCalpin, "Memory Bandwidth and Machine
// Balance", 1995) and their like: read, write, write_nt (non-temporal stores),
// copy, copy_nt, scale, triad, triad_nt, dot; latency (a dependent-load chain
// through the working set, a row per load); launch (an empty piece of work on
// all workers: the cost of starting and joining it); copy_engine,
// host_to_device, device_to_host and peer on a GPU; and the row-wise operators
// of a transformer that are bound by memory: rms_norm, layer_norm, softmax,
// gelu, silu_mul, rope, add, embedding.
type Stream struct {
	Kernel string `col:"op" default:"triad" help:"operation: read, write, copy, scale, triad, rms_norm, softmax, …"`
	Type   DType  `col:"dtype"`
	// SizeBytes is the working set: all arrays of all workers together.
	SizeBytes int64 `col:"size_bytes" key:"bytes" flag:"size" default:"1GiB" help:"working set, all arrays together"`
	// Rows and Cols give the shape of a row-wise operator, else 0.
	Rows  int64 `col:"rows" help:"rows of a row-wise operator"`
	Cols  int64 `col:"cols" help:"columns of a row-wise operator"`
	Ranks int   `col:"ranks"`
	// Pair names the GPUs of a peer copy by their numbers in the run, from the
	// first to the second, as "0-3"; "" is any two.
	Pair string `col:"pair"`
}

var streamOperation = declare[Stream](SuiteHBM)

// streamArrays is how many arrays of equal size an operation reads and writes.
var streamArrays = map[string]struct{ reads, writes, flopsPerElement float64 }{
	"read":           {1, 0, 1},
	"write":          {0, 1, 0},
	"write_nt":       {0, 1, 0},
	"copy":           {1, 1, 0},
	"copy_nt":        {1, 1, 0},
	"scale":          {1, 1, 1},
	"triad":          {2, 1, 2},
	"triad_nt":       {2, 1, 2},
	"dot":            {2, 0, 2},
	"copy_engine":    {1, 1, 0},
	"host_to_device": {1, 0, 0},
	"device_to_host": {1, 0, 0},
	"peer":           {1, 1, 0},
	"latency":        {1, 0, 0},
	"launch":         {0, 0, 0},
	// Row-wise operators, arrays of rows × cols; the weights of a norm are
	// counted with the first array.
	"rms_norm":   {1, 1, 4},
	"layer_norm": {1, 1, 7},
	"softmax":    {1, 1, 5},
	"gelu":       {1, 1, 8},
	"silu_mul":   {2, 1, 5},
	"rope":       {1, 1, 3},
	"add":        {2, 1, 1},
	"embedding":  {1, 1, 0},
}

// Suite is hbm.
func (s Stream) Suite() Suite { return SuiteHBM }

// Op is Kernel.
func (s Stream) Op() string { return s.Kernel }

// DType is the element type; launch has none.
func (s Stream) DType() DType { return s.Type }

// Workers is Ranks.
func (s Stream) Workers() int { return s.Ranks }

// Arrays is how many equal parts of the working set the operation reads and
// writes.
func (s Stream) Arrays() (reads, writes int) {
	a := streamArrays[s.Kernel]
	return int(a.reads), int(a.writes)
}

// passBytes is what a launch of a GPU's pass moves at least: on an H100 a tenth of a
// millisecond's worth.
const passBytes = 256 << 20

// LaunchPasses is how often one launch passes over the working set on a GPU with an
// L2 of so many bytes. A set within the L2 is passed over until passBytes are moved,
// and a pass's time is its part: otherwise it would be a launch's.
func (s Stream) LaunchPasses(l2Bytes int64) int64 {
	switch s.Kernel {
	case "read", "write", "copy", "scale", "triad", "dot":
		if 0 < s.SizeBytes && s.SizeBytes <= l2Bytes {
			return min(max(passBytes/s.SizeBytes, 1), 4096)
		}
	}
	return 1
}

// FLOPs counts the arithmetic that the operation's definition asks for.
func (s Stream) FLOPs() float64 {
	a := streamArrays[s.Kernel]
	if a.reads+a.writes == 0 || s.Type.Size() == 0 {
		return 0
	}
	elements := float64(s.SizeBytes) / (a.reads + a.writes) / s.Type.Size()
	return elements * a.flopsPerElement
}

// Bytes counts as STREAM does: what the program asks to be read and written,
// without the line that a plain store first fetches (WriteAllocateBytes).
func (s Stream) Bytes() float64 {
	if s.Kernel == "latency" {
		return s.Type.Size()
	}
	if s.Kernel == "launch" {
		return 0
	}
	return float64(s.SizeBytes)
}

// rates of latency are none: one load after another is no measure of bandwidth.
func (s Stream) rates(seconds float64) Rates {
	if s.Kernel == "latency" {
		return Rates{}
	}
	return Rates{FLOPPerS: s.FLOPs() / seconds, BandwidthBytesPerS: s.Bytes() / seconds}
}

// WriteAllocateBytes is the further traffic of a cache that fetches each line
// before a plain store overwrites it: one read for every byte written.
func (s Stream) WriteAllocateBytes() float64 {
	a := streamArrays[s.Kernel]
	switch s.Kernel {
	case "write", "copy", "scale", "triad":
		return float64(s.SizeBytes) * a.writes / (a.reads + a.writes)
	}
	return 0
}

// WireBytes is what a peer copy sends: the half of the working set that is
// read.
func (s Stream) WireBytes() float64 {
	if s.Kernel == "peer" {
		return float64(s.SizeBytes) / 2
	}
	return 0
}

// Key names every field.
func (s Stream) Key() string { return streamOperation.key(s.Suite(), unsafe.Pointer(&s)) }

func (s Stream) cells(c *cells) { streamOperation.write(unsafe.Pointer(&s), c) }

// Validate says in one sentence what is wrong with the shape.
func (s Stream) Validate() error {
	if _, ok := streamArrays[s.Kernel]; !ok {
		return fmt.Errorf("hbm: unknown operation %q: use one of %s", s.Kernel, strings.Join(slices.Sorted(maps.Keys(streamArrays)), ", "))
	}
	if s.Kernel == "launch" {
		return positive("hbm launch", "ranks", int64(s.Ranks))
	}
	if s.Type.Size() == 0 {
		return fmt.Errorf("hbm %s: unknown data type %q", s.Kernel, s.Type)
	}
	if _, _, err := s.Peers(); err != nil {
		return err
	}
	return positive("hbm "+s.Kernel, "size_bytes", s.SizeBytes, "ranks", int64(s.Ranks))
}

// Peers are the GPUs of Pair, from and to; 0 and 1 where it is "".
func (s Stream) Peers() (from, to int, err error) {
	if s.Pair == "" {
		return 0, 1, nil
	}
	a, b, ok := strings.Cut(s.Pair, "-")
	from, err1 := strconv.Atoi(a)
	to, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || from < 0 || to < 0 || from == to || s.Kernel != "peer" {
		return 0, 0, fmt.Errorf("hbm %s: pair is %q, and must be two GPUs of a peer copy, such as 0-3", s.Kernel, s.Pair)
	}
	return from, to, nil
}
