package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"bench/cuda/kernels"
	"bench/cuda/simt"
)

// element is a type of a stream: how it rounds, and how much of a value that may lose.
type element[T any] struct {
	name  string
	round func(float64) T
	value func(T) float64
	ulp   float64
}

var (
	f64s  = element[float64]{"f64", func(v float64) float64 { return v }, func(v float64) float64 { return v }, 0x1p-53}
	f32s  = element[float32]{"f32", func(v float64) float32 { return float32(v) }, func(v float32) float64 { return float64(v) }, 0x1p-24}
	bf16s = element[uint16]{"bf16", func(v float64) uint16 { return kernels.BF16(float32(v)) }, func(v uint16) float64 { return float64(kernels.FromBF16(v)) }, 0x1p-8}
	fp16s = element[uint16]{"fp16", func(v float64) uint16 { return kernels.FP16(float32(v)) }, func(v uint16) float64 { return float64(kernels.FromFP16(v)) }, 0x1p-11}
	fp8s  = element[uint8]{"fp8", func(v float64) uint8 { return kernels.FP8(float32(v)) }, func(v uint8) float64 { return float64(kernels.FromFP8(v)) }, 0x1p-4}
	i8s   = element[int8]{"i8", func(v float64) int8 { return kernels.INT8(float32(v)) }, func(v int8) float64 { return float64(v) }, 0}
)

// Sizes around a vector, a tile (256 threads of 4 vectors) and a grid of tiles.
func lengths(perVector int) []int {
	tile := 1024 * perVector
	return []int{0, 1, perVector - 1, perVector, perVector + 1, 256*perVector + 3, tile - 1, tile, 3*tile + 5*perVector + 1}
}

func values[T any](e element[T], n int, seed uint64, scale float64) (bits []T, v []float64) {
	for i := range n {
		b := e.round(scale * kernels.Value(seed, int64(i)))
		bits, v = append(bits, b), append(v, e.value(b))
	}
	return bits, v
}

func TestStreamsAgreeWithTheirDefinition(t *testing.T) {
	h := simt.Build(t)
	for _, h.Order = range simt.Orders {
		bytesStreams(t, h)
		sumStream(t, h, f64s, 1)
		sumStream(t, h, f32s, 1)
		sumStream(t, h, bf16s, 1)
		sumStream(t, h, fp16s, 1)
		sumStream(t, h, fp8s, 1)
		sumStream(t, h, fp8s, 0.01) // subnormals
		sumStream(t, h, i8s, 127)
		arithmetic(t, h, f64s)
		arithmetic(t, h, f32s)
		arithmetic(t, h, bf16s)
		arithmetic(t, h, fp16s)
	}
}

var streamGrid, streamBlock = simt.Dim3{2}, simt.Dim3{256}

func bytesStreams(t *testing.T, h *simt.Host) {
	t.Helper()
	for _, n := range append(lengths(16), 7, 9) {
		from, to := simt.NewBuffer[byte](t, h, n), simt.NewBuffer[byte](t, h, n)
		for i := range from.Data {
			from.Data[i] = byte(i*i>>3 + i)
		}
		if err := h.Launch("bench_copy", streamGrid, streamBlock, 0, to, from, int64(n), int32(2)); err != nil {
			t.Fatal(err)
		}
		sum := uint64(0)
		for i, b := range to.Data {
			sum += uint64(b)
			if b != from.Data[i] {
				t.Fatalf("copy of %d bytes: byte %d is %d, want %d", n, i, b, from.Data[i])
			}
		}
		total := simt.NewBuffer[uint64](t, h, 1)
		if err := h.Launch("bench_checksum", streamGrid, streamBlock, 0, total, to, int64(n)); err != nil {
			t.Fatal(err)
		}
		if total.Data[0] != sum {
			t.Fatalf("checksum of %d bytes is %d, want %d", n, total.Data[0], sum)
		}
		const pattern = 0x0807060504030201
		if err := h.Launch("bench_write", streamGrid, streamBlock, 0, to, int64(n), uint64(pattern), int32(1)); err != nil {
			t.Fatal(err)
		}
		for i, b := range to.Data {
			if int(b) != i%8+1 {
				t.Fatalf("write of %d bytes: byte %d is %d", n, i, b)
			}
		}
	}
}

func sumStream[T any](t *testing.T, h *simt.Host, e element[T], scale float64) {
	t.Helper()
	for _, n := range lengths(16 / size(e)) {
		bits, v := values(e, n, 7, scale)
		want, magnitude := 0.0, 0.0
		for _, x := range v {
			want += x
			magnitude += math.Abs(x)
		}
		const passes = 2
		partial := simt.NewBuffer[float64](t, h, 2)
		if err := h.Launch("bench_read_"+e.name, streamGrid, streamBlock, 0, partial, simt.NewBufferOf(t, h, bits), int64(n), int32(passes)); err != nil {
			t.Fatal(err)
		}
		nearSum(t, fmt.Sprintf("read %s of %d, %v", e.name, n, h.Order), partial.Data[0]+partial.Data[1], passes*want, passes*magnitude, e)
	}
}

// nearSum allows the roundings of a float sum (of a double one for f64), none for
// i8: each thread adds no more than 64 numbers here, each with an error of half an ulp
// of its partial sum, itself at most the sum of magnitudes.
func nearSum[T any](t *testing.T, what string, got, want, magnitude float64, e element[T]) {
	t.Helper()
	bound := 64 * 0x1p-24 * magnitude
	switch e.name {
	case "f64":
		bound = 64 * 0x1p-53 * magnitude
	case "i8":
		bound = 0
	}
	if !(math.Abs(got-want) <= bound) {
		t.Fatalf("%s: %v, want %v ± %v", what, got, want, bound)
	}
}

func size[T any](e element[T]) int {
	return map[string]int{"f64": 8, "f32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "i8": 1}[e.name]
}

func arithmetic[T comparable](t *testing.T, h *simt.Host, e element[T]) {
	t.Helper()
	const scale = float32(0.7)
	for _, n := range lengths(16 / size(e)) {
		bBits, b := values(e, n, 8, 1)
		cBits, c := values(e, n, 9, 1)
		B, C, A := simt.NewBufferOf(t, h, bBits), simt.NewBufferOf(t, h, cBits), simt.NewBuffer[T](t, h, n)
		if err := h.Launch("bench_triad_"+e.name, streamGrid, streamBlock, 0, A, B, C, int64(n), scale, int32(1)); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			// One rounding, of a value of magnitude up to 1.7; double's own in the
			// reference comes to it, and float's before bf16's.
			want := b[i] + float64(scale)*c[i]
			if got := e.value(A.Data[i]); math.Abs(got-want) > (e.ulp+0x1p-24)*math.Abs(want)+0x1p-50+min(e.ulp, 0x1p-24) {
				t.Fatalf("triad %s: element %d of %d is %v, want %v", e.name, i, n, got, want)
			}
		}
		if err := h.Launch("bench_scale_"+e.name, streamGrid, streamBlock, 0, A, C, int64(n), scale, int32(2)); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			want := e.round(float64(scale) * c[i])
			if A.Data[i] != want {
				t.Fatalf("scale %s: element %d of %d is %v, want %v", e.name, i, n, A.Data[i], want)
			}
		}
		want, magnitude := 0.0, 0.0
		for i := range n {
			want += b[i] * c[i]
			magnitude += math.Abs(b[i] * c[i])
		}
		partial := simt.NewBuffer[float64](t, h, 2)
		if err := h.Launch("bench_dot_"+e.name, streamGrid, streamBlock, 0, partial, B, C, int64(n), int32(1)); err != nil {
			t.Fatal(err)
		}
		nearSum(t, fmt.Sprintf("dot %s of %d", e.name, n), partial.Data[0]+partial.Data[1], want, magnitude, e)
	}
}
