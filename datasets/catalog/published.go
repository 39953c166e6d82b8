package catalog

import "bench/datasets"

// PublishedService is a published throughput of a served model, in output tokens a
// second of all GPUs.
type PublishedService struct {
	Model, Device, Engine string
	Type, KVType          datasets.DType
	TP                    int
	Input, Output         int64
	// Requests that were all sent at once.
	Requests     int
	TokensPerS   float64
	MemoryShare  float64
	Source, Note string
}

const trtllmOverview = "TensorRT-LLM 1.0, docs/source/performance/perf-overview.md (commit 00f37686): trtllm-bench throughput, all requests at once, ModelOpt FP8 checkpoints with an FP8 cache"

// PublishedServices lists them.
func PublishedServices() []PublishedService {
	var out []PublishedService
	requests := map[[2]int64]int{{128, 128}: 30000, {128, 2048}: 3000, {500, 2000}: 3000, {1000, 1000}: 3000, {2048, 128}: 3000, {2048, 2048}: 1500, {5000, 500}: 1500}
	shapes := [][2]int64{{128, 128}, {128, 2048}, {500, 2000}, {1000, 1000}, {2048, 128}, {2048, 2048}, {5000, 500}}
	for _, t := range []struct {
		model, device string
		tp            int
		tokens        []float64
	}{
		{"llama-3.1-8b", "h100-sxm", 1, []float64{28312, 22714, 17660, 15220, 3450, 9305, 3459}},
		{"llama-3.1-8b", "h200-sxm", 1, []float64{27911, 26221, 20770, 17744, 3538, 12194, 3902}},
		{"llama-3.3-70b", "h100-sxm", 2, []float64{6378, 6651, 5222, 4205, 762, 3082, 898}},
		{"llama-3.3-70b", "h200-sxm", 1, []float64{3803, 4336, 3666, 2909, 442, 2003, 566}},
		{"llama-3-405b", "h100-sxm", 8, []float64{3627, 4340, 3994, 2919, 453, 2296, 610}},
		{"llama-3-405b", "h200-sxm", 8, []float64{3814, 5348, 4724, 3330, 456, 2948, 650}},
	} {
		for i, s := range shapes {
			out = append(out, PublishedService{Model: t.model, Device: t.device, Engine: "trtllm", Type: datasets.FP8, KVType: datasets.FP8, TP: t.tp,
				Input: s[0], Output: s[1], Requests: requests[s], TokensPerS: t.tokens[i], MemoryShare: 0.95, Source: trtllmOverview})
		}
	}
	return out
}

// PublishedTraining is a published speed of training: TFLOP/s a GPU by the source's
// own count of FLOP an iteration, or seconds an iteration.
type PublishedTraining struct {
	Model            datasets.Model
	Device           string
	GPUs, TP, PP     int
	Batch, Sequence  int64
	Recompute        string
	SequenceParallel bool
	Interleave       int
	Sharding         int
	// UnfusedAttention is of codes before FlashAttention.
	UnfusedAttention   bool
	Seconds            float64
	Source, Assumption string
}

const (
	narayanan   = `Narayanan et al., "Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM" (2021), table 1`
	korthikanti = `Korthikanti et al., "Reducing Activation Recomputation in Large Transformer Models" (2022), table 5`
	llama3Scale = `Grattafiori et al., "The Llama 3 Herd of Models" (2024), table 4`
)

// megatron is a GPT of both Megatron papers: a vocabulary of 51200, feed-forward of 4·h.
func megatron(id string, layers, hidden, heads int64) datasets.Model {
	return datasets.Model{ID: id, Name: id, Layers: layers, Hidden: hidden, Heads: heads, KVHeads: heads, HeadDim: hidden / heads,
		FFWidth: 4 * hidden, Experts: 1, TopK: 1, Vocabulary: 51200, Tied: true, LearnedPositions: 2048, Context: 2048, Source: narayanan}
}

// PublishedTrainings lists them.
func PublishedTrainings() []PublishedTraining {
	var out []PublishedTraining
	for _, r := range []struct {
		id                    string
		layers, hidden, heads int64
		gpus, tp, pp          int
		batch                 int64
		teraFLOPs             float64
	}{
		{"gpt-1.7b", 24, 2304, 24, 32, 1, 1, 512, 137}, {"gpt-3.6b", 30, 3072, 32, 64, 2, 1, 512, 138}, {"gpt-7.5b", 36, 4096, 32, 128, 4, 1, 512, 142},
		{"gpt-18b", 40, 6144, 48, 256, 8, 1, 1024, 135}, {"gpt-39b", 48, 8192, 64, 512, 8, 2, 1536, 138}, {"gpt-76b", 60, 10240, 80, 1024, 8, 4, 1792, 140},
		{"gpt-146b", 80, 12288, 96, 1536, 8, 8, 2304, 148}, {"gpt-310b", 96, 16384, 128, 1920, 8, 16, 2160, 155},
		{"gpt-530b", 105, 20480, 128, 2520, 8, 35, 2520, 163}, {"gpt-1t", 128, 25600, 160, 3072, 8, 64, 3072, 163},
	} {
		l, h := float64(r.layers), float64(r.hidden)
		// Their equation 3, whole iterations with full recomputation.
		flops := 96 * float64(r.batch) * 2048 * l * h * h * (1 + 2048/(6*h) + 51200/(16*l*h))
		out = append(out, PublishedTraining{Model: megatron(r.id, r.layers, r.hidden, r.heads), Device: "a100-sxm-80", GPUs: r.gpus, TP: r.tp, PP: r.pp, Batch: r.batch,
			Sequence: 2048, Recompute: "full", Interleave: 1, UnfusedAttention: true, Seconds: flops / (float64(r.gpus) * r.teraFLOPs * 1e12), Source: narayanan,
			Assumption: "micro-batch and parts of a stage are not printed: the fastest of 1, 2, 4, 8 that fits"})
	}
	for _, r := range []struct {
		id                    string
		layers, hidden, heads int64
		gpus, pp, interleave  int
		batch                 int64
		seconds               float64
	}{
		{"gpt-22b", 48, 6144, 64, 8, 1, 1, 4, 1.10}, {"gpt-3-175b", 96, 12288, 96, 64, 8, 3, 64, 13.75},
		{"mt-nlg-530b", 105, 20480, 128, 280, 35, 3, 280, 37.83}, {"gpt-1t", 128, 25600, 160, 512, 64, 1, 512, 71.49},
	} {
		out = append(out, PublishedTraining{Model: megatron(r.id, r.layers, r.hidden, r.heads), Device: "a100-sxm-80", GPUs: r.gpus, TP: 8, PP: r.pp, Batch: r.batch,
			Sequence: 2048, Recompute: "selective", SequenceParallel: true, Interleave: r.interleave, UnfusedAttention: true, Seconds: r.seconds, Source: korthikanti})
	}
	llama, _ := Model("llama-3-405b")
	for _, r := range []struct {
		gpus, dp int
		batch    int64
		tflops   float64
	}{{8192, 64, 2048, 430}, {16384, 128, 2048, 400}} {
		// 16 M tokens a batch of 8,192; their TFLOP/s a GPU count 6 a parameter and
		// token, and attention.
		tokens := float64(r.batch) * 8192
		flops := 6*405.85e9*tokens + 6*float64(llama.Layers*llama.Hidden)*8192*tokens
		out = append(out, PublishedTraining{Model: llama, Device: "h100-sxm", GPUs: r.gpus, TP: 8, PP: 16, Batch: r.batch, Sequence: 8192, Recompute: "selective",
			SequenceParallel: true, Interleave: 8, Sharding: 2, Seconds: flops / (float64(r.gpus) * r.tflops * 1e12), Source: llama3Scale,
			Assumption: "micro-batch 1; 8 parts of a stage, the first and last a layer short; attention counted causally"})
	}
	return out
}

// BestTier is the most informed tier that a device has without a run of its own,
// and the device with what that tier needs.
func BestTier(d datasets.Device) (datasets.Device, datasets.Tier) {
	if d.Calibration != nil && d.Calibration.Device == d.ID {
		return d, datasets.TierCalibrated
	}
	if len(Relatives(d)) > 0 {
		return d, datasets.TierTransferred
	}
	return d, datasets.TierDatasheet
}
