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
	Rule RoutingRule `col:"routing" default:"balanced" help:"balanced, uniform, zipf, one_hot, all_on_one, trace or power_law"`
	// Exponent of RouteZipf and RoutePowerLaw, else 0.
	Exponent float64 `col:"routing_exponent" key:"exponent" help:"exponent of zipf and power_law (default 1)"`
	// Seed of the random rules.
	Seed uint64 `col:"routing_seed" key:"seed" zero:"value" help:"seed of a random routing"`
	// TraceSHA256 identifies the trace of RouteTrace, else "".
	TraceSHA256 string `col:"routing_trace_sha256" key:"trace"`
	// Trace holds the recorded choices of RouteTrace, TopK a token, else nil.
	// It is not part of a row: the checksum stands for it.
	Trace []int32 `json:"-"`
}
