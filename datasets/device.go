package datasets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Origin says where a figure of a device comes from.
type Origin string

const (
	// Datasheet figures are the vendor's published ones, or follow from them.
	Datasheet Origin = "datasheet"
	// Measured figures were measured on the device itself.
	Measured Origin = "measured"
	// Fitted figures were fitted to measurements.
	Fitted Origin = "fitted"
)

// Figure is a number with its provenance. A zero Value is an unknown one.
type Figure struct {
	Value  float64 `json:"value"`
	Origin Origin  `json:"origin,omitempty"`
	// Source is the vendor's document, page or table, or how it was measured.
	Source string `json:"source,omitempty"`
}

// CacheLevel is one level of cache, or the GPU's L2.
type CacheLevel struct {
	Level     int    `json:"level"`
	SizeBytes Figure `json:"size_bytes"`
	LineBytes int    `json:"line_bytes,omitempty"`
	// Ways is the associativity, 0 where unknown.
	Ways int `json:"ways,omitempty"`
	// SharedBy is how many cores or SMs share one instance.
	SharedBy int `json:"shared_by"`
}

// Device is peaks and sizes, each with where it came from.
type Device struct {
	// ID is the catalogue name ("h100-sxm") or "host".
	ID string `json:"id"`
	// Name is what the device calls itself.
	Name   string `json:"name"`
	Vendor string `json:"vendor"`
	// Arch is "sm_80", "sm_90", "x86-64" or "arm64"; relatives share it.
	Arch string `json:"arch"`
	// Kind is "cpu" or "gpu".
	Kind string `json:"kind"`
	// Units is how many SMs or cores.
	Units int `json:"units"`
	// ClockHz is the highest sustained clock: boost of a GPU, measured of a CPU.
	ClockHz Figure `json:"clock_hz"`
	// PeakFLOPs is dense FLOP/s of all units at ClockHz, on tensor cores where
	// the device has them for the type.
	PeakFLOPs map[DType]Figure `json:"peak_flop_per_s"`
	// VectorFLOPs is FP32 FLOP/s outside tensor cores (GPU), else 0.
	VectorFLOPs Figure `json:"vector_flop_per_s"`

	MemoryBytes     Figure       `json:"memory_bytes"`
	MemoryBandwidth Figure       `json:"memory_bandwidth_bytes_per_s"`
	Caches          []CacheLevel `json:"caches,omitempty"`

	// LinkBandwidth is NVLink's, one direction, all links of one GPU together.
	LinkBandwidth Figure `json:"link_bandwidth_bytes_per_s"`
	// PeerBandwidth is what two GPUs have between them, one direction, where links
	// go from each to each without a switch; 0 is all of LinkBandwidth.
	PeerBandwidth Figure `json:"peer_bandwidth_bytes_per_s"`
	// SwitchReduces is set where the switch can add (NVLink SHARP).
	SwitchReduces bool `json:"switch_reduces"`
	// PCIeBandwidth is one direction of the link to the host, PCIe or NVLink-C2C.
	PCIeBandwidth Figure `json:"pcie_bandwidth_bytes_per_s"`
	// NetworkBandwidth is one direction between nodes, for each GPU: the node's
	// cards together over its GPUs. NetworkCardBandwidth is a single card's, 0 where
	// each GPU has one of its own.
	NetworkBandwidth     Figure `json:"network_bandwidth_bytes_per_s"`
	NetworkCardBandwidth Figure `json:"network_card_bandwidth_bytes_per_s"`
	// NodeSize is how many of these LinkBandwidth joins: 8 on an HGX board, 2
	// under an NVLink bridge, 72 in an NVL72 rack.
	NodeSize int `json:"node_size"`
	// HostSize is GPUs a host where the links join several hosts (4 in an NVL72),
	// else 0.
	HostSize int    `json:"host_size,omitempty"`
	TDPWatt  Figure `json:"tdp_watt"`

	// Ceilings are measured peaks of this very device, or nil.
	Ceilings []Ceiling `json:"ceilings,omitempty"`
	// Calibration is fitted parameters, or nil.
	Calibration *Calibration `json:"calibration,omitempty"`
}

// Ceiling is one measured figure that the ceilings tier may use: what a peak,
// stream, launch or all-reduce case of the same run took.
type Ceiling struct {
	Workload Workload `json:"-"`
	// Key is the workload's.
	Key string `json:"key"`
	// Seconds is the measured median.
	Seconds float64 `json:"seconds"`
}

// Cache returns the level's cache, or a zero one.
func (d *Device) Cache(level int) CacheLevel {
	for _, c := range d.Caches {
		if c.Level == level {
			return c
		}
	}
	return CacheLevel{}
}

// LastLevel returns the largest cache, or a zero one.
func (d *Device) LastLevel() CacheLevel {
	var last CacheLevel
	for _, c := range d.Caches {
		if c.Level > last.Level {
			last = c
		}
	}
	return last
}

// Parameter is a fitted physical quantity of a device or of a library's kernels.
type Parameter struct {
	Name string `json:"name"`
	// Unit is "s", "cycles", "bytes/s", "1" for a ratio, and so on.
	Unit    string  `json:"unit,omitempty"`
	Meaning string  `json:"meaning,omitempty"`
	Value   float64 `json:"value"`
	// Low and High bound the value's 95 % interval, the other parameters free to
	// follow.
	Low  float64 `json:"low,omitempty"`
	High float64 `json:"high,omitempty"`
	// Min and Max are the physically plausible range, which the law knows.
	Min float64 `json:"min,omitempty"`
	Max float64 `json:"max,omitempty"`
	// Determined is false where the data leave the value open.
	Determined bool `json:"determined,omitempty"`
	// AtEdge is set where the value lies on Min or Max.
	AtEdge bool `json:"at_edge,omitempty"`
	// Held is set where the value was not fitted but kept from the law's start, a
	// shipped calibration or the library's main type.
	Held bool `json:"held,omitempty"`
}

// Calibration is what was fitted on a device, in two parts: the machine, shared by
// all laws, and the stacks of kernels that were timed on it.
type Calibration struct {
	// Device is the catalogue name of the device that was fitted, Arch its
	// architecture.
	Device string `json:"device"`
	Arch   string `json:"arch,omitempty"`
	// Source names the data, with its checksum or commit.
	Source  string      `json:"source"`
	Machine []Parameter `json:"machine,omitempty"`
	// Stacks are in the order of how many rows each was fitted to.
	Stacks []StackFit `json:"stacks"`
	// LeftOut says which laws of which stack were not fitted, and why.
	LeftOut []string `json:"left_out,omitempty"`
}

// StackFit is what a library's kernels were fitted to be.
type StackFit struct {
	Library string   `json:"library"`
	Version string   `json:"version,omitempty"`
	Laws    []LawFit `json:"laws"`
}

// Variant is what the parameters of a law are fitted apart for within a stack.
type Variant struct {
	Type   DType  `json:"type,omitempty"`
	Format string `json:"format,omitempty"`
	KVType DType  `json:"kv_type,omitempty"`
	// Kernel is the operation where a law is of several.
	Kernel       string `json:"kernel,omitempty"`
	KernelSource string `json:"kernel_source,omitempty"`
}

// String is the variant in words, for people.
func (v Variant) String() string {
	s := strings.TrimSpace(v.Kernel + " " + string(v.Type) + " " + v.Format)
	if v.KVType != "" {
		s += " over a KV cache in " + string(v.KVType)
	}
	if v.KernelSource != "" {
		s += ", " + v.KernelSource
	}
	return s
}

// LawFit is a law's parameters and the library's facts, with how well they
// describe the data that they came from.
type LawFit struct {
	Law string `json:"law"`
	Variant
	Facts      map[string]string `json:"facts,omitempty"`
	Parameters []Parameter       `json:"parameters"`
	Fit
}

// Fit says how well parameters describe the data they came from.
type Fit struct {
	FitN    int     `json:"fit_n"`
	FitMAPE float64 `json:"fit_mape"`
	// TestN is 0 where all rows were fitted: TestMAPE is then cross-validated.
	TestN    int     `json:"test_n"`
	TestMAPE float64 `json:"test_mape"`
	// TestP90 is the 90th percentile of |error| there.
	TestP90 float64 `json:"test_p90"`
	// Spreads are the 90 % ranges of the fit half: of all rows first, then by the
	// term that binds, where it has rows enough.
	Spreads []Spread `json:"spreads,omitempty"`
}

// Spread is the 90 % range of measured over predicted times: of n rows, five in
// a hundred lie below Low and five above High.
type Spread struct {
	// Binds is the term that binds, "" for all rows.
	Binds string  `json:"binds,omitempty"`
	N     int     `json:"n"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Validate names the first field, by its JSON name, whose value no device can
// have. Unknown (zero) figures are no fault; a missing id, kind or arch is.
func (d *Device) Validate() error {
	switch {
	case d.ID == "":
		return errors.New("id is missing")
	case d.Kind != "cpu" && d.Kind != "gpu":
		return fmt.Errorf("kind is %q, and must be \"cpu\" or \"gpu\"", d.Kind)
	case d.Arch == "":
		return errors.New("arch is missing: it tells relatives apart, such as \"sm_90\"")
	case d.Units < 1:
		return fmt.Errorf("units is %d, and must be at least 1", d.Units)
	case d.NodeSize < 0:
		return fmt.Errorf("node_size is %d, and must not be negative", d.NodeSize)
	case d.HostSize < 0:
		return fmt.Errorf("host_size is %d, and must not be negative", d.HostSize)
	}
	for t, f := range d.PeakFLOPs {
		if t.Size() == 0 {
			return fmt.Errorf("peak_flop_per_s: unknown data type %q: use one of %v", t, DTypes)
		}
		if err := f.validate("peak_flop_per_s." + string(t)); err != nil {
			return err
		}
	}
	for i, c := range d.Caches {
		if c.Level < 1 || c.SharedBy < 0 || c.LineBytes < 0 {
			return fmt.Errorf("caches[%d]: level is %d, shared_by %d and line_bytes %d: a level from 1 and no negative numbers are needed", i, c.Level, c.SharedBy, c.LineBytes)
		}
		if err := c.SizeBytes.validate(fmt.Sprintf("caches[%d].size_bytes", i)); err != nil {
			return err
		}
	}
	for name, f := range d.figures() {
		if err := f.validate(name); err != nil {
			return err
		}
	}
	return nil
}

// figures are the figures that are neither a type's nor a cache's, by JSON name.
func (d *Device) figures() map[string]*Figure {
	return map[string]*Figure{
		"clock_hz": &d.ClockHz, "vector_flop_per_s": &d.VectorFLOPs,
		"memory_bytes": &d.MemoryBytes, "memory_bandwidth_bytes_per_s": &d.MemoryBandwidth,
		"link_bandwidth_bytes_per_s": &d.LinkBandwidth, "peer_bandwidth_bytes_per_s": &d.PeerBandwidth,
		"pcie_bandwidth_bytes_per_s": &d.PCIeBandwidth, "network_bandwidth_bytes_per_s": &d.NetworkBandwidth,
		"network_card_bandwidth_bytes_per_s": &d.NetworkCardBandwidth, "tdp_watt": &d.TDPWatt,
	}
}

// Attribute gives every figure that has no source the one of what is passed: a
// published one.
func (d *Device) Attribute(source func(own string) string) {
	set := func(f *Figure) {
		if f.Value != 0 && f.Origin == "" {
			f.Origin, f.Source = Datasheet, source(f.Source)
		}
	}
	for _, f := range d.figures() {
		set(f)
	}
	for t, f := range d.PeakFLOPs {
		set(&f)
		d.PeakFLOPs[t] = f
	}
	for i := range d.Caches {
		set(&d.Caches[i].SizeBytes)
	}
}

// UnmarshalJSON reads a figure, or a plain number whose source is its file.
func (f *Figure) UnmarshalJSON(b []byte) error {
	var v float64
	if json.Unmarshal(b, &v) == nil && string(b) != "null" {
		*f = Figure{Value: v}
		return nil
	}
	type plain Figure
	var p plain
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return err
	}
	*f = Figure(p)
	return nil
}

func (f Figure) validate(name string) error {
	if f.Value < 0 || math.IsNaN(f.Value) || math.IsInf(f.Value, 0) {
		return fmt.Errorf("%s.value is %g, and must be a finite number, not below 0", name, f.Value)
	}
	switch f.Origin {
	case Datasheet, Measured, Fitted:
	case "":
		if f.Value != 0 {
			return fmt.Errorf("%s.origin is missing: use datasheet, measured or fitted", name)
		}
	default:
		return fmt.Errorf("%s.origin is %q, and must be datasheet, measured or fitted", name, f.Origin)
	}
	return nil
}
