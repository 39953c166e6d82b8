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
	return predictOperation(datasets.SuiteHBM, "A pass over memory", "--op triad --size 4GiB --dtype fp64", "fp64", datasets.Stream{},
		func(c *cobra.Command, _ *predictFlags, s *datasets.Stream) func() error {
			return func() error {
				if s.Rows > 0 && s.Cols > 0 && !c.Flags().Changed("size") {
					reads, writes := s.Arrays()
					s.SizeBytes = int64(float64(s.Rows*s.Cols*int64(reads+writes)) * s.Type.Size())
				}
				return nil
			}
		})
}

func predictGEMM() *cobra.Command {
	return predictOperation(datasets.SuiteGEMM, "A matrix product C[m,n] = A[m,k] · B[k,n]", "--m 8192 --n 8192 --k 8192 --dtype bf16", "bf16",
		datasets.GEMM{Kernel: "matmul"}, nil)
}

func predictAllReduce() *cobra.Command {
	return predictOperation(datasets.SuiteAllReduce, "A collective among ranks", "--size 256MiB --ranks 8", "bf16", datasets.Collective{},
		func(c *cobra.Command, f *predictFlags, _ *datasets.Collective) func() error {
			c.Flags().Lookup("ranks").DefValue = "8"
			f.ranks = 8
			return func() error { return nil }
		})
}

func predictMoE() *cobra.Command {
	return predictOperation(datasets.SuiteMoE, "A mixture-of-experts feed-forward layer", "--op experts --model mixtral-8x7b --tokens 256", "bf16", datasets.MoELayer{},
		func(c *cobra.Command, _ *predictFlags, w *datasets.MoELayer) func() error {
			model := c.Flags().String("model", "", "catalogue model that gives the shape, such as mixtral-8x7b")
			trace := c.Flags().String("trace", "", "file with recorded routing choices")
			return func() (err error) {
				if *model != "" {
					m, err := catalog.Model(*model)
					if err != nil {
						return err
					}
					w.Hidden, w.Intermediate, w.Experts, w.TopK, w.Gated = m.Hidden, m.FFWidth, m.Experts, m.TopK, m.Gated
				}
				if !c.Flags().Changed("exponent") {
					w.Routing.Exponent = 1
				}
				w.Routing, err = parseRouting(w.Routing, string(w.Routing.Rule), *trace)
				return err
			}
		})
}

// parseRouting is what --routing and --trace say.
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
	for _, known := range datasets.RoutingRules {
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
	return r, unknown("routing", rule, datasets.RoutingRules)
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
		return 0, fmt.Errorf("size %q is not a number of bytes: write it, such as 8, 64KiB or 1GiB", s)
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
