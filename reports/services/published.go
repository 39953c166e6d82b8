package services

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"sync"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/datasets/stats"
	"bench/predict/llm"
	"bench/predict/serving"
)

// Published is a published figure beside what is computed for it, both in seconds:
// of an output token of a service, or of an iteration of training.
type Published struct {
	Kind, What, Source, Assumption string
	Published, Computed            float64
	Tier                           datasets.Tier
	Why                            string // not computed
}

// Error is computed / published − 1.
func (p Published) Error() float64 { return p.Computed/p.Published - 1 }

// best is a catalogue device at the most informed tier that it has.
func best(id string) (datasets.Device, datasets.Tier, error) {
	d, err := catalog.Lookup(id)
	if err != nil {
		return d, "", err
	}
	d, tier := catalog.BestTier(d)
	return d, tier, nil
}

// Recompute works out every published figure of the catalogue.
func Recompute() []Published {
	served, trained := catalog.PublishedServices(), catalog.PublishedTrainings()
	out := make([]Published, len(served)+len(trained))
	var wait sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i := range out {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			var err error
			if i < len(served) {
				out[i], err = serve(served[i])
			} else {
				out[i], err = train(trained[i-len(served)])
			}
			if err != nil {
				out[i].Why = err.Error()
			}
		})
	}
	wait.Wait()
	return out
}

func serve(f catalog.PublishedService) (Published, error) {
	p := Published{Kind: "serving", Source: f.Source, Published: 1 / f.TokensPerS,
		What: fmt.Sprintf("%s %s, TP %d on %s, %d in, %d out", f.Model, f.Type, f.TP, f.Device, f.Input, f.Output)}
	d, tier, err := best(f.Device)
	if err != nil {
		return p, err
	}
	m, err := catalog.Model(f.Model)
	if err != nil {
		return p, err
	}
	e, err := serving.EngineOf(f.Engine, "")
	if err != nil {
		return p, err
	}
	e.MemoryShare = f.MemoryShare
	cluster := llm.Cluster{Device: d}
	deployment, err := serving.DeploymentOf(datasets.Serve{Type: f.Type, KVType: f.KVType, TP: f.TP, PP: 1, DP: 1, EP: 1, ETP: 1}, m, cluster, e)
	if err != nil {
		return p, err
	}
	a, err := deployment.Predict(llm.NewCoster(cluster, tier), serving.Load{Input: f.Input, Output: f.Output, Concurrency: int64(f.Requests), Requests: f.Requests, InStep: true})
	p.Tier, p.Computed = tier, 1/a.OutputTokensPerS
	return p, err
}

func train(f catalog.PublishedTraining) (Published, error) {
	p := Published{Kind: "training", Source: f.Source, Assumption: f.Assumption, Published: f.Seconds,
		What: fmt.Sprintf("%s on %d × %s, TP %d PP %d", f.Model.ID, f.GPUs, f.Device, f.TP, f.PP)}
	d, tier, err := best(f.Device)
	if err != nil {
		return p, err
	}
	c := llm.NewCoster(llm.Cluster{Device: d}, tier)
	p.Tier, p.Computed = tier, math.Inf(1)
	micros, parts := []int64{1, 2, 4, 8}, []int{1, 2, 4}
	if f.Interleave > 1 || f.SequenceParallel {
		micros, parts = []int64{1, 2, 4}[:1], []int{f.Interleave}
		if f.PP == 1 {
			micros = []int64{4}
		}
	}
	for _, v := range parts {
		l := llm.Layout{TP: f.TP, PP: f.PP, DP: f.GPUs / (f.TP * f.PP), Interleave: v, SequenceParallel: f.SequenceParallel, Sharding: llm.Sharding{Stage: f.Sharding}}
		whole, layoutErr := l.For(f.Model, d.NodeSize)
		if layoutErr != nil {
			err = cmp.Or(err, layoutErr)
			continue
		}
		for _, micro := range micros {
			t := llm.Training{Batch: f.Batch, MicroBatch: micro, Sequence: f.Sequence, Recompute: llm.Recompute(f.Recompute), Type: datasets.BF16, Overlap: 1, UnfusedAttention: f.UnfusedAttention}
			step, stepErr := c.TrainStep(f.Model, whole, t)
			if stepErr != nil {
				err = cmp.Or(err, stepErr)
				continue
			}
			if step.Fits() || len(micros) == 1 {
				p.Computed = min(p.Computed, step.Seconds)
			}
		}
	}
	if !math.IsInf(p.Computed, 1) {
		err = nil
	}
	return p, err
}

// WritePublished writes the figures as a Markdown table, with their summary first.
func WritePublished(w io.Writer, list []Published) error {
	fmt.Fprintf(w, "Published figures, recomputed: seconds an output token of a service, or an iteration of training.\n\n")
	for _, kind := range []string{"serving", "training"} {
		var e []float64
		for _, p := range list {
			if p.Kind == kind && p.Why == "" {
				e = append(e, p.Error())
			}
		}
		fmt.Fprintf(w, "- %s: %d figures, median error %.1f %% (median of the absolute error %.1f %%)\n", kind, len(e), 100*stats.Median(e), 100*stats.Median(absolute(e)))
	}
	fmt.Fprintf(w, "\n| | published | computed | error | tier | source |\n|---|--:|--:|--:|---|---|\n")
	for _, p := range list {
		if p.Why != "" {
			fmt.Fprintf(w, "| %s | %.4g s | – | – | %s | %s |\n", p.What, p.Published, p.Why, p.Source)
			continue
		}
		fmt.Fprintf(w, "| %s | %.4g s | %.4g s | %+.0f %% | %s | %s |\n", p.What, p.Published, p.Computed, 100*p.Error(), p.Tier, p.Source)
	}
	_, err := fmt.Fprintln(w)
	return err
}
