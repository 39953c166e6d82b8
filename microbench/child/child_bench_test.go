package child

import (
	"slices"
	"testing"

	"bench/datasets"
	"bench/microbench"
	"bench/microbench/host"
)

// BenchmarkChildAgainstInside measures the same workloads in a child and inside
// this process, batch by batch in turn, and reports the ratio of the medians: 1
// where the child costs no accuracy.
func BenchmarkChildAgainstInside(b *testing.B) {
	inside, err := host.New(host.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer inside.Close()
	outside, err := Start(config("host"))
	if err != nil {
		b.Fatal(err)
	}
	defer outside.Close()
	all := inside.Cores()
	for _, w := range []datasets.Workload{
		datasets.Stream{Kernel: "launch", Ranks: all},
		datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: 16 << 10, Ranks: 1},
		datasets.Stream{Kernel: "triad", Type: datasets.FP64, SizeBytes: 96 << 20, Ranks: all},
		datasets.GEMM{Kernel: "peak", Type: datasets.FP64, Ops: 1 << 26, Ranks: 1},
		datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: 256, N: 256, K: 256, Ranks: all, Cache: datasets.Hot},
	} {
		b.Run(w.Key(), func(b *testing.B) {
			cases := []microbench.Case{prepared(b, inside, w), prepared(b, outside, w)}
			n := int64(1)
			for {
				t, err := cases[0].Batch(n)
				if err != nil {
					b.Fatal(err)
				}
				if t.Seconds > 2e-3 {
					break
				}
				n *= 2
			}
			var times [2][]float64
			for b.Loop() {
				for range 25 {
					for i, c := range cases {
						t, err := c.Batch(n)
						if err != nil {
							b.Fatal(err)
						}
						times[i] = append(times[i], t.Seconds)
					}
				}
			}
			slices.Sort(times[0])
			slices.Sort(times[1])
			b.ReportMetric(times[1][len(times[1])/2]/times[0][len(times[0])/2], "child/inside")
			b.ReportMetric(times[1][0]/times[0][0], "fastest-child/inside")
			b.ReportMetric(0, "ns/op")
			for _, c := range cases {
				c.Close()
			}
		})
	}
}

func prepared(b *testing.B, backend microbench.Backend, w datasets.Workload) microbench.Case {
	c, err := backend.Prepare(w)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := c.Check(); err != nil {
		b.Fatal(err)
	}
	return c
}
