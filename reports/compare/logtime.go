package compare

import (
	"math"

	"bench/datasets"
	"bench/datasets/stats"
)

// LogTime is the natural logarithm of a time in seconds, with its standard
// error. Differences of logarithms are ratios of times.
type LogTime struct {
	Log, SE float64
	// DF is the degrees of freedom of SE, +Inf where it is as good as known.
	DF float64
}

// LogMedian is a measurement's median with the standard error that its
// confidence interval implies. The interval is rank-based, made from the raw
// samples, and wider where they are autocorrelated (stats.MedianInterval);
// half its width on the logarithmic scale over the normal quantile of its
// confidence is the standard error of Price and Bonett, "Distribution-free
// confidence intervals for difference and ratio of medians", J. Stat. Comput.
// Simul. 72(2), 2002. It is false where there is no interval: imported rows.
func LogMedian(m *datasets.Measurement) (LogTime, bool) {
	if !(m.LowS > 0) || !(m.HighS >= m.LowS) || !(m.Confidence > 0) || !(m.Confidence < 1) || len(m.SamplesS) == 0 {
		return LogTime{}, false
	}
	z := stats.TQuantile(1-(1-m.Confidence)/2, math.Inf(1))
	return LogTime{Log: math.Log(m.TimeS), SE: math.Log(m.HighS/m.LowS) / 2 / z, DF: math.Inf(1)}, true
}

// MeanLogTime joins the logarithms of repeated measurements' medians: their
// mean, with the standard error that their scatter shows, which is of the
// variance between runs and within them together. It needs two at least.
func MeanLogTime(logs []float64) LogTime {
	n := float64(len(logs))
	var mean, ss float64
	for _, v := range logs {
		mean += v / n
	}
	for _, v := range logs {
		ss += (v - mean) * (v - mean)
	}
	return LogTime{Log: mean, SE: math.Sqrt(ss / (n - 1) / n), DF: n - 1}
}

// Difference is a ratio on the logarithmic scale.
type Difference struct {
	// Log is ln(new/base), SE its standard error with DF degrees of freedom.
	Log, SE, DF float64
}

// Between is the difference of two independent times; the degrees of freedom
// are Welch's (Biometrika 34, 1947).
func Between(base, new LogTime) Difference {
	vb, vn := base.SE*base.SE, new.SE*new.SE
	d := Difference{Log: new.Log - base.Log, SE: math.Sqrt(vb + vn), DF: math.Inf(1)}
	if below := vb*vb/base.DF + vn*vn/new.DF; below > 0 {
		d.DF = (vb + vn) * (vb + vn) / below
	}
	return d
}

// plus adds a variance that is common to all rows and known from many.
func (d Difference) plus(variance float64) Difference {
	was := d.SE * d.SE
	d.SE = math.Sqrt(was + variance)
	if was > 0 && variance > 0 {
		d.DF *= (1 + variance/was) * (1 + variance/was) // Welch, with no doubt in variance
	}
	return d
}

// Interval bounds Log at the confidence.
func (d Difference) Interval(confidence float64) (low, high float64) {
	half := stats.TQuantile(1-(1-confidence)/2, d.DF) * d.SE
	return d.Log - half, d.Log + half
}

// P is the two-sided probability of a difference as large where there is none.
func (d Difference) P() float64 {
	if d.Log == 0 {
		return 1
	}
	return min(1, 2*stats.UpperTail(math.Abs(d.Log)/d.SE, d.DF))
}
