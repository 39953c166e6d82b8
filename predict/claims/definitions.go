package claims

// definition is a formula that several rows share, with its parameters.
type definition struct {
	parameters []string
	formula    string
}

// of shortens a definition's line.
func of(formula string, parameters ...string) definition { return definition{parameters, formula} }

// definitions name what the article's figures add up to. The sources of their
// inputs are the inputs' own.
var definitions = map[string]definition{
	"params":  of("experts × expert_params + shared_params"),
	"active":  of("top_k × expert_params + shared_params"),
	"forward": of("flop_per_weight × active"),
	// FLOP that one token spends on attending to a causal context c, averaged over
	// its positions (Dao et al., "FlashAttention-2", 2023, section 4.1).
	"attention": of("flop_per_weight × kv_sides × layers × attention_width × c / 2", "c"),

	// Training: 6 FLOP per used parameter and token (Kaplan et al., 2020, section 2.1).
	"training":  of("train_passes × forward × tokens"),
	"delivered": of("a100s × a100_40.fp16 × train_mfu × train_days × hours × hour_s"),
	"replicas":  of("a100s / (tp × pp)"),
	"shard":     of("params / (tp × pp)"),
	"step":      of("train_passes × forward × batch_tokens / (a100s × a100_40.fp16 × train_mfu)"),
	"sequences": of("batch_tokens / context"),
	"micro":     of("sequences / replicas"),
	"bubble":    of("(pp − 1) / v / (micro + (pp − 1) / v)", "v"),
	"h100_mfu":  of("training / (h100s × peak × h100_days × hours × hour_s)", "peak"),

	// A ring all-reduce sends 2·(n−1)/n of a buffer from each rank (Thakur et al.,
	// 2005, section 4.4).
	"ring":   of("ring_passes × (n − 1) / n", "n"),
	"inside": of("ring(tp) × hidden × bytes_fp16 / a100_40.link_bandwidth"),
	// Over two nodes each GPU's part of 1/tp also crosses its own network port.
	"beyond": of("inside + ring(2) × hidden × bytes_fp16 / tp / a100_40.network_bandwidth"),

	// What a node can hold, and what it can read fast enough, in parameters.
	"dense":         of("min(node_gpus × memory, node_gpus × bandwidth / rate) / bytes", "memory", "bandwidth", "rate", "bytes"),
	"balance":       of("peak / h100.memory_bandwidth", "peak"),
	"balance_batch": of("balance(peak) × bytes / flop_per_weight", "peak", "bytes"),

	// Serving: 8 layers a node over 15 nodes (S10.6), each split over 8 GPUs.
	"held":       of("params / (layer_nodes × tp)"),
	"gpus":       of("tp × serve_pp"),
	"room":       of("a100_40.memory − held × bytes", "bytes"),
	"kv_gpu":     of("kv_sides × layers / layer_nodes × kv_head_dim × bytes_fp16 × kv_copies / tp"),
	"kv_gpu_mha": of("kv_sides × layers / layer_nodes × attention_width × bytes_fp16 / tp"),
	"rate":       of("gpus × price / hour_s / (cost / thousand)", "price", "cost"),
	"used":       of("rate(price, cost) × forward / (gpus × peak)", "price", "cost", "peak"),

	"palm_kv": of("kv_sides × palm_layers × palm_heads × palm_mha_dim × bytes_fp16 × kv_batch × kv_context"),
	// Bytes a token sends between nodes if each layer's experts are spread over them.
	"spread_bytes": of("ring_passes × top_k × (layer_nodes − 1) / layer_nodes × layers × hidden × bytes_fp16"),

	// Tokens an accepted draft gives (Leviathan et al., 2023, equation 1).
	"accepted": of("(1 − pow(acceptance, draft_tokens + 1)) / (1 − acceptance)"),
}
