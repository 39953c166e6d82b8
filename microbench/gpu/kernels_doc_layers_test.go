package gpu

import (
	"fmt"
	"math"

	"bench/datasets"
)

// checkLayersPage holds docs/kernels-layers.md against the launches of this package.
func checkLayersPage(d document, a, h datasets.Device, ampere, hopper map[string]assembled) {
	row := func(what, kernel string, threads, dynamic int64) (blocksA, blocksH float64) {
		d.t.Helper()
		ka, kh := ampere[kernel], hopper[kernel]
		blocksA, blocksH = ka.residents(threads, dynamic, a100Shared), kh.residents(threads, dynamic, h100Shared)
		d.says("| "+what+" | # | # / # | # KB | # / # |", float64(threads), float64(ka.registers), float64(kh.registers), float64(dynamic+ka.shared)/1e3, blocksA, blocksH)
		return blocksA, blocksH
	}
	blocks := map[int64][2]float64{}
	for _, dim := range []int64{64, 128, 256} {
		p := planAttention(datasets.Attention{Heads: 16, KVHeads: 1, HeadDim: dim}, math.MaxInt)
		onA, onH := row(fmt.Sprintf("attention, head of ≤ %d", dim), fmt.Sprintf("attention_bf16_d%d", dim), attentionThreads, int64(p.shared))
		blocks[dim] = [2]float64{onA, onH}
	}
	var few [2]float64
	for i, t := range groupedTiles {
		onA, onH := row(fmt.Sprintf("experts, tile %d × %d", t.rows, t.columns), "moe_experts_bf16_"+t.String(), int64(t.threads), int64(t.shared()))
		if i == 0 {
			few = [2]float64{onA, onH}
		}
	}
	row("router", "moe_router_bf16", 256, 0)
	least := func(table map[string]assembled, kernels ...string) (low, high float64) {
		low = math.Inf(1)
		for _, k := range kernels {
			r := float64(table[k+"_bf16"].registers)
			low, high = min(low, r), max(high, r)
		}
		return low, high
	}
	norms := []string{"rms_norm", "add_rms_norm", "layer_norm", "softmax"}
	maps := []string{"add", "gelu", "silu_mul", "rope", "rope_append", "embedding"}
	for what, kernels := range map[string][]string{"| norms, softmax | 32–1024 | #–# / #–# |": norms, "RoPE, embedding | 32–256 | #–# / #–# |": maps} {
		lowA, highA := least(ampere, kernels...)
		lowH, highH := least(hopper, kernels...)
		d.says(what, lowA, highA, lowH, highH)
	}
	d.says("An SM has # registers, and # KiB (A100) or # KiB (H100) of shared memory", 65536, a100Shared>>10, h100Shared>>10)

	// 16 rows of queries, 2 FLOP each, on an element of 2 bytes.
	const perByte = 16 * 2 / 2
	bandA, bandH := a.MemoryBandwidth.Value/1e12, h.MemoryBandwidth.Value/1e12
	peakA, peakH := a.PeakFLOPs[datasets.BF16].Value/1e12, h.PeakFLOPs[datasets.BF16].Value/1e12
	d.says("a byte of cache costs # FLOP, padded rows included, so H100's # TB/s ask for # TFLOP/s of #, and A100's # TB/s for # of #.",
		perByte, bandH, perByte*bandH, math.Round(peakH/10)*10, bandA, perByte*bandA, peakA)
	d.says("64 rows ask for # of A100's #.", 4*perByte*bandA, peakA)
	d.says("are # a byte, # of A100's # TFMA/s", 4.5, 4.5*bandA, a.VectorFLOPs.Value/2e12)
	stage := 2. * attentionTile * 256
	d.says("2 · 64 · 256 bytes = # KiB a block at a head of 128: # KiB an SM on A100 and # KiB on H100",
		stage/1024, blocks[128][0]*stage/1024, blocks[128][1]*stage/1024)
	needA, needH := underWay(a, 600e-9)/1024, underWay(h, 700e-9)/1024
	d.says("# TB/s · 600 ns / # = # KiB and # TB/s · 700 ns / # = # KiB", bandA, float64(a.Units), needA, bandH, float64(h.Units), needH)
	loop := ampere["attention_bf16_d128"]
	d.says("The loop is # HMMA, # LDSM and 4 LDGSTS", loop.in("HMMA"), loop.in("LDSM"))

	t := groupedTiles[0]
	weights := float64((t.stages-1)*t.columns*t.depth*2) / 1024
	d.says("are under way, # KiB a block: # KiB an SM on A100, # KiB on H100, against the # and # KiB above",
		weights, few[0]*weights, few[1]*weights, needA, needH)
	t = groupedTiles[2]
	fromL2 := float64(t.rows*t.columns) / float64(t.rows+t.columns)
	d.says("128 · 128 / (128 + 128) = # FLOP a byte from L2, so # TFLOP/s on A100 ask L2 for # TB/s", fromL2, peakA, peakA/fromL2)
	many := ampere["moe_experts_bf16_"+t.String()]
	d.says("A step of # columns is # HMMA to # LDSM", float64(t.depth), many.in("HMMA"), many.in("LDSM"))
	d.says("rows of up to # elements of 16 bits or # of fp32", float64(maxRow(datasets.BF16)), float64(maxRow(datasets.FP32)))
	d.says("a vector a thread: # threads an SM have # KiB of loads under way", 2048, 2048*16/1024)
}
