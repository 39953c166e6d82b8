package claims

import "bench/datasets"

// decodeAttention is attention over 8k tokens with so many KV heads.
func decodeAttention(kvHeads int64) datasets.Workload {
	return datasets.Attention{Type: datasets.FP16, Batch: 16, QueryTokens: 1, ContextTokens: 8192, Heads: 96, KVHeads: kvHeads, HeadDim: 112,
		Ranks: 1, Cache: datasets.Cold}
}

// filled is the cost of 1k tokens of a decode step at the largest batch that fits, by
// the bytes of a weight, as bench predict serve computes it.
func filled(model string) string {
	of := func(t string) string {
		return "served_usd(\"a100-sxm-40\", \"" + t + "\", 0, \"datasheet\", \"" + model + "\")"
	}
	return of("int8") + " + (weight_bytes − 1) × (" + of("fp16") + " − " + of("int8") + ")"
}

const serveMHA = "bench predict serve --model gpt-4 --device a100-sxm-40 --gpus 128 --tp 8 --pp 16 --batch 34 --context 8192 --dtype fp16 --gpu-hour-usd 1 --tier datasheet"

// techniques is S12 of the article.
var techniques = []claim{
	{id: "S12.1", workload: decodeAttention(1), text: "Multi-query attention: KV bytes of multi-head attention over those of one KV head", unit: "1",
		formula: "attention_width / kv_head_dim",
		answer:  "As many times fewer as there are query heads: {=}."},
	{id: "S12.2a", text: "32k does not fit 40 GB A100s even so: sequences of 32k that fit, with fused attention", published: []float64{1}, relation: AtMost, limit: true, unit: "sequences", binds: "capacity",
		formula: "room(bytes_fp16) / (kv_gpu × long_context)",
		by:      "capacity: {room(bytes_fp16)|bytes} per GPU are left by the weights, room for {=} in flight over 16 stages", correction: "say that attention is not fused (S12.2b)"},
	{id: "S12.2b", text: "32k does not fit 40 GB A100s even so: scores of one unfused prefill over what the weights leave", published: []float64{1}, relation: AtLeast, unit: "1", binds: "capacity",
		formula: "gpt4_heads / tp × long_context × long_context × bytes_fp16 / room(bytes_fp16)",
		answer:  "Without fused attention a layer's scores take {gpt4_heads / tp × long_context × long_context × bytes_fp16|bytes} per GPU where {room(bytes_fp16)|bytes} are left: then it does not fit."},
	{id: "S12.3", text: "8k is limited in its largest batch: sequences of 8k that fit, below S9.3's batch of 4,096", printed: "large_batch", relation: AtMost, unit: "sequences", binds: "capacity", drawn: true,
		formula: "fitting()", command: "bench predict memory --model gpt-4-mqa --device a100-sxm-40 --gpus 128 --tp 8 --pp 16 --batch 427 --context 8192 --dtype fp16",
		answer: "{=}: the least where every rank copies the KV head, the most where the batch is split over the ranks."},
	{id: "S12.4a", workload: decodeAttention(96), text: "Without multi-query, 8k would not pay: cost of 1k tokens with multi-head attention, against the price of S5.5", printed: "price_1k", relation: AtLeast, unit: "USD", binds: "capacity, then bandwidth",
		formula: filled("gpt-4"), drawn: true, command: serveMHA,
		answer: "{=}, from INT8 weights to FP16, a decode step at the largest batch that fits, by datasheet: it rests on 16-bit weights."},
	{id: "S12.4b", workload: decodeLayer(datasets.FP16, 16), text: "With multi-query it pays: cost of 1k tokens", printed: "price_1k", relation: AtMost, unit: "USD", binds: "bandwidth",
		formula: filled("gpt-4-mqa"), drawn: true,
		answer: "{=}, by whether the head is copied to all ranks, and by the weights' type; S11.1's is $0.0049."},
	{id: "S12.5", text: "Continuous batching with variable batch: throughput over static batching", unit: "1", drawn: true,
		formula: "batching_gain(output_spread, slots)",
		answer:  "Gain with 32 slots by the lengths' coefficient of variation: {batching_gain(0, 32)|1} at 0, {batching_gain(0.25, 32)|1} at 0.25, {batching_gain(0.5, 32)|1} at 0.5, {batching_gain(1, 32)|1} at 1, {batching_gain(2, 32)|1} at 2; where requests always wait and a step takes as long at any batch."},
	{id: "S12.6", text: "Speculative decoding, ~4 drafted tokens: gain", unit: "1", binds: "bandwidth, which must bind for it",
		formula: "accepted / (draft_tokens × draft_cost + 1)",
		answer:  "Gain by acceptance rate, at a draft of 5 % of the cost: {draft_gain(0.3, 0.05)|1} at 0.3, {draft_gain(0.5, 0.05)|1} at 0.5, {draft_gain(0.7, 0.05)|1} at 0.7, {draft_gain(0.8, 0.05)|1} at 0.8, {draft_gain(0.9, 0.05)|1} at 0.9."},
	{id: "S12.7", text: "Agreement over long drafts decays exponentially: log of agreement over 8 tokens over that over 4", published: []float64{2}, unit: "1", identity: true,
		formula: "ln(pow(acceptance, 2 × draft_tokens)) / ln(pow(acceptance, draft_tokens))",
		answer:  "All of γ drafted tokens are accepted with a chance of α^γ if each is with α (Leviathan et al., 2023, section 3.1)."},
	{id: "S12.8a", text: "Speculation pays only where bandwidth binds: gain where compute binds", published: []float64{1}, relation: AtMost, unit: "1", binds: "compute", identity: true,
		formula: "accepted / (draft_tokens + 1 + draft_tokens × draft_cost)"},
	{id: "S12.8b", text: "The batch at which it stops paying, dense: GPT-3 on 8 A100 in FP16", unit: "sequences", binds: "compute beyond it",
		formula: "last_batch(\"dense\")",
		answer:  "Up to {=} at a time."},
	{id: "S12.8c", text: "The batch at which it stops paying, mixture: GPT-4 on A100 in FP16, a stage's micro-batch", unit: "sequences", binds: "compute beyond it",
		formula: "last_batch(\"mixture\")",
		answer:  "Gain by micro-batch at acceptance 0.7 and 5 % draft cost: {gain_with(\"mixture\", 1)|1} at 1, {gain_with(\"mixture\", 4)|1} at 4, {gain_with(\"mixture\", 16)|1} at 16, {gain_with(\"mixture\", 64)|1} at 64, {gain_with(\"mixture\", 256)|1} at 256, {gain_with(\"mixture\", 1024)|1} at 1,024; a dense model gains {gain_with(\"dense\", 1)|1} at 1."},
	{id: "S12.8d", text: "For a mixture more tokens wake more experts: gain at batch 1 over the dense model's", published: []float64{1}, relation: AtMost, unit: "1", binds: "bandwidth: woken experts",
		formula: "gain_at(\"mixture\", 1) / gain_at(\"dense\", 1)",
		answer:  "{draft_tokens + 1|1} tokens wake {awake_of(draft_tokens + 1)|1} experts where one wakes {top_k|1}, if they are routed independently."},
	{id: "S12.8e", text: "It pays where bandwidth binds: for a mixture at batch 1", published: []float64{1}, relation: AtLeast, unit: "1", binds: "bandwidth: woken experts",
		formula: "gain_at(\"mixture\", 1)",
		by:      "the experts that the drafted tokens wake: {=}", correction: "a batch that wakes most experts anyway, or more accepted tokens",
		answer: "{=}: where bandwidth binds, and yet no gain below a high acceptance, as checking reads more experts than it saves."},
	{id: "S12.9", text: "Vision: ~2 T further tokens: training cost at S4's A100 price and MFU", unit: "USD", binds: "compute",
		formula: "vision_passes × forward × vision_extra × vision_tokens / (a100_40.fp16 × train_mfu × hour_s) × a100_hour_usd",
		answer:  "{=}: from frozen weights, as in Flamingo, to training all of it."},
	{id: "S12.10a", text: "Data-loading IO ~150 × higher: 600 bytes per token against 4", published: []float64{150}, unit: "1",
		formula: "vision_bytes / text_bytes"},
	{id: "S12.10b", text: "Data loading: bytes per second that a training node of 8 A100 must read", unit: "bytes/s", binds: "nothing: a disk gives a thousand times as much",
		formula: "batch_tokens / step / (a100s / node_gpus) × (image_share × vision_bytes + (1 − image_share) × text_bytes)",
		answer:  "{=}, from text alone to images alone: 150 times very little. Decoding images on the CPU is what costs."},
}
