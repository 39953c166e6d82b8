package kernels_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"bench/cuda/kernels"
	"bench/cuda/simt"
)

// half is a 16-bit type: its name in the kernels' names, half the distance from
// 1 to the next number, and its conversions.
type half struct {
	name     string
	roundoff float64
	bits     func(float32) uint16
	value    func(uint16) float32
}

var halves = []half{{"bf16", 0x1p-8, kernels.BF16, kernels.FromBF16}, {"fp16", 0x1p-11, kernels.FP16, kernels.FromFP16}}

// random is n values of unit variance, as the type holds them.
func (h half) random(r *rand.Rand, n int, scale float64) ([]uint16, []float64) {
	bits, values := make([]uint16, n), make([]float64, n)
	for i := range bits {
		bits[i] = h.bits(float32(r.NormFloat64() * scale))
		values[i] = float64(h.value(bits[i]))
	}
	return bits, values
}

// nan fills a result, so that what is never written shows.
func nan(b *simt.Buffer[uint16]) *simt.Buffer[uint16] {
	for i := range b.Data {
		b.Data[i] = 0x7fff
	}
	return b
}

// near fails where have is further from want than bound times the larger of
// |want| and the root mean square of want.
func near(t *testing.T, what string, have, want []float64, bound float64) {
	t.Helper()
	square := 0.0
	for _, w := range want {
		square += w * w
	}
	rms := math.Sqrt(square / float64(len(want)))
	for i, w := range want {
		if e := math.Abs(have[i] - w); !(e <= bound*max(rms, math.Abs(w))) {
			t.Fatalf("%s: element %d of %d is %g, want %g, off by %g of %g allowed", what, i, len(want), have[i], w, e, bound*max(rms, math.Abs(w)))
		}
	}
}

func (h half) values(bits []uint16) []float64 {
	out := make([]float64, len(bits))
	for i, b := range bits {
		out[i] = float64(h.value(b))
	}
	return out
}
