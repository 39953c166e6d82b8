package llm

import (
	"math"

	"bench/datasets"
)

// Memory is the bytes of one GPU of a stage, by what they are for.
type Memory struct {
	Stage     int     `json:"stage"`
	Weights   float64 `json:"weights_bytes"`
	Gradients float64 `json:"gradients_bytes"`
	Optimizer float64 `json:"optimizer_bytes"`
	// Gathered is the weights of layers in use that are sharded otherwise.
	Gathered    float64 `json:"gathered_bytes"`
	Activations float64 `json:"activations_bytes"`
	KV          float64 `json:"kv_bytes"`
}

// Total of all parts.
func (m Memory) Total() float64 {
	return m.Weights + m.Gradients + m.Optimizer + m.Gathered + m.Activations + m.KV
}

// Bytes a parameter of mixed-precision Adam: weight and gradient in 16 bits, and
// in FP32 a copy of the weight, momentum and variance (Rajbhandari et al. 2020,
// section 3.1).
const (
	weightBytes    = 2
	gradientBytes  = 2
	optimizerBytes = 3 * 4
)

// prefetched is how many layers' weights are whole at once under full sharding:
// the one in use, and the next, being gathered (Zhao et al. 2023, section 3.3.2).
const prefetched = 2

// Training is what a training step is made of.
type Training struct {
	// Batch is sequences of a step, over all replicas; MicroBatch those that a
	// replica takes at once. Sequence is their tokens.
	Batch, MicroBatch, Sequence int64
	Recompute                   Recompute
	Type                        datasets.DType
	// Overlap is the share of the replicas' communication that hides behind the
	// backward pass; 0 shows all of it.
	Overlap float64
	// UnfusedAttention writes its scores to memory, as before FlashAttention (2022).
	UnfusedAttention bool
}

// MicroBatches that each replica takes in a step.
func (t Training) MicroBatches(l Layout) int64 {
	per := int64(l.DP) * t.MicroBatch
	return max((t.Batch+per-1)/per, 1)
}

// TrainMemory is a GPU's memory on each stage.
func (l Layout) TrainMemory(m datasets.Model, t Training) []Memory {
	out := make([]Memory, l.PP)
	for i := range out {
		out[i] = l.trainStage(m, t, i)
	}
	return out
}

func (l Layout) trainStage(m datasets.Model, t Training, stage int) Memory {
	shared, experts := l.StageParameters(m, stage)
	dp, edp := l.Sharding.shardedOver(l.DP), l.Sharding.shardedOver(l.ExpertCopies())
	share := func(from int) float64 {
		if l.Sharding.Stage >= from {
			return shared/dp + experts/edp
		}
		return shared + experts
	}
	out := Memory{Stage: stage, Optimizer: optimizerBytes * share(1), Gradients: gradientBytes * share(2), Weights: weightBytes * share(3)}
	if layers := l.StageLayers[stage]; l.Sharding.Stage == 3 && layers > 0 {
		whole := weightBytes * (shared + experts) / float64(layers)
		out.Gathered = min(whole*float64(min(prefetched, layers)), weightBytes*(shared+experts))
	}
	out.Activations = l.stageActivations(m, t, stage)
	return out
}

// stageActivations is what waits for the backward pass. Under 1F1B stage i of p
// has p − i micro-batches in flight; interleaved in v parts, 2(p−i−1) + (v−1)p + 1
// of a part each (Narayanan et al. 2021, section 2.2; for the first stage this is
// Korthikanti et al. 2022, section 4.2.3: L·(1 + (p−1)/pv) layers).
func (l Layout) stageActivations(m datasets.Model, t Training, stage int) float64 {
	dense, routed := l.stageSpan(m, stage)
	micro, v := t.MicroBatches(l), int64(l.Interleave)
	flying := float64(min(int64(l.PP-stage), micro))
	if v > 1 {
		flying = float64(min(int64(2*(l.PP-stage-1)+1)+(v-1)*int64(l.PP), micro*v)) / float64(v)
	}
	tokens := float64(t.MicroBatch) * float64(t.Sequence)
	kept := float64(dense)*l.LayerActivations(m, t, false) + float64(routed)*l.LayerActivations(m, t, true)
	bytes := flying * kept
	if t.Recompute == RecomputeFull && dense+routed > 0 {
		// The layer that is being computed again has them all.
		again := t
		again.Recompute = RecomputeNone
		bytes += l.LayerActivations(m, again, routed > 0)
	}
	split := 1.0
	if l.SequenceParallel {
		split = float64(l.TP)
	}
	h := float64(m.Hidden)
	if stage == 0 {
		// The embedding's dropout mask.
		bytes += flying * tokens * h / split
	}
	if stage == l.PP-1 {
		// Final norm and output projection keep their inputs in 16 bits, the loss
		// its logits in FP32 (ibid.).
		bytes += tokens * (4*h/split + 4*float64(m.Vocabulary)/float64(l.TP))
	}
	return bytes
}

// LayerActivations is what one layer keeps of a micro-batch on one GPU, with
// 16-bit activations and one byte an element of a dropout mask: Korthikanti et
// al. 2022, section 4.1 (equation 1: s·b·h·(34 + 5·a·s/h) for multi-head
// attention and a plain feed-forward of 4h), with each of its terms taken from
// the model's own widths; equations 2 (tensor) and 4 (sequence parallel) split
// them. routed says whether the layer has its experts.
func (l Layout) LayerActivations(m datasets.Model, t Training, routed bool) float64 {
	tokens := float64(t.MicroBatch) * float64(t.Sequence)
	h, tp, split := float64(m.Hidden), float64(l.TP), 1.0
	if l.SequenceParallel {
		split = tp
	}
	if t.Recompute == RecomputeFull {
		return tokens * 2 * h / split
	}
	// Inputs of norms and products, masks of the two dropouts.
	whole := 2*h + 2*h + h + h
	if !m.ParallelBlocks {
		whole += 2*h + 2*h
	}
	a := float64(m.Heads)
	heads := 2*(2*a*float64(m.HeadDim)) + 2*(2*float64(l.kvHeads(m))*tp*float64(m.HeadDim)) // Q and output's input; K, V
	if x := m.Latent; x != nil {
		heads = 2 * a * float64(2*(x.QKNope+x.QKRope)+2*x.Value) // Q, K, V, output's input
		whole += 2 * float64(x.QRank+x.KVRank+x.QKRope)
	}
	inner := 2.0 // input and output of the activation
	if m.Gated {
		inner = 3 // gate, up, and their product
	}
	var ff, expert float64
	switch {
	case !routed && m.DenseLayers > 0:
		ff = 2 * inner * float64(m.DenseFFWidth)
	case m.Experts > 1:
		k := float64(m.TopK)
		ff = 2 * inner * float64(m.SharedExperts*m.FFWidth)
		// Tokens are spread over the ranks that hold other experts, k copies each.
		expert = k * (2*inner*float64(m.FFWidth) + 2*h) / tp
	default:
		ff = 2 * inner * float64(m.FFWidth)
	}
	scores := 0.0
	if t.Recompute == RecomputeNone {
		scores = 5 * a * float64(t.Sequence)
	}
	return tokens * (whole/split + (heads+ff+scores)/tp + expert)
}

// Serving is a step of inference: Batch sequences, over all replicas, that hold
// Context tokens each.
type Serving struct {
	Batch, Context int64
	// Type is that of weights and products, KVType of the cache; "" is 16 bits
	// where Type has fewer, else Type.
	Type, KVType datasets.DType
	// Routing of tokens to experts; the zero one is balanced.
	Routing datasets.Routing
	// Formats of weights narrower than Type.
	Formats Formats
	// FusedRotary says that the engine's attention kernel does the rotary embedding.
	FusedRotary bool
}

func (s Serving) routing() datasets.Routing {
	if s.Routing.Rule == "" {
		return datasets.Routing{Rule: datasets.RouteBalanced}
	}
	return s.Routing
}

// Wide is the type of activations, which narrow products leave in 16 bits.
func Wide(t datasets.DType) datasets.DType {
	if t.Size() < 2 {
		return datasets.BF16
	}
	return t
}

func (s Serving) kv() datasets.DType {
	if s.KVType != "" {
		return s.KVType
	}
	return Wide(s.Type)
}

// perReplica is the sequences of the fullest replica.
func (s Serving) perReplica(l Layout) int64 { return (s.Batch + int64(l.DP) - 1) / int64(l.DP) }

// KVBytesPerSequenceToken is what one token of one sequence takes on each GPU of
// a stage that keeps it: all of its heads where the cache is sharded by sequences
// or latent, else the GPU's.
func (l Layout) KVBytesPerSequenceToken(m datasets.Model, kv datasets.DType, stage int) float64 {
	elements := m.KVElementsPerLayer()
	if m.Latent == nil && !l.BatchSharded {
		elements = 2 * float64(l.kvHeads(m)) * float64(m.HeadDim)
	}
	return float64(l.StageLayers[stage]) * elements * kv.Size()
}

// ServeMemory is a GPU's memory on each stage.
func (l Layout) ServeMemory(m datasets.Model, s Serving) []Memory {
	out := make([]Memory, l.PP)
	for i := range out {
		sequences := s.perReplica(l)
		if l.BatchSharded {
			sequences = (sequences + int64(l.TP) - 1) / int64(l.TP)
		}
		out[i] = Memory{Stage: i, Weights: l.stageWeights(m, s, i),
			KV: float64(sequences) * float64(s.Context) * l.KVBytesPerSequenceToken(m, s.kv(), i)}
		if i == l.PP-1 {
			// The logits, in FP32.
			out[i].Activations = float64(s.perReplica(l)) * float64(m.Vocabulary) / float64(l.TP) * 4
		}
	}
	return out
}

// Fullest is the stage that needs most.
func Fullest(stages []Memory) Memory {
	most := stages[0]
	for _, s := range stages[1:] {
		if s.Total() > most.Total() {
			most = s
		}
	}
	return most
}

// LargestBatch is the most sequences of s.Context tokens, over all replicas,
// that fit in so many bytes a GPU; 0 where the weights alone do not.
func (l Layout) LargestBatch(m datasets.Model, s Serving, bytes float64) int64 {
	s.Batch = 0
	best := math.Inf(1)
	for i, fixed := range l.ServeMemory(m, s) {
		a := float64(s.Context) * l.KVBytesPerSequenceToken(m, s.kv(), i)
		if l.BatchSharded {
			a /= float64(l.TP)
		}
		if i == l.PP-1 {
			a += float64(m.Vocabulary) / float64(l.TP) * 4
		}
		if a > 0 {
			best = min(best, (bytes-fixed.Total())/a)
		} else if fixed.Total() > bytes {
			best = 0
		}
	}
	n := int64(max(math.Floor(best), 0))
	if l.BatchSharded {
		// Sequences are whole.
		n -= n % int64(l.TP)
	}
	return n * int64(l.DP)
}

// LargestContext is the most tokens of each of s.Batch sequences that fit in so
// many bytes a GPU; 0 where the weights alone do not.
func (l Layout) LargestContext(m datasets.Model, s Serving, bytes float64) int64 {
	s.Context = 0
	without := l.ServeMemory(m, s)
	s.Context = 1
	best := math.Inf(1)
	for i, with := range l.ServeMemory(m, s) {
		if with.KV > 0 {
			best = min(best, (bytes-without[i].Total())/with.KV)
		} else if with.Total() > bytes {
			best = 0
		}
	}
	return int64(max(math.Floor(best), 0))
}
