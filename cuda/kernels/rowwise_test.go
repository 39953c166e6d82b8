package kernels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bench/cuda/kernels/reference"
	"bench/cuda/simt"
)

// rows runs a row-wise kernel of every 16-bit type and of fp32 on operands of
// unit variance, and holds each row of its answer against want, which is given
// the operands' row, and the operands whole.
func rows(t *testing.T, name string, operands, rows, cols int, launch func(h *simt.Host, name string, y any, x []any) error,
	want func(x, whole [][]float64) []float64) {
	t.Helper()
	host := simt.Build(t)
	for i, h := range append(halves, half{name: "f32", roundoff: 0x1p-24}) {
		host.Order = simt.Orders[i%len(simt.Orders)]
		r := rand.New(rand.NewPCG(3, uint64(cols)))
		var args []any
		var x [][]float64
		var y any
		var answer func() []float64
		if h.bits == nil {
			for range operands {
				b, v := simt.NewBuffer[float32](t, host, rows*cols), make([]float64, rows*cols)
				for j := range v {
					b.Data[j] = float32(r.NormFloat64())
					v[j] = float64(b.Data[j])
				}
				args, x = append(args, b), append(x, v)
			}
			b := simt.NewBuffer[float32](t, host, rows*cols)
			y, answer = b, func() (out []float64) {
				for _, v := range b.Data {
					out = append(out, float64(v))
				}
				return out
			}
		} else {
			for range operands {
				bits, v := h.random(r, rows*cols, 1)
				args, x = append(args, simt.NewBufferOf(t, host, bits)), append(x, v)
			}
			b := nan(simt.NewBuffer[uint16](t, host, rows*cols))
			y, answer = b, func() []float64 { return h.values(b.Data) }
		}
		if err := launch(host, "bench_"+name+"_"+h.name, y, args); err != nil {
			t.Fatalf("%s, %d columns: %v", name, cols, err)
		}
		got := answer()
		for row := range rows {
			mine := make([][]float64, operands)
			for o := range x {
				mine[o] = x[o][row*cols : (row+1)*cols]
			}
			// Some 30 roundings of fp32 one after another, in reductions of logarithmic
			// depth, and the result's own.
			near(t, fmt.Sprintf("%s %s, %d columns, row %d", name, h.name, cols, row), got[row*cols:(row+1)*cols], want(mine, x), h.roundoff+30*0x1p-24)
		}
	}
}

const epsilon = 1e-5

// Rows of one vector, of less than a warp, of several vectors a thread, and as
// many as the registers hold for 32 threads.
var widths = []int{8, 72, 256, 1000, 1024}

func TestNormsAndSoftmaxAgreeWithReference(t *testing.T) {
	for _, cols := range widths {
		threads := simt.Dim3{32}
		if cols > 512 {
			threads = simt.Dim3{96}
		}
		grid := simt.Dim3{3}
		rows(t, "rms_norm", 2, 3, cols, func(h *simt.Host, name string, y any, x []any) error {
			return h.Launch(name, grid, threads, 0, y, x[0], x[1], int32(cols), float32(epsilon))
		}, func(x, whole [][]float64) []float64 { return reference.RMSNorm(x[0], whole[1][:cols], epsilon) })
		rows(t, "layer_norm", 3, 3, cols, func(h *simt.Host, name string, y any, x []any) error {
			return h.Launch(name, grid, threads, 0, y, x[0], x[1], x[2], int32(cols), float32(epsilon))
		}, func(x, whole [][]float64) []float64 {
			return reference.LayerNorm(x[0], whole[1][:cols], whole[2][:cols], epsilon)
		})
		rows(t, "softmax", 1, 3, cols, func(h *simt.Host, name string, y any, x []any) error {
			return h.Launch(name, grid, threads, 0, y, x[0], int32(cols))
		}, func(x, _ [][]float64) []float64 { return reference.Softmax(x[0]) })
	}
}

func TestElementwiseKernelsAgreeWithReference(t *testing.T) {
	for _, cols := range widths {
		grid, threads := simt.Dim3{3, uint32((cols/4 + 31) / 32)}, simt.Dim3{32}
		rows(t, "gelu", 1, 3, cols, func(h *simt.Host, name string, y any, x []any) error {
			return h.Launch(name, grid, threads, 0, y, x[0], int32(cols))
		}, func(x, _ [][]float64) []float64 {
			return each(x[0], func(i int) float64 { return reference.GELU(x[0][i]) })
		})
		rows(t, "silu_mul", 2, 3, cols, func(h *simt.Host, name string, y any, x []any) error {
			return h.Launch(name, grid, threads, 0, y, x[0], x[1], int32(cols), int32(cols))
		}, func(x, _ [][]float64) []float64 {
			return each(x[0], func(i int) float64 { return reference.SiLU(x[0][i]) * x[1][i] })
		})
		rows(t, "add", 2, 3, cols, func(h *simt.Host, name string, y any, x []any) error {
			return h.Launch(name, grid, threads, 0, y, x[0], x[1], int32(cols))
		}, func(x, _ [][]float64) []float64 {
			return each(x[0], func(i int) float64 { return x[0][i] + x[1][i] })
		})
	}
}

func each(x []float64, f func(int) float64) []float64 {
	y := make([]float64, len(x))
	for i := range y {
		y[i] = f(i)
	}
	return y
}

// The residual is added first, and the sum kept as it is stored.
func TestAddRMSNormKeepsTheSum(t *testing.T) {
	host := simt.Build(t)
	const count, cols = 2, 200
	for _, h := range halves {
		r := rand.New(rand.NewPCG(4, 4))
		x, xs := h.random(r, count*cols, 1)
		y, ys := h.random(r, count*cols, 1)
		gain, gains := h.random(r, cols, 1)
		out, total := nan(simt.NewBuffer[uint16](t, host, count*cols)), nan(simt.NewBuffer[uint16](t, host, count*cols))
		err := host.Launch("bench_add_rms_norm_"+h.name, simt.Dim3{count}, simt.Dim3{32}, 0, out, total, simt.NewBufferOf(t, host, x),
			simt.NewBufferOf(t, host, y), simt.NewBufferOf(t, host, gain), int32(cols), float32(epsilon))
		if err != nil {
			t.Fatal(err)
		}
		sum := h.values(total.Data)
		near(t, h.name+" sum", sum, each(xs, func(i int) float64 { return xs[i] + ys[i] }), h.roundoff)
		for i := range count {
			near(t, h.name, h.values(out.Data)[i*cols:(i+1)*cols], reference.RMSNorm(sum[i*cols:(i+1)*cols], gains, epsilon), h.roundoff+30*0x1p-24)
		}
	}
}

// angles is the table that the kernels take: cosine and sine of each pair.
func angles(positions []int64, half int) (table []float32) {
	for _, p := range positions {
		for _, a := range reference.Angles(p, half) {
			table = append(table, float32(math.Cos(a)), float32(math.Sin(a)))
		}
	}
	return table
}

func TestRoPETurnsEveryHeadByItsPosition(t *testing.T) {
	for _, dim := range []int{8, 64, 112, 128} {
		const heads = 3
		positions := []int64{5, 1000}
		rows(t, "rope", 1, 4, heads*dim, func(h *simt.Host, name string, y any, x []any) error {
			table := simt.NewBufferOf(t, h, angles(positions, dim/2))
			return h.Launch(name, simt.Dim3{4, 4}, simt.Dim3{64}, 0, y, x[0], table, int32(heads*dim), int32(dim), int32(len(positions)))
		}, func(x, whole [][]float64) (y []float64) {
			row := 0
			for &whole[0][row*heads*dim] != &x[0][0] {
				row++
			}
			for head := range heads {
				y = append(y, reference.Rotate(x[0][head*dim:(head+1)*dim], reference.Angles(positions[row%2], dim/2))...)
			}
			return y
		})
	}
}

// Queries go out turned, keys turned and values as they are into the cache, at
// the position and nowhere else.
func TestRoPEAppendWritesOnePosition(t *testing.T) {
	host := simt.Build(t)
	const batch, heads, kvHeads, capacity, position = 2, 4, 2, 3, 1
	for _, h := range halves {
		for _, dim := range []int{8, 72, 128} {
			r := rand.New(rand.NewPCG(5, 5))
			row := (heads + 2*kvHeads) * dim
			bits, x := h.random(r, batch*row, 1)
			q := nan(simt.NewBuffer[uint16](t, host, batch*heads*dim))
			keys, values := nan(simt.NewBuffer[uint16](t, host, batch*kvHeads*capacity*dim)), nan(simt.NewBuffer[uint16](t, host, batch*kvHeads*capacity*dim))
			err := host.Launch("bench_rope_append_"+h.name, simt.Dim3{heads + 2*kvHeads, batch}, simt.Dim3{32}, 0, q, keys, values,
				simt.NewBufferOf(t, host, bits), simt.NewBufferOf(t, host, angles([]int64{77}, dim/2)), int32(position), int32(capacity),
				int32(heads), int32(kvHeads), int32(dim))
			if err != nil {
				t.Fatal(err)
			}
			turn := reference.Angles(77, dim/2)
			for b := range batch {
				for i := range heads {
					at := (b*heads + i) * dim
					near(t, "query", h.values(q.Data[at:at+dim]), reference.Rotate(x[b*row+i*dim:b*row+(i+1)*dim], turn), h.roundoff+0x1p-20)
				}
				for i := range kvHeads {
					for p := range capacity {
						at, from := ((b*kvHeads+i)*capacity+p)*dim, b*row+(heads+i)*dim
						if p != position {
							if keys.Data[at] != 0x7fff || values.Data[at+dim-1] != 0x7fff {
								t.Fatalf("position %d was written", p)
							}
							continue
						}
						near(t, "key", h.values(keys.Data[at:at+dim]), reference.Rotate(x[from:from+dim], turn), h.roundoff+0x1p-20)
						near(t, "value", h.values(values.Data[at:at+dim]), x[from+kvHeads*dim:from+(kvHeads+1)*dim], 0)
					}
				}
			}
		}
	}
}

func TestEmbeddingGathersRows(t *testing.T) {
	host := simt.Build(t)
	const cols = 72
	index := []int32{4, 0, 4, 2}
	for _, h := range halves {
		table, _ := h.random(rand.New(rand.NewPCG(6, 6)), 5*cols, 1)
		y := nan(simt.NewBuffer[uint16](t, host, len(index)*cols))
		if err := host.Launch("bench_embedding_"+h.name, simt.Dim3{uint32(len(index))}, simt.Dim3{32}, 0, y, simt.NewBufferOf(t, host, table),
			simt.NewBufferOf(t, host, index), int32(cols)); err != nil {
			t.Fatal(err)
		}
		for i, from := range index {
			if !slices.Equal(y.Data[i*cols:(i+1)*cols], table[int(from)*cols:int(from+1)*cols]) {
				t.Fatalf("row %d is not row %d of the table", i, from)
			}
		}
	}
}
