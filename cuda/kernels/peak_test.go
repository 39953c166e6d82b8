package kernels

import (
	"fmt"
	"math"
	"testing"

	"bench/cuda/simt"
)

var peakTypes = []string{"bf16", "fp16", "tf32", "fp8", "int8", "fp64", "fp32"}

// every peak kernel, once for each architecture that has one of its own.
func peaks() []Peak {
	seen := map[string]bool{}
	var out []Peak
	for _, minor := range []int{8, 9} {
		for _, t := range peakTypes {
			if p, ok := PeakFor(t, minor, 0); ok && !seen[p.Kernel] {
				seen[p.Kernel] = true
				out = append(out, p)
			}
		}
	}
	return out
}

// Every sum of every tile is what integer arithmetic says, over the restart of
// wgmma's sums too, and a pass changes it.
func TestPeakKernelsAreExact(t *testing.T) {
	h := simt.Build(t)
	for _, p := range peaks() {
		t.Run(p.Kernel, func(t *testing.T) {
			blocks := 2
			if p.restart > 0 {
				blocks = 1
			}
			a, b := p.Operands()
			bufferA, bufferB := simt.NewBufferOf(t, h, a), simt.NewBufferOf(t, h, b)
			passes := []int32{0, 2, 6}
			if p.restart > 0 {
				passes = []int32{2, int32(p.restart) + 4}
				if p.Type != "fp8" { // one is enough: each pass is 2^22 products, by one core
					passes = passes[:1]
				}
			}
			for _, n := range passes {
				out := simt.NewBuffer[byte](t, h, blocks*p.Tiles*p.Rows*p.Columns*p.OutSize())
				if err := h.Launch(p.Kernel, simt.Dim3{uint32(blocks)}, simt.Dim3{uint32(p.Threads)}, 0, out, bufferA, bufferB, n); err != nil {
					t.Fatal(err)
				}
				if wrong, checked := p.Wrong(out.Data, int64(n)); wrong != 0 || checked != int64(blocks*p.Tiles*p.Rows*p.Columns) {
					t.Errorf("%d of %d sums are wrong after %d passes", wrong, checked, n)
				}
				if wrong, checked := p.Wrong(out.Data, int64(n)+1); wrong < checked/2 {
					t.Errorf("only %d of %d sums tell %d passes from %d", wrong, checked, n, n+1)
				}
			}
		})
	}
}

// The sums stay exact where the tensor cores keep fewer bits than their type
// has: with fp8, 13 bits and a sign (DeepSeek-V3, section 3.3.2), with the other
// floats 24.
func TestPeakSumsStayExact(t *testing.T) {
	for _, p := range peaks() {
		limit := map[string]float64{"fp8": 1 << 13, "int8": math.MaxInt32, "fp64": 1 << 53}[p.Type]
		if limit == 0 {
			limit = 1 << 24
		}
		most := p.MaxPasses()
		if p.restart > 0 {
			most = int64(p.restart)
		}
		for _, v := range p.Want(most) {
			if math.Abs(v) > limit {
				t.Fatalf("%s: a sum reaches %g, beyond %g, after %d passes", p.Kernel, v, limit, most)
			}
		}
		a, b := p.operands()
		for _, v := range append(a, b...) {
			if v > p.largest || v < -p.largest {
				t.Fatalf("%s: operand %d is beyond %d", p.Kernel, v, p.largest)
			}
		}
	}
}

// A wrong instruction must show: a product taken twice, in another row or with
// another operand gives other sums.
func TestPeakTellsWrongProducts(t *testing.T) {
	p, _ := PeakFor("fp8", 9, 0)
	a, b := p.operands()
	for k := 0; k < p.K; k += p.step {
		seen := map[string]bool{}
		for i := range p.Rows {
			seen[fmt.Sprint(a[i*p.K:i*p.K+p.step])] = true
		}
		for j := range p.Columns {
			seen[fmt.Sprint(b[j*p.K+k:j*p.K+k+p.step])] = true
		}
		if len(seen) < p.Rows+p.Columns {
			t.Errorf("step %d: only %d of %d rows differ", k/p.step, len(seen), p.Rows+p.Columns)
		}
	}
}

// By hand: H100 SXM, 989.4 TFLOP/s of bf16 on 132 SMs at 1.83 GHz are 4096 FLOP a
// clock and SM, so a wgmma m64n256k16 of 2·64·256·16 = 524,288 FLOP takes 128
// clocks, and a pass of a block, eight of them, 1024.
func TestPeakFLOPs(t *testing.T) {
	p, ok := PeakFor("bf16", 9, 0)
	if !ok || p.FLOPs() != 8*524288 || p.Kernel != "bench_peak_wgmma_bf16" {
		t.Errorf("%+v has %d FLOP a pass", p, p.FLOPs())
	}
	if p, ok := PeakFor("bf16", 8, 0); !ok || p.Kernel != "bench_peak_mma_bf16" || p.FLOPs() != 8*8*2*16*8*16 {
		t.Errorf("%+v has %d FLOP a pass", p, p.FLOPs())
	}
	if _, ok := PeakFor("fp8", 8, 9); ok {
		t.Error("there is no mma.sync kernel for fp8")
	}
	if _, ok := PeakFor("bf16", 7, 5); ok {
		t.Error("7.5 is too old")
	}
	for _, p := range peaks() {
		if n := p.FLOPs() * int64(p.BlocksPerSM); n&(n-1) != 0 {
			t.Errorf("%s: %d FLOP a pass and SM is no power of two, on which the suite's sizes count", p.Kernel, n)
		}
	}
}
