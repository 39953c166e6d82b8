package claims

import "bench/datasets"

// wide is a product of GPT-4's widths as S1 implies them.
func wide(t datasets.DType, m int64) datasets.Workload {
	return datasets.GEMM{Kernel: "matmul", Type: t, M: m, N: 4 * 10752, K: 10752, Ranks: 1, Cache: datasets.Cold}
}

// splitProduct is an eighth of it.
func splitProduct(tokens int64) datasets.Workload {
	return datasets.GEMM{Kernel: "matmul", Type: datasets.FP16, M: tokens, N: 4 * 10752 / 8, K: 10752, Ranks: 1, Cache: datasets.Cold}
}

func expertLayer(tokens int64) datasets.Workload {
	return datasets.MoELayer{Kernel: "layer", Type: datasets.FP16, Tokens: tokens, Hidden: 10752, Intermediate: 4 * 10752,
		Experts: 16, TopK: 2, TP: 8, EP: 1, Routing: datasets.Routing{Rule: datasets.RouteUniform}, Ranks: 8, Cache: datasets.Cold}
}

var readMemory = datasets.Stream{Kernel: "read", Type: datasets.FP32, SizeBytes: 4 << 30, Ranks: 1}

const slower = "bandwidth at one user: every weight must be read for every token"

// denseInference is S5 of the article.
var denseInference = []claim{
	{id: "S5.1a", text: "8 × H100 can't serve a dense 1 T model: FP16 weights over memory", published: []float64{1}, relation: AtLeast, unit: "1", binds: "capacity",
		formula: "dense_params × bytes_fp16 / (node_gpus × h100.memory)",
		answer:  "The weights are {=} times the memory: capacity forbids it before anything else."},
	{id: "S5.1b", text: "Likewise in FP8", published: []float64{1}, relation: AtLeast, unit: "1", binds: "capacity",
		formula: "dense_params × bytes_fp8 / (node_gpus × h100.memory)",
		answer:  "{=} times the memory: capacity again; 4-bit weights would fit."},
	{id: "S5.1c", text: "33.33 tokens/s per user can't be reached in FP16, by bandwidth", printed: "user_rate", relation: AtMost, unit: "tokens/s", binds: slower,
		formula: "node_gpus × h100.memory_bandwidth / (dense_params × bytes_fp16)", workload: readMemory},
	{id: "S5.1d", text: "33.33 tokens/s per user can't be reached in FP8, by bandwidth", printed: "user_rate", relation: AtMost, unit: "tokens/s", binds: slower,
		formula: "node_gpus × h100.memory_bandwidth / (dense_params × bytes_fp8)", workload: readMemory},
	{id: "S5.1e", text: "The links are not the limit: all-reduces of a 100-layer-class model at batch 1 against 30 ms", unit: "%", binds: "latency of the links",
		formula:  "dense_layers × layer_all_reduces × all_reduce_latency × user_rate",
		answer:   "They take {=} of the 30 ms per token: less than memory, and not nothing.",
		workload: datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 16 << 10, Ranks: 8, Nodes: 1}},
	{id: "S5.2", text: "At 20 tokens/s its FLOPS utilisation is below 5 % (one user, BF16)", published: []float64{0.05}, relation: AtMost, unit: "%", binds: "bandwidth",
		formula: "slow_rate × flop_per_weight × dense_params / (node_gpus × h100.fp16)",
		answer:  "It stays below 5 % up to {0.05 × node_gpus × h100.fp16 / (slow_rate × flop_per_weight × dense_params)|1} users at a time."},
	{id: "S5.3", text: "The limit with 8-way tensor parallelism is ~300 B feed-forward parameters: H100, FP16, 33.33 tokens/s", published: []float64{300e9}, unit: "params", binds: "capacity",
		formula: "dense(h100.memory, h100.memory_bandwidth, user_rate, bytes_fp16)",
		answer:  "It is a limit of 16-bit weights: FP8 allows {dense(h100.memory, h100.memory_bandwidth, user_rate, bytes_fp8)|params}. 8 × A100 80 GB allow {dense(a100_80.memory, a100_80.memory_bandwidth, user_rate, bytes_fp16)|params} in FP16, by bandwidth.",
		by:      "capacity: 8 × 80 GB hold {=}, with nothing left for attention or a KV cache", correction: "{1 − ff_limit / dense(h100.memory, h100.memory_bandwidth, user_rate, bytes_fp16)|%} of the memory go to attention and the KV cache"},
	{id: "S5.4", text: "~30 tokens/s is what a human reader needs", published: []float64{30}, unit: "tokens/s",
		formula: "words_minute / words_token / minute_s",
		by:      "reading speed: 238 words per minute are {=}", correction: "5 tokens/s; 30 is what a user who skims likes",
		answer: "At 30 tokens/s in FP16, on 8 × A100 80 GB {reach(dense(a100_80.memory, a100_80.memory_bandwidth, reader_rate, bytes_fp16))}. On 8 × H100 {reach(dense(h100.memory, h100.memory_bandwidth, reader_rate, bytes_fp16))}; in FP8 up to {dense(h100.memory, h100.memory_bandwidth, reader_rate, bytes_fp8)|params}."},
	{id: "S5.5a", text: "GPT-4 sells at $0.06 per 1k tokens, above S11's cost on A100", printed: "price_1k", relation: AtMost, unit: "USD",
		formula: "cost_a100_1k × usd",
		answer:  "The margin is {1 − cost_a100_1k × usd / price_1k|%} of the price; S11.1a excludes cents."},
	{id: "S5.5b", text: "Likewise on H100", printed: "price_1k", relation: AtMost, unit: "USD",
		formula: "cost_h100_1k × usd",
		answer:  "The margin is {1 − cost_h100_1k × usd / price_1k|%} of the price."},
	{id: "S5.6", text: "OpenAI reached human reading speed on A100 at $0.06 per 1k tokens: tokens/s per user in S10's layout, every weight read once per token", printed: "reader_rate", relation: AtLeast, unit: "tokens/s", binds: "bandwidth",
		formula: "a100_40.memory_bandwidth / (layer_nodes × held × weight_bytes)", command: serveA100,
		by:         "bandwidth: at a batch that wakes all experts (128 and more) the 15 stages read one after the other, {=} in FP16 to INT8",
		correction: "{words_minute / words_token / minute_s|tokens/s}, S5.4's own reading speed, which INT8 weights allow; the API gave 5 to 11 tokens/s in 2023 (94 to 196 ms per token), so it kept batches small or read fewer bytes"},
}

const balanceFP8, balanceFP16 = "balance_batch(h100.fp8, bytes_fp8)", "balance_batch(h100.fp16, bytes_fp16)"

// roofline is S6 of the article.
var roofline = []claim{
	{id: "S6.1", text: "Each parameter is read once and costs 2 FLOP", published: []float64{2}, unit: "FLOP/param", identity: true,
		formula: "flop_per_weight × hidden × hidden / (hidden × hidden)", workload: wide(datasets.FP16, 1),
		answer: "For one token. A mixture reads only the experts that its tokens choose, and attention costs more by the context."},
	{id: "S6.2", text: "H100 SXM: 3 TB/s against 2,000 TFLOP/s FP8: the balance", printed: "balance_flops / balance_bytes", unit: "FLOP/byte",
		formula: "balance(h100.fp8)",
		by:      "the datasheet: 3.35 TB/s, not 3, make it {=}", correction: "3.35 TB/s for 3", workload: wide(datasets.FP8, 4096)},
	{id: "S6.3", text: "Batch must exceed 4 to pay (FP8)", published: []float64{4}, relation: AtLeast, unit: "tokens", binds: "memory bandwidth below the balance",
		formula: balanceFP8, workload: wide(datasets.FP8, 4),
		answer: "True, and {" + balanceFP8 + " / 4|1} times too low for full use. Arithmetic is used to {min(1, 1 / " + balanceFP8 + ")|%} at batch 1, {min(1, 4 / " + balanceFP8 + ")|%} at 4, {min(1, 8 / " + balanceFP8 + ")|%} at 8, {min(1, 64 / " + balanceFP8 + ")|%} at 64, {min(1, 256 / " + balanceFP8 + ")|%} at 256."},
	{id: "S6.4a", text: "Batch 256 gives 512 FLOP per byte", published: []float64{512}, unit: "FLOP/byte",
		formula: "flop_per_weight × batch_256 / bytes_fp8", workload: wide(datasets.FP8, 256),
		answer: "In FP8 and of the weights alone; half of it in FP16. In GPT-4's experts, which see an eighth of the batch, {flop_per_weight × batch_256 × top_k / experts / bytes_fp8|FLOP/byte}."},
	{id: "S6.4b", text: "Batch 512 gives 1,024 FLOP per byte", published: []float64{1024}, unit: "FLOP/byte",
		formula: "flop_per_weight × batch_512 / bytes_fp8", workload: wide(datasets.FP8, 512),
		answer: "Of the weights alone; activations are read and written too."},
	{id: "S6.5a", text: "The batch that reaches the balance in FP8, against S6.2's figures", printed: "balance_flops / balance_bytes / flop_per_weight", unit: "tokens",
		formula: balanceFP8,
		by:      "the datasheet's 3.35 TB/s: {=}", correction: "3.35 TB/s for 3", workload: wide(datasets.FP8, 295)},
	{id: "S6.5b", text: "The batch that reaches the balance in FP16, against S6.2's figures", printed: "balance_flops / balance_bytes / flop_per_weight", unit: "tokens",
		formula: balanceFP16,
		by:      "the datasheet's 3.35 TB/s: {=}", correction: "3.35 TB/s for 3", workload: wide(datasets.FP16, 295),
		answer: "The same as in FP8: half the arithmetic for twice the bytes."},
	{id: "S6.5c", text: "The batch that reaches the balance in FP8, as calibrated on recorded kernels of the H100", printed: "balance_flops / balance_bytes / flop_per_weight", unit: "tokens", drawn: true,
		formula: "large_batch × product_s(\"fp8\", 1, 1) / product_s(\"fp8\", large_batch, 1)",
		by:      "{=}: what a kernel reaches of the bandwidth over what it reaches of the peak", correction: "{=}", workload: wide(datasets.FP8, 4096)},
	{id: "S6.5d", text: "Likewise in FP16", printed: "balance_flops / balance_bytes / flop_per_weight", unit: "tokens", drawn: true,
		formula: "large_batch × product_s(\"fp16\", 1, 1) / product_s(\"fp16\", large_batch, 1)",
		by:      "{=}: what a kernel reaches of the bandwidth over what it reaches of the peak", correction: "{=}", workload: wide(datasets.FP16, 4096)},
}

// tradeoffs is S7 of the article. Halving is what twice the chips do to anything
// that they divide.
var tradeoffs = []claim{
	{id: "S7.1a", text: "Memory time is proportional to model size over chips: twice the chips", published: []float64{0.5}, unit: "1", binds: "memory bandwidth", identity: true,
		formula: "params × bytes_fp16 / (2 × tp × h100.memory_bandwidth) / (params × bytes_fp16 / (tp × h100.memory_bandwidth))"},
	{id: "S7.1b", text: "Non-attention compute time is proportional to model size over chips: twice the chips", published: []float64{0.5}, unit: "1", binds: "compute", identity: true,
		formula: "forward × kv_batch / (2 × tp × h100.fp16) / (forward × kv_batch / (tp × h100.fp16))",
		answer:  "So long as each chip's part stays a product that fills it. For a mixture \"size\" is what is read for memory, and what is used for compute."},
	{id: "S7.1c", text: "Memory time likewise, of a kernel as calibrated: batch 8 over twice the ranks", published: []float64{0.5}, unit: "1", drawn: true, binds: "memory bandwidth, and each kernel's fixed cost",
		formula: "product_s(\"fp16\", small_batch, 2 × tp) / product_s(\"fp16\", small_batch, tp)",
		by:      "recorded kernels: {=}, as each has a cost that chips don't divide", correction: "{=} for 8 to 16 ranks", workload: splitProduct(8)},
	{id: "S7.1d", text: "Compute time likewise, of a kernel as calibrated: 2,048 tokens over twice the ranks", published: []float64{0.5}, unit: "1", drawn: true, binds: "compute",
		formula: "product_s(\"fp16\", kv_context, 2 × tp) / product_s(\"fp16\", kv_context, tp)",
		by:      "recorded kernels: {=}", correction: "{=}", workload: splitProduct(2048)},
	{id: "S7.2a", text: "Communication time falls slower with chips, or not at all: twice the chips (ring all-reduce)", published: []float64{0.5}, relation: AtLeast, unit: "1", binds: "links", identity: true,
		formula:  "ring(2 × tp) / ring(tp)",
		answer:   "It rises to {=} when weights are split one way; split two ways it falls with the root of the chips, to 0.71 (Pope et al., 2022, section 3.2.2). Both are slower than a half.",
		workload: datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 8 << 20, Ranks: 8, Nodes: 1}},
	{id: "S7.2b", text: "Communication time likewise, of NCCL as calibrated: 8 ranks over 4, a decode step's 512 hidden states", published: []float64{0.5}, relation: AtLeast, unit: "1", drawn: true, binds: "links and latency",
		formula:  "all_reduce_s(kv_batch × hidden × bytes_fp16, tp) / all_reduce_s(kv_batch × hidden × bytes_fp16, tp / 2)",
		workload: datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 512 * 10752 * 2, Ranks: 8, Nodes: 1}},
	{id: "S7.3a", text: "Small batches give latency, large ones low cost: PaLM 540B on H100 in FP16, cost per token of the fastest layout over that of the cheapest", published: []float64{1}, relation: AtLeast, unit: "1", drawn: true, identity: true,
		binds:   "bandwidth and links where it is fast, memory's capacity where it is cheap",
		formula: "front_gain(\"palm-540b\")", command: "bench predict serve --model palm-540b --device h100-sxm --gpus 128 --batch 1024 --context 2048 --dtype fp16 --pareto --gpu-hour-usd 2 --tier datasheet",
		answer: "The front by datasheet, without latencies, per token: {front(\"palm-540b\")}."},
	{id: "S7.3b", text: "Likewise GPT-4", published: []float64{1}, relation: AtLeast, unit: "1", drawn: true, identity: true,
		binds:   "bandwidth and links where it is fast, memory's capacity where it is cheap",
		formula: "front_gain(\"gpt-4-mqa\")", command: "bench predict serve --model gpt-4-mqa --device h100-sxm --gpus 128 --batch 1024 --context 2048 --dtype fp16 --pareto --gpu-hour-usd 2 --tier datasheet",
		answer: "The front by datasheet, without latencies, per token: {front(\"gpt-4-mqa\")}."},
	{id: "S7.4a", text: "Prefill and decode differ: a prompt of 2,048 tokens over the balance", published: []float64{1}, relation: AtLeast, unit: "1", binds: "compute",
		formula: "kv_context / " + balanceFP16, workload: wide(datasets.FP16, 2048),
		answer: "Compute binds the prefill: {=} times the balance."},
	{id: "S7.4b", text: "Prefill and decode differ: decoding a batch of 8 over the balance", published: []float64{1}, relation: AtMost, unit: "1", binds: "memory bandwidth",
		formula: "small_batch / " + balanceFP16, workload: wide(datasets.FP16, 8),
		answer: "Bandwidth binds decoding, until the batch reaches the balance; attention over the KV cache stays bound by it at any batch."},
	{id: "S7.5", text: "KV memory and time grow with batch × context: twice of either", published: []float64{2}, unit: "1", binds: "memory bandwidth", identity: true,
		formula:  "(2 × kv_batch) × kv_context × palm_heads × palm_mha_dim / (kv_batch × kv_context × palm_heads × palm_mha_dim)",
		workload: datasets.Attention{Type: datasets.FP16, Batch: 64, QueryTokens: 1, ContextTokens: 2048, Heads: 48, KVHeads: 48, HeadDim: 128, Ranks: 1, Cache: datasets.Cold}},
	{id: "S7.6", text: "Use more chips than capacity needs, for latency, throughput and larger batches: cost per token at the largest batch, as many A100 as hold the weights over 128", published: []float64{1}, relation: AtLeast, unit: "1", binds: "bandwidth: fewer sequences share each read of the weights",
		formula: "usd_filled(kv_gpu, context, bytes_fp16, 0.95) / usd_filled(kv_gpu, context, bytes_fp16, 1)",
		answer:  "{=} times the cost with {0.95 × gpus|1} GPUs, whose memory is nearly full of weights, and with {held × bytes_fp16 / a100_40.memory × gpus|1} no sequence fits: chips beyond capacity hold the KV cache of the sequences that share the weights."},
	{id: "S7.7", text: "16k and 32k contexts cost much more, since batches must shrink: cost per token at 32k over 8k", unit: "1", binds: "capacity, then bandwidth",
		formula: "usd_filled(kv_gpu, long_context, bytes_fp16, 1) / usd_filled(kv_gpu, context, bytes_fp16, 1)",
		answer:  "{=} at 32k, and {usd_filled(kv_gpu, 2 × context, bytes_fp16, 1) / usd_filled(kv_gpu, context, bytes_fp16, 1)|1} at 16k, with the memory full either way."},
}

// kvCache is S8 of the article.
var kvCache = []claim{
	{id: "S8.1", text: "A 500 B model with multi-head attention, batch 512, context 2048: 3 TB of KV cache", published: []float64{3e12}, unit: "bytes",
		formula: "palm_kv",
		answer:  "With PaLM's own heads of 256 it would be twice that; the variant has heads of 128."},
	{id: "S8.2", text: "That is three times its parameters", published: []float64{3}, unit: "1",
		formula: "palm_kv / (big_params × bytes_fp16)",
		answer:  "{=} times 16-bit parameters, and twice as many times 8-bit ones."},
	{id: "S8.3", text: "KV cache can't be shared between users: bytes with a shared prefix over bytes without", unit: "1", binds: "capacity",
		formula: "(prefix_share + kv_batch × (1 − prefix_share)) / kv_batch",
		answer:  "It holds for what users type. A system prompt that all share is kept once (Kwon et al., \"vLLM\", 2023, section 4.4): {=} of the bytes at batch 512, by the share of the context that is the prefix."},
}

// experts is S9 of the article.
var experts = []claim{
	{id: "S9.1", text: "At batch 8 with 16 experts and top-2, an expert's batch averages 1", published: []float64{1}, unit: "tokens",
		formula: "small_batch × top_k / experts", workload: expertLayer(8)},
	{id: "S9.2a", text: "One expert may have 8: experts with 8 of 8 tokens, expected", unit: "experts",
		formula: "experts_with(8)",
		answer:  "Under even routing any expert has all 8 with a chance of {max_at_least(8)|1}: the example is a rarity. The most loaded has 2 or more with {max_at_least(2)|%}, 3 or more with {max_at_least(3)|%}, 4 or more with {max_at_least(4)|%}."},
	{id: "S9.2b", text: "While others have 4: experts with 4, expected", unit: "experts", formula: "experts_with(4)"},
	{id: "S9.2c", text: "While others have 1: experts with 1, expected", unit: "experts", formula: "experts_with(1)"},
	{id: "S9.2d", text: "While others have 0: idle experts, expected", unit: "experts", formula: "experts_with(0)",
		answer: "{=} of 16 sit idle, whose weights are not read."},
	{id: "S9.3a", text: "At batch 4k, ~500 per expert at best", published: []float64{500}, unit: "tokens",
		formula: "large_batch × top_k / experts", workload: expertLayer(4096)},
	{id: "S9.3b", text: "And typically: the most loaded expert's batch, expected", published: []float64{500}, relation: AtLeast, unit: "tokens", drawn: true, identity: true,
		formula: "most_loaded(large_batch)",
		answer:  "{=}, from even routing to Zipf's law."},
	{id: "S9.3c", text: "And at worst: all tokens choose one expert", published: []float64{500}, relation: AtLeast, unit: "tokens", identity: true,
		formula: "large_batch"},
	{id: "S9.4a", text: "16 experts serve better than 64 or 128: weight bytes woken per token, more experts of the same size over 16", published: []float64{1}, relation: AtLeast, unit: "1", binds: "memory bandwidth", identity: true,
		formula: "woken(decode_batch, more_experts, expert_params) / woken(decode_batch, experts, expert_params)",
		answer:  "Bytes per token in FP16 with 16, then 64 to 128 experts of 111 B: {woken(1, experts, expert_params)|bytes} and {woken(1, more_experts, expert_params)|bytes} at batch 1, {woken(8, experts, expert_params)|bytes} and {woken(8, more_experts, expert_params)|bytes} at 8, {woken(64, experts, expert_params)|bytes} and {woken(64, more_experts, expert_params)|bytes} at 64, {woken(4096, experts, expert_params)|bytes} and {woken(4096, more_experts, expert_params)|bytes} at 4,096."},
	{id: "S9.4b", text: "Likewise at the same size of the whole model", published: []float64{1}, relation: AtLeast, unit: "1", binds: "memory bandwidth",
		formula: "woken(decode_batch, more_experts, experts × expert_params / more_experts) / woken(decode_batch, experts, expert_params)",
		answer:  "{=}: at the same total size more, smaller experts wake fewer bytes per token until a batch wakes all. The claim holds for experts added, not for experts split."},
	{id: "S9.5a", workload: expertLayer(8), text: "Token-to-token latency varies with routing: 99th percentile of a step over its mean, batch 8, memory-bound", unit: "1", binds: "memory bandwidth", drawn: true,
		formula: "step_spread(0.99)",
		answer:  "Under even routing {awake()|1} of 16 experts are awake on average, {awake_quantile(0.01)|1} to {awake_quantile(0.99)|1} in 98 of 100 steps."},
	{id: "S9.5b", text: "Likewise at batch 4k, compute-bound with an expert per rank: the most loaded expert over the mean", unit: "1", binds: "compute of the most loaded rank", drawn: true,
		formula: "most_loaded(large_batch) × experts / (large_batch × top_k)", workload: expertLayer(4096)},
}

// cluster is S10 of the article.
var cluster = []claim{
	{id: "S10.1", text: "128 GPUs: tensor parallel 8 × pipeline 16", published: []float64{128}, unit: "1",
		formula: "gpus"},
	{id: "S10.2a", text: "~130 B parameters per node, over 16 nodes", published: []float64{130e9}, unit: "params",
		formula: "params / serve_pp",
		by:      "S1.2: {=} over all 16 nodes", correction: "{=}, or S10.2b's on the nodes that hold layers"},
	{id: "S10.2b", text: "~130 B parameters per node, over the 15 that hold layers", published: []float64{130e9}, unit: "params",
		formula: "params / layer_nodes",
		by:      "S1.2: {=}", correction: "{=}"},
	{id: "S10.3a", text: "Below 30 GB per GPU in FP16, over 128", published: []float64{30e9}, relation: AtMost, unit: "bytes",
		formula: "params × bytes_fp16 / gpus"},
	{id: "S10.3b", text: "Below 30 GB per GPU in FP16, on the 15 nodes that hold layers", published: []float64{30e9}, relation: AtMost, unit: "bytes",
		formula: "held × bytes_fp16",
		answer:  "With S10.6's layout the full nodes hold {=}, a little over 30 GB."},
	{id: "S10.4", text: "Below 15 GB per GPU in FP8 or INT8", published: []float64{15e9}, relation: AtMost, unit: "bytes",
		formula: "params × bytes_fp8 / gpus",
		answer:  "A100 has no FP8 arithmetic; it has INT8."},
	{id: "S10.5a", text: "So 40 GB A100s suffice unless the KV cache is large: weights over memory", published: []float64{1}, relation: AtMost, limit: true, unit: "1", binds: "capacity",
		formula: "held × bytes_fp16 / a100_40.memory"},
	{id: "S10.5b", text: "Up to which batch × context, with one KV head", unit: "tokens", binds: "capacity",
		formula: "room(bytes_fp16) / kv_gpu", command: "bench predict memory --model gpt-4-mqa --device a100-sxm-40 --gpus 128 --tp 8 --pp 16 --batch 64 --context 8192 --dtype fp16",
		answer: "Batch × context up to {=}, activations not counted: the least where every rank copies wide heads, the most where the batch is split over them. At 8k that is {room(bytes_fp16) / kv_gpu / context|sequences} in flight."},
	{id: "S10.5c", text: "Up to which batch × context, with multi-head attention", unit: "tokens", binds: "capacity",
		formula: "room(bytes_fp16) / kv_gpu_mha"},
	{id: "S10.6a", text: "120 layers over 15 nodes", published: []float64{8}, unit: "layers",
		formula: "layers / layer_nodes"},
	{id: "S10.6b", text: "Of 16 nodes, the first is lighter: its layers where the others have 8", published: []float64{8}, relation: AtMost, unit: "layers",
		formula: "layers − (serve_pp − 1) × layers / layer_nodes",
		answer:  "The first is left with {=}: embedding and data loading are all that it does. 16 even stages would have 7.5 layers, which cannot be."},
	{id: "S10.7", text: "A layer's experts stay on one node: traffic between nodes if they did not, over the pipeline's", published: []float64{1}, relation: AtLeast, unit: "1", binds: "the network",
		formula: "ring_passes × top_k × (layer_nodes − 1) / layer_nodes × layers / layer_nodes",
		answer:  "{=} times as many bytes, whatever the model's width: each layer sends a token to its two experts and back, a pipeline hands it on once in 8 layers. Bandwidth does not forbid it: at S11.1's rate it is {rate(a100_hour_usd, cost_a100_1k) × spread_bytes / (layer_nodes × node_gpus × a100_40.network_bandwidth)|%} of the network; latency, twice in each of 120 layers, is the price."},
	{id: "S10.8a", text: "130 B parameters per node against \"below 30 GB\" per GPU in the same sentence (FP16)", published: []float64{30e9}, relation: AtMost, unit: "bytes",
		formula: "node_params_printed × bytes_fp16 / node_gpus",
		by:      "its own 130 B: {=} per GPU", correction: "120 B per node, or \"below 33 GB\""},
	{id: "S10.8b", text: "130 B parameters per node against \"below 15 GB\" per GPU in the same sentence (FP8 or INT8)", published: []float64{15e9}, relation: AtMost, unit: "bytes",
		formula: "node_params_printed × bytes_fp8 / node_gpus",
		by:      "its own 130 B: {=} per GPU", correction: "120 B per node, or \"below 17 GB\""},
	{id: "S10.9", text: "Experts of a layer on several nodes would mean recomputing KV at each token: time to recompute an 8k context's keys and values of a layer over the time to send the token to its experts and back", unit: "1", binds: "arithmetic, if it were done",
		formula: "context × kv_sides × flop_per_weight × hidden × kv_head_dim / a100_40.fp16 / (ring_passes × top_k × hidden × bytes_fp16 / a100_40.network_bandwidth)",
		answer:  "It is not needed: attention and its KV cache stay where they are, and only the token's hidden state travels to its experts and back. Recomputing would take {=} times as long as that."},
}
