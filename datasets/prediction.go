package datasets

import "hash/fnv"

// Tier says what a prediction was allowed to know.
type Tier string

const (
	// TierDatasheet knows published peaks only.
	TierDatasheet Tier = "datasheet"
	// TierCeilings knows the device's own measured peaks.
	TierCeilings Tier = "ceilings"
	// TierCalibrated knows parameters fitted on the fit half.
	TierCalibrated Tier = "calibrated"
	// TierTransferred knows a relative's parameters and its own datasheet.
	TierTransferred Tier = "transferred"
)

// Tiers lists every tier, from the least to the most informed.
var Tiers = []Tier{TierDatasheet, TierCeilings, TierTransferred, TierCalibrated}

// Term is a named part of a predicted time, in seconds.
type Term struct {
	// Name is "compute", "memory", "cache", "communication", "launch",
	// "latency", "imbalance", "tile_padding", "wave_quantization", ….
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Prediction is how long a workload should take, and why.
type Prediction struct {
	Tier Tier `json:"tier"`
	// Seconds is 0 where NotPredicted says why there is none.
	Seconds float64 `json:"seconds"`
	// LowS and HighS bound the 90 % range of what sound hardware takes: five in a
	// hundred of its measurements are below, and five above. 0 where the tier
	// cannot say how sure it is.
	LowS  float64 `json:"low_s,omitempty"`
	HighS float64 `json:"high_s,omitempty"`
	// Machine and Stack name the parts of the calibration that were used, ""
	// where there was none.
	Machine string `json:"machine,omitempty"`
	Stack   string `json:"stack,omitempty"`
	Terms   []Term `json:"terms,omitempty"`
	// Rule says how the terms join: "max", "sum", or in words.
	Rule string `json:"rule,omitempty"`
	// Binds names the term that decides.
	Binds string `json:"binds,omitempty"`
	// NotPredicted is one sentence, such as "no datasheet bandwidth".
	NotPredicted string `json:"not_predicted,omitempty"`
}

// Error is predicted / measured − 1.
func (p *Prediction) Error(measuredS float64) float64 { return p.Seconds/measuredS - 1 }

// Split says on which half a workload lies.
type Split string

const (
	FitHalf  Split = "fit"
	TestHalf Split = "test"
)

// SplitOf divides workloads in two by a hash (FNV-1a, 64 bits) of their key,
// so that a calibration is never judged on what it was fitted to.
func SplitOf(key string) Split {
	h := fnv.New64a()
	h.Write([]byte(key))
	// The low bit of FNV-1a follows the low bits of the text alone, so a
	// high one is used.
	if h.Sum64()>>37&1 == 0 {
		return FitHalf
	}
	return TestHalf
}
