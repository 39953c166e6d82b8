package microbench

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"bench/datasets"
)

// oddCase takes what times says, as the iterations grow.
type oddCase struct {
	fakeCase
	times func(n int64) Timing
}

func (c *oddCase) Batch(n int64) (Timing, error) { return c.times(n), nil }

type oddBackend struct {
	*fakeBackend
	times func(n int64) Timing
}

func (b *oddBackend) Prepare(w datasets.Workload) (Case, error) {
	return &oddCase{fakeCase{b.fakeBackend, w}, b.times}, nil
}

// A time that no batch can have taken fails its case with one sentence.
func TestImpossibleTimes(t *testing.T) {
	for want, times := range map[string]func(n int64) Timing{
		"the clock went backwards":                 func(int64) Timing { return Timing{Seconds: -1e-3} },
		"took NaN s, which is no time":             func(int64) Timing { return Timing{Seconds: math.NaN()} },
		"took +Inf s, which is no time":            func(int64) Timing { return Timing{Seconds: math.Inf(1)} },
		"does not grow with the work":              func(int64) Timing { return Timing{Seconds: 1e-4} }, // hoisted out of the loop
		"or the clock does not advance":            func(int64) Timing { return Timing{} },
		"took -1 s on the host's clock, which is ": func(int64) Timing { return Timing{Seconds: 3e-3, WallSeconds: -1} },
		"took 0 s: the clock does not advance": func() func(int64) Timing { // stops once the size is found
			calls := 0
			return func(int64) Timing {
				if calls++; calls <= sizeTries {
					return Timing{Seconds: 3e-3}
				}
				return Timing{}
			}
		}(),
	} {
		f := newFake(1)
		l := f.loop()
		l.Backend = &oddBackend{f, times}
		rows, _, err := l.Run(context.Background(), fakePlan(1), nil)
		if err != nil {
			t.Fatal(err)
		}
		if m := rows[0].Measurement; m.Verdict != datasets.Failed || !strings.Contains(m.Reason, want) || m.TimeS != 0 {
			t.Errorf("%s: %s", want, describe(m))
		}
	}
}

// The work of all iterations but the first was left out, which no answer shows: a
// core at 4 GHz moves no more than 192 bytes a cycle, 768 GB/s.
func TestWorkThatWasLeftOut(t *testing.T) {
	dev := &datasets.Device{Kind: "cpu", Units: 2, ClockHz: datasets.Figure{Value: 4e9}}
	read := datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: 1 << 14, Ranks: 1}
	latency := datasets.Stream{Kernel: "latency", Type: datasets.I64, SizeBytes: 1 << 14, Ranks: 1}
	for _, c := range []struct {
		w     datasets.Workload
		rate  float64 // bytes a second; for latency cycles a load
		wrong bool
	}{{read, 700e9, false}, {read, 900e9, true}, {latency, 4, false}, {latency, 0.5, true}} {
		seconds := c.w.Bytes() / c.rate
		if c.w == datasets.Workload(latency) {
			seconds = c.rate / 4e9
		}
		if got := beyondCore(dev, c.w, seconds); (got != "") != c.wrong {
			t.Errorf("%s at %g: %q", c.w.Key(), c.rate, got)
		}
	}
}

// Memory gave 20 GB/s in this run. Cold operands rotate through 64 MB, of which
// the caches hold 32 + 2·1: at most 20/(1 − 34/64)·1.03 = 43.9 GB/s. 50 GB/s came
// from a cache; the same product with hot operands may.
func TestACachedColdCaseIsFlagged(t *testing.T) {
	b := newFake(5)
	b.noise = 0.001
	gemm := datasets.GEMM{Kernel: "matmul", Type: datasets.FP64, M: 8, N: 1024, K: 1024, Ranks: 1, Cache: datasets.Cold}
	honest, hot := gemm, gemm
	honest.N = 2048
	hot.Cache = datasets.Hot
	b.truth = func(w datasets.Workload) float64 {
		switch w {
		case datasets.Workload(gemm), datasets.Workload(hot):
			return w.Bytes() / 50e9
		case datasets.Workload(honest):
			return w.Bytes() / 40e9
		}
		return w.Bytes() / 20e9
	}
	p := fakePlan(4)
	p.Workloads = []datasets.Workload{datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: 256 << 20, Ranks: 2}, gemm, honest, hot}
	dev := b.Device()
	dev.Caches[0].SharedBy, dev.Caches[1].SharedBy = 1, 2
	dev.PeakFLOPs = nil
	l := b.loop()
	l.Backend = &coldBackend{b, dev}
	rows, _, err := l.Run(context.Background(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, false, false} {
		m := rows[i].Measurement
		if slices.Contains(m.Flags, datasets.FlagImplausible) != want || want && !strings.Contains(m.Reason, "the operands were in a cache") {
			t.Errorf("%s: %s", rows[i].Workload.Key(), describe(m))
		}
	}
}

type coldBackend struct {
	*fakeBackend
	device datasets.Device
}

func (b *coldBackend) Device() datasets.Device { return b.device }
