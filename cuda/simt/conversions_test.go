package simt

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"bench/cuda/kernels"
)

// format is a narrow type by its standard: IEEE 754's binary16, bfloat16 as the upper
// half of a float, and E4M3 of the OCP 8-bit Floating Point Specification 1.0.
type format struct {
	name                 string
	size, fraction, bias int
	infinite             bool                 // the largest exponent is infinity and NaN; if not, only all ones is NaN
	narrow               func(float32) uint32 // this repository's Go
	widen                func(uint32) float32
}

var formats = []format{
	{"bf16", 16, 7, 127, true, func(v float32) uint32 { return uint32(kernels.BF16(v)) }, func(b uint32) float32 { return kernels.FromBF16(uint16(b)) }},
	{"fp16", 16, 10, 15, true, func(v float32) uint32 { return uint32(kernels.FP16(v)) }, func(b uint32) float32 { return kernels.FromFP16(uint16(b)) }},
	{"fp8", 8, 3, 7, false, func(v float32) uint32 { return uint32(kernels.FP8(v)) }, func(b uint32) float32 { return kernels.FromFP8(uint8(b)) }},
}

// decode is the number that bits mean, by the standard's formula.
func (f format) decode(bits uint32) float64 {
	sign := 1.0
	if bits>>(f.size-1) == 1 {
		sign = -1
	}
	width := f.size - 1 - f.fraction
	e, m := int(bits>>f.fraction)&(1<<width-1), int(bits)&(1<<f.fraction-1)
	switch {
	case f.infinite && e == 1<<width-1 && m == 0:
		return sign * math.Inf(1)
	case e == 1<<width-1 && (f.infinite || m == 1<<f.fraction-1):
		return math.NaN()
	case e == 0:
		return sign * math.Ldexp(float64(m), 1-f.bias-f.fraction)
	}
	return sign * math.Ldexp(float64(m+1<<f.fraction), e-f.bias-f.fraction)
}

// positive are the numbers from 0 up, by bits, and, last, the one that would
// follow the largest: what rounds to it is beyond the format.
func (f format) positive() (out []float64) {
	for b := uint32(0); ; b++ {
		v := f.decode(b)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return append(out, 2*out[b-1]-out[b-2])
		}
		out = append(out, v)
	}
}

// nearest looks v up in the table of numbers: the nearer neighbour, of two as near the one with
// an even last bit. What is beyond the largest becomes infinity, or the largest where there is none.
func (f format) nearest(numbers []float64, v float32) uint32 {
	if v != v {
		return 1<<(f.size-1) - 1
	}
	m, sign := math.Abs(float64(v)), uint32(0)
	if math.Signbit(float64(v)) {
		sign = 1 << (f.size - 1)
	}
	i := sort.SearchFloat64s(numbers, m)
	last := len(numbers) - 1
	if i > 0 && i <= last {
		below, above := m-numbers[i-1], numbers[i]-m
		if below < above || below == above && i%2 == 1 {
			i--
		}
	}
	if i >= last && !f.infinite {
		i = last - 1
	}
	return sign | uint32(min(i, last))
}

func same(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || a == b && math.Signbit(a) == math.Signbit(b)
}

func conversions(t *testing.T) *Host {
	path, err := compile("simt/testdata/conversions.cu", true)
	return open(t, path, err)
}

// All 65,536 numbers of bf16 and fp16 and 256 of fp8, on the machine and in Go.
func TestWideningIsExact(t *testing.T) {
	h := conversions(t)
	out := []*Buffer[float32]{NewBuffer[float32](t, h, 65536), NewBuffer[float32](t, h, 65536), NewBuffer[float32](t, h, 256)}
	if err := h.Launch("widen_all", Dim3{256}, Dim3{256}, 0, out[0], out[1], out[2]); err != nil {
		t.Fatal(err)
	}
	for i, f := range formats {
		for b := range uint32(1) << f.size {
			want := f.decode(b)
			if got := float64(out[i].Data[b]); !same(got, want) {
				t.Errorf("%s %#x is %v, want %v", f.name, b, got, want)
			}
			if got := float64(f.widen(b)); !same(got, want) {
				t.Errorf("%s %#x is %v in Go, want %v", f.name, b, got, want)
			}
		}
	}
}

// awkward are each format's numbers, the ties between neighbours and the floats on either
// side of each; beyond the largest and below the smallest; both signs; and floats of random bits.
func awkward() (out []float32) {
	add := func(v float32) { out = append(out, v, -v) }
	for _, f := range formats {
		numbers := f.positive()
		for i, v := range numbers[:len(numbers)-1] {
			add(float32(v))
			// The tie is a float: bf16's and fp16's have one bit more than they.
			tie := float32((v + numbers[i+1]) / 2)
			add(tie)
			add(math.Nextafter32(tie, 0))
			add(math.Nextafter32(tie, math.MaxFloat32))
		}
	}
	for i := range 600 {
		add(float32(i) / 4) // int8's ties and saturation
	}
	for _, u := range []uint32{0, 1, 0x7fffff, 0x800000, 0x7f7fffff, 0x7f7ff000, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fffffff, 0x3f801000, 0x3f800fff, 0x3f803000} {
		add(math.Float32frombits(u))
	}
	r := rand.New(rand.NewPCG(7, 8))
	for range 20000 {
		add(math.Float32frombits(r.Uint32()))
	}
	return out
}

func TestNarrowingRoundsToNearest(t *testing.T) {
	h := conversions(t)
	in := awkward()
	n := len(in)
	bf, half, q := NewBuffer[uint16](t, h, n), NewBuffer[uint16](t, h, n), NewBuffer[uint8](t, h, n)
	i8, tf := NewBuffer[int8](t, h, n), NewBuffer[float32](t, h, n)
	if err := h.Launch("narrow_all", Dim3{uint32(n+255) / 256}, Dim3{256}, 0, bf, half, q, i8, tf, NewBufferOf(t, h, in), int32(n)); err != nil {
		t.Fatal(err)
	}
	got := []func(i int) uint32{
		func(i int) uint32 { return uint32(bf.Data[i]) },
		func(i int) uint32 { return uint32(half.Data[i]) },
		func(i int) uint32 { return uint32(q.Data[i]) },
	}
	for k, f := range formats {
		numbers := f.positive()
		for i, v := range in {
			want := f.nearest(numbers, v)
			if g := got[k](i); g != want {
				t.Fatalf("%v (%#x) is %s %#x, want %#x", v, math.Float32bits(v), f.name, g, want)
			}
			if g := f.narrow(v); g != want {
				t.Fatalf("%v (%#x) is %s %#x in Go, want %#x", v, math.Float32bits(v), f.name, g, want)
			}
		}
	}
	for i, v := range in {
		if g, want := i8.Data[i], nearestInt8(v); g != want || kernels.INT8(v) != want {
			t.Fatalf("%v is int8 %d, %d in Go, want %d", v, g, kernels.INT8(v), want)
		}
		if g, want := tf.Data[i], nearestTF32(v); !same(float64(g), float64(want)) || !same(float64(kernels.TF32(v)), float64(want)) {
			t.Fatalf("%v (%#x) is tf32 %v, %v in Go, want %v", v, math.Float32bits(v), g, kernels.TF32(v), want)
		}
	}
}

// nearestInt8 tries all of them.
func nearestInt8(v float32) int8 {
	if v != v {
		return 0
	}
	best, distance := 0, math.Inf(1)
	x := math.Max(-1000, math.Min(1000, float64(v)))
	for i := -128; i < 128; i++ {
		if d := math.Abs(x - float64(i)); d < distance || d == distance && i%2 == 0 {
			best, distance = i, d
		}
	}
	return int8(best)
}

// nearestTF32 is to 10 bits of fraction, ties away from zero, in double: PTX ISA, "cvt", .rna.
func nearestTF32(v float32) float32 {
	x := float64(v)
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return v
	}
	_, e := math.Frexp(x)
	step := math.Ldexp(1, max(e-1, -126)-10)
	r := math.Round(x/step) * step // Round's ties go away from zero
	return float32(r)              // above the largest: infinity
}
