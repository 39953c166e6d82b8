package predict

import (
	"fmt"

	"bench/datasets"
)

// roofline is the datasheet tier: the longest of arithmetic at the peak,
// compulsory traffic at the memory's bandwidth, and the bytes each rank must
// send at the link's (Williams, Waterman and Patterson, CACM 52(4), 2009, with
// a third roof). Nothing is fitted.
func roofline(d *datasets.Device, w datasets.Workload) datasets.Prediction {
	p := datasets.Prediction{Rule: "max", Terms: make([]datasets.Term, 0, 3)}
	if f := narrowWeights(w); f != "" {
		p.NotPredicted = "no model of the " + f + " format"
		return p
	}
	if f := w.FLOPs(); f > 0 && w.Suite() != datasets.SuiteHBM && w.Suite() != datasets.SuiteAllReduce {
		peak := d.PeakFLOPs[w.DType()].Value
		if peak == 0 {
			p.NotPredicted = fmt.Sprintf("no datasheet peak of %s for %s", d.ID, w.DType())
			return p
		}
		p.Terms = append(p.Terms, datasets.Term{Name: "compute", Seconds: f / (peak * part(d, w, true))})
	}
	if b := w.Bytes(); b > 0 && w.Suite() != datasets.SuiteAllReduce {
		if d.MemoryBandwidth.Value == 0 {
			p.NotPredicted = "no datasheet bandwidth"
			return p
		}
		p.Terms = append(p.Terms, datasets.Term{Name: "memory", Seconds: b / (d.MemoryBandwidth.Value * part(d, w, false))})
	}
	if c, ok := w.(datasets.Collective); ok && c.Nodes > 1 {
		if d.NetworkBandwidth.Value == 0 {
			p.NotPredicted = "no datasheet bandwidth of the network"
			return p
		}
		p.Terms = append(p.Terms, datasets.Term{Name: "network", Seconds: networkBytes(c) / d.NetworkBandwidth.Value})
		// What is left for the links is the same among the ranks of a node.
		c.Ranks, c.Nodes = c.Ranks/c.Nodes, 1
		w = c
	}
	if b := w.WireBytes(); b > 0 && w.Workers() > 1 {
		if d.LinkBandwidth.Value == 0 {
			p.NotPredicted = "no datasheet link bandwidth"
			return p
		}
		p.Terms = append(p.Terms, datasets.Term{Name: "communication", Seconds: b / d.LinkBandwidth.Value})
	}
	if s, ok := w.(datasets.Stream); ok && (s.Kernel == "host_to_device" || s.Kernel == "device_to_host") {
		if d.PCIeBandwidth.Value == 0 {
			p.NotPredicted = "no datasheet bandwidth of the host link"
			return p
		}
		p.Terms = append(p.Terms, datasets.Term{Name: "host_link", Seconds: s.Bytes() / d.PCIeBandwidth.Value})
	}
	longest(&p)
	return p
}

// networkBytes is the least that each network card, one a rank, must send of a
// collective whose ranks are spread evenly over nodes: between nodes each byte of
// an all-reduce goes twice, of a gather, scatter or broadcast once, over all
// cards of a node; of an all-to-all, each rank sends what is for other nodes.
func networkBytes(c datasets.Collective) float64 {
	nodes, cards, size := float64(c.Nodes), float64(max(c.Ranks/c.Nodes, 1)), float64(c.SizeBytes)
	switch c.Kind {
	case "all_reduce", "custom_all_reduce":
		return 2 * (nodes - 1) / nodes * size / cards
	case "all_gather", "reduce_scatter":
		return (nodes - 1) / nodes * size / cards
	case "broadcast":
		return size / cards
	case "all_to_all":
		return (nodes - 1) / nodes * size
	}
	return size
}

// part is how many times a device's figure the workload's workers have
// together: a share of its cores where it is a CPU, one core of which may
// already fill the memory, and one device each where they are GPUs.
func part(d *datasets.Device, w datasets.Workload, arithmetic bool) float64 {
	n := float64(max(w.Workers(), 1))
	if m, ok := w.(datasets.MoELayer); ok && m.Kernel == "experts" {
		n = 1 // one rank's share already
	}
	if d.Kind != "cpu" {
		return n
	}
	if !arithmetic || d.Units == 0 {
		return 1
	}
	return min(1, n/float64(d.Units))
}

// narrowWeights names the format of weights that are narrower than the
// workload's type, of which its Bytes are therefore too many, or "".
func narrowWeights(w datasets.Workload) string {
	f := ""
	switch w := w.(type) {
	case datasets.GEMM:
		f = w.Format
	case datasets.MoELayer:
		f = w.Format
	}
	switch f {
	case "int8_wo", "int4_wo", "w4a16_mxfp4", "w4afp8", "w4a8_mxfp4_mxfp8", "w4a8_mxfp4_mxfp8_trtllm":
		return f
	}
	return ""
}

// longest joins the terms by their maximum.
func longest(p *datasets.Prediction) {
	for _, t := range p.Terms {
		if t.Seconds > p.Seconds {
			p.Seconds, p.Binds = t.Seconds, t.Name
		}
	}
	if p.Seconds == 0 && p.NotPredicted == "" {
		p.NotPredicted = "the datasheet has no figure for this operation"
	}
}
