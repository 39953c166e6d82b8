package predict

import (
	"math"

	"bench/datasets"
)

// The parameters of decodeAttention, by position.
const (
	decodeLaunch = iota
	decodeKernel
	decodeTile
	decodeTensor
	decodeFP8
	decodeMemory
	decodeCache
	decodeContention
	decodeCombine
	decodeSplit
	decodeSequence
	decodeRow
)

// scheduleHeads is how many KV heads the split schedule of FlashAttention-3 was
// made for in ai-dynamo/aiconfigurator's collection, whatever the kernel then
// ran with: vLLM computes the schedule ahead of the kernel, from the model's
// configuration. Its H100 table shows it: with one KV head, splits × batch stop
// at 16 as though 8 heads filled the chip. (Fitted as a thirteenth parameter:
// 8.07, 95 % interval 7.5 to 8.4.)
const scheduleHeads = 8

// decodeAttention is one new token a sequence over a KV cache, by vLLM's
// FlashAttention kernels:
//
//	launch + copies + schedule + latency + combine
//	  + the longer of (compute + wave_quantization) and memory, + contention
//
// A thread block takes one tile (the query heads of one KV head, padded to 64
// rows) through its share of the keys in blocks; its time is a latency and so
// much a block, at a fraction of its SM's tensor rate for the padded rows. The
// blocks fill the chip in waves; a full wave and the last one each take the
// longer of the SMs' time and the time of their bytes, so that a few thread
// blocks cannot draw the whole bandwidth (Little's law). The first tile's
// latency is exposed, later ones hide behind the traffic of others. Split keys
// cost a second kernel that combines the parts. See attention.go for tiles,
// splits, and what the cache keeps.
var decodeAttention = &Model{
	Name: "decode_attention",
	Parameters: []datasets.Parameter{
		decodeLaunch:     {Name: "launch", Unit: "s", Min: 1e-6, Max: 5e-5, Value: 7.4e-6, Meaning: "fixed floor: launches, writing the new key and value, the last write"},
		decodeKernel:     {Name: "kernel", Unit: "s", Min: 1e-7, Max: 1e-5, Value: 1.5e-6, Meaning: "one more small kernel in the chain: a copy that regroups heads, or converting Q to fp8"},
		decodeTile:       {Name: "tile_latency", Unit: "s", Min: 1e-7, Max: 2e-5, Value: 1.5e-6, Meaning: "start and end of a tile: load Q, first keys, write O"},
		decodeTensor:     {Name: "tensor_efficiency", Unit: "1", Min: 0.05, Max: 1, Value: 0.5, Meaning: "share of an SM's tensor peak while it goes through blocks of keys, padded rows counted, softmax between"},
		decodeFP8:        {Name: "fp8_slowdown", Unit: "1", Min: 1, Max: 3, Value: 1.2, Meaning: "time of a block of fp8 keys over one of as many 16-bit keys"},
		decodeMemory:     {Name: "memory_efficiency", Unit: "1", Min: 0.3, Max: 1, Value: 0.85, Meaning: "share of the memory's datasheet bandwidth that is reached"},
		decodeCache:      {Name: "cache_ratio", Unit: "1", Min: 1, Max: 8, Value: 1.6, Meaning: "bandwidth of L2 over that reached from memory"},
		decodeContention: {Name: "contention", Unit: "1", Min: 1, Max: 10, Value: 4, Meaning: "exponent that joins SM time and traffic: 1 one after the other, large the longer alone"},
		decodeCombine:    {Name: "combine", Unit: "s", Min: 1e-7, Max: 2e-5, Value: 2.5e-6, Meaning: "the kernel that combines split keys"},
		decodeSplit:      {Name: "combine_split", Unit: "s", Min: 1e-9, Max: 1e-6, Value: 1.5e-7, Meaning: "what each split adds to it, one after the other"},
		decodeSequence:   {Name: "schedule_sequence", Unit: "s", Min: 1e-9, Max: 2e-7, Value: 2e-8, Meaning: "finding and closing each sequence's tiles in the dynamic schedule of FlashAttention-3"},
		decodeRow:        {Name: "schedule_row", Unit: "s", Min: 1e-12, Max: 1e-8, Value: 3e-10, Meaning: "the same for each query row of the batch"},
	},
	Applies: func(w datasets.Workload) bool {
		a, ok := w.(datasets.Attention)
		return ok && a.QueryTokens == 1
	},
	Declines: attentionDeclines,
	Predict:  predictDecodeAttention,
}

func predictDecodeAttention(d *datasets.Device, v []float64, w datasets.Workload) datasets.Prediction {
	a := w.(datasets.Attention)
	p := datasets.Prediction{Terms: make([]datasets.Term, 0, 9),
		Rule: "sum, of compute + wave_quantization and memory only the longer"}
	sms := int64(d.Units)
	group := a.Heads / a.KVHeads
	rows := float64(a.Batch * a.Heads)
	tiles := a.Batch * a.KVHeads * ceilDiv(group, tileRows)
	query := rows * float64(a.HeadDim) * a.Type.Size() // Q, or O, in bytes

	launch, schedule, kernels := v[decodeLaunch], 0.0, 0.0
	keys, splits, perSM := keyBlock(a.HeadDim), int64(1), int64(2)
	slow := 1.0
	if flashAttention3(d) {
		keys, perSM = 128, 1
		if a.KVType == datasets.FP8 {
			keys, slow = 96, v[decodeFP8]
			launch += v[decodeKernel]
		}
		if a.Batch <= dynamicBatch {
			schedule = v[decodeSequence]*float64(a.Batch) + v[decodeRow]*rows
			splits = dynamicSplits(a.Batch, ceilDiv(a.ContextTokens, keys), sms)
		}
	} else if group > 1 {
		// Only grouped heads are split. Regrouping them in the rows of a tile
		// takes one more kernel, and four where both batch and KV heads are
		// more than one, as views no longer do.
		splits = splitsToFill(tiles, 2*sms, ceilDiv(a.ContextTokens, keys))
		kernels = 1
		if a.Batch > 1 && a.KVHeads > 1 {
			kernels = 4
		}
	}
	blocks := ceilDiv(a.ContextTokens, keys)
	perSplit := ceilDiv(blocks, splits)
	splits = ceilDiv(blocks, perSplit)
	parts := 0.0 // bytes of the splits' partial results, in FP32
	if splits > 1 {
		parts = float64(splits) * rows * float64(a.HeadDim) * 4
	}

	// One thread block a tile and split.
	block := 4 * float64(tileRows*keys*a.HeadDim) / (d.PeakFLOPs[a.Type].Value / float64(sms) * v[decodeTensor]) * slow
	latency := v[decodeTile]
	each := latency + float64(perSplit)*block
	bytes := a.Bytes() + parts
	memory := trafficSeconds(d, bytes, resident(d, bytes, a.Cache), v[decodeMemory], v[decodeCache])
	n := tiles * splits
	slots := perSM * sms
	full, last := n/slots*slots, n%slots
	fullBusy := float64(full/sms) * each
	lastBusy := float64(ceilDiv(last, sms)) * each
	share := memory / float64(n)
	var body float64
	if full > 0 {
		body = contend(fullBusy-latency, share*float64(full), v[decodeContention]) +
			contend(lastBusy, share*float64(last), v[decodeContention])
	} else {
		body = contend(lastBusy-latency, share*float64(last), v[decodeContention])
	}

	copies, combine := 0.0, 0.0
	if kernels > 0 {
		copies = kernels*v[decodeKernel] + trafficSeconds(d, min(kernels, 3)*2*query, resident(d, 4*query, a.Cache), v[decodeMemory], v[decodeCache])
	}
	if splits > 1 {
		combine = v[decodeCombine] + v[decodeSplit]*float64(splits) + trafficSeconds(d, parts, resident(d, parts, a.Cache), v[decodeMemory], v[decodeCache])
	}
	p.Seconds = launch + copies + schedule + latency + combine + body
	even := float64(n)/float64(sms)*each - latency
	busy := fullBusy + lastBusy - latency
	addTerm(&p, "launch", launch)
	addTerm(&p, "copies", copies)
	addTerm(&p, "schedule", schedule)
	addTerm(&p, "latency", latency)
	addTerm(&p, "compute", max(0, min(even, busy)))
	addTerm(&p, "wave_quantization", busy-max(0, min(even, busy)))
	addTerm(&p, "memory", memory)
	addTerm(&p, "contention", body-max(busy, memory))
	addTerm(&p, "combine", combine)
	bindLargest(&p)
	return p
}

// dynamicSplits is FlashAttention-3's choice for each sequence of a batch of
// equal ones (hopper/flash_prepare_scheduler.cu): as many parts as make each
// about the blocks of keys that fall to one SM, with a tenth to spare.
func dynamicSplits(batch, blocks, sms int64) int64 {
	each := int64(math.Ceil(float64(batch*blocks*scheduleHeads) * 1.1 / float64(sms)))
	return max(1, min(ceilDiv(blocks, each), maxSplits))
}
