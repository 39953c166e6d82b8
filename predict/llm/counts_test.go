package llm_test

import (
	"math"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict/llm"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got/want-1) > within {
		t.Errorf("%s: %g, want %g to %g %%", what, got, want, within*100)
	}
}

func model(t *testing.T, id string) datasets.Model {
	t.Helper()
	m, err := catalog.Model(id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPartsAddUp(t *testing.T) {
	for _, m := range catalog.Models() {
		near(t, m.ID, llm.CountParts(m).Total(), m.Parameters(), 1e-12)
	}
	// A Chinchilla with cross-attention: a layer of 2·8192² of Q and output,
	// 2·1536·8192 of K and V, 2·8192·32768 of feed-forward, 2 norms of 8192 and
	// 2 gates is 134217728 + 25165824 + 536870912 + 16384 + 2 = 696270850.
	m := model(t, "chinchilla-70b")
	text := m.Parameters()
	m.Vision = &datasets.Vision{Layers: 12, Width: 1536, FFWidth: 32768, Tokens: 64, EncoderParameters: 629e6}
	if got := m.Parameters() - text; got != 12*696270850+629e6 {
		t.Errorf("vision adds %.0f", got)
	}
	near(t, "vision parts", llm.CountParts(m).Total(), m.Parameters(), 1e-12)
	// 10 tokens that see 64 image tokens, a layer: 10 · 2·(2·8192² + 2·8192·32768
	// + 2·8192·64) + 64 · 2·2·1536·8192.
	want := 12 * (10*2*(2*8192.*8192+2*8192.*32768+2*8192.*64) + 64*2*2*1536.*8192)
	near(t, "cross-attention FLOP", llm.CrossAttentionFLOPs(m, 10, 64), want, 1e-12)
}

// By hand, Llama 2 7B: a layer multiplies a token with 4·4096² + 3·4096·11008 =
// 202375168 weights, 32 of them with 4096·32000 of output 6607077376; at a
// context of 4096 attention adds 4·32·4096·4096 = 2147483648.
func TestDecodeFLOPs(t *testing.T) {
	m := model(t, "llama-2-7b")
	if got := llm.MatmulWeights(m); got != 6607077376 {
		t.Errorf("%.0f weights", got)
	}
	if got := llm.DecodeFLOPs(m, 4096); got != 2*6607077376+2147483648 {
		t.Errorf("%.0f FLOP", got)
	}
	// Weights once in bf16, and 2·32·4096·2 = 524288 bytes of KV for each of
	// 8 · 4096 tokens.
	if got := llm.DecodeBytes(m, datasets.BF16, datasets.BF16, 8, 4096, 1); got != 2*6607077376+8*4096*524288 {
		t.Errorf("%.0f bytes", got)
	}
	// A prompt computes what its tokens would, decoded one after the other.
	sum := 0.0
	for c := int64(1); c <= 50; c++ {
		sum += llm.DecodeFLOPs(m, c)
	}
	near(t, "prompt", llm.ForwardFLOPs(m, 50, 50, llm.Causal), sum, 1e-12)
	// Mixtral: every further expert awake is 32 · 3·4096·14336 weights more.
	x := model(t, "mixtral-8x7b")
	one, two := llm.DecodeBytes(x, datasets.FP8, datasets.FP8, 1, 1, 2), llm.DecodeBytes(x, datasets.FP8, datasets.FP8, 1, 1, 3)
	if two-one != 32*3*4096*14336 {
		t.Errorf("an expert is %g bytes", two-one)
	}
}

// DeepSeek-V3, by hand. Decoding, a pair of one layer takes 128 heads · (512 + 64
// for the score + 512 for the value) multiply-adds; in a prompt 128 · (192 + 128).
func TestLatentAttention(t *testing.T) {
	m := model(t, "deepseek-v3")
	if got := llm.AttentionFLOPs(m, 1, 1000, llm.Causal); got != 61*1000*2*128*(512+64+512) {
		t.Errorf("decoding: %g", got)
	}
	if got := llm.AttentionFLOPs(m, 10, 10, llm.Square); got != 61*100*2*128*(192+128) {
		t.Errorf("prompt: %g", got)
	}
}

// megatron is a GPT of Narayanan et al., "Efficient Large-Scale Language Model
// Training on GPU Clusters Using Megatron-LM" (2021), section 5.1: sequences of
// 2048, a vocabulary of 51200, feed-forward of 4·h.
func megatron(layers, hidden, heads int64) datasets.Model {
	return datasets.Model{ID: "gpt", Layers: layers, Hidden: hidden, Heads: heads, KVHeads: heads, HeadDim: hidden / heads,
		FFWidth: 4 * hidden, Experts: 1, TopK: 1, Vocabulary: 51200, Tied: true, LearnedPositions: 2048, Context: 2048}
}

// The whole of table 1 of Narayanan et al. (2021): parameters, and FLOP of an
// iteration by their equation 3, 96·B·s·l·h²·(1 + s/6h + V/16lh), which counts
// every attended pair and full recomputation of the layers. The percentage of
// peak is that of A100's 312 TFLOP/s.
func TestMegatronTable(t *testing.T) {
	for _, row := range []struct {
		parameters             float64 // billions
		heads, hidden, layers  int64
		gpus, batch            float64
		teraFLOPs, percentPeak float64
	}{
		{1.7, 24, 2304, 24, 32, 512, 137, 44},
		{3.6, 32, 3072, 30, 64, 512, 138, 44},
		{7.5, 32, 4096, 36, 128, 512, 142, 46},
		{18.4, 48, 6144, 40, 256, 1024, 135, 43},
		{39.1, 64, 8192, 48, 512, 1536, 138, 44},
		{76.1, 80, 10240, 60, 1024, 1792, 140, 45},
		{145.6, 96, 12288, 80, 1536, 2304, 148, 47},
		{310.1, 128, 16384, 96, 1920, 2160, 155, 50},
		{529.6, 128, 20480, 105, 2520, 2520, 163, 52},
		{1008.0, 160, 25600, 128, 3072, 3072, 163, 52},
	} {
		m := megatron(row.layers, row.hidden, row.heads)
		if math.Abs(m.Parameters()/1e9-row.parameters) > 0.06 { // half of the last digit, and biases
			t.Errorf("%.3f B parameters, want %.1f", m.Parameters()/1e9, row.parameters)
		}
		l, h := float64(row.layers), float64(row.hidden)
		equation3 := 96 * row.batch * 2048 * l * h * h * (1 + 2048/(6*h) + 51200/(16*l*h))
		_, hardware := llm.TrainFLOPs(m, 2048, llm.RecomputeFull, llm.Square)
		near(t, "FLOP", row.batch*hardware, equation3, 1e-9)
		c := llm.Campaign{FLOPs: row.batch * hardware, GPUs: row.gpus, PeakFLOPs: 312e12}
		seconds := equation3 / (row.gpus * row.teraFLOPs * 1e12)
		// The table rounds to whole TFLOP/s and percent.
		near(t, "share of peak", c.ImpliedMFU(seconds)*100, row.percentPeak, 0.03)
	}
}

// Korthikanti et al. (2022), table 5: iteration times, and the model and
// hardware FLOP utilisation that they give, with selective recomputation. Their
// equation for the hardware's, 72·B·L·s·h²·(1 + s/3h + v/12hL), counts what is
// computed again (4·B·L·s²·h, once) three times, so that two are added here.
func TestKorthikantiUtilisation(t *testing.T) {
	for _, row := range []struct {
		layers, hidden, heads int64
		batch, gpus, seconds  float64
		mfu, hfu              float64
	}{
		{48, 6144, 64, 4, 8, 1.10, 41.5, 43.7},
		{96, 12288, 96, 64, 64, 13.75, 51.4, 52.8},
		{105, 20480, 128, 280, 280, 37.83, 56.0, 57.0},
		{128, 25600, 160, 512, 512, 71.49, 56.3, 57.0},
	} {
		m := megatron(row.layers, row.hidden, row.heads)
		model, hardware := llm.TrainFLOPs(m, 2048, llm.RecomputeSelective, llm.Square)
		c := llm.Campaign{FLOPs: row.batch * model, GPUs: row.gpus, PeakFLOPs: 312e12}
		near(t, "MFU", 100*c.ImpliedMFU(row.seconds), row.mfu, 0.01)
		c.FLOPs = row.batch * (hardware + 2*llm.AttentionFLOPs(m, 2048, 2048, llm.Square))
		near(t, "HFU", 100*c.ImpliedMFU(row.seconds), row.hfu, 0.01)
	}
}

// Hoffmann et al. (2022), table 3, whole: parameters, FLOP, tokens. The power
// law through two of its rows meets the others to their rounding, and 6ND is
// their FLOP.
func TestChinchillaTable(t *testing.T) {
	for _, row := range [][3]float64{{400e6, 1.92e19, 8e9}, {1e9, 1.21e20, 20.2e9}, {10e9, 1.23e22, 205.1e9}, {67e9, 5.76e23, 1.5e12},
		{175e9, 3.85e24, 3.7e12}, {280e9, 9.90e24, 5.9e12}, {520e9, 3.43e25, 11e12}, {1e12, 1.27e26, 21.2e12}} {
		n, d := llm.ChinchillaOptimal(row[1])
		near(t, "parameters", n, row[0], 0.03)
		near(t, "tokens", d, row[2], 0.11)
		near(t, "tokens by parameters", llm.ChinchillaTokens(row[0]), row[2], 0.11)
		near(t, "6ND", llm.SixND(row[0], row[2]), row[1], 0.05)
	}
}

// Narayanan et al. (2021), section 5.10: GPT-3 on 300 B tokens with 1024 A100 at
// 140 TFLOP/s takes 34 days, 1 T on 450 B with 3072 at 163 takes 84, by 8·T·P.
func TestCampaign(t *testing.T) {
	near(t, "GPT-3", llm.Campaign{FLOPs: 8 * 300e9 * 175e9, GPUs: 1024, PeakFLOPs: 140e12, MFU: 1}.Days(), 34, 0.02)
	c := llm.Campaign{FLOPs: 8 * 450e9 * 1008e9, GPUs: 3072, PeakFLOPs: 163e12, MFU: 1, GPUHourUSD: 2}
	near(t, "1T", c.Days(), 84, 0.02)
	near(t, "USD", c.USD(), c.Days()*24*3072*2, 1e-12)
	// 128 GPUs at 1 USD an hour are 0.03556 USD a second; at 1000 tokens/s that
	// is what a thousand tokens cost.
	near(t, "tokens", llm.USDPerThousandTokens(128, 1, 1000), 128./3600, 1e-12)
}
