package main

import (
	"fmt"
	"slices"
	"strings"

	"bench/predict/llm"
	"bench/predict/serving"
	"bench/reports"

	"github.com/spf13/cobra"
)

// frontRows is how many choices a text table shows.
const frontRows = 40

// frontBatch is the largest batch that a front tries unless told otherwise.
const frontBatch = 1024

func predictServe() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve --model NAME|FILE --device NAME|FILE --isl N --osl N (--concurrency N | --rate R)",
		Short: "Serving a whole model: tokens a second, latency and cost under a load",
		Long: `serve simulates an engine (--engine) under a load of requests of --isl tokens in and --osl out, --concurrency at
a time or --rate a second: throughput, time to first token, time a further token, cost, what binds, and a range.
--ttft and --tpot find the highest load that keeps them, with --rate the fewest GPUs. --pareto lists the layouts
and loads that no other beats in both tokens a second a user and a GPU.

With --context in place of --isl it is one decode step, and --pareto lists the front of its latency against cost
over layouts of up to --gpus GPUs and batches of up to --batch.`,
		Example: `  bench predict serve --model llama-3-70b --device h100-sxm --tp 4 --dtype fp8 --isl 1024 --osl 1024 --concurrency 16
  bench predict serve --model llama-3-70b --device h100-sxm --tp 4 --dtype fp8 --isl 1024 --osl 1024 --ttft 500ms --tpot 30ms
  bench predict serve --model qwen3-235b-a22b --device h100-sxm --gpus 16 --dtype fp8 --isl 1024 --osl 1024 --engine trtllm --pareto
  bench predict serve --model gpt-4-mqa --device h100-sxm --gpus 128 --context 8192 --dtype fp8 --batch 4096 --pareto --gpu-hour-usd 2`,
		Args: cobra.NoArgs,
	}
	pareto := c.Flags().Bool("pareto", false, "list the front of latency against cost over layouts and batches, fastest first")
	defineWhole(c.Flags(), "bf16")
	defineService(c.Flags())
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed("context") {
			return runService(cmd)
		}
		if !*pareto {
			return runServing(cmd, "decode")
		}
		w, err := readWhole("serve", cmd.Flags())
		if err != nil {
			return err
		}
		if w.gpus < 1 || w.gpus > 1<<16 {
			return fmt.Errorf("predict serve: --gpus is %d, and a front needs 1 to 65536", w.gpus)
		}
		if !cmd.Flags().Changed("batch") {
			w.batch = frontBatch
		}
		w.Layout.EP, w.Layout.ETP = max(w.Layout.EP, 1), 0
		var layouts []llm.Layout
		for _, n := range powers(int64(w.gpus)) {
			layouts = append(layouts, llm.Layouts(int(n), tensorSizes(w), llm.Divisors(int(n)), w.Layout)...)
		}
		sweep, err := w.coster().ServeFront(w.Model, layouts, powers(w.batch), w.serving())
		if err != nil {
			return fmt.Errorf("predict serve: %w", err)
		}
		w.Layout = llm.Layout{}
		return w.write(cmd, "serve", sweep, func() error {
			return reports.Front(cmd.OutOrStdout(), w.WholeModel, "serving front", sweep, frontRows)
		})
	}
	return c
}

// powers is 1, 2, 4, … below n, and n.
func powers(n int64) []int64 {
	var out []int64
	for p := int64(1); p < n; p *= 2 {
		out = append(out, p)
	}
	return append(out, n)
}

// tensorSizes are the powers of two up to two nodes.
func tensorSizes(w *whole) []int {
	var out []int
	for t := 1; t <= 2*max(w.Layout.NodeSize, w.Device.NodeSize, 1); t *= 2 {
		out = append(out, t)
	}
	return out
}

func predictTrain() *cobra.Command {
	c := &cobra.Command{
		Use:   "train --model NAME|FILE --device NAME|FILE --gpus N --batch N --context N [--sweep tp,pp]",
		Short: "Training a whole model: a step, its utilisation, days and dollars, or the best layouts",
		Long: `train is one step of training: forward and backward of every micro-batch through the pipeline,
the replicas' communication, and the optimizer. --sweep varies what it names of tp, pp and micro-batch
and lists the layouts that fit, fastest first.`,
		Example: `  bench predict train --model gpt-4 --device a100-sxm-80 --gpus 24000 --tp 8 --pp 15 --batch 7200 --context 8192 --tokens 13e12 --gpu-hour-usd 1
  bench predict train --model llama-3-70b --device h100-sxm --gpus 512 --batch 1024 --context 8192 --sweep tp,pp`,
		Args: cobra.NoArgs,
	}
	vary := c.Flags().StringSlice("sweep", nil, "what to vary: tp, pp, micro-batch")
	defineWhole(c.Flags(), "bf16")
	defineTraining(c.Flags())
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		fl := cmd.Flags()
		w, err := readWhole("train", fl)
		if err != nil {
			return err
		}
		t, err := w.trainingStep(fl)
		if err != nil {
			return err
		}
		if len(*vary) > 0 {
			return sweepTraining(cmd, w, t, *vary)
		}
		if err := w.lay("train", fl); err != nil {
			return err
		}
		step, err := w.coster().TrainStep(w.Model, w.Layout, t)
		if err != nil {
			return fmt.Errorf("predict train: %w", err)
		}
		tokens, _ := fl.GetFloat64("tokens")
		if !(tokens >= 0) || tokens > 1e30 {
			return fmt.Errorf("predict train: --tokens is %g, and must not be below 0", tokens)
		}
		return w.write(cmd, "train", step, func() error { return reports.TrainStep(cmd.OutOrStdout(), w.WholeModel, t, step, tokens) })
	}
	return c
}

func sweepTraining(cmd *cobra.Command, w *whole, t llm.Training, vary []string) error {
	if w.gpus < 1 || w.gpus > 1<<20 {
		return fmt.Errorf("predict train: --gpus is %d, and a sweep needs 1 to 2^20", w.gpus)
	}
	tps, pps, micros := []int{w.Layout.TP}, []int{w.Layout.PP}, []int64{t.MicroBatch}
	known := []string{"tp", "pp", "micro-batch"}
	for _, v := range vary {
		switch {
		case !slices.Contains(known, v):
			return unknown("sweep", v, known)
		case v == "tp":
			tps = tensorSizes(w)
		case v == "pp":
			pps = llm.Divisors(w.gpus)
			pps = slices.DeleteFunc(pps, func(p int) bool { return int64(p) > w.Model.Layers })
		default:
			micros = powers(16)
		}
	}
	layouts := llm.Layouts(w.gpus, tps, pps, w.Layout)
	if len(layouts) == 0 {
		return fmt.Errorf("predict train: no tp %v · pp %v divides %d GPUs", tps, pps, w.gpus)
	}
	sweep, err := w.coster().TrainFront(w.Model, layouts, micros, t)
	if err != nil {
		return fmt.Errorf("predict train: %w", err)
	}
	w.Layout = llm.Layout{}
	return w.write(cmd, "sweep", sweep, func() error {
		return reports.Front(cmd.OutOrStdout(), w.WholeModel, "training layouts", sweep, frontRows)
	})
}

// memoryResult is what predict memory says in JSON.
type memoryResult struct {
	Stages []llm.Memory `json:"stages"`
	// MarginBytes is what the fullest GPU has left.
	MarginBytes float64 `json:"margin_bytes"`
	// LargestBatch and LargestContext, the other as given, of serving.
	LargestBatch   int64 `json:"largest_batch,omitempty"`
	LargestContext int64 `json:"largest_context,omitempty"`
	// Engine is what a serving engine does with the card, and EngineTokens what its
	// KV cache holds on a replica.
	Engine       *llm.EngineMemory `json:"engine,omitempty"`
	EngineTokens int64             `json:"engine_tokens,omitempty"`
}

func predictMemory() *cobra.Command {
	c := &cobra.Command{
		Use:   "memory --model NAME|FILE --device NAME|FILE --gpus N --context N [--training]",
		Short: "Memory of each GPU of a whole model: what fits, with what margin, up to which batch and context",
		Example: `  bench predict memory --model gpt-4 --device a100-sxm-40 --gpus 128 --tp 8 --pp 16 --batch 64 --context 8192
  bench predict memory --training --model gpt-4 --device a100-sxm-80 --gpus 960 --tp 8 --pp 15 --batch 64 --context 8192 --zero 1`,
		Args: cobra.NoArgs,
	}
	train := c.Flags().Bool("training", false, "memory of training, else of serving")
	name := c.Flags().String("engine", "vllm", "vllm, trtllm or sglang: what it leaves for the KV cache")
	share := c.Flags().Float64("memory-share", 0, "share of the card that the engine takes (default its own)")
	defineWhole(c.Flags(), "bf16")
	defineTraining(c.Flags())
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		fl := cmd.Flags()
		w, err := readWhole("memory", fl)
		if err != nil {
			return err
		}
		if !*train {
			// Serving keeps whole weights, and every stage one part.
			w.Layout.Sharding, w.Layout.Interleave, w.Layout.SequenceParallel = llm.Sharding{}, 1, false
		}
		if err := w.lay("memory", fl); err != nil {
			return err
		}
		has := w.Device.MemoryBytes.Value
		if has == 0 {
			return fmt.Errorf("predict memory: the memory of %s is not known: give memory_bytes in its file", w.Device.ID)
		}
		var out memoryResult
		what := "serving"
		if *train {
			t, err := w.trainingStep(fl)
			if err != nil {
				return err
			}
			what, out.Stages = "training", w.Layout.TrainMemory(w.Model, t)
		} else {
			s := w.serving()
			out.Stages = w.Layout.ServeMemory(w.Model, s)
			out.LargestBatch, out.LargestContext = w.Layout.LargestBatch(w.Model, s, has), w.Layout.LargestContext(w.Model, s, has)
			if err := out.under(*name, *share, w, s); err != nil {
				return fmt.Errorf("predict memory: %w", err)
			}
		}
		out.MarginBytes = has - llm.Fullest(out.Stages).Total()
		return w.write(cmd, "memory", out, func() error {
			if err := reports.MemoryStages(cmd.OutOrStdout(), w.WholeModel, what, out.Stages); err != nil || *train {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "  largest      batch %d at %d tokens; %d tokens at batch %d\n", out.LargestBatch, w.context, out.LargestContext, w.batch)
			if err != nil {
				return err
			}
			return reports.EngineMemory(cmd.OutOrStdout(), *name, *out.Engine, out.EngineTokens, (w.batch+int64(w.Layout.DP)-1)/int64(w.Layout.DP), w.context)
		})
	}
	return c
}

// under fills in what an engine does with the card.
func (r *memoryResult) under(name string, share float64, w *whole, s llm.Serving) error {
	name, version, _ := strings.Cut(name, "@")
	e, err := serving.EngineOf(name, version)
	if err != nil {
		return err
	}
	if share != 0 {
		if !(share > 0 && share <= 1) {
			return fmt.Errorf("--memory-share is %g, and must be above 0 and at most 1", share)
		}
		e.MemoryShare = share
	}
	m := serving.Deployment{Model: w.Model, Cluster: w.cluster, Layout: w.Layout, Serving: s, Engine: e}.Memory()
	r.Engine, r.EngineTokens = &m, m.Tokens(e.BlockTokens)
	return nil
}
