package llm

import "math"

// Two rows of table 3 of Hoffmann et al., "Training Compute-Optimal Large
// Language Models" (2022): parameters, FLOP and tokens of compute-optimal
// training by their approach 1. Between and beyond them both follow a power
// law, as their section 3.1 fits.
var chinchillaSmall, chinchillaLarge = struct{ parameters, flops, tokens float64 }{1e9, 1.21e20, 20.2e9},
	struct{ parameters, flops, tokens float64 }{1e12, 1.27e26, 21.2e12}

// ChinchillaOptimal is the parameters and tokens that use so much compute best.
func ChinchillaOptimal(flops float64) (parameters, tokens float64) {
	s, l := chinchillaSmall, chinchillaLarge
	at := math.Log(flops/s.flops) / math.Log(l.flops/s.flops)
	return s.parameters * math.Pow(l.parameters/s.parameters, at), s.tokens * math.Pow(l.tokens/s.tokens, at)
}

// ChinchillaTokens is the tokens on which a model of so many parameters is
// compute-optimal.
func ChinchillaTokens(parameters float64) float64 {
	s, l := chinchillaSmall, chinchillaLarge
	at := math.Log(parameters/s.parameters) / math.Log(l.parameters/s.parameters)
	return s.tokens * math.Pow(l.tokens/s.tokens, at)
}

// Campaign is a training run as it is reported: what was computed, on what,
// how well.
type Campaign struct {
	// FLOPs is the model's, without what is computed again.
	FLOPs float64
	GPUs  float64
	// PeakFLOPs of one GPU, in FLOP/s.
	PeakFLOPs float64
	// MFU is model FLOP over peak (Chowdhery et al., "PaLM", 2022, section 4.1).
	MFU        float64
	GPUHourUSD float64
}

const (
	secondsPerHour = 3600
	secondsPerDay  = 24 * secondsPerHour
)

// Seconds the run takes.
func (c Campaign) Seconds() float64 { return c.FLOPs / (c.GPUs * c.PeakFLOPs * c.MFU) }

// Days the run takes.
func (c Campaign) Days() float64 { return c.Seconds() / secondsPerDay }

// USD that its GPU hours cost.
func (c Campaign) USD() float64 { return c.Seconds() / secondsPerHour * c.GPUs * c.GPUHourUSD }

// ImpliedMFU is the utilisation that finishing in so many seconds needs.
func (c Campaign) ImpliedMFU(seconds float64) float64 {
	return c.FLOPs / (c.GPUs * c.PeakFLOPs * seconds)
}

// USDPerThousandTokens is what 1,000 tokens cost where so many GPUs, at a
// price an hour each, make tokensPerSecond together.
func USDPerThousandTokens(gpus, gpuHourUSD, tokensPerSecond float64) float64 {
	return gpus * gpuHourUSD / secondsPerHour / tokensPerSecond * 1000
}
