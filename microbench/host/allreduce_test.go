package host

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"bench/datasets"
	"bench/microbench"
)

// crowded is a backend that runs more workers than there may be cores.
func crowded(t testing.TB) *Backend {
	t.Helper()
	b, err := New(Options{oversubscribe: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func allReduce(algorithm string, d datasets.DType, bytes int64, ranks int, inPlace bool) datasets.Collective {
	return datasets.Collective{Kind: "all_reduce", Type: d, SizeBytes: bytes, Ranks: ranks, Nodes: 1, Algorithm: algorithm, InPlace: inPlace}
}

// Sizes of one element, around a cache line and a vector step, that do not
// divide by the ranks, and across the slabs of a ring, on every instruction set.
func TestAllReduceIsExact(t *testing.T) {
	b := crowded(t)
	for _, algorithm := range []string{"ring", "direct"} {
		for d := range elements {
			for ranks := 2; ranks <= 4; ranks++ {
				for _, count := range []int64{1, 2, 15, 17, 63, 1001, 30011} {
					for _, inPlace := range []bool{false, true} {
						w := allReduce(algorithm, d, count*int64(d.Size()), ranks, inPlace)
						c, err := b.Prepare(w)
						if err != nil {
							t.Fatal(err)
						}
						arg := c.(*collective).arg
						arg.chunk = 1024 // so that the longest takes several slabs
						for best := arg.isa; arg.isa >= 0; arg.isa-- {
							for stream := range arg.stream + 2 { // 0 and 1, whatever was chosen
								arg.stream = stream
								for range 2 { // a second run counts its chunks on from the first
									got, err := c.Check()
									if err != nil || got.Wrong != 0 || got.Checked != count*int64(ranks) {
										t.Errorf("%s, ISA %d of %d, stream %d: %+v, %v", w.Key(), arg.isa, best, stream, got, err)
									}
								}
							}
						}
						c.Close()
					}
				}
			}
		}
	}
}

func TestAllReduceCheckCountsWrongElements(t *testing.T) {
	b := crowded(t)
	c, err := b.Prepare(allReduce("direct", datasets.FP32, 4*1000, 3, false))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, _ := c.Check(); got.Wrong != 0 {
		t.Fatalf("%+v before any change", got)
	}
	a := c.(*collective)
	out := unsafe.Slice(a.arg.out, 3)
	unsafe.Slice((*float32)(out[2]), 1000)[999]++
	unsafe.Slice((*float32)(out[0]), 1000)[0]++
	if got := a.count(); got.Wrong != 2 || got.Checked != 3000 {
		t.Errorf("two elements were changed: %+v", got)
	}
}

// In place, a second all-reduce adds up the first one's sums: with 2 ranks the
// results double.
func TestAllReduceInPlaceAccumulates(t *testing.T) {
	b := crowded(t)
	for _, algorithm := range []string{"ring", "direct"} {
		c, err := b.Prepare(allReduce(algorithm, datasets.FP64, 8*70001, 2, true))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Check(); err != nil {
			t.Fatal(err)
		}
		out := unsafe.Slice((*float64)(*c.(*collective).arg.out), 70001)
		before := append([]float64(nil), out...)
		if s, err := c.Batch(3); err != nil || s.Seconds <= 0 {
			t.Fatal(s, err)
		}
		for i, v := range out {
			if v != 8*before[i] {
				t.Fatalf("%s: element %d went from %g to %g in three doublings", algorithm, i, before[i], v)
			}
		}
		c.Close()
	}
}

func TestAllReduceRefuses(t *testing.T) {
	b := crowded(t)
	ok := allReduce("ring", datasets.FP32, 1024, 2, false)
	for want, change := range map[string]func(*datasets.Collective){
		"no kernel for all_gather": func(w *datasets.Collective) { w.Kind = "all_gather" },
		"no algorithm \"tree\"":    func(w *datasets.Collective) { w.Algorithm = "tree" },
		"adds no fp16":             func(w *datasets.Collective) { w.Type = datasets.FP16 },
		"2 nodes":                  func(w *datasets.Collective) { w.Nodes = 2 },
		"1022 bytes are no whole":  func(w *datasets.Collective) { w.SizeBytes = 1022 },
		"GB are available":         func(w *datasets.Collective) { w.SizeBytes = 1 << 42 },
	} {
		w := ok
		change(&w)
		_, err := b.Prepare(w)
		var s *microbench.SkipError
		if !errors.As(err, &s) || !strings.Contains(s.Reason, want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func BenchmarkAllReduce(b *testing.B) {
	h, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	for _, algorithm := range []string{"ring", "direct"} {
		for size := int64(8); size <= 256<<20; size *= 8 {
			b.Run(fmt.Sprintf("%s/%d", algorithm, size), func(b *testing.B) {
				w := allReduce(algorithm, datasets.FP32, size, h.Cores(), false)
				c, err := h.Prepare(w)
				if err != nil {
					b.Skip(err)
				}
				defer c.Close()
				c.Batch(1)
				b.ResetTimer()
				s, _ := c.Batch(int64(b.N))
				b.ReportMetric(w.WireBytes()*float64(b.N)/s.Seconds/1e9, "bus-GB/s")
			})
		}
	}
}
