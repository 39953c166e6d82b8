package ceilings

import (
	"math"

	"bench/datasets"
	"bench/datasets/stats"
)

// gpuModel is the roofline of the datasheet tier with a GPU's own measured peaks:
// arithmetic at the peak kernel's rate, traffic at what passes over memory and
// over the L2 reached, and collectives at what others of their kind took. The
// longest of arithmetic and traffic binds; communication and a launch come on top.
type gpuModel struct {
	l2 float64
	// streams and passes are by kernel, on one GPU.
	streams map[string]*sizes
	passes  map[string]*passes
	peaks   map[datasets.DType]float64
	reduces map[reduceID]*sizes
	launch  float64
}

func newGPU(dev *datasets.Device) *gpuModel {
	m := &gpuModel{l2: dev.LastLevel().SizeBytes.Value, streams: map[string]*sizes{}, passes: map[string]*passes{}, peaks: map[datasets.DType]float64{}, reduces: map[reduceID]*sizes{}}
	streams, reduces := map[string][]point{}, map[reduceID][]point{}
	for _, c := range dev.Ceilings {
		switch w := c.Workload.(type) {
		case datasets.Stream:
			switch {
			case w.Kernel == "launch" && w.Ranks == 1:
				m.launch = c.Seconds
			case w.Ranks == 1:
				streams[w.Kernel] = append(streams[w.Kernel], point{bytes: w.SizeBytes, seconds: c.Seconds, key: c.Key})
			}
		case datasets.GEMM:
			if w.Ranks == 1 {
				m.peaks[w.Type] = max(m.peaks[w.Type], w.FLOPs()/c.Seconds)
			}
		case datasets.Collective:
			id := collectiveID(w)
			reduces[id] = append(reduces[id], point{bytes: w.SizeBytes, seconds: c.Seconds, key: c.Key})
		}
	}
	for kernel, points := range streams {
		m.streams[kernel], m.passes[kernel] = newSizes(points), m.newPasses(kernel, points)
	}
	for id, points := range reduces {
		m.reduces[id] = newSizes(points)
	}
	return m
}

// collectiveID is what collectives have in common whose times tell of each other.
func collectiveID(w datasets.Collective) reduceID {
	return reduceID{kind: w.Kind, algorithm: w.Algorithm + w.Launch, ranks: w.Ranks}
}

// resident is the share of a working set that a cyclic pass finds in the L2.
func (m *gpuModel) resident(bytes float64) float64 {
	if m.l2 == 0 {
		return 0
	}
	return colourHits(m.l2, bytes)
}

// launchOf is a pass's part of its launch.
func (m *gpuModel) launchOf(w datasets.Stream) float64 {
	return m.launch / float64(w.LaunchPasses(int64(m.l2)))
}

// passes are the seconds a byte (for latency: a load) of a kernel's sizes that
// hit the L2 nearly always, and of those that nearly never do.
type passes struct {
	l2, memory stats.Sorted
	cost       map[string]float64 // by key
	inL2       map[string]bool
}

func (m *gpuModel) newPasses(kernel string, points []point) *passes {
	var near, far []float64
	x := &passes{cost: map[string]float64{}, inL2: map[string]bool{}}
	for _, p := range points {
		t := p.seconds
		if kernel != "latency" {
			t = max(t-m.launchOf(datasets.Stream{Kernel: kernel, SizeBytes: p.bytes}), 0) / float64(p.bytes)
		}
		switch h := m.resident(float64(p.bytes)); {
		case t == 0:
			continue
		case h >= pure:
			near = append(near, t)
			x.inL2[p.key] = true
		case h <= 1-pure:
			far = append(far, t)
		default:
			continue
		}
		x.cost[p.key] = t
	}
	x.l2, x.memory = stats.Sort(near), stats.Sort(far)
	return x
}

// costs are those of the L2 and of memory, 0 where nothing lies there, without
// the case of the key.
func (x *passes) costs(except string) (l2, memory float64) {
	if x == nil {
		return 0, 0
	}
	l2, memory = x.l2.Median(), x.memory.Median()
	if t, ok := x.cost[except]; ok {
		if x.inL2[except] {
			l2 = x.l2.MedianWithout(t)
		} else {
			memory = x.memory.MedianWithout(t)
		}
	}
	return l2, memory
}

// traffic is the time to move bytes of a working set by a kernel, and whether the
// levels that matter were measured.
func (m *gpuModel) traffic(kernel, except string, bytes, workingSet float64) (seconds float64, ok bool) {
	if bytes == 0 {
		return 0, true
	}
	l2, memory := m.passes[kernel].costs(except)
	h := m.resident(workingSet)
	const little = 1e-3
	if h > little && l2 == 0 || 1-h > little && memory == 0 {
		return 0, false
	}
	return bytes * (h*l2 + (1-h)*memory), true
}

func (m *gpuModel) predict(w datasets.Workload) datasets.Prediction {
	switch w := w.(type) {
	case datasets.Stream:
		return m.stream(w)
	case datasets.GEMM:
		if w.Kernel == "peak" {
			return missing("the arithmetic peak is itself the ceiling")
		}
		return m.roofline(w, w.Cache, w.Bytes(), 0)
	case datasets.Attention:
		return m.roofline(w, w.Cache, w.Bytes(), 0)
	case datasets.DecodeLayer:
		return m.decode(w)
	case datasets.MoELayer:
		if w.Ranks > 1 {
			return missing("no ceilings model of experts spread over GPUs: their traffic depends on the routing")
		}
		return m.moe(w)
	case datasets.Collective:
		return m.collective(w)
	}
	return missing("no ceilings model of %s/%s", w.Suite(), w.Op())
}

// roofline joins arithmetic and traffic of a piece of work on all its GPUs.
func (m *gpuModel) roofline(w datasets.Workload, cache datasets.Cache, bytes, communication float64) datasets.Prediction {
	ranks := float64(max(w.Workers(), 1))
	peak := m.peaks[w.DType()]
	if peak == 0 {
		return missing("no measured %s peak of one GPU: run suite gemm too", w.DType())
	}
	workingSet := bytes / ranks
	if cache == datasets.Cold {
		workingSet = math.Inf(1) // rotated through more than the L2
	}
	memory, ok := m.traffic("read", "", bytes/ranks, workingSet)
	if !ok {
		return missing("no read case of one GPU in the level of memory where the operands lie: run suite hbm too")
	}
	compute := w.FLOPs() / (peak * ranks)
	return joined("max(compute, memory) + communication + launch", max(compute, memory)+communication+m.launch,
		datasets.Term{Name: "compute", Seconds: compute}, datasets.Term{Name: "memory", Seconds: memory},
		datasets.Term{Name: "communication", Seconds: communication}, datasets.Term{Name: "launch", Seconds: m.launch})
}

// decode is a layer's roofline and, under tensor parallelism, its two
// all-reduces of the tokens' rows.
func (m *gpuModel) decode(w datasets.DecodeLayer) datasets.Prediction {
	if w.TP < 2 {
		return m.roofline(w, w.Cache, w.Bytes(), 0)
	}
	if w.Ranks != w.TP {
		// One rank's part of a layer: nothing was sent.
		return missing("no ceilings model of tensor parallelism %d on %d GPUs", w.TP, w.Ranks)
	}
	size := float64(w.Batch) * float64(w.Hidden) * w.Type.Size()
	t := math.Inf(1)
	for id, points := range m.reduces {
		if id.kind == "all_reduce" && id.ranks == w.TP {
			if s, ok := points.between(size, ""); ok {
				t = min(t, s)
			}
		}
	}
	if math.IsInf(t, 1) {
		return missing("no measured all-reduce of %d GPUs around %.0f bytes: run suite allreduce too", w.TP, size)
	}
	return m.roofline(w, w.Cache, w.Bytes(), 2*t)
}

// moe reads the experts that the routing wakes.
func (m *gpuModel) moe(w datasets.MoELayer) datasets.Prediction {
	if w.Kernel != "layer" || w.Format != "" {
		return missing("no ceilings model of moe/%s %s", w.Kernel, w.Format)
	}
	assigned, err := w.Routing.Assign(w.Tokens, w.Experts, w.TopK)
	if err != nil {
		return missing("%v", err)
	}
	active := float64(datasets.SummarizeLoads(datasets.Loads(assigned, w.Experts)).Active)
	tokens := float64(w.Tokens) * float64(w.Hidden) * (w.Type.Size() + w.Type.OutSize())
	bytes := active*w.ExpertBytes()*float64(max(w.TP, 1)) + float64(w.Hidden)*float64(w.Experts)*w.Type.Size() + tokens
	return m.roofline(w, w.Cache, bytes, 0)
}

// stream predicts a pass from other sizes of itself or, where it reads and
// writes, from the elementary passes: both share the memory's bus.
func (m *gpuModel) stream(w datasets.Stream) datasets.Prediction {
	if w.Ranks > 1 {
		return missing("no ceilings model of hbm/%s over %d GPUs", w.Kernel, w.Ranks)
	}
	size, key := float64(w.SizeBytes), w.Key()
	switch w.Kernel {
	case "launch":
		return missing("an empty launch is itself the ceiling")
	case "host_to_device", "device_to_host", "copy_engine":
		t, ok := m.streams[w.Kernel].between(size, key)
		if !ok {
			return missing("no smaller and larger %s case", w.Kernel)
		}
		return joined("between its neighbours in size", t, datasets.Term{Name: "transfer", Seconds: t})
	case "latency", "read", "write", "write_nt":
		t, ok := m.traffic(w.Kernel, key, w.Bytes(), size)
		launch := m.launchOf(w)
		if w.Kernel == "latency" {
			t, ok = m.traffic(w.Kernel, key, 1, size)
			launch = 0
		}
		if !ok {
			return missing("no other %s case in the same level of memory", w.Kernel)
		}
		return joined("sum", t+launch, datasets.Term{Name: "memory", Seconds: t}, datasets.Term{Name: "launch", Seconds: launch})
	}
	reads, writes := w.Arrays()
	array := w.Bytes() / float64(reads+writes)
	loads, okR := m.traffic("read", "", array*float64(reads), size)
	stores, okW := m.traffic("write", "", array*float64(writes), size)
	if !okR || !okW {
		return missing("no read and write cases in the same level of memory")
	}
	launch := m.launchOf(w)
	return joined("sum", loads+stores+launch, datasets.Term{Name: "loads", Seconds: loads},
		datasets.Term{Name: "stores", Seconds: stores}, datasets.Term{Name: "launch", Seconds: launch})
}

// collective lies between its neighbours in size, of whatever data type.
func (m *gpuModel) collective(w datasets.Collective) datasets.Prediction {
	t, ok := m.reduces[collectiveID(w)].between(float64(w.SizeBytes), w.Key())
	if !ok {
		return missing("no smaller and larger %s of %d GPUs", w.Kind, w.Ranks)
	}
	return joined("between its neighbours in size", t, datasets.Term{Name: "communication", Seconds: t})
}
