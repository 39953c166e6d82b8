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

// condition is something recorded beside each case.
type condition struct {
	id, title, label string
	of               func(*datasets.Conditions) float64
	format           func(float64) string
}

var conditions = []condition{
	{"clock", "Clock", "clock", func(c *datasets.Conditions) float64 { return c.ClockHz }, func(v float64) string { return trim(reports.PerSecond(v) + "Hz") }},
	{"power", "Power", "W", func(c *datasets.Conditions) float64 { return c.PowerWatt }, plain},
	{"temperature", "Temperature", "°C", func(c *datasets.Conditions) float64 { return c.TemperatureC }, plain},
	{"sentinel", "Sentinel (a fixed piece of work between cases)", "time / at the start", func(c *datasets.Conditions) float64 { return c.SentinelRatio }, plain},
	{"steal", "CPU time taken by other guests", "share", func(c *datasets.Conditions) float64 { return c.StealRatio }, plain},
	{"others", "CPU time of other processes", "share", func(c *datasets.Conditions) float64 { return c.OtherCPURatio }, plain},
}

// maxConditionPoints keeps a long run's lines light.
const maxConditionPoints = 2000

// conditions draws what was recorded beside the cases over the time of the run;
// stretches of throttled and otherwise flagged cases are shaded.
func (b *builder) conditions() []figureView {
	var out []figureView
	for _, q := range conditions {
		f := figure.Figure{ID: "condition-" + q.id, Title: q.title, Caption: "Recorded beside each case, over the time since the run began. Shaded: cases that were flagged, throttled ones stronger.",
			X: figure.Axis{Label: "minutes", Format: plain}, Y: figure.Axis{Label: q.label, Format: q.format}, Height: 190, Note: b.more()}
		data := &grid{Caption: q.title, Head: []column{{"device or run", false}, {"minutes", true}, {q.label, true}, {"workload", false}, {"flags", false}}}
		for i := range b.shown() {
			s := &b.subjects[i]
			rows := slices.DeleteFunc(slices.Clone(s.Rows), func(j *reports.Joined) bool {
				return j.Row.Measurement.Conditions.StartUnixNS == 0 || !j.Row.Measurement.Usable()
			})
			if len(rows) < 2 || !slices.ContainsFunc(rows, func(j *reports.Joined) bool { return q.of(&j.Row.Measurement.Conditions) != 0 }) {
				continue
			}
			slices.SortStableFunc(rows, func(a, b *reports.Joined) int {
				return cmp.Compare(a.Row.Measurement.Conditions.StartUnixNS, b.Row.Measurement.Conditions.StartUnixNS)
			})
			start := rows[0].Row.Measurement.Conditions.StartUnixNS
			minutes := func(j *reports.Joined) float64 {
				return float64(j.Row.Measurement.Conditions.StartUnixNS-start) / 60e9
			}
			line := figure.Line{Ink: figure.Series(0), Width: 1}
			dots := figure.Dots{Ink: figure.Series(0), Size: 3.5}
			stride := 1 + len(rows)/maxConditionPoints
			var shades []figure.Mark
			for k := 0; k < len(rows); k += stride {
				j := rows[k]
				c := &j.Row.Measurement.Conditions
				v := q.of(c)
				if v == 0 && (q.id == "clock" || q.id == "power" || q.id == "temperature" || q.id == "sentinel") {
					continue // not available
				}
				x := minutes(j)
				says := fmt.Sprintf("%s %s at %.2f min, %s", q.title, q.format(v), x, reports.Label(j.Row.Workload))
				if len(j.Row.Measurement.Flags) > 0 {
					says += " [" + flags(&j.Row.Measurement) + "]"
				}
				line.Points = append(line.Points, figure.Point{X: x, Y: v})
				dots.Points = append(dots.Points, figure.Point{X: x, Y: v, Row: -1, Text: says})
				if len(data.Rows) < maxDataRows {
					data.Rows = append(data.Rows, []cell{text(s.Name), number(fmt.Sprintf("%.2f", x), x), number(q.format(v), v), text(reports.Label(j.Row.Workload)), text(flags(&j.Row.Measurement))})
				}
			}
			for k, j := range rows {
				if len(j.Row.Measurement.Flags) == 0 {
					continue
				}
				until := minutes(j) + 0.02
				if k+1 < len(rows) {
					until = minutes(rows[k+1])
				}
				shade := figure.Area{Ink: figure.Series(5), LowX: minutes(j), HighX: until, LowY: math.Inf(-1), HighY: math.Inf(1), Opacity: 0.12}
				if slices.Contains(j.Row.Measurement.Flags, datasets.FlagThrottled) || len(j.Row.Measurement.Conditions.ThrottleReasons) > 0 {
					shade.Ink, shade.Opacity = figure.Series(4), 0.3
				}
				// Neighbours with the same shade are one rectangle.
				if n := len(shades); n > 0 {
					if last := shades[n-1].(figure.Area); last.Ink == shade.Ink && last.HighX == shade.LowX {
						last.HighX = shade.HighX
						shades[n-1] = last
						continue
					}
				}
				shades = append(shades, shade)
			}
			f.Panels = append(f.Panels, figure.Panel{Title: s.Name, Marks: append(shades, line, dots)})
		}
		if len(f.Panels) > 0 {
			f.Legend = []figure.Key{{Ink: figure.Series(5), Name: "flagged", Square: true, Pale: true}, {Ink: figure.Series(4), Name: "throttled", Square: true, Pale: true}}
			out = append(out, view(f, data))
		}
	}
	return out
}

// sampleRows is of how many cases a device's samples are drawn.
const sampleRows = 15

// samples draws the samples of the cases with the widest intervals.
func (b *builder) samples() []*grid {
	var out []*grid
	for i := range b.shown() {
		s := &b.subjects[i]
		var rows []*reports.Joined
		total := 0
		for _, j := range s.Rows {
			if m := &j.Row.Measurement; m.Usable() && len(m.SamplesS) > 1 && m.HighS >= m.LowS {
				rows = append(rows, j)
				total++
			}
		}
		if len(rows) == 0 {
			continue
		}
		width := func(j *reports.Joined) float64 {
			m := &j.Row.Measurement
			return (m.HighS - m.LowS) / m.TimeS
		}
		slices.SortStableFunc(rows, func(a, b *reports.Joined) int { return cmp.Compare(width(b), width(a)) })
		rows = rows[:min(len(rows), sampleRows)]
		g := &grid{Caption: fmt.Sprintf("Samples of %s: the %d cases of %s with the widest intervals. Each tick is a sample, from half to twice the median (arrows: beyond); the box is the confidence interval of the median.", s.Name, len(rows), reports.Count(total)),
			Head: []column{{"workload", false}, {"median", true}, {"samples", true}, {"samples, from ½ to 2 × the median", false}, {"stopped by", false}, {"flags", false}}}
		for _, j := range rows {
			m := &j.Row.Measurement
			g.Rows = append(g.Rows, []cell{text(reports.Label(j.Row.Workload)), number(reports.Interval(m), m.TimeS), number(reports.Count(len(m.SamplesS)), float64(len(m.SamplesS))),
				{HTML: template.HTML(strip(m)), Value: fmt.Sprintf("%.6g", width(j))}, text(m.Stop), text(flags(m))})
		}
		out = append(out, g)
	}
	return out
}

// maxTicks is how many samples of a case are drawn.
const maxTicks = 200

// strip draws samples over the median on a logarithmic scale from 1/2 to 2.
func strip(m *datasets.Measurement) string {
	place := func(v float64) float64 {
		return barWidth / 2 * (1 + min(1, max(-1, math.Log2(v/m.TimeS))))
	}
	var s, ticks strings.Builder
	fmt.Fprintf(&s, `<svg class="bar" viewBox="0 0 %g %g" role="img" aria-label="%s samples from %s to %s, median %s">`, barWidth, barHeight, reports.Count(len(m.SamplesS)),
		reports.Seconds(slices.Min(m.SamplesS)), reports.Seconds(slices.Max(m.SamplesS)), reports.Seconds(m.TimeS))
	if m.LowS > 0 && m.HighS > 0 {
		fmt.Fprintf(&s, `<rect class="f-c0" opacity=".35" x="%.1f" y="1" width="%.1f" height="14"/>`, place(m.LowS), max(place(m.HighS)-place(m.LowS), 1))
	}
	stride := 1 + len(m.SamplesS)/maxTicks
	for i := 0; i < len(m.SamplesS); i += stride {
		if v := m.SamplesS[i]; v > 0 {
			fmt.Fprintf(&ticks, "M%.1f 4V12", place(v))
		}
	}
	fmt.Fprintf(&s, `<path class="s-text" stroke-width="0.7" opacity=".8" d="%s"/>`, ticks.String())
	for _, v := range []float64{slices.Min(m.SamplesS), slices.Max(m.SamplesS)} {
		if v > 2*m.TimeS {
			fmt.Fprintf(&s, `<path class="f-c4" d="M%g 3L%g 8L%g 13Z"/>`, barWidth-6, barWidth, barWidth-6)
		} else if v < m.TimeS/2 {
			s.WriteString(`<path class="f-c4" d="M6 3L0 8L6 13Z"/>`)
		}
	}
	fmt.Fprintf(&s, `<path class="s-c0" stroke-width="2" d="M%g 0V16"/></svg>`, barWidth/2)
	return s.String()
}
