package serving

import "math"

// Step is the time of one pass of a decoder over a batch of tokens, as the
// larger of reading its weights and of its arithmetic; attention over the KV
// cache is left out, which speculation does not change.
type Step struct {
	// SharedBytes are read in every step, ExpertBytes for each awake expert.
	SharedBytes, ExpertBytes float64
	// Experts and TopK of uniform routing; 0 experts is a dense model.
	Experts, TopK float64
	// FLOPs of one token.
	FLOPs float64
	// Bandwidth in bytes/s and Peak in FLOP/s.
	Bandwidth, Peak float64
}

// Awake is how many experts have one of tokens: E·(1 − (1 − k/E)^tokens).
func (s Step) Awake(tokens float64) float64 {
	if s.Experts == 0 {
		return 0
	}
	return -s.Experts * math.Expm1(tokens*math.Log1p(-s.TopK/s.Experts))
}

// Memory and Compute are the two times of a step, in seconds.
func (s Step) Memory(tokens float64) float64 {
	return (s.SharedBytes + s.Awake(tokens)*s.ExpertBytes) / s.Bandwidth
}

// Compute is the arithmetic's time in seconds.
func (s Step) Compute(tokens float64) float64 { return tokens * s.FLOPs / s.Peak }

// Seconds is the larger of Memory and Compute.
func (s Step) Seconds(tokens float64) float64 { return max(s.Memory(tokens), s.Compute(tokens)) }

// Speculation drafts tokens with a small model and checks them in one pass of
// the large one (Leviathan et al., "Fast Inference from Transformers via
// Speculative Decoding", 2023).
type Speculation struct {
	// Acceptance is α, the chance that a drafted token is accepted.
	Acceptance float64
	// Draft is γ, the drafted tokens.
	Draft float64
	// Cost is c, the time of a drafted token over that of a step.
	Cost float64
}

// Tokens is the expected tokens of one round: (1 − α^(γ+1)) / (1 − α)
// (equation 1).
func (p Speculation) Tokens() float64 {
	if p.Acceptance >= 1 {
		return p.Draft + 1
	}
	return (1 - math.Pow(p.Acceptance, p.Draft+1)) / (1 - p.Acceptance)
}

// Gain is the speed-up where checking γ+1 tokens takes as long as one:
// Tokens / (γ·c + 1) (theorem 3.8).
func (p Speculation) Gain() float64 { return p.Tokens() / (p.Draft*p.Cost + 1) }

// GainAt is the speed-up of a batch of sequences: each round checks
// batch × (γ+1) tokens in one step, and drafts γ times at Cost of a plain step.
func (p Speculation) GainAt(s Step, batch float64) float64 {
	plain := s.Seconds(batch)
	return p.Tokens() * plain / (s.Seconds(batch*(p.Draft+1)) + p.Draft*p.Cost*plain)
}

// LastBatch is the largest batch at which speculation still gains, found by
// halving between the last batch of the doubling search that gains and the
// first from which on nothing does. It is 0 where none gains and +Inf where all
// up to 2^30 do.
func (p Speculation) LastBatch(s Step) float64 {
	low := 0.0
	for b := 1.0; b <= 1<<30; b *= 2 {
		if p.GainAt(s, b) > 1 {
			low = b
		}
	}
	if low == 0 {
		return 0
	}
	if low == 1<<30 {
		return math.Inf(1)
	}
	high := low * 2
	for range 60 {
		m := (low + high) / 2
		if p.GainAt(s, m) > 1 {
			low = m
		} else {
			high = m
		}
	}
	return low
}
