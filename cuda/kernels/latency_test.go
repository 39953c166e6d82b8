package kernels_test

import (
	"testing"

	"bench/cuda/kernels"
	"bench/cuda/simt"
)

// The chain is one cycle through every line, in the order of kernels.Shuffled.
func TestChainIsOneCycleThroughEveryLine(t *testing.T) {
	h := simt.Build(t)
	const stride, seed = 128, 3
	for _, h.Order = range simt.Orders {
		for _, lines := range []int{1, 2, 3, 17, 64, 1000} {
			base, at := simt.NewBuffer[uint64](t, h, lines*stride/8), simt.NewBuffer[uint64](t, h, 1)
			bits := kernels.ShuffledHalfBits(int64(lines))
			if err := h.Launch("bench_chain", simt.Dim3{2}, simt.Dim3{64}, 0, base, int64(lines), int32(stride), int32(bits), uint64(seed)); err != nil {
				t.Fatal(err)
			}
			seen, line := map[uint64]bool{}, uint64(kernels.Shuffled(0, int64(lines), seed))
			for j := range lines {
				if line != uint64(kernels.Shuffled(int64(j), int64(lines), seed)) {
					t.Fatalf("%d lines: step %d is line %d, want %d", lines, j, line, kernels.Shuffled(int64(j), int64(lines), seed))
				}
				seen[line] = true
				line = base.Data[line*stride/8] / stride
			}
			if len(seen) != lines {
				t.Fatalf("%d lines: the chain goes through %d", lines, len(seen))
			}
			at.Data[0] = uint64(kernels.Shuffled(0, int64(lines), seed)) * stride
			for _, steps := range []int64{0, 5, 37} {
				if err := h.Launch("bench_chase", simt.Dim3{1}, simt.Dim3{1}, 0, base, at, steps); err != nil {
					t.Fatal(err)
				}
			}
			if want := kernels.Shuffled(42%int64(lines), int64(lines), seed) * stride; at.Data[0] != uint64(want) {
				t.Errorf("%d lines: after 42 steps at %d, want %d", lines, at.Data[0], want)
			}
		}
	}
}

func TestSpinWaitsForItsFlagOrGivesUp(t *testing.T) {
	h := simt.Build(t)
	flag, gave := simt.NewBuffer[uint32](t, h, 1), simt.NewBuffer[uint32](t, h, 1)
	if err := h.Launch("bench_spin", simt.Dim3{}, simt.Dim3{}, 0, flag, uint64(1e6), gave); err != nil || gave.Data[0] != 1 {
		t.Errorf("%v, gave up: %d", err, gave.Data[0])
	}
	flag.Data[0], gave.Data[0] = 1, 0
	if err := h.Launch("bench_spin", simt.Dim3{}, simt.Dim3{}, 0, flag, uint64(60e9), gave); err != nil || gave.Data[0] != 0 {
		t.Errorf("%v, gave up though the flag was set: %d", err, gave.Data[0])
	}
	if err := h.Launch("bench_empty", simt.Dim3{2}, simt.Dim3{32}, 0); err != nil {
		t.Error(err)
	}
}

func TestFlushAndSentinelKeepToTheirMemory(t *testing.T) {
	h := simt.Build(t)
	for _, h.Order = range simt.Orders {
		for _, vectors := range []int{0, 1, 100} {
			b := simt.NewBuffer[float32](t, h, 4*vectors)
			for i := range b.Data {
				b.Data[i] = 1
			}
			if err := h.Launch("bench_flush", simt.Dim3{2}, simt.Dim3{32}, 0, b, int64(vectors)); err != nil {
				t.Fatal(err)
			}
			for _, v := range b.Data {
				if v != 0 {
					t.Fatalf("flush of %d vectors leaves %v", vectors, v)
				}
			}
			if err := h.Launch("bench_sentinel", simt.Dim3{2}, simt.Dim3{32}, 0, b, int64(vectors)); err != nil {
				t.Fatal(err)
			}
			// x = x/2 + c comes to 2c.
			for i, v := range b.Data {
				if want := []float32{0.5, 0.25, 0.75, 0.875}[i%4]; v != want {
					t.Fatalf("sentinel: element %d is %v, want %v", i, v, want)
				}
			}
		}
	}
}
