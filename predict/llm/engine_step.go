package llm

import (
	"fmt"
	"math/bits"

	"bench/datasets"
)

// Batch is what one step of a serving engine takes on one replica: sequences
// that each get a token, and chunks of prompts.
type Batch struct {
	// Decode sequences attend to Context tokens in all, the new ones included.
	Decode, Context int64
	Chunks          []Chunk
}

// Chunk is Query new tokens of a prompt of which Context, these included, are
// then in the KV cache. Last ends the prompt: its logits are needed.
type Chunk struct {
	Query, Context int64
	Last           bool
}

// Tokens that go through the products together.
func (b Batch) Tokens() int64 {
	n := b.Decode
	for _, c := range b.Chunks {
		n += c.Query
	}
	return n
}

// StepTime is the seconds of an engine's step on the device, by part. Nothing
// overlaps.
type StepTime struct {
	// Products is every matrix product, experts and output projection included:
	// their weights are read once for all tokens.
	Products float64
	// DecodeAttention and PrefillAttention are the two attention kernels.
	DecodeAttention, PrefillAttention float64
	Communication                     float64
	// Elementwise is norms, activations, rotary embedding, embedding and sampling.
	Elementwise float64
}

// Total of all parts.
func (t StepTime) Total() float64 {
	return t.Products + t.DecodeAttention + t.PrefillAttention + t.Communication + t.Elementwise
}

func (t StepTime) plus(o StepTime, share float64) StepTime {
	return StepTime{t.Products + share*o.Products, t.DecodeAttention + share*o.DecodeAttention,
		t.PrefillAttention + share*o.PrefillAttention, t.Communication + share*o.Communication, t.Elementwise + share*o.Elementwise}
}

// Steps times an engine's steps for one model on one layout. Costs are worked
// out on a grid of 16 sizes an octave and interpolated between, so that a
// simulation of many thousand steps takes milliseconds. A step goes through all
// pipeline stages one after the other. Not safe for concurrent use.
type Steps struct {
	coster *Coster
	pass   pass
	tokens, logits,
	decode, prefill map[[2]int64]StepTime
	err error
}

// Steps prepares the timing of steps. The layout must have come from
// Layout.For. The same model, layout and types share what was worked out.
func (c *Coster) Steps(m datasets.Model, l Layout, s Serving) *Steps {
	key := fmt.Sprint(m.ID, l, s.Type, s.KVType, s.Routing.Rule, s.Routing.Exponent, s.Formats, s.FusedRotary)
	if c.steps[key] == nil {
		c.steps[key] = c.newSteps(m, l, s)
	}
	return c.steps[key]
}

func (c *Coster) newSteps(m datasets.Model, l Layout, s Serving) *Steps {
	p := pass{m: m, l: l, t: s.Type, kv: s.kv(), query: 1, routing: s.routing(), engine: true, fused: s.FusedRotary, formats: s.Formats}
	return &Steps{coster: c, pass: p, tokens: map[[2]int64]StepTime{}, logits: map[[2]int64]StepTime{},
		decode: map[[2]int64]StepTime{}, prefill: map[[2]int64]StepTime{}}
}

// Time of one step. The error is the first workload that no tier can predict.
func (s *Steps) Time(b Batch) (StepTime, error) {
	var t StepTime
	last := b.Decode
	n := b.Decode
	for _, c := range b.Chunks {
		n += c.Query
		if c.Last {
			last++
		}
	}
	if n < 1 {
		return t, nil
	}
	t = s.along(s.tokens, n, 0, s.tokenWork)
	if last > 0 {
		t = t.plus(s.along(s.logits, last, 0, s.logitWork), 1)
	}
	if b.Decode > 0 {
		t = t.plus(s.across(s.decode, b.Decode, max(b.Context/b.Decode, 1), s.decodeWork), 1)
	}
	for i := 0; i < len(b.Chunks); {
		// Equal chunks run in one kernel.
		c, same := b.Chunks[i], 1
		for i+same < len(b.Chunks) && b.Chunks[i+same].Query == c.Query && b.Chunks[i+same].Context == c.Context {
			same++
		}
		one := s.across(s.prefill, c.Query, c.Context, s.prefillWork)
		if same > 1 {
			// A second prompt costs what it adds, not its launch again.
			twice := s.across(s.prefill, -c.Query, c.Context, s.prefillWork)
			one = one.plus(twice.plus(one, -1), float64(same-1))
		}
		t = t.plus(one, 1)
		i += same
	}
	return t, s.err
}

// grid is the points of the grid around n, and how far n is between them.
func grid(n int64) (low, high int64, at float64) {
	shift := max(bits.Len64(uint64(n))-5, 0)
	low = n >> shift << shift
	if low == n {
		return n, n, 0
	}
	high = low + 1<<shift
	return low, high, float64(n-low) / float64(high-low)
}

func (s *Steps) along(known map[[2]int64]StepTime, n, other int64, work func(n, other int64) StepTime) StepTime {
	sign := int64(1)
	if n < 0 {
		sign, n = -1, -n
	}
	low, high, at := grid(n)
	get := func(n int64) StepTime {
		k := [2]int64{sign * n, other}
		t, ok := known[k]
		if !ok {
			t = work(sign*n, other)
			known[k] = t
		}
		return t
	}
	t := get(low)
	if at == 0 {
		return t
	}
	return StepTime{}.plus(t, 1-at).plus(get(high), at)
}

func (s *Steps) across(known map[[2]int64]StepTime, n, context int64, work func(n, context int64) StepTime) StepTime {
	low, high, at := grid(context)
	t := s.along(known, n, low, work)
	if at == 0 {
		return t
	}
	return StepTime{}.plus(t, 1-at).plus(s.along(known, n, high, work), at)
}

// sum adds up a stage's items by part, over all stages.
func (s *Steps) sum(add func(w *stepItems, stage int)) StepTime {
	var t StepTime
	for stage := range s.pass.l.PP {
		w := stepItems{coster: s.coster}
		add(&w, stage)
		if w.err != nil && s.err == nil {
			s.err = w.err
		}
		for _, i := range w.items {
			switch w := i.Workload.(type) {
			case datasets.Collective:
				t.Communication += i.Total()
			case datasets.Stream:
				t.Elementwise += i.Total()
			case datasets.Attention:
				if w.QueryTokens > 1 {
					t.PrefillAttention += i.Total()
				} else {
					t.DecodeAttention += i.Total()
				}
			case latentAttention:
				if w.QueryTokens > 1 {
					t.PrefillAttention += i.Total()
				} else {
					t.DecodeAttention += i.Total()
				}
			default:
				t.Products += i.Total()
			}
		}
	}
	return t
}

func (s *Steps) tokenWork(n, _ int64) StepTime {
	p := s.pass
	p.batch = n
	return s.sum(func(w *stepItems, stage int) {
		p.forward(w, stage, 1)
		if stage < p.l.PP-1 {
			p.send(w, "pipeline send", 1)
		}
	})
}

// logitWork is the output projection, and reading the logits to sample from
// them: in FP32, for the largest, its exponentials' sum, and the choice.
func (s *Steps) logitWork(n, _ int64) StepTime {
	p := s.pass
	p.batch = n
	return s.sum(func(w *stepItems, stage int) {
		if stage < p.l.PP-1 {
			return
		}
		share := ceilDiv(p.m.Vocabulary, int64(p.l.TP))
		w.gemm("output projection", 1, Wide(p.t), n, share, p.m.Hidden)
		w.collective(p.l, "logits all-gather", "all_gather", 1, datasets.FP32, 4*float64(n*p.m.Vocabulary), p.l.TP, 1)
		p.stream(w, "sampling", "softmax", 1, n, p.m.Vocabulary)
	})
}

func (s *Steps) decodeWork(n, context int64) StepTime {
	p := s.pass
	p.batch, p.ctx = n, context
	return s.sum(func(w *stepItems, stage int) { p.kernels(w, stage, 1) })
}

// prefillWork is one prompt's chunk, or two for a negative n.
func (s *Steps) prefillWork(n, context int64) StepTime {
	p := s.pass
	p.batch, p.query, p.ctx = 1, n, context
	if n < 0 {
		p.batch, p.query = 2, -n
	}
	p.ctx = max(p.ctx, p.query)
	return s.sum(func(w *stepItems, stage int) { p.kernels(w, stage, 1) })
}

// FirstError of any step, named by its workload.
func (s *Steps) FirstError() error {
	if s.err != nil {
		return fmt.Errorf("a step of %s: %w", s.pass.m.ID, s.err)
	}
	return nil
}
