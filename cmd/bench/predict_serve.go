package main

import (
	"fmt"
	"strings"

	"bench/datasets"
	"bench/predict/llm"
	"bench/predict/serving"
	"bench/reports"
	"bench/reports/services"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// defineService adds the flags of a load and an engine.
func defineService(fl *pflag.FlagSet) {
	fl.Int64("isl", 0, "tokens of a prompt: with it, serve simulates an engine under a load")
	fl.Int64("osl", 0, "tokens of an answer")
	fl.Float64("spread", 0, "coefficient of variation of both lengths")
	fl.Float64("cached", 0, "share of each prompt whose keys and values are cached already")
	fl.Int64("concurrency", 0, "requests in flight, each followed by the next (a closed loop)")
	fl.Float64("rate", 0, "requests a second, arriving at random (an open loop)")
	fl.Int("requests", 0, "requests in all (default: six times the concurrency, 1000 of an open loop)")
	fl.Uint64("seed", 0, "seed of arrivals and lengths")
	fl.String("engine", "vllm", "vllm, trtllm or sglang, with a version as in vllm@0.12")
	fl.String("policy", "", "how steps are filled: "+words(serving.Policies)+" (default the engine's)")
	fl.Int64("budget", 0, "most tokens of a step (default the engine's)")
	fl.Int64("max-batch", 0, "most running sequences (default the engine's)")
	fl.Float64("memory-share", 0, "share of the card that the engine takes (default its own)")
	fl.Bool("eager", false, "kernels are launched one by one, not replayed from a captured graph")
	fl.String("weights", "", "weight-only format: "+words(weightFormatNames))
	fl.Int("prefill-servers", 1, "servers that compute prompts (policy disaggregated)")
	fl.Duration("ttft", 0, "find the highest load, or with --rate the fewest GPUs, that keep this mean time to first token")
	fl.Duration("tpot", 0, "the same for the mean time a further token")
}

var weightFormatNames = []string{"int4", "mxfp4", "nvfp4"}

// weightBits is the bits of a stored weight: 4, and a scale of 16 bits for each 128
// (AWQ, GPTQ), of 8 for each 32 (OCP MX), or of 8 for each 16 (NVFP4).
var weightBits = map[string]float64{"int4": 4 + 16./128, "mxfp4": 4 + 8./32, "nvfp4": 4 + 8./16}

// service is what the flags ask for.
type service struct {
	*whole
	deployment serving.Deployment
	load       serving.Load
	aims       serving.Aims
}

func readService(cmd *cobra.Command) (*service, error) {
	fl := cmd.Flags()
	long := func(name string) int64 { n, _ := fl.GetInt64(name); return n }
	real := func(name string) float64 { v, _ := fl.GetFloat64(name); return v }
	if fl.Changed("context") || fl.Changed("batch") {
		return nil, fmt.Errorf("predict serve: --context and --batch describe one decode step, and --isl a load: give one or the other")
	}
	if m, _ := fl.GetString("model"); m != "" && (long("isl") < 1 || long("osl") < 1) {
		return nil, fmt.Errorf("predict serve: give --isl and --osl, the tokens of a prompt and of an answer, each at least 1 (or --context, for one decode step)")
	}
	_ = fl.Set("context", fmt.Sprint(max(long("isl"), 1)))
	w, err := readWhole("serve", fl)
	if err != nil {
		return nil, err
	}
	s := &service{whole: w}
	s.load = serving.Load{Input: long("isl"), Output: long("osl"), Spread: real("spread"), Cached: real("cached"),
		Concurrency: long("concurrency"), Rate: real("rate")}
	s.load.Requests, _ = fl.GetInt("requests")
	s.load.Seed, _ = fl.GetUint64("seed")
	ttft, _ := fl.GetDuration("ttft")
	tpot, _ := fl.GetDuration("tpot")
	s.aims = serving.Aims{TTFT: ttft.Seconds(), TPOT: tpot.Seconds()}
	pareto, _ := fl.GetBool("pareto")
	if s.load.Concurrency == 0 && s.load.Rate == 0 {
		if !pareto && !s.aims.Set() {
			return nil, fmt.Errorf("predict serve: give --concurrency or --rate, or let --pareto, --ttft or --tpot find the load")
		}
		s.load.Concurrency = 1
	}
	if err := s.load.Validate(); err != nil {
		return nil, fmt.Errorf("predict serve: %w", err)
	}
	engine, err := s.engine(fl)
	if err != nil {
		return nil, fmt.Errorf("predict serve: %w", err)
	}
	d := serving.Deployment{Model: w.Model, Cluster: w.cluster, Engine: engine, Layout: w.Layout}
	d.Serving = w.serving()
	d.Serving.FusedRotary, d.Serving.Routing.Rule = engine.FusedRotary, datasets.RouteUniform
	d.PrefillServers, _ = fl.GetInt("prefill-servers")
	if f, _ := fl.GetString("weights"); f != "" {
		bits, ok := weightBits[f]
		if !ok {
			return nil, unknown("weight format", f, weightFormatNames)
		}
		d.Serving.Type = llm.Wide(w.Type)
		d.Serving.Formats = llm.Formats{Dense: bits, Experts: bits}
	}
	w.Type = d.Serving.Type
	s.deployment = d
	return s, nil
}

func (s *service) engine(fl *pflag.FlagSet) (serving.Engine, error) {
	name, _ := fl.GetString("engine")
	name, version, _ := strings.Cut(name, "@")
	e, err := serving.EngineOf(name, version)
	if err != nil {
		return e, err
	}
	if p, _ := fl.GetString("policy"); p != "" {
		e.Policy = serving.Policy(p)
		if !strings.Contains(words(serving.Policies), p) {
			return e, unknown("policy", p, serving.Policies)
		}
	}
	for _, f := range []struct {
		name string
		into *int64
	}{{"budget", &e.Budget}, {"max-batch", &e.MaxBatch}} {
		if n, _ := fl.GetInt64(f.name); fl.Changed(f.name) {
			if n < 1 {
				return e, fmt.Errorf("--%s is %d, and must be at least 1", f.name, n)
			}
			*f.into = n
		}
	}
	if share, _ := fl.GetFloat64("memory-share"); fl.Changed("memory-share") {
		if !(share > 0 && share <= 1) {
			return e, fmt.Errorf("--memory-share is %g, and must be above 0 and at most 1", share)
		}
		e.MemoryShare = share
	}
	if eager, _ := fl.GetBool("eager"); eager {
		e = e.Launching()
	}
	return e, nil
}

// runService simulates a load, finds the highest or the fewest GPUs, or the front.
func runService(cmd *cobra.Command) error {
	s, err := readService(cmd)
	if err != nil {
		return err
	}
	if pareto, _ := cmd.Flags().GetBool("pareto"); pareto {
		return s.front(cmd)
	}
	if s.aims.Set() {
		return s.aim(cmd)
	}
	if err := s.lay("serve", cmd.Flags()); err != nil {
		return err
	}
	s.deployment.Layout = s.Layout
	a, err := s.deployment.Predict(s.coster(), s.load)
	if err != nil {
		return fmt.Errorf("predict serve: %w", err)
	}
	return s.answer(cmd, a, "")
}

func (s *service) answer(cmd *cobra.Command, a serving.Answer, found string) error {
	s.Layout = s.deployment.Layout
	r := reports.Service{WholeModel: s.WholeModel, Deployment: s.deployment, Load: s.load, Answer: a, Found: found, Note: s.note()}
	if s.format == "json" {
		return r.JSON(cmd.OutOrStdout())
	}
	return r.Text(cmd.OutOrStdout())
}

// note says what stands in for the tier.
func (s *service) note() string {
	if s.Tier == datasets.TierDatasheet {
		return "a bound: published peaks alone, nothing measured"
	}
	return ""
}

// front tries layouts and loads up to --gpus and --concurrency.
func (s *service) front(cmd *cobra.Command) error {
	most := max(s.gpus, s.Layout.TP)
	if s.gpus == 0 {
		most = max(s.Device.NodeSize, 1)
	}
	if most > 1<<12 {
		return fmt.Errorf("predict serve: --gpus is %d, and a front needs 1 to 4096", most)
	}
	clients := s.load.Concurrency
	if !cmd.Flags().Changed("concurrency") {
		clients = frontBatch
	}
	choices, tried, err := s.deployment.Front(s.Tier, serving.Layouts(s.Model, most, s.Device.NodeSize), powers(clients), s.load)
	if err != nil {
		return fmt.Errorf("predict serve: %w", err)
	}
	f := reports.ServiceFront{WholeModel: s.WholeModel, Deployment: s.deployment, Load: s.load, Choices: choices, Tried: tried, Note: s.note()}
	if s.format == "json" {
		return f.JSON(cmd.OutOrStdout())
	}
	return f.Text(cmd.OutOrStdout())
}

// aim finds the highest load of the layout that keeps the aims, or the fewest GPUs
// that keep them at a rate.
func (s *service) aim(cmd *cobra.Command) error {
	var a serving.Answer
	var err error
	var found string
	if s.load.Rate > 0 {
		most := s.gpus
		if most == 0 {
			most = 8 * max(s.Device.NodeSize, 1)
		}
		s.deployment, a, err = s.deployment.Fewest(s.coster(), serving.Layouts(s.Model, most, s.Device.NodeSize), s.load, s.aims)
		found = fmt.Sprintf("%d GPUs are the fewest that keep %s at %g requests/s", s.deployment.Layout.GPUs(), s.aims, s.load.Rate)
	} else {
		if err := s.lay("serve", cmd.Flags()); err != nil {
			return err
		}
		s.deployment.Layout = s.Layout
		s.load, a, err = s.deployment.Highest(s.coster(), s.load, s.aims)
		found = fmt.Sprintf("%d requests at once are the most that keep %s", s.load.Concurrency, s.aims)
	}
	if err != nil {
		return fmt.Errorf("predict serve: %w", err)
	}
	return s.answer(cmd, a, found)
}

// predictPublished recomputes the catalogue's published figures.
func predictPublished() *cobra.Command {
	return &cobra.Command{
		Use:     "published",
		Short:   "Recompute the published speeds of served and trained models that the catalogue holds",
		Example: "  bench predict published",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return services.WritePublished(cmd.OutOrStdout(), services.Recompute())
		},
	}
}
