// Package stats is the program's statistics: medians, quantiles, rank-based
// intervals, Student's t and adjustments for many tests. It assumes no shape of
// the distribution, except for t. Nothing that it is given is changed.
package stats

import (
	"cmp"
	"math"
	"slices"

	// montanaflynn/stats: medians, percentiles and means that are tested against
	// NIST's data sets.
	"github.com/montanaflynn/stats"
	// distuv: the distributions' quantiles and tails.
	"gonum.org/v1/gonum/stat/distuv"
)

// Median of the values; the mean of the middle two of an even number; 0 of none.
func Median(values []float64) float64 { return orZero(stats.Median(values)) }

// Mean of the values; 0 of none.
func Mean(values []float64) float64 { return orZero(stats.Mean(values)) }

// Quantile is the q-quantile, linear between the closest ranks: position q·(n−1)
// from 0 (Hyndman and Fan, "Sample Quantiles in Statistical Packages", Am. Stat.
// 50(4), 1996, type 7). NumPy and DuckDB's quantile_cont have the same default, so
// that figures can be checked there. It is 0 of no values, and the least at q ≤ 0.
func Quantile(values []float64, q float64) float64 {
	if q <= 0 {
		return orZero(stats.Min(values))
	}
	return orZero(stats.Percentile(values, 100*q))
}

// orZero drops the library's error: it has one only for no values.
func orZero(v float64, err error) float64 {
	if err != nil {
		return 0
	}
	return v
}

// RobustSigma is the standard deviation of the bulk of the values: their median
// absolute deviation from the median, over Φ⁻¹(¾), which makes it that of a normal
// distribution (Rousseeuw and Croux, J. Am. Stat. Assoc. 88, 1993).
func RobustSigma(values []float64) float64 {
	return 1.4826 * orZero(stats.MedianAbsoluteDeviation(values))
}

// Sorted is values in ascending order. It answers each of many questions about
// them in the time of a search.
type Sorted []float64

// Sort is the values in ascending order, sorted in place.
func Sort(values []float64) Sorted {
	slices.Sort(values)
	return values
}

// Median is of all values; 0 of none.
func (s Sorted) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// MedianWithout is the median of all values but one that equals v, which is among
// them; 0 where there are no others.
func (s Sorted) MedianWithout(v float64) float64 {
	out, _ := slices.BinarySearch(s, v)
	n := len(s) - 1
	if n < 1 {
		return 0
	}
	at := func(i int) float64 {
		if i >= out {
			i++
		}
		return s[i]
	}
	return (at((n-1)/2) + at(n/2)) / 2
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

// TQuantile is the p-quantile of Student's t with df degrees of freedom; the
// normal distribution's where df is infinite.
func TQuantile(p, df float64) float64 {
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
