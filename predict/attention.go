package predict

import "bench/datasets"

// What the two generations of FlashAttention kernels do, as their sources say
// (github.com/Dao-AILab/flash-attention and the fork vllm-project/flash-attention,
// BSD-3-Clause). Constants of those kernels, not of any measurement:
//
//   - FlashAttention-2 (csrc/flash_attn, every GPU but sm_90) works in tiles of
//     64 query rows over blocks of 128 keys when the keys are paged (256 for
//     heads up to 64, 64 for heads beyond 128), two thread blocks an SM.
//   - FlashAttention-3 (hopper/tile_size.h, sm_90) works in tiles of 128 query
//     rows, or of 64 with one warpgroup where all rows fit in 64, over blocks
//     of 128 keys (96 of FP8 keys in the 64-row form), one thread block an SM.
//     The query heads of a group are always packed in the rows of a tile.
const (
	tileRows     = 64
	tileRowsWide = 128
	// dynamicBatch is the longest batch that FlashAttention-3 schedules with
	// splits chosen per sequence (hopper/flash_api.cpp).
	dynamicBatch = 992
	// maxSplits is the most parts that keys are split in.
	maxSplits = 128
)

// ceilDiv is a/b rounded up, for positive numbers.
func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// keyBlock is how many keys a FlashAttention-2 tile takes at once
// (csrc/flash_attn/flash_api.cpp).
func keyBlock(headDim int64) int64 {
	switch {
	case headDim <= 64:
		return 256
	case headDim <= 128:
		return 128
	}
	return 64
}

// splitsToFill is FlashAttention-2's choice of how many parts the keys of each
// tile are split in, so that few tiles fill many slots (num_splits_heuristic in
// csrc/flash_attn/flash_api.cpp): one where the tiles fill 80 % of the slots
// alone; else the fewest whose last wave of thread blocks is at least 85 % as
// full as the best's. Splits that leave the longest part as long as one split
// fewer are not tried.
func splitsToFill(tiles, slots, blocks int64) int64 {
	if 10*tiles >= 8*slots {
		return 1
	}
	most := min(maxSplits, slots, blocks)
	fullness := func(s int64) float64 {
		waves := ceilDiv(tiles*s, slots)
		return float64(tiles*s) / float64(waves*slots)
	}
	best := 0.0
	for s, before := int64(1), int64(0); s <= most; s++ {
		if longest := ceilDiv(blocks, s); longest != before {
			best, before = max(best, fullness(s)), longest
		}
	}
	for s, before := int64(1), int64(0); s <= most; s++ {
		if longest := ceilDiv(blocks, s); longest != before {
			if fullness(s) >= 0.85*best {
				return s
			}
			before = longest
		}
	}
	return 1
}

// attentionDeclines says which attention the two laws leave out.
func attentionDeclines(d *datasets.Device, w datasets.Workload) string {
	a := w.(datasets.Attention)
	switch {
	case a.Ranks != 1:
		return "attention over several ranks: give the heads of one rank"
	case a.HeadDim > mostHeadDim:
		return "no model of attention heads beyond 576"
	}
	return declinesDevice(d, a.Type)
}

// mostHeadDim is the widest head that a kernel is known for: a latent of 512 and
// 64 rotated elements (DeepSeek-V2, arXiv:2405.04434).
const mostHeadDim = 576

// attentionLeast is the least time that the device's peaks allow, with what the
// cache may keep.
func attentionLeast(d *datasets.Device, w datasets.Workload) float64 {
	bytes := w.Bytes()
	if datasets.CacheOf(w) != datasets.Cold {
		bytes = max(bytes-d.LastLevel().SizeBytes.Value, 0)
	}
	return max(w.FLOPs()/peakOf(d, w.DType()), bytes/d.MemoryBandwidth.Value)
}

// flashKernel is the kernel of an option of the fact "kernel": FlashAttention's
// generation, or "grouped", which gives each KV head's group a tile of its own
// height and is written for every size.
func flashKernel(option string, d *datasets.Device) string {
	if option != "by architecture" {
		return option
	}
	if d.Has(datasets.WGMMA) {
		return "flash attention 3"
	}
	return "flash attention 2"
}
