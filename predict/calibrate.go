package predict

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"sync"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/predict/fit"
)

// The fit's sizes: a search of the whole box on some rows, then a refinement on
// more. They bound a device's fit to well under a minute.
const (
	globalRows, globalEvaluations = 700, 9000
	localRows, localEvaluations   = 3000, 1000
	intervalRows                  = 4000
	// minRows is the fewest rows of a model that are worth a fit.
	minRows = 30
)

// Calibrate fits every model's parameters to the rows of the fit half
// (datasets.SplitOf) that were timed on dev, and reports how well they describe
// both halves. source names the data.
//
// The loss is the mean of |ln(predicted/measured)|: it is the mean absolute
// percentage error to first order, treats twice and half alike, and a row that
// is wrong by a large factor pulls no harder than its sign. Rows that a model
// declines do not count. A model with fewer than 30 rows to fit is left out. It
// is an error where that leaves none.
//
// The result is deterministic and does not depend on the rows' order.
func Calibrate(dev datasets.Device, rows []datasets.Row, source string) (datasets.Calibration, error) {
	out := datasets.Calibration{Device: dev.ID, Arch: dev.Arch, Source: source,
		Models: map[string][]datasets.Parameter{}, Fits: map[string]datasets.Fit{}}
	for _, m := range Models {
		obs := observationsOf(m, &dev, rows)
		fitHalf, testHalf := split(obs)
		if len(fitHalf) < minRows {
			continue
		}
		parameters := calibrate(m, &dev, fitHalf)
		values := make([]float64, len(parameters))
		for i, p := range parameters {
			values[i] = p.Value
		}
		f := datasets.Fit{FitN: len(fitHalf), TestN: len(testHalf)}
		f.FitMAPE, _ = apeOf(m, &dev, values, fitHalf)
		f.TestMAPE, f.TestP90 = apeOf(m, &dev, values, testHalf)
		f.Spreads = spreadsOf(m, &dev, values, fitHalf)
		out.Models[m.Name], out.Fits[m.Name] = parameters, f
	}
	if len(out.Models) == 0 {
		return out, errors.New("calibrate: no model has " + fmt.Sprint(minRows) + " usable rows of " + dev.ID + " to fit: give rows timed on it")
	}
	return out, nil
}

// observation is a usable row with what the fit needs of its key.
type observation struct {
	workload datasets.Workload
	seconds  float64
	split    datasets.Split
	key      string
	hash     uint64
}

// observationsOf picks a model's usable rows: those that it is best fitted on,
// or all where these are too few.
func observationsOf(m *Model, dev *datasets.Device, rows []datasets.Row) []observation {
	obs := observed(m, dev, rows, m.FitsOn)
	if m.FitsOn != nil && len(obs) < minRows {
		obs = observed(m, dev, rows, nil)
	}
	return obs
}

// observed are the model's usable rows that fits admits, in an order that depends on their
// keys alone and mixes all shapes, so that any prefix is a fair sample.
func observed(m *Model, dev *datasets.Device, rows []datasets.Row, fits func(*datasets.Measurement) bool) []observation {
	var obs []observation
	for i := range rows {
		r := &rows[i]
		if r.DeviceID != dev.ID || !r.Measurement.Usable() || modelOf(r.Workload) != m || m.Declines(dev, r.Workload) != "" ||
			fits != nil && !fits(&r.Measurement) {
			continue
		}
		k := r.Workload.Key()
		h := fnv.New64a()
		h.Write([]byte(k))
		obs = append(obs, observation{r.Workload, r.Measurement.TimeS, datasets.SplitOf(k), k, h.Sum64()})
	}
	slices.SortFunc(obs, func(a, b observation) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.key, b.key), cmp.Compare(a.seconds, b.seconds))
	})
	return obs
}

func split(obs []observation) (fitHalf, testHalf []observation) {
	for _, o := range obs {
		if o.split == datasets.FitHalf {
			fitHalf = append(fitHalf, o)
		} else {
			testHalf = append(testHalf, o)
		}
	}
	return fitHalf, testHalf
}

// calibrate fits one model. The search starts both at the parameters' own
// values and, through CMA-ES, anywhere in the box.
func calibrate(m *Model, dev *datasets.Device, obs []observation) []datasets.Parameter {
	box := boxOf(m)
	best := make([]float64, len(m.Parameters))
	for i, p := range m.Parameters {
		best[i] = p.Value
	}
	best, _ = fit.Global(lossOn(m, dev, obs, globalRows), best, box, globalEvaluations)
	// A simplex collapses on a kink; starting it afresh frees it. Few rows are
	// cheap, and get more steps for the same work.
	steps := localEvaluations * min(8, max(1, localRows/max(1, len(obs))))
	for range 2 {
		best, _ = fit.Local(lossOn(m, dev, obs, localRows), best, box, steps)
	}
	best = keepStarts(lossOn(m, dev, obs, localRows), best, m.Parameters)

	some := obs[:min(intervalRows, len(obs))]
	series := make([]string, len(some))
	for i, o := range some {
		series[i] = seriesOf(o.key)
	}
	losses := func(v, out []float64) { logErrors(m, dev, v, some, out) }
	parameters := slices.Clone(m.Parameters)
	for i := range parameters {
		p := &parameters[i]
		p.Value = best[i]
		p.Low, p.High = fit.Interval(losses, best, box, i, series)
		p.Determined, p.AtEdge = judge(p)
	}
	return parameters
}

// boxOf is where a model's parameters may lie.
func boxOf(m *Model) []fit.Range {
	box := make([]fit.Range, len(m.Parameters))
	for i, p := range m.Parameters {
		box[i] = fit.Range{Min: p.Min, Max: p.Max}
	}
	return box
}

// lossOn is the loss of a fit (Calibrate) on the first rows observations.
func lossOn(m *Model, dev *datasets.Device, obs []observation, rows int) func(values []float64) float64 {
	some := obs[:min(rows, len(obs))]
	losses := make([]float64, len(some))
	return func(v []float64) float64 {
		logErrors(m, dev, v, some, losses)
		return stats.Mean(losses)
	}
}

// keepStarts puts parameters back to the start of the fit where that costs
// nothing: one of a path that no row took would else hold an accident of the
// search, and a relative that takes the path would inherit it.
func keepStarts(loss func([]float64) float64, best []float64, parameters []datasets.Parameter) []float64 {
	least := loss(best)
	for i, p := range parameters {
		trial := slices.Clone(best)
		trial[i] = p.Value
		if l := loss(trial); l <= least {
			best, least = trial, l
		}
	}
	return best
}

// judge says whether the data fix a parameter: its interval spans less than
// half of the plausible range, by ratio where that is positive; and whether it
// lies within 1 % of the range from either end.
func judge(p *datasets.Parameter) (determined, atEdge bool) {
	scale := func(v float64) float64 { return v }
	if p.Min > 0 {
		scale = math.Log
	}
	lo, hi := scale(p.Min), scale(p.Max)
	determined = scale(p.High)-scale(p.Low) < (hi-lo)/2
	at := (scale(p.Value) - lo) / (hi - lo)
	return determined, at < 0.01 || at > 0.99
}

// seriesOf is a key without its first number: the rows of one sweep (over m,
// tokens, batch or bytes) share it.
func seriesOf(key string) string {
	i := strings.IndexByte(key, '=')
	if i < 0 {
		return key
	}
	j := strings.IndexByte(key[i:], ' ')
	if j < 0 {
		return key[:i]
	}
	return key[:i] + key[i+j:]
}

// logErrors fills out with |ln(predicted/measured)| of each observation, 10
// where the model gives no time.
func logErrors(m *Model, dev *datasets.Device, values []float64, obs []observation, out []float64) {
	overChunks(len(obs), func(i int) {
		s := m.Predict(dev, values, obs[i].workload).Seconds
		out[i] = 10
		if s > 0 && !math.IsInf(s, 0) {
			out[i] = math.Abs(math.Log(s / obs[i].seconds))
		}
	})
}

// overChunks calls f for 0 … n−1 on several cores.
func overChunks(n int, f func(i int)) {
	const chunks = 8
	var wg sync.WaitGroup
	for c := range chunks {
		wg.Go(func() {
			for i := c * n / chunks; i < (c+1)*n/chunks; i++ {
				f(i)
			}
		})
	}
	wg.Wait()
}

// apeOf is the mean and the 90th percentile of |predicted/measured − 1|.
func apeOf(m *Model, dev *datasets.Device, values []float64, obs []observation) (mape, p90 float64) {
	ape := make([]float64, len(obs))
	overChunks(len(obs), func(i int) {
		ape[i] = math.Abs(m.Predict(dev, values, obs[i].workload).Seconds/obs[i].seconds - 1)
	})
	return stats.Mean(ape), stats.Quantile(ape, 0.9)
}
