package claims

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict"
	"bench/predict/llm"
	"bench/predict/routing"
	"bench/predict/serving"
)

// function is what a formula may call: it returns a number, or a text that a
// row's answer quotes.
type function func(v *values, a arguments) any

// functions run the models that the verbs of bench predict run. They are set in
// init, since some evaluate definitions.
var functions map[string]function

func init() {
	functions = map[string]function{
		"min": func(_ *values, a arguments) any { return math.Min(a.number(0), a.number(1)) },
		"max": func(_ *values, a arguments) any { return math.Max(a.number(0), a.number(1)) },
		"pow": func(_ *values, a arguments) any { return math.Pow(a.number(0), a.number(1)) },
		"ln":  func(_ *values, a arguments) any { return math.Log(a.number(0)) },

		// The H100's shipped calibration: a feed-forward product of the model's width
		// on one of so many ranks, and an all-reduce.
		"product_s": func(v *values, a arguments) any {
			return calibrated(v, product(v, datasets.DType(a.text(0)), a.number(1), a.number(2)))
		},
		"all_reduce_s": func(v *values, a arguments) any {
			return calibrated(v, datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: int64(a.number(0)), Ranks: int(a.number(1)), Nodes: 1})
		},

		"train_bytes": func(v *values, a arguments) any { return trainBytes(v, int(a.number(0)), int(a.number(1)), a.text(2)) },

		"front_gain": func(v *values, a arguments) any { return frontGain(v, a.text(0)) },
		"front":      func(v *values, a arguments) any { return frontWords(v, a.text(0)) },
		"served_usd": func(v *values, a arguments) any { return servedUSD(v, a) },
		"served":     func(v *values, a arguments) any { return servedWords(v, a) },
		"service_usd": func(v *values, a arguments) any {
			answer, low, high := service(v, a)
			if answer == nil {
				return math.NaN()
			}
			return llm.USDPerThousandTokens(v.eval("gpus"), v.in(priceOf(a.text(0))), answer.OutputTokensPerS) * (low + a.number(3)*(high-low))
		},
		"service_rate": func(v *values, a arguments) any {
			answer, _, _ := service(v, a)
			if answer == nil {
				return math.NaN()
			}
			return 1 / answer.TPOTMeanS
		},
		"fitting":   func(v *values, _ arguments) any { return fitting(v) },
		"reach":     func(_ *values, a arguments) any { return denseModels(a.number(0)) },
		"usd_ratio": func(v *values, a arguments) any { return costRatio(v, a.number(0)) },

		// How tokens fall on experts (predict/routing).
		"experts_with": func(v *values, a arguments) any { return expertsWith(v, int(a.number(0))) },
		"most_loaded": func(v *values, a arguments) any {
			r := router(v, a.number(0), v.in("experts"))
			r.Draws = drawsOfLarge
			return r.Max().Mean()
		},
		"step_spread": func(v *values, a arguments) any {
			return router(v, v.in("small_batch"), v.in("experts")).Spread(v.in("shared_params"), v.in("expert_params"), a.number(0))
		},
		"woken": func(v *values, a arguments) any {
			return even(v, a.number(0), a.number(1)).WeightBytes(v.in("shared_params")*v.in("bytes_fp16"), a.number(2)*v.in("bytes_fp16"))
		},
		"max_at_least": func(v *values, a arguments) any {
			return even(v, v.in("small_batch"), v.in("experts")).Max().AtLeast(int(a.number(0)))
		},
		"awake": func(v *values, _ arguments) any { return even(v, v.in("small_batch"), v.in("experts")).Awake().Mean() },
		"awake_quantile": func(v *values, a arguments) any {
			return float64(even(v, v.in("small_batch"), v.in("experts")).Awake().Quantile(a.number(0)))
		},

		// Batching and speculation (predict/serving).
		"batching_gain": func(v *values, a arguments) any { return batchingGain(v, a.number(0), a.number(1)) },
		"usd_filled": func(v *values, a arguments) any {
			return usdFilled(v, a.number(0), a.number(1), a.number(2), a.number(3))
		},
		"draft_gain": func(v *values, a arguments) any {
			return serving.Speculation{Acceptance: a.number(0), Draft: v.in("draft_tokens"), Cost: a.number(1)}.Gain()
		},
		"last_batch": func(v *values, a arguments) any { return speculation(v).LastBatch(stepOf(v, a.text(0))) },
		"gain_at":    func(v *values, a arguments) any { return speculation(v).GainAt(stepOf(v, a.text(0)), a.number(1)) },
		"gain_with": func(v *values, a arguments) any {
			return serving.Speculation{Acceptance: 0.7, Draft: v.in("draft_tokens"), Cost: 0.05}.GainAt(stepOf(v, a.text(0)), a.number(1))
		},
		"awake_of": func(v *values, a arguments) any { return stepOf(v, "mixture").Awake(a.number(0)) },
	}
}

// device is a catalogue device with the inputs' figures, so that --set and
// --device reach the steps of package llm.
func device(v *values, id string) datasets.Device {
	d, err := catalog.Lookup(id)
	if err != nil {
		v.fail("%v", err)
		return d
	}
	set := func(f *datasets.Figure, name string) { f.Value = v.dev(id, name) }
	set(&d.MemoryBytes, "memory")
	set(&d.MemoryBandwidth, "memory_bandwidth")
	set(&d.LinkBandwidth, "link_bandwidth")
	set(&d.NetworkBandwidth, "network_bandwidth")
	peaks := map[datasets.DType]datasets.Figure{}
	for t, f := range d.PeakFLOPs {
		peaks[t] = f
	}
	fp16 := peaks[datasets.FP16]
	fp16.Value = v.dev(id, "fp16")
	peaks[datasets.FP16], peaks[datasets.BF16] = fp16, fp16
	if fp8, ok := peaks[datasets.FP8]; ok {
		fp8.Value = v.dev(id, "fp8")
		peaks[datasets.FP8] = fp8
	}
	d.PeakFLOPs = peaks
	return d
}

// coster prices steps on a device at a tier.
func coster(v *values, id string, tier datasets.Tier) *llm.Coster {
	return llm.NewCoster(llm.Cluster{Device: device(v, id)}, tier)
}

// model is a catalogue entry; an unknown one is an error of the row.
func model(v *values, id string) datasets.Model {
	m, err := catalog.Model(id)
	if err != nil {
		v.fail("%v", err)
	}
	return m
}

// trainBytes is the fullest GPU's memory in the article's training layout, as
// bench predict memory --training computes it: one 8k sequence a micro-batch.
// shardGroup 0 is all replicas.
func trainBytes(v *values, zero, shardGroup int, recompute string) any {
	m := model(v, "gpt-4")
	l := llm.Layout{TP: int(v.in("tp")), PP: int(v.in("pp")), DP: int(v.eval("replicas")), SequenceParallel: true,
		Sharding: llm.Sharding{Stage: zero, Group: shardGroup}}
	l, err := l.For(m, int(v.in("node_gpus")))
	if err != nil {
		v.fail("%v", err)
		return math.NaN()
	}
	t := llm.Training{Batch: int64(v.eval("sequences")), MicroBatch: 1, Sequence: int64(v.in("context")),
		Recompute: llm.Recompute(recompute), Type: datasets.FP16}
	return llm.Fullest(l.TrainMemory(m, t)).Total()
}

// decodeFront is the Pareto front of decoding over 8 to 128 GPUs, every tensor-
// and pipeline-parallel split of them, and batches of 1 to 1,024.
func decodeFront(v *values, id string) []llm.Choice {
	m := model(v, id)
	if v.err != nil {
		return nil
	}
	var layouts []llm.Layout
	top := int(v.eval("gpus"))
	for gpus := int(v.in("tp")); gpus <= top; gpus *= 2 {
		layouts = append(layouts, llm.Layouts(gpus, []int{1, 2, 4, 8, 16, 32, 64}, []int{1, 2, 4, 8, 16}, llm.Layout{})...)
	}
	var batches []int64
	for b := int64(1); b <= 1024; b *= 2 {
		batches = append(batches, b)
	}
	sweep, err := coster(v, "h100-sxm", datasets.TierDatasheet).ServeFront(m, layouts, batches,
		llm.Serving{Context: int64(v.in("kv_context")), Type: datasets.FP16})
	if err == nil && len(sweep.Front) == 0 {
		err = fmt.Errorf("no layout of %s fits", id)
	}
	if err != nil {
		v.fail("%v", err)
		return nil
	}
	return sweep.Front
}

// frontGain is the cost of a token of the fastest choice over that of the
// cheapest.
func frontGain(v *values, id string) any {
	f := decodeFront(v, id)
	if len(f) == 0 {
		return math.NaN()
	}
	return f[0].GPUSecondsPerToken / f[len(f)-1].GPUSecondsPerToken
}

// frontWords lists five choices of the front, from the fastest to the cheapest.
func frontWords(v *values, id string) any {
	f := decodeFront(v, id)
	var parts []string
	for i, last := 0, -1; i < 5 && len(f) > 0; i++ {
		at := i * (len(f) - 1) / 4
		if at == last {
			continue
		}
		last = at
		c := f[at]
		usd := c.GPUSecondsPerToken * v.in("h100_hour_usd") / v.in("hour_s") * v.in("thousand")
		parts = append(parts, fmt.Sprintf("%s and %s per 1k tokens (%d GPUs, TP %d, PP %d, batch %d)",
			Format(c.Seconds, "s"), Format(usd, "USD"), c.Layout.GPUs(), c.Layout.TP, c.Layout.PP, c.Batch))
	}
	return strings.Join(parts, "; ")
}

// servedLayout is S10's: 8 GPUs of a node over 16 nodes. The KV head is on every
// tensor-parallel rank, or the batch is split over them.
func servedLayout(v *values, m datasets.Model) llm.Layout {
	l := llm.Layout{TP: int(v.in("tp")), PP: int(v.in("serve_pp")), DP: 1, BatchSharded: m.KVHeads == 1 && v.in("kv_copies") == 1}
	l, err := l.For(m, int(v.in("node_gpus")))
	if err != nil {
		v.fail("%v", err)
	}
	return l
}

// servedStep is a decode step over S10's layout: device, type, batch (0 is the
// largest that fits at 8k), tier, and the model, GPT-4 with a single KV head where
// none is named.
func servedStep(v *values, a arguments) *llm.Step {
	m := model(v, cmp.Or(a.text(4), "gpt-4-mqa"))
	l := servedLayout(v, m)
	if v.err != nil {
		return nil
	}
	s := llm.Serving{Context: int64(v.in("context")), Type: datasets.DType(a.text(1)), Batch: int64(a.number(2))}
	if s.Batch == 0 {
		s.Batch = l.LargestBatch(m, s, v.dev(a.text(0), "memory"))
	}
	step, err := coster(v, a.text(0), datasets.Tier(a.text(3))).DecodeStep(m, l, s)
	if err != nil {
		v.fail("%v", err)
		return nil
	}
	return step
}

// servedUSD is the cost of a thousand tokens of servedStep, at the article's
// price for the device.
func servedUSD(v *values, a arguments) any {
	step := servedStep(v, a)
	if step == nil {
		return math.NaN()
	}
	return llm.USDPerThousandTokens(v.eval("gpus"), v.in(priceOf(a.text(0))), step.TokensPerSecond)
}

// priceOf names the article's price of an hour of a device.
func priceOf(device string) string {
	if strings.HasPrefix(device, "a100") {
		return "a100_hour_usd"
	}
	return "h100_hour_usd"
}

// service is GPT-4 with a single KV head in S10's layout under the engine whose
// errors docs/validation-serving.md lists, as bench predict serve simulates it:
// device, type and requests in flight, of 7k tokens in and 1k out. low and high are
// the 90 % range of the seconds of an output token, measured over predicted.
func service(v *values, a arguments) (answer *serving.Answer, low, high float64) {
	m := model(v, "gpt-4-mqa")
	e, err := serving.EngineOf("vllm", "")
	l, err2 := llm.Layout{TP: int(v.in("tp")), PP: int(v.in("serve_pp")), DP: 1}.For(m, int(v.in("node_gpus")))
	d, tier := catalog.BestTier(device(v, a.text(0)))
	deployment := serving.Deployment{Model: m, Cluster: llm.Cluster{Device: d}, Layout: l, Engine: e,
		Serving: llm.Serving{Type: datasets.DType(a.text(1)), Context: int64(v.in("context")), FusedRotary: e.FusedRotary,
			Routing: datasets.Routing{Rule: datasets.RouteUniform}}}
	if err = errors.Join(err, err2, v.err); err == nil {
		out := int64(v.in("answer_tokens"))
		var served serving.Answer
		served, err = deployment.Predict(llm.NewCoster(deployment.Cluster, tier),
			serving.Load{Input: int64(v.in("context")) - out, Output: out, Concurrency: int64(a.number(2))})
		if err == nil {
			low, high = e.Bounds("output_token", 1, tier)
			return &served, low, high
		}
	}
	v.fail("%v", err)
	return nil, 0, 0
}

func servedWords(v *values, a arguments) any {
	step := servedStep(v, a)
	if step == nil {
		return ""
	}
	return fmt.Sprintf("a step takes %s at %s tokens/s in all, in %d micro-batches of %d; %s binds",
		Format(step.Seconds, "s"), Format(step.TokensPerSecond, "1"), step.MicroBatches, step.MicroBatch, step.Binds)
}

// fitting is how many sequences of 8k fit S10's layout on A100 40 GB in FP16.
func fitting(v *values) any {
	m := model(v, "gpt-4-mqa")
	l := servedLayout(v, m)
	if v.err != nil {
		return math.NaN()
	}
	return float64(l.LargestBatch(m, llm.Serving{Context: int64(v.in("context")), Type: datasets.FP16}, v.dev("a100-sxm-40", "memory")))
}

// costRatio is GPT-4's cost of a token over GPT-3 175B's at the same batch and
// 2k context: 128 A100 40 GB in S10's layout against 8 A100 80 GB.
func costRatio(v *values, batch float64) any {
	davinci, gpt4 := model(v, "gpt-3-175b"), model(v, "gpt-4-mqa")
	small, err := llm.Layout{TP: int(v.in("node_gpus")), PP: 1, DP: 1}.For(davinci, int(v.in("node_gpus")))
	if err != nil {
		v.fail("%v", err)
	}
	large := servedLayout(v, gpt4)
	if v.err != nil {
		return math.NaN()
	}
	s := llm.Serving{Context: int64(v.in("kv_context")), Type: datasets.FP16, Batch: int64(batch)}
	a, err1 := coster(v, "a100-sxm-40", datasets.TierDatasheet).DecodeStep(gpt4, large, s)
	b, err2 := coster(v, "a100-sxm-80", datasets.TierDatasheet).DecodeStep(davinci, small, s)
	if err1 != nil || err2 != nil {
		v.fail("%v %v", err1, err2)
		return math.NaN()
	}
	return v.eval("gpus") / a.TokensPerSecond / (v.in("node_gpus") / b.TokensPerSecond)
}

// denseModels lists the catalogue's dense models on either side of a limit.
func denseModels(limit float64) any {
	var reach, not []string
	for _, m := range catalog.Models() {
		switch {
		case m.Experts > 1 || strings.HasPrefix(m.ID, "host-"):
		case m.Parameters() <= limit:
			reach = append(reach, m.Name)
		default:
			not = append(not, m.Name)
		}
	}
	if len(not) == 0 {
		return strings.Join(reach, ", ") + " reach it"
	}
	return strings.Join(reach, ", ") + " reach it; " + strings.Join(not, ", ") + " do not"
}

// calibrated times workloads by the parameters fitted to recorded kernel
// timings of the H100 (datasets/catalog/calibrations).
func calibrated(v *values, w datasets.Workload) any {
	d, err := catalog.Lookup("h100-sxm")
	if err != nil {
		v.fail("%v", err)
		return math.NaN()
	}
	p := predict.New(d, datasets.TierCalibrated).Predict(w)
	if p.NotPredicted != "" {
		v.fail("%s: %s", w.Key(), p.NotPredicted)
		return math.NaN()
	}
	return p.Seconds
}

// product is one of GPT-4's feed-forward products on one of so many ranks.
func product(v *values, t datasets.DType, tokens, ranks float64) datasets.GEMM {
	h := v.in("hidden")
	return datasets.GEMM{Kernel: "matmul", Type: t, M: int64(tokens), N: int64(v.in("ff_width") * h / ranks), K: int64(h), Ranks: 1, Cache: datasets.Cold}
}

// drawsOfLarge is how many batches of thousands of tokens are drawn: the error
// of a mean maximum is then an eighth of its spread, 0.3 %.
const drawsOfLarge = 64

// router is a router of the article's shape under Zipf's exponent.
func router(v *values, tokens, experts float64) routing.Router {
	r := even(v, tokens, experts)
	if x := v.in("zipf_exponent"); x != 0 {
		r.Weights = routing.Zipf(r.Experts, x)
	}
	return r
}

// even is the same with uniform routing.
func even(v *values, tokens, experts float64) routing.Router {
	return routing.Router{Tokens: int64(math.Round(tokens)), Experts: int64(math.Round(experts)), TopK: int64(math.Round(v.in("top_k")))}
}

// expertsWith is the expected number of experts with exactly n of the small
// batch's tokens.
func expertsWith(v *values, n int) any {
	r := router(v, v.in("small_batch"), v.in("experts"))
	s := 0.0
	for _, p := range r.Inclusion() {
		s += routing.Binomial(r.Tokens, min(p, 1)).At(n)
	}
	return s
}

// stepOf is what speculation runs on: GPT-3 on 8 A100, or one pipeline stage of
// GPT-4 on one A100, an eighth of 8 layers.
func stepOf(v *values, kind string) serving.Step {
	if kind == "dense" {
		n := v.in("node_gpus")
		return serving.Step{
			SharedBytes: v.in("gpt3_params") * v.in("bytes_fp16") / n, FLOPs: v.in("flop_per_weight") * v.in("gpt3_params") / n,
			Bandwidth: v.dev("a100-sxm-80", "memory_bandwidth"), Peak: v.dev("a100-sxm-80", "fp16"),
		}
	}
	gpus := v.in("layer_nodes") * v.in("tp")
	return serving.Step{
		SharedBytes: v.in("shared_params") * v.in("bytes_fp16") / gpus,
		ExpertBytes: v.in("expert_params") * v.in("bytes_fp16") / gpus,
		Experts:     v.in("experts"), TopK: v.in("top_k"),
		FLOPs:     v.eval("forward") / gpus,
		Bandwidth: v.dev("a100-sxm-40", "memory_bandwidth"), Peak: v.dev("a100-sxm-40", "fp16"),
	}
}

func speculation(v *values) serving.Speculation {
	return serving.Speculation{Acceptance: v.in("acceptance"), Draft: v.in("draft_tokens"), Cost: v.in("draft_cost")}
}

// usdFilled is the cost of a thousand tokens where the KV cache fills what weights
// of so many bytes leave on a share of S10's GPUs, in as many micro-batches as there
// are stages: each reads the weights that its tokens wake, and its own part of the
// KV cache. kvBytesPerToken is that of a GPU.
func usdFilled(v *values, kvBytesPerToken, context, bytes, share float64) any {
	room := v.dev("a100-sxm-40", "memory") - v.eval("held")/share*bytes
	micro := room / (kvBytesPerToken / share * context) / v.in("serve_pp")
	s := stepOf(v, "mixture")
	s.SharedBytes *= bytes / v.in("bytes_fp16") / share
	s.ExpertBytes *= bytes / v.in("bytes_fp16") / share
	s.FLOPs /= share
	stage := max(s.Memory(micro)+room/v.in("serve_pp")/s.Bandwidth, s.Compute(micro))
	return v.in("thousand") * serving.CostPerToken(share*v.eval("gpus"), v.in("a100_hour_usd"), micro/stage)
}

// batchingGain is over requests whose order and lengths a seed fixes.
func batchingGain(v *values, spread, slots float64) any {
	g, err := serving.Batching{Slots: int(math.Round(slots)), Requests: 4000, Lengths: serving.Lengths{Mean: v.in("output_tokens"), Spread: spread}}.Gain()
	if err != nil {
		return math.NaN()
	}
	return g
}
