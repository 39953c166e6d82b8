package html

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/reports"
	"bench/reports/figure"
)

// errors are predicted against measured, and the distribution of the error.
func (b *builder) errors() []figureView {
	f := figure.Figure{ID: "error-plot", Title: "Predicted against measured",
		Caption: "Predicted / measured time over measured time, by the most informed tier that predicts the operation; rows that this tier does not predict are left out. The band is ±10 %: above it the machine is faster than predicted, below it slower.",
		X:       figure.Axis{Label: "measured time", Log: 10, Format: seconds},
		Y:       figure.Axis{Label: "predicted / measured", Log: 10, Format: plain, Min: 0.5, Max: 2}, Note: b.more()}
	seen := map[datasets.Suite]bool{}
	for i := range b.shown() {
		s := &b.subjects[i]
		marks := b.scatter(s.Rows, func(j *reports.Joined) (x, y float64, ok bool) {
			e, _, ok := b.r.Judged(j)
			return j.Row.Measurement.TimeS, 1 + e, ok
		}, seen)
		if len(marks) == 0 {
			continue
		}
		band := figure.Area{Ink: figure.Band, LowX: math.Inf(-1), HighX: math.Inf(1), LowY: 0.9, HighY: 1.1}
		one := figure.Line{Ink: figure.Text, Width: 0.8, Outside: true, Points: []figure.Point{{X: 1e-12, Y: 1}, {X: 1e9, Y: 1}}}
		f.Panels = append(f.Panels, figure.Panel{Title: s.Name, Marks: append([]figure.Mark{band, one}, marks...)})
	}
	if len(f.Panels) == 0 {
		return nil
	}
	f.Legend = append(suiteLegend(seen), figure.Key{Ink: figure.Band, Name: "±10 %", Square: true})
	return append([]figureView{view(f, nil)}, b.distribution()...)
}

// spread is a box of a distribution.
type spread struct {
	name                     string
	suite                    datasets.Suite
	n                        int
	p10, q1, median, q3, p90 float64
}

// distribution is a box for each suite and regime.
func (b *builder) distribution() []figureView {
	f := figure.Figure{ID: "error-boxes", Title: "Error by suite and regime",
		Caption: "Signed error, predicted / measured − 1, of the same tier, judged on rows that no calibration was fitted to. A box holds the middle half of the rows, its thick line is the median, whiskers reach from the 10th to the 90th percentile.",
		X:       figure.Axis{Label: "error", Format: signed}}
	data := &grid{Caption: "Error by suite and regime", Head: []column{{"device or run", false}, {"suite and regime", false}, {"n", true}, {"p10", true}, {"q1", true}, {"median", true}, {"q3", true}, {"p90", true}}}
	names := map[string]bool{}
	panels := make([][]spread, len(b.shown()))
	for i := range b.shown() {
		type id struct {
			suite  datasets.Suite
			regime string
		}
		errors := map[id][]float64{}
		for _, j := range b.subjects[i].Rows {
			if e, t, ok := b.r.Judged(j); ok && b.r.Unseen(j, t) {
				k := id{j.Row.Workload.Suite(), string(j.Regime)}
				errors[k] = append(errors[k], e)
			}
		}
		for k, e := range errors {
			slices.Sort(e)
			s := spread{string(k.suite) + " " + k.regime, k.suite, len(e), stats.Quantile(e, 0.1), stats.Quantile(e, 0.25), stats.Quantile(e, 0.5), stats.Quantile(e, 0.75), stats.Quantile(e, 0.9)}
			panels[i] = append(panels[i], s)
			names[s.name] = true
		}
		slices.SortFunc(panels[i], func(a, b spread) int { return strings.Compare(a.name, b.name) })
	}
	order := sortedKeys(names)
	if len(order) == 0 {
		return nil
	}
	f.Y = figure.Axis{Fixed: true, Min: -0.6, Max: float64(len(order)) - 0.4, Categories: order}
	f.Height = 80 + 22*float64(len(order))
	widest := 0.0
	for i, boxes := range panels {
		band := figure.Area{Ink: figure.Band, LowX: -0.1, HighX: 0.1, LowY: math.Inf(-1), HighY: math.Inf(1)}
		marks := []figure.Mark{band}
		for _, s := range boxes {
			y := float64(slices.Index(order, s.name))
			says := fmt.Sprintf("%s: median %s, middle half %s to %s, %s rows", s.name, reports.SignedPercent(s.median), reports.SignedPercent(s.q1), reports.SignedPercent(s.q3), reports.Count(s.n))
			marks = append(marks, figure.Box{Ink: suiteInk(s.suite), Y: y, P10: s.p10, Q1: s.q1, Median: s.median, Q3: s.q3, P90: s.p90, Text: says})
			widest = max(widest, s.p90)
			data.Rows = append(data.Rows, []cell{text(b.subjects[i].Name), text(s.name), number(reports.Count(s.n), float64(s.n)), errorCell(s.p10), errorCell(s.q1), errorCell(s.median), errorCell(s.q3), errorCell(s.p90)})
		}
		if len(boxes) > 0 {
			f.Panels = append(f.Panels, figure.Panel{Title: b.subjects[i].Name, Marks: marks})
		}
	}
	if widest > 2 {
		f.X.Fixed, f.X.Min, f.X.Max = true, -1.05, 2
		f.Note = "The axis ends at +200 %; longer whiskers are in the table."
	}
	return []figureView{view(f, data)}
}

func errorCell(e float64) cell { return number(reports.SignedPercent(e), e) }
