package predict

import (
	"cmp"
	"math"
	"slices"

	"bench/datasets"
)

// leastSpread is how many rows a binding term needs for a range of its own: the
// 5th and the 95th in a hundred are then some five rows from the ends.
const leastSpread = 100

// otherDevice is how much wider the logarithms of a range are on another device
// than the one that was fitted. Of parameters of an H100 used on an H200, which
// no fit had seen, the errors of GEMM, all-reduce, decode and MoE were 1.39, 1.31,
// 1.0 and 1.38 times those on the H100 itself.
const otherDevice = 1.4

// otherArchitecture is the factor, up or down, that holds 90 % of measured over
// predicted times where parameters of an A100 are used on an H100 or the reverse,
// whichever is wider (fit halves of aiconfigurator's and Vidur's rows);
// unknownArchitecture is for models that were never tried so.
var otherArchitecture = map[string]float64{"gemm": 1.62, "moe": 1.50, "decode_attention": 1.77, "prefill_attention": 1.29,
	"custom_all_reduce": 2.26, "send_recv": 1.47, "peer_exchange": 1.66, "collective": 1.40, "rowwise": 1.38}

const unknownArchitecture = 3

// otherVersionWidens and otherLibrary are the same for another version of the
// library and for another library. With another library's parameters the errors of
// GEMM, attention and MoE were 2.3 to 3.1 times the library's own, in the median of
// 17 stacks; between versions some MoE kernels changed by a factor of three, and
// most others hardly.
const (
	otherVersionWidens = 1.5
	otherLibrary       = 2.7
)

// spreadsOf is the 90 % ranges of measured over predicted times, of all
// observations and by the term that binds.
func spreadsOf(binds []string, ratios []float64) []datasets.Spread {
	by := map[string][]float64{}
	for i, r := range ratios {
		by[""] = append(by[""], r)
		by[binds[i]] = append(by[binds[i]], r)
	}
	var out []datasets.Spread
	for name, r := range by {
		if name == "" || len(r) >= leastSpread {
			slices.Sort(r)
			out = append(out, datasets.Spread{Binds: name, N: len(r), Low: digits(rank(r, 0.05)), High: digits(rank(r, 0.95))})
		}
	}
	slices.SortFunc(out, func(a, b datasets.Spread) int { return cmp.Compare(a.Binds, b.Binds) })
	return out
}

// digits keeps four significant digits of a fitted figure.
func digits(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// rank is the q-th quantile of a further value beside sorted ones, which takes
// each of the n + 1 places among them with the same chance (Vovk, Gammerman and
// Shafer, "Algorithmic Learning in a Random World", 2005, section 2.2).
func rank(sorted []float64, q float64) float64 {
	x := q*float64(len(sorted)+1) - 1
	i := min(max(int(math.Floor(x)), 0), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	part := min(max(x-float64(i), 0), 1)
	return sorted[i] + part*(sorted[j]-sorted[i])
}

// widened is ranges whose logarithms are so many times as wide.
func widened(spreads []datasets.Spread, by float64) []datasets.Spread {
	out := slices.Clone(spreads)
	for i := range out {
		s := &out[i]
		// Where the middle lies off, it may do so either way.
		half := math.Log(s.High/s.Low)/2*by + math.Abs(math.Log(s.Low*s.High)/2)
		s.Low, s.High = math.Exp(-half), math.Exp(half)
	}
	return out
}

// transferredSpreads is the ranges on a device or of a library that the parameters
// were not fitted on.
func transferredSpreads(law string, spreads []datasets.Spread, sameArch, sameLibrary bool) []datasets.Spread {
	by := otherDevice
	if !sameLibrary {
		by = otherLibrary
	}
	out := widened(spreads, by)
	for i := range out {
		if least := cmp.Or(otherArchitecture[law], unknownArchitecture); !sameArch {
			out[i].Low, out[i].High = min(out[i].Low, 1/least), max(out[i].High, least)
		}
	}
	return out
}

// ceilingsOfHost is the ranges of the ceilings tier on a CPU, by suite: bias and
// 90th percentile of |error| of the run that the README shows. Of a GPU none is
// known yet.
var ceilingsOfHost = map[datasets.Suite][]datasets.Spread{
	datasets.SuiteHBM:       {{N: 82, Low: 0.80, High: 1.33}},
	datasets.SuiteGEMM:      {{N: 14, Low: 1.00, High: 1.33}},
	datasets.SuiteAllReduce: {{N: 12, Low: 0.50, High: 1.98}},
	datasets.SuiteDecode:    {{N: 12, Low: 0.89, High: 1.15}},
	datasets.SuiteMoE:       {{N: 20, Low: 0.86, High: 1.19}},
}

// setRange gives a prediction its 90 % range: that of the term that binds, else
// of all rows.
func setRange(p *datasets.Prediction, spreads []datasets.Spread) {
	if len(spreads) == 0 || p.NotPredicted != "" {
		return
	}
	s := spreads[0]
	for _, other := range spreads[1:] {
		if other.Binds == p.Binds {
			s = other
		}
	}
	p.LowS, p.HighS = p.Seconds*s.Low, p.Seconds*s.High
}
