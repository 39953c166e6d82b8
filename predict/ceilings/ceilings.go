// Package ceilings is the ceilings tier: the roofline with the device's own
// measured peaks in place of the published ones. A ceiling is a case of the
// same run that measures one resource alone (a stream through one level of the
// memory hierarchy, a register-resident arithmetic peak, an empty launch, an
// all-reduce that is nothing but latency). Nothing is fitted to the cases that
// are predicted, and a case never enters its own prediction.
package ceilings

import (
	"fmt"
	"slices"
	"sort"

	"bench/datasets"
	"bench/datasets/stats"
)

// Of picks from a run's rows on one device those that are ceilings. Rows that
// failed or were not measured are left out. Where several GPUs of one model
// measured the same, their median is the ceiling.
func Of(rows []datasets.Row, deviceID string) []datasets.Ceiling {
	var out []datasets.Ceiling
	times := map[string][]float64{}
	for i := range rows {
		r := &rows[i]
		if r.DeviceID != deviceID || !Is(r) {
			continue
		}
		key := r.Workload.Key()
		if times[key] == nil {
			out = append(out, datasets.Ceiling{Workload: r.Workload, Key: key})
		}
		times[key] = append(times[key], r.Measurement.TimeS)
	}
	for i := range out {
		out[i].Seconds = stats.Median(times[out[i].Key])
	}
	return out
}

// Is reports whether a row is a ceiling of its device.
func Is(r *datasets.Row) bool {
	return r.Measurement.Usable() && r.Measurement.Source != datasets.SourceImported && isCeiling(r.Workload)
}

func isCeiling(w datasets.Workload) bool {
	switch w.Suite() {
	case datasets.SuiteHBM, datasets.SuiteAllReduce:
		return true
	case datasets.SuiteGEMM:
		return w.Op() == "peak"
	}
	return false
}

// Model predicts from one device's ceilings. It is safe for concurrent use.
type Model struct {
	// gpu is the model of a GPU, which has none of the rest.
	gpu *gpuModel
	// caches are the device's, by level; last is the largest.
	caches []cache
	last   datasets.CacheLevel
	// own is what the other cases say to each stream among the ceilings.
	own map[string]view // by key
	// unseen is what the ceilings say to a stream that is none of them, and by ""
	// to one of an operation that none of them is of.
	unseen map[streamID]view
	// streams are the measured points of each operation and number of workers,
	// by growing working set.
	streams map[streamID][]point
	peaks   map[peakID]float64 // FLOP/s
	reduces map[reduceID]*reduces
	// lastBytes is the last-level cache that this guest holds, as seen without
	// the operation of the id.
	lastBytes map[streamID]float64
	// read, write and writeNT are seconds a byte in each level, by number of
	// workers.
	read, write, writeNT map[int][maxLevels]float64
}

type streamID struct {
	op    string
	ranks int
}

type peakID struct {
	dtype datasets.DType
	ranks int
}

type reduceID struct {
	kind, algorithm string
	dtype           datasets.DType
	ranks           int
	inPlace         bool
}

// point is one measured ceiling: a size in bytes and its time in seconds.
type point struct {
	bytes   int64
	seconds float64
	key     string
	// private is the cumulative hits of a stream in the levels before the last.
	private [maxLevels]float64
}

// New sorts a device's ceilings for use. No two have one key, as in what Of gives.
func New(dev datasets.Device) *Model {
	if dev.Kind == "gpu" {
		return &Model{gpu: newGPU(&dev)}
	}
	m := &Model{last: dev.LastLevel(), own: map[string]view{}, unseen: map[streamID]view{}, streams: map[streamID][]point{}, peaks: map[peakID]float64{}, reduces: map[reduceID]*reduces{},
		lastBytes: map[streamID]float64{}, read: map[int][maxLevels]float64{}, write: map[int][maxLevels]float64{}, writeNT: map[int][maxLevels]float64{}}
	for level := 1; level <= min(m.last.Level, maxLevels-1); level++ {
		m.caches = append(m.caches, newCache(dev.Cache(level)))
	}
	collectives := map[reduceID][]point{}
	for _, c := range dev.Ceilings {
		switch w := c.Workload.(type) {
		case datasets.Stream:
			id := streamID{w.Kernel, w.Ranks}
			m.streams[id] = append(m.streams[id], point{w.SizeBytes, c.Seconds, c.Key, m.private(float64(w.SizeBytes), w.Ranks)})
		case datasets.GEMM:
			id := peakID{w.Type, w.Ranks}
			m.peaks[id] = max(m.peaks[id], w.FLOPs()/c.Seconds)
		case datasets.Collective:
			id := reduceID{w.Kind, w.Algorithm, w.Type, w.Ranks, w.InPlace}
			collectives[id] = append(collectives[id], point{bytes: w.SizeBytes, seconds: c.Seconds, key: c.Key})
		}
	}
	for _, ps := range m.streams {
		sort.Slice(ps, func(i, j int) bool { return ps[i].bytes < ps[j].bytes })
	}
	m.fromStreams()
	for id, points := range collectives {
		m.reduces[id] = m.newReduces(id, points)
	}
	return m
}

// fromStreams prepares what the passes over memory say to each other and to the
// rest.
func (m *Model) fromStreams() {
	byRanks := map[int]*views{}
	for id := range m.streams {
		if byRanks[id.ranks] == nil {
			byRanks[id.ranks] = m.views(id.ranks)
		}
	}
	for id, points := range m.streams {
		last := m.lastBytes[streamID{"", id.ranks}]
		switch id.op {
		case "read":
			m.read[id.ranks] = m.costs(id, last).without(-1)
		case "write":
			m.write[id.ranks] = m.costs(id, last).without(-1)
		case "write_nt":
			m.writeNT[id.ranks] = m.costs(id, last).without(-1)
		case "launch":
			continue
		}
		v := byRanks[id.ranks]
		m.unseen[streamID{"", id.ranks}] = v.of("", -1)
		m.unseen[id] = v.of(id.op, -1)
		for i := range points {
			m.own[points[i].key] = v.of(id.op, i)
		}
	}
}

// Predict says how long the workload should take if nothing but the measured
// ceilings limited it. What cannot be predicted comes back with the reason.
func (m *Model) Predict(w datasets.Workload) datasets.Prediction {
	if m.gpu != nil {
		return m.gpu.predict(w)
	}
	switch w := w.(type) {
	case datasets.Stream:
		return m.stream(w)
	case datasets.GEMM:
		return m.gemm(w)
	case datasets.Collective:
		return m.collective(w)
	case datasets.Attention:
		return m.attention(w)
	case datasets.DecodeLayer:
		return m.decode(w)
	case datasets.MoELayer:
		return m.moe(w)
	}
	return missing("no ceilings model of %s/%s", w.Suite(), w.Op())
}

func missing(format string, args ...any) datasets.Prediction {
	return datasets.Prediction{NotPredicted: fmt.Sprintf(format, args...)}
}

// joined builds a prediction whose time is the sum of its terms, named by the
// longest of them.
func joined(rule string, seconds float64, terms ...datasets.Term) datasets.Prediction {
	p := datasets.Prediction{Rule: rule, Seconds: seconds, Terms: slices.DeleteFunc(terms, func(t datasets.Term) bool { return t.Seconds <= 0 })}
	longest := 0.0
	for _, t := range p.Terms {
		if t.Seconds > longest {
			longest, p.Binds = t.Seconds, t.Name
		}
	}
	return p
}

// launch is the time to start and join an empty piece of work on all workers,
// and 0 where the run did not measure it.
func (m *Model) launch(ranks int) float64 {
	if ps := m.streams[streamID{"launch", ranks}]; len(ps) > 0 {
		return ps[0].seconds
	}
	return 0
}
