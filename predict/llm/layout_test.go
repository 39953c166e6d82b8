package llm_test

import (
	"slices"
	"strings"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict/llm"
)

func laid(t *testing.T, l llm.Layout, m datasets.Model, node int) llm.Layout {
	t.Helper()
	l, err := l.For(m, node)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestStages(t *testing.T) {
	for _, c := range []struct {
		layers int64
		stages int
		first  int64
		want   []int64
	}{
		{10, 4, -1, []int64{2, 2, 3, 3}},
		{8, 4, -1, []int64{2, 2, 2, 2}},
		{10, 4, 1, []int64{1, 3, 3, 3}},
		{7, 1, 3, []int64{7}},
	} {
		if got := llm.LighterFirst(c.layers, c.stages, c.first); !slices.Equal(got, c.want) {
			t.Errorf("%d layers on %d: %v, want %v", c.layers, c.stages, got, c.want)
		}
	}
	// S10.6: 120 layers on 15 nodes, and 0 on the first of 16.
	if got := llm.LighterFirst(120, 16, 0); got[0] != 0 || got[1] != 8 || got[15] != 8 {
		t.Errorf("%v", got)
	}
}

// The stages of every catalogue model hold it whole, once.
func TestStagesAreTheModel(t *testing.T) {
	for _, m := range catalog.Models() {
		for _, pp := range []int{1, 2, 5, 8} {
			l := laid(t, llm.Layout{PP: pp}, m, 8)
			sum := 0.0
			for i := range pp {
				shared, experts := l.StageParameters(m, i)
				sum += shared + experts
			}
			want := m.Parameters()
			if m.Tied && pp > 1 {
				want += m.OutputWeights() // the copy on the last stage
			}
			near(t, m.ID, sum, want, 1e-12)
		}
	}
	// Over TP ranks what cannot be split is on each: Llama 3 70B has 8 KV heads,
	// so that 8 ranks repeat the norms alone.
	m := model(t, "llama-3-70b")
	shared, _ := laid(t, llm.Layout{TP: 8}, m, 8).StageParameters(m, 0)
	near(t, "tp 8", 8*shared, m.Parameters()+7*(80*2+1)*8192, 1e-12)
	// 16 ranks repeat each KV head, of 2·8192·128 parameters a layer, too.
	shared, _ = laid(t, llm.Layout{TP: 16}, m, 8).StageParameters(m, 0)
	near(t, "tp 16", 16*shared, m.Parameters()+15*(80*2+1)*8192+80*8*2*8192*128, 1e-12)
	// 16 experts over 8 of the ranks of a stage, whole: 2 each.
	g := model(t, "gpt-4")
	_, experts := laid(t, llm.Layout{TP: 8, PP: 15, EP: 8, ETP: 1}, g, 8).StageParameters(g, 0)
	near(t, "experts", experts, 8*2*g.ExpertWeights(), 1e-12)
}

// Korthikanti et al. (2022), table 2, for GPT-3's a = 96, h = 12288 at s = 2048,
// b = 1: each line in units of s·b·h, with 5·a·s/h = 80.
func TestKorthikantiActivations(t *testing.T) {
	m := megatron(96, 12288, 96)
	unit := 2048. * 12288
	for _, c := range []struct {
		what      string
		tp        int
		sequence  bool
		recompute llm.Recompute
		want      float64
	}{
		{"none", 1, false, llm.RecomputeNone, 34 + 80},
		{"tensor", 8, false, llm.RecomputeNone, 10 + 24./8 + 80./8},
		{"tensor and sequence", 8, true, llm.RecomputeNone, 34./8 + 80./8},
		{"tensor, selective", 8, false, llm.RecomputeSelective, 10 + 24./8},
		{"tensor and sequence, selective", 8, true, llm.RecomputeSelective, 34. / 8},
		{"full", 8, false, llm.RecomputeFull, 2},
	} {
		l := laid(t, llm.Layout{TP: c.tp, SequenceParallel: c.sequence}, m, 8)
		train := llm.Training{Batch: 1, MicroBatch: 1, Sequence: 2048, Recompute: c.recompute}
		near(t, c.what, l.LayerActivations(m, train, false)/unit, c.want, 1e-12)
	}
	// Interleaving: L·(1 + (p−1)/pv) layers in flight on the first stage
	// (section 4.2.3): 96·(1 + 7/(8·3)) = 124, plus the embedding's mask.
	l := laid(t, llm.Layout{TP: 8, PP: 8, SequenceParallel: true, Interleave: 3}, m, 8)
	train := llm.Training{Batch: 64, MicroBatch: 1, Sequence: 2048, Recompute: llm.RecomputeSelective}
	layers := 96 * (1 + 7./24)
	near(t, "interleaved", l.TrainMemory(m, train)[0].Activations/unit, layers*34/8+layers/12/8, 1e-12)
}

// Rajbhandari et al. (2020), figure 1: 7.5 B parameters on 64 replicas take 120,
// 31.4, 16.6 and 1.88 GB (16·7.5, 4·7.5 + 12·7.5/64, 2·7.5 + 14·7.5/64, 16·7.5/64).
func TestZeRO(t *testing.T) {
	m := megatron(36, 4096, 32)
	psi := m.Parameters() / 7.5 // GB of a byte a parameter
	for stage, want := range []float64{120, 31.4, 16.6, 1.88} {
		l := laid(t, llm.Layout{DP: 64, Sharding: llm.Sharding{Stage: stage}}, m, 8)
		got := l.TrainMemory(m, llm.Training{Batch: 64, MicroBatch: 1, Sequence: 2048, Recompute: llm.RecomputeFull})[0]
		near(t, "ZeRO", (got.Weights+got.Gradients+got.Optimizer)/psi, want, 0.005)
		if (got.Gathered > 0) != (stage == 3) {
			t.Errorf("stage %d gathers %g bytes", stage, got.Gathered)
		}
	}
	// Hybrid: shares over 8 of 64.
	l := laid(t, llm.Layout{DP: 64, Sharding: llm.Sharding{Stage: 3, Group: 8}}, m, 8)
	got := l.TrainMemory(m, llm.Training{Batch: 64, MicroBatch: 1, Sequence: 2048, Recompute: llm.RecomputeFull})[0]
	near(t, "hybrid", (got.Weights+got.Gradients+got.Optimizer)/psi, 15, 1e-9)
}

// Pope et al. (2022), table 1: the longest context of PaLM 540B with 30 % of
// 64 TPU v4 (32 GiB each) for the KV cache. Multi-head by heads: 118 layers · 2 ·
// 128 · 2 bytes = 60416 a token and sequence, as 48 heads take 64 chips one each;
// 0.3 · 32 GiB / 60416 / 128 = 1333. They print two to three digits.
func TestPopeContexts(t *testing.T) {
	const reserved = 0.3 * 32 * (1 << 30)
	for _, c := range []struct {
		model       string
		sharded     bool
		batch, want int64
	}{
		{"palm-540b-mha", false, 128, 1320}, {"palm-540b-mha", false, 512, 330},
		{"palm-540b", false, 128, 660}, {"palm-540b", false, 512, 165},
		{"palm-540b", true, 128, 43000}, {"palm-540b", true, 512, 10700},
	} {
		m := model(t, c.model)
		l := laid(t, llm.Layout{TP: 64, BatchSharded: c.sharded}, m, 64)
		s := llm.Serving{Batch: c.batch, Type: datasets.BF16}
		fixed := l.ServeMemory(m, s)[0].Total()
		near(t, c.model, float64(l.LargestContext(m, s, reserved+fixed)), float64(c.want), 0.015)
	}
	// Ibid., section 3.3, and S8.1: the multi-head variant, batch 512, context 2048: 3 TB.
	m := model(t, "palm-540b-mha")
	near(t, "KV", 512*2048*m.KVBytesPerToken(datasets.BF16), 3e12, 0.02)
}

// GPT-4 on 8 × 15 GPUs (S3.2): 1.83 T parameters in 16 bits over 120 are 30.5 GB,
// and embeddings of 1.08 B parameters at either end, over 8.
func TestGPT4Weights(t *testing.T) {
	m := model(t, "gpt-4")
	l := laid(t, llm.Layout{TP: 8, PP: 15}, m, 8)
	mem := l.ServeMemory(m, llm.Serving{Batch: 1, Context: 1, Type: datasets.FP16})
	near(t, "inner stage", mem[7].Weights, 30.5e9, 0.01)
	near(t, "first stage", mem[0].Weights-mem[7].Weights, 2*100277*10752/8., 1e-6)
}

// More GPUs never need more memory each, the largest batch and context are the
// largest, and what fits stays in.
func TestMemoryProperties(t *testing.T) {
	for _, id := range []string{"llama-3-70b", "palm-540b", "gpt-4", "deepseek-v3"} {
		m := model(t, id)
		s := llm.Serving{Batch: 64, Context: 2048, Type: datasets.BF16}
		train := llm.Training{Batch: 256, MicroBatch: 1, Sequence: 2048, Recompute: llm.RecomputeSelective}
		need := func(l llm.Layout) (float64, float64) {
			l = laid(t, l, m, 8)
			return llm.Fullest(l.ServeMemory(m, s)).Total(), llm.Fullest(l.TrainMemory(m, train)).Total()
		}
		for _, more := range []func(*llm.Layout){
			func(l *llm.Layout) { l.TP *= 2 }, func(l *llm.Layout) { l.DP *= 2 }, func(l *llm.Layout) { l.PP *= 2 },
		} {
			for zero := range 4 {
				l := llm.Layout{TP: 4, PP: 4, DP: 4, SequenceParallel: true, Sharding: llm.Sharding{Stage: zero}}
				serve, learn := need(l)
				more(&l)
				serveMore, learnMore := need(l)
				if serveMore > serve || learnMore > learn {
					t.Errorf("%s on %+v: serving %g, then %g; training %g, then %g", id, l, serve, serveMore, learn, learnMore)
				}
			}
		}
		for _, sharded := range []bool{false, true} {
			l := laid(t, llm.Layout{TP: 8, PP: 8, DP: 2, BatchSharded: sharded}, m, 8)
			const bytes = 80e9
			most := s
			if most.Batch = l.LargestBatch(m, s, bytes); most.Batch == 0 {
				continue
			}
			over := most
			over.Batch += int64(l.DP)
			if llm.Fullest(l.ServeMemory(m, most)).Total() > bytes || llm.Fullest(l.ServeMemory(m, over)).Total() <= bytes {
				t.Errorf("%s: %d sequences are not the most", id, most.Batch)
			}
			most = s
			most.Context = l.LargestContext(m, s, bytes)
			over = most
			over.Context++
			if llm.Fullest(l.ServeMemory(m, most)).Total() > bytes || llm.Fullest(l.ServeMemory(m, over)).Total() <= bytes {
				t.Errorf("%s: %d tokens are not the most", id, most.Context)
			}
		}
	}
}

func TestBadLayouts(t *testing.T) {
	m := model(t, "gpt-4")
	for want, l := range map[string]llm.Layout{
		"tp is -1":                             {TP: -1},
		"tp is 7":                              {TP: 7},
		"pp is 121":                            {PP: 121},
		"pp is 5000, and must not exceed 4096": {PP: 5000},
		"ep is 3":                              {EP: 3},
		"ep 4 · etp 1":                         {EP: 4},
		"stage is 4":                           {Sharding: llm.Sharding{Stage: 4}},
		"group is 3":                           {DP: 8, Sharding: llm.Sharding{Stage: 3, Group: 3}},
		"stage_layers has -1":                  {PP: 2, StageLayers: []int64{-1, 121}},
		"stage_layers are 2":                   {PP: 2, StageLayers: []int64{60, 61}},
		"interleave is 7":                      {PP: 2, Interleave: 7},
		"node_size is -8":                      {NodeSize: -8},
	} {
		if _, err := l.For(m, 8); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", l, err, want)
		}
	}
}
