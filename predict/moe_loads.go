package predict

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"bench/datasets"
)

// RankLoad is what the most loaded rank of an expert-parallel MoE layer gets
// to do, in expectation over the routing's randomness.
type RankLoad struct {
	// Awake is how many of the rank's experts have a token.
	Awake float64
	// Rows is (token, choice) pairs routed to the rank.
	Rows float64
	// MaxLoad is the rows of its most loaded expert.
	MaxLoad float64
	// blocks is Σ over experts of ⌈load / blockHeights[i]⌉.
	blocks [len(blockHeights)]float64
}

// blockHeights are the row blocks that grouped kernels pad each expert to.
var blockHeights = [...]int64{16, 32, 64, 128}

// Blocks is how many blocks of height rows (16, 32, 64 or 128) the rank's
// experts fill, each expert's last block padded; 0 for another height.
func (l *RankLoad) Blocks(height int64) float64 {
	for i, h := range blockHeights {
		if h == height {
			return l.blocks[i]
		}
	}
	return 0
}

// allSlots is the load of a rank that multiplies every choice of each token that
// chose one of its experts, spread over them like those.
func (l RankLoad) allSlots(tokens, topK, local float64) RankLoad {
	touching := tokens * (1 - math.Pow(max(1-l.Rows/(tokens*topK), 0), topK))
	more := max(touching*topK/l.Rows, 1)
	l.Rows *= more
	l.MaxLoad *= more
	l.Awake = min(local, l.Awake*more)
	for i, h := range blockHeights {
		l.blocks[i] = max(l.blocks[i], l.Awake, l.blocks[i]+l.Rows*(1-1/more)/float64(h))
	}
	return l
}

// ExpectedActiveExperts is datasets.AwakeExperts.
func ExpectedActiveExperts(experts, topK, tokens int64) float64 {
	return datasets.AwakeExperts(experts, topK, tokens)
}

// loadKey is all that a rank's load depends on.
type loadKey struct {
	tokens, experts, topK int64
	ep                    int
	rule                  datasets.RoutingRule
	exponent              float64
	seed                  uint64
}

// loadCache remembers loads: a sweep asks for the same routing under many
// shapes. It changes no result, only when it is worked out.
var loadCache = struct {
	sync.RWMutex
	m map[loadKey]RankLoad
}{m: map[loadKey]RankLoad{}}

// loadCacheSize bounds the cache; at the bound it starts afresh.
const loadCacheSize = 1 << 15

// The bounds of what loads are counted for.
const (
	mostExperts = 1 << 16
	mostChoices = 1 << 30 // tokens × top-k
)

// ExpectedRankLoad is the load of m's most loaded rank. Balanced and uniform
// routing are exact (uniform's spread over ranks by the normal approximation),
// power-law loads are averaged over powerLawDraws draws with fixed seeds, and
// the other rules are drawn once with the routing's own seed. ok is false for
// a trace that is not at hand, and for shapes beyond any router's, whose loads
// would take all memory: shapes come out of files.
func ExpectedRankLoad(m *datasets.MoELayer) (load RankLoad, ok bool) {
	if m.Experts < 1 || m.Experts > mostExperts || m.TopK < 1 || m.TopK > m.Experts || m.Tokens < 1 || m.Tokens > mostChoices/m.TopK || int64(m.EP) > m.Experts {
		return load, false
	}
	if m.Routing.Rule == datasets.RouteTrace {
		return drawnLoad(m)
	}
	k := loadKey{m.Tokens, m.Experts, m.TopK, max(m.EP, 1), m.Routing.Rule, m.Routing.Exponent, m.Routing.Seed}
	loadCache.RLock()
	load, ok = loadCache.m[k]
	loadCache.RUnlock()
	if ok {
		return load, true
	}
	ok = true
	switch k.rule {
	case datasets.RouteBalanced:
		load = balancedLoad(&k)
	case datasets.RouteUniform:
		load = uniformLoad(&k)
	case datasets.RoutePowerLaw:
		load = powerLawLoad(&k)
	default:
		load, ok = drawnLoad(m)
	}
	if ok {
		loadCache.Lock()
		if len(loadCache.m) >= loadCacheSize {
			clear(loadCache.m)
		}
		loadCache.m[k] = load
		loadCache.Unlock()
	}
	return load, ok
}

// balancedLoad gives each rank its equal share of choices, and each expert of
// a rank an equal share of those, to within one.
func balancedLoad(k *loadKey) RankLoad {
	local := k.experts / int64(k.ep)
	rows := (k.tokens*k.topK + int64(k.ep) - 1) / int64(k.ep)
	loads := make([]int64, local)
	for i := range loads {
		loads[i] = rows / local
		if int64(i) < rows%local {
			loads[i]++
		}
	}
	return loadOf(loads)
}

func loadOf(loads []int64) RankLoad {
	var l RankLoad
	for _, n := range loads {
		if n > 0 {
			l.Awake++
		}
		l.Rows += float64(n)
		l.MaxLoad = max(l.MaxLoad, float64(n))
		for i, h := range blockHeights {
			l.blocks[i] += float64((n + h - 1) / h)
		}
	}
	return l
}

// uniformLoad has an expert's load binomial in tokens with chance topK/experts.
// The most loaded of ep ranks and of the rank's experts lie √(2 ln n) standard
// deviations above the mean (the leading term of the maximum of n normals).
func uniformLoad(k *loadKey) RankLoad {
	t, p := float64(k.tokens), float64(k.topK)/float64(k.experts)
	local := float64(k.experts) / float64(k.ep)
	above := func(n, mean float64) float64 {
		return mean + math.Sqrt(2*math.Log(n)*mean*max(1-mean/t, 0))
	}
	l := RankLoad{Awake: ExpectedActiveExperts(k.experts, k.topK, k.tokens) / float64(k.ep)}
	rows := t * float64(k.topK) / float64(k.ep)
	l.Rows = rows + math.Sqrt(2*math.Log(float64(k.ep))*rows*(1-1/float64(k.ep)))
	l.Rows = min(l.Rows, t*float64(min(k.topK, k.experts/int64(k.ep))))
	l.MaxLoad = min(max(above(local, t*p), l.Rows/local), t)
	for i, h := range blockHeights {
		l.blocks[i] = local * expectedBlocks(k.tokens, p, h) * l.Rows / rows
	}
	return l
}

// expectedBlocks is E⌈X/height⌉ of a binomial X: Σ over j ≥ 0 of
// P(X > j·height), by the terms within 12 standard deviations.
func expectedBlocks(n int64, p float64, height int64) float64 {
	if p >= 1 {
		return float64((n + height - 1) / height)
	}
	mean, sd := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
	first := max(int64(mean-12*sd)-1, 0)
	last := min(int64(mean+12*sd)+height, n)
	lg := func(x int64) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	total := 0.0
	for x := first; x <= last; x++ {
		pmf := math.Exp(lg(n) - lg(x) - lg(n-x) + float64(x)*math.Log(p) + float64(n-x)*math.Log1p(-p))
		total += pmf * float64((x+height-1)/height)
	}
	return total
}

// powerLawDraws is over how many draws a power law's loads are averaged.
const powerLawDraws = 8

// powerLawLoad averages draws of datasets.PowerLawLoads.
func powerLawLoad(k *loadKey) RankLoad {
	var sum RankLoad
	local := int(k.experts) / k.ep
	for seed := range uint64(powerLawDraws) {
		loads := datasets.PowerLawLoads(rand.New(rand.NewPCG(seed, 0)), k.exponent, k.tokens, k.experts, k.topK)
		most, at := int64(-1), 0
		for r := 0; r < k.ep; r++ {
			rows := int64(0)
			for _, n := range loads[r*local : (r+1)*local] {
				rows += n
			}
			if rows > most {
				most, at = rows, r
			}
		}
		l := loadOf(loads[at*local : (at+1)*local])
		sum.Awake += l.Awake / powerLawDraws
		sum.Rows += l.Rows / powerLawDraws
		sum.MaxLoad += l.MaxLoad / powerLawDraws
		for i := range sum.blocks {
			sum.blocks[i] += l.blocks[i] / powerLawDraws
		}
	}
	return sum
}

// drawnLoad follows one assignment of every token.
func drawnLoad(m *datasets.MoELayer) (RankLoad, bool) {
	chosen, err := m.Routing.Assign(m.Tokens, m.Experts, m.TopK)
	if err != nil {
		return RankLoad{}, false
	}
	loads := datasets.Loads(chosen, m.Experts)
	local := int(m.Experts) / max(m.EP, 1)
	ranks := datasets.RankLoads(loads, max(m.EP, 1))
	at := slices.Index(ranks, slices.Max(ranks))
	return loadOf(loads[at*local : (at+1)*local]), true
}
