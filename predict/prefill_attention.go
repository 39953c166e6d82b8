package predict

import (
	"math"

	"bench/datasets"
)

// The parameters of prefillLaw, by position.
const (
	prefillMemory = iota
	prefillL2
	prefillTensor
	prefillSag
	prefillLaunch
	prefillTile
	prefillWide
	prefillShare
	prefillChain
	prefillImbalance
	prefillExposed
	prefillToken
)

// The facts of prefillLaw, by position.
const (
	prefillKind = iota
)

// prefillLaw is causal attention over whole prompts, with the kernel that writes
// the new keys and values in the cache before it:
//
//	launch + cache_write
//	  + the longer of (compute + imbalance) and memory + exposed + power
//
// A tile of query rows goes through the blocks of keys up to its diagonal, so
// that the last tile of a prompt is the longest. SMs share all tiles' blocks,
// and at the end wait for the tile that started last: a share of the longest.
// No tile's own chain of blocks can take less than the whole. The cache is
// written by one thread block a token, of 128 threads for each 128 elements and
// 512 at most, which fit an SM the less the wider they are.
var prefillLaw = &Law{
	Name: "prefill_attention",
	Parameters: []datasets.Parameter{
		prefillMemory:    machineParameters[0],
		prefillL2:        machineParameters[1],
		prefillTensor:    machineParameters[2],
		prefillSag:       machineParameters[3],
		prefillLaunch:    {Name: "launch", Unit: "cycles", Min: 1000, Max: 4e5, Value: 12e3, Meaning: "fixed floor: launches and the last write"},
		prefillTile:      {Name: "tile_latency", Unit: "cycles", Min: 100, Max: 3e4, Value: 2500, Meaning: "start and end of a tile: load Q, first keys, write O"},
		prefillWide:      {Name: "wide_latency", Unit: "cycles", Min: 10, Max: 2e4, Value: 2000, Meaning: "what a tile of 128 rows, in two warpgroups, adds to that"},
		prefillShare:     {Name: "tensor_share", Unit: "1", Min: 0.05, Max: 1, Value: 0.65, Meaning: "share of an SM's tensor rate with all its thread blocks at work, softmax between"},
		prefillChain:     {Name: "chain", Unit: "1", Min: 0.5, Max: 2, Value: 1.1, Meaning: "time of a block of keys in a tile that has its SM alone, over that of the SM's share"},
		prefillImbalance: {Name: "imbalance", Unit: "1", Min: 0, Max: 1, Value: 0.65, Meaning: "share of the longest tile's time that SMs wait for at the end"},
		prefillExposed:   {Name: "exposed_share", Unit: "1", Min: 0, Max: 1, Value: 0.5, Meaning: "share of the shorter of SM time and traffic that does not overlap, when both take equally long"},
		prefillToken:     {Name: "token_write", Unit: "cycles", Min: 0.01, Max: 200, Value: 10, Meaning: "writing a token of 512 or more elements in the KV cache"},
	},
	Facts: []Fact{
		prefillKind: {"kernel", "the kernel's generation", []string{"by architecture", "flash attention 2", "flash attention 3", "grouped"}},
	},
	Applies: func(w datasets.Workload) bool {
		a, ok := w.(datasets.Attention)
		return ok && a.QueryTokens > 1
	},
	Declines: attentionDeclines,
	Time:     timePrefillAttention,
	Least:    attentionLeast,
}

func timePrefillAttention(k *kernel, w datasets.Workload) span {
	a, v, d := w.(datasets.Attention), k.values, k.dev
	r := k.rates(a.Type, v[prefillMemory], v[prefillL2], v[prefillTensor]*v[prefillShare])
	kind := flashKernel(k.fact(prefillKind), d)

	// The tiles of one stream of rows: a head, or a KV head with its group.
	rows, streams, group := a.QueryTokens, a.Batch*a.Heads, int64(1)
	tile, keys := int64(tileRows), keyBlock(a.HeadDim)
	latency := v[prefillTile]
	switch kind {
	case "flash attention 3":
		group = a.Heads / a.KVHeads
		rows, streams, keys = a.QueryTokens*group, a.Batch*a.KVHeads, 128
		if rows > tileRows {
			tile = tileRowsWide
			latency += v[prefillWide]
		} else if a.KVType == datasets.FP8 {
			keys = 96
		}
	case "grouped":
		if rows > tileRows {
			tile = tileRowsWide
			latency += v[prefillWide]
		}
	}
	latency *= r.cycle
	perStream := ceilDiv(rows, tile)
	tiles := float64(perStream * streams)
	// Blocks of keys before the diagonal grow evenly from the first tile's to
	// the last's.
	first, last := ceilDiv(a.ContextTokens-a.QueryTokens+min(a.QueryTokens, ceilDiv(tile, group)), keys), ceilDiv(a.ContextTokens, keys)
	mean := float64(first+last) / 2
	if a.Window > 0 && a.Window < a.ContextTokens {
		// No tile reads further back than the window of its first row.
		reach := ceilDiv(a.Window+ceilDiv(tile, group), keys)
		mean = (a.Pairs()/float64(a.QueryTokens) + float64(tile)/float64(2*group)) / float64(keys)
		last = min(last, reach)
		mean = min(mean, float64(last))
	}
	block := 2 * float64(tile*keys*(a.HeadDim+a.ValueHead())) / r.sm
	work := tiles / r.units * (latency + mean*block)
	longest := latency + float64(last)*block
	chain := latency + float64(last)*block*v[prefillChain]
	busy := chain
	switch {
	case perStream == 1:
		busy = max(chain, math.Ceil(tiles/r.units)*longest)
	case tiles > r.units:
		busy = max(chain, work+v[prefillImbalance]*longest)
	}

	query := float64(a.Batch*a.QueryTokens*a.Heads*(a.HeadDim+a.ValueHead())) / 2 * a.Type.Size()
	fresh := float64(a.Batch*a.QueryTokens*a.KVHeads) * float64(a.HeadDim+a.ValueHead()-a.SharedDim) // elements of new keys and values
	kv, stored := a.KVBytes(), a.KV().Size()
	share := resident(d, 2*query+fresh*a.Type.Size()+kv, a.Cache)
	width := min(1, float64(a.KVHeads*a.HeadDim)/512)
	write := r.traffic(fresh*(a.Type.Size()+stored), share) + v[prefillToken]*r.cycle*float64(a.Batch*a.QueryTokens)*width*math.Sqrt(width)
	even := min(work, busy)
	body := k.overlap(v[prefillExposed], k.sum(k.of("compute", even), k.of("imbalance", busy-even)), k.of("memory", r.traffic(2*query+kv, share)))
	whole := k.sum(k.of("launch", v[prefillLaunch]*r.cycle), k.of("cache_write", write), body)
	return k.sagging(v[prefillSag], even, whole)
}
