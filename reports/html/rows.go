package html

import (
	"math"

	"bench/datasets"
	"bench/reports"
)

// rowTable is the page's rows for its script, which shows them a page at a
// time and says them on hover. Columns are kept apart, and repeated words by
// their index, so that 10,000 rows stay below 2 MB.
type rowTable struct {
	Words []string `json:"words"`
	// Rows hold, in this order: label, subject, suite, regime, tier, binds,
	// flags, figures (indices of Words); measured, low, high, predicted seconds
	// (predicted 0 where there is none), error.
	Rows [][13]any `json:"rows"`
	// First are the rows for a page without script.
	First *grid `json:"-"`
	Total int   `json:"-"`
}

// firstRows is how many rows a page shows without script, and a page of the
// table with it.
const firstRows = 50

func (b *builder) table() *rowTable {
	t := &rowTable{Total: len(b.rows), Rows: [][13]any{}}
	index := map[string]int{}
	word := func(s string) int {
		i, ok := index[s]
		if !ok {
			i = len(t.Words)
			index[s] = i
			t.Words = append(t.Words, s)
		}
		return i
	}
	for _, j := range b.rows {
		m := &j.Row.Measurement
		tier, binds, predicted, err := "", "", 0.0, 0.0
		if e, i, ok := b.r.Judged(j); ok {
			tier, binds, predicted, err = string(b.r.Tiers[i]), j.Predictions[i].Binds, j.Predictions[i].Seconds, e
		}
		t.Rows = append(t.Rows, [13]any{word(reports.Label(j.Row.Workload)), word(b.subjects[b.of[j]].Name), word(string(j.Row.Workload.Suite())),
			word(string(j.Regime)), word(tier), word(reports.Clean(binds)), word(flags(m)), word(b.figures(j)),
			brief(m.TimeS), brief(m.LowS), brief(m.HighS), brief(predicted), brief(err)})
	}
	t.First = &grid{Caption: "Rows", Head: []column{{"workload", false}, {"device or run", false}, {"suite", false}, {"regime", false}, {"measured", true}, {"figures", false}, {"tier", false}, {"predicted", true}, {"error", true}, {"binds", false}, {"flags", false}}}
	for _, j := range b.rows[:min(len(b.rows), firstRows)] {
		m := &j.Row.Measurement
		line := []cell{text(reports.Label(j.Row.Workload)), text(b.subjects[b.of[j]].Name), text(string(j.Row.Workload.Suite())), text(string(j.Regime)),
			number(reports.Interval(m), m.TimeS), text(b.figures(j))}
		if e, i, ok := b.r.Judged(j); ok {
			p := &j.Predictions[i]
			line = append(line, text(string(b.r.Tiers[i])), number(reports.Seconds(p.Seconds), p.Seconds), number(reports.SignedPercent(e), e), text(p.Binds))
		} else {
			line = append(line, text("–"), cell{}, cell{}, cell{})
		}
		t.First.Rows = append(t.First.Rows, append(line, text(flags(m))))
	}
	return t
}

// figures are the suite's own of a row.
func (b *builder) figures(j *reports.Joined) string {
	left, right := b.r.Extras(j)
	switch {
	case left == "":
		return right
	case right == "":
		return left
	}
	return left + ", " + right
}

// flags are a row's, with its source where that is a simulation.
func flags(m *datasets.Measurement) string {
	s := ""
	if m.Source == datasets.SourceSimulated {
		s = "simulated"
	}
	for _, f := range m.Flags {
		if s != "" {
			s += ", "
		}
		s += f
	}
	return reports.Clean(s)
}

// brief rounds to five digits: the script shows three.
func brief(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	scale := math.Pow(10, 4-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
