package html

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"bench/datasets"
	"bench/reports"
	"bench/reports/figure"
)

// maxSweeps is how many batch sweeps a panel joins into lines.
const maxSweeps = 24

// roofline is log-log: FLOP/s over FLOP a byte, ceilings published and
// measured.
func (b *builder) roofline() []figureView {
	f := figure.Figure{ID: "roofline-plot", Title: "Roofline",
		Caption: "Arithmetic rate over arithmetic intensity, per device. Solid roofs are the datasheet's, dashed ones the best that the run measured; lines join workloads that differ in batch alone. Points above the slope of memory found their operands in a cache, or have weights in a format narrower than the type that bytes are counted for. Collectives have no place here.",
		X:       figure.Axis{Label: "arithmetic intensity, FLOP/byte", Log: 10, Format: plain},
		Y:       figure.Axis{Label: "FLOP/s", Log: 10, Format: rate}, Note: b.more()}
	data := &grid{Caption: "Roofs. The points are rows of the table of all rows.", Head: []column{{"device or run", false}, {"roof", false}, {"value", true}, {"origin", false}}}
	seen := map[datasets.Suite]bool{}
	for i := range b.shown() {
		s := &b.subjects[i]
		dev, known := b.r.DeviceOf(s)
		place := func(j *reports.Joined) (x, y float64, ok bool) {
			w := j.Row.Workload
			if w.Suite() == datasets.SuiteAllReduce || !(w.Bytes() > 0) || !(w.FLOPs() > 0) {
				return 0, 0, false
			}
			return datasets.Intensity(w), w.FLOPs() / j.Row.Measurement.TimeS / devices(w, &dev), true
		}
		rows := usable(s.Rows)
		marks := b.scatter(rows, place, seen)
		if len(marks) == 0 {
			continue
		}
		var lines, labels []figure.Mark
		if known {
			lines, labels = roofs(data, s.Name, &dev, rows, place)
		}
		lines = append(lines, sweepLines(rows, place)...)
		f.Panels = append(f.Panels, figure.Panel{Title: s.Name, Marks: slices.Concat(lines, marks, labels)})
	}
	if len(f.Panels) == 0 {
		return nil
	}
	f.Legend = append(suiteLegend(seen), figure.Key{Ink: figure.Text, Name: "datasheet roof"}, figure.Key{Ink: figure.Text, Name: "measured roof", Dashed: true})
	return []figureView{view(f, data)}
}

// devices is over how many devices a workload spreads: a CPU is one.
func devices(w datasets.Workload, d *datasets.Device) float64 {
	if d.Kind == "cpu" {
		return 1
	}
	return float64(max(w.Workers(), 1))
}

func usable(rows []*reports.Joined) []*reports.Joined {
	var out []*reports.Joined
	for _, j := range rows {
		if j.Row.Measurement.Usable() {
			out = append(out, j)
		}
	}
	return out
}

// roofs are a device's: memory's slope and the peak of each type that the rows
// have, as published and as measured.
func roofs(table *grid, name string, d *datasets.Device, rows []*reports.Joined, place func(*reports.Joined) (x, y float64, ok bool)) (lines, labels []figure.Mark) {
	low, high := math.Inf(1), 0.0
	types := map[datasets.DType]bool{}
	for _, j := range rows {
		if x, _, ok := place(j); ok {
			low, high = min(low, x), max(high, x)
			types[j.Row.Workload.DType()] = true
		}
	}
	add := func(bandwidth float64, peaks map[datasets.DType]float64, dashed bool, how string) {
		order := slices.SortedFunc(maps.Keys(peaks), func(a, b datasets.DType) int { return cmp.Compare(peaks[b], peaks[a]) })
		last := 0.0
		for i, t := range order {
			peak := peaks[t]
			table.Rows = append(table.Rows, []cell{text(name), text("peak " + string(t)), number(reports.FLOPsPerSecond(peak), peak), text(how)})
			if i > 0 && peak > 0.98*last {
				continue // the same roof
			}
			last = peak
			ridge := low
			if bandwidth > 0 {
				ridge = peak / bandwidth
			}
			right := max(high, 4*ridge)
			lines = append(lines, figure.Line{Ink: figure.Text, Width: 1.2, Dashed: dashed, Points: []figure.Point{{X: ridge, Y: peak}, {X: right, Y: peak}}})
			if dashed && d.PeakFLOPs[t].Value > 0 {
				continue // beside the datasheet's, whose label is enough; the table has both
			}
			labels = append(labels, figure.Label{X: right, Y: peak, Up: 3, Right: true, Ink: figure.Text, Text: fmt.Sprintf("%s %s (%s)", t, reports.FLOPsPerSecond(peak), how)})
		}
		if bandwidth > 0 {
			table.Rows = append(table.Rows, []cell{text(name), text("memory bandwidth"), number(reports.BytesPerSecond(bandwidth), bandwidth), text(how)})
			top := high
			if len(order) > 0 {
				top = peaks[order[0]] / bandwidth
			}
			from := min(low, top/30)
			lines = append(lines, figure.Line{Ink: figure.Text, Width: 1.2, Dashed: dashed, Points: []figure.Point{{X: from, Y: from * bandwidth}, {X: top, Y: top * bandwidth}}})
			labels = append(labels, figure.Label{X: from, Y: from * bandwidth, Up: 14, Ink: figure.Text, Text: reports.BytesPerSecond(bandwidth) + " (" + how + ")"})
		}
	}
	published := map[datasets.DType]float64{}
	for t := range types {
		if p := d.PeakFLOPs[t]; p.Value > 0 && p.Origin == datasets.Datasheet {
			published[t] = p.Value
		}
	}
	sheet := 0.0
	if d.MemoryBandwidth.Origin == datasets.Datasheet {
		sheet = d.MemoryBandwidth.Value
	}
	if sheet > 0 || len(published) > 0 {
		add(sheet, published, false, "datasheet")
	}
	measured := map[datasets.DType]float64{}
	bandwidth := 0.0
	for _, c := range d.Ceilings {
		switch w := c.Workload.(type) {
		case datasets.GEMM:
			if types[w.Type] {
				measured[w.Type] = max(measured[w.Type], w.FLOPs()/c.Seconds)
			}
		case datasets.Stream:
			if reports.StreamsMemory(w, d) {
				bandwidth = max(bandwidth, w.Bytes()/c.Seconds)
			}
		}
	}
	if bandwidth > 0 || len(measured) > 0 {
		add(bandwidth, measured, true, "measured")
	}
	return lines, labels
}

// sweepLines joins the longest sweeps.
func sweepLines(rows []*reports.Joined, place func(*reports.Joined) (x, y float64, ok bool)) []figure.Mark {
	type point struct {
		size int64
		at   figure.Point
	}
	sweeps := map[string][]point{}
	suites := map[string]datasets.Suite{}
	for _, j := range rows {
		x, y, ok := place(j)
		key, size := reports.Sweep(j.Row.Workload)
		if !ok || size == 0 {
			continue
		}
		sweeps[key] = append(sweeps[key], point{size, figure.Point{X: x, Y: y}})
		suites[key] = j.Row.Workload.Suite()
	}
	keys := slices.SortedFunc(maps.Keys(sweeps), func(a, b string) int {
		return cmp.Or(len(sweeps[b])-len(sweeps[a]), cmp.Compare(a, b))
	})
	var marks []figure.Mark
	// A few of each suite, so that the suite with most rows does not take all.
	taken := map[datasets.Suite]int{}
	for _, k := range keys {
		points := sweeps[k]
		if len(points) < 3 || taken[suites[k]] >= maxSweeps/4 || len(marks) >= maxSweeps {
			continue
		}
		taken[suites[k]]++
		slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.size, b.size) })
		line := figure.Line{Ink: suiteInk(suites[k]), Width: 1, Opacity: 0.6}
		for _, p := range points {
			line.Points = append(line.Points, p.at)
		}
		marks = append(marks, line)
	}
	return marks
}
