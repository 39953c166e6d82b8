package reports

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"bench/datasets"
	"bench/predict"
)

// mostExplained is how many rows Explain writes at once.
const mostExplained = 10

// Explain writes, for each row whose key is, or else contains, key, all that a
// reader needs to redo its numbers: workload, origin, method, samples, interval,
// conditions, rates, and each tier's prediction with its error. It is an error
// where no row has it, or more than ten.
func Explain(w io.Writer, r *Report, key string) error {
	var found []*Joined
	for i := range r.Rows {
		if strings.Contains(r.Rows[i].Key, key) {
			found = append(found, &r.Rows[i])
		}
	}
	if slices.ContainsFunc(found, func(j *Joined) bool { return j.Key == key }) {
		found = slices.DeleteFunc(found, func(j *Joined) bool { return j.Key != key })
	}
	if len(found) == 0 {
		return fmt.Errorf("no row has a key with %q: the nearest are %s", Clean(key), strings.Join(nearestKeys(r, key), ", "))
	}
	if len(found) > mostExplained {
		return fmt.Errorf("%s rows have a key with %q: give more of it, such as %q, or fewer files", Count(len(found)), Clean(key), Clean(found[0].Key))
	}
	p := page{&sink{w: w}}
	for i, j := range found {
		if i > 0 {
			p.out.printf("\n%s\n\n", strings.Repeat("=", explainWidth))
		}
		r.explainRow(p, j)
	}
	return p.out.err
}

func (r *Report) explainRow(p page, j *Joined) {
	m, w, run := &j.Row.Measurement, j.Row.Workload, &datasets.Run{}
	if j.Run < len(r.Runs) {
		run = r.Runs[j.Run]
	}
	p.out.printf("%s\n", Clean(j.Key))
	p.line("regime", "%s, by the datasheet's roofline", j.Regime)
	p.line("half", "%s (a hash of the key)", j.Split)
	for _, f := range arithmeticOf(w) {
		p.formula(f)
	}
	if i := datasets.Intensity(w); i > 0 {
		p.line("intensity", "%s FLOP/byte", num(i))
	}
	p.origin(run, j)
	p.method(run, j)
	p.samples(run, j)
	p.interval(m)
	p.conditions(m)
	p.heading("Rates")
	rates := ratesOf(w, m.TimeS)
	if !m.Usable() {
		rates = nil
	}
	for _, f := range rates {
		p.formula(f)
	}
	if left, right := r.Extras(j); left+right != "" {
		p.line("the report says", "%s", strings.Trim(left+", "+right, ", "))
	} else if len(rates) == 0 {
		p.line("rates", "none of this row")
	}
	dev, known := r.DeviceOf(&Subject{Device: j.Row.DeviceID, Run: j.Run})
	for i := range j.Predictions {
		p.out.printf("\nPrediction, tier %s\n", j.Predictions[i].Tier)
		r.explainTier(p, j, i, dev, known)
	}
	p.heading("Verdict")
	p.line(string(m.Verdict), "%s", cmp.Or(m.Reason, "no reason given"))
}

// explainTier writes a tier's terms with what they rest on, how they join, and
// the error.
func (r *Report) explainTier(p page, j *Joined, i int, dev datasets.Device, known bool) {
	pr := &j.Predictions[i]
	if pr.NotPredicted != "" {
		p.line("not predicted", "%s", pr.NotPredicted)
		return
	}
	var inputs []predict.Input
	if known {
		inputs = predict.Inputs(dev, pr.Tier, j.Row.Workload, j.Row.Measurement.Stack)
	}
	for _, t := range pr.Terms {
		p.line(t.Name, "%s%s", sixDigits(t.Seconds), suffix(termMeanings[t.Name], ": "))
		var of []predict.Input
		for _, in := range inputs {
			if slices.Contains(in.Terms, t.Name) {
				of = append(of, in)
			}
		}
		if f, ok := roof(pr.Tier, t, j.Row.Workload, &dev, of); ok {
			p.line("", "= %s", f)
		}
	}
	p.line("joined by", "%s", pr.Rule)
	p.line("binds", "%s", pr.Binds)
	if len(inputs) > 0 {
		p.line("rests on", "(+1 %% of a figure changes the time by the percentage behind it)")
	}
	for _, in := range inputs {
		p.line("", "%s = %s %s; %+.2f %%; in %s; %s", in.Name, num(in.Figure.Value), in.Unit, in.Elasticity, strings.Join(in.Terms, ", "),
			strings.Trim(string(in.Figure.Origin)+": "+in.Figure.Source, ": "))
	}
	if n := len(dev.Ceilings); pr.Tier == datasets.TierCeilings && n > predict.MostCeilings {
		p.line("", "%s measured ceilings of the run, too many to try which of them count", Count(n))
	}
	if pr.Stack != "" {
		p.line("machine", "%s", pr.Machine)
		p.line("stack", "%s", pr.Stack)
	}
	if c := dev.Calibration; c != nil && pr.Tier == datasets.TierCalibrated {
		p.line("calibration", "of %s, fitted to %s", c.Device, c.Source)
	}
	p.line("predicted", "%s", num(pr.Seconds)+" s")
	if e, ok := j.Error(i); ok {
		p.line("error", "%s / %s - 1 = %s", num(pr.Seconds), num(j.Row.Measurement.TimeS), SignedPercent(e))
	} else {
		p.line("error", "none: there is no measured time")
	}
}

// roof is a term of the datasheet tier with its numbers put in: an amount over one
// published figure and as many workers. A cluster's network and links have shares
// of their own (predict/roofline.go).
func roof(tier datasets.Tier, t datasets.Term, w datasets.Workload, dev *datasets.Device, of []predict.Input) (string, bool) {
	amount, workers := 0.0, 1.0
	switch t.Name {
	case "compute":
		amount = w.FLOPs()
		workers, _ = dev.Parts(w)
	case "memory":
		amount = w.Bytes()
		_, workers = dev.Parts(w)
	case "communication":
		amount = w.WireBytes()
	case "host_link":
		amount = w.Bytes()
	}
	if c, ok := w.(datasets.Collective); ok && c.Nodes > 1 || tier != datasets.TierDatasheet || len(of) != 1 || amount == 0 {
		return "", false
	}
	return fmt.Sprintf("%s / (%s × %s) = %s", num(amount), num(of[0].Figure.Value), num(workers), Seconds(t.Seconds)), true
}

func suffix(s, before string) string {
	if s == "" {
		return ""
	}
	return before + s
}

// nearestKeys are up to three keys that share the most words with key.
func nearestKeys(r *Report, key string) []string {
	split := func(s string) []string {
		return strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune(" /=", c) })
	}
	asked := split(key)
	score := map[string]int{}
	for i := range r.Rows {
		for _, word := range split(r.Rows[i].Key) {
			if slices.Contains(asked, word) {
				score[r.Rows[i].Key]++
			}
		}
		score[r.Rows[i].Key] += 0
	}
	keys := sortedKeys(score)
	slices.SortStableFunc(keys, func(a, b string) int { return score[b] - score[a] })
	keys = keys[:min(3, len(keys))]
	for i := range keys {
		keys[i] = fmt.Sprintf("%q", Clean(keys[i]))
	}
	return keys
}

func simulatedNote(s datasets.Source) string {
	if s == datasets.SourceSimulated {
		return " (says nothing about hardware)"
	}
	return ""
}

func explainArithmetic(out *sink, w datasets.Workload) {
	out.printf("  %s, %s of memory traffic", FLOPs(w.FLOPs()), Bytes(w.Bytes()))
	if i := datasets.Intensity(w); i > 0 {
		out.printf(", %s FLOP/byte", strings.TrimSpace(PerSecond(i)))
	}
	if b := w.WireBytes(); b > 0 {
		out.printf(", %s sent by each rank", Bytes(b))
	}
	out.printf("\n")
	if a, ok := w.(interface{ Awake() float64 }); ok {
		if n := experts(w); n > 1 {
			out.printf("  %s of %d experts awake, %s GB to read\n", threeDigits(a.Awake()), n, threeDigits(w.Bytes()/1e9))
		}
	}
}

func experts(w datasets.Workload) int64 {
	switch w := w.(type) {
	case datasets.MoELayer:
		return w.Experts
	case datasets.DecodeLayer:
		return w.Experts
	}
	return 0
}

// explainPrediction writes a tier's time, its terms, and how they join.
func explainPrediction(out *sink, p *datasets.Prediction) {
	if p.NotPredicted != "" {
		out.printf("  %-11s not predicted: %s\n", p.Tier, Clean(p.NotPredicted))
		return
	}
	out.printf("  %-11s %s, bound by %s\n", p.Tier, Seconds(p.Seconds), p.Binds)
	for _, t := range p.Terms {
		mark := " "
		if t.Name == p.Binds {
			mark = "*"
		}
		out.printf("    %s %-20s %12s\n", mark, t.Name, Seconds(t.Seconds))
	}
	if len(p.Terms) > 1 && p.Rule != "" {
		out.printf("      joined by %s\n", p.Rule)
	}
}

// Predicted writes predictions of one workload on one device, without a
// measurement.
func Predicted(w io.Writer, device datasets.Device, workload datasets.Workload, predictions []datasets.Prediction) error {
	out := &sink{w: w}
	out.printf("%s\n  on %s", Clean(workload.Key()), Clean(device.ID))
	if device.Name != "" {
		out.printf(" (%s)", Clean(device.Name))
	}
	out.printf("\n")
	explainArithmetic(out, workload)
	for i := range predictions {
		explainPrediction(out, &predictions[i])
	}
	return out.err
}

// ExplainDevice writes the device's figures that predictions of the workload
// rest on, each with its origin and source, and the calibration's provenance.
func ExplainDevice(w io.Writer, d datasets.Device, workload datasets.Workload, predictions []datasets.Prediction) error {
	out := &sink{w: w}
	out.printf("figures of %s\n", Clean(d.ID))
	figure := func(name, value string, f datasets.Figure) {
		if f.Value > 0 {
			out.printf("  %-18s %12s  %s: %s\n", name, value, Clean(string(f.Origin)), Clean(f.Source))
		}
	}
	peak := d.PeakFLOPs[workload.DType()]
	figure("peak "+string(workload.DType()), FLOPsPerSecond(peak.Value), peak)
	figure("memory bandwidth", BytesPerSecond(d.MemoryBandwidth.Value), d.MemoryBandwidth)
	last := d.LastLevel().SizeBytes
	figure("last-level cache", Bytes(last.Value), last)
	if workload.WireBytes() > 0 {
		figure("link bandwidth", BytesPerSecond(d.LinkBandwidth.Value), d.LinkBandwidth)
	}
	if c := d.Calibration; c != nil {
		out.printf("calibration of %s: %s\n", Clean(c.Device), Clean(c.Source))
	}
	out.printf("terms\n")
	explained := map[string]bool{}
	for _, p := range predictions {
		for _, t := range p.Terms {
			if meaning := termMeanings[t.Name]; meaning != "" && !explained[t.Name] {
				explained[t.Name] = true
				out.printf("  %-18s %s\n", t.Name, meaning)
			}
		}
	}
	return out.err
}

// termMeanings says in words what a term of a prediction is.
var termMeanings = map[string]string{
	"compute":           "arithmetic at the tier's peak",
	"memory":            "compulsory traffic with main memory at the tier's bandwidth",
	"cache":             "traffic served by a cache",
	"communication":     "bytes that a rank sends to others, at the link's bandwidth",
	"launch":            "starting and joining the work",
	"latency":           "fixed steps that no bandwidth shortens",
	"imbalance":         "waiting for the most loaded expert or rank",
	"tile_padding":      "arithmetic on the parts of tiles that lie outside the matrix",
	"wave_quantization": "units that idle in the last wave of tiles",
}
