package predict

import (
	"math"

	"bench/datasets"
)

// The parameters of peerExchange, by position.
const (
	peerLaunch = iota
	peerStep
	peerStart
	peerRateFew
	peerStartMany
	peerRateMany
	peerBridge
)

// peerExchange is the all-to-all in one node that NCCL makes of sends and
// receives. All peers are served at once, so that latency hardly grows with
// their number (it does with its logarithm); the time is the less of two ways,
//
//	launch + steps × step + start × fill + bytes / few channels' rate
//	launch + steps × step + start of many channels + bytes / their rate
//
// where start is what leaving the LL protocol costs, which NCCL does at 16 KiB a
// peer (NCCL_P2P_LL_THRESHOLD).
var peerExchangeLaw = &Law{
	Name: "peer_exchange",
	Parameters: []datasets.Parameter{
		peerLaunch:    {Name: "launch", Unit: "cycles", Min: 2e3, Max: 2e5, Value: 1.2e4, Meaning: "fixed floor: launch, and the ranks meeting"},
		peerStep:      {Name: "step", Unit: "cycles", Min: 10, Max: 5e4, Value: 900, Meaning: "what doubling the ranks adds"},
		peerStart:     {Name: "start", Unit: "cycles", Min: 100, Max: 1e5, Value: 7e3, Meaning: "starting the Simple protocol"},
		peerRateFew:   {Name: "rate_few", Unit: "1", Min: 0.02, Max: 1, Value: 0.4, Meaning: "share of the link's rate with few channels a peer"},
		peerStartMany: {Name: "start_many", Unit: "cycles", Min: 1e4, Max: 5e5, Value: 2.5e4, Meaning: "starting all channels"},
		peerRateMany:  {Name: "rate_many", Unit: "1", Min: 0.05, Max: 1, Value: 0.7, Meaning: "share of the link's rate with all channels"},
		peerBridge:    bridgeParameter,
	},
	Applies: func(w datasets.Workload) bool {
		c, ok := w.(datasets.Collective)
		return ok && c.Algorithm == "" && c.Nodes <= 1 && c.Kind == "all_to_all"
	},
	Declines: linkDeclines,
	Time:     timePeerExchange,
	Least:    collectiveLeast,
}

// peerOwnChunk is a rank's own chunk, copied, in chunks sent.
const peerOwnChunk = 0.3

// peerFillBytes is the message to a peer that pays half of the start.
const peerFillBytes = 16 << 10

func timePeerExchange(k *kernel, w datasets.Workload) span {
	c, d, v := w.(datasets.Collective), k.dev, k.values
	n, size := float64(c.Ranks), float64(c.SizeBytes)
	cycle, link := 1/d.ClockHz.Value, linkRate(d, float64(c.Ranks), v[peerBridge])
	chunk := size / n
	bytes := (n - 1 + peerOwnChunk) * chunk
	start := v[peerStart] * filled(chunk, peerFillBytes) * cycle
	moving := bytes / (link * v[peerRateFew])
	if s, m := v[peerStartMany]*cycle, bytes/(link*v[peerRateMany]); s+m < start+moving {
		start, moving = s, m
	}
	return k.sum(k.of("launch", v[peerLaunch]*cycle), k.of("latency", math.Log2(n)*v[peerStep]*cycle),
		k.of("channel_start", start), k.of("communication", moving))
}
