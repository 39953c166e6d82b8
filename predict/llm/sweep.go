package llm

import (
	"cmp"
	"slices"

	"bench/datasets"
)

// Choice is a layout that fits, with what it gives.
type Choice struct {
	Layout Layout `json:"layout"`
	// Batch and MicroBatch are sequences, over all replicas and of one pass.
	Batch      int64 `json:"batch"`
	MicroBatch int64 `json:"micro_batch"`
	// Seconds of a step, and tokens a second of all GPUs together.
	Seconds         float64 `json:"seconds"`
	TokensPerSecond float64 `json:"tokens_per_s"`
	// GPUSecondsPerToken is what a token costs, before a price.
	GPUSecondsPerToken float64 `json:"gpu_seconds_per_token"`
	MFU                float64 `json:"mfu"`
	MarginBytes        float64 `json:"margin_bytes"`
	Binds              string  `json:"binds"`
}

// Sweep is what was tried.
type Sweep struct {
	Tried int `json:"tried"`
	// Unfit did not fit in memory.
	Unfit int `json:"unfit"`
	// Impossible could not be laid out, FirstReason says why the first.
	Impossible  int    `json:"impossible"`
	FirstReason string `json:"first_reason,omitempty"`
	// Front is the choices that no other beats in both step time and cost, for
	// training in step time, best first.
	Front []Choice `json:"front"`
}

// Layouts lists the layouts of so many GPUs with the given tensor- and
// pipeline-parallel sizes, the rest being replicas; like says all else.
func Layouts(gpus int, tps, pps []int, like Layout) []Layout {
	var out []Layout
	for _, tp := range tps {
		for _, pp := range pps {
			if tp < 1 || pp < 1 || gpus%(tp*pp) != 0 {
				continue
			}
			l := like
			l.TP, l.PP, l.DP, l.ETP = tp, pp, gpus/(tp*pp), 0
			out = append(out, l)
		}
	}
	return out
}

// Divisors of n, ascending.
func Divisors(n int) []int {
	var out []int
	for d := 1; d <= n; d++ {
		if n%d == 0 {
			out = append(out, d)
		}
	}
	return out
}

// ServeFront tries every layout with every batch, and keeps the Pareto front of
// decode latency against GPU seconds a token, fastest first.
func (c *Coster) ServeFront(m datasets.Model, layouts []Layout, batches []int64, s Serving) (Sweep, error) {
	var out Sweep
	var fit []Choice
	for _, l := range layouts {
		whole, err := l.For(m, c.cluster.Device.NodeSize)
		for _, batch := range batches {
			out.Tried++
			if err != nil || batch < int64(l.DP) {
				out.skip(err, "a replica has no sequence")
				continue
			}
			s.Batch = batch
			if c.cluster.Device.MemoryBytes.Value < Fullest(whole.ServeMemory(m, s)).Total() {
				out.Unfit++
				continue
			}
			step, err := c.DecodeStep(m, whole, s)
			if err != nil {
				return out, err
			}
			fit = append(fit, Choice{whole, batch, step.MicroBatch, step.Seconds, step.TokensPerSecond,
				float64(whole.GPUs()) / step.TokensPerSecond, step.MFU, step.MarginBytes, step.Binds})
		}
	}
	out.Front = front(fit)
	return out, nil
}

func (s *Sweep) skip(err error, otherwise string) {
	s.Impossible++
	if s.FirstReason == "" {
		s.FirstReason = otherwise
		if err != nil {
			s.FirstReason = err.Error()
		}
	}
}

// front keeps what nothing else beats in both seconds and cost.
func front(all []Choice) []Choice {
	slices.SortStableFunc(all, func(a, b Choice) int {
		return cmp.Or(cmp.Compare(a.Seconds, b.Seconds), cmp.Compare(a.GPUSecondsPerToken, b.GPUSecondsPerToken))
	})
	var out []Choice
	for _, c := range all {
		if len(out) == 0 || c.GPUSecondsPerToken < out[len(out)-1].GPUSecondsPerToken {
			out = append(out, c)
		}
	}
	return out
}

// TrainFront tries every layout with every micro-batch, and lists those that fit,
// fastest first. A layout whose replicas cannot share out the batch is impossible.
func (c *Coster) TrainFront(m datasets.Model, layouts []Layout, microBatches []int64, t Training) (Sweep, error) {
	var out Sweep
	for _, l := range layouts {
		whole, err := l.For(m, c.cluster.Device.NodeSize)
		for _, micro := range microBatches {
			out.Tried++
			t.MicroBatch = micro
			why := err
			if why == nil {
				why = t.validate(whole)
			}
			if why != nil {
				out.skip(why, "")
				continue
			}
			if c.cluster.Device.MemoryBytes.Value < Fullest(whole.TrainMemory(m, t)).Total() {
				out.Unfit++
				continue
			}
			step, err := c.TrainStep(m, whole, t)
			if err != nil {
				return out, err
			}
			out.Front = append(out.Front, Choice{whole, t.Batch, micro, step.Seconds, step.TokensPerSecond,
				float64(whole.GPUs()) / step.TokensPerSecond, step.MFU, step.MarginBytes, step.Binds})
		}
	}
	slices.SortStableFunc(out.Front, func(a, b Choice) int { return cmp.Compare(a.Seconds, b.Seconds) })
	return out, nil
}
