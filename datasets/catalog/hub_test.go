package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bench/datasets"
)

// config.json as the hub has them, cut to what matters, give the catalogue's models
// or, for a quantised one, its bits.
func TestHubConfig(t *testing.T) {
	read := func(text string) (datasets.Model, error) {
		path := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return ModelOrLoad(path)
	}
	for id, text := range map[string]string{
		"llama-3.1-8b": `{"architectures":["LlamaForCausalLM"],"hidden_size":4096,"num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,
			"intermediate_size":14336,"vocab_size":128256,"max_position_embeddings":131072,"tie_word_embeddings":false,"rope_theta":500000.0}`,
		"qwen3-235b-a22b": `{"architectures":["Qwen3MoeForCausalLM"],"hidden_size":4096,"num_hidden_layers":94,"num_attention_heads":64,"num_key_value_heads":4,"head_dim":128,
			"intermediate_size":12288,"moe_intermediate_size":1536,"num_experts":128,"num_experts_per_tok":8,"vocab_size":151936,"max_position_embeddings":40960,"sliding_window":null,
			"quantization_config":{"quant_method":"fp8","fmt":"e4m3","weight_block_size":[128,128],"modules_to_not_convert":["lm_head"]}}`,
		"gpt-oss-120b": `{"architectures":["GptOssForCausalLM"],"hidden_size":2880,"num_hidden_layers":36,"num_attention_heads":64,"num_key_value_heads":8,"head_dim":64,
			"intermediate_size":2880,"num_local_experts":128,"num_experts_per_tok":4,"vocab_size":201088,"max_position_embeddings":131072,"sliding_window":128,
			"quantization_config":{"quant_method":"mxfp4"}}`,
		"deepseek-v3": `{"architectures":["DeepseekV3ForCausalLM"],"hidden_size":7168,"num_hidden_layers":61,"num_attention_heads":128,"num_key_value_heads":128,
			"intermediate_size":18432,"moe_intermediate_size":2048,"n_routed_experts":256,"n_shared_experts":1,"num_experts_per_tok":8,"n_group":8,"topk_group":4,
			"first_k_dense_replace":3,"q_lora_rank":1536,"kv_lora_rank":512,"qk_nope_head_dim":128,"qk_rope_head_dim":64,"v_head_dim":128,"vocab_size":129280,
			"max_position_embeddings":163840,"quantization_config":{"quant_method":"fp8"}}`,
		"gemma-3-27b": `{"architectures":["Gemma3ForConditionalGeneration"],"text_config":{"hidden_size":5376,"num_hidden_layers":62,"num_attention_heads":32,
			"num_key_value_heads":16,"head_dim":128,"intermediate_size":21504,"vocab_size":262208,"max_position_embeddings":131072,"sliding_window":1024,"sliding_window_pattern":6}}`,
		"mixtral-8x7b": `{"architectures":["MixtralForCausalLM"],"hidden_size":4096,"num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,
			"intermediate_size":14336,"num_local_experts":8,"num_experts_per_tok":2,"vocab_size":32000,"max_position_embeddings":32768,"sliding_window":null}`,
	} {
		m, err := read(text)
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		want, _ := Model(id)
		if m.Parameters() != want.Parameters() || m.KVElementsPerLayer() != want.KVElementsPerLayer() || m.WindowLayers != want.WindowLayers ||
			m.RoutedNodes != want.RoutedNodes || m.ExpertBits != want.ExpertBits {
			t.Errorf("%s: %+v\nwant %+v", id, m, want)
		}
		if fp8 := strings.Contains(text, `"fp8"`); fp8 != (m.Published == datasets.FP8) {
			t.Errorf("%s: published in %q", id, m.Published)
		}
	}
	const llama = `{"architectures":["LlamaForCausalLM"],"hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,"intermediate_size":128,"vocab_size":100,"max_position_embeddings":512,`
	if m, err := read(llama + `"quantization_config":{"quant_method":"awq","bits":4,"group_size":64}}`); err != nil || m.DenseBits != 4.25 {
		t.Errorf("awq: %g bits, %v", m.DenseBits, err)
	}
	for text, want := range map[string]string{
		`{"architectures":["BertModel"]}`:                          `architecture "BertModel" is not known`,
		llama + `"quantization_config":{"quant_method":"magic"}}`:  `quant_method "magic" is not known`,
		`{"architectures":["LlamaForCausalLM"],"hidden_size":1}`:   "layers is 0",
		`{"architectures":["LlamaForCausalLM"],"hidden_size":"x"}`: "not a config.json",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
