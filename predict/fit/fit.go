// Package fit finds the parameters of a timing law that describe a set of
// measurements best, and how far each could move before the measurements
// object. It knows nothing of workloads: a law is a function from parameter
// values to one residual, ln(predicted/measured), an observation.
//
// A law of tiles and waves has steps in it (maxima, ceilings, the best of a
// menu), but over hundreds of observations the mean of |residual| is smooth on
// the scale of a step of a hundredth of a parameter's range, which is what the
// slopes here are taken over. Everything is deterministic.
package fit

import (
	"math"

	"bench/datasets/stats"

	// gonum's factorization of symmetric matrices, with its condition number.
	"gonum.org/v1/gonum/mat"
)

// Range is where one parameter may lie. A range with a positive Min is
// searched by ratio, any other by difference.
type Range struct{ Min, Max float64 }

// At maps a position in [0, 1] to a value.
func (r Range) At(u float64) float64 {
	switch {
	case u <= 0:
		return r.Min
	case u >= 1:
		return r.Max
	case r.Min > 0:
		return r.Min * math.Pow(r.Max/r.Min, u)
	}
	return r.Min + (r.Max-r.Min)*u
}

// Position is At's inverse.
func (r Range) Position(v float64) float64 {
	v = min(max(v, r.Min), r.Max)
	switch {
	case r.Max <= r.Min:
		return 0
	case r.Min > 0:
		return math.Log(v/r.Min) / math.Log(r.Max/r.Min)
	}
	return (v - r.Min) / (r.Max - r.Min)
}

// Problem is a law beside its observations.
type Problem struct {
	// Residuals fills out, of length N, with ln(predicted/measured) for the
	// parameter values.
	Residuals func(values, out []float64)
	N         int
	Box       []Range
	// Prior is where the parameters are expected, and Pull how many observations
	// that expectation is worth: it adds to the sum of |residual| a term of
	// Pull/2 × ((position − prior position) / Width)² a parameter. Nil Width is
	// no expectation.
	Prior []float64
	Width []float64
	Pull  float64
}

// Loss is the mean of |residual|, with the prior's share.
func (p *Problem) Loss(values []float64) float64 {
	out := make([]float64, p.N)
	p.Residuals(values, out)
	return p.lossOf(values, out)
}

func (p *Problem) lossOf(values, residuals []float64) float64 {
	sum := 0.0
	for _, r := range residuals {
		// A law that gives no time is as bad as one off by a factor of 20,000.
		if !(math.Abs(r) < 10) {
			r = 10
		}
		sum += math.Abs(r)
	}
	for i := range p.Width {
		if p.Width[i] > 0 {
			d := (p.Box[i].Position(values[i]) - p.Box[i].Position(p.Prior[i])) / p.Width[i]
			sum += p.Pull / 2 * d * d
		}
	}
	return sum / float64(max(p.N, 1))
}

const (
	// slopeStep is the share of a range over which slopes are taken.
	slopeStep = 0.01
	// least is the |residual| below which an observation gains no more weight.
	least = 0.01
)

// Minimize improves start by the method of Levenberg and Marquardt on
// reweighted squares, which minimize the mean of |residual| (Holland and
// Welsch, Communications in Statistics 6(9), 1977). It takes at most steps
// steps, and returns the best values seen with their loss.
func (p *Problem) Minimize(start []float64, steps int) ([]float64, float64) {
	n := len(start)
	best := append([]float64(nil), start...)
	for i, r := range p.Box {
		best[i] = min(max(best[i], r.Min), r.Max)
	}
	residuals, trial := make([]float64, p.N), make([]float64, p.N)
	p.Residuals(best, residuals)
	loss := p.lossOf(best, residuals)
	damping, quiet := 0.01, 0
	for range steps {
		jacobian := p.jacobian(best, residuals)
		normal, gradient := p.normal(best, residuals, jacobian)
		better := false
		for range 6 {
			step := solve(normal, gradient, damping)
			if step == nil {
				damping *= 10
				continue
			}
			at := make([]float64, n)
			for i := range at {
				u := p.Box[i].Position(best[i])
				at[i] = p.Box[i].At(u + min(max(step[i], -0.25), 0.25))
			}
			p.Residuals(at, trial)
			if l := p.lossOf(at, trial); l < loss {
				quiet++
				if loss-l > 1e-4*loss {
					quiet = 0
				}
				best, loss, better = at, l, true
				residuals, trial = trial, residuals
				damping = max(damping/5, 1e-6)
				break
			}
			damping *= 5
		}
		if !better || quiet > 3 {
			break
		}
	}
	return best, loss
}

// jacobian is the slope of each residual over each parameter's position.
func (p *Problem) jacobian(values, residuals []float64) [][]float64 {
	out := make([][]float64, len(values))
	at := append([]float64(nil), values...)
	for i, r := range p.Box {
		u, h := r.Position(values[i]), slopeStep
		if u+h > 1 {
			h = -h
		}
		column := make([]float64, p.N)
		if r.Max > r.Min {
			at[i] = r.At(u + h)
			p.Residuals(at, column)
			at[i] = values[i]
			for j := range column {
				column[j] = (column[j] - residuals[j]) / h
				if math.IsNaN(column[j]) || math.IsInf(column[j], 0) {
					column[j] = 0
				}
			}
		}
		out[i] = column
	}
	return out
}

// normal is the weighted normal equations with the prior.
func (p *Problem) normal(values, residuals []float64, jacobian [][]float64) (*mat.SymDense, []float64) {
	n := len(values)
	a, g := mat.NewSymDense(n, nil), make([]float64, n)
	weight := make([]float64, p.N)
	for j, r := range residuals {
		weight[j] = 1 / max(math.Abs(r), least)
		if !(math.Abs(r) < 10) {
			weight[j] = 0
		}
	}
	for i := range n {
		for k := i; k < n; k++ {
			sum := 0.0
			for j, w := range weight {
				sum += w * jacobian[i][j] * jacobian[k][j]
			}
			a.SetSym(i, k, sum)
		}
		for j, w := range weight {
			if w > 0 {
				g[i] -= w * jacobian[i][j] * residuals[j]
			}
		}
		if p.Width != nil && p.Width[i] > 0 {
			pull := p.Pull / (p.Width[i] * p.Width[i])
			a.SetSym(i, i, a.At(i, i)+pull)
			g[i] -= pull * (p.Box[i].Position(values[i]) - p.Box[i].Position(p.Prior[i]))
		}
	}
	return a, g
}

// solve is the damped step, nil where the equations cannot be solved.
func solve(a *mat.SymDense, g []float64, damping float64) []float64 {
	n := len(g)
	damped := mat.NewSymDense(n, nil)
	damped.CopySym(a)
	largest := 0.0
	for i := range n {
		largest = max(largest, a.At(i, i))
	}
	for i := range n {
		damped.SetSym(i, i, a.At(i, i)*(1+damping)+1e-9*largest+1e-12)
	}
	var c mat.Cholesky
	if !c.Factorize(damped) {
		return nil
	}
	step := mat.NewVecDense(n, nil)
	if err := c.SolveVecTo(step, mat.NewVecDense(n, g)); err != nil {
		return nil
	}
	return step.RawVector().Data
}

// Intervals are the 95 % intervals of all parameters around best, each with the
// others free to follow: the covariance of least absolute deviations (Koenker
// and Bassett, Econometrica 46(1), 1978), in which observations of one series
// (equal in series) are not independent (Cameron and Miller, Journal of Human
// Resources 50(2), 2015, section II). A parameter that no observation depends
// on has its whole range.
func (p *Problem) Intervals(best []float64, series []string) (low, high []float64) {
	n := len(best)
	residuals := make([]float64, p.N)
	p.Residuals(best, residuals)
	jacobian := p.jacobian(best, residuals)
	// The density of residuals at 0, from those within half of the median's
	// distance.
	sizes := make([]float64, p.N)
	for j, r := range residuals {
		sizes[j] = math.Abs(r)
	}
	within := max(stats.Quantile(sizes, 0.5)/2, 1e-6)
	near := 0
	for _, s := range sizes {
		if s <= within {
			near++
		}
	}
	density := max(float64(near), 1) / float64(max(p.N, 1)) / (2 * within)

	index := map[string]int{}
	member := make([]int, p.N)
	for j, s := range series {
		k, ok := index[s]
		if !ok {
			k = len(index)
			index[s] = k
		}
		member[j] = k
	}
	scores := mat.NewDense(len(index), n, nil)
	bread := mat.NewSymDense(n, nil)
	for i := range n {
		for j, r := range residuals {
			sign := 1.0
			if r < 0 {
				sign = -1
			}
			scores.Set(member[j], i, scores.At(member[j], i)+sign*jacobian[i][j])
		}
		for k := i; k < n; k++ {
			sum := 0.0
			for j := range residuals {
				sum += jacobian[i][j] * jacobian[k][j]
			}
			bread.SetSym(i, k, 2*density*sum)
		}
		ridge := 1e-6
		if p.Width != nil && p.Width[i] > 0 {
			ridge += p.Pull / (p.Width[i] * p.Width[i])
		}
		bread.SetSym(i, i, bread.At(i, i)+ridge)
	}
	low, high = make([]float64, n), make([]float64, n)
	var c mat.Cholesky
	var inverse mat.SymDense
	solved := c.Factorize(bread) && c.InverseTo(&inverse) == nil
	var half mat.Dense
	if solved {
		half.Mul(scores, &inverse)
	}
	for i, r := range p.Box {
		low[i], high[i] = r.Min, r.Max
		moved := 0.0
		for _, s := range jacobian[i] {
			moved = max(moved, math.Abs(s))
		}
		if !solved || moved == 0 {
			continue
		}
		variance := 0.0
		for k := range len(index) {
			variance += half.At(k, i) * half.At(k, i)
		}
		u, d := r.Position(best[i]), 1.96*math.Sqrt(variance)
		low[i], high[i] = r.At(u-d), r.At(u+d)
	}
	return low, high
}
