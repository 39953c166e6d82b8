package predict

import (
	"bench/datasets"
)

// What all laws say alike of a GPU: what its last-level cache keeps, and how fast
// bytes and products are.

// resident is the share of a repeated workload's bytes that the last-level
// cache still holds from the repetition before: all of it up to half of the
// cache, falling to none at its size. The cache of these GPUs is two halves
// that may each hold a copy of what SMs of both sides read (NVIDIA, "A100
// Tensor Core GPU Architecture", 2020, page 31), and what is read in a circle
// and does not fit throws itself out.
func resident(d *datasets.Device, bytes float64, state datasets.Cache) float64 {
	size := d.LastLevel().SizeBytes.Value
	if state == datasets.Cold || size == 0 {
		return 0
	}
	return min(1, max(0, 2-2*bytes/size))
}

// rates are what the machine reaches, with a law's share of it.
type rates struct {
	memory, l2 float64 // bytes/s
	sm         float64 // FLOP/s of one SM
	cycle      float64 // seconds
	units      float64 // SMs
}

// rates of a device for products of a type.
func (k *kernel) rates(t datasets.DType, memoryEfficiency, l2Ratio, tensorEfficiency float64) rates {
	d := k.dev
	return rates{memory: d.MemoryBandwidth.Value * memoryEfficiency, l2: d.MemoryBandwidth.Value * l2Ratio,
		sm: peakOf(d, t) / float64(d.Units) * tensorEfficiency, cycle: 1 / d.ClockHz.Value, units: float64(d.Units)}
}

// traffic is the time of so many bytes, a share of them found in L2.
func (r *rates) traffic(bytes, inCache float64) float64 {
	return bytes * ((1-inCache)/r.memory + inCache/max(r.l2, r.memory))
}

// sagging is what arithmetic takes longer as the tensor cores are kept busy for a
// share of the time: power lowers the clock.
func (k *kernel) sagging(sag, busy float64, whole span) span {
	u := min(busy/whole.seconds, 1)
	return k.sum(whole, k.of("power", sag*busy*u*u))
}

// widens reports a format whose weights become the type of the products inside
// the kernel.
func widens(format string) bool {
	switch format {
	case "int8_wo", "int4_wo", "w4a16_mxfp4", "w4afp8":
		return true
	}
	return false
}

// casts reports a format whose 16-bit activations are cast before the product.
func casts(format string) bool { return format != "" && !widens(format) }
