package html

import (
	"fmt"
	"math"

	"bench/datasets"
	"bench/reports"
	"bench/reports/figure"
)

// memory is bandwidth over size, and latency, with the caches marked.
func (b *builder) memory() []figureView {
	bandwidthOver := figure.Figure{ID: "bandwidth-plot", Title: "Memory bandwidth over size",
		Caption: "What the program asked to be read and written, over the working set of all workers together. Upright lines are where the caches of so many workers end.",
		X:       figure.Axis{Label: "working set", Log: 2, Format: reports.Bytes}, Y: figure.Axis{Label: "bandwidth", Log: 10, Format: bandwidth}, Note: b.more()}
	latencyOver := figure.Figure{ID: "latency-plot", Title: "Load latency over size", Caption: "Time of one load of a chain in which each needs the one before.",
		X: bandwidthOver.X, Y: figure.Axis{Label: "time a load", Log: 10, Format: seconds}}
	rowwise := figure.Figure{ID: "rowwise-plot", Title: "Row-wise operators", Caption: "Bandwidth of operators that read and write rows, over their least traffic.",
		X: bandwidthOver.X, Y: bandwidthOver.Y}
	var streams, chains, rows []*curvePanel
	for i := range b.shown() {
		s := &b.subjects[i]
		dev, _ := b.r.DeviceOf(s)
		byRanks := map[int]*curvePanel{}
		chain, row := &curvePanel{title: s.Name}, &curvePanel{title: s.Name}
		for _, j := range usable(s.Rows) {
			w, ok := j.Row.Workload.(datasets.Stream)
			if !ok || w.Kernel == "launch" {
				continue
			}
			t := j.Row.Measurement.TimeS
			p := curvePoint{x: float64(w.SizeBytes), y: w.Bytes() / t, predicted: over(w.Bytes(), b.predictedTime(j)), row: j}
			switch {
			case w.Kernel == "latency":
				p.y, p.predicted = t, b.predictedTime(j)
				chain.add("latency", p)
			case w.Rows > 0:
				row.add(w.Kernel+" "+string(w.Type), p)
			default:
				if byRanks[w.Ranks] == nil {
					byRanks[w.Ranks] = &curvePanel{title: fmt.Sprintf("%s, %s", s.Name, workers(w.Ranks, &dev)), guides: cacheGuides(&dev, w.Ranks)}
				}
				byRanks[w.Ranks].add(w.Kernel, p)
			}
		}
		for _, n := range sortedKeys(byRanks) {
			streams = append(streams, byRanks[n])
		}
		chain.guides = cacheGuides(&dev, 1)
		chains, rows = append(chains, chain), append(rows, row)
	}
	out := b.curves(bandwidthOver, streams, curvesOptions{})
	out = append(out, b.curves(latencyOver, chains, curvesOptions{})...)
	return append(out, b.curves(rowwise, rows, curvesOptions{apart: true})...)
}

func workers(n int, d *datasets.Device) string {
	what := "core"
	if d.Kind == "gpu" {
		what = "GPU"
	}
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// cacheGuides mark where the caches of n cores end: a level that k cores share
// is there once for every k of them.
func cacheGuides(d *datasets.Device, n int) []figure.Mark {
	var marks []figure.Mark
	for _, c := range d.Caches {
		if c.SizeBytes.Value <= 0 {
			continue
		}
		instances := 1.0
		if d.Kind == "cpu" && c.SharedBy > 0 {
			instances = math.Ceil(float64(n) / float64(c.SharedBy))
		}
		size := c.SizeBytes.Value * instances
		marks = append(marks, figure.Line{Ink: figure.Text, Width: 0.8, Dashed: true, Opacity: 0.6, Outside: true, Points: []figure.Point{{X: size, Y: 1e-30}, {X: size, Y: 1e30}}},
			figure.Label{X: size, Text: fmt.Sprintf("L%d %s", c.Level, reports.Bytes(size)), Ink: figure.Text, Upright: true})
	}
	return marks
}

// collectives are bus bandwidth and time over size, by ranks.
func (b *builder) collectives() []figureView {
	bus := figure.Figure{ID: "bus-plot", Title: "Bus bandwidth of collectives over size",
		Caption: "As nccl-tests defines it: the size over the time, times 2(n−1)/n for an all-reduce. The line across is the link's datasheet bandwidth, which an all-reduce added up in a switch may exceed.",
		X:       figure.Axis{Label: "message", Log: 2, Format: reports.Bytes}, Y: figure.Axis{Label: "bus bandwidth", Log: 10, Format: bandwidth}, Note: b.more()}
	times := figure.Figure{ID: "collective-time-plot", Title: "Time of collectives over size", Caption: "Flat where latency decides, rising in proportion where bandwidth does.", X: bus.X, Y: figure.Axis{Label: "time", Log: 10, Format: seconds}, Note: b.more()}
	var busPanels, timePanels []*curvePanel
	for _, kind := range datasets.CollectiveKinds {
		for i := range b.shown() {
			s := &b.subjects[i]
			dev, _ := b.r.DeviceOf(s)
			p, q := &curvePanel{title: s.Name + ", " + kind}, &curvePanel{title: s.Name + ", " + kind}
			dtype := commonType(s.Rows, kind)
			for _, j := range usable(s.Rows) {
				w, ok := j.Row.Workload.(datasets.Collective)
				if !ok || w.Kind != kind || w.Type != dtype {
					continue
				}
				name := fmt.Sprintf("%d ranks", w.Ranks)
				for _, more := range []string{w.Algorithm, w.Launch} {
					if more != "" {
						name += " " + more
					}
				}
				if w.Nodes > 1 {
					name += fmt.Sprintf(" on %d nodes", w.Nodes)
				}
				size, t, said := float64(w.SizeBytes), j.Row.Measurement.TimeS, b.predictedTime(j)
				p.add(name, curvePoint{x: size, y: size / t * w.BusFactor(), predicted: over(size*w.BusFactor(), said), row: j})
				q.add(name, curvePoint{x: size, y: t, predicted: said, row: j})
			}
			if p.rows > 0 {
				p.title += " " + string(dtype)
				q.title = p.title
			}
			if link := dev.LinkBandwidth; link.Value > 0 {
				p.guides = []figure.Mark{figure.Line{Ink: figure.Text, Width: 0.8, Points: []figure.Point{{X: 1e-30, Y: link.Value}, {X: 1e30, Y: link.Value}}, Outside: true},
					figure.Label{X: 0, Y: link.Value, Up: 3, Ink: figure.Text, Text: "link " + reports.BytesPerSecond(link.Value)}}
			}
			busPanels, timePanels = append(busPanels, p), append(timePanels, q)
		}
	}
	return append(b.curves(bus, busPanels, curvesOptions{}), b.curves(times, timePanels, curvesOptions{})...)
}

// commonType is the data type that most rows of a collective have.
func commonType(rows []*reports.Joined, kind string) (best datasets.DType) {
	counts := map[datasets.DType]int{}
	for _, j := range rows {
		if w, ok := j.Row.Workload.(datasets.Collective); ok && w.Kind == kind {
			counts[w.Type]++
		}
	}
	for _, t := range sortedKeys(counts) {
		if best == "" || counts[t] > counts[best] {
			best = t
		}
	}
	return best
}
