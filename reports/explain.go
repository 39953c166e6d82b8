package reports

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"bench/datasets"
)

// Explain writes everything known of the rows whose key is, or contains, key:
// arithmetic, measurement, and each tier's terms. It is an error where no row
// has it, or more than ten.
func Explain(w io.Writer, r *Report, key string) error {
	var found []*Joined
	for i := range r.Rows {
		switch k := r.Rows[i].Key; {
		case k == key:
			found = append(found, &r.Rows[i])
		case strings.Contains(k, key):
			found = append(found, &r.Rows[i])
		}
	}
	if slices.ContainsFunc(found, func(j *Joined) bool { return j.Key == key }) {
		found = slices.DeleteFunc(found, func(j *Joined) bool { return j.Key != key })
	}
	if len(found) == 0 {
		return fmt.Errorf("no row has a key with %q: keys look like %s", Clean(key), exampleKey(r))
	}
	if len(found) > 10 {
		return fmt.Errorf("%s rows have a key with %q: give more of it, such as %q", Count(len(found)), Clean(key), Clean(found[0].Key))
	}
	out := &sink{w: w}
	for _, j := range found {
		m := &j.Row.Measurement
		out.printf("%s\n  on %s, %s%s, regime %s, %s half\n", Clean(j.Key), Clean(j.Row.DeviceID), Clean(string(m.Source)), simulatedNote(m.Source), j.Regime, j.Split)
		explainArithmetic(out, j.Row.Workload)
		if m.Usable() {
			out.printf("  measured %s", Interval(m))
			if m.Confidence > 0 {
				out.printf(" (%s confidence, %d samples)", Percent(m.Confidence), len(m.SamplesS))
			}
			out.printf("\n")
		} else {
			out.printf("  %s\n", Clean(fmt.Sprintf("%s: %s", m.Verdict, m.Reason)))
		}
		if left, right := r.Extras(j); left+right != "" {
			out.printf("  %s\n", strings.Trim(left+", "+right, ", "))
		}
		for i := range j.Predictions {
			explainPrediction(out, &j.Predictions[i])
			if e, ok := j.Error(i); ok {
				out.printf("    error %s\n", SignedPercent(e))
			}
		}
	}
	return out.err
}

func exampleKey(r *Report) string {
	if len(r.Rows) == 0 {
		return `"gemm/matmul bf16 m=…"`
	}
	return fmt.Sprintf("%q", Clean(r.Rows[0].Key))
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
