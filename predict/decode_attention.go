package predict

import (
	"math"

	"bench/datasets"
)

// The parameters of decodeLaw, by position.
const (
	decodeMemory = iota
	decodeL2
	decodeTensor
	decodeLaunch
	decodeKernel
	decodeTile
	decodeShare
	decodeExposed
	decodeCombine
	decodeSplit
	decodeSequence
	decodeRow
)

// The facts of decodeLaw, by position.
const (
	decodeKind = iota
	decodeAlone
	decodePadding
	decodeGroups
	decodeSchedule
)

// decodeLaw is one new token a sequence over a KV cache:
//
//	launch + copies + schedule + latency + combine
//	  + the longer of (compute + wave_quantization) and memory + exposed
//
// A thread block takes one tile (the query heads of one KV head, padded) through
// its share of the keys in blocks; its time is a latency and so much a block, at
// a fraction of its SM's tensor rate for the padded rows. The blocks fill the
// chip in waves; a full wave and the last one each take the longer of the SMs'
// time and the time of their bytes, so that a few thread blocks cannot draw the
// whole bandwidth (Little's law). The first tile's latency is exposed, later ones
// hide behind the traffic of others. Split keys cost a second kernel that
// combines the parts. See attention.go for tiles and splits.
var decodeLaw = &Law{
	Name: "decode_attention",
	Parameters: []datasets.Parameter{
		decodeMemory:   machineParameters[0],
		decodeL2:       machineParameters[1],
		decodeTensor:   machineParameters[2],
		decodeLaunch:   {Name: "launch", Unit: "cycles", Min: 1000, Max: 4e5, Value: 10e3, Meaning: "fixed floor: launches, writing the new key and value, the last write"},
		decodeKernel:   {Name: "kernel", Unit: "cycles", Min: 100, Max: 2e4, Value: 2000, Meaning: "one more small kernel in the chain, such as a copy that regroups heads"},
		decodeTile:     {Name: "tile_latency", Unit: "cycles", Min: 100, Max: 3e4, Value: 2500, Meaning: "start and end of a tile: load Q, first keys, write O"},
		decodeShare:    {Name: "tensor_share", Unit: "1", Min: 0.02, Max: 1, Value: 0.5, Meaning: "share of an SM's tensor rate while it goes through blocks of keys, padded rows counted, softmax between"},
		decodeExposed:  {Name: "exposed_share", Unit: "1", Min: 0, Max: 1, Value: 0.25, Meaning: "share of the shorter of SM time and traffic that does not overlap, when both take equally long"},
		decodeCombine:  {Name: "combine", Unit: "cycles", Min: 100, Max: 3e4, Value: 3500, Meaning: "the kernel that combines split keys"},
		decodeSplit:    {Name: "combine_split", Unit: "cycles", Min: 1, Max: 2000, Value: 200, Meaning: "what each split adds to it, one after the other"},
		decodeSequence: {Name: "schedule_sequence", Unit: "cycles", Min: 0.1, Max: 400, Value: 20, Meaning: "finding and closing each sequence's tiles"},
		decodeRow:      {Name: "schedule_row", Unit: "cycles", Min: 0.001, Max: 20, Value: 0.3, Meaning: "the same for each query row of the batch"},
	},
	Facts: []Fact{
		decodeKind:     {"kernel", "the kernel's generation", []string{"by architecture", "flash attention 2", "flash attention 3", "grouped"}},
		decodeAlone:    {"heads_alone", "whether heads with a KV head of their own are split", []string{"whole", "split"}},
		decodePadding:  {"padding", "query rows that a tile is padded to", []string{"64", "16", "none"}},
		decodeGroups:   {"groups", "sizes of groups that share a KV head for which there is a kernel: else keys are read again for each query head", []string{"all", "not 10, 20, 40 or above 32"}},
		decodeSchedule: {"schedule", "how many KV heads the splits are planned for", []string{"8", "the layer's"}},
	},
	Applies: func(w datasets.Workload) bool {
		a, ok := w.(datasets.Attention)
		return ok && a.QueryTokens == 1
	},
	Declines: attentionDeclines,
	Time:     timeDecodeAttention,
	Least:    attentionLeast,
}

func timeDecodeAttention(k *kernel, w datasets.Workload) span {
	a, v, d := w.(datasets.Attention), k.values, k.dev
	r := k.rates(a.Type, v[decodeMemory], v[decodeL2], v[decodeTensor]*v[decodeShare])
	sms := int64(d.Units)
	kind := flashKernel(k.fact(decodeKind), d)
	context, group, kvHeads := a.ReadTokens(), a.Heads/a.KVHeads, a.KVHeads
	bytes := a.Bytes()
	if k.facts[decodeGroups] == 1 && (group == 10 || group == 20 || group == 40 || group > 32) {
		bytes += float64(group-1) * a.KVBytes()
		group, kvHeads = 1, a.Heads
	}
	rows := float64(a.Batch * a.Heads)
	query := rows * float64(a.HeadDim+a.ValueHead()) / 2 * a.Type.Size() // Q, or O, in bytes
	padded := int64(tileRows)
	switch k.facts[decodePadding] {
	case 1:
		padded = ceilDiv(min(group, tileRows), 16) * 16
	case 2:
		padded = min(group, tileRows)
	}
	tiles := a.Batch * kvHeads * ceilDiv(group, tileRows)

	schedule, kernels := 0.0, 0.0
	keys, splits, perSM := keyBlock(a.HeadDim), int64(1), int64(2)
	alone := group == 1 && k.facts[decodeAlone] == 0
	switch kind {
	case "flash attention 3":
		keys, perSM = 128, 1
		if a.KVType == datasets.FP8 && a.Type != datasets.FP8 {
			keys = 96
		}
		if a.Batch <= dynamicBatch {
			schedule = (v[decodeSequence]*float64(a.Batch) + v[decodeRow]*rows) * r.cycle
			heads := kvHeads
			if k.facts[decodeSchedule] == 0 {
				heads = 8
			}
			splits = dynamicSplits(a.Batch, ceilDiv(context, keys), sms, heads)
		}
	case "flash attention 2":
		if !alone {
			splits = splitsToFill(tiles, 2*sms, ceilDiv(context, keys))
		}
		if group > 1 {
			// Regrouping heads in the rows of a tile takes one more kernel, and
			// four where both batch and KV heads are more than one, as views no
			// longer do.
			kernels = 1
			if a.Batch > 1 && kvHeads > 1 {
				kernels = 4
			}
		}
	default:
		if !alone {
			splits = splitsToFill(tiles, 2*sms, ceilDiv(context, keys))
		}
		schedule = (v[decodeSequence]*float64(a.Batch) + v[decodeRow]*rows) * r.cycle
	}
	blocks := ceilDiv(context, keys)
	perSplit := ceilDiv(blocks, splits)
	splits = ceilDiv(blocks, perSplit)
	parts := 0.0 // bytes of the splits' partial results, in FP32
	if splits > 1 {
		parts = float64(splits) * rows * float64(a.ValueHead()) * 4
	}

	// One thread block a tile and split.
	block := 2 * float64(padded*keys*(a.HeadDim+a.ValueHead())) / r.sm
	latency := v[decodeTile] * r.cycle
	each := latency + float64(perSplit)*block
	bytes += parts
	memory := r.traffic(bytes, resident(d, bytes, a.Cache))
	n := tiles * splits
	slots := perSM * sms
	full, last := n/slots*slots, n%slots
	fullBusy := float64(full/sms) * each
	lastBusy := float64(ceilDiv(last, sms)) * each
	share := memory / float64(n)
	var body float64
	if full > 0 {
		body = overlapped(v[decodeExposed], fullBusy-latency, share*float64(full)) +
			overlapped(v[decodeExposed], lastBusy, share*float64(last))
	} else {
		body = overlapped(v[decodeExposed], lastBusy-latency, share*float64(last))
	}

	copies, combine := 0.0, 0.0
	if kernels > 0 {
		copies = kernels*v[decodeKernel]*r.cycle + r.traffic(min(kernels, 3)*2*query, resident(d, 4*query, a.Cache))
	}
	if splits > 1 {
		combine = (v[decodeCombine]+v[decodeSplit]*float64(splits))*r.cycle + r.traffic(parts, resident(d, parts, a.Cache))
	}
	busy := fullBusy + lastBusy - latency
	even := max(0, min(float64(n)/float64(sms)*each-latency, busy))
	longer := k.longest(k.sum(k.of("compute", even), k.of("wave_quantization", busy-even)), k.of("memory", memory))
	return k.sum(k.of("launch", v[decodeLaunch]*r.cycle), k.of("copies", copies), k.of("schedule", schedule), k.of("latency", latency),
		k.of("combine", combine), longer, k.of("exposed", body-longer.seconds))
}

// overlapped is the seconds of terms.overlap for two parts.
func overlapped(share, a, b float64) float64 {
	lo, hi := min(a, b), max(a, b)
	if hi <= 0 {
		return 0
	}
	return hi + share*lo*lo/hi
}

// dynamicSplits is FlashAttention-3's choice for each sequence of a batch of
// equal ones (hopper/flash_prepare_scheduler.cu): as many parts as make each
// about the blocks of keys that fall to one SM, with a tenth to spare. vLLM plans
// ahead of the kernel, from a model's configuration: in aiconfigurator's H100
// table splits x batch stop at 16 with one KV head too, as though 8 filled the
// chip.
func dynamicSplits(batch, blocks, sms, heads int64) int64 {
	each := int64(math.Ceil(float64(batch*blocks*heads) * 1.1 / float64(sms)))
	return max(1, min(ceilDiv(blocks, each), maxSplits))
}
