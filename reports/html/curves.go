package html

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bench/datasets/stats"
	"bench/reports"
	"bench/reports/figure"
)

// maxCurves and maxPanels bound a figure of curves; its note says what is left
// out, and the table at the page's end has it.
const maxCurves, maxPanels = 9, 8

// curve is one line of a panel: rows in the order of a size.
type curve struct {
	name   string
	points []curvePoint
}

type curvePoint struct {
	x, y float64
	// predicted is y by the judging tier, or 0.
	predicted float64
	row       *reports.Joined
}

// curvePanel is the curves of a panel, and guides behind them.
type curvePanel struct {
	title  string
	curves map[string]*curve
	guides []figure.Mark
	rows   int
}

func (p *curvePanel) add(name string, c curvePoint) {
	if p.curves == nil {
		p.curves = map[string]*curve{}
	}
	if p.curves[name] == nil {
		p.curves[name] = &curve{name: name}
	}
	p.curves[name].points = append(p.curves[name].points, c)
	p.rows++
}

// curvesOptions are how a figure joins its points.
type curvesOptions struct {
	// apart leaves points without a line.
	apart bool
	// front joins only points that none beats in both coordinates: less of x,
	// more of y.
	front bool
}

// curves draws panels of curves with one ink a name, the prediction dashed.
func (b *builder) curves(f figure.Figure, panels []*curvePanel, o curvesOptions) []figureView {
	panels = slices.DeleteFunc(panels, func(p *curvePanel) bool { return p.rows == 0 })
	if len(panels) == 0 {
		return nil
	}
	var notes []string
	if len(panels) > maxPanels {
		notes = append(notes, fmt.Sprintf("%d of %d panels are drawn.", maxPanels, len(panels)))
		panels = panels[:maxPanels]
	}
	names := map[string]int{}
	for _, p := range panels {
		for n, c := range p.curves {
			names[n] += len(c.points)
		}
	}
	order := sortedNames(names)
	if len(order) > maxCurves {
		notes = append(notes, fmt.Sprintf("%d of %d curves are drawn, those with most points.", maxCurves, len(order)))
		slices.SortStableFunc(order, func(a, b string) int { return names[b] - names[a] })
		order = sortedNamesOf(order[:maxCurves])
	}
	data := &grid{Caption: f.Title, Head: []column{{"panel", false}, {"curve", false}, {f.X.Label, true}, {f.Y.Label, true}, {"predicted", true}, {"workload", false}}}
	predicted := false
	for _, p := range panels {
		marks := slices.Clone(p.guides)
		var dots []figure.Mark
		for i, name := range order {
			c := p.curves[name]
			if c == nil {
				continue
			}
			ink := figure.Series(i)
			slices.SortStableFunc(c.points, func(a, b curvePoint) int { return cmp.Compare(a.x, b.x) })
			d := figure.Dots{Ink: ink, Size: 4.5}
			for _, q := range c.points {
				d.Points = append(d.Points, b.point(q.x, q.y, q.row))
				if len(data.Rows) < maxDataRows {
					line := []cell{text(p.title), text(name), number(f.X.Format(q.x), q.x), number(f.Y.Format(q.y), q.y), {}, text(reports.Label(q.row.Row.Workload))}
					if q.predicted > 0 {
						line[4] = number(f.Y.Format(q.predicted), q.predicted)
					}
					data.Rows = append(data.Rows, line)
				}
			}
			if !o.apart {
				marks = append(marks, figure.Line{Ink: ink, Points: joined(c.points, o.front, func(q curvePoint) float64 { return q.y })})
				if said := joined(c.points, false, func(q curvePoint) float64 { return q.predicted }); len(said) > 1 && !o.front {
					marks = append(marks, figure.Line{Ink: ink, Width: 1, Dashed: true, Points: said})
					predicted = true
				}
			}
			dots = append(dots, d)
		}
		f.Panels = append(f.Panels, figure.Panel{Title: p.title, Marks: append(marks, dots...)})
	}
	for i, name := range order {
		f.Legend = append(f.Legend, figure.Key{Ink: figure.Series(i), Name: name, Dot: o.apart})
	}
	if predicted {
		f.Legend = append(f.Legend, figure.Key{Ink: figure.Text, Name: "predicted", Dashed: true})
	}
	if len(data.Rows) >= maxDataRows {
		data.Hidden = fmt.Sprintf("The first %s points are listed.", reports.Count(maxDataRows))
	}
	for _, n := range notes {
		f.Note += n + " "
	}
	return []figureView{view(f, data)}
}

// maxDataRows is how many points a figure's own table lists.
const maxDataRows = 400

// joined is a line through the median of y at each x; of a front only through
// what nothing beats.
func joined(points []curvePoint, front bool, of func(curvePoint) float64) []figure.Point {
	var out []figure.Point
	for i := 0; i < len(points); {
		var ys []float64
		x := points[i].x
		for ; i < len(points) && points[i].x == x; i++ {
			if y := of(points[i]); y > 0 {
				ys = append(ys, y)
			}
		}
		if len(ys) == 0 {
			continue
		}
		slices.Sort(ys)
		y := stats.Quantile(ys, 0.5)
		if front && len(out) > 0 && y <= out[len(out)-1].Y {
			continue
		}
		out = append(out, figure.Point{X: x, Y: y})
	}
	return out
}

// sortedNames orders names as people count: "2 ranks" before "16 ranks".
func sortedNames(names map[string]int) []string { return sortedNamesOf(sortedKeys(names)) }

func sortedNamesOf(names []string) []string {
	slices.SortFunc(names, func(a, b string) int {
		na, ra := leadingNumber(a)
		nb, rb := leadingNumber(b)
		return cmp.Or(cmp.Compare(ra, rb), cmp.Compare(na, nb), cmp.Compare(a, b))
	})
	return names
}

// leadingNumber splits "16 ranks ring" into 16 and "ranks ring", and "context
// 4096" into 4096 and "context".
func leadingNumber(s string) (n int64, rest string) {
	var word string
	if k, _ := fmt.Sscanf(s, "%d", &n); k == 1 {
		_, rest, _ = strings.Cut(s, " ")
		return n, rest
	}
	if k, _ := fmt.Sscanf(s, "%s %d", &word, &n); k == 2 {
		return n, word
	}
	return 0, s
}

// predictedTime is the judging tier's, or 0.
func (b *builder) predictedTime(j *reports.Joined) float64 {
	if _, t, ok := b.r.Judged(j); ok {
		return j.Predictions[t].Seconds
	}
	return 0
}

// over divides, giving 0 where there is nothing to divide by.
func over(v, by float64) float64 {
	if by > 0 {
		return v / by
	}
	return 0
}
