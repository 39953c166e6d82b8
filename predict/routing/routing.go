// Package routing says how a mixture's router loads its experts: what an
// expert's batch, the largest of them and the number of idle experts are
// distributed like, and what that costs in weight bytes and in time.
//
// It is exact where a closed form or a small dynamic programme exists, and
// otherwise counts seeded draws; both go through the same types, and say which
// they are.
package routing

import (
	"fmt"
	"math"
)

// Router sends each of Tokens to TopK different ones of Experts.
type Router struct {
	Tokens, Experts, TopK int64
	// Weights of the experts, such as Zipf's or a measured histogram of loads,
	// in any unit; nil is uniform. A token draws its experts one after another,
	// each with a chance in proportion to its weight among those not yet drawn.
	Weights []float64
	// Draws is how many batches are simulated where nothing exact exists (0 is
	// 400), and Seed their seed.
	Draws int
	Seed  uint64
}

// Zipf is the weights (i+1)^-exponent of experts 0, 1, ….
func Zipf(experts int64, exponent float64) []float64 {
	w := make([]float64, experts)
	for i := range w {
		w[i] = math.Pow(float64(i+1), -exponent)
	}
	return w
}

// Validate says in one sentence what is wrong.
func (r Router) Validate() error {
	switch {
	case r.Tokens < 0 || r.Experts < 1 || r.TopK < 1 || r.TopK > r.Experts:
		return fmt.Errorf("router: %d tokens to top-%d of %d experts: at least 1 expert, and no more choices than experts, are needed", r.Tokens, r.TopK, r.Experts)
	case r.Weights != nil && int64(len(r.Weights)) != r.Experts:
		return fmt.Errorf("router: %d weights for %d experts: give one each", len(r.Weights), r.Experts)
	case r.Draws < 0:
		return fmt.Errorf("router: %d draws: a number above 0, or 0 for the default, is needed", r.Draws)
	}
	positive := int64(0)
	for i, w := range r.Weights {
		if w < 0 || math.IsNaN(w) || math.IsInf(w, 0) {
			return fmt.Errorf("router: weight %d is %g, and must be a finite number, not below 0", i, w)
		}
		if w > 0 {
			positive++
		}
	}
	if r.Weights != nil && positive < r.TopK {
		return fmt.Errorf("router: %d experts have a weight above 0, and a token chooses %d", positive, r.TopK)
	}
	return nil
}

// Distribution is the chances P[x] of x = 0, 1, 2, ….
type Distribution struct {
	P []float64
	// Exact is false where P was counted from seeded draws.
	Exact bool
}

// Mean is Σ x·P[x].
func (d Distribution) Mean() float64 {
	m := 0.0
	for x, p := range d.P {
		m += float64(x) * p
	}
	return m
}

// Deviation is the standard deviation.
func (d Distribution) Deviation() float64 {
	m, v := d.Mean(), 0.0
	for x, p := range d.P {
		v += p * (float64(x) - m) * (float64(x) - m)
	}
	return math.Sqrt(v)
}

// At is the chance of exactly x.
func (d Distribution) At(x int) float64 {
	if x < 0 || x >= len(d.P) {
		return 0
	}
	return d.P[x]
}

// AtLeast is the chance of x or more, summed from the rare end.
func (d Distribution) AtLeast(x int) float64 {
	s := 0.0
	for i := len(d.P) - 1; i >= max(x, 0); i-- {
		s += d.P[i]
	}
	return s
}

// Quantile is the smallest x that is not exceeded with a chance of q.
func (d Distribution) Quantile(q float64) int {
	s := 0.0
	for x, p := range d.P {
		if s += p; s >= q-1e-12 {
			return x
		}
	}
	return max(len(d.P)-1, 0)
}

// Excess is the expectation of what exceeds a limit, Σ max(x − limit, 0)·P[x].
func (d Distribution) Excess(limit int64) float64 {
	e := 0.0
	for x, p := range d.P {
		e += p * float64(max(int64(x)-limit, 0))
	}
	return e
}

// Inclusion is each expert's chance to be among a token's choices; they add up
// to TopK. It is exact for uniform weights and for top-1 and top-2, and else
// counted from a million seeded tokens.
func (r Router) Inclusion() []float64 {
	out := make([]float64, r.Experts)
	if r.Weights == nil {
		for i := range out {
			out[i] = float64(r.TopK) / float64(r.Experts)
		}
		return out
	}
	sum := 0.0
	for _, w := range r.Weights {
		sum += w
	}
	switch r.TopK {
	case 1, 2:
		for i, w := range r.Weights {
			out[i] = w / sum
			for j, u := range r.Weights {
				if r.TopK == 2 && j != i && u > 0 && sum > u {
					out[i] += u / sum * w / (sum - u)
				}
			}
		}
	default:
		const tokens = 1 << 20
		one := r
		one.Tokens = tokens
		loads := make([]int64, r.Experts)
		one.draw(one.random(), loads)
		for i, n := range loads {
			out[i] = float64(n) / tokens
		}
	}
	return out
}

// Binomial is the distribution of successes among n trials of chance p each.
func Binomial(n int64, p float64) Distribution {
	d := Distribution{P: make([]float64, n+1), Exact: true}
	lg := func(x int64) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	for x := range d.P {
		k := int64(x)
		switch {
		case p <= 0:
			d.P[0] = 1
		case p >= 1:
			d.P[n] = 1
		default:
			d.P[x] = math.Exp(lg(n) - lg(k) - lg(n-k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
		}
	}
	return d
}

// ExpertBatch is the batch of one expert: tokens choose independently, so it
// is binomial in the expert's inclusion, under any weights.
func (r Router) ExpertBatch(expert int) Distribution {
	return Binomial(r.Tokens, min(r.Inclusion()[expert], 1))
}

// Awake is how many experts have at least one token. Under uniform weights it
// is exact: of the k experts of the next token, j are new with the
// hypergeometric chance C(E−a, j)·C(a, k−j) / C(E, k) where a are awake.
func (r Router) Awake() Distribution {
	if r.Weights != nil {
		return r.simulate().awake
	}
	e, k := r.Experts, r.TopK
	p := make([]float64, e+1)
	p[0] = 1
	// Past so many tokens all are awake to within the last bit.
	for range min(r.Tokens, 64*e) {
		next := make([]float64, e+1)
		for a, pa := range p {
			if pa == 0 {
				continue
			}
			for j := int64(0); j <= min(k, e-int64(a)); j++ {
				next[int64(a)+j] += pa * math.Exp(choose(e-int64(a), j)+choose(int64(a), k-j)-choose(e, k))
			}
		}
		p = next
	}
	return Distribution{P: p, Exact: true}
}

// ExpectedAwake is Σ (1 − (1 − inclusion)^tokens), which holds under any
// weights and for a number of tokens that is not whole.
func (r Router) ExpectedAwake(tokens float64) float64 {
	s := 0.0
	for _, p := range r.Inclusion() {
		s -= math.Expm1(tokens * math.Log1p(-min(p, 1)))
	}
	return s
}

// Idle is how many experts have no token, in expectation.
func (r Router) Idle() float64 { return float64(r.Experts) - r.ExpectedAwake(float64(r.Tokens)) }

// choose is ln C(n, k), −∞ where there is no way.
func choose(n, k int64) float64 {
	if k < 0 || k > n {
		return math.Inf(-1)
	}
	a, _ := math.Lgamma(float64(n) + 1)
	b, _ := math.Lgamma(float64(k) + 1)
	c, _ := math.Lgamma(float64(n-k) + 1)
	return a - b - c
}

// Dropped is the share of choices that a capacity factor drops: each expert
// takes at most ⌈factor × tokens × top-k / experts⌉ of them (Fedus et al.,
// "Switch Transformers", 2021, equation 3). It is exact where Inclusion is.
func (r Router) Dropped(factor float64) float64 {
	choices := float64(r.Tokens * r.TopK)
	if choices == 0 {
		return 0
	}
	limit := int64(math.Ceil(factor*choices/float64(r.Experts) - 1e-9))
	lost, seen := 0.0, map[float64]float64{}
	for _, p := range r.Inclusion() {
		x, ok := seen[p]
		if !ok {
			x = Binomial(r.Tokens, min(p, 1)).Excess(limit)
			seen[p] = x
		}
		lost += x
	}
	return lost / choices
}

// WeightBytes is the weight bytes woken a token, shared being read for every
// batch and expert for each that is awake.
func (r Router) WeightBytes(shared, expert float64) float64 {
	return (shared + r.ExpectedAwake(float64(r.Tokens))*expert) / float64(r.Tokens)
}

// Spread is the q quantile of a step's time over its mean where memory binds:
// a step reads shared bytes and those of every awake expert.
func (r Router) Spread(shared, expert, q float64) float64 {
	a := r.Awake()
	return (shared + expert*float64(a.Quantile(q))) / (shared + expert*a.Mean())
}
