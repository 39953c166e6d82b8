package gpu

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"bench/cuda/kernels"
	"bench/datasets"
	"bench/datasets/catalog"
)

// assembled is a kernel's row of the table of docs/kernels.md, which `make
// kernels-doc` writes from what ptxas and cuobjdump say.
type assembled struct {
	registers, spills, shared, threads int64
	loop                               string
}

var assembledRow = regexp.MustCompile("(?m)^\\| \\w+ \\| `(\\w+)` \\| (\\d+) \\| (\\d+) \\| (\\d+) \\| (\\d+) \\| (.*) \\|$")

// assembledKernels are the rows of an architecture.
func assembledKernels(doc, arch string) map[string]assembled {
	_, part, _ := strings.Cut(doc, "### "+arch+"\n")
	part, _, _ = strings.Cut(part, "\n###")
	out := map[string]assembled{}
	for _, r := range assembledRow.FindAllStringSubmatch(part, -1) {
		var n [4]int64
		for i := range n {
			n[i], _ = strconv.ParseInt(r[i+2], 10, 64)
		}
		out[r[1]] = assembled{n[0], n[1], n[2], n[3], r[6]}
	}
	return out
}

// in is how many instructions of a kind the hot loop has: those of a name's first part.
func (a assembled) in(kind string) (n float64) {
	for _, part := range strings.Split(a.loop, ", ") {
		var of float64
		var name string
		if _, err := fmt.Sscan(part, &of, &name); err == nil && strings.Split(name, ".")[0] == kind {
			n += of
		}
	}
	return n
}

// residents is how many blocks an SM holds: of the threads that registers and the
// static shared memory leave room for, and of the dynamic, of which each takes 1 KiB
// more.
func (a assembled) residents(threads, dynamic, sharedPerSM int64) float64 {
	return float64(min(a.threads/threads, sharedPerSM/(dynamic+a.shared+1<<10)))
}

// document is one of docs, to hold figures against.
type document struct {
	t    *testing.T
	name string
	text string
}

func readDocument(t *testing.T, name string) document {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return document{t, name, string(text)}
}

// says fails where the document has no sentence of this wording, in which each # is
// the next value to as many digits as are printed there.
func (d document) says(wording string, values ...float64) {
	d.t.Helper()
	pattern := regexp.QuoteMeta(wording)
	pattern = strings.ReplaceAll(pattern, "#", `(\d[\d,]*(?:\.\d+)?)`)
	pattern = regexp.MustCompile(`\s+`).ReplaceAllString(pattern, `\s+`)
	found := regexp.MustCompile(pattern).FindStringSubmatch(d.text)
	if found == nil || len(found) != len(values)+1 {
		d.t.Errorf("docs/%s does not say %q with %d figures", d.name, wording, len(values))
		return
	}
	for i, v := range values {
		text := strings.ReplaceAll(found[i+1], ",", "")
		printed, _ := strconv.ParseFloat(text, 64)
		_, fraction, _ := strings.Cut(text, ".")
		if half := 0.5 * math.Pow(10, -float64(len(fraction))); !(math.Abs(printed-v) <= half*(1+1e-9)) {
			d.t.Errorf("docs/%s: %q: figure %d is %s, and should be %.6g", d.name, wording, i+1, text, v)
		}
	}
}

// An SM's shared memory (CUDA C++ Programming Guide, table of compute capabilities).
const a100Shared, h100Shared = 164 << 10, 228 << 10

// The figures of the kernels' pages are worked out anew, from the catalogue, the
// launches and what the assembler said.
func TestKernelsPagesAreUpToDate(t *testing.T) {
	device := func(id string) datasets.Device {
		d, err := catalog.Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a, h := device("a100-sxm-80"), device("h100-sxm")
	streams := readDocument(t, "kernels.md")
	ampere, hopper := assembledKernels(streams.text, "sm_80"), assembledKernels(streams.text, "sm_90a")
	if len(ampere) < 80 || len(hopper) < len(ampere) {
		t.Fatalf("docs/kernels.md has %d and %d kernels", len(ampere), len(hopper))
	}
	for arch, table := range map[string]map[string]assembled{"sm_80": ampere, "sm_90a": hopper} {
		for name, k := range table {
			if k.spills != 0 {
				t.Errorf("%s: %s spills, and the pages say that none does", arch, name)
			}
		}
	}
	t.Run("streams", func(t *testing.T) { checkStreamsPage(document{t, streams.name, streams.text}, a, h) })
	t.Run("peaks", func(t *testing.T) { checkPeaksPage(readDocument(t, "kernels-gemm.md"), a, h, ampere, hopper) })
	t.Run("layers", func(t *testing.T) { checkLayersPage(readDocument(t, "kernels-layers.md"), a, h, ampere, hopper) })
}

// underWay is latency × bandwidth of an SM.
func underWay(d datasets.Device, latencyS float64) float64 {
	return d.MemoryBandwidth.Value * latencyS / float64(d.Units)
}

func checkStreamsPage(d document, a, h datasets.Device) {
	const tiles = 4 * tileBytes // of 4 blocks an SM
	needA, needH := underWay(a, 700e-9), underWay(h, 700e-9)
	d.says("| memory bandwidth (datasheet) | # TB/s | # TB/s |", a.MemoryBandwidth.Value/1e12, h.MemoryBandwidth.Value/1e12)
	d.says("| SMs | # | # |", float64(a.Units), float64(h.Units))
	d.says("all SMs | # MB | # MB |", a.MemoryBandwidth.Value*700e-9/1e6, h.MemoryBandwidth.Value*700e-9/1e6)
	d.says("| for each SM | # kB | # kB |", needA/1e3, needH/1e3)
	d.says("(4 blocks × # threads × 4 × 16 B) | # kB | # kB |", passThreads, tiles/1e3, tiles/1e3)
	d.says("| more than needed | # × | # × |", tiles/needA, tiles/needH)
	bytes := h.MemoryBandwidth.Value / float64(h.Units) / 1.7e9
	d.says("H100 moves # TB/s ÷ # SMs ÷ 1.7 GHz = # bytes a cycle and SM: a warp-wide 16-byte load every # cycles, and so some # issue slots (4 schedulers)",
		h.MemoryBandwidth.Value/1e12, float64(h.Units), bytes, 512/bytes, 4*math.Round(512/bytes))
}

func checkPeaksPage(d document, a, h datasets.Device, ampere, hopper map[string]assembled) {
	peak := func(dtype string, major int) kernels.Peak {
		p, ok := kernels.PeakFor(dtype, major, 0)
		if !ok {
			d.t.Fatalf("%d.0 has no peak kernel of %s", major, dtype)
		}
		return p
	}
	row := func(wording string, p kernels.Peak, table map[string]assembled, instruction string, more ...float64) {
		d.t.Helper()
		k := table[strings.TrimPrefix(p.Kernel, "bench_")]
		values := []float64{float64(p.Threads), float64(p.BlocksPerSM), float64(k.registers), float64(k.spills), float64(k.shared), k.in(instruction)}
		d.says(wording, append(values, more...)...)
	}
	row("| # × # | # | # | # B | # HGMMA, 18 |", peak("bf16", 9), hopper, "HGMMA")
	row("wgmma m64n256k8 | # × # | # | # | # B | # HGMMA, 18 |", peak("tf32", 9), hopper, "HGMMA")
	row("wgmma m64n256k32 | # × # | # | # | # B | # QGMMA, 18 |", peak("fp8", 9), hopper, "QGMMA")
	row("wgmma m64n256k32 | # × # | # | # | # B | # IGMMA, 18 and # NOP |", peak("int8", 9), hopper, "IGMMA", hopper["peak_wgmma_int8"].in("NOP"))
	row("| mma m16n8k16, k8 | # × # | # (sm_80) | # | # | # HMMA, 3 |", peak("bf16", 8), ampere, "HMMA")
	row("| mma m16n8k32 | # × # | # (sm_80) | # | # | # IMMA, 3 |", peak("int8", 8), ampere, "IMMA")
	row("| mma m8n8k4 | # × # | # | # | # | # DMMA, 3 |", peak("fp64", 8), ampere, "DMMA")
	row("| mma m16n8k16 | # × # | # | # | # | # DMMA, 3 and # NOP |", peak("fp64", 9), hopper, "DMMA", hopper["peak_mma_fp64_sm90"].in("NOP"))
	row("| fma | # × # | # | # | # | # FFMA, 3 (sm_90a) |", peak("fp32", 9), hopper, "FFMA")

	// FLOP a clock and SM are a multiple of 64: datasheets round peaks and clocks.
	perClock := func(g datasets.Device, t datasets.DType, clockHz float64) float64 {
		exact := g.PeakFLOPs[t].Value / float64(g.Units) / clockHz
		if whole := math.Round(exact/64) * 64; math.Abs(exact/whole-1) < 2e-3 {
			return whole
		}
		return exact
	}
	const outside = 1.98e9 // of H100's FP64 and what is outside the tensor cores: h100Paper in the catalogue
	tera := func(g datasets.Device, t datasets.DType) float64 { return g.PeakFLOPs[t].Value / 1e12 }
	flop := func(m, n, k float64) float64 { return 2 * m * n * k }
	line := func(wording string, g datasets.Device, t datasets.DType, clockHz, instruction float64, before ...float64) {
		d.t.Helper()
		rate := perClock(g, t, clockHz)
		share := rate / 4 // of a tensor core, or of a scheduler
		if instruction >= flop(64, 256, 8) {
			share = rate
		}
		d.says(wording, append(before, tera(g, t), rate, instruction, instruction/share)...)
	}
	line("| A100, # SMs, # GHz: bf16, fp16 | # TFLOP/s | # | # | # a tensor core |", a, datasets.BF16, a.ClockHz.Value, flop(16, 8, 16), float64(a.Units), a.ClockHz.Value/1e9)
	line("| A100 tf32 | # | # | # | # |", a, datasets.TF32, a.ClockHz.Value, flop(16, 8, 8))
	line("| A100 int8 | # | # | # | # |", a, datasets.INT8, a.ClockHz.Value, flop(16, 8, 32))
	line("| A100 fp64 | # | # | # | # |", a, datasets.FP64, a.ClockHz.Value, flop(8, 8, 4))
	line("| H100 SXM, # SMs, # GHz: bf16, fp16 | # | # | # | # an SM |", h, datasets.BF16, h.ClockHz.Value, flop(64, 256, 16), float64(h.Units), h.ClockHz.Value/1e9)
	line("| H100 fp8, int8 | # | # | # | # |", h, datasets.FP8, h.ClockHz.Value, flop(64, 256, 32))
	line("| H100 tf32 | # | # | # | # |", h, datasets.TF32, h.ClockHz.Value, flop(64, 256, 8))
	line("| H100 fp64, at 1.98 GHz | # | # | # | # a tensor core |", h, datasets.FP64, outside, flop(16, 8, 16))
	line("| H100 fp32 outside the tensor cores, at 1.98 GHz | # | # | # a warp | # a scheduler |", h, datasets.FP32, outside, 2*32)

	d.says("reads (64 + 256) rows × 32 bytes = # bytes in # clocks: # of the 128 bytes a clock", (64+256)*32, 128, (64+256)*32/128)
	d.says("n = 64 would need # bytes in # clocks", (64+64)*32, 128*64/256)
	d.says("The vector loop has # instructions for # FFMA: at most # %", 259, hopper["peak_vector_fp32"].in("FFMA"), 100*hopper["peak_vector_fp32"].in("FFMA")/259)
	w := peak("bf16", 9)
	stored := float64(w.Tiles * w.Rows * w.Columns * w.OutSize())
	d.says("# KiB a block of wgmma, # MB in all on an H100", stored/1024, stored*float64(h.Units)/1e6)
	d.says("reach 90 % or more of # TFLOP/s at # GHz", tera(h, datasets.BF16), h.ClockHz.Value/1e9)
}
