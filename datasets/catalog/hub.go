package catalog

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"bench/datasets"
)

// hubConfig is what config.json of the Hugging Face hub says of the architectures
// that are known here.
type hubConfig struct {
	Architectures []string `json:"architectures"`
	// Text is the language model of one that also sees images (Gemma 3).
	Text          json.RawMessage `json:"text_config"`
	Hidden        int64           `json:"hidden_size"`
	Layers        int64           `json:"num_hidden_layers"`
	Heads         int64           `json:"num_attention_heads"`
	KVHeads       int64           `json:"num_key_value_heads"`
	HeadDim       int64           `json:"head_dim"`
	FF            int64           `json:"intermediate_size"`
	MoEFF         int64           `json:"moe_intermediate_size"`
	Experts       int64           `json:"num_experts"`
	LocalExperts  int64           `json:"num_local_experts"`
	RoutedExperts int64           `json:"n_routed_experts"`
	SharedExperts int64           `json:"n_shared_experts"`
	TopK          int64           `json:"num_experts_per_tok"`
	Groups        int64           `json:"n_group"`
	TopGroups     int64           `json:"topk_group"`
	FirstDense    int64           `json:"first_k_dense_replace"`
	QRank         int64           `json:"q_lora_rank"`
	KVRank        int64           `json:"kv_lora_rank"`
	Nope          int64           `json:"qk_nope_head_dim"`
	Rope          int64           `json:"qk_rope_head_dim"`
	Value         int64           `json:"v_head_dim"`
	Vocabulary    int64           `json:"vocab_size"`
	Tied          *bool           `json:"tie_word_embeddings"`
	Context       int64           `json:"max_position_embeddings"`
	Window        int64           `json:"sliding_window"`
	WindowPattern int64           `json:"sliding_window_pattern"`
	LayerTypes    []string        `json:"layer_types"`
	UseWindow     bool            `json:"use_sliding_window"`
	Quantization  *struct {
		Method    string   `json:"quant_method"`
		Bits      float64  `json:"bits"`
		Group     float64  `json:"group_size"`
		Exclude   []string `json:"modules_to_not_convert"`
		ActScheme string   `json:"activation_scheme"`
	} `json:"quantization_config"`
}

// architectures are those that fromHub reads.
var architectures = []string{"LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "Qwen3MoeForCausalLM",
	"GptOssForCausalLM", "DeepseekV3ForCausalLM", "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"}

// isHub reports a config.json of the hub.
func isHub(data []byte) bool {
	var c struct {
		Architectures []string `json:"architectures"`
	}
	return json.Unmarshal(data, &c) == nil && c.Architectures != nil
}

// fromHub reads a config.json. Its quantization_config becomes the model's
// published types (Model.Published, Model.ExpertBits, Model.DenseBits).
func fromHub(path string, data []byte) (datasets.Model, error) {
	var c hubConfig
	fail := func(format string, args ...any) (datasets.Model, error) {
		return datasets.Model{}, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return fail("not a config.json of the Hugging Face hub: %v", err)
	}
	if len(c.Architectures) != 1 || !slices.Contains(architectures, c.Architectures[0]) {
		return fail("architecture %q is not known: use one of %s, or describe the model (docs/models-of-models.md)", strings.Join(c.Architectures, ", "), strings.Join(architectures, ", "))
	}
	name := c.Architectures[0]
	if c.Text != nil {
		if err := json.Unmarshal(c.Text, &c); err != nil {
			return fail("text_config: %v", err)
		}
	}
	m := datasets.Model{Layers: c.Layers, Hidden: c.Hidden, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, FFWidth: c.FF, Gated: true,
		Experts: 1, TopK: 1, Vocabulary: c.Vocabulary, Context: c.Context, Source: path}
	m.ID = strings.TrimSuffix(filepath.Base(path), ".json")
	if m.ID == "config" {
		m.ID = filepath.Base(filepath.Dir(path))
	}
	m.Name = m.ID
	if m.KVHeads == 0 {
		m.KVHeads = m.Heads
	}
	if m.HeadDim == 0 && m.Heads > 0 {
		m.HeadDim = m.Hidden / m.Heads
	}
	m.Tied = c.Tied != nil && *c.Tied
	if n := c.Experts + c.LocalExperts + c.RoutedExperts; n > 1 {
		m.Experts, m.TopK, m.SharedExperts = n, c.TopK, c.SharedExperts
		if c.MoEFF > 0 {
			m.FFWidth = c.MoEFF
		}
	}
	c.attention(name, &m)
	if q := c.Quantization; q != nil {
		switch q.Method {
		case "fp8", "fbgemm_fp8", "compressed-tensors":
			m.Published = datasets.FP8
			m.WideAttention = slices.ContainsFunc(q.Exclude, func(s string) bool { return strings.Contains(s, "self_attn") })
		case "mxfp4":
			m.ExpertBits = 4.25
		case "awq", "gptq", "gptq_marlin":
			group := q.Group
			if group <= 0 {
				group = 128
			}
			m.DenseBits = q.Bits + 16/group
			m.ExpertBits = m.DenseBits
		default:
			return fail("quant_method %q is not known: use fp8, fbgemm_fp8, compressed-tensors, mxfp4, awq or gptq", q.Method)
		}
	}
	if err := m.Validate(); err != nil {
		return fail("%v", err)
	}
	return m, nil
}

// attention fills in what the architecture's name implies.
func (c *hubConfig) attention(name string, m *datasets.Model) {
	switch name {
	case "Qwen3ForCausalLM", "Qwen3MoeForCausalLM":
		m.QKNorm = true
	case "GptOssForCausalLM":
		m.Biased = true
		m.Window, m.WindowLayers = c.Window, m.Layers/2
	case "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration":
		m.QKNorm, m.SandwichNorms, m.Tied = true, true, c.Tied == nil || *c.Tied
		pattern := c.WindowPattern
		if pattern == 0 {
			pattern = 6
		}
		m.Window, m.WindowLayers = c.Window, m.Layers-m.Layers/pattern
	case "DeepseekV3ForCausalLM":
		m.Latent = &datasets.Latent{QRank: c.QRank, KVRank: c.KVRank, QKNope: c.Nope, QKRope: c.Rope, Value: c.Value}
		m.HeadDim, m.KVHeads = c.Nope, m.Heads
		m.DenseLayers, m.DenseFFWidth = c.FirstDense, c.FF
		if c.Groups > 1 {
			m.RoutedNodes = c.TopGroups
		}
	case "MistralForCausalLM":
		if c.Window > 0 {
			m.Window, m.WindowLayers = c.Window, m.Layers
		}
	}
	if n := int64(len(c.LayerTypes)); n == m.Layers {
		m.WindowLayers = 0
		for _, t := range c.LayerTypes {
			if t == "sliding_attention" {
				m.WindowLayers++
			}
		}
	}
	if m.WindowLayers == 0 {
		m.Window = 0
	}
}
