package html

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"bench/datasets"
	"bench/reports"
	"bench/reports/figure"
)

// worstRows is how many of a device's rows are taken apart.
const worstRows = 12

// worst takes the rows with the largest error apart into their terms.
func (b *builder) worst() []*grid {
	var out []*grid
	for i := range b.shown() {
		s := &b.subjects[i]
		g := &grid{Caption: "Worst rows of " + s.Name + ": where the time was said to go. The bar is the predicted time in its terms, the line at its end or within it the measured time.",
			Head: []column{{"workload", false}, {"measured", true}, {"predicted", true}, {"error", true}, {"terms", false}, {"in words", false}}}
		for _, j := range b.worstOf(s.Rows, worstRows) {
			e, t, _ := b.r.Judged(j)
			p := &j.Predictions[t]
			parts, behind := stack(p)
			g.Rows = append(g.Rows, []cell{text(reports.Label(j.Row.Workload) + flagged(j)), number(reports.Interval(&j.Row.Measurement), j.Row.Measurement.TimeS),
				number(reports.Seconds(p.Seconds)+" "+string(p.Tier), p.Seconds), number(reports.SignedPercent(e), e),
				{HTML: template.HTML(bar(parts, p.Seconds, j.Row.Measurement.TimeS)), Value: fmt.Sprintf("%.6g", e)},
				text(inWords(parts, behind, p.Seconds, j.Row.Measurement.TimeS))})
		}
		if len(g.Rows) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// worstOf is the n rows with the largest |error|, the worst first, of those that
// are judged.
func (b *builder) worstOf(rows []*reports.Joined, n int) []*reports.Joined {
	type judged struct {
		row  *reports.Joined
		size float64
	}
	var all []judged
	for _, j := range rows {
		if e, _, ok := b.r.Judged(j); ok {
			all = append(all, judged{j, math.Abs(e)})
		}
	}
	slices.SortStableFunc(all, func(a, b judged) int { return cmp.Compare(b.size, a.size) })
	out := make([]*reports.Joined, min(n, len(all)))
	for i := range out {
		out[i] = all[i].row
	}
	return out
}

func flagged(j *reports.Joined) string {
	if f := flags(&j.Row.Measurement); f != "" {
		return " [" + f + "]"
	}
	return ""
}

// stack is the terms that add up to the predicted time, the longest first, and
// those that hide behind them: where a rule takes the longest of several, the
// others cost nothing of their own. What no term explains is "other".
func stack(p *datasets.Prediction) (parts, behind []datasets.Term) {
	terms := slices.Clone(p.Terms)
	slices.SortStableFunc(terms, func(a, b datasets.Term) int { return cmp.Compare(b.Seconds, a.Seconds) })
	left := p.Seconds
	for _, t := range terms {
		switch {
		case t.Seconds < 1e-4*p.Seconds:
			// Nothing that a reader would see.
		case t.Seconds <= left*(1+1e-9) || len(parts) == 0:
			t.Seconds = min(t.Seconds, p.Seconds)
			parts = append(parts, t)
			left -= t.Seconds
		default:
			behind = append(behind, t)
		}
	}
	if left > 0.005*p.Seconds {
		parts = append(parts, datasets.Term{Name: "other", Seconds: left})
	}
	return parts, behind
}

// termInks gives a term the same ink in every bar.
func termInk(name string) figure.Ink {
	for i, n := range []string{"compute", "memory", "cache", "communication", "latency", "launch", "imbalance", "tile_padding"} {
		if n == name || i < 4 && strings.HasSuffix(name, "_"+n) {
			return figure.Series(i)
		}
	}
	return figure.Series(8)
}

const barWidth, barHeight = 220.0, 16.0

// bar draws predicted terms against the measured time: the longer of both has
// the whole width.
func bar(parts []datasets.Term, predicted, measured float64) string {
	scale := (barWidth - 2) / max(predicted, measured)
	var s strings.Builder
	fmt.Fprintf(&s, `<svg class="bar" viewBox="0 0 %g %g" role="img" aria-label="predicted %s of the measured time">`, barWidth, barHeight, reports.Percent(predicted/measured))
	x := 0.0
	for _, t := range parts {
		w := t.Seconds * scale
		fmt.Fprintf(&s, `<rect class="f-%s" x="%.1f" y="2" width="%.1f" height="12"><title>%s %s</title></rect>`, termInk(t.Name), x, max(w-0.6, 0.4),
			template.HTMLEscapeString(reports.Clean(t.Name)), reports.Seconds(t.Seconds))
		x += w
	}
	if predicted < measured {
		fmt.Fprintf(&s, `<rect class="missing" x="%.1f" y="2" width="%.1f" height="12"><title>not explained %s</title></rect>`, x, measured*scale-x, reports.Seconds(measured-predicted))
	}
	m := measured * scale
	fmt.Fprintf(&s, `<path class="s-text" stroke-width="2" d="M%.1f 0V16"/></svg>`, m)
	return s.String()
}

func inWords(parts, behind []datasets.Term, predicted, measured float64) string {
	var words []string
	for _, t := range parts {
		words = append(words, strings.ReplaceAll(t.Name, "_", " ")+" "+reports.Seconds(t.Seconds))
	}
	s := strings.Join(words, " + ")
	if len(behind) > 0 {
		words = nil
		for _, t := range behind {
			words = append(words, strings.ReplaceAll(t.Name, "_", " ")+" "+reports.Seconds(t.Seconds))
		}
		s += "; hidden behind them " + strings.Join(words, ", ")
	}
	if predicted < measured {
		s += "; not explained " + reports.Seconds(measured-predicted)
	} else {
		s += "; " + reports.Seconds(predicted-measured) + " too much"
	}
	return s
}
