package datasets

import (
	"fmt"
	"math"
	"unsafe"
)

// MoELayer is a mixture-of-experts feed-forward layer (suite moe). Op "layer"
// is router, dispatch, experts and combine; op "experts" is the grouped expert
// product alone, on the most loaded rank, as serving frameworks time it.
type MoELayer struct {
	Kernel string `col:"op" default:"experts" help:"layer (router, dispatch, experts, combine) or experts (the grouped product alone)"`
	Type   DType  `col:"dtype"`
	// Tokens of the whole batch, before routing.
	Tokens int64 `col:"batch" key:"tokens" help:"tokens of the whole batch (required)"`
	// Hidden is the model width, Intermediate that of one expert, before it is
	// split by tensor parallelism.
	Hidden       int64 `col:"hidden" help:"width of the model"`
	Intermediate int64 `col:"intermediate" help:"inner width of one expert"`
	Experts      int64 `col:"experts" help:"experts"`
	TopK         int64 `col:"top_k" help:"experts that a token chooses"`
	// Gated experts have three matrices (gate, up, down), others two.
	Gated bool `col:"gated" default:"true" help:"three matrices an expert, else two"`
	// TP ranks split each expert, EP ranks share out the experts.
	TP      int `col:"tensor_parallel" key:"tp" default:"1" help:"ranks that split each expert"`
	EP      int `col:"expert_parallel" key:"ep" default:"1" help:"ranks that share out the experts"`
	Routing Routing
	Ranks   int   `col:"ranks"`
	Cache   Cache `col:"cache" default:"hot" help:"hot (operands are used again and again) or cold"`
	// Format names a quantised form of the weights with work of its own.
	Format string `col:"format" flag:"quantised" help:"quantised form of the weights, such as fp8_block"`
}

var moeOperation = declare[MoELayer](SuiteMoE)

// Suite is moe.
func (m MoELayer) Suite() Suite { return SuiteMoE }

// Op is Kernel.
func (m MoELayer) Op() string { return m.Kernel }

// DType is the type of weights and activations.
func (m MoELayer) DType() DType { return m.Type }

// Workers is Ranks.
func (m MoELayer) Workers() int { return m.Ranks }

// Matrices is how many matrices an expert has.
func (m MoELayer) Matrices() int64 {
	if m.Gated {
		return 3
	}
	return 2
}

// ExpertBytes is the weights of one expert on one rank.
func (m MoELayer) ExpertBytes() float64 {
	return float64(m.Matrices()) * float64(m.Hidden) * float64(m.Intermediate) / float64(max(m.TP, 1)) * WidthsOf(m.Type, m.Format).Weight
}

// FLOPs is the expert products of all tokens (2 a weight and choice) and, for
// a whole layer, the router. Op "experts" is one rank's part under balanced
// expert parallelism.
func (m MoELayer) FLOPs() float64 {
	f := 2 * float64(m.Tokens) * float64(m.TopK) * float64(m.Matrices()) * float64(m.Hidden) * float64(m.Intermediate)
	if m.Kernel == "experts" {
		return f / float64(max(m.TP, 1)*max(m.EP, 1))
	}
	return f + 2*float64(m.Tokens)*float64(m.Hidden)*float64(m.Experts)
}

// AwakeExperts is how many of experts have at least one of tokens that each choose
// topK different ones uniformly: E·(1 − (1 − k/E)^T).
func AwakeExperts(experts, topK, tokens int64) float64 {
	if experts <= topK {
		return float64(experts)
	}
	e := float64(experts)
	return e * (1 - math.Pow(1-float64(topK)/e, float64(tokens)))
}

// Awake is how many experts the tokens wake: in expectation under uniform routing,
// all that balanced routing reaches, and of other rules the fewest that are
// possible, TopK; what those really wake is a prediction's business.
func (m MoELayer) Awake() float64 {
	switch m.Routing.Rule {
	case RouteBalanced:
		return min(float64(m.Experts), float64(m.Tokens)*float64(m.TopK))
	case RouteUniform:
		return AwakeExperts(m.Experts, m.TopK, m.Tokens)
	}
	return float64(min(m.Experts, m.TopK))
}

// Bytes is the weights of the experts that are awake, and the tokens in and out.
func (m MoELayer) Bytes() float64 {
	awake := m.Awake()
	w := WidthsOf(m.Type, m.Format)
	tokens := float64(m.Tokens) * float64(m.Hidden) * (w.Activation + w.Result)
	if m.Kernel == "experts" {
		return awake/float64(max(m.EP, 1))*m.ExpertBytes() + tokens
	}
	return awake*m.ExpertBytes()*float64(max(m.TP, 1)) + float64(m.Hidden)*float64(m.Experts)*m.Type.Size() + tokens
}

// WireBytes is 0: dispatch and combine depend on the routing and on where
// tokens are, and are a prediction's business.
func (m MoELayer) WireBytes() float64 { return 0 }

// Key names every field but the recorded choices, for which their checksum
// stands.
func (m MoELayer) Key() string { return moeOperation.key(m.Suite(), unsafe.Pointer(&m)) }

func (m MoELayer) cells(c *cells) { moeOperation.write(unsafe.Pointer(&m), c) }

// Validate says in one sentence what is wrong with the shape.
func (m MoELayer) Validate() error {
	if m.Kernel != "layer" && m.Kernel != "experts" {
		return fmt.Errorf("moe: unknown operation %q: use layer or experts", m.Kernel)
	}
	if m.Type.Size() == 0 {
		return fmt.Errorf("moe: unknown data type %q", m.Type)
	}
	if err := positive("moe", "tokens", m.Tokens, "hidden", m.Hidden, "intermediate", m.Intermediate,
		"experts", m.Experts, "top_k", m.TopK, "tp", int64(m.TP), "ep", int64(m.EP), "ranks", int64(m.Ranks)); err != nil {
		return err
	}
	if m.TopK > m.Experts {
		return fmt.Errorf("moe: top-%d of %d experts: a token cannot choose more experts than there are", m.TopK, m.Experts)
	}
	if m.Experts%int64(m.EP) != 0 {
		return fmt.Errorf("moe: %d experts cannot be shared out evenly over %d ranks", m.Experts, m.EP)
	}
	if err := m.Routing.Validate(); err != nil {
		return fmt.Errorf("moe: %w", err)
	}
	return m.Cache.validate("moe")
}
