package serving

import (
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
)

// A measured service on a card without a calibration of its own is predicted by a
// relative's, with a wider range than on the relative itself.
func TestPredictRowByARelative(t *testing.T) {
	w := datasets.Serve{Kernel: "tpot", Model: "llama-3.1-8b", Type: datasets.BF16, InputTokens: 1024, OutputTokens: 128, Concurrency: 8,
		TP: 1, PP: 1, DP: 1, EP: 1, ETP: 1, Ranks: 1}
	stack := datasets.Stack{Library: "vllm"}
	at := func(id string, tier datasets.Tier) datasets.Prediction {
		d, err := catalog.Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		return PredictRow(d, tier, w, stack)
	}
	own := at("h100-sxm", datasets.TierCalibrated)
	if own.NotPredicted != "" || !(own.HighS > own.Seconds) {
		t.Fatalf("H100: %+v", own)
	}
	for _, id := range []string{"h200-sxm", "b200-sxm"} {
		p := at(id, datasets.TierTransferred)
		if p.NotPredicted != "" || !(p.HighS/p.LowS > 1.2*own.HighS/own.LowS) {
			t.Errorf("%s: %+v", id, p)
		}
		if p := at(id, datasets.TierCalibrated); p.NotPredicted == "" {
			t.Errorf("%s has a calibration of its own: %+v", id, p)
		}
	}
}
