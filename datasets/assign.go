package datasets

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// maxAssignment bounds tokens × top-k: 1 GiB of choices.
const maxAssignment = 1 << 28

// random is the generator of every random rule: PCG-DXSM of math/rand/v2,
// whose output Go promises to keep, seeded with the routing's seed and the
// digits of pi.
func (r Routing) random() *rand.Rand {
	return rand.New(rand.NewPCG(r.Seed, 0x243F6A8885A308D3))
}

// Validate says in one sentence what is wrong with the rule's parameters.
func (r Routing) Validate() error {
	switch r.Rule {
	case RouteBalanced, RouteUniform, RouteOneHot, RouteAllOnOne, RouteTrace:
		if r.Exponent != 0 {
			return fmt.Errorf("routing %s takes no exponent, and got %g", r.Rule, r.Exponent)
		}
	case RouteZipf, RoutePowerLaw:
		if !(r.Exponent >= 0 && r.Exponent <= 100) {
			return fmt.Errorf("routing %s: exponent is %g, and must lie between 0 and 100", r.Rule, r.Exponent)
		}
	default:
		return fmt.Errorf("unknown routing %q: use one of %v", r.Rule, RoutingRules)
	}
	return nil
}

// Assign chooses topK different experts of 0 … experts−1 for each token: the
// result holds tokens × topK indices, those of a token together, its first
// choice first. The same arguments give the same answer on every machine.
func (r Routing) Assign(tokens, experts, topK int64) ([]int32, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if err := positive("routing", "tokens", tokens, "experts", experts, "top_k", topK); err != nil {
		return nil, err
	}
	if topK > experts {
		return nil, fmt.Errorf("routing: top-%d of %d experts: a token cannot choose more experts than there are", topK, experts)
	}
	if experts > math.MaxInt32 || tokens > maxAssignment/topK {
		return nil, fmt.Errorf("routing: %d tokens × top-%d of %d experts is too large: at most %d choices can be made", tokens, topK, experts, maxAssignment)
	}
	if r.Rule == RouteTrace {
		return r.replay(tokens, experts, topK)
	}
	out := make([]int32, tokens*topK)
	switch r.Rule {
	case RouteBalanced:
		for i := range out {
			out[i] = int32(int64(i) % experts)
		}
	case RouteAllOnOne:
		for i := range out {
			out[i] = int32(int64(i) % topK)
		}
	case RouteUniform:
		r.uniform(out, experts, topK, false)
	case RouteOneHot:
		r.uniform(out, experts, topK, true)
	case RouteZipf:
		r.zipf(out, experts, topK)
	case RoutePowerLaw:
		r.spread(out, PowerLawLoads(r.random(), r.Exponent, tokens, experts, topK), tokens, topK)
	}
	return out, nil
}

// uniform draws without replacement, by the first steps of a Fisher–Yates
// shuffle. With hot, every second token has expert 0 as its first choice.
func (r Routing) uniform(out []int32, experts, topK int64, hot bool) {
	rng := r.random()
	deck := make([]int32, experts)
	for i := range deck {
		deck[i] = int32(i)
	}
	for t := int64(0); t*topK < int64(len(out)); t++ {
		first := int64(0)
		if hot && t%2 == 0 {
			at := slices.Index(deck, 0)
			deck[0], deck[at] = deck[at], deck[0]
			first = 1
		}
		for i := first; i < topK; i++ {
			j := i + rng.Int64N(experts-i)
			deck[i], deck[j] = deck[j], deck[i]
		}
		copy(out[t*topK:], deck[:topK])
	}
}

// zipf draws a token's experts one after another, each with a chance in
// proportion to its weight among those not yet drawn.
func (r Routing) zipf(out []int32, experts, topK int64) {
	rng := r.random()
	weights := make([]float64, experts)
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -r.Exponent)
	}
	left := make([]float64, experts)
	for t := 0; t < len(out); t += int(topK) {
		copy(left, weights)
		for k := range topK {
			total := 0.0
			for _, w := range left {
				total += max(w, 0)
			}
			at, chosen := rng.Float64()*total, -1
			for e, w := range left {
				if w < 0 {
					continue // drawn already
				}
				// The last that is left takes what rounding leaves over, and
				// the first where all weights have underflowed.
				if chosen < 0 || total > 0 {
					chosen = e
				}
				if at -= w; at < 0 {
					break
				}
			}
			left[chosen] = -1
			out[t+int(k)] = int32(chosen)
		}
	}
}

// PowerLawLoads draws each expert's load by inverting the distribution
// function of a bounded power law x^-exponent, x from 1 to 0.8 × tokens where
// there are more choices than experts, else from 0.01 to 2; scales the loads
// to tokens × topK, rounds them, halves to even, and gives no expert more than
// one choice a token. What rounding and that bound leave over goes to the experts
// in the order of their index. This is how aiconfigurator's collector makes its
// "power_law" loads: at 2 tokens over 8 ranks of DeepSeek-V3 its rank takes as long
// as 16 awake experts, all that there are, which only neighbours can be.
func PowerLawLoads(rng *rand.Rand, exponent float64, tokens, experts, topK int64) []int64 {
	low, high := 0.01, 2.0
	if tokens*topK > experts {
		low, high = 1, max(0.8*float64(tokens), 1)
	}
	draws := make([]float64, experts)
	sum, e := 0.0, 1-exponent
	for i := range draws {
		u := rng.Float64()
		if e == 0 {
			draws[i] = low * math.Pow(high/low, u)
		} else {
			l, h := math.Pow(low, e), math.Pow(high, e)
			draws[i] = math.Pow(l+(h-l)*u, 1/e)
		}
		sum += draws[i]
	}
	loads := make([]int64, experts)
	over := tokens * topK
	for i, d := range draws {
		loads[i] = min(int64(math.RoundToEven(d/sum*float64(tokens*topK))), tokens)
		over -= loads[i]
	}
	for over != 0 {
		for i := range loads {
			switch {
			case over > 0 && loads[i] < tokens:
				loads[i]++
				over--
			case over < 0 && loads[i] > 0:
				loads[i]--
				over++
			}
		}
	}
	return loads
}

// spread gives tokens to experts so that each gets its load. Experts take
// their tokens one after another around the ring of all tokens, and none takes
// more than one turn, so no token has an expert twice.
func (r Routing) spread(out []int32, loads []int64, tokens, topK int64) {
	token, choice := int64(0), int64(0)
	for e, n := range loads {
		for range n {
			out[token*topK+choice] = int32(e)
			if token++; token == tokens {
				token, choice = 0, choice+1
			}
		}
	}
	// The ring gives neighbours the same experts; a batch has no such order.
	rng := rand.New(rand.NewPCG(r.Seed, 0x13198A2E03707344))
	rng.Shuffle(int(tokens), func(i, j int) {
		for k := range topK {
			a, b := int64(i)*topK+k, int64(j)*topK+k
			out[a], out[b] = out[b], out[a]
		}
	})
}

// replay takes the first tokens of the recorded trace.
func (r Routing) replay(tokens, experts, topK int64) ([]int32, error) {
	if r.Trace == nil {
		return nil, fmt.Errorf("routing trace: the recorded choices are not at hand, only their checksum %.12s", r.TraceSHA256)
	}
	if int64(len(r.Trace)) < tokens*topK {
		return nil, fmt.Errorf("routing trace: %d tokens × top-%d are asked for, and the trace holds %d choices", tokens, topK, len(r.Trace))
	}
	out := slices.Clone(r.Trace[:tokens*topK])
	for t := int64(0); t < tokens; t++ {
		if err := checkChoices(out[t*topK:(t+1)*topK], experts); err != nil {
			return nil, fmt.Errorf("routing trace: token %d: %w", t, err)
		}
	}
	return out, nil
}

// checkChoices refuses an expert out of range or chosen twice.
func checkChoices(choices []int32, experts int64) error {
	for i, e := range choices {
		if e < 0 || int64(e) >= experts {
			return fmt.Errorf("expert %d is not among 0 … %d", e, experts-1)
		}
		if slices.Contains(choices[:i], e) {
			return fmt.Errorf("expert %d is chosen twice", e)
		}
	}
	return nil
}

// Loads counts the (token, choice) pairs of each expert in an assignment.
// Choices outside 0 … experts−1 are not counted.
func Loads(assignment []int32, experts int64) []int64 {
	loads := make([]int64, experts)
	for _, e := range assignment {
		if e >= 0 && int64(e) < experts {
			loads[e]++
		}
	}
	return loads
}

// RankLoads sums expert loads over ranks that hold equal, consecutive shares
// of the experts. The number of experts must be a multiple of ranks.
func RankLoads(loads []int64, ranks int) []int64 {
	ranks = max(ranks, 1)
	out := make([]int64, ranks)
	for e, n := range loads {
		out[e*ranks/len(loads)] += n
	}
	return out
}

// LoadSummary describes how evenly loads fall on experts or ranks.
type LoadSummary struct {
	// Active is how many have any load.
	Active int64
	Max    int64
	// Mean is over all, the idle ones included.
	Mean float64
	// Imbalance is Max / Mean: 1 is perfectly even. It is 0 without load.
	Imbalance float64
}

// SummarizeLoads describes loads.
func SummarizeLoads(loads []int64) LoadSummary {
	var s LoadSummary
	sum := int64(0)
	for _, n := range loads {
		if n > 0 {
			s.Active++
		}
		s.Max = max(s.Max, n)
		sum += n
	}
	if sum > 0 {
		s.Mean = float64(sum) / float64(len(loads))
		s.Imbalance = float64(s.Max) / s.Mean
	}
	return s
}
