package claims

import "bench/datasets"

const (
	memoryCommand = "bench predict memory --training --model gpt-4 --device a100-sxm-40 --gpus 24960 --tp 8 --pp 15 --batch 7324 --context 8192 --dtype fp16 "
	trainCommand  = "bench predict train --model gpt-4 --device a100-sxm-40 --gpus 24960 --tp 8 --pp 15 --batch 7280 --context 8192 --dtype fp16"
)

// allReduceOf is a hidden state of 8,192 tokens (S2.5) of 10,752 wide (S1), in FP16.
func allReduceOf(ranks, nodes int) datasets.Workload {
	return datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 8192 * 10752 * 2, Ranks: ranks, Nodes: nodes}
}

// parallelism is S3 of the article.
var parallelism = []claim{
	{id: "S3.1a", text: "Tensor parallel 8, the NVLink limit", published: []float64{8}, unit: "1",
		formula: "a100_40.node_size"},
	{id: "S3.1b", text: "All-reduces of a layer inside a node, forward, for a micro-batch", unit: "s", binds: "NVLink",
		formula: "layer_all_reduces × inside × context × micro_sequences", workload: allReduceOf(8, 1),
		answer: "{=} by the sequences of a micro-batch, or {layer_all_reduces × inside|s} per token: two all-reduces per layer, after attention and after the feed-forward (Shoeybi et al., \"Megatron-LM\", 2019, section 3), latency not counted."},
	{id: "S3.1c", text: "Beyond the node an all-reduce is slower (tensor parallel 16 over two nodes, against 8 in one)", published: []float64{1}, relation: AtLeast, unit: "1", binds: "the network",
		formula: "beyond / inside", workload: allReduceOf(16, 2), identity: true,
		answer: "{=} times the time while each GPU's arithmetic halves, with all eight ports of a node at work; a single ring through one port takes far longer."},
	{id: "S3.2", text: "Pipeline parallel 15: ~30 GB of FP16 parameters per GPU", published: []float64{30e9}, unit: "bytes",
		formula: "shard × bytes_fp16"},
	{id: "S3.3a", text: "That fits A100 40 GB with ZeRO-1: memory per GPU over 40 GB", published: []float64{1}, relation: AtMost, limit: true, unit: "1", binds: "capacity",
		formula: "train_bytes(1, 0, \"full\") / a100_40.memory", command: memoryCommand + "--zero 1 --recompute full",
		by:         "capacity: ZeRO-1 shards the optimizer only; weights and gradients alone take {shard × (bytes_fp16 + gradient_bytes) / a100_40.memory|1} of the memory, and {=} with activations",
		correction: "shard the gradients too (ZeRO-2) and recompute all activations: S3.3b"},
	{id: "S3.3b", text: "With ZeRO-2, gradients sharded over the replicas too, all activations recomputed: memory per GPU over 40 GB", published: []float64{1}, relation: AtMost, limit: true, unit: "1", binds: "capacity",
		formula: "train_bytes(2, 0, \"full\") / a100_40.memory", command: memoryCommand + "--zero 2 --recompute full",
		answer: "It fits with full recomputation only: {train_bytes(2, 0, \"full\")|bytes}, and {train_bytes(2, 0, \"selective\")|bytes} where attention alone is recomputed. There are {replicas|1} replicas.",
		by:     "capacity: {=} of the memory", correction: "shorter micro-batches"},
	{id: "S3.3c", text: "Or hybrid sharding, everything over 8 replicas: memory per GPU over 40 GB", published: []float64{1}, relation: AtMost, limit: true, unit: "1", binds: "capacity",
		formula: "train_bytes(3, 8, \"full\") / a100_40.memory", command: memoryCommand + "--zero 3 --shard-group 8 --recompute full",
		answer: "The sharded state alone is {shard × (bytes_fp16 + gradient_bytes + optimizer_bytes) / node_gpus / a100_40.memory|1} of the memory; gathered layers and activations are the rest.",
		by:     "capacity: {=} of the memory with gathered layers and activations", correction: "shard over 16 replicas: {train_bytes(3, 16, \"full\") / a100_40.memory|1} of the memory"},
	{id: "S3.4a", text: "Fully sharded over everything costs too much: communication over arithmetic inside a cluster", published: []float64{1}, relation: AtLeast, unit: "1", binds: "the network",
		formula: "gathers × params × bytes_fp16 / cluster_link / step",
		answer:  "Each node takes in {gathers × params × bytes_fp16|bytes} per step, whatever the batch: {gathers × params × bytes_fp16 / cluster_link|s} at 1.6T and 800G."},
	{id: "S3.4b", text: "Likewise between clusters", published: []float64{1}, relation: AtLeast, unit: "1", binds: "the network",
		formula: "gathers × params × bytes_fp16 / between_link / step",
		answer:  "{gathers × params × bytes_fp16 / between_link|s} per step at 400G and 200G."},
	{id: "S3.5", text: "15 stages are \"too many\" for compute and communication: the pipeline's bubble", unit: "%",
		formula: "bubble(interleave)", command: trainCommand,
		answer: "S2.4 and S4.1 give {micro|1} micro-batches to each replica, so {bubble(1)|%} of a step is idle under 1F1B (Narayanan et al., 2021, section 2.2), and {bubble(8)|%} if each stage takes its 8 layers in turns. The weights alone need {params × bytes_fp16 / tp / a100_40.memory|1} stages in 40 GB, so memory asks for so many."},
	{id: "S3.6", text: "KV cache and overhead are counted into a training GPU's 40 GB: keys and values that wait for the backward pass, over the memory", unit: "%", binds: "capacity",
		formula: "kept_kv × kv_sides × layers / pp × attention_width × bytes_fp16 / tp × context × min(micro, pp) / a100_40.memory",
		answer:  "Training holds no KV cache: keys and values are activations of the sequence in hand. They take {=} of the memory on the first stage, and none with full recomputation, which S3.3b needs anyway."},
	{id: "S3.7", text: "60 M tokens per batch at 8k are fewer sequences than 25,000 GPUs", printed: "a100s", relation: AtMost, unit: "sequences",
		formula: "sequences",
		answer:  "{=}, {sequences / a100s|1} per GPU and {micro|1} per replica: each GPU must share a sequence with others, which tensor and pipeline parallelism do."},
}

// trainingCost is S4 of the article.
var trainingCost = []claim{
	{id: "S4.1a", text: "~25,000 A100 for 90–100 days at 32–36 % MFU: FLOP delivered, against 6 × used parameters × tokens", printed: "delivered", unit: "FLOP",
		formula: "training",
		answer:  "Delivered are 25,000 × 312 TFLOP/s × MFU × days; the model needs {=}, in the middle of it."},
	{id: "S4.1b", text: "FLOP delivered, against the exact count with attention", printed: "delivered", unit: "FLOP",
		formula: "training + train_passes × tokens × attention(context)",
		answer:  "Attention adds {attention(context) / forward|%}; router and norms are below 0.01 %."},
	{id: "S4.1c", text: "90–100 days, from the MFU of 32–36 %", published: []float64{90, 100}, unit: "day",
		formula: "training / (a100s × a100_40.fp16 × train_mfu × hours × hour_s)"},
	{id: "S4.2", text: "At $1 per A100-hour, $63 M", published: []float64{63e6}, unit: "USD",
		formula: "a100s × train_days × hours × a100_hour_usd",
		by:      "S4.1: 90–100 days come to {=}", correction: "{a100_cost_printed / (a100s × hours × a100_hour_usd)|1} days, and so an MFU of {training × a100_hour_usd / (a100_cost_printed × a100_40.fp16 × hour_s)|%}"},
	{id: "S4.3", text: "~8,192 H100 at $2 per hour for ~55 days: $21.5 M", published: []float64{21.5e6}, unit: "USD",
		formula: "h100s × h100_days × hours × h100_hour_usd"},
	{id: "S4.4a", text: "The MFU that S4.3 implies in BF16, against S4.1's", printed: "train_mfu", unit: "%", binds: "compute",
		formula: "h100_mfu(h100.fp16)",
		answer:  "{=} is at the level of the best published run on any GPU (MegaScale, 55.2 % on A100: Jiang et al., 2024, table 2) and above the 38–43 % of Llama 3 405B on H100 (Grattafiori et al., 2024, table 4).",
		by:      "S4.1 and published runs on H100: {=} of the BF16 peak", correction: "{h100_days × h100_mfu(h100.fp16) / 0.36|1} days and {h100s × h100_days × h100_mfu(h100.fp16) / 0.36 × hours × h100_hour_usd|USD} at 36 % MFU, or FP8 arithmetic (S4.4b)"},
	{id: "S4.4b", text: "The MFU that S4.3 implies in FP8, against S4.1's", printed: "train_mfu", unit: "%", binds: "compute",
		formula: "h100_mfu(h100.fp8)",
		by:      "{=} of the FP8 peak, somewhat below S4.1's", correction: "nothing: it is of the same order",
		answer: "S4.3 is of the order of S4.1 only if all of it ran in FP8."},
	{id: "S4.5", text: "Global reduction over so many GPUs is very expensive, and a cause of the low MFU: its share of a step", unit: "%", binds: "the network",
		formula: "ring(replicas) × shard × reduced_bytes / a100_40.network_bandwidth / step", command: trainCommand,
		answer: "{=} if none of it hides behind the backward pass, each GPU through its own 200 Gb port: felt, and far from the two thirds that MFU leaves. The bubble of S3.5 and recomputation cost more."},
	{id: "S4.6", text: "Inference costs several times training: tokens served until it does", unit: "tokens",
		formula: "several × a100_cost_printed / (cost_a100_1k / thousand)",
		answer:  "S4.2's $63 M are served at S11.1's $0.0049 per 1k after {a100_cost_printed / (cost_a100_1k / thousand)|tokens}, about as many as it was trained on, and {=} for one to five times."},
}
