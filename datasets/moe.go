package datasets

import (
	"fmt"
	"strconv"
)

// MoELayer is a mixture-of-experts feed-forward layer (suite moe). Op "layer"
// is router, dispatch, experts and combine; op "experts" is the grouped expert
// product alone, on the most loaded rank, as serving frameworks time it.
type MoELayer struct {
	Kernel string
	Type   DType
	// Tokens of the whole batch, before routing.
	Tokens int64
	// Hidden is the model width, Intermediate that of one expert, before it is
	// split by tensor parallelism.
	Hidden, Intermediate int64
	Experts, TopK        int64
	// Gated experts have three matrices (gate, up, down), others two.
	Gated bool
	// TP ranks split each expert, EP ranks share out the experts.
	TP, EP  int
	Routing Routing
	Ranks   int
	Cache   Cache
	// Format names a quantised form of the weights with work of its own.
	Format string
}

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
	return float64(m.Matrices()) * float64(m.Hidden) * float64(m.Intermediate) / float64(max(m.TP, 1)) * m.Type.Size()
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

// Bytes is the weights of the fewest experts that the tokens can wake (TopK of
// them, or all that balanced routing reaches), and the tokens in and out. What
// a routing really wakes is a prediction's business.
func (m MoELayer) Bytes() float64 {
	awake := float64(min(m.Experts, m.TopK))
	if m.Routing.Rule == RouteBalanced {
		awake = min(float64(m.Experts), float64(m.Tokens)*float64(m.TopK))
	}
	tokens := float64(m.Tokens) * float64(m.Hidden) * (m.Type.Size() + m.Type.OutSize())
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
func (m MoELayer) Key() string {
	k := newKey(SuiteMoE, m.Kernel, m.Type).num("tokens", m.Tokens).num("hidden", m.Hidden).
		num("intermediate", m.Intermediate).num("experts", m.Experts).num("top_k", m.TopK).
		flag("gated", m.Gated).num("tp", int64(m.TP)).num("ep", int64(m.EP)).
		text("routing", string(m.Routing.Rule))
	if m.Routing.Exponent != 0 {
		k.text("exponent", strconv.FormatFloat(m.Routing.Exponent, 'g', -1, 64))
	}
	return k.num("seed", int64(m.Routing.Seed)).text("trace", m.Routing.TraceSHA256).
		num("ranks", int64(m.Ranks)).text("cache", string(m.Cache)).text("format", m.Format).String()
}

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

func (m MoELayer) columns(c *columns) {
	c.Batch, c.Hidden, c.Intermediate, c.Experts, c.TopK = m.Tokens, m.Hidden, m.Intermediate, m.Experts, m.TopK
	c.Gated, c.TP, c.EP, c.Cache, c.Format = m.Gated, int64(m.TP), int64(m.EP), string(m.Cache), m.Format
	c.Routing, c.RoutingExponent, c.Seed = string(m.Routing.Rule), m.Routing.Exponent, int64(m.Routing.Seed)
	c.TraceSHA256 = m.Routing.TraceSHA256
}
