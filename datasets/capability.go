package datasets

import (
	"slices"
	"strconv"
	"strings"
)

// Capability is something that a GPU's architecture can do and others cannot.
type Capability string

// The matrix instructions.
const (
	// MMA is mma.sync on 16-bit and narrower types with asynchronous copies.
	MMA Capability = "mma"
	// MMAFP8 is the same on 8-bit floats.
	MMAFP8 Capability = "mma_fp8"
	// WGMMA is wgmma.mma_async: tensor cores that read shared memory by themselves.
	WGMMA Capability = "wgmma"
	// TCGen05 is tcgen05.mma: the same with the result in tensor memory.
	TCGen05 Capability = "tcgen05"
)

// Has reports whether the device has a capability (PTX ISA 9.0, "Target ISA
// Notes" of mma, wgmma.mma_async and tcgen05.mma).
func (d *Device) Has(c Capability) bool {
	cc := d.ComputeCapability()
	switch c {
	case MMA:
		return cc >= 80
	case MMAFP8:
		return cc >= 89
	case WGMMA:
		return cc == 90
	case TCGen05:
		return slices.Contains([]int{100, 101, 103, 110}, cc)
	}
	return false
}

// ComputeCapability is the number in Arch, 90 of "sm_90" and "sm_90a", and 0
// where there is none.
func (d *Device) ComputeCapability() int {
	digits, ok := strings.CutPrefix(d.Arch, "sm_")
	if !ok {
		return 0
	}
	cc, _ := strconv.Atoi(strings.TrimRight(digits, "af"))
	return cc
}
