package reports

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bench/datasets"
)

// kernelRows draws n cases of a GPU node: products in two types, all-reduces and
// attention, of some thousand shapes. Those of large files are imported, as large
// sweeps are: a run of bench has a few hundred cases.
func kernelRows(n, ofFile, seed int) []datasets.Row {
	rows := make([]datasets.Row, n)
	source := datasets.SourceMeasured
	if ofFile > 1000 {
		source = datasets.SourceImported
	}
	for i := range rows {
		k := int64(i + seed)
		var w datasets.Workload
		switch i % 4 {
		case 0:
			w = datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 64 << (k / 4 % 8), N: 1024 * (1 + k/32%12), K: 1024 * (1 + k/384%8), Ranks: 1}
		case 1:
			w = datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 1024 << (k / 4 % 20), Ranks: 2 << (k / 80 % 3), Nodes: 1}
		case 2:
			w = datasets.Attention{Type: datasets.BF16, Batch: 1 << (k / 4 % 9), QueryTokens: 1, ContextTokens: 256 * (1 + k/36%32), Heads: 32, KVHeads: 8, HeadDim: 128, Ranks: 1}
		case 3:
			w = datasets.GEMM{Kernel: "matmul", Type: datasets.FP8, M: 64 << (k / 4 % 8), N: 1024 * (1 + k/32%12), K: 1024 * (1 + k/384%8), Ranks: 1}
		}
		seconds := 5e-6 + w.FLOPs()/600e12 + w.Bytes()/2.5e12 + w.WireBytes()/300e9
		seconds *= 1 + 0.0001*float64(k*7919%997-498)
		rows[i] = datasets.Row{DeviceID: "h100-sxm", DeviceUUID: "GPU-1", Workload: w,
			Measurement: datasets.Measurement{Source: source, Verdict: datasets.OK, TimeS: seconds, LowS: seconds * 0.99, HighS: seconds * 1.01,
				SamplesS: []float64{seconds, seconds * 1.001, seconds * 0.999, seconds}},
			Predictions: []datasets.Prediction{{Tier: datasets.TierDatasheet, Seconds: seconds * (0.6 + 0.0003*float64(k*31%991)), Binds: "memory", Rule: "max"}}}
	}
	return rows
}

// writeKernelRows writes hosts files of perFile rows each, and links to them
// until there are files in all.
func writeKernelRows(b *testing.B, files, hosts, perFile int) string {
	b.Helper()
	dir := b.TempDir()
	for i := range files {
		path := filepath.Join(dir, fmt.Sprintf("%06d.parquet", i))
		if i >= hosts {
			if err := os.Link(filepath.Join(dir, fmt.Sprintf("%06d.parquet", i%hosts)), path); err != nil {
				b.Fatal(err)
			}
			continue
		}
		w, err := datasets.CreateFile(path, datasets.Meta{ID: fmt.Sprint("run-", i), Host: fmt.Sprintf("node%03d", i), StartUnixS: 1769900000}, nil)
		if err != nil {
			b.Fatal(err)
		}
		// In pieces, so that the peak of memory is the report's.
		for at := 0; at < perFile; at += 10_000 {
			if err := w.Write(kernelRows(min(10_000, perFile-at), perFile, i*perFile+at)); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// BenchmarkReport1M is the whole of bench report over a million rows: read,
// predicted anew in every tier, aggregated and written. peak-MB is the most
// memory that the process has held, as the kernel counts it; it includes the
// making of the input.
func BenchmarkReport1M(b *testing.B) {
	for name, shape := range map[string][3]int{"100files": {100, 20, 10_000}, "10000files": {10_000, 100, 100}, "1file": {1, 1, 1_000_000}} {
		b.Run(name, func(b *testing.B) {
			dir := writeKernelRows(b, shape[0], shape[1], shape[2])
			for b.Loop() {
				r, err := Aggregated(new(datasets.Scanner), []string{dir}, datasets.Tiers, Catalogue(nil))
				if err != nil || r.Aggregate.Rows != 1_000_000 {
					b.Fatal(err)
				}
				if err := Text(io.Discard, r, TextOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(peakMB(), "peak-MB")
		})
	}
}

// peakMB is the process' greatest resident set so far, in MB.
func peakMB() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	for l := range strings.Lines(string(status)) {
		if f := strings.Fields(l); len(f) > 1 && f[0] == "VmHWM:" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb / 1e3
		}
	}
	return 0
}
