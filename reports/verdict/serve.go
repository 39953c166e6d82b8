package verdict

import (
	"fmt"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict/llm"
	"bench/predict/serving"
)

// served is how far sound services lie from the simulated ones: of the published
// speeds in docs, most are within 15 %, and settings that a result does not print
// (memory share, budget of a step, the host) move it by more.
var served = struct{ low, high float64 }{1 / 1.35, 1.35}

// simulated is how many requests at most are simulated: a rate has settled by then.
const simulated = 1500

// serve judges a served model by its tokens a second, or where there is no such
// figure, by its time a token, against the simulated service.
func (c *Checker) serve(s *series, d datasets.Device, why string, f Finding) Finding {
	p := s.points[0]
	for _, q := range s.points {
		if op := q.workload.Op(); op == "output_token" || op == "tpot" && p.workload.Op() != "output_token" {
			p = q
		}
	}
	w := p.workload.(datasets.Serve)
	f.What = w.Op()
	f.Measured, f.Unit = p.timeS*1e3, "ms "+w.Op()
	if w.Kernel == "output_token" {
		f.Measured, f.Unit = 1/p.timeS, "output tokens/s"
	}
	var missing []string
	m, err := catalog.Model(w.Model)
	if c.Model != nil {
		m, err = *c.Model, nil
	}
	if err != nil {
		missing = append(missing, "the model (--model)")
	}
	if why != "" {
		missing = append(missing, "the GPU (--device)")
	}
	if c.TP > 0 {
		w.TP = c.TP
	}
	bits := w.Type.Size()
	if w.TP == 0 && err == nil && why == "" && m.Parameters()*bits < 0.7*d.MemoryBytes.Value {
		w.TP = 1
		f.Assumed = append(f.Assumed, "one GPU, on which the model fits (--tp)")
	}
	if w.TP == 0 {
		missing = append(missing, "the layout (--tp)")
	}
	if missing != nil {
		f.Verdict, f.Why = CantSay, "the result does not say "+strings.Join(missing, ", ")
		return f
	}
	w.PP, w.DP, w.EP, w.ETP = max(w.PP, 1), max(w.DP, 1), max(w.EP, 1), max(w.ETP, 1)
	e, err := serving.EngineOf(s.stack.Library, s.stack.Version)
	if err != nil {
		e, _ = serving.EngineOf("vllm", "")
		f.Assumed = append(f.Assumed, "vLLM's defaults, since the engine is not known")
	}
	cluster := llm.Cluster{Device: d}
	_, tier := catalog.BestTier(d)
	deployment, err := serving.DeploymentOf(w, m, cluster, e)
	var a serving.Answer
	if err == nil {
		load := serving.Load{Input: w.InputTokens, Output: w.OutputTokens, Concurrency: w.Concurrency, Rate: w.Rate, Requests: int(w.Requests)}
		if load.Concurrency > simulated {
			load.Concurrency = simulated
		}
		if load.Requests == 0 || load.Requests > simulated {
			load.Requests = simulated
		}
		a, err = deployment.Predict(llm.NewCoster(cluster, tier), load)
	}
	if err == nil && !a.Fits {
		err = fmt.Errorf("by its memory this model does not fit so many GPUs")
	}
	if err != nil {
		f.Verdict, f.Why = CantSay, err.Error()
		return f
	}
	typical := a.TPOTMeanS
	if w.Kernel == "output_token" {
		typical = 1 / a.OutputTokensPerS
	} else if w.Kernel != "tpot" {
		typical = a.LatencyMeanS
	}
	x := Expected{LowS: typical * served.low, TypicalS: typical, HighS: typical * served.high, Tier: tier}
	f.Verdict, f.Faster = Judge(&datasets.Measurement{TimeS: p.timeS}, x)
	f.Tier, f.Ratio = string(tier), p.timeS/typical
	f.Low, f.Typical, f.High = x.LowS*1e3, typical*1e3, x.HighS*1e3
	if w.Kernel == "output_token" {
		f.Low, f.Typical, f.High = 1/x.HighS, 1/typical, 1/x.LowS
	}
	share := 2 * m.ActiveParameters() * float64(w.InputTokens+w.OutputTokens) / float64(w.OutputTokens)
	if peak := d.PeakFLOPs[w.Type].Value * float64(w.TP*w.PP*w.DP); peak > 0 && w.Kernel == "output_token" {
		f.Why = fmt.Sprintf("%.0f %% of the dense %s peak by 2·N", 100*share/p.timeS/peak, w.Type)
	}
	if w.Requests > 1 && w.Concurrency == w.Requests {
		f.Why = strings.TrimPrefix(f.Why+"; all requests came at once, so that TTFT is queueing", "; ")
	}
	return f
}
