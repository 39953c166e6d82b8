package compare

import (
	"cmp"
	"math"
	"slices"

	"bench/datasets"

	// distuv: the quantiles and tails of the normal and Student distributions.
	"gonum.org/v1/gonum/stat/distuv"
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
// samples, and wider where they are autocorrelated (datasets.MedianInterval);
// half its width on the logarithmic scale over the normal quantile of its
// confidence is the standard error of Price and Bonett, "Distribution-free
// confidence intervals for difference and ratio of medians", J. Stat. Comput.
// Simul. 72(2), 2002. It is false where there is no interval: imported rows.
func LogMedian(m *datasets.Measurement) (LogTime, bool) {
	if !(m.LowS > 0) || !(m.HighS >= m.LowS) || !(m.Confidence > 0) || !(m.Confidence < 1) || len(m.SamplesS) == 0 {
		return LogTime{}, false
	}
	z := distuv.UnitNormal.Quantile(1 - (1-m.Confidence)/2)
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
	half := Quantile(1-(1-confidence)/2, d.DF) * d.SE
	return d.Log - half, d.Log + half
}

// P is the two-sided probability of a difference as large where there is none.
func (d Difference) P() float64 {
	if d.Log == 0 {
		return 1
	}
	return min(1, 2*UpperTail(math.Abs(d.Log)/d.SE, d.DF))
}

// UpperTail is the probability that Student's t with df degrees of freedom is t
// or more; the normal distribution's where df is infinite.
func UpperTail(t, df float64) float64 {
	if math.IsInf(t, 1) {
		return 0
	}
	if df > 1e6 {
		return distuv.UnitNormal.Survival(t)
	}
	return distuv.StudentsT{Sigma: 1, Nu: df}.Survival(t)
}

// Quantile is that of Student's t with df degrees of freedom.
func Quantile(p, df float64) float64 {
	if df > 1e6 {
		return distuv.UnitNormal.Quantile(p)
	}
	return distuv.StudentsT{Sigma: 1, Nu: df}.Quantile(p)
}

// BenjaminiHochberg adjusts p-values so that to call significant all at or
// below q makes the expected share of wrong ones among these at most q
// (Benjamini and Hochberg, J. R. Statist. Soc. B 57, 1995; it holds for
// positively dependent tests too, Benjamini and Yekutieli, Ann. Statist. 29,
// 2001).
func BenjaminiHochberg(p []float64) []float64 {
	order := ascending(p)
	out := make([]float64, len(p))
	least := 1.0
	for rank := len(p); rank > 0; rank-- {
		i := order[rank-1]
		least = min(least, p[i]*float64(len(p))/float64(rank))
		out[i] = least
	}
	return out
}

// Holm adjusts p-values so that to call significant all at or below α makes
// the probability of even one wrong call at most α, however they depend (Holm,
// Scand. J. Statist. 6, 1979).
func Holm(p []float64) []float64 {
	out := make([]float64, len(p))
	most := 0.0
	for rank, i := range ascending(p) {
		most = max(most, min(1, p[i]*float64(len(p)-rank)))
		out[i] = most
	}
	return out
}

func ascending(p []float64) []int {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	return order
}

// Superiority is the probability that a sample of new is longer than one of
// base, ties counting half: an effect size that needs no unit (Vargha and
// Delaney, "A Critique and Improvement of the CL Common Language Effect Size
// Statistics", J. Educ. Behav. Stat. 25(2), 2000). It is ½ of equal
// distributions.
func Superiority(base, new []float64) float64 {
	if len(base) == 0 || len(new) == 0 {
		return 0.5
	}
	sorted := slices.Sorted(slices.Values(base))
	var sum float64
	for _, v := range new {
		below, _ := slices.BinarySearch(sorted, v)
		upTo, _ := slices.BinarySearchFunc(sorted, v, func(e, t float64) int {
			if e <= t {
				return -1
			}
			return 1
		})
		sum += float64(below) + float64(upTo-below)/2
	}
	return sum / float64(len(base)) / float64(len(new))
}

// Median of values, which it does not change; 0 of none.
func Median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// madToSigma makes the median absolute deviation of normal values their
// standard deviation: 1/Φ⁻¹(¾).
const madToSigma = 1.4826

// RobustSigma is the standard deviation of the bulk of values: their median
// absolute deviation from the median, scaled to that of a normal distribution
// (Rousseeuw and Croux, J. Am. Stat. Assoc. 88, 1993).
func RobustSigma(values []float64) float64 {
	m := Median(values)
	off := make([]float64, len(values))
	for i, v := range values {
		off[i] = math.Abs(v - m)
	}
	return madToSigma * Median(off)
}
