package microbench

import (
	"testing"

	"bench/datasets"
)

func gpuPlan(t *testing.T, memory float64, o Options) []datasets.Workload {
	t.Helper()
	dev := datasets.Device{ID: "h100-sxm", Kind: "gpu", Units: 132, NodeSize: 1, MemoryBytes: datasets.Figure{Value: memory}}
	o.Suites = []datasets.Suite{datasets.SuiteDecode, datasets.SuiteMoE}
	p, err := NewPlan(dev, o)
	if err != nil {
		t.Fatal(err)
	}
	return p.Workloads
}

// Every profile has a GPT-4 layer's share, a 70B layer, experts, attention
// alone, both launch modes and every routing, all of which fit the memory.
func TestGPULayersAreRealAndFit(t *testing.T) {
	for _, memory := range []float64{40e9, 80e9} {
		for _, profile := range Profiles {
			models, launches, rules := map[string]int{}, map[string]int{}, map[datasets.RoutingRule]int{}
			attention, tokens := 0, map[int64]bool{}
			work := gpuPlan(t, memory, Options{Profile: profile, Seed: 1})
			for _, w := range work {
				switch w := w.(type) {
				case datasets.DecodeLayer:
					models[w.Model]++
					launches[w.Launch]++
					if need := (w.AttentionWeights()+float64(w.Experts)*w.ExpertWeights())*2 + w.Attention().KVBytes(); need > memory || w.Type != datasets.BF16 || w.Cache != datasets.Cold {
						t.Errorf("%s needs %g bytes of %g", w.Key(), need, memory)
					}
				case datasets.Attention:
					attention++
				case datasets.MoELayer:
					rules[w.Routing.Rule]++
					tokens[w.Tokens] = true
					if need := float64(w.Experts) * w.ExpertBytes(); need > memory {
						t.Errorf("%s needs %g bytes of %g", w.Key(), need, memory)
					}
				}
			}
			for _, m := range []string{"llama-3-8b", "llama-3-70b", "gpt-4-share-8", "gpt-4-mqa-share-8", "mixtral-8x7b"} {
				if models[m] == 0 {
					t.Errorf("%s, %g bytes: no layer of %s", profile, memory, m)
				}
			}
			for _, r := range everyRule {
				if rules[r] == 0 {
					t.Errorf("%s: no routing %s", profile, r)
				}
			}
			if attention == 0 || launches["graph"] == 0 || launches["eager"] == 0 || !tokens[1] || !tokens[4096] {
				t.Errorf("%s: %d attentions, launches %v, tokens %v", profile, attention, launches, tokens)
			}
			t.Logf("%s, %g GB: %d cases, %d layers, %d attentions", profile, memory/1e9, len(work), launches["graph"]+launches["eager"], attention)
		}
	}
}

// GPT-4 as reported, by hand: 96 heads, 16 experts of 4·10752; an eighth of it
// is 12 heads of 112 and experts of 5376. A single KV head is whole on every rank.
func TestShareOfALayer(t *testing.T) {
	var w, mqa datasets.DecodeLayer
	for _, x := range gpuPlan(t, 80e9, Options{}) {
		if d, ok := x.(datasets.DecodeLayer); ok && d.Model == "gpt-4-share-8" {
			w = d
		} else if ok && d.Model == "gpt-4-mqa-share-8" {
			mqa = d
		}
	}
	if w.Heads != 12 || w.KVHeads != 12 || w.HeadDim != 112 || w.FFWidth != 5376 || w.Hidden != 10752 || w.Experts != 16 || w.TP != 1 || mqa.KVHeads != 1 || mqa.Heads != 12 {
		t.Errorf("%s, %s", w.Key(), mqa.Key())
	}
}

// Options replace the axes, and what they ask for is not left out.
func TestGPULayerOptions(t *testing.T) {
	work := gpuPlan(t, 80e9, Options{Batches: []int64{7}, Contexts: []int64{100_000}, DTypes: []datasets.DType{datasets.FP16}})
	decode := 0
	for _, w := range work {
		switch w := w.(type) {
		case datasets.DecodeLayer:
			decode++
			if w.Batch != 7 || w.ContextTokens != 100_000 || w.Type != datasets.FP16 {
				t.Error(w.Key())
			}
		case datasets.MoELayer:
			if w.Tokens != 7 {
				t.Error(w.Key())
			}
		}
	}
	if decode < 5 {
		t.Errorf("%d layers", decode)
	}
}

// The arrays of a row-wise operator together are its working set.
func TestGPURowwiseOperators(t *testing.T) {
	dev := datasets.Device{ID: "h100-sxm", Kind: "gpu", Units: 132, NodeSize: 1}
	for _, profile := range Profiles {
		p, err := NewPlan(dev, Options{Profile: profile, Suites: []datasets.Suite{datasets.SuiteHBM}})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, w := range p.Workloads {
			if s := w.(datasets.Stream); s.Rows > 0 {
				seen[s.Kernel]++
				reads, writes := s.Arrays()
				if s.SizeBytes != int64(reads+writes)*s.Rows*s.Cols*2 || s.Type != datasets.BF16 {
					t.Error(s.Key())
				}
			}
		}
		if len(seen) != 8 || seen["rms_norm"] != len(rowShapes[profile]) {
			t.Errorf("%s: %v", profile, seen)
		}
	}
}

// A node of 8 has Llama's layer over 2, 4 and 8 GPUs, GPT-4's over 8, and experts
// shared out and split over 8; quick has some of each, one GPU none.
func TestGPULayersOverANode(t *testing.T) {
	for _, profile := range Profiles {
		for _, gpus := range []int{1, 2, 6, 8} {
			dev := datasets.Device{ID: "h100-sxm", Kind: "gpu", Units: 132, NodeSize: gpus, MemoryBytes: datasets.Figure{Value: 80e9}}
			p, err := NewPlan(dev, Options{Profile: profile, Suites: []datasets.Suite{datasets.SuiteDecode, datasets.SuiteMoE}})
			if err != nil {
				t.Fatal(err)
			}
			layers, spread, split, rules := map[string]map[int]int{}, map[int]int{}, map[int]int{}, map[datasets.RoutingRule]bool{}
			for _, w := range p.Workloads {
				switch w := w.(type) {
				case datasets.DecodeLayer:
					if layers[w.Model] == nil {
						layers[w.Model] = map[int]int{}
					}
					layers[w.Model][w.TP]++
				case datasets.MoELayer:
					if w.Ranks != w.EP*w.TP || w.Experts%int64(w.EP) != 0 {
						t.Error(w.Key())
					}
					if w.EP > 1 {
						spread[w.EP]++
						rules[w.Routing.Rule] = true
					}
					if w.TP > 1 {
						split[w.TP]++
					}
				}
			}
			most := map[int]int{1: 0, 2: 2, 6: 4, 8: 8}[gpus]
			if most == 0 {
				if len(spread)+len(split)+layers["gpt-4"][8] > 0 || len(layers["llama-3-70b"]) != 1 {
					t.Errorf("one GPU: %v, %v, %v", layers, spread, split)
				}
				continue
			}
			llama := layers["llama-3-70b"]
			if llama[most] == 0 || gpus == 8 && layers["gpt-4"][8] == 0 || len(spread) != 1 || spread[most] == 0 || !rules[datasets.RouteBalanced] || !rules[datasets.RouteZipf] {
				t.Errorf("%s, %d GPUs: %v, experts over %v", profile, gpus, layers, spread)
			}
			if profile != Quick && gpus == 8 && (llama[2] == 0 || llama[4] == 0 || layers["gpt-4-mqa"][8] == 0 || split[8] == 0 || len(rules) != len(everyRule)) {
				t.Errorf("%s: %v, split over %v", profile, layers, split)
			}
		}
	}
}
