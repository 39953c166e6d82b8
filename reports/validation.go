package reports

import (
	"cmp"
	"slices"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict"
)

// Baseline3Tier names predict.Baseline3 in a validation's groups. It is no tier
// of the program's.
const Baseline3Tier datasets.Tier = "latency + 2 efficiencies"

// Validation is the models held against recorded measurements.
type Validation struct {
	Report *Report
	// Tiers are the report's, and then Baseline3Tier.
	Tiers []datasets.Tier
	// Groups are of the test half, and within a device's operation of the rows
	// that its calibrated tier predicts, if there are any, so that every tier is
	// judged on the same. Unsuspected is the same without suspect rows.
	Groups, Unsuspected []Group
	Suspects            []Suspect
	// Families is the calibration fitted on one half of the weight shapes of
	// products and judged on the other.
	Families []Family
	// Parameters is the calibrations that the calibrated tier used.
	Calibrations []datasets.Calibration
}

// Family is one device's cross-fit over shape families.
type Family struct {
	Device string `json:"device"`
	Model  string `json:"model"`
	// FitN and TestN count the different n that were fitted and judged.
	FitN  int `json:"fit_n"`
	TestN int `json:"test_n"`
	// Across is the error on the families left out, Within that of the
	// calibrated tier on the same rows' test half.
	Across Figure `json:"across"`
	Within Figure `json:"within"`
}

// Figure is an error's summary.
type Figure struct {
	N         int     `json:"n"`
	MAPE      float64 `json:"mape"`
	MedianAPE float64 `json:"median_ape"`
	P90APE    float64 `json:"p90_ape"`
	Bias      float64 `json:"bias"`
}

func figureOf(errors []float64) Figure {
	var f Figure
	f.N, f.MAPE, f.MedianAPE, f.P90APE, f.Bias = Figures(errors)
	return f
}

// Validate predicts rows in all tiers and compares.
func Validate(runs []*datasets.Run) (*Validation, error) {
	v := &Validation{}
	devices := Catalogue(nil)
	rowsOf := byDevice(runs)
	for _, id := range sortedKeys(rowsOf) {
		if dev, err := catalog.Lookup(id); err == nil && dev.Calibration != nil {
			v.Calibrations = append(v.Calibrations, *dev.Calibration)
		}
	}
	tiers := []datasets.Tier{datasets.TierDatasheet, datasets.TierTransferred, datasets.TierCalibrated}
	r, err := New(runs, tiers, devices)
	if err != nil {
		return nil, err
	}
	v.Report, v.Tiers = r, append(slices.Clone(tiers), Baseline3Tier)
	addBaseline(r.Rows, devices)
	all := make([]*Joined, len(r.Rows))
	for i := range r.Rows {
		all[i] = &r.Rows[i]
	}
	v.Suspects = Suspects(all)
	same := sameRows(r.Rows, slices.Index(v.Tiers, datasets.TierCalibrated))
	v.Groups = testHalf(Groups(same, v.Tiers))
	suspect := map[*datasets.Row]bool{}
	for _, s := range v.Suspects {
		suspect[s.Row.Row] = true
	}
	kept := slices.DeleteFunc(same, func(j Joined) bool { return suspect[j.Row] })
	v.Unsuspected = testHalf(Groups(kept, v.Tiers))
	for _, id := range sortedKeys(rowsOf) {
		if dev, ok := devices.Lookup(id); ok && dev.Has(datasets.WGMMA) {
			v.Families = append(v.Families, crossFamilies(dev, r.Rows)...)
		}
	}
	return v, nil
}

func byDevice(runs []*datasets.Run) map[string][]datasets.Row {
	rows := map[string][]datasets.Row{}
	for i := range runs {
		for _, row := range runs[i].Rows {
			rows[row.DeviceID] = append(rows[row.DeviceID], row)
		}
	}
	return rows
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// sameRows leaves out rows that tier t does not predict though it predicts
// others of that device, suite and operation.
func sameRows(rows []Joined, t int) []Joined {
	type id struct{ device, suite, op string }
	of := func(j *Joined) id {
		return id{j.Row.DeviceID, string(j.Row.Workload.Suite()), j.Row.Workload.Op()}
	}
	predicted := map[id]bool{}
	for i := range rows {
		if rows[i].Predictions[t].NotPredicted == "" {
			predicted[of(&rows[i])] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(rows), func(j Joined) bool {
		return predicted[of(&j)] && j.Predictions[t].NotPredicted != ""
	})
}

func testHalf(groups []Group) []Group {
	return slices.DeleteFunc(groups, func(g Group) bool { return g.Split != string(datasets.TestHalf) })
}

// addBaseline adds the prediction of the three-parameter model to every row,
// fitted for each device, stack, suite, op and data type on the fit half of the rows;
// a collective's for each number of ranks and way to launch besides, which its
// latency depends on.
func addBaseline(rows []Joined, devices Devices) {
	type id struct {
		device, stack, suite, op, dtype, tool, launch string
		ranks, nodes                                  int
	}
	of := map[id][]*Joined{}
	for i := range rows {
		j := &rows[i]
		w := j.Row.Workload
		k := id{device: j.Row.DeviceID, stack: j.Row.Measurement.Stack.String(), suite: string(w.Suite()), op: w.Op(), dtype: string(w.DType()), tool: j.Row.Measurement.Origin.Tool}
		if c, ok := w.(datasets.Collective); ok {
			k.launch, k.ranks, k.nodes = c.Launch, c.Ranks, c.Nodes
		}
		of[k] = append(of[k], j)
	}
	ids := make([]id, 0, len(of))
	for k := range of {
		ids = append(ids, k)
	}
	overChunks(len(ids), func(i int) {
		group := of[ids[i]]
		dev, ok := devices.Lookup(ids[i].device)
		var b *predict.Baseline3
		if ok {
			var ws []datasets.Workload
			var seconds []float64
			for _, j := range group {
				if j.Split == datasets.FitHalf && j.Row.Measurement.Usable() {
					ws = append(ws, j.Row.Workload)
					seconds = append(seconds, j.Row.Measurement.TimeS)
				}
			}
			b = predict.FitBaseline3(dev, ws, seconds)
		}
		for _, j := range group {
			p := datasets.Prediction{Tier: Baseline3Tier, NotPredicted: "no datasheet figure"}
			if b != nil {
				if s := b.Predict(j.Row.Workload); s > 0 {
					p.Seconds, p.NotPredicted = s, ""
				}
			}
			j.Predictions = append(j.Predictions, p)
		}
	})
}

// crossFamilies fits the models of matrix products on every other n (in
// ascending order) and judges them on the rest.
func crossFamilies(dev datasets.Device, rows []Joined) []Family {
	widths := map[int64]bool{}
	for i := range rows {
		if g, ok := rows[i].Row.Workload.(datasets.GEMM); ok && rows[i].Row.DeviceID == dev.ID && g.Kernel == "matmul" {
			widths[g.N] = true
		}
	}
	var ns []int64
	for n := range widths {
		ns = append(ns, n)
	}
	slices.Sort(ns)
	fitted := map[int64]bool{}
	for i, n := range ns {
		fitted[n] = i%2 == 0
	}
	var fit []datasets.Row
	for i := range rows {
		if g, ok := rows[i].Row.Workload.(datasets.GEMM); ok && rows[i].Row.DeviceID == dev.ID && fitted[g.N] {
			fit = append(fit, *rows[i].Row)
		}
	}
	c, err := predict.Calibrate(dev, fit, predict.Options{Source: "every other n"})
	if err != nil {
		return nil
	}
	within := predict.New(dev, datasets.TierCalibrated)
	dev.Calibration = &c
	across := predict.New(dev, datasets.TierCalibrated)
	f := Family{Device: dev.ID, Model: "gemm", FitN: (len(ns) + 1) / 2, TestN: len(ns) / 2}
	var a, b []float64
	for i := range rows {
		j := &rows[i]
		g, ok := j.Row.Workload.(datasets.GEMM)
		if !ok || j.Row.DeviceID != dev.ID || fitted[g.N] || j.Split != datasets.TestHalf || !j.Row.Measurement.Usable() || g.Kernel != "matmul" {
			continue
		}
		stack := j.Row.Measurement.Stack
		pa, pb := across.PredictOn(g, stack), within.PredictOn(g, stack)
		if pa.NotPredicted == "" && pb.NotPredicted == "" {
			a = append(a, pa.Error(j.Row.Measurement.TimeS))
			b = append(b, pb.Error(j.Row.Measurement.TimeS))
		}
	}
	f.Across, f.Within = figureOf(a), figureOf(b)
	return []Family{f}
}

// worstOf is the n rows of the test half with the largest |error| in the tier
// of index t.
func worstOf(rows []Joined, t, n int) []*Joined {
	var all []*Joined
	for i := range rows {
		if _, ok := rows[i].Error(t); ok && rows[i].Split == datasets.TestHalf {
			all = append(all, &rows[i])
		}
	}
	ape := func(j *Joined) float64 {
		e, _ := j.Error(t)
		return max(e, -e)
	}
	slices.SortStableFunc(all, func(a, b *Joined) int { return cmp.Compare(ape(b), ape(a)) })
	return all[:min(n, len(all))]
}
