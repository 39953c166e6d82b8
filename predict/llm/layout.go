package llm

import (
	"fmt"

	"bench/datasets"
)

// Layout says how a model is spread over GPUs. Ranks are numbered with tensor
// parallelism innermost, then data, then pipeline, as in Megatron-LM, so that
// tensor-parallel ranks are neighbours in a node where they fit one.
type Layout struct {
	// TP ranks split each layer's matrices and heads, PP stages share out the
	// layers, and DP replicas share out the batch: GPUs are TP · PP · DP.
	TP int `json:"tp"`
	PP int `json:"pp"`
	DP int `json:"dp"`
	// EP ranks share out a layer's experts, ETP ranks split each of them; the
	// TP · DP ranks of a stage hold TP·DP / (EP·ETP) copies. 0 is EP 1, ETP = TP.
	EP  int `json:"ep,omitempty"`
	ETP int `json:"etp,omitempty"`
	// SequenceParallel splits by tokens, over the TP ranks, what tensor
	// parallelism leaves whole (Korthikanti et al. 2022, section 4.2.2).
	SequenceParallel bool `json:"sequence_parallel,omitempty"`
	// BatchSharded shares out the KV cache over TP ranks by sequences in place
	// of heads (Pope et al. 2022, section 3.3).
	BatchSharded bool `json:"batch_sharded,omitempty"`
	// Interleave is how many parts of the model a stage has, taken in turns
	// (Narayanan et al. 2021, section 2.2.2). 0 is 1.
	Interleave int `json:"interleave,omitempty"`
	// StageLayers is the layers of each stage; nil shares them out, the lighter
	// stages first.
	StageLayers []int64 `json:"stage_layers,omitempty"`
	// NodeSize is GPUs joined by fast links. 0 is the device's.
	NodeSize int `json:"node_size,omitempty"`
	// Sharding of weights, gradients and optimizer state over replicas.
	Sharding Sharding `json:"sharding"`
}

// Sharding is ZeRO's stage (Rajbhandari et al., "ZeRO", 2020): 0 nothing, 1
// optimizer state, 2 gradients too, 3 weights too. FSDP is stage 3; over a
// Group of fewer than all replicas it is FSDP's hybrid sharding (Zhao et al.,
// "PyTorch FSDP", 2023, section 3.2.2). Group 0 is all replicas.
type Sharding struct {
	Stage int `json:"stage"`
	Group int `json:"group,omitempty"`
}

// GPUs that the layout takes.
func (l Layout) GPUs() int { return l.TP * l.PP * l.DP }

// LighterFirst shares out layers over stages: first on the first one, or as
// evenly as can be where first is below 0, the stages with a layer less first.
func LighterFirst(layers int64, stages int, first int64) []int64 {
	out := make([]int64, stages)
	if first >= 0 && stages > 1 {
		copy(out[1:], LighterFirst(layers-first, stages-1, -1))
		out[0] = first
		return out
	}
	n := int64(stages)
	for i := range out {
		out[i] = layers / n
		if int64(i) >= n-layers%n {
			out[i]++
		}
	}
	return out
}

// maxStages bounds a pipeline: no model has so many layers.
const maxStages = 4096

// For fills in what is left open and checks that the model can be laid out so;
// the error names the field.
func (l Layout) For(m datasets.Model, nodeSize int) (Layout, error) {
	for _, f := range []struct {
		name  string
		value *int
	}{{"tp", &l.TP}, {"pp", &l.PP}, {"dp", &l.DP}, {"ep", &l.EP}, {"interleave", &l.Interleave}} {
		if *f.value == 0 {
			*f.value = 1
		}
		if *f.value < 0 || *f.value > 1<<20 {
			return l, fmt.Errorf("layout: %s is %d, and must be between 1 and 2^20", f.name, *f.value)
		}
	}
	if l.PP > maxStages {
		return l, fmt.Errorf("layout: pp is %d, and must not exceed %d", l.PP, maxStages)
	}
	if l.NodeSize == 0 {
		l.NodeSize = max(nodeSize, 1)
	}
	if l.NodeSize < 0 || l.Sharding.Group < 0 {
		return l, fmt.Errorf("layout: node_size is %d and the sharding's group %d, and neither may be negative", l.NodeSize, l.Sharding.Group)
	}
	ranks := l.TP * l.DP
	if l.ETP == 0 {
		// Experts are split as the rest is, where the ranks are enough for both.
		l.ETP = l.TP
		for l.ETP > 1 && (ranks%(l.EP*l.ETP) != 0 || l.TP%l.ETP != 0) {
			l.ETP--
		}
	}
	switch {
	case l.ETP < 0:
		return l, fmt.Errorf("layout: etp is %d, and must not be negative", l.ETP)
	case m.Heads%int64(l.TP) != 0 && !l.BatchSharded && l.TP < int(m.Heads):
		return l, fmt.Errorf("layout: tp is %d, and must divide the %d heads of %s", l.TP, m.Heads, m.ID)
	case m.FFWidth%int64(l.ETP) != 0 || m.DenseLayers > 0 && m.DenseFFWidth%int64(l.TP) != 0:
		return l, fmt.Errorf("layout: tp is %d, and must divide the feed-forward width of %s", l.TP, m.ID)
	case m.Experts%int64(l.EP) != 0:
		return l, fmt.Errorf("layout: ep is %d, and must divide the %d experts of %s", l.EP, m.Experts, m.ID)
	case ranks%(l.EP*l.ETP) != 0:
		return l, fmt.Errorf("layout: ep %d · etp %d must divide tp %d · dp %d", l.EP, l.ETP, l.TP, l.DP)
	case l.Sharding.Stage < 0 || l.Sharding.Stage > 3:
		return l, fmt.Errorf("layout: the sharding's stage is %d, and must be 0, 1, 2 or 3", l.Sharding.Stage)
	case l.Sharding.Group > 0 && l.DP%min(l.Sharding.Group, l.DP) != 0:
		return l, fmt.Errorf("layout: the sharding's group is %d, and must divide dp, %d", l.Sharding.Group, l.DP)
	}
	if l.StageLayers == nil {
		if int64(l.PP) > m.Layers {
			return l, fmt.Errorf("layout: pp is %d, more than the %d layers of %s", l.PP, m.Layers, m.ID)
		}
		l.StageLayers = LighterFirst(m.Layers, l.PP, -1)
		if l.Interleave > 1 && l.PP > 1 && (m.Layers+2)%int64(l.PP*l.Interleave) == 0 {
			// Embedding and output take a layer's place at the ends (Llama 3 Herd, 2024,
			// section 3.3.2).
			l.StageLayers = LighterFirst(m.Layers+2, l.PP, -1)
			l.StageLayers[0]--
			l.StageLayers[l.PP-1]--
		}
	}
	sum := int64(0)
	for _, n := range l.StageLayers {
		if n < 0 {
			return l, fmt.Errorf("layout: stage_layers has %d, and must not be negative", n)
		}
		sum += n
	}
	if len(l.StageLayers) != l.PP || sum != m.Layers {
		return l, fmt.Errorf("layout: stage_layers are %d stages of %d layers in all, and %s on pp %d has %d layers", len(l.StageLayers), sum, m.ID, l.PP, m.Layers)
	}
	if l.Interleave > 1 {
		for i, n := range l.StageLayers {
			if i == 0 || i == l.PP-1 {
				if v := int64(l.Interleave); n%v == v-1 {
					n++ // the ends may lack a layer
				}
			}
			if n%int64(l.Interleave) != 0 {
				return l, fmt.Errorf("layout: interleave is %d, and must divide the %d layers of each stage", l.Interleave, l.StageLayers[i])
			}
		}
	}
	return l, nil
}

// stageSpan is the stage's layers that are dense (of DenseLayers) and the rest.
func (l Layout) stageSpan(m datasets.Model, stage int) (dense, routed int64) {
	from := int64(0)
	for i := range stage {
		from += l.StageLayers[i]
	}
	n := l.StageLayers[stage]
	dense = min(max(m.DenseLayers-from, 0), n)
	return dense, n - dense
}

// kvHeads is the KV heads that a GPU keeps: its share, and at least one, as a
// head cannot be split.
func (l Layout) kvHeads(m datasets.Model) int64 {
	t := int64(l.TP)
	return (m.KVHeads + t - 1) / t
}

// StageParameters is the parameters that a GPU of a stage holds before any
// sharding over replicas: shared by all DP replicas, and those of experts, of
// which there are ExpertCopies. What tensor parallelism cannot split (norms,
// router, latent down-projections, a KV head) is on every rank.
func (l Layout) StageParameters(m datasets.Model, stage int) (shared, experts float64) {
	dense, routed := l.stageSpan(m, stage)
	layers, tp := float64(dense+routed), float64(l.TP)
	shared = layers * (l.attentionShare(m) + m.NormWeights())
	shared += float64(dense) * m.DenseFFWeights() / tp
	if m.Experts > 1 {
		shared += float64(routed) * (m.RouterWeights() + float64(m.SharedExperts)*m.ExpertWeights()/tp)
		experts = float64(routed) * float64(m.Experts) / float64(l.EP) * m.ExpertWeights() / float64(l.ETP)
	} else {
		shared += float64(routed) * m.ExpertWeights() / tp
	}
	if m.Layers > 0 {
		shared += m.VisionWeights() / tp * layers / float64(m.Layers)
	}
	first, last := stage == 0, stage == l.PP-1
	if first {
		shared += m.EmbeddingWeights() / tp
	}
	if last {
		shared += float64(m.Hidden)
		// A tied embedding that is not on this stage has a copy here.
		if !m.Tied || !first {
			shared += m.OutputWeights() / tp
		}
	}
	return shared, experts
}

// attentionShare is a rank's attention parameters of one layer.
func (l Layout) attentionShare(m datasets.Model) float64 {
	h, d, a, tp := float64(m.Hidden), float64(m.HeadDim), float64(m.Heads), float64(l.TP)
	if x := m.Latent; x != nil {
		whole := h*float64(x.QRank) + float64(x.QRank) + h*float64(x.KVRank+x.QKRope) + float64(x.KVRank)
		return whole + (m.AttentionWeights()-whole)/tp
	}
	kv := 2 * h * d * float64(m.KVHeads)
	return (m.AttentionWeights()-kv)/tp + 2*h*d*min(float64(l.kvHeads(m)), a)
}

// ExpertCopies is how many ranks of a stage hold the same experts' parts.
func (l Layout) ExpertCopies() int { return l.TP * l.DP / (l.EP * l.ETP) }

// shardedOver is how many replicas each share of so many copies' state is
// spread over.
func (s Sharding) shardedOver(copies int) float64 {
	if s.Group > 0 {
		return float64(min(s.Group, copies))
	}
	return float64(copies)
}

// nodesOf is over how many nodes a group of ranks lies whose neighbours are
// stride GPUs apart.
func (l Layout) nodesOf(ranks, stride int) int {
	perNode := max(l.NodeSize/stride, 1)
	return (ranks + perNode - 1) / perNode
}

// stageKind is what stages must have in common to do the same work; they are
// timed once.
type stageKind struct {
	dense, routed int64
	first, last   bool
}

func (l Layout) kindOf(m datasets.Model, stage int) stageKind {
	dense, routed := l.stageSpan(m, stage)
	return stageKind{dense, routed, stage == 0, stage == l.PP-1}
}
