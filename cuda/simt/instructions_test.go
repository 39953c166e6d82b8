package simt

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"bench/cuda/kernels"
)

func instructions(t *testing.T) *Host {
	path, err := compile("simt/testdata/instructions.cu", true)
	return open(t, path, err)
}

// packed writes elements of a narrow type one after another into words, as registers hold them.
func packed[T any](elements []T) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(elements))), len(elements)*int(unsafe.Sizeof(elements[0]))/4)
}

func mapped[F, T any](from []F, f func(F) T) []T {
	out := make([]T, len(from))
	for i, v := range from {
		out[i] = f(v)
	}
	return out
}

// A is, block by block, each matrix with one 1, in row r and column k, and B's
// elements all differ: D − C must be row k of B in row r, and zeros. One element
// in a wrong register shows.
func TestTensorCoreProductsOfBasisVectors(t *testing.T) {
	h := instructions(t)
	for _, c := range tensorCores(t) {
		t.Run(c.kernel, func(t *testing.T) {
			m, k, n := len(c.a), len(c.b), len(c.b[0])
			blocks := m * k
			b := func(k, column int) float64 { return float64(k*n + column - 128) } // −128 … 127: every type here holds it
			added := func(row, column int) float64 { return float64(1000 + 8*row + column) }
			var as, bs, ds []float64
			for i := range blocks {
				as = append(as, fragments(c.a, 32, m*k/32, func(r, column int) float64 {
					if r == i/k && column == i%k {
						return 1
					}
					return 0
				})...)
				bs = append(bs, fragments(c.b, 32, k*n/32, b)...)
				ds = append(ds, fragments(c.d, 32, m*n/32, added)...)
			}
			got := product(t, h, c.kernel, blocks, as, bs, ds)
			for i := range blocks {
				want := fragments(c.d, 32, m*n/32, func(r, column int) float64 {
					if r == i/k {
						return added(r, column) + b(i%k, column)
					}
					return added(r, column)
				})
				if one := got[i*len(want) : (i+1)*len(want)]; !slices.Equal(one, want) {
					t.Fatalf("A's row %d, column %d: threads have\n%v, want\n%v (%s)", i/k, i%k, one, want, c.section)
				}
			}
		})
	}
}

// product launches a tensor-core kernel on fragments, given as numbers.
func product(t *testing.T, h *Host, kernel string, blocks int, a, b, d []float64) []float64 {
	grid, block := Dim3{uint32(blocks)}, Dim3{32}
	run := func(args ...any) {
		if err := h.Launch(kernel, grid, block, 0, args...); err != nil {
			t.Fatal(err)
		}
	}
	single := func(v float64) float32 { return float32(v) }
	words := func(v []float64) []uint32 {
		switch kernel {
		case "m16n8k16_bf16":
			return packed(mapped(v, func(v float64) uint16 { return kernels.BF16(float32(v)) }))
		case "m16n8k16_fp16":
			return packed(mapped(v, func(v float64) uint16 { return kernels.FP16(float32(v)) }))
		case "m16n8k8_tf32":
			// The low 13 bits are not read.
			return mapped(v, func(v float64) uint32 { return math.Float32bits(float32(v)) | 0x1fff })
		default:
			return packed(mapped(v, func(v float64) int8 { return int8(v) }))
		}
	}
	switch kernel {
	case "m8n8k4_f64", "m16n8k16_f64":
		out := NewBufferOf(t, h, d)
		run(out, NewBufferOf(t, h, a), NewBufferOf(t, h, b))
		return out.Data
	case "m16n8k32_s8":
		out := NewBufferOf(t, h, mapped(d, func(v float64) int32 { return int32(v) }))
		run(out, NewBufferOf(t, h, words(a)), NewBufferOf(t, h, words(b)))
		return mapped(out.Data, func(v int32) float64 { return float64(v) })
	default:
		out := NewBufferOf(t, h, mapped(d, single))
		run(out, NewBufferOf(t, h, words(a)), NewBufferOf(t, h, words(b)))
		return mapped(out.Data, func(v float32) float64 { return float64(v) })
	}
}

// PTX ISA, "ldmatrix": the figure "mma's 8×8 fragment": a row's elements go to four
// threads in pairs, and with .trans a column's. Lanes 8i to 8i + 7 bring the rows'
// addresses of matrix i, here in any order.
func TestLdmatrix(t *testing.T) {
	h := instructions(t)
	fragment := lines(t, "0.0 0.1 1.0 1.1 2.0 2.1 3.0 3.1")
	elements := make([]uint16, 32*8)
	for i := range elements {
		elements[i] = uint16(1000 + i)
	}
	rows := NewBufferOf(t, h, elements)
	r := rand.New(rand.NewPCG(1, 2))
	order := mapped(r.Perm(32), func(i int) int32 { return int32(i) })
	for _, c := range []struct {
		kernel   string
		matrices int
		layout   layout
	}{
		{"load_x1", 1, fragment}, {"load_x2", 2, fragment}, {"load_x4", 4, fragment},
		{"load_x1_trans", 1, fragment.transposed()}, {"load_x2_trans", 2, fragment.transposed()}, {"load_x4_trans", 4, fragment.transposed()},
	} {
		out := NewBuffer[uint16](t, h, 32*2*c.matrices)
		if err := h.Launch(c.kernel, Dim3{1}, Dim3{32}, 0, out, rows, NewBufferOf(t, h, order)); err != nil {
			t.Fatal(err)
		}
		for matrix := range c.matrices {
			for row, line := range c.layout {
				for column, p := range line {
					want := elements[order[8*matrix+row]*8+int32(column)]
					if got := out.Data[p.thread*2*c.matrices+2*matrix+p.element]; got != want {
						t.Errorf("%s: thread %d's register %d, half %d: %d, want %d: matrix %d, row %d, column %d", c.kernel, p.thread, matrix, p.element, got, want, matrix, row, column)
					}
				}
			}
		}
	}
}

// CUDA C++ Programming Guide, "Warp Shuffle Functions": width divides the warp into
// segments with a lane 0 of their own; up and down do not leave a segment and leave the value as it
// is; xor may read an earlier segment and not a later one; an index is taken modulo the width.
func TestShuffles(t *testing.T) {
	h := instructions(t)
	d, wide := NewBuffer[int32](t, h, 6*32*128), NewBuffer[float64](t, h, 6*32*32)
	if err := h.Launch("shuffles", Dim3{32, 6}, Dim3{32}, 0, d, wide); err != nil {
		t.Fatal(err)
	}
	for log := range 6 {
		for index := range 32 {
			width, block := 1<<log, log*32+index
			for lane := range 32 {
				start := lane / width * width
				idx, up, down, xor := start+index%width, lane-index, lane+index, lane^index
				if up < start {
					up = lane
				}
				if down >= start+width {
					down = lane
				}
				if xor >= start+width {
					xor = lane
				}
				for mode, from := range []int{idx, up, down, xor} {
					if got := d.Data[block*128+lane*4+mode]; got != int32(100+from) {
						t.Errorf("mode %d of idx, up, down, xor: index %d, width %d: lane %d has lane %d's, want %d's", mode, index, width, lane, got-100, from)
					}
				}
				if got := wide.Data[block*32+lane]; got != float64(100+xor)+0x1p-40 {
					t.Errorf("double, xor %d, width %d: lane %d has %v", index, width, lane, got)
				}
			}
		}
	}
}

// PTX ISA, "vote.sync": over the mask's lanes alone; any nonzero predicate is true.
func TestVotes(t *testing.T) {
	h := instructions(t)
	r := rand.New(rand.NewPCG(3, 4))
	masks := []uint32{1 << 31, 0xffffffff, 0x0000ffff, 0xaaaaaaaa, r.Uint32() | 1}
	for _, mask := range masks {
		for _, p := range []uint32{0, 0xffffffff, mask, ^mask, mask & (mask - 1), r.Uint32()} {
			d := NewBuffer[uint32](t, h, 96)
			if err := h.Launch("votes", Dim3{1}, Dim3{32}, 0, d, mask, p); err != nil {
				t.Fatal(err)
			}
			is := map[bool]uint32{true: 1}
			for lane := range 32 {
				want := []uint32{p & mask, is[p&mask != 0], is[p&mask == mask]}
				if mask>>lane&1 == 0 {
					want = []uint32{0, 0, 0}
				}
				if got := d.Data[3*lane : 3*lane+3]; !slices.Equal(got, want) {
					t.Errorf("mask %#x, predicates %#x: lane %d: ballot, any, all are %v, want %v", mask, p, lane, got, want)
				}
			}
		}
	}
	words := make([]uint32, 32)
	for i := range words {
		words[i] = r.Uint32() >> i
	}
	words[30], words[31] = 0, 1<<31
	d := NewBuffer[int32](t, h, 96)
	if err := h.Launch("bits", Dim3{1}, Dim3{32}, 0, d, NewBufferOf(t, h, words)); err != nil {
		t.Fatal(err)
	}
	for i, w := range words {
		ffs := 0
		if w != 0 {
			ffs = bits.TrailingZeros32(w) + 1
		}
		if got, want := d.Data[3*i:3*i+3], []int32{int32(bits.OnesCount32(w)), int32(bits.LeadingZeros32(w)), int32(ffs)}; !slices.Equal(got, want) {
			t.Errorf("popc, clz, ffs of %#x are %v, want %v", w, got, want)
		}
	}
}

// PTX ISA, "cp.async.wait_group N": all but the N most recent committed groups
// are complete; a copy of no group is not waited for. The machine copies at the last moment allowed.
func TestAsyncCopies(t *testing.T) {
	h := instructions(t)
	d := NewBuffer[uint32](t, h, 24)
	from := make([]uint32, 16)
	for i := range from {
		from[i] = uint32(100 + i/4)
	}
	if err := h.Launch("async_groups", Dim3{1}, Dim3{1}, 0, d, NewBufferOf(t, h, from)); err != nil {
		t.Fatal(err)
	}
	want := []uint32{
		7, 7, 7, 7, // before any wait
		7, 7, 7, 7, // wait 3
		100, 7, 7, 7, // wait 2
		100, 101, 7, 7, // wait 1
		100, 101, 102, 7, // wait 0, the last copy not committed
		100, 101, 102, 103,
	}
	if !slices.Equal(d.Data, want) {
		t.Errorf("after each wait: %v, want %v", d.Data, want)
	}

	bytes := []byte("ABCDEFGHIJKLMNOP")
	tails, words := NewBuffer[byte](t, h, 17*16), NewBuffer[[4]byte](t, h, 17)
	if err := h.Launch("async_tails", Dim3{1}, Dim3{17}, 0, tails, words, NewBufferOf(t, h, bytes)); err != nil {
		t.Fatal(err)
	}
	for i := range 17 {
		want := make([]byte, 16)
		copy(want, bytes[:i])
		if got := tails.Data[16*i : 16*i+16]; !slices.Equal(got, want) {
			t.Errorf("%d bytes and zeros: %q, want %q", i, got, want)
		}
		if got := words.Data[i]; got != [4]byte(bytes[i%4*4:]) {
			t.Errorf("word %d: %q", i%4, got)
		}
	}
}
