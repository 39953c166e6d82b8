package llm

import (
	"fmt"

	"bench/datasets"
)

// Step is a decode or prefill step of a whole model.
type Step struct {
	// Seconds from a sequence's token to its next (decode), or to its first
	// (prefill).
	Seconds float64 `json:"seconds"`
	// TokensPerSecond of all replicas together.
	TokensPerSecond float64 `json:"tokens_per_s"`
	// TokensPerSecondPerUser is what one sequence gets.
	TokensPerSecondPerUser float64 `json:"tokens_per_s_per_user"`
	// MicroBatches that a replica's batch is split in, to fill the pipeline, of
	// MicroBatch sequences.
	MicroBatches int64 `json:"micro_batches"`
	MicroBatch   int64 `json:"micro_batch"`
	// StageSeconds is each stage's for one micro-batch.
	StageSeconds []float64 `json:"stage_seconds"`
	// Items is one micro-batch's work on all stages, one GPU each.
	Items []Item `json:"items"`
	// Binds is the resource that decides most of Items' time.
	Binds string `json:"binds"`
	// FLOPs of the step over all replicas, and MFU its share of the peak of every
	// GPU.
	FLOPs  float64  `json:"flop"`
	MFU    float64  `json:"mfu"`
	Memory []Memory `json:"memory"`
	// MarginBytes is what the fullest GPU has left; below 0 it does not fit.
	MarginBytes float64 `json:"margin_bytes"`
	// Fallbacks says which items the tier could not predict, and why.
	Fallbacks map[string]string `json:"fallbacks,omitempty"`
}

// Fits reports whether every GPU holds its part.
func (s *Step) Fits() bool { return s.MarginBytes >= 0 }

// DecodeStep is one new token for each of s.Batch sequences at s.Context tokens.
//
// With p stages a replica's batch goes round in up to p micro-batches. A step
// takes as long as one micro-batch through all stages, or as all micro-batches
// through the slowest, whichever is longer. Nothing overlaps inside a stage: its
// time is the sum of its items.
func (c *Coster) DecodeStep(m datasets.Model, l Layout, s Serving) (*Step, error) {
	p := pass{m: m, l: l, t: s.Type, kv: s.kv(), query: 1, ctx: s.Context, routing: s.routing(), formats: s.Formats}
	return c.step(p, s, DecodeFLOPs(m, s.Context), 1)
}

// PrefillStep is the prompts of s.Batch sequences of s.Context tokens each, with
// the output projection for the last token of each.
func (c *Coster) PrefillStep(m datasets.Model, l Layout, s Serving) (*Step, error) {
	p := pass{m: m, l: l, t: s.Type, kv: s.kv(), query: s.Context, ctx: s.Context, routing: s.routing(), formats: s.Formats}
	flops := ForwardFLOPs(m, s.Context, s.Context, Causal) - 2*float64(s.Context-1)*m.OutputWeights()
	return c.step(p, s, flops, s.Context)
}

func (c *Coster) step(p pass, s Serving, flopsEach float64, tokensEach int64) (*Step, error) {
	if s.Batch < 1 || s.Context < 1 || s.Batch > 1<<30 || s.Context > 1<<30 {
		return nil, fmt.Errorf("batch is %d and context %d, and both must be between 1 and 2^30", s.Batch, s.Context)
	}
	out := &Step{Memory: p.l.ServeMemory(p.m, s), Fallbacks: c.fallbacks}
	replica := s.perReplica(p.l)
	out.MicroBatches = min(int64(p.l.PP), replica)
	out.MicroBatch = ceilDiv(replica, out.MicroBatches)
	out.MicroBatches = ceilDiv(replica, out.MicroBatch)
	p.batch, p.logits = out.MicroBatch, out.MicroBatch
	through, slowest := 0.0, 0.0
	all := stepItems{coster: c}
	seen := map[stageKind]*stepItems{}
	for i := range p.l.PP {
		k := p.l.kindOf(p.m, i)
		one := seen[k]
		if one == nil {
			one = &stepItems{coster: c}
			p.forward(one, i, 1)
			if i < p.l.PP-1 || tokensEach == 1 {
				// The last stage of a decode step hands tokens back to the first:
				// they are few bytes, but the network is crossed.
				p.send(one, "pipeline send", 1)
			}
			if one.err != nil {
				return nil, one.err
			}
			seen[k] = one
		}
		t := one.seconds()
		out.StageSeconds = append(out.StageSeconds, t)
		through += t
		slowest = max(slowest, t)
		all.merge(one.items)
	}
	out.Items = all.items
	out.Binds = Binding(out.Items)
	out.Seconds = max(through, float64(out.MicroBatches)*slowest)
	if tokensEach > 1 {
		// Prompts fill the pipeline once.
		out.Seconds = through + float64(out.MicroBatches-1)*slowest
	}
	out.FLOPs = float64(s.Batch) * flopsEach
	out.TokensPerSecond = float64(s.Batch*tokensEach) / out.Seconds
	out.TokensPerSecondPerUser = 1 / out.Seconds
	if peak := c.cluster.Device.PeakFLOPs[p.t].Value; peak > 0 {
		out.MFU = out.FLOPs / out.Seconds / (peak * float64(p.l.GPUs()))
	}
	out.MarginBytes = c.cluster.Device.MemoryBytes.Value - Fullest(out.Memory).Total()
	return out, nil
}

// merge adds items to those of the same work.
func (s *stepItems) merge(items []Item) {
next:
	for _, i := range items {
		for j := range s.items {
			if have := &s.items[j]; have.Name == i.Name && have.Seconds == i.Seconds {
				have.Count += i.Count
				continue next
			}
		}
		s.items = append(s.items, i)
	}
}

// Binding is what decides most of the items' time: "memory", "compute",
// "communication", "network", ….
func Binding(items []Item) string {
	by := map[string]float64{}
	most, name := 0.0, ""
	for _, i := range items {
		by[i.Binds] += i.Total()
		if by[i.Binds] > most {
			most, name = by[i.Binds], i.Binds
		}
	}
	return name
}
