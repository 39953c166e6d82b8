package llm

import (
	"fmt"
	"math"

	"bench/datasets"
	"bench/predict"
)

// Cluster is the machine that a layout runs on.
type Cluster struct {
	Device datasets.Device
	// ClusterGPUs are joined by the device's network; beyond them only
	// BetweenBandwidth, in byte/s a GPU and direction, is left. 0 is no limit.
	ClusterGPUs      int
	BetweenBandwidth float64
}

// Item is one kind of work of a GPU in a step: a workload that suites measure,
// how often it comes, and how long it takes once.
type Item struct {
	Name     string            `json:"name"`
	Workload datasets.Workload `json:"-"`
	Key      string            `json:"key,omitempty"`
	Count    float64           `json:"count"`
	// Seconds of one, and Binds what decides it.
	Seconds float64       `json:"seconds"`
	Binds   string        `json:"binds"`
	Tier    datasets.Tier `json:"tier"`
}

// Total is the item's seconds in the step.
func (i Item) Total() float64 { return i.Count * i.Seconds }

// Coster times workloads, each through predict at one tier. What the tier cannot
// predict it takes from the datasheet's, and Fallbacks says so. It keeps what it
// has timed, and is not safe for concurrent use.
type Coster struct {
	cluster   Cluster
	tier      datasets.Tier
	at, sheet *predict.Predictor
	known     map[any]cost
	// fallbacks says, by suite and operation, why the datasheet's time stands for
	// the tier's.
	fallbacks map[string]string
	steps     map[string]*Steps
	// stack is whose kernels run; the zero one is the device's best known.
	stack datasets.Stack
}

type cost struct {
	prediction datasets.Prediction
	err        error
}

// NewCoster prepares timing on a cluster at a tier.
func NewCoster(c Cluster, tier datasets.Tier) *Coster {
	return &Coster{cluster: c, tier: tier, at: predict.New(c.Device, tier), sheet: predict.New(c.Device, datasets.TierDatasheet),
		known: map[any]cost{}, fallbacks: map[string]string{}, steps: map[string]*Steps{}}
}

// Unavailable says why the tier predicts no kernel of the device, so that all times
// would be the datasheet's; "" where it does.
func (c *Coster) Unavailable() string { return c.at.Unavailable() }

// Under times the kernels of a library, and those that it has no parameters for by
// the device's best known.
func (c *Coster) Under(library string) {
	if c.stack.Library != library {
		c.stack = datasets.Stack{Library: library}
		clear(c.known)
		clear(c.steps)
	}
}

func (c *Coster) time(w datasets.Workload) (datasets.Prediction, error) {
	key := any(w)
	if m, ok := w.(datasets.MoELayer); ok {
		key = m.Key()
	}
	if k, ok := c.known[key]; ok {
		return k.prediction, k.err
	}
	p := c.at.PredictOn(w, c.stack)
	if p.NotPredicted != "" && c.stack != (datasets.Stack{}) {
		p = c.at.Predict(w)
	}
	if p.NotPredicted != "" && c.tier != datasets.TierDatasheet {
		c.fallbacks[string(w.Suite())+"/"+w.Op()] = p.NotPredicted
		p = c.sheet.Predict(w)
	}
	var err error
	if p.NotPredicted != "" {
		err = fmt.Errorf("%s/%s in %s: %s", w.Suite(), w.Op(), w.DType(), p.NotPredicted)
	}
	c.known[key] = cost{p, err}
	return p, err
}

// stepItems collects a stage's work.
type stepItems struct {
	coster *Coster
	items  []Item
	err    error
}

func (s *stepItems) add(name string, count float64, w datasets.Workload) {
	if count <= 0 || s.err != nil {
		return
	}
	p, err := s.coster.time(w)
	if err != nil {
		s.err = fmt.Errorf("%s: %w", name, err)
		return
	}
	s.items = append(s.items, Item{Name: name, Workload: w, Count: count, Seconds: p.Seconds, Binds: p.Binds, Tier: p.Tier})
}

// gemm is a product of so many tokens with a matrix of in × out.
func (s *stepItems) gemm(name string, count float64, t datasets.DType, tokens, out, in int64) {
	if tokens > 0 && out > 0 && in > 0 {
		s.add(name, count, datasets.GEMM{Kernel: "matmul", Type: t, M: tokens, N: out, K: in, Ranks: 1, Cache: datasets.Cold})
	}
}

// collective is a communication among ranks that lie stride GPUs apart.
func (s *stepItems) collective(l Layout, name, kind string, count float64, t datasets.DType, bytes float64, ranks, stride int) {
	if ranks < 2 || bytes < 1 {
		return
	}
	nodes := min(l.nodesOf(ranks, stride), ranks)
	s.add(name, count, datasets.Collective{Kind: kind, Type: t, SizeBytes: int64(math.Ceil(bytes)), Ranks: ranks, Nodes: nodes})
}

// engineReduce is a serving engine's own all-reduce among the GPUs of a node.
func (s *stepItems) engineReduce(name string, count float64, t datasets.DType, bytes float64, ranks int) {
	if ranks > 1 {
		s.add(name, count, datasets.Collective{Kind: "all_reduce", Type: t, SizeBytes: int64(math.Ceil(bytes)), Ranks: ranks, Nodes: 1,
			Algorithm: "custom", Launch: "graph"})
	}
}

// Formats is the bits of a stored weight, its scales included, where weights are
// narrower than the type that the products compute in (weight-only kernels); 0
// is that type's.
type Formats struct{ Dense, Experts float64 }

// narrow adds products whose weights have so few bits. They take the time of
// the products' own type, less what the longest of a kernel's overlapping terms
// shrinks by when memory traffic does.
func (s *stepItems) narrow(bits float64, add func()) {
	from := len(s.items)
	add()
	if bits == 0 {
		return
	}
	for i := range s.items[from:] {
		item := &s.items[from+i]
		p, err := s.coster.time(item.Workload)
		if err != nil {
			continue
		}
		other, memory := 0.0, 0.0
		for _, t := range p.Terms {
			switch t.Name {
			case "memory":
				memory = t.Seconds
			case "compute", "cache":
				other += t.Seconds
			}
		}
		share := bits / 8 / item.Workload.DType().Size()
		item.Seconds = p.Seconds - (max(other, memory) - max(other, memory*share))
	}
}

func (s *stepItems) seconds() float64 {
	sum := 0.0
	for _, i := range s.items {
		sum += i.Total()
	}
	return sum
}

// latentAttention is the attention kernel of multi-head latent attention in
// decoding: all heads score one latent key and weigh its first part, so that the
// cache is read once for both. No suite has it; it takes the datasheet's time.
type latentAttention struct {
	datasets.Attention
	// pair is the multiply-adds of a pair over all heads, element the cached ones
	// of a token.
	pair, element float64
}

// FLOPs is 2 for each multiply-add.
func (a latentAttention) FLOPs() float64 {
	q, c := float64(a.QueryTokens), float64(a.ContextTokens)
	return 2 * float64(a.Batch) * a.pair * (q*(c-q) + q*(q+1)/2)
}

// Bytes is the latents read once; queries and outputs are small beside them.
func (a latentAttention) Bytes() float64 {
	return float64(a.Batch) * float64(a.ContextTokens) * a.element * a.KVType.Size()
}

// Key says what is read and multiplied, not the heads that share it.
func (a latentAttention) Key() string {
	return fmt.Sprintf("%s/latent_attention %s kv=%s batch=%d query=%d context=%d multiply_adds=%g elements=%g", a.Suite(), a.Type, a.KVType,
		a.Batch, a.QueryTokens, a.ContextTokens, a.pair, a.element)
}

// Op names it apart from the attention that is measured.
func (a latentAttention) Op() string { return "latent_attention" }

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// Fallbacks says, by suite and operation, why the datasheet's time stands for
// the tier's.
func (c *Coster) Fallbacks() map[string]string { return c.fallbacks }
