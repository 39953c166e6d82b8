package stats

import (
	"math"
	"slices"

	// gonum: exact binomial probabilities.
	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is a median with its confidence interval, in the samples' unit.
type Interval struct {
	Median, Low, High float64
	// Confidence is what was asked, or what the samples allow where they are
	// too few: the interval is then from the least to the greatest.
	Confidence float64
	// EffectiveN is how many independent samples say as much as these: their
	// number over Tau, by which their correlation widens the variance.
	EffectiveN, Tau float64
	// Rank is l: Low is the l-th smallest sample and High the l-th greatest.
	// IndependentRank is what it would be of independent samples; 0 of either
	// stands for too few samples, whose least and greatest are taken.
	Rank, IndependentRank int
}

// RelativeHalfWidth is half the interval's width over the median.
func (i Interval) RelativeHalfWidth() float64 { return (i.High - i.Low) / 2 / i.Median }

// MedianInterval is the distribution-free confidence interval of the median
// from order statistics: the number of samples below the median is binomial
// (n, 1/2), so the l-th and (n+1−l)-th smallest samples enclose it with the
// probability that l ≤ that number ≤ n−l (Conover, "Practical Nonparametric
// Statistics", 3rd ed., 1999, section 3.2; Hahn and Meeker, "Statistical
// Intervals", 1991, section 5.2). No shape of the distribution is assumed.
//
// Batches on a shared machine are not independent, and the binomial needs them
// to be. The variance of the number below the median then grows by
// τ = 1 + 2Σρ_k, ρ_k being the autocorrelation of "is this sample above the
// median" at lag k (Heidelberger and Lewis, "Quantile Estimation in Dependent
// Sequences", Operations Research 32(1), 1984, section 1), so the ranks are
// moved outwards by √τ. τ is never taken below 1.
func MedianInterval(samples []float64, confidence float64) Interval {
	n := len(samples)
	if n == 0 {
		return Interval{}
	}
	s := Sort(slices.Clone(samples))
	out := Interval{Median: s.Median(), Confidence: confidence}
	out.Tau = correlationTime(samples, out.Median)
	out.EffectiveN = float64(n) / out.Tau

	out.IndependentRank = medianRank(n, confidence)
	l := float64(out.IndependentRank)
	centre := float64(n+1) / 2
	if l >= 1 {
		l = math.Floor(centre - (centre-l)*math.Sqrt(out.Tau))
	}
	if l < 1 {
		out.Low, out.High = s[0], s[n-1]
		out.Confidence = min(confidence, max(0, 1-2*math.Pow(2, -out.EffectiveN)))
		return out
	}
	out.Rank = int(l)
	out.Low, out.High = s[out.Rank-1], s[n-out.Rank]
	return out
}

// medianRank is the largest l for which the l-th smallest and the l-th
// greatest of n independent samples enclose the median with at least the given
// confidence, and 0 where n is too small for any (n < 6 at 95 %).
func medianRank(n int, confidence float64) int {
	below := distuv.Binomial{N: float64(n), P: 0.5}
	// Twice the lower tail P(B ≤ l−1) must not exceed 1 − confidence. The
	// normal approximation starts the search next to the answer.
	tail := (1 - confidence) / 2
	z := TQuantile(1-tail, math.Inf(1))
	l := int(float64(n)/2 - z*math.Sqrt(float64(n))/2 + 2)
	for l > 0 && below.CDF(float64(l-1)) > tail {
		l--
	}
	return max(l, 0)
}

// correlationTime is τ of the indicator "above the median", at least 1. The
// autocorrelations are summed in adjacent pairs for as long as the pairs are
// positive (Geyer, "Practical Markov Chain Monte Carlo", Statistical Science
// 7(4), 1992, section 3.3, the initial positive sequence). An autocorrelation
// estimated from n samples around their own centre is low by about τ/n
// (Marriott and Pope, "Bias in the estimation of autocorrelations", Biometrika
// 41, 1954); over the some 2τ lags on either side that matter this takes
// 4τ²/n from τ, which is given back. The estimate's own variance is some
// 2(2M+1)/n·τ², M being the last lag of the sum (Madras and Sokal, "The pivot
// algorithm", Journal of Statistical Physics 50, 1988, appendix C): where samples
// are correlated at all, the upper end of it is taken, two standard deviations
// up, since a stopping rule would pick out the moments when τ looks small.
func correlationTime(samples []float64, median float64) float64 {
	n := len(samples)
	above := make([]float64, n)
	var variance float64
	for i, v := range samples {
		switch {
		case v > median:
			above[i] = 1
		case v < median:
			above[i] = -1
		}
		variance += above[i] * above[i]
	}
	if variance == 0 {
		return 1 // every sample is the same
	}
	rho := func(lag int) float64 {
		var sum float64
		for i := lag; i < n; i++ {
			sum += above[i] * above[i-lag]
		}
		return sum / variance
	}
	tau, lag := -1.0, 0
	for ; lag+1 < n/2; lag += 2 {
		pair := rho(lag) + rho(lag+1)
		if pair <= 0 {
			break
		}
		tau += 2 * pair
	}
	tau *= 1 + 4*tau/float64(n)
	// Independent samples look correlated by chance, a little.
	const correlated = 1.5
	if tau > correlated {
		tau *= 1 + 2*math.Sqrt(2*float64(2*lag+1)/float64(n))
	}
	return min(max(tau, 1), float64(n))
}
