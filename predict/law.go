package predict

import (
	"fmt"
	"slices"

	"bench/datasets"
)

// A Law is how long a kernel takes, in terms of a few physical parameters of the
// machine, a few of the library, and facts of the library that are choices.
type Law struct {
	// Name is its key in a calibration: "gemm", "decode_attention", ….
	Name string
	// Parameters describe each value: name, unit, meaning, plausible range, and
	// Value as the start of a fit. One that bears the name of a machine parameter
	// is the machine's, and shared by all laws.
	Parameters []datasets.Parameter
	// Facts are what a library does, in words; a fit tries them.
	Facts []Fact
	// Applies reports whether a workload is of the kind that the law is of.
	Applies func(w datasets.Workload) bool
	// Declines says why a workload of that kind is not predicted, or "".
	Declines func(d *datasets.Device, w datasets.Workload) string
	// Time is the law. It adds its terms to k and returns how they join.
	Time func(k *kernel, w datasets.Workload) span
	// Least is the least time that the device's peaks allow.
	Least func(d *datasets.Device, w datasets.Workload) float64
}

// Fact is a discrete choice that a library has made, such as its menu of tiles.
type Fact struct {
	Name, Meaning string
	// Options are the names of the choices, the likeliest first.
	Options []string
}

// Laws lists every law; a workload belongs to the first that applies.
var Laws = []*Law{gemmLaw, moeLaw, decodeLaw, prefillLaw,
	customAllReduceLaw, peerExchangeLaw, collectiveLaw, networkLaw, rowwiseLaw}

// mostLaws bounds how many there are.
const mostLaws = 16

func lawOf(w datasets.Workload) *Law {
	l, _ := lawAt(w)
	return l
}

func lawAt(w datasets.Workload) (*Law, int) {
	for i, l := range Laws {
		if l.Applies(w) {
			return l, i
		}
	}
	return nil, 0
}

// LawNamed finds a law, or nil.
func LawNamed(name string) *Law {
	if i := slices.IndexFunc(Laws, func(l *Law) bool { return l.Name == name }); i >= 0 {
		return Laws[i]
	}
	return nil
}

// machineParameters are of the GPU, not of a library: one value a device, shared
// by all laws that name it.
var machineParameters = []datasets.Parameter{
	{Name: "memory_efficiency", Unit: "1", Min: 0.5, Max: 1, Value: 0.88,
		Meaning: "memory bandwidth that a long stream reaches over the datasheet's"},
	{Name: "l2_ratio", Unit: "1", Min: 1, Max: 8, Value: 3,
		Meaning: "bandwidth from L2 to the SMs over the datasheet's memory bandwidth"},
	{Name: "tensor_efficiency", Unit: "1", Min: 0.4, Max: 1.08, Value: 0.95,
		Meaning: "tensor-core rate over the datasheet's while nothing else limits it; above 1 where light loads clock higher than the datasheet assumes"},
	{Name: "sag", Unit: "1", Min: 0, Max: 1, Value: 0.1,
		Meaning: "how much longer arithmetic takes where the tensor cores are never idle: power lowers the clock"},
}

func isMachine(name string) bool {
	return slices.ContainsFunc(machineParameters, func(p datasets.Parameter) bool { return p.Name == name })
}

// kernel is what a law is worked out with.
type kernel struct {
	terms
	law *Law
	dev *datasets.Device
	// values are the law's parameters in their order, facts the index of each
	// fact's option.
	values []float64
	facts  []int
}

// fact is the option that the library has taken of the law's i-th fact.
func (k *kernel) fact(i int) string { return k.law.Facts[i].Options[k.facts[i]] }

// variantOf is what a law is fitted apart for: the types and formats.
func variantOf(w datasets.Workload) datasets.Variant {
	switch w := w.(type) {
	case datasets.GEMM:
		return datasets.Variant{Type: w.Type, Format: w.Format}
	case datasets.MoELayer:
		return datasets.Variant{Type: w.Type, Format: w.Format}
	case datasets.Attention:
		v := datasets.Variant{Type: w.Type, KVType: w.KVType}
		if w.ValueDim != 0 {
			v.Kernel = "mla"
		}
		if v.KVType == v.Type {
			v.KVType = ""
		}
		return v
	case datasets.Stream:
		return datasets.Variant{Kernel: w.Kernel}
	}
	return datasets.Variant{}
}

// declinesDevice says which figure a law of kernels on an SM lacks, or "".
func declinesDevice(d *datasets.Device, t datasets.DType) string {
	switch {
	case d.Kind != "gpu":
		return "no calibrated model of kernels on a " + d.Kind
	case peakOf(d, t) == 0:
		return fmt.Sprintf("no datasheet peak of %s for %s", d.ID, t)
	case d.MemoryBandwidth.Value == 0 || d.Units == 0 || d.ClockHz.Value == 0:
		return "no datasheet bandwidth, SM count or clock of " + d.ID
	}
	return ""
}

// peakOf is the tensor rate at which a type is multiplied, in FLOP/s: that of 16
// bits where the device has no cores for the type.
func peakOf(d *datasets.Device, t datasets.DType) float64 {
	if f := d.PeakFLOPs[t].Value; f > 0 {
		return f
	}
	if t.Size() <= 2 {
		return d.PeakFLOPs[datasets.BF16].Value
	}
	return 0
}

// fitFacts are the indices of the options that a fit holds: the first where it has
// none.
func (l *Law) factsOf(f *datasets.LawFit) []int {
	out := make([]int, len(l.Facts))
	for i, fact := range l.Facts {
		out[i] = max(slices.Index(fact.Options, f.Facts[fact.Name]), 0)
	}
	return out
}

// valuesOf are the law's values: the machine's, the fit's, and the law's own start
// for what neither has.
func (l *Law) valuesOf(f *datasets.LawFit, machine []datasets.Parameter) []float64 {
	out := make([]float64, len(l.Parameters))
	for i, p := range l.Parameters {
		out[i] = p.Value
		for _, from := range [][]datasets.Parameter{machine, f.Parameters} {
			if j := slices.IndexFunc(from, func(q datasets.Parameter) bool { return q.Name == p.Name }); j >= 0 {
				out[i] = from[j].Value
			}
		}
	}
	return out
}
