package claims

import (
	"fmt"
	"math"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict"
	"bench/predict/llm"
)

// device is a catalogue device with the inputs' figures, so that --set and
// --device reach the steps of package llm.
func device(v *values, id string) datasets.Device {
	d, err := catalog.Lookup(id)
	if err != nil {
		v.err = err
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

// model is a catalogue entry; an unknown one is an error of the row.
func model(v *values, id string) datasets.Model {
	m, err := catalog.Model(id)
	if err != nil {
		v.err = err
	}
	return m
}

// decodeFront is the Pareto front of decoding over 8 to 128 GPUs, every tensor-
// and pipeline-parallel split of them, and batches of 1 to 1,024.
func decodeFront(v *values, id string) []llm.Choice {
	m := model(v, id)
	if v.err != nil {
		return nil
	}
	var layouts []llm.Layout
	top := int(v.in("tp") * v.in("serve_pp"))
	for gpus := int(v.in("tp")); gpus <= top; gpus *= 2 {
		layouts = append(layouts, llm.Layouts(gpus, []int{1, 2, 4, 8, 16, 32, 64}, []int{1, 2, 4, 8, 16}, llm.Layout{})...)
	}
	var batches []int64
	for b := int64(1); b <= 1024; b *= 2 {
		batches = append(batches, b)
	}
	c := llm.NewCoster(llm.Cluster{Device: device(v, "h100-sxm")}, datasets.TierDatasheet)
	sweep, err := c.ServeFront(m, layouts, batches, llm.Serving{Context: int64(v.in("kv_context")), Type: datasets.FP16})
	if err == nil && len(sweep.Front) == 0 {
		err = fmt.Errorf("no layout of %s fits", id)
	}
	if err != nil {
		v.err = err
		return nil
	}
	return sweep.Front
}

// frontGain is the cost a token of the fastest choice over that of the cheapest.
func frontGain(v *values, id string) float64 {
	f := decodeFront(v, id)
	if len(f) == 0 {
		return math.NaN()
	}
	return f[0].GPUSecondsPerToken / f[len(f)-1].GPUSecondsPerToken
}

// frontWords lists five choices of the front, from the fastest to the cheapest.
func frontWords(v *values, id string) string {
	f := decodeFront(v, id)
	if len(f) == 0 {
		return ""
	}
	var parts []string
	last := -1
	for i := range 5 {
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
	return "The front by datasheet, without latencies, a token: " + strings.Join(parts, "; ") + "."
}

// servedStep is a decode step of GPT-4 with a single KV head over 128 GPUs of
// a device, at the largest batch of 8k sequences that fits. The KV head is on
// every tensor-parallel rank, or the batch is split over them.
func servedStep(v *values, id string, t datasets.DType) *llm.Step {
	m := model(v, "gpt-4-mqa")
	d := device(v, id)
	if v.err != nil {
		return nil
	}
	l := llm.Layout{TP: int(v.in("tp")), PP: int(v.in("serve_pp")), DP: 1, BatchSharded: v.in("kv_copies") == 1}
	l, err := l.For(m, d.NodeSize)
	if err != nil {
		v.err = err
		return nil
	}
	s := llm.Serving{Context: int64(v.in("context")), Type: t}
	s.Batch = l.LargestBatch(m, s, d.MemoryBytes.Value)
	step, err := llm.NewCoster(llm.Cluster{Device: d}, datasets.TierDatasheet).DecodeStep(m, l, s)
	if err != nil {
		v.err = err
		return nil
	}
	return step
}

// servedCost is USD a thousand tokens of servedStep.
func servedCost(v *values, id, price string, t datasets.DType) float64 {
	step := servedStep(v, id, t)
	if step == nil {
		return math.NaN()
	}
	return llm.USDPerThousandTokens(v.in("tp")*v.in("serve_pp"), v.in(price), step.TokensPerSecond)
}

// denseModels lists the catalogue's dense models on either side of a limit.
func denseModels(limit float64) string {
	var reach, not []string
	for _, m := range catalog.Models() {
		if m.Experts > 1 || strings.HasPrefix(m.ID, "host-") {
			continue
		}
		if m.Parameters() <= limit {
			reach = append(reach, m.Name)
		} else {
			not = append(not, m.Name)
		}
	}
	s := strings.Join(reach, ", ") + " reach it"
	if len(not) > 0 {
		s += "; " + strings.Join(not, ", ") + " do not"
	}
	return s + "."
}

// decodeLayer is a decode step of one layer of GPT-4 with a single KV head over
// a node, which measures what S11 and S12.4 rest on.
func decodeLayer(t datasets.DType, batch int64) datasets.Workload {
	m, err := catalog.Model("gpt-4-mqa")
	if err != nil {
		return nil
	}
	return m.DecodeLayer(t, batch, m.Context, 8, 8)
}

// decodeAttention is attention over 8k tokens with so many KV heads.
func decodeAttention(kvHeads int64) datasets.Workload {
	return datasets.Attention{Type: datasets.FP16, Batch: 16, QueryTokens: 1, ContextTokens: 8192, Heads: 96, KVHeads: kvHeads, HeadDim: 112,
		Ranks: 1, Cache: datasets.Cold}
}

// calibrated times workloads by the parameters fitted to recorded kernel
// timings of the H100 (datasets/catalog/calibrations).
func calibrated(v *values, w datasets.Workload) float64 {
	d, err := catalog.Lookup("h100-sxm")
	if err != nil {
		v.err = err
		return math.NaN()
	}
	p := predict.New(d, datasets.TierCalibrated).Predict(w)
	if p.NotPredicted != "" {
		v.err = fmt.Errorf("%s: %s", w.Key(), p.NotPredicted)
		return math.NaN()
	}
	return p.Seconds
}

// product is one of GPT-4's feed-forward products on one of so many ranks.
func product(v *values, t datasets.DType, tokens, ranks float64) datasets.GEMM {
	h := v.in("hidden")
	return datasets.GEMM{Kernel: "matmul", Type: t, M: int64(tokens), N: int64(v.in("ff_width") * h / ranks), K: int64(h), Ranks: 1, Cache: datasets.Cold}
}

// kernelBalance is the batch at which a product as calibrated leaves memory
// behind: the time of one token, all of it memory, over what a token costs in a
// large batch, all of it arithmetic.
func kernelBalance(v *values, t datasets.DType) float64 {
	n := v.in("large_batch")
	return n * calibrated(v, product(v, t, 1, 1)) / calibrated(v, product(v, t, n, 1))
}
