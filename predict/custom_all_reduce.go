package predict

import "bench/datasets"

// The parameters of customAllReduce, by position.
const (
	customHost = iota
	customLaunch
	customPeer
	customOneShot
	customBarrier
	customTwoShot
	customStart
	customHop
	customRing
	customBridge
)

// Limits of vLLM's kernel (csrc/custom_all_reduce.cuh and
// vllm/distributed/device_communicators/custom_all_reduce.py, Apache-2.0):
// messages of 8 MiB and more go to NCCL; two ranks always use one shot, up to
// four below 512 KiB, up to eight below 256 KiB.
const (
	customLimit       = 8 << 20
	customOneShotFew  = 512 << 10
	customOneShotMany = 256 << 10
)

// customAllReduce is a serving framework's own all-reduce over peer memory, as
// vLLM has it: in one shot every rank reads all others' whole buffers, in two
// shots it adds up one part and then collects the others' parts; long messages
// go around NCCL's ring (Simple; vLLM turns off what NVLS needs).
//
//	one shot:   launch + peers × peer + peers × size / rate
//	two shots:  launch + peers × (peer + barrier) + 2 × (n − 1)/n × size / rate
//	ring:       launch + start + hops × hop + ring bytes / rate
//
// An eager call waits for the host where that takes longer, and copies its
// result once more.
var customAllReduceLaw = &Law{
	Name: "custom_all_reduce",
	Parameters: []datasets.Parameter{
		customHost:    {Name: "host", Unit: "s", Min: 1e-6, Max: 2e-4, Value: 3e-5, Meaning: "the host's part of an eager call (the host's speed, not the GPU's)"},
		customLaunch:  {Name: "launch", Unit: "cycles", Min: 2e3, Max: 3e4, Value: 7.5e3, Meaning: "fixed floor of the kernel: launch, first barrier"},
		customPeer:    {Name: "peer", Unit: "cycles", Min: 1, Max: 2e3, Value: 150, Meaning: "what each peer adds to a barrier"},
		customOneShot: {Name: "rate_one_shot", Unit: "1", Min: 0.1, Max: 1, Value: 0.6, Meaning: "share of the link's rate when whole buffers are read"},
		customBarrier: {Name: "barrier", Unit: "cycles", Min: 10, Max: 1e4, Value: 2e3, Meaning: "the barrier between two shots, each peer"},
		customTwoShot: {Name: "rate_two_shot", Unit: "1", Min: 0.1, Max: 1, Value: 0.6, Meaning: "share of the link's rate when parts are read"},
		customStart:   {Name: "start_ring", Unit: "cycles", Min: 1e3, Max: 1e5, Value: 4e4, Meaning: "filling the first buffers of NCCL's ring"},
		customHop:     {Name: "hop_ring", Unit: "cycles", Min: 100, Max: 3e4, Value: 3e3, Meaning: "a hop of that ring"},
		customRing:    {Name: "rate_ring", Unit: "1", Min: 0.3, Max: 1, Value: 0.8, Meaning: "share of the link's rate in that ring"},
		customBridge:  bridgeParameter,
	},
	Applies: func(w datasets.Workload) bool {
		c, ok := w.(datasets.Collective)
		return ok && (c.Algorithm == "custom" || c.Kind == "custom_all_reduce")
	},
	Declines: func(d *datasets.Device, w datasets.Workload) string {
		c := w.(datasets.Collective)
		if c.Nodes > 1 || c.Ranks > 8 {
			return "the custom all-reduce works among at most 8 GPUs of one node"
		}
		if d.Kind == "gpu" && d.MemoryBandwidth.Value == 0 {
			return "no datasheet bandwidth of " + d.ID
		}
		return linkDeclines(d, w)
	},
	Time:  timeCustomAllReduce,
	Least: func(d *datasets.Device, w datasets.Workload) float64 { return collectiveLeast(d, w) / 2 },
}

// ringOwnChunk is a rank's own chunk, copied, in chunks sent, as the 2-, 4- and
// 8-GPU all-reduces of 512 MiB have it on both devices (0.39 and 0.28, from
// (2(n − 1) + x)/n being proportional to their times).
const ringOwnChunk = 0.35

func timeCustomAllReduce(k *kernel, w datasets.Workload) span {
	c, d, v := w.(datasets.Collective), k.dev, k.values
	n, size := float64(c.Ranks), float64(c.SizeBytes)
	cycle, link := 1/d.ClockHz.Value, linkRate(d, float64(c.Ranks), v[customBridge])
	peers, hops := n-1, 2*(n-1)
	oneShot := int64(customOneShotMany)
	if c.Ranks <= 4 {
		oneShot = customOneShotFew
	}
	launch := v[customLaunch] * cycle
	var latency, moving float64
	switch {
	case c.SizeBytes >= customLimit:
		latency = (v[customStart] + hops*v[customHop]) * cycle
		moving = (hops + ringOwnChunk) * size / n / (link * v[customRing])
	case c.Ranks == 2 || c.SizeBytes < oneShot:
		latency = peers * v[customPeer] * cycle
		moving = peers * size / (link * v[customOneShot])
	default:
		latency = peers * (v[customPeer] + v[customBarrier]) * cycle
		moving = hops * size / n / (link * v[customTwoShot])
	}
	whole := k.sum(k.of("launch", launch), k.of("latency", latency), k.of("communication", moving))
	if c.Launch == "eager" {
		whole = k.sum(whole, k.of("copy", 2*size/d.MemoryBandwidth.Value))
		whole = k.overlap(customExposed, whole, k.of("host", v[customHost]))
	}
	return whole
}

// customExposed is how much of the host's part shows beside a kernel that takes as
// long.
const customExposed = 0.2
