package importers

import (
	"math"
	"os"
	"path/filepath"
	"runtime/metrics"
	"testing"

	meta "github.com/parquet-go/parquet-go/format"
)

// fuzzReader checks that no input makes a reader panic or give a row that is
// no row.
func fuzzReader(f *testing.F, format format, file string, seeds ...string) {
	for _, pattern := range seeds {
		paths, _ := filepath.Glob(filepath.Join("testdata", pattern))
		if len(paths) == 0 {
			f.Fatalf("no seed %s", pattern)
		}
		for _, p := range paths {
			data, err := os.ReadFile(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := allocated()
		b, err := readData(format, file, data)
		if used := allocated() - before; used > 1<<29+uint64(len(data))<<14 {
			t.Errorf("%d bytes of file took %d bytes of memory", len(data), used)
		}
		if err != nil {
			return
		}
		for _, r := range b.rows {
			if m := r.Measurement; !(m.TimeS > 0) || math.IsInf(m.TimeS, 0) || r.Workload.Validate() != nil || r.DeviceID == "" || m.Origin.Record < 1 {
				t.Errorf("%s: %+v", r.Workload.Key(), m)
			}
		}
	})
}

func FuzzAIConfigurator(f *testing.F) {
	f.Add(parquetOf(f, []gemmRow{gemmOf("bfloat16", 1, 0.5), gemmOf("fp8", 2, -1)}))
	f.Add(handmade(f, meta.ByteArray, meta.Optional, 1, dictionaryPage(1, 4, 0, 0, 0, 'g', 'e', 'm', 'm'), dataPage(1, meta.RLEDictionary, 2, 0, 0, 0, 2, 1, 1, 2, 0)))
	f.Add(handmade(f, meta.Int32, meta.Required, 1, dataPageV2(1, meta.DeltaBinaryPacked, nil, 128, 1, 4, 1, 8)))
	fuzzReader(f, aiconfigurator, "a.parquet")
}
func FuzzVidur(f *testing.F) {
	fuzzReader(f, vidur, "network/a100_dgx/x.csv", "vidur/network/a100_dgx/*.csv", "vidur/compute/h100/m/*.csv")
}
func FuzzLLMCompassMatmul(f *testing.F) {
	fuzzReader(f, llmcompass, "matmul_A100.csv", "matmul_A100.csv")
}
func FuzzLLMCompassGELU(f *testing.F)    { fuzzReader(f, llmcompass, "gelu_A100.csv", "gelu_MI210.csv") }
func FuzzLLMCompassSoftmax(f *testing.F) { fuzzReader(f, llmcompass, "softmax_A100.csv", "*_*.csv") }
func FuzzNCCLTests(f *testing.F)         { fuzzReader(f, ncclTests, "x.txt", "nccl*") }
func FuzzNVBandwidth(f *testing.F)       { fuzzReader(f, nvbandwidth, "x.txt", "nvbandwidth*") }
func FuzzBabelStream(f *testing.F)       { fuzzReader(f, babelStream, "x.txt", "babelstream*") }
func FuzzServeBench(f *testing.F)        { fuzzReader(f, serveBench, "x.txt", "serve*") }
func FuzzLlamaBench(f *testing.F)        { fuzzReader(f, llamaBench, "x.txt", "llamabench*") }

// allocated is all memory that was ever allocated, in bytes.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
