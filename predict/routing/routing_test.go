package routing

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within*math.Max(math.Abs(want), 1e-300) {
		t.Errorf("%s: %.6g, want %.6g", what, got, want)
	}
}

// Two tokens, top-1 of two experts: both on one with a chance of 1/2. Two
// tokens, top-2 of three: a pair of experts is left out by one expert each, the
// same with 1/3; then two experts are awake, else three. Two pairs out of three
// always share an expert, so the most loaded one has 2.
func TestByHand(t *testing.T) {
	r := Router{Tokens: 2, Experts: 2, TopK: 1}
	near(t, "max 2", r.Max().At(2), 0.5, 1e-12)
	near(t, "max 1", r.Max().At(1), 0.5, 1e-12)
	near(t, "awake 1", r.Awake().At(1), 0.5, 1e-12)
	r = Router{Tokens: 2, Experts: 3, TopK: 2}
	near(t, "awake 2", r.Awake().At(2), 1.0/3, 1e-12)
	near(t, "awake 3", r.Awake().At(3), 2.0/3, 1e-12)
	near(t, "max", r.Max().At(2), 1, 1e-12)
	// Batch 8, 16 experts, top-2: an expert has none with (7/8)^8 = 0.3436, one
	// with 8·(1/8)·(7/8)^7 = 0.3927, all with (1/8)^8 = 5.96e-8; some expert has
	// all with 16·(1/8)^8 − 120·(1/120)^8 = 9.54e-7.
	r = Router{Tokens: 8, Experts: 16, TopK: 2}
	near(t, "none", r.ExpertBatch(0).At(0), 0.34361, 1e-4)
	near(t, "one", r.ExpertBatch(0).At(1), 0.39270, 1e-4)
	near(t, "all", r.ExpertBatch(0).At(8), 5.9605e-8, 1e-4)
	near(t, "some all", r.Max().At(8), 9.5367e-7, 1e-4)
	near(t, "idle", r.Idle(), 16*0.34361, 1e-4)
}

// Weights 2:1:1, top-2: expert 0 is first with 1/2, and second with
// 2·(1/4)·(2/3) = 1/3, so it is in with 5/6; the others with 7/12 each.
func TestInclusionByHand(t *testing.T) {
	p := Router{Tokens: 1, Experts: 3, TopK: 2, Weights: []float64{2, 1, 1}}.Inclusion()
	near(t, "0", p[0], 5.0/6, 1e-12)
	near(t, "1", p[1], 7.0/12, 1e-12)
	near(t, "2", p[2], 7.0/12, 1e-12)
}

// Exact and counted distributions agree where both exist: every chance within
// five standard errors of the count.
func TestExactAndSimulatedAgree(t *testing.T) {
	const draws = 20000
	for _, r := range []Router{
		{Tokens: 8, Experts: 16, TopK: 2}, {Tokens: 8, Experts: 16, TopK: 1}, {Tokens: 24, Experts: 8, TopK: 2},
		{Tokens: 5, Experts: 3, TopK: 2}, {Tokens: 12, Experts: 64, TopK: 2},
	} {
		r.Draws, r.Seed = draws, 7
		awake, most := r.Simulated()
		for _, c := range []struct {
			what           string
			exact, counted Distribution
		}{{"awake", r.Awake(), awake}, {"max", r.Max(), most}} {
			if !c.exact.Exact || c.counted.Exact {
				t.Errorf("%+v %s: exact %v, counted %v", r, c.what, c.exact.Exact, c.counted.Exact)
			}
			sum := 0.0
			for x, p := range c.exact.P {
				sum += p
				if d := math.Abs(p - c.counted.P[x]); d > 5*math.Sqrt(p*(1-p)/draws)+1e-3/draws+2.0/draws {
					t.Errorf("%+v %s %d: exact %.5f, counted %.5f", r, c.what, x, p, c.counted.P[x])
				}
			}
			near(t, c.what+" sums to", sum, 1, 1e-9)
		}
		near(t, "expected awake", r.Awake().Mean(), r.ExpectedAwake(float64(r.Tokens)), 1e-9)
	}
}

// Drawing with equal weights is drawing uniformly, and Zipf with an exponent of
// 0 is equal weights; inclusions of a skewed router agree with counts.
func TestWeights(t *testing.T) {
	r := Router{Tokens: 16, Experts: 16, TopK: 2, Draws: 20000}
	w := r
	w.Weights = Zipf(16, 0)
	near(t, "max", w.Max().Mean(), r.Max().Mean(), 0.01)
	near(t, "awake", w.Awake().Mean(), r.Awake().Mean(), 0.01)
	w.Weights = Zipf(16, 1)
	near(t, "zipf awake", w.Awake().Mean(), w.ExpectedAwake(16), 0.01)
	if w.Max().Mean() <= r.Max().Mean() {
		t.Error("a skewed router has the larger maximum")
	}
	// Top-3 of four equal weights: 3/4 each.
	for _, p := range (Router{Tokens: 1, Experts: 4, TopK: 3, Weights: []float64{1, 1, 1, 1}}).Inclusion() {
		near(t, "top-3", p, 0.75, 0.005)
	}
}

// Capacity: top-1 of two experts, two tokens, factor 1 gives each a place for
// one; both choose the same with 1/2, and then one of two is dropped: 1/4. A
// larger factor drops less, and experts/top-k nothing.
func TestDropped(t *testing.T) {
	r := Router{Tokens: 2, Experts: 2, TopK: 1}
	near(t, "dropped", r.Dropped(1), 0.25, 1e-12)
	if d := r.Dropped(2); d != 0 {
		t.Errorf("room for all, and %g dropped", d)
	}
	r = Router{Tokens: 64, Experts: 16, TopK: 2, Weights: Zipf(16, 1)}
	if a, b, c := r.Dropped(1), r.Dropped(1.5), r.Dropped(8); !(a > b && b > c && c < 1e-12) {
		t.Errorf("dropped %g, %g, %g at 1, 1.5, 8", a, b, c)
	}
}

// Loads 4, 3, 2, 1 on two ranks: neighbours are 7 and 3, 1.4 of the mean; the
// balanced placement is 5 and 5. A single hot expert of 9 beside three of 1 on
// two ranks cannot be under 10/12·2 = 1.67; with a copy of it both ranks have 6.
func TestPlacement(t *testing.T) {
	loads := []float64{4, 3, 2, 1}
	near(t, "consecutive", Consecutive(4, 2).Imbalance(loads), 1.4, 1e-12)
	p, err := Balanced(loads, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "balanced", p.Imbalance(loads), 1, 1e-12)
	hot := []float64{9, 1, 1, 1}
	p, _ = Balanced(hot, 2, 0)
	near(t, "hot", p.Imbalance(hot), 20.0/12, 1e-12)
	p, _ = Balanced(hot, 2, 1)
	if got := p.Imbalance(hot); got > 1.1 {
		t.Errorf("with a redundant hot expert %g, want close to 1", got)
	}
	if n := len(p.Ranks[0]); n != 2 {
		t.Errorf("the hot expert is on %d ranks", n)
	}
	r := Router{Tokens: 64, Experts: 16, TopK: 2, Weights: Zipf(16, 1.2)}
	in := r.Inclusion()
	plain, _ := Balanced(in, 4, 0)
	copies, _ := Balanced(in, 4, 4)
	if a, b, c := r.ExpectedImbalance(Consecutive(16, 4)), r.ExpectedImbalance(plain), r.ExpectedImbalance(copies); !(a > b && b > c && c >= 1) {
		t.Errorf("imbalance %g, %g, %g: each placement should beat the one before", a, b, c)
	}
	if _, err := Balanced(loads, 5, 0); err == nil {
		t.Error("more ranks than experts")
	}
}

// More tokens wake more experts and fewer bytes each.
func TestWeightBytes(t *testing.T) {
	last := math.Inf(1)
	for _, n := range []int64{1, 2, 8, 64, 4096} {
		b := Router{Tokens: n, Experts: 16, TopK: 2}.WeightBytes(55, 111)
		if b >= last {
			t.Errorf("%d tokens: %g bytes each, %g before", n, b, last)
		}
		last = b
	}
	// One token: 55 + 2·111.
	near(t, "one token", Router{Tokens: 1, Experts: 16, TopK: 2}.WeightBytes(55, 111), 277, 1e-9)
}

func TestValidate(t *testing.T) {
	for _, r := range []Router{
		{Tokens: 1, Experts: 0, TopK: 1}, {Tokens: 1, Experts: 2, TopK: 3}, {Tokens: 1, Experts: 2, TopK: 1, Weights: []float64{1}},
		{Tokens: 1, Experts: 2, TopK: 1, Weights: []float64{math.NaN(), 1}}, {Tokens: 1, Experts: 2, TopK: 2, Weights: []float64{0, 1}}, {Tokens: -1, Experts: 2, TopK: 2},
	} {
		if r.Validate() == nil {
			t.Errorf("%+v passes", r)
		}
	}
	if err := (Router{Tokens: 4, Experts: 4, TopK: 2, Weights: Zipf(4, 1)}).Validate(); err != nil {
		t.Error(err)
	}
}
