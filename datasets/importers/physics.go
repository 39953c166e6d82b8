package importers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"bench/datasets"
)

// limit names one peak of one device for one kind of row.
type limit struct {
	device, op, bound string
}

// excess is how often a limit was passed, of how many rows that it applies to.
type excess struct {
	beaten, rows int
	// ratio is the worst row's rate over the peak.
	ratio float64
	worst datasets.ImportOrigin
	key   string
}

// peaks holds rows against their device's datasheet as they come.
type peaks struct {
	byLimit map[limit]*excess
}

// see holds one row against the peaks that its device is known to have, and
// flags it where it beats one.
func (p *peaks) see(d *datasets.Device, row *datasets.Row) {
	w, t := row.Workload, row.Measurement.TimeS
	if _, whole := w.(datasets.ModelPass); whole {
		return // what a pass of an unknown model must move is not known
	}
	for _, l := range d.Limits(w) {
		if l.Missing == "" && l.Amount > l.Spared {
			p.hold(d, row, l, l.Share(t))
		}
	}
}

func (p *peaks) hold(d *datasets.Device, row *datasets.Row, l datasets.Limit, ratio float64) {
	at := limit{d.ID, string(row.Workload.Suite()) + "/" + row.Workload.Op() + " " + string(row.Workload.DType()), l.Name}
	e := p.byLimit[at]
	if e == nil {
		if p.byLimit == nil {
			p.byLimit = map[limit]*excess{}
		}
		e = &excess{}
		p.byLimit[at] = e
	}
	e.rows++
	if ratio > l.Tolerance {
		e.beaten++
		if row.Measurement.Verdict == datasets.OK {
			row.Measurement.Verdict = datasets.Flagged
		}
		row.Measurement.Flags = []string{datasets.FlagImplausible}
	}
	if ratio > e.ratio {
		e.ratio, e.worst = ratio, row.Measurement.Origin
		if ratio > l.Tolerance {
			e.key = row.Workload.Key()
		}
	}
}

func (p *peaks) merge(o *peaks) {
	for at, e := range o.byLimit {
		if p.byLimit == nil {
			p.byLimit = map[limit]*excess{}
		}
		mine := p.byLimit[at]
		if mine == nil {
			p.byLimit[at] = e
			continue
		}
		mine.beaten += e.beaten
		mine.rows += e.rows
		if e.ratio > mine.ratio {
			mine.ratio, mine.worst, mine.key = e.ratio, e.worst, e.key
		}
	}
}

// warnings are the limits that were passed, the worst first.
func (p *peaks) warnings() []string {
	beaten := slices.SortedFunc(maps.Keys(p.byLimit), func(a, b limit) int {
		return cmp.Or(cmp.Compare(p.byLimit[b].ratio, p.byLimit[a].ratio),
			cmp.Compare(a.device, b.device), cmp.Compare(a.op, b.op), cmp.Compare(a.bound, b.bound))
	})
	var out []string
	for _, at := range beaten {
		if e := p.byLimit[at]; e.beaten > 0 {
			out = append(out, fmt.Sprintf("%d of %d %s rows beat the %s of %s, the worst by %.2f times (%s, record %d: %s): wrong units?",
				e.beaten, e.rows, at.op, at.bound, at.device, e.ratio, e.worst.File, e.worst.Record, e.key))
		}
	}
	return out
}
