package html

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/reports"
	"bench/reports/figure"
)

// differenceRows is how many matched workloads the table lists.
const differenceRows = 200

// matched is one workload as two or more subjects measured it: the median over
// a subject's rows of it, 0 where it has none.
type matched struct {
	row   *reports.Joined
	times []float64
}

// match joins the subjects' rows by key. Simulated rows match like others: the
// subject's name says what they are.
func (b *builder) match() []matched {
	subjects := b.shown()
	if len(subjects) < 2 {
		return nil
	}
	type entry struct {
		row   *reports.Joined
		times [][]float64
	}
	byKey := map[string]*entry{}
	var order []string
	for i := range subjects {
		for _, j := range usable(subjects[i].Rows) {
			e := byKey[j.Key]
			if e == nil {
				e = &entry{row: j, times: make([][]float64, len(subjects))}
				byKey[j.Key] = e
				order = append(order, j.Key)
			}
			e.times[i] = append(e.times[i], j.Row.Measurement.TimeS)
		}
	}
	var out []matched
	for _, k := range order {
		e := byKey[k]
		m := matched{row: e.row, times: make([]float64, len(subjects))}
		n := 0
		for i, t := range e.times {
			if len(t) > 0 {
				slices.Sort(t)
				m.times[i] = stats.Quantile(t, 0.5)
				n++
			}
		}
		if n > 1 {
			out = append(out, m)
		}
	}
	return out
}

// differences hold every subject against the first, workload by workload.
func (b *builder) differences() ([]figureView, []*grid) {
	pairs := b.match()
	if len(pairs) == 0 {
		return nil, nil
	}
	subjects := b.shown()
	base := subjects[0].Name
	summary := &grid{Caption: "Time over that of " + base + ", on the workloads that both have. Below 1 is faster. These are medians without a test of significance: bench compare judges differences.",
		Head: []column{{"device or run", false}, {"suite", false}, {"workloads in both", true}, {"p10", true}, {"median ratio", true}, {"p90", true}}}
	f := figure.Figure{ID: "difference-plot", Title: "Time against " + base, Caption: "Each dot is a workload that both measured: its time over that of " + base + ", over the latter. Below 1 is faster.",
		X: figure.Axis{Label: "time of " + base, Log: 10, Format: seconds}, Y: figure.Axis{Label: "ratio of times", Log: 10, Format: plain, Min: 0.5, Max: 2}}
	seen := map[datasets.Suite]bool{}
	for i := 1; i < len(subjects); i++ {
		ratios := map[datasets.Suite][]float64{}
		place := map[*reports.Joined][2]float64{}
		var rows []*reports.Joined
		for _, m := range pairs {
			if m.times[0] > 0 && m.times[i] > 0 {
				s := m.row.Row.Workload.Suite()
				ratios[s] = append(ratios[s], m.times[i]/m.times[0])
				place[m.row] = [2]float64{m.times[0], m.times[i] / m.times[0]}
				rows = append(rows, m.row)
			}
		}
		for _, s := range slices.SortedFunc(slices.Values(sortedKeys(ratios)), compareSuites) {
			r := ratios[s]
			slices.Sort(r)
			summary.Rows = append(summary.Rows, []cell{text(subjects[i].Name), text(string(s)), number(reports.Count(len(r)), float64(len(r))), ratioCell(stats.Quantile(r, 0.1)), ratioCell(stats.Quantile(r, 0.5)), ratioCell(stats.Quantile(r, 0.9))})
		}
		if len(rows) == 0 {
			continue
		}
		one := figure.Line{Ink: figure.Text, Width: 0.8, Outside: true, Points: []figure.Point{{X: 1e-12, Y: 1}, {X: 1e9, Y: 1}}}
		marks := b.scatterSaying(rows, func(j *reports.Joined) (x, y float64, ok bool) { return place[j][0], place[j][1], true }, seen, func(j *reports.Joined) string {
			return fmt.Sprintf("%s: %s × the time of %s, %s", reports.Label(j.Row.Workload), plain(round3(place[j][1])), base, reports.Seconds(place[j][0]))
		})
		f.Panels = append(f.Panels, figure.Panel{Title: subjects[i].Name, Marks: append([]figure.Mark{one}, marks...)})
	}
	f.Legend = suiteLegend(seen)
	list := &grid{Caption: "The largest differences", Head: []column{{"workload", false}}}
	for i := range subjects {
		list.Head = append(list.Head, column{subjects[i].Name, true})
		if i > 0 {
			list.Head = append(list.Head, column{"ratio", true})
		}
	}
	extreme := func(m *matched) (most float64) {
		for _, t := range m.times[1:] {
			if t > 0 && m.times[0] > 0 {
				most = max(most, math.Abs(math.Log(t/m.times[0])))
			}
		}
		return most
	}
	slices.SortStableFunc(pairs, func(a, b matched) int { return cmp.Compare(extreme(&b), extreme(&a)) })
	for k := range pairs {
		m := &pairs[k]
		if k == differenceRows {
			list.Hidden = fmt.Sprintf("%s more workloads are in both; those that differ most are listed.", reports.Count(len(pairs)-differenceRows))
			break
		}
		line := []cell{text(reports.Label(m.row.Row.Workload))}
		for i, t := range m.times {
			if t > 0 {
				line = append(line, number(reports.Seconds(t), t))
			} else {
				line = append(line, text("–"))
			}
			switch {
			case i == 0:
			case t > 0 && m.times[0] > 0:
				line = append(line, ratioCell(t/m.times[0]))
			default:
				line = append(line, cell{})
			}
		}
		list.Rows = append(list.Rows, line)
	}
	figures := []figureView{}
	if len(f.Panels) > 0 {
		figures = append(figures, view(f, list))
	}
	return figures, []*grid{summary}
}

func ratioCell(r float64) cell { return number(fmt.Sprintf("%.3g ×", r), r) }

func round3(v float64) float64 { return math.Round(v*1000) / 1000 }
