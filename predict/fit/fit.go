// Package fit finds the parameters of a timing law that describe a set of
// measurements best, and how far each could move before the measurements
// object. It knows nothing of workloads: a law is a function from parameter
// values to one residual an observation.
//
// A law of tiles and waves is piecewise smooth (maximum, ceiling, best of a
// menu), so nothing here uses derivatives. Everything is deterministic: the
// random numbers have a fixed seed, and sums do not depend on how many cores
// add them up.
package fit

import (
	"math"
	"math/rand/v2"

	// gonum's CMA-ES and Nelder–Mead are tested implementations of the two
	// derivative-free searches used here.
	"gonum.org/v1/gonum/optimize"
)

// Range is where one parameter may lie. A range with a positive Min is
// searched by ratio, any other by difference.
type Range struct{ Min, Max float64 }

// at maps a position in [0, 1] to a value.
func (r Range) at(u float64) float64 {
	u = min(max(u, 0), 1)
	switch {
	case u == 0:
		return r.Min
	case u == 1:
		return r.Max
	case r.Min > 0:
		return r.Min * math.Pow(r.Max/r.Min, u)
	}
	return r.Min + (r.Max-r.Min)*u
}

// position is at's inverse.
func (r Range) position(v float64) float64 {
	v = min(max(v, r.Min), r.Max)
	switch {
	case r.Max <= r.Min:
		return 0
	case r.Min > 0:
		return math.Log(v/r.Min) / math.Log(r.Max/r.Min)
	}
	return (v - r.Min) / (r.Max - r.Min)
}

// Global searches the whole box by CMA-ES (Hansen, "The CMA Evolution
// Strategy: A Tutorial", arXiv:1604.00772) for about evaluations calls of loss,
// and returns the best values seen and their loss. A law with a choice of
// tiles in it has many local optima, so the search runs from start, from three
// random points, and once more with small steps from the best that they found.
func Global(loss func(values []float64) float64, start []float64, box []Range, evaluations int) ([]float64, float64) {
	random := rand.New(rand.NewPCG(3, 4))
	var best []float64
	bestLoss := math.Inf(1)
	const runs = 2
	for i := range runs {
		from := start
		if i > 0 {
			from = make([]float64, len(box))
			for j, r := range box {
				from[j] = r.at(0.2 + 0.6*random.Float64())
			}
		}
		// A step of a fifth of each range reaches the whole box in a few
		// generations.
		v, l := search(loss, from, box, evaluations/(runs+1), &optimize.CmaEsChol{InitStepSize: 0.2, Src: rand.NewPCG(1, uint64(i))})
		if l < bestLoss {
			best, bestLoss = v, l
		}
	}
	v, l := search(loss, best, box, evaluations/(runs+1), &optimize.CmaEsChol{InitStepSize: 0.05, Src: rand.NewPCG(1, runs)})
	if l < bestLoss {
		best, bestLoss = v, l
	}
	return best, bestLoss
}

// Local improves start: half of the evaluations by CMA-ES with small steps,
// which get across the kinks of a law with ceilings in it, the rest by
// Nelder–Mead (Computer Journal 7(4), 1965), which is more precise.
func Local(loss func(values []float64) float64, start []float64, box []Range, evaluations int) ([]float64, float64) {
	best, bestLoss := search(loss, start, box, evaluations/2, &optimize.CmaEsChol{InitStepSize: 0.05, Src: rand.NewPCG(1, 9)})
	v, l := search(loss, best, box, evaluations/2, &optimize.NelderMead{SimplexSize: 0.03})
	if l < bestLoss {
		return v, l
	}
	return best, bestLoss
}

func search(loss func([]float64) float64, start []float64, box []Range, evaluations int, method optimize.Method) ([]float64, float64) {
	u := make([]float64, len(box))
	for i, r := range box {
		u[i] = r.position(start[i])
	}
	best, bestLoss := make([]float64, len(box)), math.Inf(1)
	values := make([]float64, len(box))
	calls := 0
	f := func(u []float64) float64 {
		calls++
		outside := 0.0
		for i, r := range box {
			values[i] = r.at(u[i])
			d := max(-u[i], u[i]-1, 0)
			outside += d * d
		}
		l := loss(values)
		if l < bestLoss {
			bestLoss = l
			copy(best, values)
		}
		// Outside the box the law is the one of its wall, made worse with the
		// distance so that the search comes back.
		return l + 10*outside
	}
	f(u)
	// Minimize fails only on a problem without a function or on a limit
	// reached; the best values seen stand in either case.
	_, _ = optimize.Minimize(optimize.Problem{Func: f}, u,
		&optimize.Settings{FuncEvaluations: evaluations, Converger: &optimize.FunctionConverge{Absolute: 1e-6, Iterations: 40 * len(box)}}, method)
	return best, bestLoss
}

// Interval is the 95 % interval of parameter i around best, the others held:
// the values that the observations cannot tell from the best one. It is left
// where the mean loss has risen by more than 1.96 standard errors of that
// rise, paired by observation. Observations of one series (equal in series)
// are not independent, so the standard error is clustered by series (Cameron
// and Miller, Journal of Human Resources 50(2), 2015, section II).
//
// losses fills out with one loss an observation.
func Interval(losses func(values, out []float64), best []float64, box []Range, i int, series []string) (low, high float64) {
	base := make([]float64, len(series))
	other := make([]float64, len(series))
	losses(best, base)
	// Series in the order of their first row, so that sums are repeatable.
	index := map[string]int{}
	member := make([]int, len(series))
	for j, s := range series {
		k, ok := index[s]
		if !ok {
			k = len(index)
			index[s] = k
		}
		member[j] = k
	}
	sums := make([]float64, len(index))
	values := append([]float64(nil), best...)
	worse := func(u float64) bool {
		values[i] = box[i].at(u)
		losses(values, other)
		clear(sums)
		mean := 0.0
		for j := range other {
			d := other[j] - base[j]
			mean += d
			sums[member[j]] += d
		}
		n := float64(len(other))
		mean /= n
		variance := 0.0
		count := make([]float64, len(sums))
		for _, m := range member {
			count[m]++
		}
		for k, s := range sums {
			e := s - count[k]*mean
			variance += e * e
		}
		// A rise of rounding errors is none.
		return mean > 1.96*math.Sqrt(variance)/n+1e-9
	}
	u := box[i].position(best[i])
	return box[i].at(edge(worse, u, 0)), box[i].at(edge(worse, u, 1))
}

// edge finds where worse becomes true between from and to, first by doubling
// steps away from from, then by bisection.
func edge(worse func(float64) bool, from, to float64) float64 {
	inside, outside, step := from, to, (to-from)/256
	if step == 0 {
		return to
	}
	for {
		next := inside + step
		if (to-next)*step <= 0 {
			if !worse(to) {
				return to
			}
			break
		}
		if worse(next) {
			outside = next
			break
		}
		inside, step = next, 2*step
	}
	for range 8 {
		mid := (inside + outside) / 2
		if worse(mid) {
			outside = mid
		} else {
			inside = mid
		}
	}
	return outside
}
