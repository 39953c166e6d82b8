package html

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"bench/datasets"
	"bench/reports"
	"bench/reports/figure"
)

// maxHeatExperts is up to how many experts are drawn each as a cell.
const maxHeatExperts = 512

// maxHeatChoices bounds tokens × top-k of an assignment that is drawn anew.
const maxHeatChoices = 1 << 22

// moeFamily is a layer's shape but for tokens and routing.
func moeFamily(w datasets.Workload) (string, bool) {
	m, ok := w.(datasets.MoELayer)
	if !ok {
		return "", false
	}
	f := fmt.Sprintf("%d experts top-%d %s h%d i%d", m.Experts, m.TopK, m.Type, m.Hidden, m.Intermediate)
	if m.TP > 1 {
		f += fmt.Sprintf(" tp%d", m.TP)
	}
	if m.EP > 1 {
		f += fmt.Sprintf(" ep%d", m.EP)
	}
	if m.Format != "" {
		f += " " + m.Format
	}
	return reports.Clean(f), true
}

func routingName(r datasets.Routing) string {
	s := string(r.Rule)
	if r.Exponent != 0 {
		s += " " + strconv.FormatFloat(r.Exponent, 'g', 3, 64)
	}
	return s
}

// moe is expert loads, and what they cost.
func (b *builder) moe() []figureView {
	out := b.heat()
	slow := figure.Figure{ID: "slowdown-plot", Title: "MoE: slowdown over batch by routing", Note: b.more(),
		Caption: "Of the layers with several batches. Measured time over that of the same layer and batch under balanced routing. Below 1 a routing wakes fewer experts, and so reads fewer weights.",
		X:       figure.Axis{Label: "tokens", Log: 2, Format: plain}, Y: figure.Axis{Label: "time / balanced", Log: 10, Format: plain}}
	uneven := figure.Figure{ID: "imbalance-plot", Title: "MoE: imbalance over batch by routing", Note: b.more(),
		Caption: "Of the layers with several batches. The most loaded expert's (or rank's) choices over the mean, as the case ran.", X: slow.X, Y: figure.Axis{Label: "max / mean load", Log: 10, Format: plain}}
	var slowPanels, unevenPanels []*curvePanel
	for _, family := range b.families(moeFamily, 2*maxFamilies) {
		for i := range b.shown() {
			s := &b.subjects[i]
			p, q := &curvePanel{title: s.Name + ", " + family}, &curvePanel{title: s.Name + ", " + family}
			for _, j := range usable(s.Rows) {
				if f, ok := moeFamily(j.Row.Workload); !ok || f != family {
					continue
				}
				m := j.Row.Workload.(datasets.MoELayer)
				name := routingName(m.Routing)
				if v := b.r.Slowdown(j); v > 0 && m.Routing.Rule != datasets.RouteBalanced {
					p.add(name, curvePoint{x: float64(m.Tokens), y: v, row: j})
				}
				if meas := &j.Row.Measurement; meas.MeanLoad > 0 {
					q.add(name, curvePoint{x: float64(m.Tokens), y: meas.MaxLoad / meas.MeanLoad, row: j})
				}
			}
			p.guides = []figure.Mark{figure.Line{Ink: figure.Text, Width: 0.8, Outside: true, Points: []figure.Point{{X: 1e-9, Y: 1}, {X: 1e12, Y: 1}}}}
			slowPanels, unevenPanels = append(slowPanels, p), append(unevenPanels, q)
		}
	}
	slowPanels, unevenPanels = overBatches(slowPanels), overBatches(unevenPanels)
	out = append(out, b.curves(uneven, unevenPanels, curvesOptions{})...)
	return append(out, b.curves(slow, slowPanels, curvesOptions{})...)
}

// heat draws how each routing loads the experts of a layer: the assignment is
// made anew by the rule and seed that the row names.
func (b *builder) heat() []figureView {
	f := figure.Figure{ID: "heat-plot", Title: "MoE: load of each expert by routing",
		Caption: "Choices that fall on each expert over the mean, drawn anew by the rule and the seed that the rows name: pale is idle, the strongest 4 × the mean or more. Imported rows do not record their seed: theirs show one draw of the rule.",
		X:       figure.Axis{Label: "expert", Format: plain}}
	data := &grid{Caption: "Loads by routing", Head: []column{{"layer", false}, {"routing", false}, {"tokens", true}, {"active experts", true}, {"largest load", true}, {"mean", true}, {"largest / mean", true}, {"recorded largest load", true}}}
	type panelRows struct {
		title string
		rows  []*reports.Joined
		e     int64
	}
	var chosen []panelRows
	for _, family := range b.families(moeFamily, 50) {
		best := map[int64]map[string]*reports.Joined{} // by tokens, by routing
		for i := range b.shown() {
			for _, j := range usable(b.subjects[i].Rows) {
				m, ok := j.Row.Workload.(datasets.MoELayer)
				if f, _ := moeFamily(j.Row.Workload); !ok || f != family || m.Routing.Rule == datasets.RouteTrace ||
					m.Experts > maxHeatExperts || m.Tokens*m.TopK > maxHeatChoices {
					continue
				}
				if best[m.Tokens] == nil {
					best[m.Tokens] = map[string]*reports.Joined{}
				}
				if name := routingName(m.Routing); best[m.Tokens][name] == nil {
					best[m.Tokens][name] = j
				}
			}
		}
		tokens := sortedKeys(best)
		if len(tokens) == 0 {
			continue
		}
		// The batch with most routings, a middling one of those.
		slices.SortStableFunc(tokens, func(a, b int64) int { return len(best[b]) - len(best[a]) })
		n := 1
		for n < len(tokens) && len(best[tokens[n]]) == len(best[tokens[0]]) {
			n++
		}
		at := best[tokens[n/2]]
		p := panelRows{title: fmt.Sprintf("%s, %d tokens", family, tokens[n/2])}
		for _, name := range sortedKeys(at) {
			p.rows = append(p.rows, at[name])
			p.e = at[name].Row.Workload.(datasets.MoELayer).Experts
			if at[name].Row.Measurement.Source == datasets.SourceSimulated && !strings.HasSuffix(p.title, "(simulated)") {
				p.title += " (simulated)"
			}
		}
		if !slices.ContainsFunc(chosen, func(o panelRows) bool { return o.e == p.e }) && len(chosen) < 2*maxFamilies {
			chosen = append(chosen, p)
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	slices.SortStableFunc(chosen, func(a, b panelRows) int { return cmp.Compare(a.e, b.e) })
	out := figureView{Figure: f, Data: data}
	for _, p := range chosen {
		// Experts and routings differ, so that each layer has its own axes.
		g := f
		var order []string
		for _, j := range p.rows {
			order = append(order, routingName(j.Row.Workload.(datasets.MoELayer).Routing))
		}
		g.Y = figure.Axis{Fixed: true, Min: -0.5, Max: float64(len(order)) - 0.5, Categories: order}
		g.Height = 70 + 24*float64(max(len(order), 3))
		g.X.Fixed, g.X.Min, g.X.Max = true, -0.5, float64(p.e)-0.5
		panel := figure.Panel{Title: p.title}
		for _, j := range p.rows {
			m := j.Row.Workload.(datasets.MoELayer)
			assignment, err := m.Routing.Assign(m.Tokens, m.Experts, m.TopK)
			if err != nil {
				continue
			}
			loads := datasets.Loads(assignment, m.Experts)
			sum := datasets.SummarizeLoads(loads)
			name := routingName(m.Routing)
			row := float64(slices.Index(order, name))
			dots := figure.Dots{Ink: figure.Series(0), Size: 0.5}
			for e, n := range loads {
				share := float64(n) / sum.Mean
				panel.Marks = append(panel.Marks, figure.Area{Ink: figure.Series(0), LowX: float64(e) - 0.5, HighX: float64(e) + 0.5, LowY: row - 0.42, HighY: row + 0.42,
					Opacity: 0.04 + 0.96*min(1, math.Sqrt(share)/2)})
				dots.Points = append(dots.Points, figure.Point{X: float64(e), Y: row, Row: -1, Text: fmt.Sprintf("%s, expert %d: %d choices, %.2f × the mean", name, e, n, share)})
			}
			panel.Marks = append(panel.Marks, dots)
			line := []cell{text(p.title), text(name), number(fmt.Sprint(m.Tokens), float64(m.Tokens)), number(fmt.Sprint(sum.Active), float64(sum.Active)),
				number(fmt.Sprint(sum.Max), float64(sum.Max)), number(fmt.Sprintf("%.1f", sum.Mean), sum.Mean), number(fmt.Sprintf("%.2f", sum.Imbalance), sum.Imbalance), text("not recorded")}
			if j.Row.Measurement.MeanLoad > 0 && m.EP <= 1 {
				line[7] = number(fmt.Sprintf("%.0f", j.Row.Measurement.MaxLoad), j.Row.Measurement.MaxLoad)
			} else if j.Row.Measurement.MeanLoad > 0 {
				line[7] = text("of ranks, not experts")
			}
			data.Rows = append(data.Rows, line)
		}
		if len(panel.Marks) > 0 {
			g.Panels = []figure.Panel{panel}
			out.Drawings = append(out.Drawings, view(g, nil).Drawings...)
		}
	}
	return []figureView{out}
}

// overBatches keeps the panels that have more than one batch, or where there is
// none, all: a lone dot says nothing over a batch.
func overBatches(panels []*curvePanel) []*curvePanel {
	var out []*curvePanel
	for _, p := range panels {
		sizes := map[float64]bool{}
		for _, c := range p.curves {
			for _, q := range c.points {
				sizes[q.x] = true
			}
		}
		if len(sizes) > 1 {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return panels
	}
	return out
}
