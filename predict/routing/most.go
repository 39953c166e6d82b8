package routing

import (
	"math"
	"math/rand/v2"
)

// maxExactTokens bounds the dynamic programme of Max: its work grows with the
// fourth power of the tokens.
const maxExactTokens = 32

// Max is the batch of the most loaded expert. It is exact for uniform top-1 and
// top-2 of up to 32 tokens, and else counted from seeded draws.
func (r Router) Max() Distribution {
	if r.Weights != nil || r.TopK > 2 || r.Tokens > maxExactTokens {
		return r.simulate().most
	}
	d := Distribution{P: make([]float64, r.Tokens+1), Exact: true}
	below := 0.0
	for m := range d.P {
		to := r.noneAbove(int64(m))
		// The difference of two sums leaves rounding, not a chance, below 1e-15.
		d.P[m] = max(to-below, 0)
		below = to
	}
	// The rare end, all tokens on one expert, is P by inclusion–exclusion over
	// which experts have all: first order less the pairs, exact for top-2.
	if n := r.Tokens; n > 0 {
		p, e := float64(r.TopK)/float64(r.Experts), float64(r.Experts)
		all := e * math.Pow(p, float64(n))
		if r.TopK == 2 {
			all -= e * (e - 1) / 2 * math.Pow(2/(e*(e-1)), float64(n))
		}
		d.P[n] = all
	}
	return d
}

// noneAbove is the chance that no expert has more than m tokens. Experts pass
// one after another; the state is how many tokens have two choices left, and how
// many one. Of n experts that are left, this one is among the c choices that a
// token has left with a chance of c/n, independently of the other tokens.
func (r Router) noneAbove(m int64) float64 {
	t := int(r.Tokens)
	two, one := t, 0
	if r.TopK == 1 {
		two, one = 0, t
	}
	p := make([][]float64, t+1)
	for i := range p {
		p[i] = make([]float64, t+1)
	}
	p[two][one] = 1
	for left := r.Experts; left > 0; left-- {
		// A token that still needs as many as are left takes this one for sure.
		q2, q1 := min(2/float64(left), 1), 1/float64(left)
		next := make([][]float64, t+1)
		for i := range next {
			next[i] = make([]float64, t+1)
		}
		for i := range p {
			for j, pij := range p[i] {
				if pij == 0 {
					continue
				}
				for a := 0; a <= i && int64(a) <= m; a++ {
					pa := binomialAt(i, a, q2)
					if pa == 0 {
						continue
					}
					for b := 0; b <= j && int64(a+b) <= m; b++ {
						next[i-a][j-b+a] += pij * pa * binomialAt(j, b, q1)
					}
				}
			}
		}
		p = next
	}
	return p[0][0]
}

// binomialAt is C(n, k)·q^k·(1−q)^(n−k).
func binomialAt(n, k int, q float64) float64 {
	c := 1.0
	for i := range k {
		c = c * float64(n-i) / float64(i+1)
	}
	return c * math.Pow(q, float64(k)) * math.Pow(1-q, float64(n-k))
}

// counted is what draws give.
type counted struct{ awake, most Distribution }

// Simulated gives Awake and Max by seeded draws, whatever exists besides.
func (r Router) Simulated() (awake, most Distribution) {
	c := r.simulate()
	return c.awake, c.most
}

func (r Router) simulate() counted {
	draws := r.draws()
	c := counted{Distribution{P: make([]float64, r.Experts+1)}, Distribution{P: make([]float64, r.Tokens+1)}}
	rng := r.random()
	loads := make([]int64, r.Experts)
	for range draws {
		clear(loads)
		r.draw(rng, loads)
		awake, most := 0, int64(0)
		for _, n := range loads {
			if n > 0 {
				awake++
			}
			most = max(most, n)
		}
		c.awake.P[awake] += 1 / float64(draws)
		c.most.P[most] += 1 / float64(draws)
	}
	return c
}

func (r Router) draws() int {
	if r.Draws > 0 {
		return r.Draws
	}
	return 400
}

// random is PCG-DXSM, whose output Go promises to keep.
func (r Router) random() *rand.Rand { return rand.New(rand.NewPCG(r.Seed, 0xA4093822299F31D0)) }

// draw adds one batch's choices to loads.
func (r Router) draw(rng *rand.Rand, loads []int64) {
	deck := make([]int, r.Experts)
	weights := make([]float64, r.Experts)
	sum := 0.0
	for i := range deck {
		deck[i], weights[i] = i, 1
		if r.Weights != nil {
			weights[i] = r.Weights[i]
		}
		sum += weights[i]
	}
	for range r.Tokens {
		left, n := sum, len(deck)
		for range r.TopK {
			pick := n - 1
			if r.Weights == nil {
				pick = rng.IntN(n)
			} else {
				at := rng.Float64() * left
				for i := range n {
					w := weights[deck[i]]
					if at < w {
						pick = i
						break
					}
					at -= w
				}
				// Rounding may run off the end, where the weight can be zero.
				for weights[deck[pick]] == 0 && pick > 0 {
					pick--
				}
			}
			e := deck[pick]
			loads[e]++
			left -= weights[e]
			n--
			deck[pick], deck[n] = deck[n], deck[pick]
		}
	}
}
