package reports

import (
	"fmt"
	"io"
	"strings"

	"bench/datasets"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Calibration writes a calibration's parameters and how well they describe the
// data, for a terminal of that many columns.
func Calibration(w io.Writer, c *datasets.Calibration, width int) error {
	out := &sink{w: w}
	v := textView{out: out, width: max(width, 60)}
	v.line(Clean("calibration of " + c.Device + ", fitted to " + c.Source))
	var doubts []string
	for _, model := range sortedKeys(c.Models) {
		f := c.Fits[model]
		out.printf("\n")
		v.line(fmt.Sprintf("%s: fit half MAPE %s of %s rows; test half MAPE %s, p90 %s, of %s rows", Clean(model),
			Percent(f.FitMAPE), Count(f.FitN), Percent(f.TestMAPE), Percent(f.TestP90), Count(f.TestN)))
		t := v.plain()
		t.AppendHeader(table.Row{"parameter", "value", "95 % interval", "range", "unit", ""})
		for _, p := range c.Models[model] {
			doubt := ""
			if !p.Determined {
				doubt = "undetermined"
				doubts = append(doubts, model+" "+p.Name+" is not determined by the data")
			}
			if p.AtEdge {
				doubt = strings.TrimPrefix(doubt+"\nat edge", "\n")
				doubts = append(doubts, model+" "+p.Name+" lies at the edge of its range")
			}
			t.AppendRow(table.Row{Clean(p.Name), compact(p.Value), compact(p.Low) + "…" + compact(p.High),
				compact(p.Min) + "…" + compact(p.Max), Clean(p.Unit), doubt})
		}
		t.SetColumnConfigs([]table.ColumnConfig{
			{Number: 1, WidthMax: 22, WidthMaxEnforcer: text.WrapHard},
		})
		v.render(t)
	}
	if len(doubts) > 0 {
		out.printf("\n")
		for _, d := range doubts {
			v.line("warning: " + Clean(d))
		}
	}
	return out.err
}
