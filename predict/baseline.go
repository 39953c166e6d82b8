package predict

import (
	"math"

	"bench/datasets"
	"bench/predict/fit"
)

// Baseline3 is the plainest model with any fit at all, against which the
// calibrated one has to show what its terms buy: a fixed latency, and the
// roofline with one efficiency for arithmetic and one for bytes,
//
//	t = Latency + max(compute/Compute, memory/Bytes, communication/Bytes)
//
// with the three times at the datasheet's peaks. The experts of an MoE layer
// count as ExpectedRankLoad has them. It is no tier.
type Baseline3 struct {
	dev datasets.Device
	// LatencyS in seconds; ComputeEfficiency and BytesEfficiency are the share
	// of the datasheet's peaks that is reached.
	LatencyS, ComputeEfficiency, BytesEfficiency float64
}

// The plausible ranges of the three parameters.
var baselineBox = []fit.Range{{Min: 1e-8, Max: 1e-3}, {Min: 0.02, Max: 1.5}, {Min: 0.02, Max: 3}}

// FitBaseline3 fits the three parameters to measured times, by the loss that
// Calibrate uses: the mean of |ln(predicted/measured)|. Workloads that the
// datasheet tier cannot predict do not count. It is deterministic.
func FitBaseline3(dev datasets.Device, workloads []datasets.Workload, seconds []float64) *Baseline3 {
	b := &Baseline3{dev: dev}
	var terms [][2]float64
	var measured []float64
	for i, w := range workloads {
		if c, m, ok := b.terms(w); ok {
			terms = append(terms, [2]float64{c, m})
			measured = append(measured, seconds[i])
		}
	}
	problem := fit.Problem{N: len(terms), Box: baselineBox, Residuals: func(v, out []float64) {
		for i, t := range terms {
			out[i] = math.Log((v[0] + max(t[0]/v[1], t[1]/v[2])) / measured[i])
		}
	}}
	best := []float64{5e-6, 0.7, 0.7}
	least := math.Inf(1)
	// The longer of two terms makes several valleys.
	for _, start := range [][]float64{best, {2e-5, 0.3, 0.7}, {2e-5, 0.7, 0.2}, {2e-6, 0.2, 0.2}} {
		if v, l := problem.Minimize(start, 60); len(terms) > 0 && l < least {
			best, least = v, l
		}
	}
	b.LatencyS, b.ComputeEfficiency, b.BytesEfficiency = best[0], best[1], best[2]
	return b
}

// terms is the roofline's compute time, and the longer of its memory and
// communication times.
func (b *Baseline3) terms(w datasets.Workload) (compute, bytes float64, ok bool) {
	p := roofline(&b.dev, w)
	if m, isMoE := w.(datasets.MoELayer); isMoE && m.Kernel == "experts" && p.NotPredicted == "" {
		// The compulsory bytes of a routing are those of the fewest experts
		// that it can wake; the model to compare with deserves the expected.
		if load, known := ExpectedRankLoad(&m); known {
			flops := 2 * load.Rows * float64(m.Matrices()*m.Hidden) * float64(m.Intermediate) / float64(max(m.TP, 1))
			return flops / b.dev.PeakFLOPs[m.Type].Value, load.Awake * m.ExpertBytes() / b.dev.MemoryBandwidth.Value, true
		}
	}
	for _, t := range p.Terms {
		if t.Name == "compute" {
			compute = t.Seconds
		} else {
			bytes = max(bytes, t.Seconds)
		}
	}
	return compute, bytes, p.NotPredicted == ""
}

// Predict applies the model; 0 where the datasheet tier cannot predict.
func (b *Baseline3) Predict(w datasets.Workload) float64 {
	c, m, ok := b.terms(w)
	if !ok {
		return 0
	}
	return b.LatencyS + max(c/b.ComputeEfficiency, m/b.BytesEfficiency)
}
