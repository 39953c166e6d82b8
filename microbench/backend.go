// Package microbench measures workloads. It holds the suites (which workloads
// a profile asks for), the measuring loop, and the interface that a backend
// implements; the backends are its sub-packages. It never sees a prediction.
package microbench

import (
	"bench/datasets"

	// humanize: SI prefixes.
	"github.com/dustin/go-humanize"
)

// Libraries are the names of what can make the host's matrix products: "auto" takes
// the built-in kernel for products of up to 8 rows, and for larger ones the first of
// OpenBLAS, MKL, BLIS and oneDNN that is installed and multiplies the type with as
// many threads as asked, else the built-in kernel. A name forces that one.
var Libraries = []string{"auto", "openblas", "mkl", "blis", "onednn", "builtin"}

// Backend runs workloads on one device.
type Backend interface {
	// Device says what the device is.
	Device() datasets.Device
	// Prepare allocates and fills what the workload needs. A workload that
	// this device cannot run is refused with a *SkipError before anything is
	// allocated.
	Prepare(w datasets.Workload) (Case, error)
	// Sentinel runs a short (1 to 5 ms) fixed mix of arithmetic and memory
	// traffic on all workers, and returns its seconds. The loop compares it
	// between cases to see whether the machine has changed.
	Sentinel() (float64, error)
	// Clock describes the clock that Batch reads.
	Clock() Clock
	// Environment is what else a reader of the numbers must know: instruction
	// sets used, pinned cores, compiler, libraries with their versions, and
	// what is missing with what is done instead.
	Environment() map[string]string
	Close() error
}

// Identified is a Backend that knows which very devices it has: a GPU's.
type Identified interface {
	// UUIDs are the GPUs' ("GPU-…"), the first being the one of single-GPU
	// cases; none for a host.
	UUIDs() []string
	// Devices describe them, in that order.
	Devices() []datasets.Device
	// Simulated reports whether a stand-in answers for the devices.
	Simulated() bool
	// Where names the devices for whoever must find them: number, name, UUID and
	// PCI address; "" for a host.
	Where() string
}

// Separate is a Backend that runs in a process of its own.
type Separate interface {
	// Process is that process's number, 0 where there is none now.
	Process() int
	// Renew ends the process; the next case gets a fresh one.
	Renew()
}

// Clock is a clock's smallest step and what one pair of readings costs, in
// seconds.
type Clock struct {
	Name                   string
	ResolutionS, OverheadS float64
}

func (c Clock) String() string {
	return c.Name + ", " + humanize.SIWithDigits(c.ResolutionS, 2, "s") + " resolution, " + humanize.SIWithDigits(c.OverheadS, 2, "s") + " a pair of readings"
}

// Case is one prepared workload. Its methods are called from one goroutine.
type Case interface {
	// Check runs the workload once and compares the answer with a reference.
	Check() (Check, error)
	// Batch runs the workload n times between two readings of the clock,
	// taken in C or on the device, and returns the seconds of all n together.
	Batch(n int64) (Timing, error)
	// Implementation names the library or kernel that does the work.
	Implementation() (name, version string)
	// Close frees what Prepare allocated.
	Close() error
}

// RoutedCase is a Case of an MoE layer, which knows how its tokens fell.
type RoutedCase interface {
	Case
	// Loads returns how many experts have any token, and the largest and mean
	// number of (token, choice) pairs an expert, or a rank where experts are
	// spread over ranks.
	Loads() (active int64, maxLoad, meanLoad float64)
}

// Check is the outcome of comparing an answer with a reference.
type Check struct {
	Wrong, Checked int64
	// MaxRelError is the largest error found, relative to the reference's
	// scale, and Bound what the data type's arithmetic allows.
	MaxRelError, Bound float64
}

// Timing is what a batch took.
type Timing struct {
	// Seconds on the device's clock, WallSeconds on the host's (0 where the
	// host is the device).
	Seconds, WallSeconds float64
	// OffCPUSeconds is for how long the host's workers were not running, all
	// together, and Moved how many ended on another CPU than theirs; 0 for a GPU.
	OffCPUSeconds float64
	Moved         int
	// ClockSeconds is what the clock of Seconds read at the batch's end, in
	// seconds of a beginning that does not change; 0 where it is not told.
	ClockSeconds float64
}

// SkipError says why a workload cannot run here, in one sentence.
type SkipError struct{ Reason string }

func (e *SkipError) Error() string { return e.Reason }
