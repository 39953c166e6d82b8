// Package serving says what serving a model costs and gains: the cost of a
// token, batching by sequence or by step, speculative decoding, and the step
// times that these rest on.
package serving

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// CostPerToken is USD a token of gpus at a price an hour each that give
// tokensPerSecond together.
func CostPerToken(gpus, hourUSD, tokensPerSecond float64) float64 {
	return gpus * hourUSD / 3600 / tokensPerSecond
}

// Lengths are output lengths in tokens.
type Lengths struct {
	// Mean of the lengths, at least 1.
	Mean float64
	// Spread is their coefficient of variation: 0 is one length for all, 1 is
	// nearly exponential (geometric), as a fixed chance to end at each token.
	Spread float64
}

// draw is one length: log-normal with the mean and spread, and geometric at a
// spread of 1 exactly, for which closed forms exist; rounded up to a token.
func (l Lengths) draw(rng *rand.Rand) int {
	switch {
	case l.Spread == 0:
		return max(int(math.Round(l.Mean)), 1)
	case l.Spread == 1:
		if l.Mean <= 1 {
			return 1
		}
		return 1 + int(math.Log1p(-rng.Float64())/math.Log1p(-1/l.Mean))
	}
	variance := math.Log1p(l.Spread * l.Spread)
	return max(int(math.Round(math.Exp(math.Log(l.Mean)-variance/2+math.Sqrt(variance)*rng.NormFloat64()))), 1)
}

// Batching is a discrete-event simulation of decoding with a fixed number of
// slots, in steps: each step gives every running sequence one token.
type Batching struct {
	// Slots is the largest batch.
	Slots int
	// Requests to be served in all.
	Requests int
	Lengths  Lengths
	// ArrivalsPerStep is the rate of Poisson arrivals; 0 means that all wait at
	// the start.
	ArrivalsPerStep float64
	// Continuous batching fills a slot as soon as its sequence ends (Yu et al.,
	// "Orca", 2022, section 3); static batching only when all have ended.
	Continuous bool
	// Seed of arrivals and lengths. The same seed gives both kinds of batching
	// the same requests.
	Seed uint64
}

// Served is what came of it.
type Served struct {
	// Steps until the last token, idle ones included.
	Steps float64
	// Tokens given.
	Tokens float64
	// MeanLatency is steps from arrival to the last token of a request.
	MeanLatency float64
	// Occupancy is running sequences over slots, on average over busy steps.
	Occupancy float64
}

// Throughput is tokens a step.
func (s Served) Throughput() float64 { return s.Tokens / s.Steps }

// Validate says in one sentence what is wrong.
func (b Batching) Validate() error {
	switch {
	case b.Slots < 1 || b.Requests < 1:
		return fmt.Errorf("batching: %d slots and %d requests: at least 1 of each is needed", b.Slots, b.Requests)
	case !(b.Lengths.Mean >= 1) || !(b.Lengths.Spread >= 0) || math.IsInf(b.Lengths.Mean+b.Lengths.Spread, 0):
		return fmt.Errorf("batching: lengths of mean %g and spread %g: a mean of at least 1 and no negative spread are needed", b.Lengths.Mean, b.Lengths.Spread)
	case !(b.ArrivalsPerStep >= 0):
		return fmt.Errorf("batching: %g arrivals a step: no negative number is needed", b.ArrivalsPerStep)
	}
	return nil
}

// Simulate serves the requests in the order of their arrival.
func (b Batching) Simulate() (Served, error) {
	if err := b.Validate(); err != nil {
		return Served{}, err
	}
	rng := rand.New(rand.NewPCG(b.Seed, 0x082EFA98EC4E6C89))
	type request struct {
		arrival float64
		length  int
	}
	requests := make([]request, b.Requests)
	at := 0.0
	for i := range requests {
		if b.ArrivalsPerStep > 0 {
			at += rng.ExpFloat64() / b.ArrivalsPerStep
		}
		requests[i] = request{at, b.Lengths.draw(rng)}
	}
	var s Served
	// A slot is the time at which its sequence ends.
	ends := make([]float64, 0, b.Slots)
	now, next, busy, waited := 0.0, 0, 0.0, 0.0
	for next < len(requests) || len(ends) > 0 {
		// Only a boundary between steps lets requests in.
		if len(ends) == 0 && next < len(requests) && requests[next].arrival > now {
			now = math.Ceil(requests[next].arrival)
		}
		if b.Continuous || len(ends) == 0 {
			for len(ends) < b.Slots && next < len(requests) && requests[next].arrival <= now {
				r := requests[next]
				end := now + float64(r.length)
				ends = append(ends, end)
				s.Tokens += float64(r.length)
				waited += end - r.arrival
				next++
			}
		}
		// The next event: a sequence ends, or, where a slot is open, one arrives.
		event := math.Inf(1)
		for _, e := range ends {
			event = min(event, e)
		}
		if b.Continuous && len(ends) < b.Slots && next < len(requests) {
			event = min(event, math.Ceil(requests[next].arrival))
		}
		s.Occupancy += (event - now) * float64(len(ends))
		busy += event - now
		now = event
		kept := ends[:0]
		for _, e := range ends {
			if e > now {
				kept = append(kept, e)
			}
		}
		ends = kept
	}
	s.Steps = now
	s.Occupancy /= busy * float64(b.Slots)
	s.MeanLatency = waited / float64(b.Requests)
	return s, nil
}

// Gain is the throughput of continuous over static batching where requests
// always wait: with B slots a static batch takes as long as its longest
// sequence, E max of B lengths, and gives B mean lengths. A model whose step
// takes the same time at any batch is assumed, as where bandwidth binds.
func (b Batching) Gain() (float64, error) {
	b.ArrivalsPerStep = 0
	b.Continuous = true
	c, err := b.Simulate()
	if err != nil {
		return 0, err
	}
	b.Continuous = false
	s, err := b.Simulate()
	return c.Throughput() / s.Throughput(), err
}

// GeometricMax is E max of n geometric lengths of a mean: Σ over x ≥ 0 of
// 1 − (1 − (1−1/mean)^x)^n, the closed form for a spread of 1.
func GeometricMax(n int, mean float64) float64 {
	s := 0.0
	for x := 0; ; x++ {
		p := -math.Expm1(float64(n) * math.Log1p(-math.Pow(1-1/mean, float64(x))))
		if x == 0 {
			p = 1
		}
		if s += p; p < 1e-12 {
			return s
		}
	}
}
