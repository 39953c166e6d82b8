package claims

import (
	"bench/datasets"
	"bench/datasets/catalog"
)

// decodeLayer is a decode step of one layer of GPT-4 with a single KV head over
// a node, which measures what S11 and S12.4 rest on.
func decodeLayer(t datasets.DType, batch int64) datasets.Workload {
	m, err := catalog.Model("gpt-4-mqa")
	if err != nil {
		return nil
	}
	return m.DecodeLayer(t, batch, m.Context, 8, 8)
}

const (
	peakBinds   = "compute: no more than 100 % of the peak"
	serveA100   = "bench predict serve --model gpt-4-mqa --device a100-sxm-40 --gpus 128 --tp 8 --pp 16 --batch 4096 --context 8192 --dtype fp16 --batch-sharded --gpu-hour-usd 1"
	serveH100   = "bench predict serve --model gpt-4-mqa --device h100-sxm --gpus 128 --tp 8 --pp 16 --batch 4096 --context 8192 --dtype fp8 --batch-sharded --gpu-hour-usd 2"
	serviceH100 = "bench predict serve --model gpt-4-mqa --device h100-sxm --tp 8 --pp 16 --dtype fp8 --isl 7168 --osl 1024 --concurrency 1024 --gpu-hour-usd 2"
	servedAtA   = "served_usd(\"a100-sxm-40\", \"fp16\", large_batch, \"datasheet\")"
	servedAtH   = "served_usd(\"h100-sxm\", \"fp8\", large_batch, \"datasheet\")"
	servedAtHas = "served_usd(\"h100-sxm\", \"fp8\", large_batch, \"calibrated\")"
	servedAtAas = "served_usd(\"a100-sxm-40\", \"fp16\", large_batch, \"transferred\")"
)

// cost is S11 of the article.
var cost = []claim{
	{id: "S11.1a", text: "128 A100, 8k context: 0.0049 cents per 1k tokens, read as cents: share of the FP16 peak", published: []float64{1}, relation: AtMost, limit: true, unit: "%", binds: peakBinds,
		formula: "used(a100_hour_usd, cost_a100_1k × cent, a100_40.fp16)",
		by:      "the peak: {=} of FP16, and half of that of INT8", correction: "read dollars for cents (S11.1b)",
		answer: "128 GPUs would give {rate(a100_hour_usd, cost_a100_1k × cent)|1} tokens per second."},
	{id: "S11.1b", text: "$0.0049 per 1k tokens: share of the FP16 peak", published: []float64{1}, relation: AtMost, limit: true, unit: "%", binds: peakBinds,
		formula: "used(a100_hour_usd, cost_a100_1k, a100_40.fp16)",
		answer:  "128 GPUs would give {rate(a100_hour_usd, cost_a100_1k)|1} tokens per second."},
	{id: "S11.1c", text: "$0.0049 per 1k tokens on 128 A100 at 8k: what a decode step at S9.3's batch of 4,096 costs, FP16, from datasheet to the best tier", published: []float64{0.0049}, relation: AtMost, unit: "USD", drawn: true, binds: "bandwidth, then links",
		formula: servedAtA + " + tier × (" + servedAtAas + " − " + servedAtA + ")", command: serveA100,
		by: "the step model: {=}", correction: "{=}", workload: decodeLayer(datasets.FP16, 128),
		answer: "Where the batch is split over the ranks, at the datasheet {served(\"a100-sxm-40\", \"fp16\", large_batch, \"datasheet\")}."},
	{id: "S11.2a", text: "128 H100: 0.0021 cents per 1k tokens, read as cents: share of the FP8 peak", published: []float64{1}, relation: AtMost, limit: true, unit: "%", binds: peakBinds,
		formula: "used(h100_hour_usd, cost_h100_1k × cent, h100.fp8)",
		by:      "the peak: {=} of FP8", correction: "read dollars for cents (S11.2b)",
		answer: "128 GPUs would give {rate(h100_hour_usd, cost_h100_1k × cent)|1} tokens per second."},
	{id: "S11.2b", text: "$0.0021 per 1k tokens: share of the FP8 peak", published: []float64{1}, relation: AtMost, limit: true, unit: "%", binds: peakBinds,
		formula: "used(h100_hour_usd, cost_h100_1k, h100.fp8)",
		answer:  "128 GPUs would give {rate(h100_hour_usd, cost_h100_1k)|1} tokens per second."},
	{id: "S11.2c", text: "$0.0021 per 1k tokens on 128 H100 at 8k: what a decode step at S9.3's batch of 4,096 costs, FP8, from datasheet to the best tier", published: []float64{0.0021}, relation: AtMost, unit: "USD", drawn: true, binds: "bandwidth, then links",
		formula: servedAtH + " + tier × (" + servedAtHas + " − " + servedAtH + ")", command: serveH100,
		by: "the step model: {=}", correction: "{=}", workload: decodeLayer(datasets.FP8, 1024),
		answer: "Where the batch is split over the ranks, at the datasheet {served(\"h100-sxm\", \"fp8\", large_batch, \"datasheet\")}."},
	{id: "S11.2d", text: "$0.0021 per 1k tokens on 128 H100: what 1k output tokens cost from a simulated server, 7k tokens in and 1k out, FP8", published: []float64{0.0021}, relation: AtMost, unit: "USD", drawn: true, binds: "weights, and prompts",
		formula: "service_usd(\"h100-sxm\", \"fp8\", 1024, server_range)", command: serviceH100,
		answer: "{=} with 1,024 requests in flight, over the 90 % range that the serving model's errors on real servers give. Nearly half of it is prompts, which the article's figure does not say whether it counts; a user gets {service_rate(\"h100-sxm\", \"fp8\", 1024)|tokens/s}.",
		by:     "a server that also reads its prompts: {=}", correction: "count all 8k tokens of a request, not the 1k of output: {service_usd(\"h100-sxm\", \"fp8\", 1024, server_range) / 8|USD}"},
	{id: "S11.3", text: "Three times the cost of 175 B Davinci: cost of a token at the same batch, 128 A100 against 8", published: []float64{3}, unit: "1", drawn: true, binds: "bandwidth, until the batch wakes all experts",
		formula: "usd_ratio(compared_batch)",
		answer:  "By computing both at 2k context, whatever fits: {usd_ratio(512)|1} at batch 512, {usd_ratio(2048)|1} at 2,048, {usd_ratio(4096)|1} at 4,096, {usd_ratio(16384)|1} at 16,384: at large batches the used parameters decide, {active / gpt3_params|1} ×."},
	{id: "S11.4a", text: "With 1.6 times the feed-forward parameters: used parameters, all of them", published: []float64{1.6}, unit: "1",
		formula: "active / gpt3_params"},
	{id: "S11.4b", text: "With 1.6 times the feed-forward parameters: those alone", published: []float64{1.6}, unit: "1",
		formula: "top_k × expert_params / (gpt3_layers × ff_weights × gpt3_hidden × gpt3_hidden)",
		by:      "S1.2 and GPT-3's shape: {=}", correction: "say all used parameters (S11.4a)"},
	{id: "S11.5", text: "With poor utilisation, more than double: cost at the mean load over cost at the peak, if nothing else runs in the troughs", published: []float64{2}, relation: AtLeast, unit: "1",
		formula: "1 / load",
		answer:  "{=}: more than double where the mean load is below half of the peak. The one published profile has 0.82: {1 / 0.8156|1} ×."},
	{id: "S11.6", text: "Input tokens are cheaper than output tokens because decode is bandwidth-bound: cost of an output token over an input token", published: []float64{1}, relation: AtLeast, unit: "1", binds: "bandwidth",
		formula: "max(flop_per_weight × active / a100_40.fp16, woken(decode_batch, experts, expert_params) / a100_40.memory_bandwidth) / (flop_per_weight × active / a100_40.fp16)",
		answer:  "{=} by batch: an output token reads all woken weights again, an input token shares them with its prompt. From a batch of {bytes_fp16 × params × a100_40.fp16 / (flop_per_weight × active × a100_40.memory_bandwidth)|sequences} upwards they cost the same arithmetic. OpenAI's prices of 2023 had a factor of 2."},
}
