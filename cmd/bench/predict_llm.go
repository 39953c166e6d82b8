package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict/llm"
	"bench/reports"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// wholeFlags make a layer's decode or a kernel's prefill a whole model's.
var wholeFlags = []string{"gpus", "pp", "dp", "ep", "cluster", "gpu-hour-usd", "batch-sharded", "node-size", "first-stage-layers"}

// defineWhole adds the flags of a model on a cluster that a command lacks.
func defineWhole(fl *pflag.FlagSet, dtype string) {
	has := func(name string) bool { return fl.Lookup(name) != nil }
	text := func(name, value, usage string) {
		if !has(name) {
			fl.String(name, value, usage)
		}
	}
	number := func(name string, value int, usage string) {
		if !has(name) {
			fl.Int(name, value, usage)
		}
	}
	long := func(name string, value int64, usage string) {
		if !has(name) {
			fl.Int64(name, value, usage)
		}
	}
	text("model", "", "catalogue model such as gpt-4, or a JSON file that describes one (docs/models-of-models.md)")
	text("device", "", "catalogue entry such as a100-sxm-40, or a JSON file that describes the device")
	text("cluster", "", "JSON file that describes the cluster, its price included; other flags go before it")
	text("dtype", dtype, "element type of weights and products: "+words(datasets.DTypes))
	text("kv-dtype", "", "element type of the KV cache (default 16 bits, or dtype where wider)")
	text("format", "text", "text or json")
	if !has("tier") {
		fl.StringSlice("tier", nil, "one of "+words(datasets.Tiers)+" (default the best that there is)")
	}
	if !has("explain") {
		fl.Bool("explain", false, "every term with its workload")
	}
	number("gpus", 0, "GPUs in all; what tp and pp leave is replicas")
	number("tp", 1, "tensor-parallel ranks")
	number("pp", 1, "pipeline stages")
	number("dp", 0, "replicas (default gpus / (tp · pp))")
	number("ep", 1, "ranks that share out the experts of a layer")
	number("etp", 0, "ranks that split each expert (default tp where they are enough)")
	number("node-size", 0, "GPUs that fast links join (default the device's)")
	long("first-stage-layers", -1, "layers of the first stage, the rest evenly on the others (default evenly, lighter stages first)")
	long("batch", 1, "sequences, over all replicas")
	long("context", 0, "tokens of a sequence (required)")
	if !has("batch-sharded") {
		fl.Bool("batch-sharded", false, "tensor-parallel ranks share out the KV cache by sequences, not heads")
	}
	if !has("gpu-hour-usd") {
		fl.Float64("gpu-hour-usd", 0, "price of a GPU for an hour")
	}
}

func defineTraining(fl *pflag.FlagSet) {
	fl.Int64("micro-batch", 1, "sequences that a replica takes at once")
	fl.String("recompute", string(llm.RecomputeSelective), "activations computed again: "+words(llm.Recomputes))
	fl.Int("zero", 1, "what is sharded over replicas: 0 nothing, 1 optimizer state, 2 gradients too, 3 weights too (FSDP)")
	fl.Int("shard-group", 0, "replicas that share the state out among them (hybrid FSDP); 0 is all")
	fl.Int("interleave", 1, "parts of the model a stage takes in turns")
	fl.Bool("sequence-parallel", true, "split by tokens what tensor parallelism leaves whole")
	fl.Float64("overlap", 0, "share of the replicas' communication that hides behind the backward pass")
	fl.Bool("unfused-attention", false, "attention writes its scores to memory, as before FlashAttention")
	fl.Float64("tokens", 0, "tokens of the whole training, such as 13e12, for days and dollars")
}

// whole is what the flags of a whole model say.
type whole struct {
	reports.WholeModel
	cluster llm.Cluster
	kv      datasets.DType
	gpus    int
	batch   int64
	context int64
	format  string
}

func (w *whole) coster() *llm.Coster { return llm.NewCoster(w.cluster, w.Tier) }

// readWhole reads and checks the flags; the layout is left open.
func readWhole(verb string, fl *pflag.FlagSet) (*whole, error) {
	text := func(name string) string { return fl.Lookup(name).Value.String() }
	number := func(name string) int { n, _ := fl.GetInt(name); return n }
	long := func(name string) int64 { n, _ := fl.GetInt64(name); return n }
	w := &whole{gpus: number("gpus"), batch: long("batch"), context: long("context"), format: text("format")}
	if query, err := fl.GetInt64("query"); err == nil && w.context == 0 {
		w.context = query // a kernel's prefill calls a prompt's length so
	}
	w.Explain, _ = fl.GetBool("explain")
	w.GPUHourUSD, _ = fl.GetFloat64("gpu-hour-usd")
	device, l := text("device"), &w.Layout
	*l = llm.Layout{TP: number("tp"), PP: number("pp"), DP: number("dp"), EP: number("ep"), ETP: number("etp"), NodeSize: number("node-size")}
	l.BatchSharded, _ = fl.GetBool("batch-sharded")
	var c datasets.Cluster
	var err error
	if path := text("cluster"); path != "" {
		if c, err = catalog.LoadCluster(path); err != nil {
			return nil, err
		}
		device, w.gpus = cmp.Or(device, c.Device), cmp.Or(w.gpus, c.GPUs)
		l.NodeSize, w.GPUHourUSD = cmp.Or(l.NodeSize, c.NodeSize), cmp.Or(w.GPUHourUSD, c.GPUHourUSD)
	}
	switch {
	case text("model") == "":
		return nil, fmt.Errorf("predict %s: give --model, a catalogue entry such as gpt-4 or a JSON file", verb)
	case device == "":
		return nil, fmt.Errorf("predict %s: give --device, a catalogue entry such as a100-sxm-40 or a JSON file", verb)
	case w.format != "text" && w.format != "json":
		return nil, unknown("format", w.format, []string{"text", "json"})
	case w.context < 1:
		return nil, fmt.Errorf("predict %s: give --context, at least 1 token", verb)
	case w.batch < 1 || w.batch > 1<<30:
		return nil, fmt.Errorf("predict %s: --batch is %d, and must be between 1 and 2^30", verb, w.batch)
	case w.GPUHourUSD < 0:
		return nil, fmt.Errorf("predict %s: --gpu-hour-usd is %g, and must not be below 0", verb, w.GPUHourUSD)
	}
	if w.Model, err = catalog.ModelOrLoad(text("model")); err != nil {
		return nil, err
	}
	if w.Device, err = catalog.LookupOrLoad(device); err != nil {
		return nil, err
	}
	if w.Type, err = datasets.ParseDType(text("dtype")); err != nil {
		return nil, err
	}
	if !fl.Changed("dtype") && w.Model.Published != "" {
		w.Type = w.Model.Published
	}
	if kv := text("kv-dtype"); kv != "" {
		if w.kv, err = datasets.ParseDType(kv); err != nil {
			return nil, err
		}
	}
	tiers, _ := fl.GetStringSlice("tier")
	if len(tiers) == 0 {
		var best datasets.Tier
		w.Device, best = catalog.BestTier(w.Device)
		tiers = []string{string(best)}
	}
	if len(tiers) > 1 {
		return nil, fmt.Errorf("predict %s: --tier names %d tiers, and a whole model is predicted at one", verb, len(tiers))
	}
	if _, err = parseTiers(tiers); err != nil {
		return nil, err
	}
	w.Tier = datasets.Tier(tiers[0])
	if c.NetworkBandwidth > 0 {
		w.Device.NetworkBandwidth = datasets.Figure{Value: c.NetworkBandwidth, Origin: datasets.Datasheet, Source: cmp.Or(c.Source, "the cluster's file")}
	}
	w.cluster = llm.Cluster{Device: w.Device, ClusterGPUs: c.ClusterGPUs, BetweenBandwidth: c.BetweenBandwidth}
	return w, w.training(fl)
}

// training reads the layout's flags that only training has.
func (w *whole) training(fl *pflag.FlagSet) error {
	if fl.Lookup("zero") == nil {
		return nil
	}
	l := &w.Layout
	l.Sharding.Stage, _ = fl.GetInt("zero")
	l.Sharding.Group, _ = fl.GetInt("shard-group")
	l.Interleave, _ = fl.GetInt("interleave")
	l.SequenceParallel, _ = fl.GetBool("sequence-parallel")
	return nil
}

// lay completes the layout from the number of GPUs and checks it.
func (w *whole) lay(verb string, fl *pflag.FlagSet) error {
	l := &w.Layout
	if l.TP < 1 || l.PP < 1 {
		return fmt.Errorf("predict %s: --tp is %d and --pp %d, and both must be at least 1", verb, l.TP, l.PP)
	}
	if w.gpus < 0 || w.gpus > 1<<24 || w.gpus > 0 && w.gpus%(l.TP*l.PP) != 0 {
		return fmt.Errorf("predict %s: %d GPUs are no multiple of tp %d · pp %d", verb, w.gpus, l.TP, l.PP)
	}
	if l.DP == 0 && w.gpus > 0 {
		l.DP = w.gpus / (l.TP * l.PP)
	}
	if w.gpus > 0 && l.TP*l.PP*l.DP != w.gpus {
		return fmt.Errorf("predict %s: tp %d · pp %d · dp %d are %d GPUs, not %d", verb, l.TP, l.PP, l.DP, l.TP*l.PP*l.DP, w.gpus)
	}
	if first, _ := fl.GetInt64("first-stage-layers"); first >= 0 && l.PP > 1 {
		if first > w.Model.Layers {
			return fmt.Errorf("predict %s: --first-stage-layers is %d, more than the %d layers of %s", verb, first, w.Model.Layers, w.Model.ID)
		}
		l.StageLayers = llm.LighterFirst(w.Model.Layers, l.PP, first)
	}
	var err error
	w.Layout, err = l.For(w.Model, w.Device.NodeSize)
	return err
}

func (w *whole) serving() llm.Serving {
	s := llm.Serving{Batch: w.batch, Context: w.context, Type: w.Type, KVType: w.kv}
	if m := w.Model; m.DenseBits > 0 || m.ExpertBits > 0 {
		s.Type, s.Formats = llm.Wide(w.Type), llm.Formats{Dense: m.DenseBits, Experts: m.ExpertBits}
	}
	return s
}

func (w *whole) trainingStep(fl *pflag.FlagSet) (llm.Training, error) {
	t := llm.Training{Batch: w.batch, Sequence: w.context, Type: w.Type}
	t.MicroBatch, _ = fl.GetInt64("micro-batch")
	t.Overlap, _ = fl.GetFloat64("overlap")
	t.UnfusedAttention, _ = fl.GetBool("unfused-attention")
	r, _ := fl.GetString("recompute")
	if t.Recompute = llm.Recompute(r); !slices.Contains(llm.Recomputes, t.Recompute) {
		return t, unknown("recomputation", r, llm.Recomputes)
	}
	if t.MicroBatch < 1 {
		return t, fmt.Errorf("predict train: --micro-batch is %d, and must be at least 1", t.MicroBatch)
	}
	return t, nil
}

// write writes v in JSON, or calls text.
func (w *whole) write(cmd *cobra.Command, what string, v any, text func() error) error {
	if w.format == "text" {
		return text()
	}
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Schema string         `json:"schema"`
		Model  string         `json:"model"`
		Device string         `json:"device"`
		GPUs   int            `json:"gpus,omitempty"`
		DType  datasets.DType `json:"dtype"`
		Tier   datasets.Tier  `json:"tier"`
		Layout *llm.Layout    `json:"layout,omitempty"`
		Result any            `json:"result"`
	}{"bench.predict." + what + "/1", w.Model.ID, w.Device.ID, w.Layout.GPUs(), w.Type, w.Tier, &w.Layout, v})
}

// runServing is a decode or prefill step of a whole model.
func runServing(cmd *cobra.Command, what string) error {
	w, err := readWhole(cmd.Name(), cmd.Flags())
	if err == nil {
		err = w.lay(cmd.Name(), cmd.Flags())
	}
	if err != nil {
		return err
	}
	step, s := (*llm.Step)(nil), w.serving()
	if what == "decode" {
		step, err = w.coster().DecodeStep(w.Model, w.Layout, s)
	} else {
		step, err = w.coster().PrefillStep(w.Model, w.Layout, s)
	}
	if err != nil {
		return fmt.Errorf("predict %s: %w", cmd.Name(), err)
	}
	return w.write(cmd, what, step, func() error { return reports.ServeStep(cmd.OutOrStdout(), w.WholeModel, what, s, step) })
}

// orWhole makes a suite's command that of a whole model where a flag asks for it.
func orWhole(c *cobra.Command, what string) *cobra.Command {
	one := c.RunE
	defineWhole(c.Flags(), "bf16")
	c.Long = c.Short + ".\n\nWith --gpus, or any of --" + strings.Join(wholeFlags[1:], ", --") + ", it is a step of the whole model on a cluster."
	c.Example += "\n  bench predict " + what + " --model gpt-4 --device a100-sxm-40 --gpus 128 --tp 8 --pp 16 --batch 64 --context 8192"
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if slices.ContainsFunc(wholeFlags, cmd.Flags().Changed) {
			return runServing(cmd, what)
		}
		return one(cmd, args)
	}
	return c
}
