package reports

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"bench/datasets"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

func stackName(s datasets.StackFit) string {
	return cmp.Or(strings.TrimSpace(s.Library+" "+s.Version), "unknown library")
}

// Calibration writes how well a calibration describes the data, then its
// parameters and facts, for a terminal of that many columns.
func Calibration(w io.Writer, c *datasets.Calibration, width int) error {
	out := &sink{w: w}
	v := textView{out: out, width: max(width, 60)}
	v.line(Clean("calibration of " + c.Device + ", fitted to " + c.Source))
	out.printf("\n")
	t := v.plain()
	t.AppendHeader(table.Row{"stack", "law", "of", "fit", "MAPE", "test", "MAPE", "p90"})
	for _, s := range c.Stacks {
		for _, l := range s.Laws {
			test := Count(l.TestN)
			if l.TestN == 0 {
				test = "cross"
			}
			t.AppendRow(table.Row{Clean(stackName(s)), Clean(l.Law), Clean(l.Variant.String()), Count(l.FitN), Percent(l.FitMAPE),
				test, Percent(l.TestMAPE), Percent(l.TestP90)})
		}
	}
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 1, WidthMax: 14, WidthMaxEnforcer: text.WrapSoft}, {Number: 2, WidthMax: 10, WidthMaxEnforcer: text.WrapHard},
		{Number: 3, WidthMax: 16, WidthMaxEnforcer: text.WrapHard}})
	v.render(t)
	for _, l := range c.LeftOut {
		v.line("left out: " + Clean(l))
	}
	var doubts []string
	list := func(title string, parameters []datasets.Parameter, facts map[string]string) {
		out.printf("\n")
		v.line(Clean(title))
		t := v.plain()
		t.AppendHeader(table.Row{"parameter", "value", "95 % interval", "unit", ""})
		for _, p := range parameters {
			interval, note := compact(p.Low)+"…"+compact(p.High), ""
			switch {
			case p.Low == 0 && p.High == 0:
				interval = ""
			case p.Held:
				note = "held"
			case !p.Determined:
				note = "undetermined"
			}
			if p.AtEdge {
				note = strings.TrimSpace(note + " at edge")
			}
			if note != "" && !p.Held {
				doubts = append(doubts, title+" "+p.Name+": "+note)
			}
			t.AppendRow(table.Row{Clean(p.Name), compact(p.Value), interval, Clean(p.Unit), note})
		}
		v.render(t)
		for _, name := range slices.Sorted(slices.Values(sortedKeys(facts))) {
			v.line(Clean("  " + name + ": " + facts[name]))
		}
	}
	if len(c.Machine) > 0 {
		list("machine", c.Machine, nil)
	}
	for _, s := range c.Stacks {
		for _, l := range s.Laws {
			list(fmt.Sprintf("%s %s", stackName(s), strings.TrimSpace(l.Law+" "+l.Variant.String())), l.Parameters, l.Facts)
		}
	}
	if len(doubts) > 0 {
		out.printf("\n")
		for _, d := range doubts {
			v.line("warning: " + Clean(d))
		}
	}
	return out.err
}
