package datasets

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var errNoWorkload = errors.New("a row has no workload")

// record is one row laid out flat, one field a column of the Parquet form. The
// measurement is the row's own; derived figures are written for those who
// query the file and never read back.
type record struct {
	cells
	runID     string
	key       string
	suite     string
	row       *Row
	flop      float64
	bytes     float64
	wireBytes float64
	intensity float64
	rates     Rates
	imbalance float64
	tiers     [4]flatPrediction
	checked   bool
}

// flatPrediction is one tier's prediction, its terms as parallel lists.
type flatPrediction struct {
	present      bool
	predicted    bool
	seconds      float64
	low, high    float64
	machine      string
	stack        string
	err          float64
	binds, rule  string
	notPredicted string
	names        []string
	terms        []float64
}

// flatten fills the record from a row. A prediction of an unknown tier, or a
// second one of the same, is the program's own mistake and is reported.
func (c *record) flatten(r *Row, runID string) error {
	w := r.Workload
	if w == nil {
		return errNoWorkload
	}
	last := c.tiers // its lists are used again
	// Cleared in place: a literal would be built elsewhere and copied.
	*c = record{}
	c.row, c.runID, c.key = r, runID, w.Key()
	c.suite = string(w.Suite())
	w.cells(&c.cells)
	c.flop, c.bytes, c.wireBytes = w.FLOPs(), w.Bytes(), w.WireBytes()
	c.intensity = intensity(c.flop, c.bytes)
	c.checked = r.Measurement.Checked > 0
	c.rates, c.imbalance = r.Rates(), r.Measurement.Imbalance()
	for _, p := range r.Predictions {
		i := slices.Index(Tiers, p.Tier)
		if i < 0 || c.tiers[i].present {
			return fmt.Errorf("%s: predicted twice at tier %q, or by an unknown tier", c.key, p.Tier)
		}
		f := &c.tiers[i]
		*f = flatPrediction{present: true, predicted: p.NotPredicted == "", seconds: p.Seconds,
			low: p.LowS, high: p.HighS, machine: p.Machine, stack: p.Stack,
			binds: p.Binds, rule: p.Rule, notPredicted: p.NotPredicted, names: last[i].names[:0], terms: last[i].terms[:0]}
		for _, t := range p.Terms {
			f.names, f.terms = append(f.names, t.Name), append(f.terms, t.Seconds)
		}
		if f.predicted && r.Measurement.Usable() {
			f.err = p.Error(r.Measurement.TimeS)
		}
	}
	return nil
}

// restore rebuilds what flatten took apart. Where the workload's columns were
// not read, the row has no workload.
func (c *record) restore() error {
	if c.suite != "" && c.texts[0] != "" {
		w, err := c.cells.workload(Suite(c.suite))
		if err != nil {
			return err
		}
		c.row.Workload = w
	}
	// Before rows carried their stack, a kernel table's library stood here.
	m := &c.row.Measurement
	if library, _, old := strings.Cut(m.Origin.ToolVersion, " "); old && m.Origin.Tool == "aiconfigurator" {
		m.Stack.Library, m.Stack.KernelSource, m.Origin.ToolVersion = strings.ToLower(library), m.Stack.Library, ""
	}
	for i := range c.tiers {
		f := &c.tiers[i]
		if !f.predicted && f.notPredicted == "" {
			continue
		}
		p := Prediction{Tier: Tiers[i], Seconds: f.seconds, LowS: f.low, HighS: f.high, Machine: f.machine, Stack: f.stack,
			Binds: f.binds, Rule: f.rule, NotPredicted: f.notPredicted}
		for j, name := range f.names {
			if j < len(f.terms) {
				p.Terms = append(p.Terms, Term{Name: name, Seconds: f.terms[j]})
			}
		}
		c.row.Predictions = append(c.row.Predictions, p)
	}
	return nil
}
