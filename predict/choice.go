package predict

import (
	"math"
	"strings"

	"bench/datasets"
)

// choice is what decides by which fit a workload is predicted.
type choice struct {
	law              *Law
	variant          datasets.Variant
	library, version string
}

// fitted is a law's fit made ready.
type fitted struct {
	of      choice
	values  []float64
	facts   []int
	spreads []datasets.Spread
	// machine and stack name the parts used; missing says why there are none.
	machine, stack, missing string
}

// What a mismatch costs when the nearest fit is looked for. The worst is another
// format, as weights are then read in another width; another kernel of the same
// library is the least.
const (
	otherSource  = 1
	otherVersion = 2
	otherCache   = 6
	otherArch    = 8
	otherLib     = 10
	otherType    = 20
	otherFormat  = 30
	otherKernel  = 60
)

// choose finds the nearest fit, once for each choice.
func (p *Predictor) choose(c choice) *fitted {
	if f, ok := p.chosen.Load(c); ok {
		return f.(*fitted)
	}
	f := p.nearest(c)
	f.of = c
	p.chosen.Store(c, f)
	return f
}

func (p *Predictor) nearest(c choice) *fitted {
	var best *datasets.LawFit
	var from *datasets.Calibration
	var stack *datasets.StackFit
	least := math.Inf(1)
	own := p.dev.Calibration
	if own != nil && own.Device != p.dev.ID {
		own = nil
	}
	for order, source := range p.sources {
		far := float64(order) / 100
		if source.Arch != p.dev.Arch && source != own {
			far += otherArch
		}
		for i := range source.Stacks {
			s := &source.Stacks[i]
			if p.tier == datasets.TierTransferred && source == own && (c.library == "" || s.Library == c.library) {
				continue // that is the calibrated tier
			}
			at := far
			if c.library != "" && s.Library != c.library {
				at += otherLib
				if p.tier == datasets.TierCalibrated {
					continue
				}
			}
			if c.library != "" && s.Version != c.version {
				at += otherVersion
			}
			for j := range s.Laws {
				f := &s.Laws[j]
				if f.Law != c.law.Name {
					continue
				}
				d := at + distance(f.Variant, c.variant)
				if c.library == "" {
					// The best known stack is the one that is described best, of those
					// whose version is known.
					d += f.TestMAPE
					if s.Version == "" {
						d++
					}
				}
				if d < least && (p.tier == datasets.TierTransferred || distance(f.Variant, c.variant) < otherType) {
					least, best, from, stack = d, f, source, s
				}
			}
		}
	}
	if best == nil {
		whose := strings.TrimSpace(c.library + " kernels")
		if c.library == "" {
			whose = "this operation"
		}
		return &fitted{missing: "the calibration of " + p.dev.ID + " has no " + c.law.Name + " in " + strings.TrimSpace(string(c.variant.Type)+" "+c.variant.Format) + " of " + whose}
	}
	machine := from
	if own != nil {
		machine = own
	}
	out := &fitted{machine: machine.Device, stack: strings.TrimSpace(stack.Library + " " + stack.Version), facts: c.law.factsOf(best)}
	out.values = c.law.valuesOf(best, machine.Machine)
	out.spreads = best.Spreads
	if p.tier == datasets.TierTransferred {
		out.spreads = transferredSpreads(c.law.Name, best.Spreads, from.Arch == p.dev.Arch, c.library == "" || stack.Library == c.library)
		if from != machine {
			out.stack += " on " + from.Device
		}
	}
	if c.library != "" && stack.Library == c.library && stack.Version != c.version && c.version != "" {
		out.spreads = widened(out.spreads, otherVersionWidens)
	}
	return out
}

// distance is how far a variant that was fitted is from the one asked for.
func distance(have, want datasets.Variant) float64 {
	d := 0.0
	if have.Kernel != want.Kernel {
		d += otherKernel
	}
	if have.Format != want.Format {
		d += otherFormat
		if have.Type == datasets.FP8 && want.Type == datasets.FP8 && want.Format == "" && have.Format != "fp8_block" {
			d -= otherFormat - 1 // the same products; the cast is not predicted
		}
	}
	if have.Type.Size() != want.Type.Size() {
		d += otherType
	} else if have.Type != want.Type {
		d += 0.1
	}
	if have.KVType != want.KVType {
		d += otherCache
	}
	if want.KernelSource != "" && have.KernelSource != want.KernelSource {
		d += otherSource
	}
	return d
}
