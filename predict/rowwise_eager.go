package predict

import "bench/datasets"

// The parameters of rowwiseEager, by position.
const (
	eagerHost = iota
	eagerSoftmax
	eagerSync
	eagerMemory
	eagerNormPasses
	eagerSoftmaxPasses
)

// rowwiseEager is a row-wise operator called eagerly and timed by the host's
// clock, as Princeton's LLMCompass times PyTorch's layer norm, GELU and
// softmax: the host's part of the call, or waiting and the device's traffic,
// whichever is longer.
//
//	sync + the longer of host and memory, + contention
//
// Rows that no longer fit an SM's registers are read again, in proportion.
var rowwiseEager = &Model{
	Name: "rowwise_eager",
	Parameters: []datasets.Parameter{
		eagerHost:          {Name: "host", Unit: "s", Min: 1e-6, Max: 2e-4, Value: 2e-5, Meaning: "the host's part of a call to layer norm or GELU, beyond waiting (the host's speed)"},
		eagerSoftmax:       {Name: "host_softmax", Unit: "s", Min: 1e-7, Max: 2e-4, Value: 5e-6, Meaning: "the same of softmax"},
		eagerSync:          {Name: "sync", Unit: "s", Min: 1e-7, Max: 1e-4, Value: 8e-6, Meaning: "launching, and waiting for the end"},
		eagerMemory:        {Name: "memory_efficiency", Unit: "1", Min: 0.3, Max: 1, Value: 0.8, Meaning: "share of the memory's datasheet bandwidth that is reached"},
		eagerNormPasses:    {Name: "long_row_norm", Unit: "1", Min: 0, Max: 4, Value: 1, Meaning: "further passes of a layer norm over rows too long for an SM's registers"},
		eagerSoftmaxPasses: {Name: "long_row_softmax", Unit: "1", Min: 0, Max: 4, Value: 0.5, Meaning: "the same of softmax"},
	},
	Applies: func(w datasets.Workload) bool {
		s, ok := w.(datasets.Stream)
		return ok && (s.Kernel == "layer_norm" || s.Kernel == "gelu" || s.Kernel == "softmax")
	},
	Declines: rowwiseDeclines,
	Predict:  predictRowwiseEager,
}

// longNormRow is the row, in elements, at which half of a norm's further passes
// are paid; beyond longSoftmaxRow PyTorch's softmax leaves the kernel that holds
// a row in the registers of a warp (aten/src/ATen/native/cuda/SoftMax.cu).
const (
	longNormRow    = 12 << 10
	longSoftmaxRow = 1024
)

func predictRowwiseEager(d *datasets.Device, v []float64, w datasets.Workload) datasets.Prediction {
	s := w.(datasets.Stream)
	host, passes := v[eagerHost], 1.0
	switch s.Kernel {
	case "softmax":
		host = v[eagerSoftmax]
		if s.Cols > longSoftmaxRow {
			passes += v[eagerSoftmaxPasses]
		}
	case "layer_norm":
		passes += v[eagerNormPasses] * filled(float64(s.Cols), longNormRow)
	}
	memory := passes * s.Bytes() / (d.MemoryBandwidth.Value * v[eagerMemory])
	body := contend(host, memory, 3)
	p := datasets.Prediction{Rule: "sum, of host and memory only the longer", Terms: make([]datasets.Term, 0, 4)}
	p.Seconds = v[eagerSync] + body
	addTerm(&p, "sync", v[eagerSync])
	addTerm(&p, "host", host)
	addTerm(&p, "memory", memory)
	addTerm(&p, "contention", body-max(host, memory))
	bindLargest(&p)
	return p
}
