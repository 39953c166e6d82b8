package predict

import (
	"math"

	"bench/datasets"
)

// The parameters of collective, by position.
const (
	ringLaunch = iota
	ringHop
	ringSpread
	ringRateLL
	ringRateLL128
	ringStart
	ringSimpleHop
	ringRateSimple
	ringRateSwitch
	ringCopy
	ringBridge
)

// collective is NCCL's all-reduce, all-gather and reduce-scatter among the GPUs
// of one node: a ring of hops in one of three protocols, or adding in the
// switch.
//
// Which of them runs is NCCL's own choice, made from its own published
// estimates (ringChoice), not the fastest: on two A100s its all-reduce takes
// 20 µs at 512 KiB and 41 µs at 1 MiB. What the choice then takes:
//
//	launch + hops × hop + spreading + bytes / rate
//
// A ring of n ranks passes a chunk of size/n on in n − 1 hops (all-reduce:
// twice), and copies its own chunk on the way, which costs a fraction of a hop.
// LL and LL128 spread a growing message over more and more warps and channels,
// which a chunk beyond about 3 KiB pays for at the start.
// Latencies are in cycles of the boost clock, rates in shares of the link's
// datasheet rate, so that both carry over to another device.
var collectiveLaw = &Law{
	Name: "collective",
	Parameters: []datasets.Parameter{
		ringLaunch:     {Name: "launch", Unit: "cycles", Min: 2e3, Max: 2e5, Value: 1e4, Meaning: "fixed floor of a collective: launch, and the ranks meeting"},
		ringHop:        {Name: "hop", Unit: "cycles", Min: 200, Max: 1e5, Value: 1.4e3, Meaning: "a hop to the next rank, data and flag in one store (LL, LL128)"},
		ringSpread:     {Name: "spread", Unit: "cycles", Min: 10, Max: 2e4, Value: 2e3, Meaning: "starting all channels once a chunk fills them"},
		ringRateLL:     {Name: "rate_ll", Unit: "1", Min: 0.05, Max: 1, Value: 0.4, Meaning: "share of the link's rate with LL, which sends a flag with every 4 bytes"},
		ringRateLL128:  {Name: "rate_ll128", Unit: "1", Min: 0.05, Max: 1, Value: 0.5, Meaning: "share of the link's rate with LL128, a flag with every 120 bytes"},
		ringStart:      {Name: "start_simple", Unit: "cycles", Min: 1e3, Max: 3e5, Value: 2e4, Meaning: "filling the first buffers of the Simple protocol, or of the switch"},
		ringSimpleHop:  {Name: "hop_simple", Unit: "cycles", Min: 200, Max: 3e5, Value: 7e3, Meaning: "a hop of the Simple protocol: a buffer, a fence, a flag"},
		ringRateSimple: {Name: "rate_simple", Unit: "1", Min: 0.05, Max: 1, Value: 0.8, Meaning: "share of the link's rate with Simple"},
		ringRateSwitch: {Name: "rate_switch", Unit: "1", Min: 0.3, Max: 1, Value: 0.62, Meaning: "share of the link's rate when the switch adds (NVLS)"},
		ringCopy:       {Name: "copy", Unit: "1", Min: 0, Max: 1.5, Value: 0.5, Meaning: "a rank's own chunk, in chunks sent"},
		ringBridge:     bridgeParameter,
	},
	Applies: func(w datasets.Workload) bool {
		c, ok := w.(datasets.Collective)
		return ok && c.Algorithm == "" && c.Nodes <= 1 && c.Kind != "custom_all_reduce" && c.Kind != "all_to_all"
	},
	Declines: linkDeclines,
	Time:     timeCollective,
	Least:    collectiveLeast,
}

// bridgeParameter says what sharing a path costs cards without NVLink.
var bridgeParameter = datasets.Parameter{Name: "bridge", Unit: "1", Min: 0, Max: 3, Value: 1,
	Meaning: "without NVLink: the power of half the number of cards by which the rate of each falls, as they share bridges and the host"}

// linkRate is the rate of one direction of a card's link, bytes/s: NVLink's, or
// PCIe's share where cards have no other.
func linkRate(d *datasets.Device, ranks, bridge float64) float64 {
	if d.LinkBandwidth.Value > 0 {
		return d.LinkBandwidth.Value
	}
	return d.PCIeBandwidth.Value * math.Pow(2/ranks, bridge)
}

// collectiveLeast is the bytes over the link at its peak; what a switch adds is
// sent once.
func collectiveLeast(d *datasets.Device, w datasets.Workload) float64 {
	c := w.(datasets.Collective)
	bytes := c.WireBytes()
	if d.SwitchReduces && c.Kind == "all_reduce" {
		bytes /= 2
	}
	rate := d.LinkBandwidth.Value
	if rate == 0 {
		rate = d.PCIeBandwidth.Value
	}
	return bytes / rate
}

// linkDeclines says which devices and ranks the models of collectives leave out.
func linkDeclines(d *datasets.Device, w datasets.Workload) string {
	c := w.(datasets.Collective)
	switch {
	case d.Kind != "gpu":
		return "no calibrated model of collectives on a CPU"
	case d.LinkBandwidth.Value == 0 && d.PCIeBandwidth.Value == 0 || d.ClockHz.Value == 0:
		return "no datasheet link bandwidth or clock of " + d.ID
	case c.Nodes <= 1 && d.LinkBandwidth.Value > 0 && d.NodeSize > 0 && c.Ranks > d.NodeSize:
		return "more ranks on one node than a node of " + d.ID + " holds"
	}
	return ""
}

// protocol is one of NCCL's ways to move a message.
type protocol int

const (
	protocolLL protocol = iota
	protocolLL128
	protocolSimple
	protocolSwitch
)

// ringChoice is NCCL's choice of a protocol for a ring within a node: the
// least of its own estimates, base + hops × latency + bytes / bandwidth, with
// the constants of its src/graph/tuning.cc (github.com/NVIDIA/nccl,
// BSD-3-Clause): base 6.6, 14 and 8.4 µs, hops 0.6, 1.9 and 3.4 µs for LL,
// LL128 and Simple; LL's bandwidth at most 87.7 GB/s on Ampere and 141 GB/s
// from Hopper on; rings together 0.8 of the link (240 of 300 and 360 of 450
// GB/s), of which LL128 has 0.92.
//
// Over PCIe LL128 is off, whose 128-byte stores only NVLink keeps whole, and hops
// take 1.0 and 5.7 µs.
func ringChoice(d *datasets.Device, link, hops, bytes float64) protocol {
	ring := 0.8 * link
	if d.LinkBandwidth.Value == 0 {
		if 6.6e-6+hops*1.0e-6+bytes/(ring/2) <= 8.4e-6+hops*5.7e-6+bytes/ring {
			return protocolLL
		}
		return protocolSimple
	}

	bandwidthLL := 87.7e9
	if d.ComputeCapability() >= 90 {
		bandwidthLL = 141e9
	}
	ll := 6.6e-6 + hops*0.6e-6 + bytes/min(bandwidthLL, ring/2)
	ll128 := 14e-6 + hops*1.9e-6 + bytes/(0.92*ring)
	simple := 8.4e-6 + hops*3.4e-6 + bytes/ring
	switch {
	case ll <= ll128 && ll <= simple:
		return protocolLL
	case ll128 <= simple:
		return protocolLL128
	}
	return protocolSimple
}

// filled is how much of a saturating cost a message of so many bytes pays.
func filled(bytes, half float64) float64 { return bytes * bytes / (bytes*bytes + half*half) }

// spreadBytes is the chunk that has half of the channels' cost.
const spreadBytes = 3 << 10

func timeCollective(k *kernel, w datasets.Workload) span {
	c, d, v := w.(datasets.Collective), k.dev, k.values
	n, size := float64(c.Ranks), float64(c.SizeBytes)
	cycle, link := 1/d.ClockHz.Value, linkRate(k.dev, float64(c.Ranks), v[ringBridge])
	hops := n - 1
	if c.Kind == "all_reduce" {
		hops = 2 * (n - 1)
	}
	chunk := size / n
	sent := (hops + v[ringCopy]) * chunk
	switch c.Kind {
	case "send_recv":
		hops, chunk, sent = 1, size, size
	case "broadcast": // passed on as it comes
		chunk, sent = size/hops, size
	}
	launch := v[ringLaunch] * cycle

	chosen := ringChoice(d, link, hops, hops*chunk)
	var latency, start, moving float64
	switch chosen {
	case protocolLL, protocolLL128:
		rate := v[ringRateLL]
		if chosen == protocolLL128 {
			rate = v[ringRateLL128]
		}
		spread := filled(chunk, spreadBytes)
		latency = hops * v[ringHop] * cycle
		start = spread * v[ringSpread] * cycle
		moving = sent / (link * rate)
	case protocolSimple:
		latency = hops * v[ringSimpleHop] * cycle
		start = v[ringStart] * cycle
		moving = sent / (link * v[ringRateSimple])
	}
	// NVLink SHARP (NCCL's NVLS) adds floating-point numbers in the switch: a
	// rank sends its part of the sum and the whole once, and needs no LL.
	if d.SwitchReduces && c.Kind == "all_reduce" && chosen != protocolLL && c.Ranks > 2 && addsInSwitch(c.Type) {
		l, s, m := (n-1)*v[ringSimpleHop]*cycle, v[ringStart]*cycle, (1+1/n)*size/(link*v[ringRateSwitch])
		if l+s+m < latency+start+moving || c.Ranks >= 8 {
			latency, start, moving = l, s, m
		}
	}
	return k.sum(k.of("launch", launch), k.of("latency", latency), k.of("channel_start", start), k.of("communication", moving))
}

// addsInSwitch reports whether NVLS reduces the type: integers of 8 bits it
// does not (NCCL, src/transport/nvls.cc).
func addsInSwitch(t datasets.DType) bool {
	return t == datasets.FP16 || t == datasets.BF16 || t == datasets.FP32 || t == datasets.FP64
}
