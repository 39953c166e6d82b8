package simt

import (
	"math"
	"math/rand/v2"
	"testing"

	"bench/cuda/kernels"
)

// PTX ISA, "Swizzling modes", the figure of 128 bytes: where the eight chunks of 16 bytes of each
// row of eight lie.
var swizzle128 = [8][8]int{
	{0, 1, 2, 3, 4, 5, 6, 7},
	{1, 0, 3, 2, 5, 4, 7, 6},
	{2, 3, 0, 1, 6, 7, 4, 5},
	{3, 2, 1, 0, 7, 6, 5, 4},
	{4, 5, 6, 7, 0, 1, 2, 3},
	{5, 4, 7, 6, 1, 0, 3, 2},
	{6, 7, 4, 5, 2, 3, 0, 1},
	{7, 6, 5, 4, 3, 2, 1, 0},
}

// image is rows of 128 bytes as they lie in shared memory.
func image(rows [][]byte) []byte {
	var out []byte
	for r, row := range rows {
		line := make([]byte, 128)
		for chunk := range 8 {
			copy(line[16*swizzle128[r%8][chunk]:], row[16*chunk:16*chunk+16])
		}
		out = append(out, line...)
	}
	return out
}

// Dense matrices of small integers: sums are exact in any order, and an element of
// A or B in the wrong place is wrong in a whole row or column of D.
func TestWarpgroupProducts(t *testing.T) {
	h := instructions(t)
	for _, c := range []struct {
		name  string
		bytes int
		bits  func(v int) uint32
	}{
		{"m64n256k16_bf16", 2, func(v int) uint32 { return uint32(kernels.BF16(float32(v))) }},
		{"m64n256k16_fp16", 2, func(v int) uint32 { return uint32(kernels.FP16(float32(v))) }},
		{"m64n256k8_tf32", 4, func(v int) uint32 { return math.Float32bits(float32(v)) | 0x1fff }},
		{"m64n256k32_fp8", 1, func(v int) uint32 { return uint32(kernels.FP8(float32(v))) }},
		{"m64n256k32_s8", 1, func(v int) uint32 { return uint32(uint8(int8(v))) }},
	} {
		r := rand.New(rand.NewPCG(5, 6))
		operand := func(rows int) (values [][]int, bytes [][]byte) {
			for range rows {
				row, line := make([]int, 128/c.bytes), []byte(nil)
				for i := range row {
					row[i] = r.IntN(13) - 6
					for b := range c.bytes {
						line = append(line, byte(c.bits(row[i])>>(8*b)))
					}
				}
				values, bytes = append(values, row), append(bytes, line)
			}
			return values, bytes
		}
		a, bytesA := operand(64)
		b, bytesB := operand(256)
		// One instruction takes 32 bytes of k and four the row; the first adds to D, or not.
		for _, launch := range []struct{ steps, scale int32 }{{1, 1}, {4, 0}} {
			d := warpgroupD(t)
			start := fragments(d, 128, 128, func(row, column int) uint32 {
				if v := row*256 + column; c.name != "m64n256k32_s8" {
					return math.Float32bits(float32(v))
				} else {
					return uint32(v)
				}
			})
			out := NewBufferOf(t, h, start)
			err := h.Launch("warpgroup_"+c.name, Dim3{1}, Dim3{128}, 0, out,
				NewBufferOf(t, h, image(bytesA)), NewBufferOf(t, h, image(bytesB)), launch.steps, launch.scale)
			if err != nil {
				t.Fatal(err)
			}
			wrong := 0
			for row, line := range d {
				for column, p := range line {
					want := int(launch.scale) * (row*256 + column)
					for k := range 32 / c.bytes * int(launch.steps) {
						want += a[row][k] * b[column][k]
					}
					got := int(int32(out.Data[p.thread*128+p.element]))
					if c.name != "m64n256k32_s8" {
						got = int(math.Float32frombits(out.Data[p.thread*128+p.element]))
					}
					if wrong += 1; got == want {
						wrong--
					} else if wrong == 1 {
						t.Errorf("%s, %d steps: D[%d][%d], thread %d's register %d, is %d, want %d", c.name, launch.steps, row, column, p.thread, p.element, got, want)
					}
				}
			}
			if wrong > 0 {
				t.Errorf("%s, %d steps: %d of 16384 elements are wrong", c.name, launch.steps, wrong)
			}
		}
	}
}

// PTX ISA, "Matrix Descriptor Format", by hand: for shared address 0x400 bits 0–13 hold 0x40; the
// leading dimension (16–29) is 1 by convention; the stride (32–45) is 8 rows of 128 bytes, 1024 >> 4 =
// 64; bits 62–63 are 1, the 128-byte swizzle; all others are 0.
func TestDescriptor(t *testing.T) {
	h := instructions(t)
	d := NewBuffer[uint64](t, h, 3)
	if err := h.Launch("descriptors", Dim3{1}, Dim3{3}, 0, d, NewBufferOf(t, h, []uint32{0x400, 0, 0x3fc00})); err != nil {
		t.Fatal(err)
	}
	for i, want := range []uint64{0x4000004000010040, 0x4000004000010000, 0x4000004000013fc0} {
		if d.Data[i] != want {
			t.Errorf("descriptor %d is %#x, want %#x", i, d.Data[i], want)
		}
	}
}
