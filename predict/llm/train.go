package llm

import (
	"fmt"
	"strings"

	"bench/datasets"
)

// TrainStep is one step of training.
type TrainStep struct {
	Seconds         float64 `json:"seconds"`
	TokensPerSecond float64 `json:"tokens_per_s"`
	// MicroBatches of a replica.
	MicroBatches int64 `json:"micro_batches"`
	// StageSeconds is each stage's forward and backward pass of one micro-batch.
	StageSeconds []float64 `json:"stage_seconds"`
	// PipelineSeconds is all micro-batches through all stages, of which the share
	// Bubble is waiting of the slowest stage.
	PipelineSeconds float64 `json:"pipeline_seconds"`
	Bubble          float64 `json:"bubble"`
	// Items is one micro-batch's work on the slowest stage, StepItems what comes
	// once a step on the stage with most of it: the replicas' communication and
	// the optimizer.
	Items     []Item `json:"items"`
	StepItems []Item `json:"step_items"`
	// ReplicaSeconds is the replicas' communication, HiddenSeconds the part that
	// overlaps with the backward pass.
	ReplicaSeconds float64 `json:"replica_seconds"`
	HiddenSeconds  float64 `json:"hidden_seconds"`
	Binds          string  `json:"binds"`
	// ModelFLOPs and HardwareFLOPs of the step (TrainFLOPs, causal), with their
	// shares of the peak of all GPUs.
	ModelFLOPs    float64           `json:"model_flop"`
	HardwareFLOPs float64           `json:"hardware_flop"`
	MFU           float64           `json:"mfu"`
	HFU           float64           `json:"hfu"`
	Memory        []Memory          `json:"memory"`
	MarginBytes   float64           `json:"margin_bytes"`
	Fallbacks     map[string]string `json:"fallbacks,omitempty"`
}

// Fits reports whether every GPU holds its part.
func (s *TrainStep) Fits() bool { return s.MarginBytes >= 0 }

// TrainStep times a step: forward and backward of every micro-batch in 1F1B order
// (interleaved, where the layout says so), the replicas' communication, and the
// optimizer.
//
// Inside a stage nothing overlaps. For m micro-batches on stages of times tᵢ, the
// slowest T, in v parts: m·T + (Σtᵢ − T)/v, which for equal stages is
// (m + (p−1)/v)·T (Narayanan et al. 2021, section 2.2).
func (c *Coster) TrainStep(m datasets.Model, l Layout, t Training) (*TrainStep, error) {
	if err := t.validate(l); err != nil {
		return nil, err
	}
	out := &TrainStep{MicroBatches: t.MicroBatches(l), Memory: l.TrainMemory(m, t), Fallbacks: c.fallbacks}
	p := pass{m: m, l: l, t: t.Type, batch: t.MicroBatch, query: t.Sequence, ctx: t.Sequence, logits: t.MicroBatch * t.Sequence,
		training: true, unfused: t.UnfusedAttention, routing: datasets.Routing{Rule: datasets.RouteBalanced}}
	through, slowest, mostOnce := 0.0, 0.0, 0.0
	var replicas float64
	seen := map[stageKind]*stageWork{}
	for i := range l.PP {
		k := l.kindOf(m, i)
		work := seen[k]
		if work == nil {
			if work = c.trainStage(p, t, i); work.err != nil {
				return nil, work.err
			}
			seen[k] = work
		}
		sum := work.seconds()
		out.StageSeconds = append(out.StageSeconds, sum)
		through += sum
		if sum > slowest {
			slowest, out.Items = sum, work.items
		}
		if all := work.once.seconds(); all > mostOnce || i == 0 {
			mostOnce, out.StepItems, replicas = all, work.once.items, work.communication
		}
	}
	n := float64(out.MicroBatches)
	out.PipelineSeconds = n*slowest + (through-slowest)/float64(l.Interleave)
	if out.PipelineSeconds > 0 {
		out.Bubble = 1 - n*slowest/out.PipelineSeconds
	}
	out.ReplicaSeconds = replicas
	// Two thirds of a micro-batch's time are its backward pass; only the last
	// one's can hide what needs its gradients.
	out.HiddenSeconds = min(t.Overlap*replicas, 2./3*slowest)
	out.Seconds = out.PipelineSeconds + mostOnce - out.HiddenSeconds
	out.Binds = Binding(out.Items)
	model, hardware := TrainFLOPs(m, t.Sequence, t.Recompute, Causal)
	batch := n * float64(t.MicroBatch) * float64(l.DP)
	out.ModelFLOPs, out.HardwareFLOPs = batch*model, batch*hardware
	out.TokensPerSecond = batch * float64(t.Sequence) / out.Seconds
	if peak := c.cluster.Device.PeakFLOPs[t.Type].Value; peak > 0 {
		all := out.Seconds * peak * float64(l.GPUs())
		out.MFU, out.HFU = out.ModelFLOPs/all, out.HardwareFLOPs/all
	}
	out.MarginBytes = c.cluster.Device.MemoryBytes.Value - Fullest(out.Memory).Total()
	return out, nil
}

// stageWork is a stage's work for a micro-batch, and once a step, of which
// communication is the replicas'.
type stageWork struct {
	stepItems
	once          stepItems
	communication float64
}

func (c *Coster) trainStage(p pass, t Training, stage int) *stageWork {
	w := &stageWork{stepItems: stepItems{coster: c}, once: stepItems{coster: c}}
	p.forward(&w.stepItems, stage, 1)
	for j := range w.items {
		w.items[j].Count *= passes(w.items[j], t.Recompute)
	}
	if stage < p.l.PP-1 {
		p.send(&w.stepItems, "pipeline send", 2*float64(p.l.Interleave))
	}
	if p.l.Sharding.Stage == 3 {
		c.gathers(&w.stepItems, p.m, p.l, stage)
	}
	c.replicas(&w.once, p.m, p.l, stage)
	w.communication = w.once.seconds()
	c.optimizer(&w.once, p.m, p.l, stage)
	if w.err == nil {
		w.err = w.once.err
	}
	return w
}

func (t Training) validate(l Layout) error {
	for _, f := range []struct {
		name  string
		value int64
	}{{"batch", t.Batch}, {"micro-batch", t.MicroBatch}, {"sequence", t.Sequence}} {
		if f.value < 1 || f.value > 1<<30 {
			return fmt.Errorf("training: %s is %d, and must be between 1 and 2^30", f.name, f.value)
		}
	}
	if each := int64(l.DP) * t.MicroBatch; t.Batch%each != 0 {
		return fmt.Errorf("training: batch is %d, and must be a multiple of dp %d · micro-batch %d", t.Batch, l.DP, t.MicroBatch)
	}
	if t.Overlap < 0 || t.Overlap > 1 {
		return fmt.Errorf("training: overlap is %g, and must be between 0 and 1", t.Overlap)
	}
	return nil
}

// passes is how often an item of the forward pass comes in a micro-batch, forward
// and backward: a product has two more behind it (gradients of inputs and of
// weights), a communication its transpose (Shoeybi et al. 2019, section 3), and
// what is recomputed once more.
func passes(i Item, r Recompute) float64 {
	n := 3.0
	if _, ok := i.Workload.(datasets.Collective); ok {
		n = 2
	}
	switch i.Workload.(type) {
	case datasets.Attention, latentAttention:
		if r == RecomputeSelective {
			return n + 1
		}
	}
	if r == RecomputeSelective && strings.HasPrefix(i.Name, "attention ") && i.Name != "attention output" {
		return n + 1
	}
	if r == RecomputeFull && i.Name != "output projection" && i.Name != "embedding" {
		return n + 1
	}
	return n
}

// gathers is full sharding's communication in each micro-batch: weights are
// gathered for the forward and again for the backward pass (Rajbhandari et al.
// 2020, section 7.2).
func (c *Coster) gathers(s *stepItems, m datasets.Model, l Layout, stage int) {
	shared, experts := l.StageParameters(m, stage)
	ranks := int(l.Sharding.shardedOver(l.DP))
	s.collective(l, "weight all-gather", "all_gather", 2, datasets.BF16, weightBytes*shared, ranks, l.TP)
	ranks = int(l.Sharding.shardedOver(l.ExpertCopies()))
	s.collective(l, "expert weight all-gather", "all_gather", 2, datasets.BF16, weightBytes*experts, ranks, l.expertStride())
}

// expertStride is how many GPUs lie between copies of the same expert's part.
func (l Layout) expertStride() int { return max(l.EP*l.ETP, 1) }

// replicas is the communication among replicas once a step: an all-reduce of
// gradients; or under sharding a reduce-scatter of them, and below stage 3 an
// all-gather of the new weights (ibid.); under hybrid sharding also an all-reduce
// of each shard among the groups.
func (c *Coster) replicas(s *stepItems, m datasets.Model, l Layout, stage int) {
	shared, experts := l.StageParameters(m, stage)
	c.reduce(s, l, "gradient", shared, l.DP, l.TP)
	c.reduce(s, l, "expert gradient", experts, l.ExpertCopies(), l.expertStride())
}

func (c *Coster) reduce(s *stepItems, l Layout, name string, parameters float64, copies, stride int) {
	bytes, group := gradientBytes*parameters, int(l.Sharding.shardedOver(copies))
	if l.Sharding.Stage == 0 {
		c.between(s, l, name, bytes, copies)
		s.collective(l, name+" all-reduce", "all_reduce", 1, datasets.BF16, bytes, copies, stride)
		return
	}
	s.collective(l, name+" reduce-scatter", "reduce_scatter", 1, datasets.BF16, bytes, group, stride)
	if l.Sharding.Stage < 3 {
		s.collective(l, "weight all-gather", "all_gather", 1, datasets.BF16, weightBytes*parameters, group, stride)
	}
	if groups := copies / group; groups > 1 {
		shard := bytes / float64(group)
		s.collective(l, name+" all-reduce among groups", "all_reduce", 1, datasets.BF16, shard, groups, stride*group)
	}
	c.between(s, l, name, bytes, copies)
}

// between is what crosses the thin links between clusters where replicas lie on
// several: each cluster reduces among its own first, so that a GPU's share of the
// sum crosses, as a ring among clusters does it.
func (c *Coster) between(s *stepItems, l Layout, name string, bytes float64, copies int) {
	if c.cluster.ClusterGPUs < 1 || c.cluster.BetweenBandwidth <= 0 || copies < 2 || bytes == 0 {
		return
	}
	clusters := (l.GPUs() + c.cluster.ClusterGPUs - 1) / c.cluster.ClusterGPUs
	clusters = min(clusters, copies)
	if clusters < 2 {
		return
	}
	n := float64(clusters)
	seconds := 2 * (n - 1) / n * bytes / (float64(copies) / n) / c.cluster.BetweenBandwidth
	s.items = append(s.items, Item{Name: name + " between clusters", Count: 1, Seconds: seconds, Binds: "between_clusters", Tier: datasets.TierDatasheet})
}

// optimizer reads and writes the state of a GPU's share once: in FP32 weight,
// momentum and variance both ways, the gradient in and the weight out in 16 bits.
func (c *Coster) optimizer(s *stepItems, m datasets.Model, l Layout, stage int) {
	shared, experts := l.StageParameters(m, stage)
	if l.Sharding.Stage > 0 {
		shared /= l.Sharding.shardedOver(l.DP)
		experts /= l.Sharding.shardedOver(l.ExpertCopies())
	}
	bytes := (2*optimizerBytes + gradientBytes + weightBytes) * (shared + experts)
	if bytes >= 1 {
		s.add("optimizer", 1, datasets.Stream{Kernel: "copy", Type: datasets.FP32, SizeBytes: int64(bytes), Ranks: 1})
	}
}
