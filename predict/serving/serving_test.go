package serving

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > within*math.Abs(want) {
		t.Errorf("%s: %.6g, want %.6g", what, got, want)
	}
}

// 128 GPUs at $1 an hour are $0.03556 a second; at 7,256 tokens/s a thousand
// tokens cost $0.0049 (S11.1).
func TestCostPerToken(t *testing.T) {
	near(t, "cost", 1000*CostPerToken(128, 1, 7256), 0.0049, 0.001)
}

// Limits with closed forms. Equal lengths: nothing to gain, and 40 requests of
// 10 tokens in 4 slots take 100 steps. One slot: nothing to gain. Geometric
// lengths: a static batch of B takes E max of B.
func TestBatchingLimits(t *testing.T) {
	b := Batching{Slots: 4, Requests: 40, Lengths: Lengths{Mean: 10}}
	for _, continuous := range []bool{false, true} {
		b.Continuous = continuous
		s, err := b.Simulate()
		if err != nil {
			t.Fatal(err)
		}
		near(t, "steps", s.Steps, 100, 0)
		near(t, "tokens", s.Tokens, 400, 0)
		near(t, "occupancy", s.Occupancy, 1, 1e-12)
		near(t, "latency", s.MeanLatency, 55, 1e-12) // 10, 20, … 100
	}
	g, _ := Batching{Slots: 1, Requests: 100, Lengths: Lengths{Mean: 50, Spread: 1}}.Gain()
	near(t, "one slot", g, 1, 1e-12)
	const mean, slots = 100.0, 16
	g, _ = Batching{Slots: slots, Requests: 40000, Lengths: Lengths{Mean: mean, Spread: 1}, Seed: 3}.Gain()
	near(t, "geometric", g, GeometricMax(slots, mean)/mean, 0.02)
	// The largest of 16 exponentials is H(16) = 3.3807 means.
	near(t, "harmonic", GeometricMax(slots, 1e4)/1e4, 3.3807, 1e-3)
}

// With arrivals far apart every request runs alone: its latency is its length
// and the wait for the next step, half a step; static and continuous are alike.
func TestRareArrivals(t *testing.T) {
	b := Batching{Slots: 8, Requests: 4000, Lengths: Lengths{Mean: 10}, ArrivalsPerStep: 1e-3}
	for _, continuous := range []bool{false, true} {
		b.Continuous = continuous
		s, _ := b.Simulate()
		near(t, "latency", s.MeanLatency, 10.5, 0.01)
	}
	// Load below what the slots can take: throughput is arrivals × length.
	b = Batching{Slots: 16, Requests: 20000, Lengths: Lengths{Mean: 20, Spread: 1}, ArrivalsPerStep: 0.4, Continuous: true}
	s, _ := b.Simulate()
	near(t, "throughput", s.Throughput(), 8, 0.03)
}

// More spread gains more, and more slots do.
func TestGainGrows(t *testing.T) {
	last := 0.99
	for _, spread := range []float64{0, 0.25, 0.5, 1, 2} {
		g, err := Batching{Slots: 16, Requests: 8000, Lengths: Lengths{Mean: 200, Spread: spread}}.Gain()
		if err != nil || g <= last {
			t.Errorf("spread %g: gain %g after %g, %v", spread, g, last, err)
		}
		last = g
	}
	if _, err := (Batching{Slots: 0, Requests: 1, Lengths: Lengths{Mean: 1}}).Simulate(); err == nil {
		t.Error("no slots")
	}
}

// Leviathan et al. (2023), table 1 (theory, c small): α = 0.8, γ = 5 gives
// (1 − 0.8^6)/0.2 = 3.6893 tokens a round; at c = 0.02 the gain is 3.354. A
// simulation of single acceptances agrees.
func TestSpeculation(t *testing.T) {
	p := Speculation{Acceptance: 0.8, Draft: 5, Cost: 0.02}
	near(t, "tokens", p.Tokens(), 3.68928, 1e-6)
	near(t, "gain", p.Gain(), 3.68928/1.1, 1e-6)
	rng := rand.New(rand.NewPCG(1, 2))
	sum := 0
	const rounds = 200000
	for range rounds {
		sum++ // the large model's own token
		for g := 0; g < 5 && rng.Float64() < 0.8; g++ {
			sum++
		}
	}
	near(t, "simulated", float64(sum)/rounds, p.Tokens(), 0.01)
}

// A dense model of 1 byte of weights and 2 FLOP a weight, balance at 100
// tokens. Below 20 sequences 5 tokens each are still free: the full gain. It
// ends where checking 5·B tokens, 5·B/100 plain steps long, gives E tokens: B = 100·E/5.
func TestLastBatch(t *testing.T) {
	s := Step{SharedBytes: 1e9, FLOPs: 2e9, Bandwidth: 1e12, Peak: 2e14}
	p := Speculation{Acceptance: 0.5, Draft: 4}
	near(t, "small batch", p.GainAt(s, 8), p.Gain(), 1e-12)
	near(t, "last batch", p.LastBatch(s), 100*p.Tokens()/5, 1e-6)
	if g := p.GainAt(s, 1000); math.Abs(g-p.Tokens()/5) > 1e-9 {
		t.Errorf("compute-bound gain %g", g)
	}
	// A mixture gains less at small batches: more tokens wake more experts.
	m := Step{SharedBytes: 55e9, ExpertBytes: 111e9, Experts: 16, TopK: 2, FLOPs: 554e9, Bandwidth: 1e14, Peak: 4e16}
	if g := p.GainAt(m, 1); g >= p.Gain() {
		t.Errorf("mixture at batch 1 gains %g, dense %g", g, p.Gain())
	}
	if (Speculation{Acceptance: 0.01, Draft: 4, Cost: 0.1}).LastBatch(s) != 0 {
		t.Error("a bad draft gains nowhere")
	}
}
