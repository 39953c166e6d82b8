package peers

import (
	"fmt"
	"os"
	"testing"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/microbench"
	"bench/microbench/host"
)

// rounds is how often the two sides take turns. Each ratio is that of
// neighbours in time, so that what the machine does slowly cancels.
const rounds = 15

// compare takes turns and reports the median ratio ours/theirs of rates, with
// the first and third quartile, and both sides' median rate.
func compare(b *testing.B, unit string, scale, goal float64, ours, theirs func() float64) {
	b.Helper()
	ours()
	theirs()
	var ratios, a, z []float64
	for range rounds {
		x, y := ours(), theirs()
		ratios, a, z = append(ratios, x/y), append(a, x/scale), append(z, y/scale)
	}
	median := stats.Median(ratios)
	b.Logf("ratio %.3f (quartiles %.3f to %.3f, goal %.2f): bench %.4g %s, peer %.4g %s",
		median, stats.Quantile(ratios, 0.25), stats.Quantile(ratios, 0.75), goal, stats.Median(a), unit, stats.Median(z), unit)
	b.ReportMetric(median, "ratio")
	b.ReportMetric(0, "ns/op")
}

func backend(b *testing.B, library string) *host.Backend {
	b.Helper()
	back, err := host.New(host.Options{Library: library})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { back.Close() })
	return back
}

// rate prepares a workload and returns a function that measures it once: work
// a second, in batches of n.
func rate(b *testing.B, back *host.Backend, w datasets.Workload, work float64, n int64) func() float64 {
	b.Helper()
	c := prepare(b, back, w)
	return func() float64 {
		timing, err := c.Batch(n)
		if err != nil {
			b.Fatal(err)
		}
		return work * float64(n) / timing.Seconds
	}
}

func prepare(b *testing.B, back *host.Backend, w datasets.Workload) microbench.Case {
	b.Helper()
	c, err := back.Prepare(w)
	if err != nil {
		b.Skip(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// Four times a last-level cache of 32 MiB, and less to map than most machines
// have.
const streamBytes = 3 * 64 << 20

// BenchmarkPeerSTREAM compares copy and triad with STREAM's loops, compiled -O3
// from plain C, pinned alike and on the same kind of page.
func BenchmarkPeerSTREAM(b *testing.B) {
	back := backend(b, "")
	for _, kernel := range []string{"copy", "triad"} {
		b.Run(kernel, func(b *testing.B) {
			w := datasets.Stream{Kernel: kernel, Type: datasets.FP64, SizeBytes: streamBytes, Ranks: back.Cores()}
			arrays := int64(3)
			if kernel == "copy" {
				arrays = 2
			}
			s, err := NewStream(streamBytes/8/arrays, back.Cores())
			if err != nil {
				b.Skip(err)
			}
			defer s.Close()
			const passes = 8
			run := map[string]func(int64) float64{"copy": s.Copy, "triad": s.Triad}[kernel]
			compare(b, "GB/s", 1e9, 0.98, rate(b, back, w, w.Bytes(), passes),
				func() float64 { return w.Bytes() * passes / run(passes) })
		})
	}
}

// BenchmarkPeerLikwid compares copy and triad, with plain and with non-temporal
// stores, with the assembly of likwid-bench, which runs as its own process and on
// small pages.
func BenchmarkPeerLikwid(b *testing.B) {
	back := backend(b, "")
	for _, k := range []struct{ ours, theirs string }{
		{"copy", "copy_avx"}, {"triad", "stream_avx_fma"}, {"copy_nt", "copy_mem_avx"}, {"triad_nt", "stream_mem_avx_fma"},
	} {
		b.Run(k.ours, func(b *testing.B) {
			megabytes := int64(streamBytes / 1_000_000)
			if _, err := Likwid(k.theirs, megabytes, back.Cores()); err != nil {
				b.Skip(err)
			}
			w := datasets.Stream{Kernel: k.ours, Type: datasets.FP64, SizeBytes: megabytes * 1e6, Ranks: back.Cores()}
			compareFew(b, rate(b, back, w, w.Bytes(), 32), func() float64 {
				r, err := Likwid(k.theirs, megabytes, back.Cores())
				if err != nil {
					b.Fatal(err)
				}
				return r
			})
		})
	}
}

// compareFew is compare for a peer that takes seconds a turn.
func compareFew(b *testing.B, ours, theirs func() float64) {
	var ratios, a, z []float64
	for range 3 {
		x, y := ours(), theirs()
		ratios, a, z = append(ratios, x/y), append(a, x/1e9), append(z, y/1e9)
	}
	b.ReportMetric(stats.Median(ratios), "ratio")
	b.ReportMetric(0, "ns/op")
	b.Logf("ratio %.3f (%.3f to %.3f, goal 0.98): bench %.4g GB/s, likwid-bench %.4g GB/s",
		stats.Median(ratios), ratios[0], ratios[2], stats.Median(a), stats.Median(z))
}

// products are square, skinny and awkward.
var products = [][3]int{{1024, 1024, 1024}, {2048, 2048, 2048}, {1000, 1003, 997}, {1, 4096, 4096}, {8, 4096, 4096}, {16, 4096, 4096}, {64, 4096, 4096}, {256, 4096, 1024}}

// BenchmarkPeerOpenBLASLoop compares OpenBLAS through bench with a plain C loop
// around the same call. It wants OPENBLAS_CORETYPE unset.
func BenchmarkPeerOpenBLASLoop(b *testing.B) {
	warnCoreType(b)
	back := backend(b, "openblas")
	for _, p := range products[:4] {
		b.Run(fmt.Sprintf("m=%d,n=%d,k=%d", p[0], p[1], p[2]), func(b *testing.B) {
			loop := NewSGEMM(back.Cores(), p[0], p[1], p[2])
			defer loop.Close()
			if _, err := loop.Run(1); err != nil {
				b.Skip(err)
			}
			w := matmul(p, datasets.FP32, back.Cores())
			n := count(w)
			compare(b, "GFLOP/s", 1e9, 0.98, rate(b, back, w, w.FLOPs(), n), func() float64 {
				s, err := loop.Run(n)
				if err != nil {
					b.Fatal(err)
				}
				return w.FLOPs() * float64(n) / s
			})
		})
	}
}

// BenchmarkPeerBuiltinGEMM compares the built-in product with OpenBLAS, fp32 and
// fp64, on one core and on all.
func BenchmarkPeerBuiltinGEMM(b *testing.B) {
	warnCoreType(b)
	builtin, openblas := backend(b, "builtin"), backend(b, "openblas")
	for _, d := range []datasets.DType{datasets.FP32, datasets.FP64} {
		for _, ranks := range ranksOf(builtin) {
			for _, p := range products {
				w := matmul(p, d, ranks)
				b.Run(fmt.Sprintf("%s/ranks=%d/m=%d,n=%d,k=%d", d, ranks, p[0], p[1], p[2]), func(b *testing.B) {
					n := count(w)
					compare(b, "GFLOP/s", 1e9, 0.75, rate(b, builtin, w, w.FLOPs(), n), rate(b, openblas, w, w.FLOPs(), n))
				})
			}
		}
	}
}

// BenchmarkPeerPeak compares each multiply-add kernel on one core with the
// computed peak at the clock measured right before and after it.
func BenchmarkPeerPeak(b *testing.B) {
	back := backend(b, "")
	for _, d := range []datasets.DType{datasets.FP64, datasets.FP32, datasets.BF16, datasets.INT8} {
		b.Run(string(d), func(b *testing.B) {
			perCycle, source := host.PeakPerCycle(d)
			if perCycle == 0 {
				b.Skip(source)
			}
			w := datasets.GEMM{Kernel: "peak", Type: d, Ops: 1e8, Ranks: 1}
			ours := rate(b, back, w, w.FLOPs(), 20)
			clock := func() float64 {
				hz, err := host.MeasureClockHz(back.CPU(0))
				if err != nil {
					b.Skip(err)
				}
				return hz
			}
			before := clock()
			compare(b, "GFLOP/s", 1e9, 0.97, ours, func() float64 {
				after := clock()
				hz := (before + after) / 2
				before = after
				return perCycle * hz
			})
		})
	}
}

func matmul(p [3]int, d datasets.DType, ranks int) datasets.GEMM {
	return datasets.GEMM{Kernel: "matmul", Type: d, M: int64(p[0]), N: int64(p[1]), K: int64(p[2]), Ranks: ranks, Cache: datasets.Hot}
}

// count is how many products take some 30 ms at 60 GFLOP/s, or 10 GB/s.
func count(w datasets.Workload) int64 {
	return max(1, int64(0.03/max(w.FLOPs()/60e9, w.Bytes()/10e9)))
}

func ranksOf(back *host.Backend) []int {
	if n := back.Cores(); n > 1 {
		return []int{1, n}
	}
	return []int{1}
}

func warnCoreType(b *testing.B) {
	if v := os.Getenv("OPENBLAS_CORETYPE"); v != "" {
		b.Skipf("OPENBLAS_CORETYPE=%s makes OpenBLAS slower than it is: unset it", v)
	}
}
