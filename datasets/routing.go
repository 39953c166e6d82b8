package datasets

// RoutingRule says how a router spreads tokens over experts.
type RoutingRule string

// The rules. Each gives a token TopK different experts.
const (
	// RouteBalanced gives every expert the same load, to within one token.
	RouteBalanced RoutingRule = "balanced"
	// RouteUniform draws a token's experts uniformly.
	RouteUniform RoutingRule = "uniform"
	// RouteZipf draws expert i with a weight of (i+1)^-Exponent.
	RouteZipf RoutingRule = "zipf"
	// RouteOneHot sends half of all tokens to expert 0 first, the rest, and
	// every further choice, uniformly.
	RouteOneHot RoutingRule = "one_hot"
	// RouteAllOnOne sends every token to experts 0 … TopK−1.
	RouteAllOnOne RoutingRule = "all_on_one"
	// RouteTrace replays the recorded choices of a file.
	RouteTrace RoutingRule = "trace"
	// RoutePowerLaw draws expert loads from a bounded power law, as
	// aiconfigurator's collector does; imported rows only.
	RoutePowerLaw RoutingRule = "power_law"
)

// RoutingRules lists every rule.
var RoutingRules = []RoutingRule{RouteBalanced, RouteUniform, RouteZipf, RouteOneHot, RouteAllOnOne, RouteTrace, RoutePowerLaw}

// Routing is a rule with its parameters.
type Routing struct {
	Rule RoutingRule
	// Exponent of RouteZipf and RoutePowerLaw, else 0.
	Exponent float64
	// Seed of the random rules.
	Seed uint64
	// TraceSHA256 identifies the trace of RouteTrace, else "".
	TraceSHA256 string
	// Trace holds the recorded choices of RouteTrace, TopK a token, else nil.
	// It is not part of a row: the checksum stands for it.
	Trace []int32 `json:"-"`
}
