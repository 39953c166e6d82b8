package host

import (
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"bench/datasets"
	"bench/microbench"
)

func newTestBackend(t testing.TB, ranks int) *Backend {
	t.Helper()
	b, err := New(Options{oversubscribe: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// Every pass gives the right answer in every instruction set that this CPU has,
// for sizes that leave a tail on every unrolled loop, and Check sees one wrong
// element.
func TestStreamAnswers(t *testing.T) {
	b := newTestBackend(t, 2)
	for kernel := range streamKernels {
		for _, isa := range isas() {
			for _, w := range []datasets.Stream{
				{Kernel: kernel, Type: datasets.FP64, SizeBytes: 16 << 10, Ranks: 1},
				{Kernel: kernel, Type: datasets.FP32, SizeBytes: 16<<10 + 4*3*29, Ranks: 2},
				{Kernel: kernel, Type: datasets.FP64, SizeBytes: 1<<20 + 8*3*13, Ranks: 3},
				{Kernel: kernel, Type: datasets.FP64, SizeBytes: 64 * 3, Ranks: 1},
			} {
				t.Run(fmt.Sprintf("%s/%s", isa, w.Key()), func(t *testing.T) {
					c, err := b.prepareStreamISA(w, isa)
					var skipped *microbench.SkipError
					if errors.As(err, &skipped) && isa == Plain {
						t.Skip(err)
					}
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					if _, err := c.Batch(3); err != nil {
						t.Fatal(err)
					}
					reads, writes := w.Arrays()
					want := w.SizeBytes / int64(w.Type.Size()) / int64(reads+writes)
					if kernel == "read" {
						want = int64(w.Ranks) // one sum a worker
					}
					check, err := c.Check()
					if err != nil || check.Wrong != 0 || check.Checked != want || check.MaxRelError != 0 {
						t.Fatalf("Check() = %+v, %v, want %d checked, none wrong", check, err, want)
					}
					// The last element of the last worker's result is the one that a
					// wrong tail loop would miss.
					last := &c.parts[w.Ranks-1]
					out := []int{0, 1, 2}[reads+writes-1]
					if kernel == "read" {
						last.sum += 1.0 / 16
					} else if w.Type == datasets.FP64 {
						unsafe.Slice((*float64)(last.array[out]), last.count)[last.count-1] += 0.5
					} else {
						unsafe.Slice((*float32)(last.array[out]), last.count)[last.count-1] += 0.5
					}
					if check := c.compare(); check.Wrong != 1 || check.MaxRelError == 0 {
						t.Errorf("with one element changed: %+v, want 1 wrong", check)
					}
				})
			}
		}
	}
}

func TestLatencyVisitsEveryLine(t *testing.T) {
	b := newTestBackend(t, 2)
	c, err := b.prepareStreamISA(datasets.Stream{Kernel: "latency", Type: datasets.I64, SizeBytes: 101 * 64, Ranks: 2}, Plain)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if check, _ := c.Check(); check.Wrong != 0 || check.Checked != 101 {
		t.Errorf("Check() = %+v, want 101 lines, none wrong", check)
	}
	// Rank 0 has 50 lines: 50 loads in three batches come back to the start.
	start := c.parts[0].array[0]
	for _, n := range []int64{7, 40, 3} {
		if _, err := c.Batch(n); err != nil {
			t.Fatal(err)
		}
	}
	if c.parts[0].chain != start {
		t.Error("50 loads over 50 lines did not come back to the first line")
	}
	// A line that points to itself makes the cycle short.
	lines := unsafe.Slice((*[8]uintptr)(c.parts[1].array[0]), 51)
	lines[9][0] = uintptr(unsafe.Pointer(&lines[9]))
	if check, _ := c.Check(); check.Wrong != 1 {
		t.Errorf("with a broken chain: %+v, want 1 wrong", check)
	}
}

func TestStreamRefuses(t *testing.T) {
	b := newTestBackend(t, 2)
	for _, w := range []datasets.Stream{
		{Kernel: "peer", Type: datasets.FP64, SizeBytes: 1 << 20, Ranks: 1},
		{Kernel: "triad", Type: datasets.BF16, SizeBytes: 1 << 20, Ranks: 1},
		{Kernel: "triad", Type: datasets.FP64, SizeBytes: 64, Ranks: 1},
		{Kernel: "copy", Type: datasets.FP64, SizeBytes: 1 << 60, Ranks: 1},
	} {
		_, err := b.Prepare(w)
		var skipped *microbench.SkipError
		if !errors.As(err, &skipped) {
			t.Errorf("Prepare(%s): %v, want a SkipError", w.Key(), err)
		}
	}
}

func TestLaunch(t *testing.T) {
	c, err := newTestBackend(t, 2).Prepare(datasets.Stream{Kernel: "launch", Ranks: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	timing, err := c.Batch(1000)
	if err != nil || timing.Seconds <= 0 {
		t.Errorf("Batch(1000) = %+v, %v", timing, err)
	}
}

func BenchmarkStream(b *testing.B) {
	back := newTestBackend(b, 2)
	for _, kernel := range []string{"read", "write", "write_nt", "copy", "copy_nt", "scale", "triad", "triad_nt", "latency"} {
		for _, size := range []int64{16 << 10, 512 << 10, 8 << 20, 128 << 20} {
			w := datasets.Stream{Kernel: kernel, Type: datasets.FP64, SizeBytes: size, Ranks: 2}
			b.Run(fmt.Sprintf("%s/%d", kernel, size), func(b *testing.B) {
				c, err := back.Prepare(w)
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				timing, _ := c.Batch(int64(b.N))
				b.ReportMetric(w.Bytes()*float64(b.N)/timing.Seconds/1e9, "GB/s")
			})
		}
	}
}
