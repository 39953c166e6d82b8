package main

import (
	"math"
	"math/rand/v2"
)

// noise is a source of samples whose median is 1: a hidden truth that the rule
// must find from the outside.
type noise struct {
	name string
	draw func(*rand.Rand) func() float64
}

// noises are those of machines: what timers, schedulers, neighbours and clocks do
// to a time.
var noises = []noise{
	{"normal, 1 %", normal(0.01)},
	{"normal, 5 %", normal(0.05)},
	{"skewed, 10 %", func(r *rand.Rand) func() float64 { return func() float64 { return math.Exp(0.1 * r.NormFloat64()) } }},
	{"heavy tail (Student, 2 degrees), 2 %", func(r *rand.Rand) func() float64 {
		return func() float64 { return 1 + 0.02*student2(r) }
	}},
	{"bimodal: 70 % at 1, 30 % 10 % slower", func(r *rand.Rand) func() float64 {
		// The median lies where 5/7 of the faster mode are below: 0.5659σ above its
		// middle.
		return func() float64 {
			v := 1 + 0.01*(r.NormFloat64()-0.56595)
			if r.IntN(10) < 3 {
				v += 0.1
			}
			return v
		}
	}},
	{"one in ten preempted", func(r *rand.Rand) func() float64 {
		// The tenth that is slow moves the median to the 5/9 quantile of the rest:
		// 0.1397σ above the clean middle.
		return func() float64 {
			v := 1 + 0.03*(r.NormFloat64()-0.13971)
			if r.IntN(10) == 0 {
				v += 1 + r.Float64()
			}
			return v
		}
	}},
	{"periodic: ±3 % every 16 samples", func(r *rand.Rand) func() float64 {
		at := r.Float64() * 16
		return func() float64 {
			at++
			return 1 + 0.03*math.Sin(2*math.Pi*at/16) + 0.005*r.NormFloat64()
		}
	}},
	{"drifting: correlated 0.7, 3 %", correlated(0.7)},
	{"drifting: correlated 0.9, 3 %", correlated(0.9)},
	{"drifting: correlated 0.97, 3 %", correlated(0.97)},
}

func normal(sigma float64) func(*rand.Rand) func() float64 {
	return func(r *rand.Rand) func() float64 { return func() float64 { return 1 + sigma*r.NormFloat64() } }
}

func correlated(rho float64) func(*rand.Rand) func() float64 {
	return func(r *rand.Rand) func() float64 {
		state := r.NormFloat64()
		return func() float64 {
			state = rho*state + math.Sqrt(1-rho*rho)*r.NormFloat64()
			return 1 + 0.03*state
		}
	}
}

// student2 is Student's t of 2 degrees of freedom, by its quantile function.
func student2(r *rand.Rand) float64 {
	u := 2*r.Float64() - 1
	return u * math.Sqrt(2/(1-u*u))
}
