package serving

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Load is what clients ask for.
type Load struct {
	// Input and Output are tokens of a request, on average.
	Input, Output int64
	// Spread is the coefficient of variation of both lengths; 0 is one for all.
	Spread float64
	// Concurrency requests are in flight at any time, each followed by the next (a
	// closed loop); or, where Rate is not 0, requests arrive at random, so many a
	// second (a Poisson process), and at most Concurrency of them are served where
	// that is not 0.
	Concurrency int64
	Rate        float64
	// Requests in all; 0 is enough for a steady state.
	Requests int
	// RampS spreads the first requests of a closed loop over so many seconds.
	RampS float64
	// InStep keeps the clients of a closed loop in step for ever where all requests
	// are equal. Otherwise the first ones get a random part of the output, so that
	// they fall out of step, as jitter makes real clients do after some waves.
	InStep bool
	// Cached is the share of each prompt whose keys and values are there already.
	Cached float64
	// Warmup is the share of the requests, the first, that is not counted.
	Warmup float64
	Seed   uint64
}

// Validate says in one sentence what is wrong.
func (l Load) Validate() error {
	finite := func(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }
	switch {
	case l.Input < 1 || l.Output < 1 || l.Input > 1<<24 || l.Output > 1<<24:
		return fmt.Errorf("load: %d tokens in and %d out, and both must be between 1 and 2^24", l.Input, l.Output)
	case l.Concurrency < 0 || l.Concurrency > 1<<20:
		return fmt.Errorf("load: concurrency is %d, and must be between 1 and 2^20", l.Concurrency)
	case !finite(l.Rate) || l.Rate == 0 && l.Concurrency == 0:
		return fmt.Errorf("load: rate is %g, and either a rate or a concurrency is needed", l.Rate)
	case !finite(l.Spread) || l.Spread > 10:
		return fmt.Errorf("load: spread is %g, and must be between 0 and 10", l.Spread)
	case !(l.Cached >= 0 && l.Cached <= 1) || !(l.Warmup >= 0 && l.Warmup < 1):
		return fmt.Errorf("load: cached share %g and warm-up %g: both must be between 0 and 1", l.Cached, l.Warmup)
	case !finite(l.RampS):
		return fmt.Errorf("load: ramp is %g s, and must not be negative", l.RampS)
	case l.Requests < 0 || l.Requests > 1<<22:
		return fmt.Errorf("load: %d requests, and there must be between 0 and 2^22", l.Requests)
	}
	return nil
}

// waves is how often each place of a closed loop is filled where the number of
// requests is left open.
const waves = 6

// request is one of a load, and what became of it.
type request struct {
	input, output int64
	// arrival, and when it can be scheduled.
	arrival, ready float64
	// left of the prompt to compute, tokens given so far, and those in the cache.
	left, given, cached int64
	first, end          float64
	// again is set where a preempted sequence computes its tokens again.
	again bool
	// cut requests stand in for those of clients out of step: only their TTFT counts.
	cut bool
}

// requests draws them all; arrivals of a closed loop beyond the first places are
// set as places come free.
func (l Load) requests() []request {
	n := l.Requests
	if n == 0 {
		n = int(max(l.Concurrency, 1)) * waves
		if l.Rate > 0 {
			n = 1000
		}
	}
	rng := rand.New(rand.NewPCG(l.Seed, 0x082EFA98EC4E6C89))
	in, out := Lengths{float64(l.Input), l.Spread}, Lengths{float64(l.Output), l.Spread}
	all := make([]request, n)
	at := 0.0
	for i := range all {
		r := &all[i]
		if l.Rate > 0 {
			at += rng.ExpFloat64() / l.Rate
			r.arrival = at
		} else if int64(i) < l.Concurrency {
			r.arrival = l.RampS * float64(i) / float64(l.Concurrency)
		}
		r.input, r.output = int64(in.draw(rng)), int64(out.draw(rng))
		if !l.InStep && l.Rate == 0 && int64(i) < l.Concurrency && n > int(l.Concurrency) {
			r.output, r.cut = 1+rng.Int64N(r.output), true
		}
		// The last token is computed in any case: its logits are wanted.
		r.left = max(r.input-int64(l.Cached*float64(r.input)), 1)
		r.cached = r.input - r.left
	}
	return all
}
