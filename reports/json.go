package reports

import (
	"bufio"
	"encoding/json"
	"io"

	"bench/datasets"
)

// Schema names the form of a JSON report.
const Schema = "bench.report/1"

// JSONRow is one case of a JSON report. Times are seconds; a figure that does
// not apply is left out.
type JSONRow struct {
	Run    int     `json:"run"`
	Key    string  `json:"key"`
	Suite  string  `json:"suite"`
	Op     string  `json:"op"`
	Device string  `json:"device"`
	DType  string  `json:"dtype"`
	Ranks  int     `json:"ranks"`
	Regime string  `json:"regime"`
	Split  string  `json:"split"`
	FLOPs  float64 `json:"flop,omitempty"`
	Bytes  float64 `json:"bytes,omitempty"`
	Wire   float64 `json:"wire_bytes,omitempty"`

	Source       string   `json:"source"`
	Simulated    bool     `json:"simulated"`
	Verdict      string   `json:"verdict"`
	Reason       string   `json:"reason,omitempty"`
	Flags        []string `json:"flags,omitempty"`
	TimeS        float64  `json:"time_median_s,omitempty"`
	LowS         float64  `json:"time_low_s,omitempty"`
	HighS        float64  `json:"time_high_s,omitempty"`
	Confidence   float64  `json:"confidence,omitempty"`
	Samples      int      `json:"samples,omitempty"`
	Stack        string   `json:"stack,omitempty"`
	StackVersion string   `json:"stack_version,omitempty"`
	KernelSource string   `json:"kernel_source,omitempty"`
	Tool         string   `json:"tool,omitempty"`
	File         string   `json:"file,omitempty"`
	Record       int64    `json:"record,omitempty"`

	// The suite's own figures.
	FLOPPerS          float64 `json:"flop_per_s,omitempty"`
	BandwidthPerS     float64 `json:"bandwidth_bytes_per_s,omitempty"`
	AlgoBandwidthPerS float64 `json:"algorithm_bandwidth_bytes_per_s,omitempty"`
	BusBandwidthPerS  float64 `json:"bus_bandwidth_bytes_per_s,omitempty"`
	TokensPerS        float64 `json:"tokens_per_s,omitempty"`
	MemoryShare       float64 `json:"memory_ceiling_ratio,omitempty"`
	ActiveExperts     int64   `json:"active_experts,omitempty"`
	MaxLoad           float64 `json:"max_load,omitempty"`
	MeanLoad          float64 `json:"mean_load,omitempty"`
	Imbalance         float64 `json:"imbalance_ratio,omitempty"`
	Slowdown          float64 `json:"slowdown_vs_balanced_ratio,omitempty"`

	Predictions []JSONPrediction `json:"predictions"`
}

// JSONPrediction is one tier's; Error is absent where the row was not measured
// or not predicted.
type JSONPrediction struct {
	datasets.Prediction
	Error *float64 `json:"error,omitempty"`
}

// JSON writes a report of schema bench.report/1, a row at a time. No figure is
// NaN or infinite: what is not known is left out.
func JSON(w io.Writer, r *Report) error {
	b := bufio.NewWriterSize(w, 1<<16)
	metas := make([]datasets.Meta, len(r.Runs))
	for i := range r.Runs {
		metas[i] = r.Runs[i].Meta
	}
	// The head is one object without its closing brace, to which the rows are
	// appended, so that a long report is never held in memory.
	head, err := json.Marshal(struct {
		Schema       string          `json:"schema"`
		Tiers        []datasets.Tier `json:"tiers"`
		Runs         []datasets.Meta `json:"runs"`
		Groups       []Group         `json:"groups"`
		NotPredicted []Reason        `json:"not_predicted"`
		Cases        []Reason        `json:"cases"`
		Fleet        *Fleet          `json:"fleet,omitempty"`
		Aggregate    *Aggregate      `json:"aggregate,omitempty"`
		Again        []string        `json:"predicted_again,omitempty"`
	}{Schema, r.Tiers, metas, NonNil(r.Groups), NonNil(r.NotPredicted), NonNil(r.Cases), r.Fleet, r.Aggregate, r.Again})
	if err != nil {
		return err
	}
	b.Write(head[:len(head)-1])
	b.WriteString(",\"rows\":[")
	for i := range r.Rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		line, err := json.Marshal(r.jsonRow(&r.Rows[i]))
		if err != nil {
			return err
		}
		b.Write(line)
	}
	b.WriteString("]}\n")
	return b.Flush()
}

// NonNil makes an absent list an empty one, which JSON writes as [] and not as
// null.
func NonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func (r *Report) jsonRow(j *Joined) JSONRow {
	w, m := j.Row.Workload, &j.Row.Measurement
	row := JSONRow{Run: j.Run, Key: j.Key, Suite: string(w.Suite()), Op: w.Op(), Device: j.Row.DeviceID,
		DType: string(w.DType()), Ranks: w.Workers(), Regime: string(j.Regime), Split: string(j.Split),
		FLOPs: w.FLOPs(), Bytes: w.Bytes(), Wire: w.WireBytes(),
		Source: string(m.Source), Simulated: m.Source == datasets.SourceSimulated, Verdict: string(m.Verdict),
		Reason: m.Reason, Flags: m.Flags, Samples: len(m.SamplesS),
		Stack: m.Stack.Library, StackVersion: m.Stack.Version, KernelSource: m.Stack.KernelSource,
		Tool: m.Origin.Tool, File: m.Origin.File, Record: m.Origin.Record,
		ActiveExperts: m.ActiveExperts, MaxLoad: m.MaxLoad, MeanLoad: m.MeanLoad, Slowdown: r.Slowdown(j),
		Predictions: make([]JSONPrediction, len(j.Predictions))}
	if m.Usable() {
		row.TimeS, row.LowS, row.HighS, row.Confidence = m.TimeS, m.LowS, m.HighS, m.Confidence
	}
	rates := j.Row.Rates()
	row.FLOPPerS, row.BandwidthPerS, row.TokensPerS = rates.FLOPPerS, rates.BandwidthBytesPerS, rates.TokensPerS
	row.AlgoBandwidthPerS, row.BusBandwidthPerS, row.Imbalance = rates.AlgorithmBytesPerS, rates.BusBytesPerS, m.Imbalance()
	row.MemoryShare = j.memoryShare()
	for i := range j.Predictions {
		row.Predictions[i] = JSONPrediction{Prediction: j.Predictions[i]}
		if e, ok := j.Error(i); ok {
			row.Predictions[i].Error = &e
		}
	}
	return row
}
