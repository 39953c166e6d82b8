package predict

import "bench/datasets"

// The parameters of sendRecv, by position.
const (
	sendLaunch = iota
	sendStart
	sendRate
)

// sendRecv is one NCCL message from a GPU to another of its node:
//
//	launch + start × fill + bytes / rate
//
// with the start of the Simple protocol as in peerExchange. Unlike there the
// link works in one direction only, and no rank copies a part of its own.
var sendRecv = &Model{
	Name: "send_recv",
	Parameters: []datasets.Parameter{
		sendLaunch: {Name: "launch", Unit: "cycles", Min: 2e3, Max: 1e5, Value: 1e4, Meaning: "fixed floor: launch, and the two ranks meeting"},
		sendStart:  {Name: "start", Unit: "cycles", Min: 10, Max: 5e4, Value: 5e3, Meaning: "starting the Simple protocol and its channels"},
		sendRate:   {Name: "rate", Unit: "1", Min: 0.1, Max: 1, Value: 0.75, Meaning: "share of the link's rate"},
	},
	Applies: func(w datasets.Workload) bool {
		c, ok := w.(datasets.Collective)
		return ok && c.Algorithm == "" && c.Nodes <= 1 && c.Kind == "send_recv"
	},
	Declines: linkDeclines,
	Predict:  predictSendRecv,
}

func predictSendRecv(d *datasets.Device, v []float64, w datasets.Workload) datasets.Prediction {
	size := float64(w.(datasets.Collective).SizeBytes)
	cycle := 1 / d.ClockHz.Value
	launch := v[sendLaunch] * cycle
	start := v[sendStart] * filled(size, peerFillBytes) * cycle
	moving := size / (d.LinkBandwidth.Value * v[sendRate])
	p := datasets.Prediction{Rule: "sum", Terms: make([]datasets.Term, 0, 3), Seconds: launch + start + moving}
	addTerm(&p, "launch", launch)
	addTerm(&p, "channel_start", start)
	addTerm(&p, "communication", moving)
	bindLargest(&p)
	return p
}
