package host

import (
	"errors"
	"fmt"
	"testing"

	"bench/datasets"
	"bench/microbench"
)

// Every multiply-add kernel that this CPU runs leaves the exact result in every
// lane, and Check sees one wrong lane.
func TestPeakAnswers(t *testing.T) {
	b := newTestBackend(t, 2)
	for _, d := range []datasets.DType{datasets.FP64, datasets.FP32, datasets.BF16, datasets.INT8} {
		best, err := peakKernelFor(d)
		var skipped *microbench.SkipError
		if errors.As(err, &skipped) {
			t.Logf("%s: %v", d, err)
			continue
		}
		kernels := []peakKernel{best}
		if d == datasets.FP64 || d == datasets.FP32 {
			kernels = kernels[:0]
			for _, isa := range isas() {
				k := best
				k = k.at(isa)
				if k, err = k.sized(2); err != nil {
					t.Fatal(err)
				}
				kernels = append(kernels, k)
			}
		}
		for _, k := range kernels {
			t.Run(fmt.Sprintf("%s/%d", d, k.isa), func(t *testing.T) {
				w := datasets.GEMM{Kernel: "peak", Type: d, Ops: 1e6, Ranks: 2}
				c, err := b.preparePeakKernel(w, k)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if done := c.loops * k.flopPerLoop * 2; done < w.Ops || done >= w.Ops+2*k.flopPerLoop {
					t.Errorf("%d loops make %d FLOP, want %d rounded up to whole loops", c.loops, done, w.Ops)
				}
				check, err := c.Check()
				if err != nil || check.Wrong != 0 || check.Checked == 0 {
					t.Fatalf("Check() = %+v, %v", check, err)
				}
				c.issue(checkedLoops - 1)
				c.work.loops++ // one loop short of what is compared: every lane is off
				if check := c.compare(); check.Wrong != check.Checked {
					t.Errorf("one loop short: %+v, want all wrong", check)
				}
			})
		}
	}
}

func TestPeakRefuses(t *testing.T) {
	b := newTestBackend(t, 1)
	_, err := b.Prepare(datasets.GEMM{Kernel: "peak", Type: datasets.FP8, Ops: 1e6, Ranks: 1})
	var skipped *microbench.SkipError
	if !errors.As(err, &skipped) {
		t.Errorf("fp8: %v, want a SkipError", err)
	}
}

// Rates worked by hand from the number and width of the units: two 256-bit
// units make 2 × 4 double-precision multiply-adds, 16 FLOP; two of 512 bits 32;
// two NEON pipes 2 × 2 multiply-adds, 8 FLOP.
func TestMicroarchitectures(t *testing.T) {
	for _, c := range []struct {
		core microarchitecture
		name string
		fp64 float64
	}{
		{amdCore(0x17, 0x31), "Zen 2", 16},
		{amdCore(0x19, 0x01), "Zen 3", 16},
		{amdCore(0x19, 0x11), "Zen 4", 16},
		{amdCore(0x1a, 0x02), "Zen 5", 32},
		{amdCore(0x1a, 0x24), "", 0},
		{amdCore(0x17, 0x01), "", 0},
		{intelCore(0x55, 4, "Intel(R) Xeon(R) Platinum 8124M CPU @ 3.00GHz"), "Skylake-SP or Cascade Lake", 32},
		{intelCore(0x55, 4, "Intel(R) Xeon(R) Silver 4110 CPU"), "", 0},
		{intelCore(0x8f, 8, ""), "Sapphire or Emerald Rapids", 32},
		{armCore(0x413fd0c1), "Neoverse N1", 8},
		{armCore(0x411fd4f0), "Neoverse V2", 16},
		{armCore(0x610f0000), "", 0},
	} {
		if c.core.name != c.name || c.core.fp64 != c.fp64 {
			t.Errorf("got %q with %v FLOP a cycle, want %q with %v", c.core.name, c.core.fp64, c.name, c.fp64)
		}
	}
}

func TestMeasureClock(t *testing.T) {
	b := newTestBackend(t, 1)
	hz, err := MeasureClockHz(b.cpus[0])
	if err != nil || hz < 1e8 || hz > 1e10 {
		t.Errorf("MeasureClockHz = %g, %v: not a clock", hz, err)
	}
	if _, err := MeasureClockHz(4095); err == nil {
		t.Error("CPU 4095 was measured")
	}
}

// Each kernel's rate, and its share of the rate that the table and the clock give.
// The clock is read before and after every two iterations (5 to 40 ms); it moves
// meanwhile, so that a share of up to 1.01 is no fault (a Zen 4's dot products
// came out at 0.996 to 1.006).
func BenchmarkPeak(b *testing.B) {
	back := newTestBackend(b, 1)
	for _, d := range []datasets.DType{datasets.FP64, datasets.FP32, datasets.BF16, datasets.INT8} {
		b.Run(string(d), func(b *testing.B) {
			c, err := back.Prepare(datasets.GEMM{Kernel: "peak", Type: d, Ops: 1e9, Ranks: 1})
			if err != nil {
				b.Skip(err)
			}
			defer c.Close()
			perCycle, source := PeakPerCycle(d)
			if perCycle == 0 {
				b.Skip(source)
			}
			team := c.(*peakCase).team
			seconds, cycles := 0.0, 0.0
			for done := 0; done < b.N; {
				n := min(2, b.N-done)
				hz := team.chainHz(64 * 56000)
				timing, err := c.Batch(int64(n))
				if err != nil {
					b.Fatal(err)
				}
				hz = (hz + team.chainHz(64*56000)) / 2
				seconds += timing.Seconds
				cycles += timing.Seconds * hz
				done += n
			}
			b.ReportMetric(float64(b.N)/seconds, "GFLOP/s")
			b.ReportMetric(1e9*float64(b.N)/cycles/perCycle, "of-peak")
		})
	}
}
