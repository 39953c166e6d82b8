package kernels_test

import (
	"testing"

	"bench/cuda/kernels"
	"bench/cuda/simt"
)

func TestFillWritesValueRoundedToItsType(t *testing.T) {
	h := simt.Build(t)
	fillCase(t, h, "bench_fill_f32", 0.5, func(v float32) float32 { return v })
	fillCase(t, h, "bench_fill_f64", 1.5, func(v float32) float64 { return float64(v) })
	fillCase(t, h, "bench_fill_bf16", 3, kernels.BF16)
	fillCase(t, h, "bench_fill_fp16", 1e-5, kernels.FP16)
	fillCase(t, h, "bench_fill_fp8", 600, kernels.FP8)
	fillCase(t, h, "bench_fill_i8", 127, kernels.INT8)
}

func fillCase[T comparable](t *testing.T, h *simt.Host, name string, scale float32, round func(float32) T) {
	const seed = 42
	for _, h.Order = range simt.Orders {
		for _, n := range []int{0, 1, 31, 257, 1000} {
			b := simt.NewBuffer[T](t, h, n+1)
			untouched := b.Data[n]
			if err := h.Launch(name, simt.Dim3{3}, simt.Dim3{64}, 0, b, int64(n), uint64(seed), scale); err != nil {
				t.Fatal(err)
			}
			for i, got := range b.Data[:n] {
				if want := round(scale * float32(kernels.Value(seed, int64(i)))); got != want {
					t.Fatalf("%s n=%d: element %d is %v, want %v", name, n, i, got, want)
				}
			}
			if b.Data[n] != untouched {
				t.Errorf("%s n=%d wrote past its end", name, n)
			}
		}
	}
}
