package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict"
	"bench/reports"

	// humanize: sizes as people write them, 256MiB and 64k alike.
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

// predictFlags are those that every suite has.
type predictFlags struct {
	device, dtype, format, cache string
	tiers                        []string
	ranks                        int
	explain                      bool
}

func predictCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "predict SUITE --device NAME|FILE …",
		Short: "Predict one workload in every tier that can be had, without hardware",
		Long: `predict says how long a workload should take on a device: its arithmetic, each
tier's time with its terms, and which term binds. No hardware is needed.`,
		Example: `  bench predict gemm --device h100-sxm --m 8192 --n 8192 --k 8192 --dtype bf16
  bench predict decode --device a100-sxm --model llama-3-8b --batch 16 --context 4096
  bench predict allreduce --device h100-sxm --size 256MiB --ranks 8
  bench predict serve --model gpt-4 --device a100-sxm-40 --gpus 128 --tp 8 --pp 16 --batch 64 --context 8192`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var names []string
			for _, c := range cmd.Commands() {
				names = append(names, c.Name())
			}
			if len(args) == 0 {
				return fmt.Errorf("say what to predict: bench predict SUITE, one of %s", strings.Join(names, ", "))
			}
			return unknown("suite", args[0], names)
		},
	}
	c.AddCommand(predictHBM(), predictGEMM(), predictAllReduce(), orWhole(predictDecode(), "decode"), orWhole(predictPrefill(), "prefill"), predictMoE(),
		predictTrain(), predictServe(), predictMemory(), predictMFU(), predictPublished())
	return c
}

// predictSuite is a suite's command: make builds the workload from the flags
// that define registered.
func predictSuite(suite datasets.Suite, short, example, dtype string, define func(*cobra.Command, *predictFlags) func(datasets.DType) (datasets.Workload, error)) *cobra.Command {
	f := &predictFlags{}
	c := &cobra.Command{Use: string(suite), Short: short, Example: "  bench predict " + string(suite) + " --device h100-sxm " + example, Args: cobra.NoArgs}
	fl := c.Flags()
	fl.StringVar(&f.device, "device", "", "catalogue entry, or a JSON file that describes the device (required)")
	fl.StringVar(&f.dtype, "dtype", dtype, "element type: "+words(datasets.DTypes))
	fl.StringVar(&f.format, "format", "text", "text or json")
	fl.StringSliceVar(&f.tiers, "tier", nil, "only these tiers: "+words(datasets.Tiers)+" (default all)")
	fl.IntVar(&f.ranks, "ranks", 1, "GPUs, or cores of a CPU, that take part")
	fl.BoolVar(&f.explain, "explain", false, "what each term and figure means, and where the device's come from")
	build := define(c, f)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.device == "" {
			return fmt.Errorf("predict %s: give --device, a catalogue entry such as h100-sxm or a JSON file", suite)
		}
		if f.format != "text" && f.format != "json" {
			return unknown("format", f.format, []string{"text", "json"})
		}
		t, err := datasets.ParseDType(f.dtype)
		if err != nil {
			return err
		}
		tiers, err := parseTiers(f.tiers)
		if err != nil {
			return err
		}
		dev, err := catalog.LookupOrLoad(f.device)
		if err != nil {
			return err
		}
		w, err := build(t)
		if err != nil {
			return err
		}
		if err := w.Validate(); err != nil {
			return err
		}
		predictions := reports.PredictOne(w, dev, tiers, reports.Catalogue(nil))
		if f.format == "json" {
			return predictJSON(cmd, dev, w, predictions)
		}
		if err := reports.Predicted(cmd.OutOrStdout(), dev, w, predictions); err != nil {
			return err
		}
		if f.explain {
			return reports.ExplainDevice(cmd.OutOrStdout(), dev, w, predictions)
		}
		return nil
	}
	return c
}

func predictJSON(cmd *cobra.Command, dev datasets.Device, w datasets.Workload, predictions []datasets.Prediction) error {
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Schema      string                `json:"schema"`
		Device      string                `json:"device"`
		Key         string                `json:"key"`
		Suite       datasets.Suite        `json:"suite"`
		Op          string                `json:"op"`
		DType       datasets.DType        `json:"dtype"`
		Ranks       int                   `json:"ranks"`
		Regime      predict.Regime        `json:"regime"`
		FLOPs       float64               `json:"flop"`
		Bytes       float64               `json:"bytes"`
		WireBytes   float64               `json:"wire_bytes"`
		Intensity   float64               `json:"intensity_flop_per_byte"`
		Predictions []datasets.Prediction `json:"predictions"`
	}{"bench.predict/1", dev.ID, w.Key(), w.Suite(), w.Op(), w.DType(), w.Workers(), predict.NewRegimes(dev).Of(w),
		w.FLOPs(), w.Bytes(), w.WireBytes(), datasets.Intensity(w), predictions})
}

func predictHBM() *cobra.Command {
	return predictSuite(datasets.SuiteHBM, "A pass over memory", "--op triad --size 4GiB --dtype fp64", "fp64",
		func(c *cobra.Command, f *predictFlags) func(datasets.DType) (datasets.Workload, error) {
			var s datasets.Stream
			fl := c.Flags()
			fl.StringVar(&s.Kernel, "op", "triad", "operation: read, write, copy, scale, triad, rms_norm, softmax, …")
			size := fl.String("size", "1GiB", "working set, all arrays together")
			fl.Int64Var(&s.Rows, "rows", 0, "rows of a row-wise operator")
			fl.Int64Var(&s.Cols, "cols", 0, "columns of a row-wise operator")
			return func(t datasets.DType) (datasets.Workload, error) {
				var err error
				s.Type, s.Ranks = t, f.ranks
				s.SizeBytes, err = parseSize(*size)
				if s.Rows > 0 && s.Cols > 0 && !c.Flags().Changed("size") {
					reads, writes := s.Arrays()
					s.SizeBytes = int64(float64(s.Rows*s.Cols*int64(reads+writes)) * t.Size())
				}
				return s, err
			}
		})
}

func predictGEMM() *cobra.Command {
	return predictSuite(datasets.SuiteGEMM, "A matrix product C[m,n] = A[m,k] · B[k,n]", "--m 8192 --n 8192 --k 8192 --dtype bf16", "bf16",
		func(c *cobra.Command, f *predictFlags) func(datasets.DType) (datasets.Workload, error) {
			g := datasets.GEMM{Kernel: "matmul"}
			fl := c.Flags()
			fl.Int64Var(&g.M, "m", 0, "rows of A: tokens (required)")
			fl.Int64Var(&g.N, "n", 0, "columns of B (required)")
			fl.Int64Var(&g.K, "k", 0, "columns of A (required)")
			fl.StringVar(&g.Format, "quantised", "", "quantised form of the weights, such as fp8_block")
			cacheFlag(c, f, datasets.Hot)
			return func(t datasets.DType) (datasets.Workload, error) {
				var err error
				g.Type, g.Ranks = t, f.ranks
				g.Cache, err = parseCache(f.cache)
				return g, err
			}
		})
}

func predictAllReduce() *cobra.Command {
	return predictSuite(datasets.SuiteAllReduce, "A collective among ranks", "--size 256MiB --ranks 8", "bf16",
		func(c *cobra.Command, f *predictFlags) func(datasets.DType) (datasets.Workload, error) {
			var w datasets.Collective
			fl := c.Flags()
			fl.StringVar(&w.Kind, "op", "all_reduce", "collective: "+strings.Join(datasets.CollectiveKinds, ", "))
			size := fl.String("size", "", "bytes of one rank's buffer (of the whole buffer for all_gather, reduce_scatter, all_to_all) (required)")
			fl.IntVar(&w.Nodes, "nodes", 1, "nodes that the ranks are spread over")
			fl.StringVar(&w.Algorithm, "algorithm", "", "ring, direct or custom; empty where the library chooses")
			fl.StringVar(&w.Launch, "launch", "", "graph, or eager where the host's launch is inside the clock")
			c.Flags().Lookup("ranks").DefValue = "8"
			f.ranks = 8
			return func(t datasets.DType) (datasets.Workload, error) {
				if *size == "" {
					return nil, fmt.Errorf("predict allreduce: give --size, such as 256MiB")
				}
				var err error
				w.Type, w.Ranks = t, f.ranks
				w.SizeBytes, err = parseSize(*size)
				return w, err
			}
		})
}

func predictMoE() *cobra.Command {
	return predictSuite(datasets.SuiteMoE, "A mixture-of-experts feed-forward layer", "--op experts --model mixtral-8x7b --tokens 256", "bf16",
		func(c *cobra.Command, f *predictFlags) func(datasets.DType) (datasets.Workload, error) {
			var w datasets.MoELayer
			fl := c.Flags()
			fl.StringVar(&w.Kernel, "op", "experts", "layer (router, dispatch, experts, combine) or experts (the grouped product alone)")
			model := fl.String("model", "", "catalogue model that gives the shape, such as mixtral-8x7b")
			fl.Int64Var(&w.Tokens, "tokens", 0, "tokens of the whole batch (required)")
			fl.Int64Var(&w.Hidden, "hidden", 0, "width of the model")
			fl.Int64Var(&w.Intermediate, "intermediate", 0, "inner width of one expert")
			fl.Int64Var(&w.Experts, "experts", 0, "experts")
			fl.Int64Var(&w.TopK, "top-k", 0, "experts that a token chooses")
			fl.BoolVar(&w.Gated, "gated", true, "three matrices an expert, else two")
			fl.IntVar(&w.TP, "tp", 1, "ranks that split each expert")
			fl.IntVar(&w.EP, "ep", 1, "ranks that share out the experts")
			rule := fl.String("routing", "balanced", "balanced, uniform, zipf, one_hot, all_on_one, trace or power_law")
			fl.Float64Var(&w.Routing.Exponent, "exponent", 1, "exponent of zipf and power_law")
			fl.Uint64Var(&w.Routing.Seed, "seed", 0, "seed of a random routing")
			trace := fl.String("trace", "", "file with recorded routing choices")
			fl.StringVar(&w.Format, "quantised", "", "quantised form of the weights, such as fp8_block")
			cacheFlag(c, f, datasets.Hot)
			return func(t datasets.DType) (datasets.Workload, error) {
				if *model != "" {
					m, err := catalog.Model(*model)
					if err != nil {
						return nil, err
					}
					w.Hidden, w.Intermediate, w.Experts, w.TopK, w.Gated = m.Hidden, m.FFWidth, m.Experts, m.TopK, m.Gated
				}
				w.Type, w.Ranks = t, f.ranks
				var err error
				if w.Routing, err = parseRouting(w.Routing, *rule, *trace); err != nil {
					return nil, err
				}
				w.Cache, err = parseCache(f.cache)
				return w, err
			}
		})
}

// routingRules are the words of --routing.
var routingRules = []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteUniform, datasets.RouteZipf,
	datasets.RouteOneHot, datasets.RouteAllOnOne, datasets.RouteTrace, datasets.RoutePowerLaw}

func parseRouting(r datasets.Routing, rule, trace string) (datasets.Routing, error) {
	if trace != "" {
		file, err := os.Open(trace)
		if err != nil {
			return r, err
		}
		defer file.Close()
		t, err := datasets.ReadTrace(file)
		if err != nil {
			return r, fmt.Errorf("%s: %w", trace, err)
		}
		return t.Routing(), nil
	}
	for _, known := range routingRules {
		if rule == string(known) {
			r.Rule = known
			if known != datasets.RouteZipf && known != datasets.RoutePowerLaw {
				r.Exponent = 0
			}
			if known == datasets.RouteTrace {
				return r, fmt.Errorf("routing trace: give --trace FILE")
			}
			return r, nil
		}
	}
	return r, unknown("routing", rule, routingRules)
}

func cacheFlag(c *cobra.Command, f *predictFlags, state datasets.Cache) {
	c.Flags().StringVar(&f.cache, "cache", string(state), "hot (operands are used again and again) or cold")
}

func parseCache(s string) (datasets.Cache, error) {
	if c := datasets.Cache(s); c == datasets.Hot || c == datasets.Cold {
		return c, nil
	}
	return "", unknown("cache state", s, []datasets.Cache{datasets.Hot, datasets.Cold})
}

// parseSize reads "8", "64KiB" or "256 MB".
func parseSize(s string) (int64, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || n > 1<<60 {
		return 0, fmt.Errorf("size %q is none: write bytes, such as 8, 64KiB or 1GiB", s)
	}
	return int64(n), nil
}

// parseTiers reads --tier; none is all.
func parseTiers(names []string) ([]datasets.Tier, error) {
	if len(names) == 0 {
		return datasets.Tiers, nil
	}
	for _, n := range names {
		if !slices.Contains(datasets.Tiers, datasets.Tier(n)) {
			return nil, unknown("tier", n, datasets.Tiers)
		}
	}
	return slices.DeleteFunc(slices.Clone(datasets.Tiers), func(t datasets.Tier) bool {
		return !slices.Contains(names, string(t))
	}), nil
}

// words lists names for a help text.
func words[T ~string](names []T) string {
	s := make([]string, len(names))
	for i, n := range names {
		s[i] = string(n)
	}
	return strings.Join(s, ", ")
}
