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

// spreadsOf is the 90 % ranges of measured over predicted times, of all
// observations and by the term that binds.
func spreadsOf(m *Model, dev *datasets.Device, values []float64, obs []observation) []datasets.Spread {
	type ratio struct {
		binds string
		of    float64
	}
	ratios := make([]ratio, len(obs))
	overChunks(len(obs), func(i int) {
		p := m.Predict(dev, values, obs[i].workload)
		ratios[i] = ratio{p.Binds, obs[i].seconds / p.Seconds}
	})
	by := map[string][]float64{}
	for _, r := range ratios {
		by[""] = append(by[""], r.of)
		by[r.binds] = append(by[r.binds], r.of)
	}
	var out []datasets.Spread
	for binds, r := range by {
		if binds == "" || len(r) >= leastSpread {
			slices.Sort(r)
			out = append(out, datasets.Spread{Binds: binds, N: len(r), Low: rank(r, 0.05), High: rank(r, 0.95)})
		}
	}
	slices.SortFunc(out, func(a, b datasets.Spread) int { return cmp.Compare(a.Binds, b.Binds) })
	return out
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

// transferredSpreads is the ranges on a device that the parameters were not
// fitted on.
func transferredSpreads(model string, spreads []datasets.Spread, relative bool) []datasets.Spread {
	out := slices.Clone(spreads)
	for i := range out {
		s := &out[i]
		// Where the middle lies off, the other device's may do so either way.
		half := math.Log(s.High/s.Low)/2*otherDevice + math.Abs(math.Log(s.Low*s.High)/2)
		if !relative {
			half = max(half, math.Log(cmp.Or(otherArchitecture[model], unknownArchitecture)))
		}
		s.Low, s.High = math.Exp(-half), math.Exp(half)
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
