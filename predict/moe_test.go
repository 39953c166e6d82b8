package predict

import (
	"math"
	"math/rand/v2"
	"testing"

	"bench/datasets"
)

func experts(tokens, experts, topK int64, ep int, rule datasets.RoutingRule) datasets.MoELayer {
	m := datasets.MoELayer{Kernel: "experts", Type: datasets.BF16, Tokens: tokens, Hidden: 4096, Intermediate: 1536,
		Experts: experts, TopK: topK, Gated: true, TP: 1, EP: ep, Ranks: 1, Cache: datasets.Cold,
		Routing: datasets.Routing{Rule: rule}}
	if rule == datasets.RoutePowerLaw {
		m.Routing.Exponent = 1.2
	}
	return m
}

func TestExpectedActiveExperts(t *testing.T) {
	// One token wakes its 2 of 8 experts; of two tokens, an expert sleeps
	// through both with (3/4)², so 8 · 7/16 = 3.5 are awake.
	for tokens, want := range map[int64]float64{1: 2, 2: 3.5} {
		if got := ExpectedActiveExperts(8, 2, tokens); math.Abs(got-want) > 1e-12 {
			t.Errorf("%d tokens: %g experts awake, want %g", tokens, got, want)
		}
	}
}

func TestRankLoadsByHand(t *testing.T) {
	for _, c := range []struct {
		what                      string
		m                         datasets.MoELayer
		awake, rows, most, blocks float64
	}{
		// 4096 · 2 choices on 8 experts: 1024 each, 16 blocks of 64.
		{"balanced", experts(4096, 8, 2, 1, datasets.RouteBalanced), 8, 8192, 1024, 128},
		// 2 · 8 choices on 8 ranks of 32 experts: 2 experts with a token each.
		{"balanced, few tokens", experts(2, 256, 8, 8, datasets.RouteBalanced), 2, 2, 1, 2},
		// All loads of the power law round to 0, and the 16 choices go to the
		// first 16 experts, which one rank holds.
		{"power law, few tokens", experts(2, 256, 8, 8, datasets.RoutePowerLaw), 16, 16, 1, 16},
		// Every token chooses experts 0 and 1: 100 rows each, two blocks.
		{"all on one", experts(100, 8, 2, 1, datasets.RouteAllOnOne), 2, 200, 100, 4},
	} {
		l, ok := ExpectedRankLoad(&c.m)
		if !ok || l.Awake != c.awake || l.Rows != c.rows || l.MaxLoad != c.most || l.Blocks(64) != c.blocks {
			t.Errorf("%s: %+v, want awake %g, rows %g, most %g, blocks of 64 %g", c.what, l, c.awake, c.rows, c.most, c.blocks)
		}
	}
	l, _ := ExpectedRankLoad(&datasets.MoELayer{Tokens: 1, Experts: 8, TopK: 2, EP: 1, Routing: datasets.Routing{Rule: datasets.RouteBalanced}})
	if l.Blocks(48) != 0 {
		t.Error("a height that is not on the menu has blocks")
	}
}

// The closed forms of uniform routing against the mean of 200 real assignments.
func TestUniformLoadsMatchAssignments(t *testing.T) {
	m := experts(100, 32, 4, 1, datasets.RouteUniform)
	want, n := RankLoad{}, 200.0
	for seed := range uint64(n) {
		chosen, err := datasets.Routing{Rule: datasets.RouteUniform, Seed: seed}.Assign(m.Tokens, m.Experts, m.TopK)
		if err != nil {
			t.Fatal(err)
		}
		l := loadOf(datasets.Loads(chosen, m.Experts))
		want.Awake += l.Awake / n
		want.MaxLoad += l.MaxLoad / n
		want.blocks[0] += l.blocks[0] / n
	}
	got, _ := ExpectedRankLoad(&m)
	if math.Abs(got.Awake/want.Awake-1) > 0.01 || math.Abs(got.blocks[0]/want.blocks[0]-1) > 0.01 || math.Abs(got.MaxLoad/want.MaxLoad-1) > 0.1 {
		t.Errorf("expected %+v, mean of assignments %+v", got, want)
	}
}

func TestRankLoadsAreConsistent(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	rules := []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteUniform, datasets.RoutePowerLaw}
	for range 500 {
		e := int64(8) << r.IntN(6)
		m := experts(1+r.Int64N(5000), e, 1+r.Int64N(8), 1<<r.IntN(4), rules[r.IntN(len(rules))])
		l, ok := ExpectedRankLoad(&m)
		mean := float64(m.Tokens*m.TopK) / float64(m.EP)
		local := float64(e) / float64(m.EP)
		switch {
		case !ok, l.Rows < mean*(1-1e-9), l.Rows > float64(m.Tokens*m.TopK)*(1+1e-9), l.Awake > local*(1+1e-9),
			l.MaxLoad > float64(m.Tokens), l.MaxLoad*local < l.Rows*(1-0.01),
			l.Blocks(16)*16 < l.Rows*(1-1e-9), l.Blocks(16) < l.Blocks(64)*(1-1e-9), l.Blocks(128) < l.Awake*(1-1e-9):
			t.Fatalf("%s: %+v", m.Key(), l)
		}
	}
}
