package verdict

import (
	"fmt"
	"strings"

	"bench/datasets"
)

// shares are what sound machines reach of the datasheet's bound, as published: most
// lie between low and high. A rate below low and above floor is usual of another
// machine that the same file could come from, which why names; 0 is none.
type shares struct {
	low, typical, high, floor float64
	// why is what a rate between floor and low depends on, or what makes one low.
	why string
	// source is where the figures were published.
	source string
}

// usual holds the shares by what binds.
var usual = map[string]shares{
	"memory": {0.75, 0.88, 0.97, 0, "another process, ECC, a lowered memory clock or a small array are the usual causes",
		"BabelStream's results: A100 82–85 % (Deakin et al. 2018 and the benchmark's README), V100 93 %, RTX 3090 92 %"},
	"memory of AMD": {0.65, 0.79, 0.95, 0, "another process or a lowered memory clock are the usual causes",
		"BabelStream on MI250X and MI300X: 75–82 % (AMD lab notes, Chips and Cheese)"},
	"dot":        {0.65, 0.84, 0.97, 0, "a reduction ends on the host", "BabelStream's README: 78 % on A100"},
	"local copy": {0.55, 0.78, 0.97, 0, "another process or a lowered memory clock are the usual causes", "nvbandwidth's README: 80 % on H100"},
	"pcie host": {0.70, 0.81, 0.92, 0, "a narrower or older PCIe link, a remote NUMA node, unpinned memory or a virtual machine are the usual causes",
		"nvbandwidth: 25.1 of 32 GB/s on PCIe 4.0, 53–55 of 64 on 5.0, 12–13 of 16 on 3.0"},
	"c2c host":  {0.60, 0.84, 0.97, 0, "", "nvbandwidth on GH200: 380 of 450 GB/s to the device, 290 to the host"},
	"peer link": {0.74, 0.84, 0.95, 0, "fewer links up than the board has is the usual cause: nvidia-smi nvlink -s", "nvbandwidth: 376 of 450 GB/s on H100 (84 %), 275 of 300 on A100; both ways 749 of 900"},
	"peer mesh": {0.66, 0.80, 0.97, 0.33, "it depends on how many links join the two", "p2pBandwidthLatencyTest on a DGX-1: 48 of 50 GB/s over two links, 24 over one; MI300X 48 of 64"},
	"peer pcie": {0.50, 0.72, 0.92, 0.15, "it depends on whether the two are under one PCIe switch and may access each other (--system)", "p2pBandwidthLatencyTest: 20–26 of 32 GB/s with peer access under one switch, half of it through the host"},
	"ring": {0.66, 0.79, 0.88, 0, "fewer links up, or NCCL's choice of an algorithm (NCCL_ALGO, NCCL_PROTO), are the usual causes",
		"NCCL's rings have 0.8 of the links (src/graph/tuning.cc): 240 of 300 GB/s on A100, 350–368 of 450 on H100, 300 with in-switch gather; V100 130 of 150"},
	"mesh of all":           {0.60, 0.74, 0.92, 0, "fewer links up is the usual cause", "RCCL on 8 MI300X: 310–330 of 448 GB/s (ROCm blogs, 2024); NCCL on 8 V100: 130 of 150"},
	"mesh of some":          {0.55, 0.78, 0.95, 0.20, "it depends on which of the node's GPUs they are, and so on the links between them", "NCCL on 2 and 4 GPUs of a hybrid cube mesh"},
	"switch adds":           {0.60, 0.67, 0.72, 0, "a ring without addition in the switch has about 360 of 450: NVLS is off (NCCL_NVLS_ENABLE, the fabric manager)", "NCCL with NVLS on 8 H100 and H200: 436–492 GB/s on the bus"},
	"switch adds, NVLink 5": {0.53, 0.60, 0.70, 0, "NVLS is off (NCCL_NVLS_ENABLE, the fabric manager, IMEX)", "NCCL with NVLS on 8 B200: about 835 GB/s on the bus"},
	"switch adds in a rack": {0.42, 0.52, 0.62, 0, "NVLS is off, or IMEX does not join the hosts", "NCCL with NVLS on GB200 NVL72: 700–930 GB/s on the bus"},
	"pcie of 2":             {0.38, 0.62, 0.88, 0.12, "it depends on whether the two may access each other, under one PCIe switch or through the host (--system); GeForce drivers do not let them", "NCCL: about 20 of 32 GB/s on PCIe 4.0 between two cards, 10–13 through the host"},
	"pcie of few":           {0.38, 0.62, 0.88, 0.10, "it depends on how PCIe joins the cards: one switch, or several and the host (--system)", "NCCL over PCIe 4.0: about 20 GB/s of three A100 PCIe, 5.2 of four L40S without a switch"},
	"pcie of many":          {0.38, 0.62, 0.88, 0.03, "it depends on how PCIe joins the cards: switches, or two sockets (--system)", "NCCL over PCIe 4.0: 1.4 GB/s of eight L40S on two sockets, about 20 with switches"},
	"network, two nodes": {0.80, 0.95, 1.25, 0, "GPUDirect RDMA off, a card that NCCL does not use (NCCL_IB_HCA), a card far from its GPU, or ACS on are the usual causes",
		"NCCL: 24 GB/s a 200 Gb card and 48 a 400 Gb one by ring, 368–396 on 2 × 8 H100, about 470 by tree"},
	"network": {0.78, 0.94, 1.02, 0, "GPUDirect RDMA off, a card that NCCL does not use (NCCL_IB_HCA), a card far from its GPU, or ACS on are the usual causes",
		"NCCL: 24 GB/s a 200 Gb card and 48 a 400 Gb one by ring"},
	"network, each to each": {0.52, 0.90, 1.02, 0, "GPUDirect RDMA off, a card that NCCL does not use (NCCL_IB_HCA), or congestion are the usual causes",
		"NCCL: a card's 48 GB/s for what leaves the node; PXN, and congestion beyond a few nodes"},
	"prefill of a whole model": {0.02, 0.30, 1.10, 0, "", "llama.cpp's pull requests and discussions: 6–20 % of the dense FP16 peak on A100 and H100, 50–100 % on GeForce"},
}

// overhead is what a launch adds to a time, in seconds: least, usual, most.
type overhead struct{ low, typical, high float64 }

var (
	// NCCL on one node: 5–10 µs captured or with symmetric memory, 17–25 eager on 8
	// GPUs (aiconfigurator's NCCL tables), more with a slow host.
	oneNode = overhead{3e-6, 18e-6, 35e-6}
	// Across nodes: 25–60 µs over InfiniBand, about 100 over EFA.
	manyNodes = overhead{10e-6, 56e-6, 110e-6}
)

// rack is the ranks beyond which in-switch sums are a rack's, not a board's.
const rack = 8

// class names what binds a workload on a device, for its line in usual.
func class(d *datasets.Device, w datasets.Workload, binds string) string {
	switch w := w.(type) {
	case datasets.Stream:
		switch w.Kernel {
		case "host_to_device", "device_to_host":
			if d.PCIeBandwidth.Value > 200e9 {
				return "c2c host"
			}
			return "pcie host"
		case "peer":
			switch {
			case binds == "pcie":
				return "peer pcie"
			case d.PeerBandwidth.Value > 0:
				return "peer mesh"
			}
			return "peer link"
		case "copy_engine":
			return "local copy"
		case "dot", "read":
			return "dot"
		case "latency", "launch":
			return ""
		}
		if d.Vendor == "AMD" {
			return "memory of AMD"
		}
		return "memory"
	case datasets.Collective:
		return collectiveClass(d, w, binds)
	case datasets.ModelPass:
		if w.QueryTokens > 1 {
			return "prefill of a whole model"
		}
	}
	return ""
}

func collectiveClass(d *datasets.Device, c datasets.Collective, binds string) string {
	groups, within := d.Groups(c)
	switch {
	case groups > 1 && binds == "network":
		switch {
		case c.Kind == "all_to_all":
			return "network, each to each"
		case groups == 2 && c.Kind == "all_reduce":
			return "network, two nodes"
		}
		return "network"
	case binds == "pcie":
		switch {
		case within == 2:
			return "pcie of 2"
		case within <= 4:
			return "pcie of few"
		}
		return "pcie of many"
	case d.InSwitch(c):
		switch {
		case within > rack:
			return "switch adds in a rack"
		case d.LinkBandwidth.Value > 600e9:
			return "switch adds, NVLink 5"
		}
		return "switch adds"
	case d.PeerBandwidth.Value > 0:
		if within < d.NodeSize {
			return "mesh of some"
		}
		return "mesh of all"
	}
	return "ring"
}

// Expected is how long sound hardware takes, in seconds.
type Expected struct {
	// LowS to HighS holds what is usual, TypicalS its middle. Up to FloorS a longer
	// time is usual of another machine that the input does not exclude.
	LowS, TypicalS, HighS, FloorS float64
	// BoundS is the datasheet's, 0 where another tier was used.
	BoundS float64
	Tier   datasets.Tier
	// Share words the bound: "usual is 74–95 % of it".
	Share string
	// Why is what explains a slow row, or what it depends on; Source the figures'.
	Why, Source string
}

// Usual is what published machines need of a workload whose datasheet's bound is given; false
// where nothing is published.
func Usual(d *datasets.Device, w datasets.Workload, bound datasets.Prediction) (Expected, bool) {
	return byShares(d, w, bound)
}

// byShares is what is expected where the datasheet's bound and published shares
// of it are all that is known.
func byShares(d *datasets.Device, w datasets.Workload, bound datasets.Prediction) (Expected, bool) {
	if m, ok := w.(datasets.ModelPass); ok {
		return wholeModel(d, m)
	}
	s, ok := usual[class(d, w, bound.Binds)]
	if !ok || bound.NotPredicted != "" {
		return Expected{}, false
	}
	var o overhead
	if c, ok := w.(datasets.Collective); ok {
		if o = oneNode; spans(d, c) {
			o = manyNodes
		}
	}
	e := Expected{LowS: bound.Seconds/s.high + o.low, TypicalS: bound.Seconds/s.typical + o.typical, HighS: bound.Seconds/s.low + o.high,
		BoundS: bound.Seconds, Tier: datasets.TierDatasheet, Why: s.why, Source: s.source,
		Share: fmt.Sprintf("usual is %.0f–%.0f %% of the bound", 100*s.low, 100*s.high)}
	switch geforce := strings.Contains(d.Name, "GeForce"); {
	case bound.Binds == "pcie" && !geforce && class(d, w, "pcie") != "pcie of many" && class(d, w, "pcie") != "pcie of few":
		s.floor = 0.51 * s.typical // cards for servers may access each other
	case d.PeerBandwidth.Value > 0 && d.Arch != "sm_70":
		s.floor = 0 // the same links between any two, unlike those of a hybrid cube mesh
	}
	if s.floor > 0 {
		e.FloorS = bound.Seconds/s.floor + o.high
	}
	return e, true
}

// llamaStep bounds llama.cpp's decode step: the weights at a share of
// the memory's peak, and the host's time beside them.
var llamaStep = struct {
	share         [3]float64
	low, typ, top float64
}{[3]float64{0.60, 0.75, 0.95}, 0.3e-3, 2.5e-3, 5.6e-3}

// wholeModel is what is expected of a pass of a model of which only the size is
// known (llama-bench): a step reads the weights once. Published steps of a 7 B
// model at 4 bits: 127 tokens/s on an RTX 3090 Ti, 150–160 on a 4090, 130–200 on
// A100 and H100, whose memory is not what binds.
func wholeModel(d *datasets.Device, m datasets.ModelPass) (Expected, bool) {
	e := Expected{Tier: datasets.TierDatasheet, Source: "llama.cpp's pull requests and discussions of its CUDA backend"}
	if m.QueryTokens > 1 {
		peak := d.PeakFLOPs[datasets.FP16].Value
		s := usual["prefill of a whole model"]
		if peak == 0 {
			return e, false
		}
		e.BoundS = m.FLOPs() / peak / float64(max(m.Ranks, 1))
		// What is usual spans too much to call a rate within it sound; below it is slow.
		e.LowS, e.TypicalS, e.HighS, e.FloorS = e.BoundS/s.high, e.BoundS/s.typical, e.BoundS/s.high, e.BoundS/s.low
		e.Why, e.Share = "layers on the CPU (-ngl), or a build without CUDA, are the usual causes", "the dense FP16 peak bounds it"
		return e, true
	}
	if d.MemoryBandwidth.Value == 0 {
		return e, false
	}
	e.BoundS = m.Bytes() / d.MemoryBandwidth.Value
	e.LowS = e.BoundS/llamaStep.share[2] + llamaStep.low
	e.TypicalS = e.BoundS/llamaStep.share[1] + llamaStep.typ
	e.FloorS = e.BoundS/llamaStep.share[0] + llamaStep.top
	e.HighS = min(e.FloorS, widest*e.TypicalS)
	e.Share = fmt.Sprintf("reading the weights once allows at most %.0f tokens/s", 1/e.BoundS)
	e.Why = "layers or the KV cache on the host, a busy host or a lowered clock are the usual causes"
	return e, true
}

// spans reports whether a collective crosses a network.
func spans(d *datasets.Device, c datasets.Collective) bool {
	groups, _ := d.Groups(c)
	return groups > 1
}
