package predict

import (
	"math"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
)

// 3.80 GiB, 4.08 GB, at 3.35 TB/s are 1.218 ms a token: 821 tokens/s. A prompt of
// 512 tokens is 2 · 6.74e9 · 512 FLOP, at int8's 1,979 TFLOP/s 3.4876 ms.
func TestModelPassIsBounded(t *testing.T) {
	h100, err := catalog.Lookup("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	token := datasets.ModelPass{Model: "llama 7B Q4_K - Medium", Type: datasets.FP16, Format: "q4_k_medium", WeightBytes: 4080218931,
		Parameters: 6740000000, QueryTokens: 1, ContextTokens: 65, Ranks: 1}
	prompt, two, rows, experts, host := token, token, token, token, token
	prompt.QueryTokens, prompt.ContextTokens = 512, 512
	two.Ranks = 2
	rows.Ranks, rows.Options = 2, "sm=row"
	experts.Model = "qwen3moe 30B.A3B Q4_K - Medium"
	host.Options = "ngl=20"
	for name, c := range map[string]struct {
		w       datasets.ModelPass
		seconds float64
		binds   string
	}{
		"token": {token, 4080218931 / 3.35e12, "memory"}, "prompt": {prompt, 2 * 6.74e9 * 512 / 1979e12, "compute"},
		"layers over two": {two, 4080218931 / 3.35e12, "memory"}, "rows over two": {rows, 4080218931 / 3.35e12 / 2, "memory"},
		"experts": {experts, 0, ""}, "on the host": {host, 0, ""},
	} {
		p := New(h100, datasets.TierDatasheet).Predict(c.w)
		if math.Abs(p.Seconds-c.seconds) > 1e-3*c.seconds || p.Binds != c.binds || (c.seconds == 0) != (p.NotPredicted != "") {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p := New(h100, datasets.TierCalibrated).Predict(token); p.NotPredicted == "" {
		t.Errorf("calibrated: %+v", p)
	}
}
