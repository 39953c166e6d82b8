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
var peerExchange = &Model{
	Name: "peer_exchange",
	Parameters: []datasets.Parameter{
		peerLaunch:    {Name: "launch", Unit: "cycles", Min: 2e3, Max: 5e4, Value: 1.2e4, Meaning: "fixed floor: launch, and the ranks meeting"},
		peerStep:      {Name: "step", Unit: "cycles", Min: 10, Max: 1e4, Value: 900, Meaning: "what doubling the ranks adds"},
		peerStart:     {Name: "start", Unit: "cycles", Min: 100, Max: 1.8e4, Value: 7e3, Meaning: "starting the Simple protocol"},
		peerRateFew:   {Name: "rate_few", Unit: "1", Min: 0.05, Max: 1, Value: 0.4, Meaning: "share of the link's rate with few channels a peer"},
		peerStartMany: {Name: "start_many", Unit: "cycles", Min: 1.8e4, Max: 1e5, Value: 2.5e4, Meaning: "starting all channels"},
		peerRateMany:  {Name: "rate_many", Unit: "1", Min: 0.3, Max: 1, Value: 0.7, Meaning: "share of the link's rate with all channels"},
	},
	Applies: func(w datasets.Workload) bool {
		c, ok := w.(datasets.Collective)
		return ok && c.Algorithm == "" && c.Nodes <= 1 && c.Kind == "all_to_all"
	},
	Declines: linkDeclines,
	FitsOn:   steadyRanks,
	Predict:  predictPeerExchange,
}

// peerOwnChunk is a rank's own chunk, copied, in chunks sent.
const peerOwnChunk = 0.3

// peerFillBytes is the message to a peer that pays half of the start.
const peerFillBytes = 16 << 10

func predictPeerExchange(d *datasets.Device, v []float64, w datasets.Workload) datasets.Prediction {
	c := w.(datasets.Collective)
	n, size := float64(c.Ranks), float64(c.SizeBytes)
	cycle, link := 1/d.ClockHz.Value, d.LinkBandwidth.Value
	chunk := size / n
	bytes := (n - 1 + peerOwnChunk) * chunk
	start := v[peerStart] * filled(chunk, peerFillBytes) * cycle
	moving := bytes / (link * v[peerRateFew])
	if s, m := v[peerStartMany]*cycle, bytes/(link*v[peerRateMany]); s+m < start+moving {
		start, moving = s, m
	}
	p := datasets.Prediction{Rule: "sum", Terms: make([]datasets.Term, 0, 4)}
	launch, latency := v[peerLaunch]*cycle, math.Log2(n)*v[peerStep]*cycle
	p.Seconds = launch + latency + start + moving
	addTerm(&p, "launch", launch)
	addTerm(&p, "latency", latency)
	addTerm(&p, "channel_start", start)
	addTerm(&p, "communication", moving)
	bindLargest(&p)
	return p
}
