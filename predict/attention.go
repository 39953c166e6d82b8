package predict

import (
	"math"

	"bench/datasets"
)

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

// flashAttention3 reports whether the device runs FlashAttention-3.
func flashAttention3(d *datasets.Device) bool { return d.Has(datasets.WGMMA) }

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

// resident is the share of a repeated workload's bytes that the last-level
// cache still holds from the repetition before: all of it up to half of the
// cache, falling to none at its size. The cache of these GPUs is two halves
// that may each hold a copy of what SMs of both sides read (NVIDIA, "A100
// Tensor Core GPU Architecture", 2020, page 31), and what is read in a circle
// and does not fit throws itself out.
func resident(d *datasets.Device, bytes float64, state datasets.Cache) float64 {
	size := d.LastLevel().SizeBytes.Value
	if state == datasets.Cold || size == 0 {
		return 0
	}
	return min(1, max(0, 2-2*bytes/size))
}

// trafficSeconds is the time of so many bytes, a share of them from the cache.
// efficiency is of the memory's datasheet bandwidth; the cache is ratio times
// as fast as what is then reached.
func trafficSeconds(d *datasets.Device, bytes, share, efficiency, ratio float64) float64 {
	return bytes / (d.MemoryBandwidth.Value * efficiency) * (1 - share + share/ratio)
}

// contend joins two resources that work at the same time: the longer, and more
// the closer the two are, as their queues are in each other's way:
// (aᵖ + bᵖ)^(1/p), the longer alone for large p, the sum for 1.
func contend(a, b, p float64) float64 {
	if a < b {
		a, b = b, a
	}
	if b <= 0 {
		return a
	}
	return a * math.Pow(1+math.Pow(b/a, p), 1/p)
}

// attentionDeclines says which attention the two models leave out.
func attentionDeclines(d *datasets.Device, w datasets.Workload) string {
	a := w.(datasets.Attention)
	peak := d.PeakFLOPs[a.Type].Value
	kv := a.KVType
	if kv == "" {
		kv = a.Type
	}
	switch {
	case d.Kind != "gpu":
		return "no calibrated model of attention on a CPU"
	case a.Ranks != 1:
		return "attention over several ranks: give the heads of one rank"
	case a.Type != datasets.BF16 && a.Type != datasets.FP16:
		return "no model of attention in " + string(a.Type)
	case kv != a.Type && kv != datasets.FP8:
		return "no model of attention over a KV cache in " + string(kv)
	case kv == datasets.FP8 && !flashAttention3(d):
		return "no model of an fp8 KV cache on " + d.Arch + ": FlashAttention-2 does not read it"
	case a.ValueDim != 0:
		return "no model of latent attention"
	case a.Window != 0 && a.Window < a.ContextTokens:
		return "no model of a sliding window"
	case a.HeadDim > 256:
		return "no model of attention heads beyond 256"
	case peak == 0:
		return "no datasheet peak of " + d.ID + " for " + string(a.Type)
	case d.MemoryBandwidth.Value == 0 || d.Units == 0:
		return "no datasheet bandwidth or SM count of " + d.ID
	}
	return ""
}

// addTerm adds a named part to a prediction, unless it is nothing.
func addTerm(p *datasets.Prediction, name string, seconds float64) {
	if seconds > 0 {
		p.Terms = append(p.Terms, datasets.Term{Name: name, Seconds: seconds})
	}
}

// bindLargest names the largest term as the one that decides.
func bindLargest(p *datasets.Prediction) {
	most := 0.0
	for _, t := range p.Terms {
		if t.Seconds > most {
			most, p.Binds = t.Seconds, t.Name
		}
	}
}
