package reports

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict"
	"bench/predict/serving"
)

// Joined is a row beside what each tier predicts for it.
type Joined struct {
	Row *datasets.Row
	// Run is the index of the row's run.
	Run    int
	Key    string
	Regime predict.Regime
	Split  datasets.Split
	// Predictions holds one prediction for each tier asked for, in that order;
	// where there is none, its NotPredicted says why.
	Predictions []datasets.Prediction
	// BandwidthBytesPerS is the device's memory bandwidth, published or else
	// measured; 0 where neither is known.
	BandwidthBytesPerS float64
	// judge is one more than the index of the tier that the row is judged by,
	// and 0 where there is none (Report.Judged).
	judge int
}

// Error is the signed error of the prediction of tier i: predicted / measured
// − 1. It is false where the row was not measured or not predicted.
func (j *Joined) Error(i int) (float64, bool) {
	p := &j.Predictions[i]
	if p.NotPredicted != "" || !(p.Seconds > 0) || !j.Row.Measurement.Usable() {
		return 0, false
	}
	return p.Error(j.Row.Measurement.TimeS), true
}

// Devices finds the device that a row was measured on.
type Devices struct {
	// Override is the device given by --device, or nil. It stands for the
	// input's device of the same ID, or else for its only device, or else for
	// its only unknown one.
	Override *datasets.Device
	// Lookup finds a catalogue entry.
	Lookup func(id string) (datasets.Device, bool)
}

// Catalogue is the devices of the catalogue, with an override or nil.
func Catalogue(override *datasets.Device) Devices {
	return Devices{
		Override: override,
		Lookup: func(id string) (datasets.Device, bool) {
			d, err := catalog.Lookup(id)
			return d, err == nil
		},
	}
}

// find is the order of trust: the device given, the catalogue's entry with the
// ceilings of the run, what the run's file says of the device.
func (d *Devices) find(run *datasets.Run, id string) (datasets.Device, bool) {
	recorded := run.Device(id)
	if d.Lookup != nil {
		if dev, ok := d.Lookup(id); ok {
			dev.Ceilings = ceilings(run, id)
			return dev, true
		}
	}
	if recorded != nil {
		dev := *recorded
		dev.Ceilings = ceilings(run, id)
		if len(dev.PeakFLOPs) > 0 || dev.MemoryBandwidth.Value > 0 || len(dev.Ceilings) > 0 {
			return dev, true
		}
	}
	return datasets.Device{}, false
}

// ceilings is what the run itself measured of a device's peaks. A simulated row
// is no ceiling beside measured ones.
func ceilings(run *datasets.Run, id string) []datasets.Ceiling {
	rows := run.Rows
	measured := slices.ContainsFunc(rows, func(r datasets.Row) bool { return r.Measurement.Source == datasets.SourceMeasured })
	if measured && slices.ContainsFunc(rows, func(r datasets.Row) bool { return r.Measurement.Source == datasets.SourceSimulated }) {
		rows = slices.DeleteFunc(slices.Clone(rows), func(r datasets.Row) bool { return r.Measurement.Source != datasets.SourceMeasured })
	}
	return predict.CeilingsOf(rows, id)
}

// binding decides which of the input's devices the override stands for.
type binding struct {
	devices      *Devices
	all, unknown []string
	seen         map[string]bool
}

func (b *binding) add(run *datasets.Run) {
	if b.seen == nil {
		b.seen = map[string]bool{}
	}
	for j := range run.Rows {
		id := run.Rows[j].DeviceID
		if b.seen[id] {
			continue
		}
		b.seen[id] = true
		b.all = append(b.all, id)
		if _, ok := b.devices.find(run, id); !ok {
			b.unknown = append(b.unknown, id)
		}
	}
}

// id is the device that the override stands for, "" where there is none.
func (b *binding) id() (string, error) {
	switch {
	case b.seen[b.devices.Override.ID]:
		return b.devices.Override.ID, nil
	case len(b.all) == 1:
		return b.all[0], nil
	case len(b.unknown) == 1:
		return b.unknown[0], nil
	case len(b.all) == 0:
		return "", nil
	}
	return "", fmt.Errorf("the device %s is none of the input's (%s): give its file that \"id\"",
		Clean(b.devices.Override.ID), Clean(strings.Join(b.all, ", ")))
}

// bind returns the ID that the override stands for, "" where there is none.
func (d *Devices) bind(runs []*datasets.Run) (string, error) {
	if d.Override == nil {
		return "", nil
	}
	b := binding{devices: d}
	for _, run := range runs {
		b.add(run)
	}
	return b.id()
}

// context is what predicting on one device of one run needs, prepared once.
type context struct {
	predictors []*predict.Predictor
	regimes    *predict.Regimes
	// unknown is why nothing is predicted, or "".
	unknown string
	// stored says, for each tier, that the run's own predictions are used: the same
	// models made them on the same device.
	stored []bool
	// memo, where not nil, keeps predictions that other runs share (Stream).
	memo *memo
	// at is the device of each tier, for what is simulated and not a kernel's.
	at []datasets.Device
}

func (d *Devices) context(run *datasets.Run, id, override string, tiers []datasets.Tier) *context {
	dev, ok := d.find(run, id)
	if d.Override != nil && id == override {
		dev, ok = *d.Override, true
		dev.Ceilings = ceilings(run, id)
	}
	if !ok {
		return &context{unknown: fmt.Sprintf("unknown device %s; give --device FILE", Clean(id))}
	}
	c := &context{regimes: predict.NewRegimes(dev), predictors: d.predictors(dev, tiers), stored: make([]bool, len(tiers))}
	for range tiers {
		c.at = append(c.at, dev)
	}
	for i, p := range c.predictors {
		was := run.Meta.PredictedBy[predictedBy(id, tiers[i])]
		c.stored[i] = was != "" && was == p.Version()
	}
	return c
}

// predictedBy is the name of a device's tier in Meta.PredictedBy.
func predictedBy(device string, tier datasets.Tier) string { return device + " " + string(tier) }

// Predict joins every row of the runs with its predictions: those that were stored
// with it where the same models made them on the same device (Meta.PredictedBy),
// so that one model judges all, and else those that the workload and the device
// give now. The work is spread over the machine's cores; the result is in the
// order of the input.
//
// A row that cannot be predicted keeps its reason. The error is one of wrong
// usage: an override that stands for none of the input's devices.
func Predict(runs []*datasets.Run, tiers []datasets.Tier, devices Devices) ([]Joined, error) {
	joined, _, err := predictRuns(runs, tiers, devices)
	return joined, err
}

// predictRuns is Predict, and says which stored predictions were not used and why.
func predictRuns(runs []*datasets.Run, tiers []datasets.Tier, devices Devices) (joined []Joined, again []string, err error) {
	override, err := devices.bind(runs)
	if err != nil {
		return nil, nil, err
	}
	n := 0
	for i := range runs {
		n += len(runs[i].Rows)
	}
	joined = make([]Joined, n)
	// One block for all predictions: a slice of it for each row.
	predictions := make([]datasets.Prediction, n*len(tiers))
	at := 0
	for i := range runs {
		run := runs[i]
		contexts := map[string]*context{}
		for j := range run.Rows {
			id := run.Rows[j].DeviceID
			if contexts[id] == nil {
				contexts[id] = devices.context(run, id, override, tiers)
			}
			for _, p := range run.Rows[j].Predictions {
				if t := slices.Index(tiers, p.Tier); t >= 0 && contexts[id].predictors != nil && !contexts[id].stored[t] {
					why := whyAgain(run.Meta.PredictedBy[predictedBy(id, p.Tier)])
					if !slices.Contains(again, why) {
						again = append(again, why)
					}
				}
			}
		}
		first := at
		overChunks(len(run.Rows), func(j int) {
			k := first + j
			row := &run.Rows[j]
			joined[k] = Joined{Row: row, Run: i, Predictions: predictions[k*len(tiers) : (k+1)*len(tiers) : (k+1)*len(tiers)]}
			joined[k].predict(contexts[row.DeviceID], tiers)
		})
		at += len(run.Rows)
	}
	return joined, again, nil
}

// whyAgain says why stored predictions of that version are not used.
func whyAgain(version string) string {
	models, _, _ := strings.Cut(version, "-")
	switch models {
	case "":
		return "stored predictions are not used: their file does not say which models made them"
	case strconv.Itoa(predict.ModelVersion):
		return "stored predictions are not used: they are of other figures, ceilings or calibration of the device"
	}
	return fmt.Sprintf("stored predictions are not used: models %s made them, and this bench has models %d", Clean(models), predict.ModelVersion)
}

func (j *Joined) predict(c *context, tiers []datasets.Tier) {
	defer func() {
		// A goroutine has no other net, and one bad row must not end a report.
		if r := recover(); r != nil {
			for i, t := range tiers {
				j.Predictions[i] = datasets.Prediction{Tier: t, NotPredicted: fmt.Sprintf("a bug in the model: %v", r)}
			}
		}
	}()
	w := j.Row.Workload
	j.Key = w.Key()
	j.Split = datasets.SplitOf(j.Key)
	if c.unknown != "" {
		j.Regime = predict.RegimeUnknown
		for i, t := range tiers {
			j.Predictions[i] = datasets.Prediction{Tier: t, NotPredicted: c.unknown}
		}
		return
	}
	j.Regime = c.regimes.Of(w)
	j.BandwidthBytesPerS = c.regimes.MemoryBandwidth()
	if s, ok := w.(datasets.Serve); ok {
		for i, t := range tiers {
			j.Predictions[i] = serving.PredictRow(c.at[i], t, s, j.Row.Measurement.Stack)
		}
		return
	}
	if c.memo != nil {
		c.memo.predict(j, c.predictors, tiers)
		return
	}
	for i, p := range c.predictors {
		if c.stored[i] {
			at := slices.IndexFunc(j.Row.Predictions, func(s datasets.Prediction) bool { return s.Tier == tiers[i] })
			if at >= 0 {
				j.Predictions[i] = j.Row.Predictions[at]
				continue
			}
		}
		j.Predictions[i] = p.PredictOn(w, j.Row.Measurement.Stack)
	}
}

// overChunks calls f for 0 … n−1, a contiguous part on each core.
func overChunks(n int, f func(i int)) {
	chunks := runtime.GOMAXPROCS(0)
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

// PredictOne predicts one workload on one device in each of the tiers.
func PredictOne(w datasets.Workload, dev datasets.Device, tiers []datasets.Tier, devices Devices) []datasets.Prediction {
	out := make([]datasets.Prediction, len(tiers))
	for i, p := range devices.predictors(dev, tiers) {
		out[i] = p.Predict(w)
	}
	return out
}

// predictors prepares one predictor a tier.
func (d *Devices) predictors(dev datasets.Device, tiers []datasets.Tier) []*predict.Predictor {
	ps := make([]*predict.Predictor, len(tiers))
	for i, t := range tiers {
		ps[i] = predict.New(dev, t)
	}
	return ps
}
