package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"bench/datasets"

	"github.com/jedib0t/go-pretty/v6/table"
)

// worstRows is how many rows a validation spells out, and suspectRows how many
// suspects it lists.
const worstRows, suspectRows = 20, 40

// ValidationMarkdown writes docs/validation.md.
func ValidationMarkdown(w io.Writer, v *Validation) error {
	out := &sink{w: w}
	out.printf("# Validation\n\nWritten by `make validate` from the recorded measurements in `../shared/data`. Error is predicted / measured − 1. All figures are\nof the **test** half (a hash of the workload's key), which no fit has seen. The rows of a table are the same for every\ncolumn: those that the calibrated tier predicts.\n\n")
	for _, run := range v.Report.Runs {
		for _, n := range run.Meta.Notes {
			out.printf("- %s\n", EscapeMarkdown(n))
		}
	}
	out.printf("\n## By operation and data type\n\nMAPE, with the median and the 90th percentile of |error|. “%s” has three parameters, fitted on the fit half with the same\nloss for each line (of a collective, for each number of ranks and nodes and way to launch as well).\n\n", Baseline3Tier)
	v.comparison(out, v.Groups, func(g Group) bool { return g.Op != All && g.DType != All && g.Regime == All })
	out.printf("Without the suspect rows listed below:\n\n")
	v.comparison(out, v.Unsuspected, func(g Group) bool { return g.Op != All && g.DType != All && g.Regime == All })
	out.printf("## By suite\n\n")
	v.comparison(out, v.Groups, func(g Group) bool { return g.Op == All && g.DType == All && g.Regime == All })
	v.crossFit(out)
	out.printf("## By regime\n\nThe regime is the device's and the workload's alone (predict.Regimes).\n\n")
	v.comparison(out, v.Groups, func(g Group) bool { return g.Op != All && g.DType != All && g.Regime != All })
	v.worst(out)
	markdownReasons(out, "Not predicted (rows of both halves)", v.Report.NotPredicted, -1)
	v.suspects(out)
	v.parameters(out)
	return out.err
}

// comparison is a table with a line for each group and a column for each tier.
func (v *Validation) comparison(out *sink, groups []Group, of func(Group) bool) {
	type id struct{ tool, device, stack, suite, op, dtype, regime string }
	figures := map[id]map[string]Group{}
	var order []id
	for _, g := range groups {
		if g.Stack == All || !of(g) {
			continue
		}
		k := id{g.Tool, g.Device, g.Stack, g.Suite, g.Op, g.DType, g.Regime}
		if figures[k] == nil {
			figures[k] = map[string]Group{}
			order = append(order, k)
		}
		figures[k][g.Tier] = g
	}
	t := table.NewWriter()
	head := table.Row{"source", "device", "stack", "suite", "op", "dtype", "regime", "n"}
	for _, tier := range v.Tiers {
		head = append(head, string(tier))
	}
	t.AppendHeader(append(head, "bias of calibrated"))
	for _, k := range order {
		n, bias := 0, "–"
		row := table.Row{EscapeMarkdown(k.tool), EscapeMarkdown(k.device), EscapeMarkdown(k.stack), k.suite, EscapeMarkdown(k.op), k.dtype, k.regime, ""}
		for _, tier := range v.Tiers {
			g, ok := figures[k][string(tier)]
			if !ok {
				row = append(row, "–")
				continue
			}
			n = max(n, g.N)
			cell := fmt.Sprintf("%s (%s, %s)", Percent(g.MAPE), Percent(g.MedianAPE), Percent(g.P90APE))
			if tier == datasets.TierCalibrated {
				cell = "**" + Percent(g.MAPE) + "**" + strings.TrimPrefix(cell, Percent(g.MAPE))
				bias = SignedPercent(g.Bias)
			}
			row = append(row, cell)
		}
		row[7] = Count(n)
		t.AppendRow(append(row, bias))
	}
	markdownTable(out, t)
}

func (v *Validation) crossFit(out *sink) {
	out.printf("## Across devices and shapes\n\nThe transferred tier of the tables above is the other device's calibration with this device's datasheet:\nA100 is predicted from H100's parameters and H100 from A100's, though their architectures differ.\n\n")
	if len(v.Families) == 0 {
		return
	}
	out.printf("Hopper, by shape families: the products' parameters fitted on every other n (ascending), judged on the other n, beside\nthe calibrated tier on the same rows.\n\n")
	t := table.NewWriter()
	t.AppendHeader(table.Row{"device", "model", "n fitted", "n judged", "rows", "MAPE (median, p90)", "calibrated on all n"})
	cell := func(f Figure) string {
		return fmt.Sprintf("%s (%s, %s)", Percent(f.MAPE), Percent(f.MedianAPE), Percent(f.P90APE))
	}
	for _, f := range v.Families {
		t.AppendRow(table.Row{EscapeMarkdown(f.Device), f.Model, f.FitN, f.TestN, Count(f.Across.N), cell(f.Across), cell(f.Within)})
	}
	markdownTable(out, t)
}

// worst spells out the rows on which the calibrated tier errs most, with their
// terms.
func (v *Validation) worst(out *sink) {
	for t, tier := range v.Tiers {
		if tier != datasets.TierCalibrated {
			continue
		}
		out.printf("## The worst %d rows of the calibrated tier\n\n", worstRows)
		worst := worstOf(v.Report.Rows, t, worstRows)
		if len(worst) == 0 {
			out.printf("That tier predicts none.\n\n")
			return
		}
		tab := table.NewWriter()
		tab.AppendHeader(table.Row{"device", "workload", "measured", "predicted", "error", "terms"})
		for _, j := range worst {
			e, _ := j.Error(t)
			p := &j.Predictions[t]
			tab.AppendRow(table.Row{EscapeMarkdown(j.Row.DeviceID), EscapeMarkdown(j.Key), Seconds(j.Row.Measurement.TimeS),
				Seconds(p.Seconds), SignedPercent(e), termList(p)})
		}
		markdownTable(out, tab)
	}
}

// termList is a prediction's terms on one line, the binding one in bold.
func termList(p *datasets.Prediction) string {
	parts := make([]string, len(p.Terms))
	for i, t := range p.Terms {
		parts[i] = EscapeMarkdown(t.Name) + " " + Seconds(t.Seconds)
		if t.Name == p.Binds {
			parts[i] = "**" + parts[i] + "**"
		}
	}
	return strings.Join(parts, ", ")
}

func (v *Validation) suspects(out *sink) {
	out.printf("## Suspect rows\n\nRows that contradict the next row of their sweep (equal but for m, tokens, batch or message size): they take more than\n%g × what growth in proportion would take, or more than %g × the time of the next larger size. They stay in all\nfigures but those “without the suspect rows”. %s rows; the first %d:\n\n",
		SuspectRatio, SuspectRatio, Count(len(v.Suspects)), min(suspectRows, len(v.Suspects)))
	if len(v.Suspects) == 0 {
		return
	}
	t := table.NewWriter()
	t.AppendHeader(table.Row{"device", "tool", "workload", "measured", "why"})
	for i, s := range v.Suspects {
		if i == suspectRows {
			break
		}
		t.AppendRow(table.Row{EscapeMarkdown(s.Row.Row.DeviceID), EscapeMarkdown(s.Row.Row.Measurement.Origin.Tool),
			EscapeMarkdown(s.Row.Key), Seconds(s.Row.Row.Measurement.TimeS), s.Why})
	}
	markdownTable(out, t)
}

func (v *Validation) parameters(out *sink) {
	out.printf("## Parameters\n\n")
	for _, c := range v.Calibrations {
		out.printf("### %s\n\nFitted to %s.\n\n", EscapeMarkdown(c.Device), EscapeMarkdown(c.Source))
		t := table.NewWriter()
		t.AppendHeader(table.Row{"of", "parameter", "value", "95 % interval", "unit", "determined", "at edge", "held"})
		for _, p := range c.Machine {
			t.AppendRow(table.Row{"machine", EscapeMarkdown(p.Name), compact(p.Value), "", p.Unit, "", "", ""})
		}
		for _, s := range c.Stacks {
			for _, l := range s.Laws {
				for _, p := range l.Parameters {
					t.AppendRow(table.Row{EscapeMarkdown(s.Library + " " + s.Version + " " + l.Law + " " + l.Variant.String()), EscapeMarkdown(p.Name), compact(p.Value),
						compact(p.Low) + " … " + compact(p.High), EscapeMarkdown(p.Unit), yesNo(p.Determined), yesNo(p.AtEdge), yesNo(p.Held)})
				}
			}
		}
		markdownTable(out, t)
	}
}

// compact writes a parameter's value, whatever its unit, in three digits.
func compact(v float64) string { return fmt.Sprintf("%.3g", v) }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// ValidationJSON writes docs/validation.json. The groups without suspects are
// those over all regimes.
func ValidationJSON(w io.Writer, v *Validation) error {
	type row struct {
		Key       string  `json:"key"`
		Device    string  `json:"device"`
		Tool      string  `json:"tool"`
		MeasuredS float64 `json:"measured_s"`
		datasets.Prediction
		Error float64 `json:"error"`
		Why   string  `json:"why,omitempty"`
	}
	doc := struct {
		Schema       string                 `json:"schema"`
		Groups       []Group                `json:"groups"`
		Unsuspected  []Group                `json:"groups_without_suspects"`
		NotPredicted []Reason               `json:"not_predicted"`
		Worst        []row                  `json:"worst"`
		Suspects     []row                  `json:"suspects"`
		Families     []Family               `json:"shape_families"`
		Calibrations []datasets.Calibration `json:"calibrations"`
	}{Schema: "bench.validation/1", Groups: NonNil(v.Groups), Unsuspected: NonNil(v.Unsuspected),
		NotPredicted: NonNil(v.Report.NotPredicted), Families: NonNil(v.Families), Calibrations: NonNil(v.Calibrations),
		Worst: []row{}, Suspects: []row{}}
	for t, tier := range v.Tiers {
		if tier != datasets.TierCalibrated {
			continue
		}
		for _, j := range worstOf(v.Report.Rows, t, worstRows) {
			e, _ := j.Error(t)
			doc.Worst = append(doc.Worst, row{Key: j.Key, Device: j.Row.DeviceID, Tool: j.Row.Measurement.Origin.Tool,
				MeasuredS: j.Row.Measurement.TimeS, Prediction: j.Predictions[t], Error: e})
		}
	}
	for _, s := range v.Suspects {
		doc.Suspects = append(doc.Suspects, row{Key: s.Row.Key, Device: s.Row.Row.DeviceID, Tool: s.Row.Row.Measurement.Origin.Tool,
			MeasuredS: s.Row.Row.Measurement.TimeS, Why: s.Why})
	}
	doc.Unsuspected = slices.DeleteFunc(slices.Clone(doc.Unsuspected), func(g Group) bool { return g.Regime != All })
	return json.NewEncoder(w).Encode(doc)
}
