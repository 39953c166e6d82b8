package predict

import (
	"math"

	"bench/datasets"
)

// The parameters of prefillAttention, by position.
const (
	prefillLaunch = iota
	prefillTile
	prefillWide
	prefillTensor
	prefillChain
	prefillImbalance
	prefillMemory
	prefillCache
	prefillContention
	prefillToken
	prefillConvert
	prefillFP8Token
)

// wideFP8 is the latency of a 128-row tile over fp8 keys over that of one over
// 16-bit keys: V is transposed on the way (hopper/mainloop_fwd_sm90_tma_gmma_ws.hpp),
// 3.5 µs against 2.0 µs in the one-tile rows of the H100 table.
const wideFP8 = 1.75

// prefillAttention is causal attention over whole prompts, by vLLM's
// FlashAttention kernels, with the kernel that writes the new keys and values
// in the cache before it:
//
//	launch + cache_write
//	  + the longer of (compute + imbalance) and memory, + contention
//
// A tile of query rows goes through the blocks of keys up to its diagonal, so
// that the last tile of a prompt is the longest. SMs share all tiles' blocks,
// and at the end wait for the tile that started last: a share of the longest.
// No tile's own chain of blocks can take less than the whole. The cache is
// written by one thread block a token, of 128 threads for each 128 elements and
// 512 at most, which fit an SM the less the wider they are.
var prefillAttention = &Model{
	Name: "prefill_attention",
	Parameters: []datasets.Parameter{
		prefillLaunch:     {Name: "launch", Unit: "s", Min: 1e-6, Max: 5e-5, Value: 8e-6, Meaning: "fixed floor: two launches and the last write"},
		prefillTile:       {Name: "tile_latency", Unit: "s", Min: 1e-7, Max: 2e-5, Value: 1.6e-6, Meaning: "start and end of a tile: load Q, first keys, write O"},
		prefillWide:       {Name: "wide_latency", Unit: "s", Min: 1e-9, Max: 1e-5, Value: 1.5e-6, Meaning: "what a tile of 128 rows, in two warpgroups, adds to that (FlashAttention-3)"},
		prefillTensor:     {Name: "tensor_efficiency", Unit: "1", Min: 0.05, Max: 1, Value: 0.65, Meaning: "share of an SM's tensor peak with all its thread blocks at work, softmax between, clocks as they are under load"},
		prefillChain:      {Name: "chain", Unit: "1", Min: 0.5, Max: 2, Value: 1.1, Meaning: "time of a block of keys in a tile that has its SM alone, over that of the SM's share"},
		prefillImbalance:  {Name: "imbalance", Unit: "1", Min: 0, Max: 1, Value: 0.65, Meaning: "share of the longest tile's time that SMs wait for at the end"},
		prefillMemory:     {Name: "memory_efficiency", Unit: "1", Min: 0.3, Max: 1, Value: 0.9, Meaning: "share of the memory's datasheet bandwidth that is reached"},
		prefillCache:      {Name: "cache_ratio", Unit: "1", Min: 1, Max: 8, Value: 2, Meaning: "bandwidth of L2 over that reached from memory"},
		prefillContention: {Name: "contention", Unit: "1", Min: 1, Max: 10, Value: 1.8, Meaning: "exponent that joins SM time and traffic: 1 one after the other, large the longer alone"},
		prefillToken:      {Name: "token_write", Unit: "s", Min: 1e-11, Max: 1e-7, Value: 7e-9, Meaning: "writing a token of 512 or more elements in the KV cache"},
		prefillConvert:    {Name: "convert", Unit: "s", Min: 1e-8, Max: 5e-6, Value: 1e-6, Meaning: "the kernel that converts Q to fp8"},
		prefillFP8Token:   {Name: "fp8_write", Unit: "1", Min: 0.5, Max: 3, Value: 1.35, Meaning: "writing a token converted to fp8, over one as it is"},
	},
	Applies: func(w datasets.Workload) bool {
		a, ok := w.(datasets.Attention)
		return ok && a.QueryTokens > 1
	},
	Declines: attentionDeclines,
	Predict:  predictPrefillAttention,
}

func predictPrefillAttention(d *datasets.Device, v []float64, w datasets.Workload) datasets.Prediction {
	a := w.(datasets.Attention)
	p := datasets.Prediction{Terms: make([]datasets.Term, 0, 6),
		Rule: "sum, of compute + imbalance and memory only the longer"}
	fp8 := a.KVType == datasets.FP8
	sms := float64(d.Units)

	// The tiles of one stream of rows: a head, or a KV head with its group.
	rows, streams, group := a.QueryTokens, a.Batch*a.Heads, int64(1)
	tile, keys := int64(tileRows), keyBlock(a.HeadDim)
	launch, latency, write := v[prefillLaunch], v[prefillTile], 1.0
	if flashAttention3(d) {
		group = a.Heads / a.KVHeads
		rows, streams, keys = a.QueryTokens*group, a.Batch*a.KVHeads, 128
		wide := v[prefillWide]
		if fp8 {
			launch += v[prefillConvert]
			wide *= wideFP8
			write = v[prefillFP8Token]
		}
		if rows > tileRows {
			tile = tileRowsWide
			latency += wide
		} else if fp8 {
			keys = 96
		}
	}
	perStream := ceilDiv(rows, tile)
	tiles := float64(perStream * streams)
	// Blocks of keys before the diagonal grow evenly from the first tile's to
	// the last's.
	first := ceilDiv(a.ContextTokens-a.QueryTokens+min(a.QueryTokens, ceilDiv(tile, group)), keys)
	last := ceilDiv(a.ContextTokens, keys)
	mean := float64(first+last) / 2
	block := 4 * float64(tile*keys*a.HeadDim) / (d.PeakFLOPs[a.Type].Value / sms * v[prefillTensor])
	work := tiles / sms * (latency + mean*block)
	longest := latency + float64(last)*block
	// Alone or not, a tile is no faster than its SM's peak.
	chain := latency + float64(last)*block*max(v[prefillChain], v[prefillTensor])
	busy := chain
	switch {
	case perStream == 1:
		busy = max(chain, math.Ceil(tiles/sms)*longest)
	case tiles > sms:
		busy = max(chain, work+v[prefillImbalance]*longest)
	}

	query := float64(a.Batch*a.QueryTokens*a.Heads*a.HeadDim) * a.Type.Size()
	fresh := 2 * float64(a.Batch*a.QueryTokens*a.KVHeads*a.HeadDim) // elements of new keys and values
	kv := a.KVBytes()
	stored := kv / (2 * float64(a.Batch*a.ContextTokens*a.KVHeads*a.HeadDim))
	share := resident(d, 2*query+fresh*a.Type.Size()+kv, a.Cache)
	memory := trafficSeconds(d, 2*query+kv, share, v[prefillMemory], v[prefillCache])
	width := min(1, float64(a.KVHeads*a.HeadDim)/512)
	cacheWrite := trafficSeconds(d, fresh*(a.Type.Size()+stored), share, v[prefillMemory], v[prefillCache]) +
		v[prefillToken]*write*float64(a.Batch*a.QueryTokens)*width*math.Sqrt(width)
	body := contend(busy, memory, v[prefillContention])

	p.Seconds = launch + cacheWrite + body
	even := min(work, busy)
	addTerm(&p, "launch", launch)
	addTerm(&p, "cache_write", cacheWrite)
	addTerm(&p, "compute", even)
	addTerm(&p, "imbalance", busy-even)
	addTerm(&p, "memory", memory)
	addTerm(&p, "contention", body-max(busy, memory))
	bindLargest(&p)
	return p
}
