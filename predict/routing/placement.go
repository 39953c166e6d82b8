package routing

import (
	"cmp"
	"fmt"
	"slices"
)

// Placement says which ranks hold each expert, Ranks[e] of expert e. An expert
// on several ranks shares its tokens evenly among them.
type Placement struct {
	Ranks [][]int
	// N is how many ranks there are.
	N int
}

// Consecutive gives each rank an equal share of neighbouring experts, to within
// one, as frameworks do by default.
func Consecutive(experts int64, ranks int) Placement {
	p := Placement{Ranks: make([][]int, experts), N: ranks}
	for e := range p.Ranks {
		p.Ranks[e] = []int{int(int64(e) * int64(ranks) / experts)}
	}
	return p
}

// Balanced places experts by their expected loads, the most loaded first, each
// on the least loaded rank that has a slot left: the longest-processing-time
// rule (Graham, 1969) with as many slots on each rank. The redundant hottest
// experts are placed twice, each copy with half of the load, as DeepSeek-V3 is
// served (DeepSeek-AI, 2024, section 3.4). The error says why it cannot be done.
func Balanced(loads []float64, ranks, redundant int) (Placement, error) {
	if ranks < 1 || len(loads) < ranks {
		return Placement{}, fmt.Errorf("placement of %d experts on %d ranks: at least one expert a rank is needed", len(loads), ranks)
	}
	if redundant < 0 || redundant > len(loads) || redundant > 0 && ranks < 2 {
		return Placement{}, fmt.Errorf("placement: %d redundant experts of %d on %d ranks: at most all of them, and two ranks, are needed", redundant, len(loads), ranks)
	}
	type part struct {
		expert int
		load   float64
	}
	order := make([]part, len(loads))
	for e, l := range loads {
		order[e] = part{e, l}
	}
	heavier := func(a, b part) int { return cmp.Or(cmp.Compare(b.load, a.load), cmp.Compare(a.expert, b.expert)) }
	slices.SortFunc(order, heavier)
	for i := range redundant {
		order[i].load /= 2
		order = append(order, order[i])
	}
	slices.SortFunc(order, heavier)
	slots := (len(order) + ranks - 1) / ranks
	p := Placement{Ranks: make([][]int, len(loads)), N: ranks}
	held, used := make([]float64, ranks), make([]int, ranks)
	for _, x := range order {
		best := -1
		for rank := range ranks {
			if used[rank] < slots && !slices.Contains(p.Ranks[x.expert], rank) && (best < 0 || held[rank] < held[best]) {
				best = rank
			}
		}
		if best < 0 {
			// Only a rank that holds the other copy has room: one copy then.
			continue
		}
		p.Ranks[x.expert] = append(p.Ranks[x.expert], best)
		held[best] += x.load
		used[best]++
	}
	return p, nil
}

// Loads is each rank's share of the experts' loads.
func (p Placement) Loads(loads []float64) []float64 {
	out := make([]float64, p.N)
	for e, ranks := range p.Ranks {
		for _, r := range ranks {
			out[r] += loads[e] / float64(len(ranks))
		}
	}
	return out
}

// Imbalance is the most loaded rank over the mean of all, 1 being even.
func (p Placement) Imbalance(loads []float64) float64 {
	sum, most := 0.0, 0.0
	for _, l := range p.Loads(loads) {
		sum += l
		most = max(most, l)
	}
	if sum == 0 {
		return 1
	}
	return most * float64(p.N) / sum
}

// ExpectedImbalance is Imbalance over the router's own randomness, by seeded
// draws: it stays above 1 even where the expected loads are even.
func (r Router) ExpectedImbalance(p Placement) float64 {
	rng, draws := r.random(), r.draws()
	counts, loads := make([]int64, r.Experts), make([]float64, r.Experts)
	s := 0.0
	for range draws {
		clear(counts)
		r.draw(rng, counts)
		for i, n := range counts {
			loads[i] = float64(n)
		}
		s += p.Imbalance(loads) / float64(draws)
	}
	return s
}
