package kernels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"bench/cuda/kernels/reference"
	"bench/cuda/simt"
)

type attentionCase struct {
	batch, context, capacity, heads, kvHeads, dim, splits, rowTiles int
}

// attend runs the kernels as package gpu launches them, and returns the result.
func attend(t *testing.T, host *simt.Host, h half, a attentionCase, q, keys, values []uint16, row int) []uint16 {
	t.Helper()
	pad := 64
	for pad < a.dim {
		pad *= 2
	}
	group := a.heads / a.kvHeads
	blocks := (group + 16*a.rowTiles - 1) / (16 * a.rowTiles)
	shared := (16*a.rowTiles + 4*64) * (pad + 8) * 2
	n := a.batch * a.heads * a.dim
	out := nan(simt.NewBuffer[uint16](t, host, n))
	partial, softmax := simt.NewBuffer[float32](t, host, n*a.splits), simt.NewBuffer[float32](t, host, 2*a.batch*a.heads*a.splits)
	err := host.Launch(fmt.Sprintf("bench_attention_%s_d%d", h.name, pad), simt.Dim3{uint32(a.splits), uint32(a.kvHeads * blocks), uint32(a.batch)},
		simt.Dim3{128}, shared, out, partial, softmax, simt.NewBufferOf(t, host, q), simt.NewBufferOf(t, host, keys), simt.NewBufferOf(t, host, values),
		int64(row), int32(a.context), int32(a.capacity), int32(a.heads), int32(a.kvHeads), int32(a.dim), int32(a.rowTiles),
		float32(math.Log2E/math.Sqrt(float64(a.dim))))
	if err == nil && a.splits > 1 {
		err = host.Launch("bench_attention_combine_"+h.name, simt.Dim3{uint32(a.heads), uint32(a.batch)}, simt.Dim3{64}, 0,
			out, partial, softmax, int32(a.splits), int32(a.dim))
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Data
}

// Contexts of one position, around a chunk and a tile; more splits than tiles;
// groups below, at and above a tile of rows; head sizes that are no power of 2;
// a cache larger than the context, whose rest is NaN.
func TestAttentionAgreesWithReference(t *testing.T) {
	host := simt.Build(t)
	cases := []attentionCase{
		{1, 1, 1, 1, 1, 64, 1, 1},
		{2, 17, 20, 4, 2, 64, 1, 1},
		{1, 64, 64, 2, 2, 128, 1, 1},
		{1, 65, 65, 8, 1, 128, 2, 1},
		{1, 200, 256, 8, 4, 112, 3, 1},
		{1, 130, 130, 3, 1, 72, 7, 1}, // two splits have no position
		{2, 100, 100, 17, 1, 64, 2, 2},
		{1, 90, 96, 40, 1, 8, 2, 4},
		{1, 70, 70, 40, 1, 64, 1, 1}, // a group in three blocks
		{1, 129, 129, 2, 1, 256, 3, 1},
		{1, 129, 129, 20, 1, 200, 1, 2},
	}
	for _, h := range halves {
		for i, a := range cases {
			t.Run(fmt.Sprintf("%s/%+v", h.name, a), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, uint64(i)))
				row := a.heads*a.dim + 8
				qBits, q := h.random(r, a.batch*row, 1)
				kBits, k := h.random(r, a.batch*a.kvHeads*a.capacity*a.dim, 1)
				vBits, v := h.random(r, len(kBits), 1)
				for s := range a.batch * a.kvHeads {
					for j := (s*a.capacity + a.context) * a.dim; j < (s+1)*a.capacity*a.dim; j++ {
						kBits[j], vBits[j] = 0x7fff, 0x7fff
					}
				}
				// A score far above the others, late, rescales what came before.
				last := (a.context - 1) * a.dim
				for j := range a.dim {
					kBits[last+j] = h.bits(float32(3 * q[j]))
					k[last+j] = float64(h.value(kBits[last+j]))
				}
				host.Order = simt.Orders[i%len(simt.Orders)]
				got := h.values(attend(t, host, h, a, qBits, kBits, vBits, row))
				for b := range a.batch {
					for head := range a.heads {
						at := (b*a.kvHeads + head/(a.heads/a.kvHeads)) * a.capacity * a.dim
						part := func(x []float64) func(int) []float64 {
							return func(p int) []float64 { return x[at+p*a.dim : at+(p+1)*a.dim] }
						}
						want := reference.Attention(q[b*row+head*a.dim:b*row+(head+1)*a.dim], a.context, part(k), part(v))
						from := (b*a.heads + head) * a.dim
						// The probabilities are rounded, and the result.
						near(t, fmt.Sprintf("sequence %d, head %d", b, head), got[from:from+a.dim], want, 3*h.roundoff)
					}
				}
			})
		}
	}
}

// The order in which threads come must not change a bit.
func TestAttentionIsTheSameInEveryOrder(t *testing.T) {
	host := simt.Build(t)
	h, a := halves[0], attentionCase{1, 150, 150, 6, 2, 64, 2, 1}
	r := rand.New(rand.NewPCG(2, 2))
	q, _ := h.random(r, a.heads*a.dim, 1)
	k, _ := h.random(r, a.kvHeads*a.capacity*a.dim, 1)
	v, _ := h.random(r, len(k), 1)
	var first []uint16
	for _, host.Order = range simt.Orders {
		got := attend(t, host, h, a, q, k, v, a.heads*a.dim)
		if first == nil {
			first = append(first, got...)
		}
		for i := range got {
			if got[i] != first[i] {
				t.Fatalf("%s: element %d is %04x, and %04x forward", host.Order, i, got[i], first[i])
			}
		}
	}
}
