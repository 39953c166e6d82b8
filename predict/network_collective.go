package predict

import "bench/datasets"

// The parameters of networkCollective, by position.
const (
	networkLaunch = iota
	networkLatency
	networkRate
	networkRails
)

// networkCollective is a collective or a message whose ranks span nodes:
//
//	launch + network hops × latency + bytes / (rails × rate)
//
// The network between two nodes is crossed once for each further node
// (all-reduce: twice), at so many of the GPUs' network cards at once as the
// rings are spread over; links inside a node are faster by far and hide behind
// it.
var networkCollective = &Model{
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
		c := w.(datasets.Collective)
		switch {
		case d.Kind != "gpu":
			return "no calibrated model of collectives on a CPU"
		case d.NetworkBandwidth.Value == 0:
			return "no datasheet network bandwidth of " + d.ID
		case c.Kind != "all_reduce" && c.Kind != "all_gather" && c.Kind != "reduce_scatter" && c.Kind != "send_recv":
			return "no model of " + c.Kind + " across nodes"
		}
		return ""
	},
	Predict: predictNetworkCollective,
}

func predictNetworkCollective(d *datasets.Device, v []float64, w datasets.Workload) datasets.Prediction {
	c := w.(datasets.Collective)
	crossings, cards := float64(c.Nodes-1), float64(c.Ranks/c.Nodes)
	switch c.Kind {
	case "all_reduce":
		crossings *= 2
	case "send_recv":
		crossings, cards = 1, 1
	}
	rails := 1 + (cards-1)*v[networkRails]
	p := datasets.Prediction{Rule: "sum", Terms: make([]datasets.Term, 0, 3)}
	latency, moving := crossings*v[networkLatency], w.WireBytes()/(d.NetworkBandwidth.Value*v[networkRate]*rails)
	p.Seconds = v[networkLaunch] + latency + moving
	addTerm(&p, "launch", v[networkLaunch])
	addTerm(&p, "latency", latency)
	addTerm(&p, "communication", moving)
	bindLargest(&p)
	return p
}
