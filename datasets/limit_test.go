package datasets

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// PTX ISA 9.0: wgmma is sm_90a's alone, tcgen05 that of the datacenter's
// Blackwells, and workstation Blackwells (sm_120) have mma only.
func TestCapabilities(t *testing.T) {
	for arch, want := range map[string]string{
		"sm_70": "[]", "sm_75": "[]", "sm_80": "[mma]", "sm_86": "[mma]", "sm_89": "[mma mma_fp8]",
		"sm_90": "[mma mma_fp8 wgmma]", "sm_90a": "[mma mma_fp8 wgmma]",
		"sm_100": "[mma mma_fp8 tcgen05]", "sm_103a": "[mma mma_fp8 tcgen05]", "sm_120": "[mma mma_fp8]",
		"x86-64": "[]", "arm64": "[]", "": "[]",
	} {
		d := Device{Arch: arch}
		got := []Capability{}
		for _, c := range []Capability{MMA, MMAFP8, WGMMA, TCGen05} {
			if d.Has(c) {
				got = append(got, c)
			}
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%q has %v, want %s", arch, got, want)
		}
	}
}

// A device of round figures: 100 TFLOP/s, 1 TB/s, links of 100 GB/s, network
// cards of 10 GB/s, and a host link of 50 GB/s; an L2 of 10 MB.
func limited(kind string, units int) *Device {
	f := func(v float64) Figure { return Figure{Value: v, Origin: Datasheet} }
	return &Device{ID: "round", Kind: kind, Units: units, PeakFLOPs: map[DType]Figure{BF16: f(100e12), FP8: f(200e12)},
		MemoryBandwidth: f(1e12), LinkBandwidth: f(100e9), NetworkBandwidth: f(10e9), PCIeBandwidth: f(50e9),
		Caches: []CacheLevel{{Level: 1, SizeBytes: f(1e6), SharedBy: 1}, {Level: 2, SizeBytes: f(10e6), SharedBy: units}}}
}

// Limits by hand, in µs: with nothing spared, and with all that may be.
func TestLimits(t *testing.T) {
	gpu, cpu := limited("gpu", 100), limited("cpu", 4)
	adds := limited("gpu", 100)
	adds.SwitchReduces = true
	// 2·1000³ = 2 GFLOP; 3 matrices of 1000² · 2 B = 6 MB, less than the L2.
	square := GEMM{Kernel: "matmul", Type: BF16, M: 1000, N: 1000, K: 1000, Ranks: 1, Cache: Hot}
	cold, split := square, square
	cold.Cache, split.Ranks = Cold, 2
	narrow, unknown := square, square
	narrow.Format, unknown.Format = "int4_wo", "w3"
	// Each of 4 ranks sends 2·3/4 of 8 MB; where a switch adds, 1 + 1/4 of it.
	sum := Collective{Kind: "all_reduce", Type: BF16, SizeBytes: 8e6, Ranks: 4, Nodes: 1}
	far := sum
	far.Nodes = 2 // a ring through 2 cards a node: 2·3/4·8 MB/2; among the 2 ranks of a node 2·1/2·8 MB
	for _, c := range []struct {
		d    *Device
		w    Workload
		want string
	}{
		{gpu, square, "compute 20 20, memory 6 0"},
		{gpu, cold, "compute 20 20, memory 6 6"},
		{gpu, split, "compute 10 10, memory 3 0"},
		{cpu, square, "compute 80 80, memory 6 0"}, // one core of four
		{cpu, split, "compute 40 40, memory 6 0"},
		{gpu, narrow, "compute 20 20, memory 4.5 0"}, // 2 + 0.5 + 2 MB
		{gpu, unknown, "no model of the w3 format, no model of the w3 format"},
		{gpu, GEMM{Kernel: "matmul", Type: FP64, M: 1, N: 1, K: 1, Ranks: 1}, "no datasheet peak of round for fp64, memory 2.4e-05 0"},
		{gpu, sum, "communication 120 120"},
		{adds, sum, "communication 100 60"},
		{gpu, far, "network 600 200, communication 80 80"},
		{gpu, Stream{Kernel: "read", Type: BF16, SizeBytes: 50e6, Ranks: 1}, "memory 50 40"},
		{gpu, Stream{Kernel: "host_to_device", Type: INT8, SizeBytes: 50e6, Ranks: 1}, "memory 50 40, host_link 1000 1000"},
		{&Device{ID: "bare", Kind: "gpu"}, sum, "no datasheet link bandwidth"},
		{&Device{ID: "bare", Kind: "gpu"}, far, "no datasheet bandwidth of the network, no datasheet link bandwidth"},
		{gpu, Stream{Kernel: "launch", Ranks: 1}, ""},
	} {
		got := ""
		for i, l := range c.d.Limits(c.w) {
			if i > 0 {
				got += ", "
			}
			if l.Missing != "" {
				got += l.Missing
				continue
			}
			got += fmt.Sprintf("%s %.4g %.4g", l.Term, l.Seconds()*1e6, l.Share(1e-6))
		}
		if got != c.want {
			t.Errorf("%s %s\n got %s\nwant %s", c.d.Kind, c.w.Key(), got, c.want)
		}
	}
}

// Axes are crossed with the last one changing fastest; of several columns each
// takes its element of an array, or all the same value.
func TestCross(t *testing.T) {
	got := ""
	for _, g := range Cross(GEMM{Kernel: "matmul", Cache: Cold, Ranks: 1}, Axis("dtype", FP32, BF16), Axis("m", 1, 2), Axis("n k", [2]int64{3, 4})) {
		got += fmt.Sprintln(g.Key())
	}
	for _, g := range Cross(GEMM{Kernel: "matmul", Type: FP32}, Axis("m n k ranks", 7)) {
		got += fmt.Sprintln(g.Key())
	}
	const want = `gemm/matmul fp32 m=1 n=3 k=4 ranks=1 cache=cold
gemm/matmul fp32 m=2 n=3 k=4 ranks=1 cache=cold
gemm/matmul bf16 m=1 n=3 k=4 ranks=1 cache=cold
gemm/matmul bf16 m=2 n=3 k=4 ranks=1 cache=cold
gemm/matmul fp32 m=7 n=7 k=7 ranks=7
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

// An operation with more columns of a kind than cells has room for is refused when
// the program starts, with what to do.
func TestTooManyColumnsAreRefused(t *testing.T) {
	o := &Operation{}
	for i := range len(cells{}.flags) + 1 {
		o.Fields = append(o.Fields, Field{Column: fmt.Sprint("flag_", i), Kind: reflect.Bool})
	}
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "9 columns of kind bool, and cells has room for 8") {
			t.Error(text)
		}
	}()
	layOut([]*Operation{o})
}
