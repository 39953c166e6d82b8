package predict

import (
	"slices"

	"bench/datasets"
)

// The laws of operations that more than a latency and an efficiency were tried on
// and bought nothing.

// The parameters of networkLaw, by position.
const (
	networkLaunch = iota
	networkLatency
	networkRate
	networkRails
)

// networkLaw is a collective or a message whose ranks span nodes:
//
//	launch + crossings × latency + bytes / (rails × rate)
//
// The network between two nodes is crossed once for each further node
// (all-reduce: twice), at so many of the GPUs' network cards at once as the
// rings are spread over; links inside a node are faster by far and hide behind
// it.
var networkLaw = &Law{
	Name: "network_collective",
	Parameters: []datasets.Parameter{
		networkLaunch:  {Name: "launch", Unit: "s", Min: 1e-6, Max: 2e-4, Value: 2e-5, Meaning: "fixed floor: launch, and the ranks meeting"},
		networkLatency: {Name: "latency", Unit: "s", Min: 1e-6, Max: 1e-4, Value: 1e-5, Meaning: "crossing the network once"},
		networkRate:    {Name: "rate", Unit: "1", Min: 0.02, Max: 1, Value: 0.7, Meaning: "share of a network card's datasheet rate"},
		networkRails:   {Name: "rails", Unit: "1", Min: 0, Max: 1, Value: 0.5, Meaning: "share of a node's further cards that are used at once"},
	},
	Applies: func(w datasets.Workload) bool {
		c, ok := w.(datasets.Collective)
		return ok && c.Algorithm == "" && c.Nodes > 1 && c.Kind != "custom_all_reduce"
	},
	Declines: func(d *datasets.Device, w datasets.Workload) string {
		switch {
		case d.Kind != "gpu":
			return "no calibrated model of collectives on a CPU"
		case d.NetworkBandwidth.Value == 0:
			return "no datasheet network bandwidth of " + d.ID
		}
		return ""
	},
	Time: func(k *kernel, w datasets.Workload) span {
		c, v := w.(datasets.Collective), k.values
		crossings, cards := float64(c.Nodes-1), float64(c.Ranks/c.Nodes)
		switch c.Kind {
		case "all_reduce":
			crossings *= 2
		case "send_recv", "all_to_all": // each rank by its own card
			crossings, cards = 1, 1
		}
		bytes := w.WireBytes()
		if c.Kind == "all_to_all" {
			for _, l := range k.dev.Limits(w) {
				if l.Term == "network" {
					bytes = l.Amount
				}
			}
		}
		rails := 1 + (cards-1)*v[networkRails]
		return k.sum(k.of("launch", v[networkLaunch]), k.of("latency", crossings*v[networkLatency]),
			k.of("communication", bytes/(k.dev.NetworkBandwidth.Value*v[networkRate]*rails)))
	},
	Least: func(*datasets.Device, datasets.Workload) float64 { return 0 },
}

// The parameters of rowwiseLaw, by position.
const (
	rowLaunch = iota
	rowMemory
	rowCache
)

// rowwiseKernels are the row-wise operators of a transformer.
var rowwiseKernels = []string{"rms_norm", "rope", "silu_mul", "add", "embedding", "layer_norm", "gelu", "softmax"}

// rowwiseLaw is a row-wise operator, each with parameters of its own: a launch,
// and its bytes at one rate from memory and one from the cache, in which the
// operator before left up to half of it.
var rowwiseLaw = &Law{
	Name: "rowwise",
	Parameters: []datasets.Parameter{
		rowLaunch: {Name: "launch", Unit: "s", Min: 1e-7, Max: 2e-4, Value: 2e-6, Meaning: "fixed floor of a kernel, with the host's part where that is timed"},
		rowMemory: {Name: "memory_share", Unit: "1", Min: 0.02, Max: 1.5, Value: 0.7, Meaning: "rate of bytes from memory over the datasheet's bandwidth"},
		rowCache:  {Name: "cache_share", Unit: "1", Min: 0.02, Max: 8, Value: 1, Meaning: "rate of bytes found in the cache over the memory's datasheet bandwidth"},
	},
	Applies: func(w datasets.Workload) bool {
		s, ok := w.(datasets.Stream)
		return ok && slices.Contains(rowwiseKernels, s.Kernel)
	},
	Declines: func(d *datasets.Device, w datasets.Workload) string {
		s := w.(datasets.Stream)
		switch {
		case d.Kind != "gpu":
			return "no calibrated model of " + s.Kernel + " on a CPU"
		case d.MemoryBandwidth.Value == 0:
			return "no datasheet bandwidth of " + d.ID
		case s.Ranks != 1:
			return s.Kernel + " over several ranks: give the part of one"
		}
		return ""
	},
	Time: func(k *kernel, w datasets.Workload) span {
		bytes, rate := w.Bytes(), k.dev.MemoryBandwidth.Value
		cached := min(bytes, k.dev.LastLevel().SizeBytes.Value/2)
		return k.sum(k.of("launch", k.values[rowLaunch]), k.of("cache", cached/(rate*k.values[rowCache])),
			k.of("memory", (bytes-cached)/(rate*k.values[rowMemory])))
	},
	Least: func(*datasets.Device, datasets.Workload) float64 { return 0 },
}
