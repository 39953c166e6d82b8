package claims

import "math"

// one is an input of one value that the article gives.
func one(x float64, unit, source string) Input {
	return Input{Span: Span{x, x}, Unit: unit, Source: source, Whole: unit == "1" && x == math.Trunc(x)}
}

// stated is a range that the article itself gives.
func stated(low, high float64, unit, source string) Input {
	return Input{Span: Span{low, high}, Unit: unit, Source: source}
}

// missing is what the article does not give, between plausible ends.
func missing(low, high float64, unit, source string) Input {
	return Input{Span: Span{low, high}, Unit: unit, Source: source, Missing: true,
		Whole: unit == "1" && low == math.Trunc(low) && high == math.Trunc(high) && high > 2}
}

// printedInputs is what the article states, by the line that states it.
var printedInputs = map[string]Input{
	"total_params":        one(1.8e12, "params", "S1.1"),
	"layers":              one(120, "1", "S1.1"),
	"experts":             one(16, "1", "S1.2"),
	"expert_params":       one(111e9, "params", "S1.2"),
	"top_k":               one(2, "1", "S1.2"),
	"shared_params":       one(55e9, "params", "S1.2"),
	"active_printed":      one(280e9, "params", "S1.3"),
	"forward_printed":     one(560e12, "FLOP", "S1.4"),
	"dense_printed":       one(3700e12, "FLOP", "S1.5"),
	"gpt3_params":         one(175e9, "params", "S1.6; Brown et al. (2020), table 2.1"),
	"tokens":              one(13e12, "tokens", "S2.1"),
	"text_epochs":         one(2, "1", "S2.1"),
	"code_epochs":         one(4, "1", "S2.1"),
	"batch_tokens":        one(60e6, "tokens", "S2.4"),
	"context":             one(8192, "tokens", "S2.5: 8k"),
	"long_context":        one(32768, "tokens", "S2.5: 32k"),
	"tp":                  one(8, "1", "S3.1"),
	"pp":                  one(15, "1", "S3.2"),
	"a100s":               one(25000, "1", "S4.1"),
	"train_days":          stated(90, 100, "day", "S4.1"),
	"train_mfu":           stated(0.32, 0.36, "1", "S4.1"),
	"a100_hour_usd":       one(1, "USD", "S4.2"),
	"h100s":               one(8192, "1", "S4.3"),
	"h100_hour_usd":       one(2, "USD", "S4.3"),
	"h100_days":           one(55, "day", "S4.3"),
	"cluster_link":        stated(100e9, 200e9, "bytes/s", "S3.4: 800G and 1.6T in bits, each way, for a node of 8 GPUs"),
	"between_link":        stated(25e9, 50e9, "bytes/s", "S3.4: 200G and 400G in bits, each way, for a node of 8 GPUs"),
	"dense_params":        one(1e12, "params", "S5.1"),
	"user_rate":           one(100.0/3, "tokens/s", "S5.1: 33.33"),
	"slow_rate":           one(20, "tokens/s", "S5.2"),
	"reader_rate":         one(30, "tokens/s", "S5.4"),
	"price_1k":            one(0.06, "USD", "S5.5"),
	"node_gpus":           one(8, "1", "S5.1, S10.1"),
	"serve_pp":            one(16, "1", "S10.1"),
	"layer_nodes":         one(15, "1", "S10.6"),
	"cost_a100_1k":        one(0.0049, "1", "S11.1, the number without its unit"),
	"cost_h100_1k":        one(0.0021, "1", "S11.2, the number without its unit"),
	"kv_batch":            one(512, "1", "S8.1"),
	"kv_context":          one(2048, "tokens", "S8.1"),
	"small_batch":         one(8, "1", "S9.1"),
	"large_batch":         one(4096, "1", "S9.3: 4k"),
	"more_experts":        stated(64, 128, "1", "S9.4"),
	"draft_tokens":        one(4, "1", "S12.6"),
	"vision_tokens":       one(2e12, "tokens", "S12.9"),
	"vision_bytes":        one(600, "bytes", "S12.10"),
	"text_bytes":          one(4, "bytes", "S12.10"),
	"balance_flops":       one(2000e12, "FLOP/s", "S6.2"),
	"balance_bytes":       one(3e12, "bytes/s", "S6.2"),
	"chinchilla_params":   one(70e9, "params", "S2.2; Hoffmann et al. (2022), table 1"),
	"chinchilla_tokens":   one(1.4e12, "tokens", "S2.2; Hoffmann et al. (2022), table 1"),
	"palm_tokens_printed": one(0.78e12, "tokens", "S2.2"),
	"node_params_printed": one(130e9, "params", "S10.2"),
	"palm_params":         one(540e9, "params", "S2.2; Chowdhery et al. (2022), table 1: 540.35 B"),
}

// literature is what other sources give, and definitions.
var literature = map[string]Input{
	"flop_per_weight": one(2, "FLOP", "definition: one multiply and one add a weight and token"),
	"train_passes":    one(3, "1", "forward, and twice that backward: Kaplan et al., \"Scaling Laws\" (2020), section 2.1"),
	"bytes_fp16":      one(2, "bytes", "definition of FP16"),
	"bytes_fp8":       one(1, "bytes", "definition of FP8 and INT8"),
	"hours":           one(24, "h", "definition: hours of a day"),
	"hour_s":          one(3600, "s", "definition: seconds of an hour"),
	"thousand":        one(1e3, "1", "definition: 1k"),
	"cent":            one(0.01, "USD", "definition of a cent"),
	"ff_ratio":        one(2, "1", "a two-matrix feed-forward four times as wide as the model has 8·h² weights, multi-head attention 4·h²: Vaswani et al. (2017), section 3"),

	"palm_tokens_paper": one(780e9, "tokens", "Chowdhery et al., \"PaLM\" (2022), section 3"),
	"palm2_tokens":      missing(3.6e12, 5e12, "tokens", "CNBC (16 May 2023) for the low end, S2.2 for the high one; Google has published neither"),
	"palm2_params":      missing(340e9, 340e9, "params", "CNBC (16 May 2023); Google has not published it"),
	"code_share":        missing(0.05, 0.30, "1", "share of the tokens seen that is code: 4.5 % in LLaMA (Touvron et al., 2023, table 1), 17 % in Llama 3 (Grattafiori et al., 2024, section 3.1.2), and room above"),
	"gpt3_tokens":       one(300e9, "tokens", "Brown et al. (2020), section 2.2"),
	"text_stock":        missing(100e12, 1000e12, "tokens", "stock of public human text, quality adjusted: Villalobos et al., \"Will we run out of data?\" (2024), 90 % interval around 300 T"),
	"micro_sequences":   missing(1, 8, "1", "8k sequences of a micro-batch: the article does not say"),
	"interleave":        missing(1, 8, "1", "parts of a stage taken in turns: none, to each of its 8 layers (Narayanan et al., 2021, section 2.2)"),
	"kept_kv":           missing(0, 1, "1", "share of keys and values that are kept and not recomputed"),
	"reduced_bytes":     missing(2, 4, "bytes", "a gradient on the wire: FP16, or FP32"),
	"several":           missing(1, 5, "1", "how many times is \"several\""),
	"load":              missing(0.3, 226.75/278, "1", "mean load over peak load, up to DeepSeek's 226.75 nodes on average of 278 at the peak (\"DeepSeek-V3/R1 Inference System Overview\", 2025)"),
	"tier":              missing(0, 1, "1", "0 is the datasheet tier, 1 the best tier that is calibrated"),
	"answer_tokens":     one(1024, "tokens", "our reading of a request at S11's 8k: 7k in, 1k out"),
	"server_range":      missing(0, 1, "1", "where a real server lies in the 90 % range of the serving model: fast at 0, slow at 1 (docs/validation-serving.md)"),
	"weight_bytes":      missing(1, 2, "bytes", "INT8 or FP16 weights: S10.3 and S10.4 have both"),
	"prefix_share":      missing(0, 0.9, "1", "share of the context that all users' prompts begin with"),
	"image_share":       missing(0, 1, "1", "share of the tokens that are images"),
	"gpt4_heads":        missing(96, 96, "1", "query heads of catalogue model gpt-4; not printed"),
	"compared_batch":    missing(512, 4096, "1", "batch at which the two models are compared: from S6.4's 512 to S9.3's 4k"),
	"usd":               one(1, "USD", "definition: S11 read as dollars (S11.1a, S11.2a exclude cents)"),
	"optimal_ratio":     one(20, "1", "Hoffmann et al., \"Training Compute-Optimal LLMs\" (2022), table 3: 20 tokens a parameter"),
	// The width follows from S1: 111 B an expert in 120 layers is 8·h² at
	// h = 10,753. The attention width, heads times their size, is the width in
	// most models; PaLM has 2/3 of it (48·256 of 18,432), GPT-3 6.7B all.
	"hidden":          missing(10752, 10752, "1", "S1's 111 B an expert and 55 B shared in 120 layers at 8·h² and 4·h² a layer; not printed"),
	"attention_width": missing(7168, 10752, "1", "heads × head size: 2/3 of the width as in PaLM 540B (48 × 256 of 18,432; Chowdhery et al., table 1) to all of it as in GPT-3 (Brown et al., table 2.1)"),
	"kv_head_dim":     missing(64, 256, "1", "size of the one KV head: 64 (Falcon-7B's config.json) to 256 (PaLM; Chowdhery et al., table 1)"),
	"kv_copies":       missing(1, 8, "1", "tensor-parallel ranks that hold the same KV head: 8 if heads are split, 1 if the batch is (Pope et al., 2022, section 3.3)"),

	"optimizer_bytes": one(12, "bytes", "Adam in mixed precision: FP32 weights, momentum, variance (Rajbhandari et al., \"ZeRO\", 2020, section 3.1)"),
	"gradient_bytes":  one(2, "bytes", "FP16 gradients (Rajbhandari et al., 2020, section 3.1)"),
	"gathers":         one(3, "1", "a fully sharded step gathers the weights forward and backward and reduces the gradients: Rajbhandari et al. (2020), section 7.2.2: 3Ψ"),
	"ring_passes":     one(2, "1", "an all-reduce is a reduce-scatter and an all-gather (Thakur et al., 2005, section 4.4)"),

	"words_minute":       one(238, "1", "silent reading of English: Brysbaert, \"How many words do we read per minute?\" (2019), abstract"),
	"words_token":        one(0.75, "1", "English words a token: OpenAI help centre, \"What are tokens and how to count them?\""),
	"minute_s":           one(60, "s", "definition: seconds of a minute"),
	"palm_layers":        one(118, "1", "Chowdhery et al. (2022), table 1"),
	"palm_heads":         one(48, "1", "Chowdhery et al. (2022), table 1"),
	"palm_mha_dim":       one(128, "1", "Pope et al. (2022), section 4.2: the multi-head variant of PaLM 540B has heads of 128 instead of 256, to keep the attention weights"),
	"big_params":         stated(500e9, 540e9, "params", "S8.1, and PaLM 540B, whose variant it is (Pope et al., 2022, section 3.3)"),
	"kv_sides":           one(2, "1", "definition: a key and a value"),
	"gpt3_layers":        one(96, "1", "Brown et al. (2020), table 2.1"),
	"gpt3_hidden":        one(12288, "1", "Brown et al. (2020), table 2.1"),
	"ff_weights":         one(8, "1", "weights of a feed-forward, by h²: Brown et al. (2020), section 2.1: four times as wide, two matrices"),
	"dense_layers":       missing(96, 126, "1", "from GPT-3 175B's 96 (Brown et al., table 2.1) to Llama 3 405B's 126 (Grattafiori et al., 2024, table 3): a 1 T model is not described"),
	"layer_all_reduces":  one(2, "1", "after attention and after the feed-forward: Shoeybi et al., \"Megatron-LM\" (2019), section 3"),
	"all_reduce_latency": missing(5.4e-6, 21.2e-6, "s", "16 KiB over 8 H100, in a CUDA graph and launched one by one: aiconfigurator (095f58a), custom_allreduce_perf, vLLM 0.14.0"),
	"batch_256":          one(256, "tokens", "S6.4"),
	"batch_512":          one(512, "tokens", "S6.4"),
	"ff_width":           one(4, "1", "a feed-forward four times as wide as the model: S1's 8·h² a layer"),
	"ff_limit":           one(300e9, "params", "S5.3"),
	"a100_cost_printed":  one(63e6, "USD", "S4.2"),
	"vision_passes":      missing(2, 3, "1", "forward, and backward through the frozen model for activations alone (2, as in Flamingo: Alayrac et al., 2022, section 2.3) or for the weights too (3)"),
	"vision_extra":       missing(1, 80.0/70, "1", "parameters added on top: none, to Flamingo-80B's on Chinchilla 70B (Alayrac et al., 2022, section 3)"),
	"acceptance":         missing(0.5, 0.9, "1", "chance that a drafted token is accepted: Leviathan et al., \"Fast Inference from Transformers via Speculative Decoding\" (2023), tables 2 and 3: about 0.5 to 0.9"),
	"draft_cost":         missing(0.01, 0.1, "1", "time of one drafted token over one of the model's: Leviathan et al. (2023), section 3.5 and table 2"),
	"zipf_exponent":      missing(0, 1, "1", "skew of the router: 0 is the even load that balancing losses aim at (Fedus et al., \"Switch Transformers\", 2021, section 2.2), 1 is Zipf's law"),
	"decode_batch":       missing(8, 4096, "1", "tokens decoded together: from S9.1's 8 to S9.3's 4k"),
	"output_tokens":      missing(200, 200, "tokens", "mean output: it scales out of the gain, as steps are counted in tokens"),
	"output_spread":      missing(0, 1, "1", "coefficient of variation of the output lengths: none, to that of an exponential"),
	"slots":              missing(8, 128, "1", "largest batch of a replica: not given"),
}
