package importers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"bench/datasets"
)

// tolerance is by how much a row may beat a peak before it is doubted: a
// clock may run a little above the datasheet's boost.
const tolerance = 1.02

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
	format, cache := formatOf(w), datasets.CacheOf(w)
	if peak := d.PeakFLOPs[w.DType()].Value; peak > 0 && computesInType(format) {
		p.hold(d, row, "compute", w.FLOPs()/float64(max(w.Workers(), 1))/peak/t)
	}
	if s, ok := w.(datasets.Stream); ok {
		switch s.Kernel {
		case "host_to_device", "device_to_host":
			if bw := d.PCIeBandwidth.Value; bw > 0 {
				p.hold(d, row, "host link", s.Bytes()/bw/t)
			}
			return
		case "peer":
			if bw := d.LinkBandwidth.Value; bw > 0 {
				p.hold(d, row, "link", s.WireBytes()/bw/t)
			}
			return
		}
	}
	if bw := d.MemoryBandwidth.Value; bw > 0 && storesInType(format) {
		// Operands that are used again may stay in the last-level cache.
		bytes := w.Bytes() / float64(max(w.Workers(), 1))
		if cache != datasets.Cold {
			bytes -= d.LastLevel().SizeBytes.Value
		}
		if bytes > 0 {
			p.hold(d, row, "memory", bytes/bw/t)
		}
	}
	if c, ok := w.(datasets.Collective); ok && c.Nodes == 1 && d.LinkBandwidth.Value > 0 {
		wire := c.WireBytes()
		if d.SwitchReduces && (c.Kind == "all_reduce" || c.Kind == "reduce_scatter") {
			// A switch that adds needs each rank's part once, not twice.
			wire = float64(c.SizeBytes) * float64(c.Ranks-1) / float64(c.Ranks)
		}
		p.hold(d, row, "link", wire/d.LinkBandwidth.Value/t)
	}
}

func (p *peaks) hold(d *datasets.Device, row *datasets.Row, bound string, ratio float64) {
	at := limit{d.ID, string(row.Workload.Suite()) + "/" + row.Workload.Op() + " " + string(row.Workload.DType()), bound}
	e := p.byLimit[at]
	if e == nil {
		if p.byLimit == nil {
			p.byLimit = map[limit]*excess{}
		}
		e = &excess{}
		p.byLimit[at] = e
	}
	e.rows++
	if ratio > tolerance {
		e.beaten++
		if row.Measurement.Verdict == datasets.OK {
			row.Measurement.Verdict = datasets.Flagged
		}
		row.Measurement.Flags = []string{datasets.FlagImplausible}
	}
	if ratio > e.ratio {
		e.ratio, e.worst = ratio, row.Measurement.Origin
		if ratio > tolerance {
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
			out = append(out, fmt.Sprintf("%d of %d %s rows beat the %s peak of %s, the worst by %.2f times (%s, record %d: %s): wrong units?",
				e.beaten, e.rows, at.op, at.bound, at.device, e.ratio, e.worst.File, e.worst.Record, e.key))
		}
	}
	return out
}

// formatOf returns a workload's quantised form, where it has one.
func formatOf(w datasets.Workload) string {
	switch w := w.(type) {
	case datasets.GEMM:
		return w.Format
	case datasets.MoELayer:
		return w.Format
	}
	return ""
}

// computesInType reports whether products of this form run at the peak of the
// row's type, and storesInType whether its weights have that type's width.
func computesInType(format string) bool {
	switch format {
	case "", "fp8_dynamic", "fp8_static", "fp8_block", "int8_wo", "int4_wo", "w4a16_mxfp4":
		return true
	}
	return false
}

func storesInType(format string) bool {
	switch format {
	case "", "fp8_dynamic", "fp8_static", "fp8_block":
		return true
	}
	return false
}
