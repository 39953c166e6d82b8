package predict

import "bench/datasets"

// The parameters of rowwise, by position.
const (
	rowLaunch = iota
	rowColumn
	rowMemory
	rowCache
	rowNorm
	rowRope
	rowSiLU
	rowEmbedding
)

// rowwise is a row-wise operator of a transformer, timed on the device: thread
// blocks take rows, each with a latency that grows with its length, and the
// SMs together stream the arrays or work through their elements, whichever
// takes longer:
//
//	launch + the longer of (row_latency + compute) and memory, + contention
//
// An addition is traffic alone. The other kernels have work to do on each
// element (a norm's reduction, a rotation's angles, a gate's exponential, an
// embedding's indices), which scales with SMs and clock.
var rowwise = &Model{
	Name: "rowwise",
	Parameters: []datasets.Parameter{
		rowLaunch:    {Name: "launch", Unit: "s", Min: 1e-7, Max: 1e-5, Value: 1.2e-6, Meaning: "fixed floor of a kernel on the device"},
		rowColumn:    {Name: "column", Unit: "s", Min: 1e-12, Max: 2e-9, Value: 2e-10, Meaning: "latency of a row, for each element"},
		rowMemory:    {Name: "memory_efficiency", Unit: "1", Min: 0.3, Max: 1, Value: 0.9, Meaning: "share of the memory's datasheet bandwidth that is reached"},
		rowCache:     {Name: "cache_ratio", Unit: "1", Min: 1, Max: 8, Value: 1.6, Meaning: "bandwidth of L2 over that reached from memory"},
		rowNorm:      {Name: "norm", Unit: "cycles", Min: 1e-3, Max: 10, Value: 0.5, Meaning: "SM cycles for an element of a norm"},
		rowRope:      {Name: "rope", Unit: "cycles", Min: 1e-3, Max: 10, Value: 0.5, Meaning: "the same of a rotary embedding"},
		rowSiLU:      {Name: "silu", Unit: "cycles", Min: 1e-3, Max: 10, Value: 0.8, Meaning: "the same of a gated SiLU"},
		rowEmbedding: {Name: "embedding", Unit: "cycles", Min: 1e-3, Max: 10, Value: 1.5, Meaning: "the same of a token embedding"},
	},
	Applies: func(w datasets.Workload) bool {
		s, ok := w.(datasets.Stream)
		if !ok {
			return false
		}
		switch s.Kernel {
		case "rms_norm", "rope", "silu_mul", "add", "embedding":
			return true
		}
		return false
	},
	Declines: rowwiseDeclines,
	Predict:  predictRowwise,
}

func rowwiseDeclines(d *datasets.Device, w datasets.Workload) string {
	s := w.(datasets.Stream)
	switch {
	case d.Kind != "gpu":
		return "no calibrated model of " + s.Kernel + " on a CPU"
	case d.MemoryBandwidth.Value == 0 || d.Units == 0 || d.ClockHz.Value == 0:
		return "no datasheet bandwidth, SM count or clock of " + d.ID
	case s.Ranks != 1:
		return s.Kernel + " over several ranks: give the part of one"
	}
	return ""
}

// rowContention joins row latency and traffic, which overlap but for the first
// and last rows.
const rowContention = 2

func predictRowwise(d *datasets.Device, v []float64, w datasets.Workload) datasets.Prediction {
	s := w.(datasets.Stream)
	work := 0.0
	switch s.Kernel {
	case "rms_norm":
		work = v[rowNorm]
	case "rope":
		work = v[rowRope]
	case "silu_mul":
		work = v[rowSiLU]
	case "embedding":
		work = v[rowEmbedding]
	}
	rows, row := float64(s.Rows), float64(s.Cols)*v[rowColumn]
	compute := rows * float64(s.Cols) * work / (float64(d.Units) * d.ClockHz.Value)
	// The operator before left what it wrote in the cache, up to half of it
	// (see resident), and what this one writes stays there.
	bytes := s.Bytes()
	share := min(1, d.LastLevel().SizeBytes.Value/2/bytes)
	traffic := bytes
	if s.Kernel == "rms_norm" {
		traffic *= 1.5 // a row is read for its norm and again to be scaled
	}
	memory := trafficSeconds(d, traffic, share, v[rowMemory], v[rowCache])
	body := contend(row+compute, memory, rowContention)
	p := datasets.Prediction{Rule: "sum, of row_latency + compute and memory only the longer", Terms: make([]datasets.Term, 0, 5)}
	p.Seconds = v[rowLaunch] + body
	addTerm(&p, "launch", v[rowLaunch])
	addTerm(&p, "row_latency", row)
	addTerm(&p, "compute", compute)
	addTerm(&p, "memory", memory)
	addTerm(&p, "contention", body-max(row+compute, memory))
	bindLargest(&p)
	return p
}
