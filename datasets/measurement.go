package datasets

import "strings"

// Source says how a measurement came to be. A simulated one never counts
// towards a claim about hardware.
type Source string

const (
	SourceMeasured  Source = "measured"
	SourceImported  Source = "imported"
	SourceSimulated Source = "simulated"
)

// Verdict is how a case ended.
type Verdict string

const (
	// OK: measured, verified, and the machine could support it.
	OK Verdict = "ok"
	// Flagged: measured and verified, with conditions that Flags names.
	Flagged Verdict = "flagged"
	// Failed: a wrong answer, an error, a crash. Reason says which.
	Failed Verdict = "failed"
	// Skipped: could not be tried here. Reason says why.
	Skipped Verdict = "skipped"
)

// The flags. A flagged case keeps its samples.
const (
	FlagDrift       = "drift"       // the sentinel moved and did not recover
	FlagThrottled   = "throttled"   // the device lowered its clock
	FlagShared      = "shared"      // another process used the device, or kept the workers from it
	FlagUnsteady    = "unsteady"    // the interval is wider than asked when the budget ended
	FlagImplausible = "implausible" // faster than the physical peak
	FlagWarmup      = "no_warmup"   // never became steady
)

// Measurement is what a device took over a workload, with everything needed to
// doubt it.
type Measurement struct {
	Source  Source
	Verdict Verdict
	// Reason of a failed or skipped case, and why the machine could not support
	// a flagged one: one sentence, or "".
	Reason string
	Flags  []string

	// SamplesS holds every raw sample: seconds an operation, each the mean of a
	// batch of BatchIterations. Imported rows have none.
	SamplesS        []float64
	BatchIterations int64
	// TimeS is the median; LowS and HighS bound its confidence interval at
	// Confidence. Imported rows have TimeS, and the tool's own spread if any.
	TimeS, LowS, HighS float64
	Confidence         float64
	// WallS is host time an operation beside device time (GPU), else 0.
	WallS float64
	// Stop says why sampling ended: "interval", "budget", "samples".
	Stop string

	// Wrong counts wrong elements, and Checked those looked at; MaxRelError is
	// the largest relative error seen, with the bound that it was held to.
	Wrong, Checked           int64
	MaxRelError, RelErrBound float64

	// Stack did the work.
	Stack Stack

	// ActiveExperts, MaxLoad and MeanLoad of an MoE case as it ran; the loads
	// are (token, choice) pairs an expert (or a rank, where experts are spread).
	ActiveExperts     int64
	MaxLoad, MeanLoad float64

	Conditions Conditions
	Origin     ImportOrigin
}

// Stack is whose kernels did the work.
type Stack struct {
	// Library in lower case: "vllm", "trtllm", "sglang", "nccl", "cublaslt",
	// "openblas", …; "bench" for this program's own kernels. "" is not known.
	Library, Version string
	// KernelSource is which of the library's kernels, in the library's or the
	// tool's own words.
	KernelSource string
}

// Name is the library with its version, "" where it is not known. Rows of one
// name are grouped.
func (s Stack) Name() string { return strings.TrimSpace(s.Library + " " + s.Version) }

// String is all that is known, for people.
func (s Stack) String() string {
	if s.KernelSource == "" {
		return s.Name()
	}
	return strings.TrimPrefix(s.Name()+": "+s.KernelSource, ": ")
}

// Conditions under which a case ran. A nil or zero figure was not available.
type Conditions struct {
	// StartUnixNS is the wall clock when the case began, for humans only.
	StartUnixNS int64
	ClockHz     float64
	Governor    string
	LoadAverage float64
	// SentinelRatio is the sentinel's time beside this case over its time when
	// the run began.
	SentinelRatio float64
	// StealRatio is the share of CPU time taken by other guests of the
	// hypervisor while the case ran, and OtherCPURatio by other processes here.
	StealRatio, OtherCPURatio float64
	Retries                   int64

	MemoryClockHz, PowerWatt, TemperatureC float64
	ThrottleReasons                        []string
	ECCErrors                              int64
}

// ImportOrigin is where an imported measurement was read.
type ImportOrigin struct {
	Tool, ToolVersion string
	// DeviceName is as the file prints it.
	DeviceName   string
	File, SHA256 string
	// Record is the line or row within File, from 1.
	Record int64
}

// Usable reports whether the row's time may enter a figure of error.
func (m *Measurement) Usable() bool {
	return (m.Verdict == OK || m.Verdict == Flagged) && m.TimeS > 0
}
