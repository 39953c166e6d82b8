package html

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/reports"
	"bench/reports/figure"
)

// maxPageRows is up to how many rows a page holds each as a dot; beyond, it
// groups them (notice). A browser still sorts and hovers this many at once.
const maxPageRows = 20_000

// groupedRows is how many rows the table of a grouped page holds.
const groupedRows = 2_000

// maxSubjects is how many devices or runs a figure has panels for.
const maxSubjects = 6

// builder prepares a page.
type builder struct {
	r        *reports.Report
	subjects []reports.Subject
	// aggregated pages group their rows.
	aggregated bool
	// rows are those of the page's table, and at where each stands there.
	rows []*reports.Joined
	at   map[*reports.Joined]int
	of   map[*reports.Joined]int // its subject
}

func newBuilder(r *reports.Report) *builder {
	b := &builder{r: r, subjects: r.Subjects(), at: map[*reports.Joined]int{}, of: map[*reports.Joined]int{}}
	var all []*reports.Joined
	for i := range b.subjects {
		for _, j := range b.subjects[i].Rows {
			if j.Row.Measurement.Usable() {
				all = append(all, j)
			}
		}
	}
	b.rows = all
	if len(all) > maxPageRows {
		b.aggregated = true
		if b.rows = b.worstOf(all, groupedRows); len(b.rows) == 0 {
			b.rows = all[:groupedRows]
		}
	}
	for i, j := range b.rows {
		b.at[j] = i
	}
	for i := range b.subjects {
		for _, j := range b.subjects[i].Rows {
			if _, ok := b.at[j]; ok {
				b.of[j] = i
			}
		}
	}
	return b
}

// shown are the subjects that have panels.
func (b *builder) shown() []reports.Subject { return b.subjects[:min(len(b.subjects), maxSubjects)] }

// more says which subjects have no panel, or "".
func (b *builder) more() string {
	if n := len(b.subjects) - maxSubjects; n > 0 {
		return fmt.Sprintf("The first %d of %d devices or runs are drawn.", maxSubjects, len(b.subjects))
	}
	return ""
}

// point is a row's place, with what it says.
func (b *builder) point(x, y float64, j *reports.Joined) figure.Point {
	if i, ok := b.at[j]; ok {
		return figure.Point{X: x, Y: y, Row: i}
	}
	return figure.Point{X: x, Y: y, Row: -1, Text: b.says(j)}
}

// says is a row in a line of text.
func (b *builder) says(j *reports.Joined) string {
	s := reports.Label(j.Row.Workload) + ": measured " + reports.Interval(&j.Row.Measurement)
	if e, t, ok := b.r.Judged(j); ok {
		s += fmt.Sprintf(", predicted %s (%s), error %s, %s binds", reports.Seconds(j.Predictions[t].Seconds), b.r.Tiers[t], reports.SignedPercent(e), reports.Clean(j.Predictions[t].Binds))
	}
	return s
}

// suiteInk gives each suite the same ink in every figure.
func suiteInk(s datasets.Suite) figure.Ink {
	order := append(slices.Clone(datasets.Suites), datasets.SuitePrefill)
	if i := slices.Index(order, s); i >= 0 {
		return figure.Series(i)
	}
	return figure.Series(len(order))
}

// suiteLegend names the suites that are among rows.
func suiteLegend(seen map[datasets.Suite]bool) []figure.Key {
	var keys []figure.Key
	for _, s := range append(slices.Clone(datasets.Suites), datasets.SuitePrefill) {
		if seen[s] {
			keys = append(keys, figure.Key{Ink: suiteInk(s), Name: string(s), Dot: true})
		}
	}
	return keys
}

// scatter makes dots of rows, one ink a suite, and groups of them where the
// page is aggregated: cells of an eighth of a decade on both axes.
func (b *builder) scatter(rows []*reports.Joined, place func(j *reports.Joined) (x, y float64, ok bool), seen map[datasets.Suite]bool) []figure.Mark {
	return b.scatterSaying(rows, place, seen, nil)
}

// scatterSaying is scatter with a text of its own for each row, or nil.
func (b *builder) scatterSaying(rows []*reports.Joined, place func(j *reports.Joined) (x, y float64, ok bool), seen map[datasets.Suite]bool, says func(*reports.Joined) string) []figure.Mark {
	bySuite := map[datasets.Suite][]figure.Point{}
	type id struct {
		suite datasets.Suite
		x, y  int
	}
	type group struct {
		points []figure.Point
		errors []float64
		row    *reports.Joined
	}
	groups := map[id]*group{}
	simulated := false
	for _, j := range rows {
		x, y, ok := place(j)
		if !ok || !(x > 0) || !(y > 0) || math.IsInf(x, 0) || math.IsInf(y, 0) {
			continue
		}
		s := j.Row.Workload.Suite()
		seen[s] = true
		simulated = simulated || j.Row.Measurement.Source == datasets.SourceSimulated
		if !b.aggregated {
			p := b.point(x, y, j)
			if says != nil {
				p.Row, p.Text = -1, says(j)
			}
			bySuite[s] = append(bySuite[s], p)
			continue
		}
		k := id{s, int(math.Floor(math.Log10(x) * 8)), int(math.Floor(math.Log10(y) * 16))}
		g := groups[k]
		if g == nil {
			g = &group{row: j}
			groups[k] = g
		}
		g.points = append(g.points, figure.Point{X: x, Y: y})
		if e, t, ok := b.r.Judged(j); ok && b.r.Unseen(j, t) {
			g.errors = append(g.errors, e)
		}
	}
	var marks []figure.Mark
	for _, s := range slices.SortedFunc(maps.Keys(bySuite), compareSuites) {
		marks = append(marks, figure.Dots{Ink: suiteInk(s), Points: bySuite[s], Hollow: simulated})
	}
	// Larger groups are drawn first, so that smaller ones stay visible.
	sized := map[datasets.Suite]map[float64][]figure.Point{}
	keys := slices.SortedFunc(maps.Keys(groups), func(a, b id) int {
		return cmp.Or(compareSuites(a.suite, b.suite), a.x-b.x, a.y-b.y)
	})
	for _, k := range keys {
		g := groups[k]
		x, y := 0.0, 0.0
		for _, p := range g.points {
			x += math.Log(p.X) / float64(len(g.points))
			y += math.Log(p.Y) / float64(len(g.points))
		}
		p := figure.Point{X: math.Exp(x), Y: math.Exp(y), Row: -1}
		if len(g.points) == 1 {
			p.Text = b.says(g.row)
			if says != nil {
				p.Text = says(g.row)
			}
		} else {
			p.Text = fmt.Sprintf("%s %s rows, such as %s", reports.Count(len(g.points)), k.suite, reports.Label(g.row.Row.Workload))
			if len(g.errors) > 0 && says == nil {
				slices.Sort(g.errors)
				p.Text += "; median error " + reports.SignedPercent(stats.Quantile(g.errors, 0.5))
			}
		}
		size := math.Round(3 + 2*math.Log10(float64(len(g.points))))
		if sized[k.suite] == nil {
			sized[k.suite] = map[float64][]figure.Point{}
		}
		sized[k.suite][size] = append(sized[k.suite][size], p)
	}
	for size := 12.0; size >= 3; size-- {
		for _, s := range slices.SortedFunc(maps.Keys(sized), compareSuites) {
			if points := sized[s][size]; len(points) > 0 {
				marks = append(marks, figure.Dots{Ink: suiteInk(s), Points: points, Size: size, Hollow: simulated})
			}
		}
	}
	return marks
}

func compareSuites(a, b datasets.Suite) int { return cmp.Compare(suiteRank(a), suiteRank(b)) }

func suiteRank(s datasets.Suite) int {
	i := slices.Index(datasets.Suites, s)
	if i < 0 {
		i = len(datasets.Suites)
	}
	return i
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// sections are the page's chapters, those without figures or tables left out.
func (b *builder) sections() []section {
	differ, differences := b.differences()
	var out []section
	for _, s := range []section{
		{ID: "roofline", Title: "Roofline", Figures: b.roofline()},
		{ID: "error", Title: "Predicted against measured", Figures: b.errors(), Tables: b.worst()},
		{ID: "differences", Title: "Differences", Figures: differ, Tables: differences},
		{ID: "memory", Title: "Memory", Figures: b.memory()},
		{ID: "collectives", Title: "Collectives", Figures: b.collectives()},
		{ID: "decode", Title: "Decode", Figures: b.decode()},
		{ID: "moe", Title: "Mixture of experts", Figures: b.moe()},
		{ID: "conditions", Title: "Conditions and samples", Figures: b.conditions(), Tables: b.samples()},
	} {
		if len(s.Figures) > 0 || len(s.Tables) > 0 {
			out = append(out, s)
		}
	}
	return out
}
