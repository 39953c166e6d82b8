package html

import (
	"cmp"
	"fmt"
	"slices"

	"bench/datasets"
	"bench/reports"
	"bench/reports/figure"
)

// maxFamilies is how many shapes of one suite are drawn.
const maxFamilies = 2

// step is a decode step: its family is its shape but for batch and context.
func step(w datasets.Workload) (family string, batch, context int64, ok bool) {
	switch w := w.(type) {
	case datasets.DecodeLayer:
		family := fmt.Sprintf("a layer of %s %s, tp %d", w.Model, w.Type, w.TP)
		if w.Cache == datasets.Hot {
			family += " hot"
		}
		if w.Launch != "" {
			family += " " + w.Launch
		}
		if w.Ranks > 1 {
			family += fmt.Sprintf(" ×%d", w.Ranks)
		}
		return reports.Clean(family), w.Batch, w.ContextTokens, true
	case datasets.Attention:
		if w.QueryTokens > 1 {
			return "", 0, 0, false
		}
		kv := ""
		if w.KVType != "" && w.KVType != w.Type {
			kv = " kv " + string(w.KVType)
		}
		return fmt.Sprintf("attention %s h%d/%d×%d%s", w.Type, w.Heads, w.KVHeads, w.HeadDim, kv), w.Batch, w.ContextTokens, true
	}
	return "", 0, 0, false
}

// families are up to n shapes, those that most subjects have and then those with
// most rows; a subject that has none of them adds its own.
func (b *builder) families(of func(w datasets.Workload) (string, bool), n int) []string {
	subjects, rows := map[string]int{}, map[string]int{}
	has := make([]map[string]bool, len(b.shown()))
	for i := range b.shown() {
		seen := map[string]bool{}
		has[i] = seen
		for _, j := range usable(b.subjects[i].Rows) {
			if f, ok := of(j.Row.Workload); ok {
				rows[f]++
				if !seen[f] {
					seen[f] = true
					subjects[f]++
				}
			}
		}
	}
	all := slices.SortedFunc(slices.Values(sortedKeys(rows)), func(a, b string) int {
		return cmp.Or(subjects[b]-subjects[a], rows[b]-rows[a], cmp.Compare(a, b))
	})
	out := slices.Clone(all[:min(n, len(all))])
	for _, own := range has {
		mine := func(f string) bool { return own[f] }
		if len(own) > 0 && !slices.ContainsFunc(out, mine) {
			out = append(out, all[slices.IndexFunc(all, mine)])
		}
	}
	return out
}

// decode is tokens a second and time a step over batch, by context, and the
// front of one over the other.
func (b *builder) decode() []figureView {
	batch := figure.Axis{Label: "batch, sequences", Log: 2, Format: plain}
	tokens := figure.Axis{Label: "tokens/s", Log: 10, Format: perSecond}
	step1 := figure.Axis{Label: "time a step", Log: 10, Format: seconds}
	rate := figure.Figure{ID: "tokens-plot", Title: "Decode: tokens a second over batch", X: batch, Y: tokens, Note: b.more(),
		Caption: "Of one layer, or of its attention kernel alone: a model's step is as many layers, one after another."}
	times := figure.Figure{ID: "step-plot", Title: "Decode: time a step over batch", X: batch, Y: step1, Note: b.more(),
		Caption: "Flat where weights are read for few sequences, rising where the KV cache or arithmetic takes over."}
	front := figure.Figure{ID: "front-plot", Title: "Decode: throughput against latency", X: step1, Y: tokens, Note: b.more(),
		Caption: "Each dot is a batch; the line is the front, which leaves out batches that another beats in both tokens a second and time a step."}
	families := b.families(func(w datasets.Workload) (string, bool) { f, _, _, ok := step(w); return f, ok }, maxFamilies)
	var ratePanels, timePanels, frontPanels []*curvePanel
	for _, family := range families {
		for i := range b.shown() {
			s := &b.subjects[i]
			title := s.Name + ", " + family
			r, t, f := &curvePanel{title: title}, &curvePanel{title: title}, &curvePanel{title: title}
			contexts := map[int64]int{}
			for _, j := range usable(s.Rows) {
				if of, _, context, ok := step(j.Row.Workload); ok && of == family {
					contexts[context]++
				}
			}
			keep := spreadOut(sortedKeys(contexts), maxCurves-2)
			for _, j := range usable(s.Rows) {
				of, n, context, ok := step(j.Row.Workload)
				if !ok || of != family || !slices.Contains(keep, context) {
					continue
				}
				name, time, said := fmt.Sprintf("context %d", context), j.Row.Measurement.TimeS, b.predictedTime(j)
				r.add(name, curvePoint{x: float64(n), y: float64(n) / time, predicted: over(float64(n), said), row: j})
				t.add(name, curvePoint{x: float64(n), y: time, predicted: said, row: j})
				f.add(name, curvePoint{x: time, y: float64(n) / time, row: j})
			}
			if len(keep) < len(contexts) {
				r.title += fmt.Sprintf(" (%d of %d contexts)", len(keep), len(contexts))
				t.title, f.title = r.title, r.title
			}
			ratePanels, timePanels, frontPanels = append(ratePanels, r), append(timePanels, t), append(frontPanels, f)
		}
	}
	out := b.curves(rate, ratePanels, curvesOptions{})
	out = append(out, b.curves(times, timePanels, curvesOptions{})...)
	return append(out, b.curves(front, frontPanels, curvesOptions{front: true})...)
}

// spreadOut picks up to n of the values, the first and last among them.
func spreadOut(values []int64, n int) []int64 {
	if len(values) <= n {
		return values
	}
	var out []int64
	for i := range n {
		out = append(out, values[i*(len(values)-1)/(n-1)])
	}
	return out
}
