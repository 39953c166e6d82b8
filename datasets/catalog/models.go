package catalog

import (
	"fmt"
	"slices"
	"strings"

	"bench/datasets"
)

const (
	llama2 = `Touvron et al., "Llama 2" (2023), and the model's config.json`
	llama3 = `Grattafiori et al., "The Llama 3 Herd of Models" (2024), table 3, and the model's config.json`
	palm   = `Chowdhery et al., "PaLM" (2022), table 1 and section 2`
	pope   = `Pope et al., "Efficiently Scaling Transformer Inference" (2022), section 4 and table 1`
	gpt4   = `Patel and Wong, "GPT-4 Architecture", SemiAnalysis (July 2023)`
)

// models lists the catalogue in the order in which it is shown.
var models = []datasets.Model{
	{ID: "gpt-3-175b", Name: "GPT-3 175B", Layers: 96, Hidden: 12288, Heads: 96, KVHeads: 96, HeadDim: 128,
		FFWidth: 4 * 12288, Experts: 1, TopK: 1, Vocabulary: 50257, Tied: true, LearnedPositions: 2048, Context: 2048,
		Source: `Brown et al., "Language Models are Few-Shot Learners" (2020), table 2.1`},
	{ID: "llama-2-7b", Name: "Llama 2 7B", Layers: 32, Hidden: 4096, Heads: 32, KVHeads: 32, HeadDim: 128,
		FFWidth: 11008, Gated: true, Experts: 1, TopK: 1, Vocabulary: 32000, Context: 4096, Source: llama2},
	{ID: "llama-2-13b", Name: "Llama 2 13B", Layers: 40, Hidden: 5120, Heads: 40, KVHeads: 40, HeadDim: 128,
		FFWidth: 13824, Gated: true, Experts: 1, TopK: 1, Vocabulary: 32000, Context: 4096, Source: llama2},
	{ID: "llama-2-70b", Name: "Llama 2 70B", Layers: 80, Hidden: 8192, Heads: 64, KVHeads: 8, HeadDim: 128,
		FFWidth: 28672, Gated: true, Experts: 1, TopK: 1, Vocabulary: 32000, Context: 4096, Source: llama2},
	{ID: "llama-3-8b", Name: "Llama 3 8B", Layers: 32, Hidden: 4096, Heads: 32, KVHeads: 8, HeadDim: 128,
		FFWidth: 14336, Gated: true, Experts: 1, TopK: 1, Vocabulary: 128256, Context: 8192, Source: llama3},
	{ID: "llama-3-70b", Name: "Llama 3 70B", Layers: 80, Hidden: 8192, Heads: 64, KVHeads: 8, HeadDim: 128,
		FFWidth: 28672, Gated: true, Experts: 1, TopK: 1, Vocabulary: 128256, Context: 8192, Source: llama3},
	{ID: "llama-3-405b", Name: "Llama 3.1 405B", Layers: 126, Hidden: 16384, Heads: 128, KVHeads: 8, HeadDim: 128,
		FFWidth: 53248, Gated: true, Experts: 1, TopK: 1, WideAttention: true, WideEdges: 1, WideKVHeads: 16,
		Vocabulary: 128256, Context: 131072, Source: llama3 + "; its FP8 checkpoint as first published (July 2024): quantization_config, and num_key_value_heads 16"},
	llama3Of("llama-3.1-8b", "Llama 3.1 8B", 32, 4096, 32, 14336),
	llama3Of("llama-3.1-70b", "Llama 3.1 70B", 80, 8192, 64, 28672),
	llama3Of("llama-3.3-70b", "Llama 3.3 70B", 80, 8192, 64, 28672),
	{ID: "gopher-280b", Name: "Gopher 280B", Layers: 80, Hidden: 16384, Heads: 128, KVHeads: 128, HeadDim: 128,
		FFWidth: 4 * 16384, RelativePositions: true, Experts: 1, TopK: 1, Vocabulary: 32000, Tied: true, Context: 2048,
		Source: `Rae et al., "Scaling Language Models" (2021), table 1 and section 3.1`},
	{ID: "chinchilla-70b", Name: "Chinchilla 70B", Layers: 80, Hidden: 8192, Heads: 64, KVHeads: 64, HeadDim: 128,
		FFWidth: 4 * 8192, RelativePositions: true, Experts: 1, TopK: 1, Vocabulary: 32000, Tied: true, Context: 2048,
		Source: `Hoffmann et al., "Training Compute-Optimal Large Language Models" (2022), table 4; its relative positions are Gopher's`},
	{ID: "palm-540b", Name: "PaLM 540B", Layers: 118, Hidden: 18432, Heads: 48, KVHeads: 1, HeadDim: 256,
		FFWidth: 4 * 18432, Gated: true, ParallelBlocks: true, Experts: 1, TopK: 1, Vocabulary: 256000, Tied: true, Context: 2048, Source: palm},
	{ID: "palm-540b-mha", Name: "PaLM 540B, multi-head variant", Layers: 118, Hidden: 18432, Heads: 48, KVHeads: 48, HeadDim: 128,
		FFWidth: 4 * 18432, Gated: true, ParallelBlocks: true, Experts: 1, TopK: 1, Vocabulary: 256000, Tied: true, Context: 2048,
		Source: pope + "; the head size is halved to keep the parameters of attention"},
	{ID: "mixtral-8x7b", Name: "Mixtral 8x7B", Layers: 32, Hidden: 4096, Heads: 32, KVHeads: 8, HeadDim: 128,
		FFWidth: 14336, Gated: true, Experts: 8, TopK: 2, Vocabulary: 32000, Context: 32768,
		Source: `Jiang et al., "Mixtral of Experts" (2024), table 1`},
	{ID: "mixtral-8x22b", Name: "Mixtral 8x22B", Layers: 56, Hidden: 6144, Heads: 48, KVHeads: 8, HeadDim: 128,
		FFWidth: 16384, Gated: true, Experts: 8, TopK: 2, Vocabulary: 32768, Context: 65536,
		Source: "mistralai/Mixtral-8x22B-v0.1 config.json (2024); its vocabulary is 32000 in v0.1 and 32768 in the instructed version taken here"},
	{ID: "deepseek-v3", Name: "DeepSeek-V3", Layers: 61, Hidden: 7168, Heads: 128, KVHeads: 128, HeadDim: 128,
		FFWidth: 2048, Gated: true, Experts: 256, TopK: 8, SharedExperts: 1, DenseLayers: 3, DenseFFWidth: 18432,
		Latent: deepseekLatent, RoutedNodes: 4,
		Vocabulary: 129280, Context: 131072,
		Source: `DeepSeek-AI, "DeepSeek-V3 Technical Report" (2024), section 4.2, without the multi-token prediction module`},
	{ID: "deepseek-r1", Name: "DeepSeek-R1", Layers: 61, Hidden: 7168, Heads: 128, KVHeads: 128, HeadDim: 128,
		FFWidth: 2048, Gated: true, Experts: 256, TopK: 8, SharedExperts: 1, DenseLayers: 3, DenseFFWidth: 18432,
		Latent: deepseekLatent, RoutedNodes: 4, Vocabulary: 129280, Context: 131072,
		Source: `DeepSeek-AI, "DeepSeek-R1" (2025): trained from DeepSeek-V3-Base, the same architecture`},
	{ID: "kimi-k2", Name: "Kimi K2", Layers: 61, Hidden: 7168, Heads: 64, KVHeads: 64, HeadDim: 128,
		FFWidth: 2048, Gated: true, Experts: 384, TopK: 8, SharedExperts: 1, DenseLayers: 1, DenseFFWidth: 18432,
		Latent: deepseekLatent, Vocabulary: 163840, Context: 131072,
		Source: `Moonshot AI, "Kimi K2" (2025), table 2, and the model's config.json`},
	qwen3("qwen3-8b", "Qwen3 8B", 36, 4096, 32, 8, 12288),
	qwen3("qwen3-32b", "Qwen3 32B", 64, 5120, 64, 8, 25600),
	qwen3MoE("qwen3-30b-a3b", "Qwen3 30B-A3B", 48, 2048, 32, 4, 768, 128),
	qwen3MoE("qwen3-235b-a22b", "Qwen3 235B-A22B", 94, 4096, 64, 4, 1536, 128),
	qwen3MoE("qwen3-coder-480b-a35b", "Qwen3-Coder 480B-A35B", 62, 6144, 96, 8, 2560, 160),
	gptOSS("gpt-oss-20b", "gpt-oss-20b", 24, 32),
	gptOSS("gpt-oss-120b", "gpt-oss-120b", 36, 128),
	gemma3("gemma-3-4b", "Gemma 3 4B", 34, 2560, 8, 4, 256, 10240),
	gemma3("gemma-3-12b", "Gemma 3 12B", 48, 3840, 16, 8, 256, 15360),
	gemma3("gemma-3-27b", "Gemma 3 27B", 62, 5376, 32, 16, 128, 21504),
	// 120 layers, 16 experts of 111 B, 55 B of attention (CLAIMS S1). With
	// 4·h² of attention and 8·h² an expert a layer, the classic proportions,
	// h = 10752 gives 55.5 B and 111.0 B: the two published figures agree.
	{ID: "gpt-4", Name: "GPT-4 as reported", Layers: 120, Hidden: 10752, Heads: 96, KVHeads: 96, HeadDim: 112,
		FFWidth: 4 * 10752, Experts: 16, TopK: 2, Vocabulary: 100277, Context: 8192, Source: gpt4,
		Assumption: "widths and head counts are not published; multi-head attention of 4·h² and two-matrix experts of 8·h² a layer give the reported 55 B and 111 B at h = 10752, and 96 heads of 112 divide it by 8 ranks; the vocabulary is that of tiktoken's cl100k_base"},
	{ID: "gpt-4-mqa", Name: "GPT-4 as reported, multi-query", Layers: 120, Hidden: 10752, Heads: 96, KVHeads: 1, HeadDim: 112,
		FFWidth: 4 * 10752, Experts: 16, TopK: 2, Vocabulary: 100277, Context: 8192, Source: gpt4,
		Assumption: "gpt-4 with the single KV head that the same article reports; its attention is then 28 B parameters, not the reported 55 B"},
	// Host layers: real ones at a quarter of their width, so that the weights
	// of a layer are tens of megabytes in fp32 and do not fit a cache.
	{ID: "host-mha", Name: "host, multi-head", Layers: 8, Hidden: 1024, Heads: 8, KVHeads: 8, HeadDim: 128,
		FFWidth: 2752, Gated: true, Experts: 1, TopK: 1, Vocabulary: 32000, Context: 4096,
		Source: "Llama 2 7B at a quarter of its width; " + llama2},
	{ID: "host-gqa", Name: "host, grouped-query", Layers: 8, Hidden: 1024, Heads: 8, KVHeads: 2, HeadDim: 128,
		FFWidth: 3584, Gated: true, Experts: 1, TopK: 1, Vocabulary: 128256, Context: 8192,
		Source: "Llama 3 8B at a quarter of its width; " + llama3},
	{ID: "host-mqa", Name: "host, multi-query", Layers: 8, Hidden: 1024, Heads: 4, KVHeads: 1, HeadDim: 256,
		FFWidth: 4096, Gated: true, Experts: 1, TopK: 1, Vocabulary: 256000, Tied: true, Context: 2048,
		Source: `PaLM 8B at a quarter of its width; Chowdhery et al., "PaLM" (2022), table 1`},
}

var deepseekLatent = &datasets.Latent{QRank: 1536, KVRank: 512, QKNope: 128, QKRope: 64, Value: 128}

func llama3Of(id, name string, layers, hidden, heads, width int64) datasets.Model {
	return datasets.Model{ID: id, Name: name, Layers: layers, Hidden: hidden, Heads: heads, KVHeads: 8, HeadDim: 128,
		FFWidth: width, Gated: true, Experts: 1, TopK: 1, Vocabulary: 128256, Context: 131072, Source: llama3}
}

func qwen3(id, name string, layers, hidden, heads, kvHeads, width int64) datasets.Model {
	return datasets.Model{ID: id, Name: name, Layers: layers, Hidden: hidden, Heads: heads, KVHeads: kvHeads, HeadDim: 128,
		FFWidth: width, Gated: true, Experts: 1, TopK: 1, QKNorm: true, Vocabulary: 151936, Context: 40960,
		Source: `Qwen Team, "Qwen3 Technical Report" (2025), tables 1 and 2, and the model's config.json`}
}

func qwen3MoE(id, name string, layers, hidden, heads, kvHeads, width, experts int64) datasets.Model {
	m := qwen3(id, name, layers, hidden, heads, kvHeads, width)
	m.Experts, m.TopK = experts, 8
	return m
}

// gptOSS has attention over 128 tokens in every other layer, and experts in
// MXFP4: 4 bits, and a scale of 8 bits for each 32.
func gptOSS(id, name string, layers, experts int64) datasets.Model {
	return datasets.Model{ID: id, Name: name, Layers: layers, Hidden: 2880, Heads: 64, KVHeads: 8, HeadDim: 64,
		FFWidth: 2880, Gated: true, Experts: experts, TopK: 4, Window: 128, WindowLayers: layers / 2, Biased: true, ExpertBits: 4.25,
		Vocabulary: 201088, Context: 131072, Source: `OpenAI, "gpt-oss-120b & gpt-oss-20b Model Card" (2025), table 1, and the model's config.json`}
}

// gemma3 is the text model: five layers over 1,024 tokens, then one over all.
func gemma3(id, name string, layers, hidden, heads, kvHeads, headDim, width int64) datasets.Model {
	return datasets.Model{ID: id, Name: name, Layers: layers, Hidden: hidden, Heads: heads, KVHeads: kvHeads, HeadDim: headDim,
		FFWidth: width, Gated: true, Experts: 1, TopK: 1, Window: 1024, WindowLayers: layers - layers/6, QKNorm: true, SandwichNorms: true,
		Vocabulary: 262208, Tied: true, Context: 131072, Source: `Gemma Team, "Gemma 3 Technical Report" (2025), table 1, and the model's config.json`}
}

// Models lists the model catalogue.
func Models() []datasets.Model { return append([]datasets.Model(nil), models...) }

// Model finds a model by its catalogue name, in any case, or by the name that it
// has on the Hugging Face hub (MatchModel). The error lists the known ones.
func Model(id string) (datasets.Model, error) {
	if m, ok := MatchModel(id); ok {
		return m, nil
	}
	known := make([]string, len(models))
	for i, m := range models {
		known[i] = m.ID
	}
	return datasets.Model{}, fmt.Errorf("unknown model %q: use one of %s", id, strings.Join(known, ", "))
}

// MatchModel finds the model that a Hugging Face name means: its owner, and what
// says how it was tuned or quantised, are left out.
func MatchModel(name string) (datasets.Model, bool) {
	name = strings.ToLower(name[strings.LastIndex(name, "/")+1:])
	name = strings.TrimPrefix(name, "meta-")
	for {
		id := hubNames.Replace(name)
		if i := slices.IndexFunc(models, func(m datasets.Model) bool { return m.ID == id }); i >= 0 {
			return models[i], true
		}
		cut := name
		for _, suffix := range []string{"-fp8", "-bf16", "-hf", "-instruct", "-chat", "-it", "-it-qat", "-v0.1", "-v0.3", "-base", "-0528", "-0324", "-2507", "-dynamic",
			"-awq", "-gptq-int4", "-w4a16", "-nvfp4", "-thinking", "-fp4"} {
			cut = strings.TrimSuffix(cut, suffix)
		}
		if cut == name {
			return datasets.Model{}, false
		}
		name = cut
	}
}

// hubNames are names of the hub that the catalogue writes otherwise.
var hubNames = strings.NewReplacer("llama2-", "llama-2-", "llama3-", "llama-3-", "llama-3.1-405b", "llama-3-405b")
