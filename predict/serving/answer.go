package serving

import (
	"slices"

	"bench/datasets/stats"
	"bench/predict/llm"
)

// Answer is what a load gets from a deployment.
type Answer struct {
	RequestsPerS     float64 `json:"requests_per_s"`
	OutputTokensPerS float64 `json:"output_tokens_per_s"`
	PerGPU           float64 `json:"output_tokens_per_s_per_gpu"`
	TTFTMeanS        float64 `json:"ttft_mean_s"`
	TTFTMedianS      float64 `json:"ttft_median_s"`
	TTFTP99S         float64 `json:"ttft_p99_s"`
	TPOTMeanS        float64 `json:"tpot_mean_s"`
	ITLP99S          float64 `json:"itl_p99_s"`
	LatencyMeanS     float64 `json:"latency_mean_s"`
	// DecodeStepS is a step without prompts, on average.
	DecodeStepS float64 `json:"decode_step_s"`
	// Running sequences of a replica that decode, on average.
	Running   float64          `json:"running_mean"`
	Parts     Parts            `json:"parts"`
	Binds     string           `json:"binds"`
	Fits      bool             `json:"fits"`
	Preempted int              `json:"preempted"`
	Memory    llm.EngineMemory `json:"memory"`
	// CacheTokens that a replica's KV cache holds.
	CacheTokens int64 `json:"cache_tokens"`
}

// Predict simulates a load on a deployment, one replica with its share of it.
func (d Deployment) Predict(c *llm.Coster, l Load) (Answer, error) {
	s, err := d.Server(c)
	if err != nil {
		return Answer{}, err
	}
	layout := d.Layout
	shares := int64(layout.DP * layout.PP)
	l.Rate /= float64(shares)
	if l.Concurrency > 0 {
		l.Concurrency = max((l.Concurrency+shares-1)/shares, 1)
	}
	l.Requests = (l.Requests + int(shares) - 1) / int(shares)
	o, err := s.Simulate(l)
	if err != nil {
		return Answer{}, err
	}
	a := o.answer()
	a.Memory, a.CacheTokens = d.Memory(), s.CacheTokens
	a.Fits = o.Impossible == 0
	scale := float64(shares)
	a.RequestsPerS *= scale
	a.OutputTokensPerS *= scale
	a.PerGPU = a.OutputTokensPerS / float64(d.GPUs())
	a.Binds = o.binds()
	return a, nil
}

func (o *Outcome) answer() Answer {
	a := Answer{Parts: o.Parts, Running: o.Running, Preempted: o.Preempted, TTFTMeanS: stats.Mean(o.TTFT), TPOTMeanS: stats.Mean(o.TPOT),
		LatencyMeanS: stats.Mean(o.Latency), TTFTMedianS: stats.Quantile(o.TTFT, 0.5), TTFTP99S: stats.Quantile(o.TTFT, 0.99), ITLP99S: gapQuantile(o.ITL, 0.99)}
	if o.DecodeSteps > 0 {
		a.DecodeStepS = o.DecodeS / float64(o.DecodeSteps)
	}
	if o.Seconds > 0 {
		a.RequestsPerS, a.OutputTokensPerS = float64(o.Requests)/o.Seconds, o.Tokens/o.Seconds
	}
	return a
}

// binds is what most stands in the way of more: memory for requests that queue,
// else the largest part of the steps.
func (o *Outcome) binds() string {
	if o.Impossible > 0 {
		return "memory"
	}
	if o.Preempted > 0 || o.Queued > 0.5 {
		return "KV capacity: requests queue"
	}
	p := o.Parts
	if o.Launching > (p.Prefill+p.Weights+p.KV+p.Communication+p.Host)/2 {
		return "host: the device waits for launches"
	}
	name, most := "", 0.0
	for _, x := range []struct {
		name    string
		seconds float64
	}{{"prefill interference", p.Prefill}, {"weights", p.Weights}, {"KV cache", p.KV}, {"communication", p.Communication}, {"host", p.Host}} {
		if x.seconds > most {
			name, most = x.name, x.seconds
		}
	}
	return name
}

func gapQuantile(gaps []Gap, q float64) float64 {
	gaps = slices.Clone(gaps)
	slices.SortFunc(gaps, func(a, b Gap) int {
		switch {
		case a.Seconds < b.Seconds:
			return -1
		case a.Seconds > b.Seconds:
			return 1
		}
		return 0
	})
	all, sum := 0.0, 0.0
	for _, g := range gaps {
		all += g.Count
	}
	for _, g := range gaps {
		if sum += g.Count; sum >= q*all {
			return g.Seconds
		}
	}
	return 0
}
