package claims

import (
	"fmt"

	"bench/datasets"
)

// shard is the parameters of one GPU under tensor and pipeline parallelism.
func shard(v *values) float64 { return total(v) / (v.in("tp") * v.in("pp")) }

// replicas is how many copies of the model train side by side.
func replicas(v *values) float64 { return v.in("a100s") / (v.in("tp") * v.in("pp")) }

// stepSeconds is the arithmetic of one optimizer step at the MFU of S4.1.
func stepSeconds(v *values) float64 {
	return v.in("train_passes") * forward(v) * v.in("batch_tokens") /
		(v.in("a100s") * v.dev("a100-sxm-40", "fp16") * v.in("train_mfu"))
}

// allReduceInside is the seconds a token of one ring all-reduce of the hidden
// state over NVLink: 2·(n−1)/n of its bytes leave each rank.
func allReduceInside(v *values) float64 {
	n := v.in("tp")
	return v.in("ring_passes") * (n - 1) / n * v.in("hidden") * v.in("bytes_fp16") / v.dev("a100-sxm-40", "link_bandwidth")
}

// allReduceBeyond is the same over two nodes: a reduce-scatter and an
// all-gather inside each, and between them an all-reduce of each GPU's part of
// 1/n over its own network port.
func allReduceBeyond(v *values) float64 {
	n, nodes := v.in("tp"), 2.0
	between := v.in("ring_passes") * (nodes - 1) / nodes * v.in("hidden") * v.in("bytes_fp16") / n
	return allReduceInside(v) + between/v.dev("a100-sxm-40", "network_bandwidth")
}

func s3() []claim {
	const perGPU = "({experts} × {expert_params} + {shared_params}) / ({tp} × {pp})"
	fits := func(bytes func(*values) float64) func(*values) float64 {
		return func(v *values) float64 { return bytes(v) / v.dev("a100-sxm-40", "memory") }
	}
	gathered := func(link string) func(*values) float64 {
		return func(v *values) float64 {
			return v.in("gathers") * total(v) * v.in("bytes_fp16") / v.in(link) / stepSeconds(v)
		}
	}
	const gatheredFormula = "{gathers} × ({experts} × {expert_params} + {shared_params}) × {bytes_fp16} / LINK / (6 × active × {batch_tokens} / ({a100s} × {a100-sxm-40.fp16} × {train_mfu}))"
	allReduce := func(ranks, nodes int) datasets.Workload {
		// A hidden state of 8,192 tokens (S2.5) of 10,752 wide (S1), in FP16.
		return datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 8192 * 10752 * 2, Ranks: ranks, Nodes: nodes}
	}
	return []claim{
		{id: "S3.1a", text: "Tensor parallel 8, the NVLink limit", published: []float64{8}, unit: "1",
			formula: "{a100-sxm-40.node_size}", compute: func(v *values) float64 { return v.dev("a100-sxm-40", "node_size") }},
		{id: "S3.1b", text: "All-reduces of a layer inside a node, forward, a token", unit: "s", binds: "NVLink",
			formula: "2 × {ring_passes} × ({tp} − 1) / {tp} × {hidden} × {bytes_fp16} / {a100-sxm-40.link_bandwidth}",
			compute: func(v *values) float64 { return v.in("ring_passes") * allReduceInside(v) }, workload: allReduce(8, 1),
			answer: "Two all-reduces a layer, after attention and after the feed-forward (Shoeybi et al., \"Megatron-LM\", 2019, section 3), latency not counted: {=} a token."},
		{id: "S3.1c", text: "Beyond the node an all-reduce is slower (tensor parallel 16 over two nodes, against 8 in one)", published: []float64{1}, relation: AtLeast, unit: "1", binds: "the network",
			formula: "(inside + 2 × (1 / 2) / {tp} × bytes / {a100-sxm-40.network_bandwidth}) / inside",
			compute: func(v *values) float64 { return allReduceBeyond(v) / allReduceInside(v) }, workload: allReduce(16, 2),
			answer: "{=} times the time while each GPU's arithmetic halves, with all eight ports of a node at work; a single ring through one port takes far longer."},
		{id: "S3.2", text: "Pipeline parallel 15: ~30 GB of FP16 parameters a GPU", published: []float64{30e9}, unit: "bytes",
			formula: perGPU + " × {bytes_fp16}",
			compute: func(v *values) float64 { return shard(v) * v.in("bytes_fp16") }},
		{id: "S3.3a", text: "That fits A100 40 GB with ZeRO-1: memory a GPU over 40 GB", published: []float64{1}, relation: AtMost, unit: "1", binds: "capacity",
			formula: "params × ({bytes_fp16} + {gradient_bytes} + {optimizer_bytes} / ({a100s} / ({tp} × {pp}))) / {a100-sxm-40.memory}, params = " + perGPU,
			compute: fits(func(v *values) float64 {
				return shard(v) * (v.in("bytes_fp16") + v.in("gradient_bytes") + v.in("optimizer_bytes")/replicas(v))
			}),
			by:         "capacity: ZeRO-1 shards the optimizer only, and weights and gradients alone take {=} of the memory, before any activation",
			correction: "shard the gradients too (ZeRO-2): S3.3b"},
		{id: "S3.3b", text: "With ZeRO-2, gradients sharded over the replicas too: memory a GPU over 40 GB", published: []float64{1}, relation: AtMost, unit: "1", binds: "capacity",
			formula: "params × ({bytes_fp16} + ({gradient_bytes} + {optimizer_bytes}) / ({a100s} / ({tp} × {pp}))) / {a100-sxm-40.memory}, params = " + perGPU,
			compute: fits(func(v *values) float64 {
				return shard(v) * (v.in("bytes_fp16") + (v.in("gradient_bytes")+v.in("optimizer_bytes"))/replicas(v))
			}),
			say: func(v *values) string {
				room := v.dev("a100-sxm-40", "memory") - shard(v)*(v.in("bytes_fp16")+(v.in("gradient_bytes")+v.in("optimizer_bytes"))/replicas(v))
				return fmt.Sprintf("It fits and leaves %s for activations, with %s replicas.", Format(room, "bytes"), Format(replicas(v), "1"))
			}},
		{id: "S3.3c", text: "Or hybrid sharding, everything over 8 replicas: memory a GPU over 40 GB", published: []float64{1}, relation: AtMost, unit: "1", binds: "capacity",
			formula: "params × ({bytes_fp16} + {gradient_bytes} + {optimizer_bytes}) / {node_gpus} / {a100-sxm-40.memory}, params = " + perGPU,
			compute: fits(func(v *values) float64 {
				return shard(v) * (v.in("bytes_fp16") + v.in("gradient_bytes") + v.in("optimizer_bytes")) / v.in("node_gpus")
			})},
		{id: "S3.4a", text: "Fully sharded over everything costs too much: communication over arithmetic inside a cluster", published: []float64{1}, relation: AtLeast, unit: "1", binds: "the network",
			formula: replaceLink(gatheredFormula, "cluster_link"), compute: gathered("cluster_link"),
			say: func(v *values) string {
				bytes := v.in("gathers") * total(v) * v.in("bytes_fp16")
				return fmt.Sprintf("Each node takes in %s a step, whatever the batch: %s to %s at 1.6T and 800G.", Format(bytes, "bytes"),
					Format(bytes/v.known["cluster_link"].High, "s"), Format(bytes/v.known["cluster_link"].Low, "s"))
			}},
		{id: "S3.4b", text: "Likewise between clusters", published: []float64{1}, relation: AtLeast, unit: "1", binds: "the network",
			formula: replaceLink(gatheredFormula, "between_link"), compute: gathered("between_link"),
			say: func(v *values) string {
				bytes := v.in("gathers") * total(v) * v.in("bytes_fp16")
				return fmt.Sprintf("%s to %s a step at 400G and 200G.", Format(bytes/v.known["between_link"].High, "s"), Format(bytes/v.known["between_link"].Low, "s"))
			}},
		{id: "S3.5", text: "15 stages are \"too many\" for compute and communication: the pipeline's bubble", unit: "%",
			formula: "({pp} − 1) / ({micro_batches} + {pp} − 1)",
			compute: func(v *values) float64 { return (v.in("pp") - 1) / (v.in("micro_batches") + v.in("pp") - 1) },
			answer:  "{=} of a step is idle under 1F1B (Narayanan et al., 2021, section 2.2); interleaving v chunks a stage divides the bubble's time by v.",
			say: func(v *values) string {
				least := total(v) * v.in("bytes_fp16") / v.in("tp") / v.dev("a100-sxm-40", "memory")
				return fmt.Sprintf("The weights alone need %s stages in 40 GB, so memory asks for so many.", Format(least, "1"))
			}},
	}
}
