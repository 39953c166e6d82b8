package microbench

import "bench/datasets/stats"

// Why sampling ended, as Measurement.Stop records it.
const (
	StopInterval = "interval" // the interval is as narrow as asked
	StopBudget   = "budget"   // the time ended first
	StopSamples  = "samples"  // the most samples that are kept were taken
)

// StoppingRule decides when a case has been sampled enough. The protocol has
// two methods, as nvbench's stopping criteria do.
type StoppingRule interface {
	// Add takes one sample, in seconds.
	Add(seconds float64)
	// Done returns why sampling should end, or "" to go on.
	Done() string
}

// MedianRule stops when the confidence interval of the median is narrower
// than asked. It keeps every sample.
type MedianRule struct {
	// HalfWidth is the relative half-width asked for, such as 0.01.
	HalfWidth float64
	// Confidence of the interval, such as 0.95.
	Confidence float64
	// Min and Max bound how many samples are taken. A narrow interval from
	// few samples is often luck, and looking after each sample for the lucky
	// one makes it more so: nothing stops before Min, and from there the rule
	// looks again only when a tenth more samples have come.
	Min, Max int

	samples []float64
	next    int
}

// Add takes one sample, in seconds.
func (r *MedianRule) Add(seconds float64) { r.samples = append(r.samples, seconds) }

// Samples returns every sample in the order in which it came.
func (r *MedianRule) Samples() []float64 { return r.samples }

// Done returns StopInterval, StopSamples, or "".
func (r *MedianRule) Done() string {
	n := len(r.samples)
	if n < r.Min || n < r.next {
		return ""
	}
	r.next = n + max(1, n/10)
	i := stats.MedianInterval(r.samples, r.Confidence)
	if i.EffectiveN >= float64(r.Min) && i.RelativeHalfWidth() <= r.HalfWidth {
		return StopInterval
	}
	if r.Max > 0 && n >= r.Max {
		return StopSamples
	}
	return ""
}
