package serving

import (
	"cmp"
	"fmt"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict/llm"
)

// Deployment is a model on GPUs under an engine.
type Deployment struct {
	Model   datasets.Model
	Cluster llm.Cluster
	// Layout as Layout.For has completed it.
	Layout  llm.Layout
	Serving llm.Serving
	Engine  Engine
	// PrefillServers, of the same layout, compute prompts (disaggregated).
	PrefillServers int
}

// GPUs that it takes, those that compute prompts apart included.
func (d Deployment) GPUs() int {
	n := d.Layout.GPUs()
	if d.Engine.Policy == Disaggregated {
		n *= 1 + max(d.PrefillServers, 1)
	}
	return n
}

// Memory of the fullest GPU.
func (d Deployment) Memory() llm.EngineMemory {
	e := d.Engine
	return d.Layout.EngineMemory(d.Cluster.Device, d.Model, d.Serving, e.MemoryShare, e.OfFree, e.Budget, min(e.MaxBatch, 1024))
}

// kernels that an engine launches in a layer of a dense model: two norms, three
// products of attention and feed-forward each and one more, rotary embedding,
// writing the cache, attention, activation; and two all-reduces under tensor
// parallelism.
const (
	layerKernels  = 10
	reduceKernels = 2
)

// Server prepares the simulation of one replica: pipeline stages take turns with
// their own sequences, so that one of them stands for all.
func (d Deployment) Server(c *llm.Coster) (Server, error) {
	c.Under(d.Engine.Name)
	layout := d.Layout
	memory := d.Memory()
	tokens := memory.Tokens(max(d.Engine.BlockTokens, 1)) / int64(layout.PP)
	if tokens < 1 {
		return Server{}, fmt.Errorf("%s does not fit: %.1f GiB of weights, activations and buffers a GPU, and the engine has %.1f",
			d.Model.ID, (memory.Weights+memory.Activations+memory.Buffers)/(1<<30), memory.Budget/(1<<30))
	}
	s := Server{Engine: d.Engine, Cost: c.Steps(d.Model, layout, d.Serving), CacheTokens: tokens,
		Launches: float64(d.Model.Layers) * layerKernels, PrefillServers: max(d.PrefillServers, 1)}
	if layout.TP > 1 {
		s.Launches += float64(d.Model.Layers) * reduceKernels
	}
	if d.Engine.Policy == Disaggregated {
		s.Prefill = s.Cost
		bandwidth := d.Cluster.Device.NetworkBandwidth.Value
		if d.Cluster.Device.LinkBandwidth.Value > 0 && layout.GPUs()*(1+s.PrefillServers) <= layout.NodeSize {
			bandwidth = d.Cluster.Device.LinkBandwidth.Value
		}
		if bandwidth == 0 {
			return s, fmt.Errorf("no datasheet bandwidth of %s's network to send the KV cache over", d.Cluster.Device.ID)
		}
		s.TransferS = memory.KVToken / bandwidth
	}
	return s, nil
}

// DeploymentOf is the deployment that a measured service had, under an engine.
func DeploymentOf(w datasets.Serve, m datasets.Model, c llm.Cluster, e Engine) (Deployment, error) {
	l := llm.Layout{TP: w.TP, PP: w.PP, DP: w.DP}
	if m.Experts > 1 {
		l.EP, l.ETP = w.EP, w.ETP
		if w.EP*w.ETP != w.TP*w.DP {
			l.EP, l.ETP = 1, 0 // not said
		}
	}
	l, err := l.For(m, c.Device.NodeSize)
	s := llm.Serving{Type: w.Type, KVType: w.KVType, FusedRotary: e.FusedRotary, Routing: datasets.Routing{Rule: datasets.RouteUniform}}
	if m.ExpertBits > 0 || m.DenseBits > 0 {
		s.Type, s.Formats = llm.Wide(w.Type), llm.Formats{Dense: m.DenseBits, Experts: m.ExpertBits}
	}
	return Deployment{Model: m, Cluster: c, Layout: l, Serving: s, Engine: e}, err
}

// Facts are what a benchmark's table does not print of how it was made; zeros are
// the engine's defaults, and all requests counted.
type Facts struct {
	// Budget of tokens a step.
	Budget int64 `json:"budget,omitempty"`
	// Places is the most sequences that run at once; −1 is one fewer than the
	// clients (TensorRT-LLM keeps a place for the dummy request that pads a graph).
	Places int64 `json:"places,omitempty"`
	// Waves is requests sent over concurrency.
	Waves int `json:"waves,omitempty"`
	// SkipFirst leaves the first half of the waves out of the figures.
	SkipFirst bool `json:"skip_first,omitempty"`
	// InStep clients (Load.InStep).
	InStep bool `json:"in_step,omitempty"`
}

// apply changes engine and load to what the facts say.
func (f Facts) apply(e *Engine, l *Load) {
	if f.Budget > 0 {
		e.Budget = f.Budget
	}
	switch {
	case f.Places > 0:
		e.MaxBatch = f.Places
	case f.Places < 0:
		e.MaxBatch = max(l.Concurrency-1, 1)
	}
	if f.Waves > 0 {
		l.Requests = f.Waves * int(l.Concurrency)
	}
	if f.SkipFirst {
		l.Warmup = 0.5
	}
	l.InStep = f.InStep
}

// Measured predicts a measured service: its TTFT, TPOT and time an output token.
func (d Deployment) Measured(c *llm.Coster, w datasets.Serve, f Facts) (map[string]float64, Answer, error) {
	l := Load{Input: w.InputTokens, Output: w.OutputTokens, Concurrency: w.Concurrency, Rate: w.Rate, Requests: int(w.Requests)}
	f.apply(&d.Engine, &l)
	a, err := d.Predict(c, l)
	if err != nil {
		return nil, a, err
	}
	out := map[string]float64{"ttft": a.TTFTMeanS, "tpot": a.TPOTMeanS, "request": a.LatencyMeanS, "itl": a.TPOTMeanS}
	if a.OutputTokensPerS > 0 {
		out["output_token"] = 1 / a.OutputTokensPerS
	}
	if w.Rate == 0 && w.Requests == w.Concurrency {
		// A single batch: until its last prompt, and a step without any.
		out["ttft"], out["tpot"] = a.TTFTP99S, a.DecodeStepS
	} else if w.Rate == 0 && w.Concurrency > 0 {
		// As tables derive it (see package importers): from the means of a full load.
		n := float64(w.OutputTokens)
		out["output_token"] = (a.TTFTMeanS + (n-1)*a.TPOTMeanS) / (n * float64(w.Concurrency))
	}
	return out, a, nil
}

// String is the facts in words, "" where they are the engine's defaults.
func (f Facts) String() string {
	var words []string
	if f.Budget > 0 {
		words = append(words, fmt.Sprintf("%d tokens a step", f.Budget))
	}
	switch {
	case f.Places > 0:
		words = append(words, fmt.Sprintf("at most %d sequences", f.Places))
	case f.Places < 0:
		words = append(words, "a place fewer than clients")
	}
	if f.Waves > 0 {
		words = append(words, fmt.Sprintf("%d waves", f.Waves))
	}
	if f.SkipFirst {
		words = append(words, "first half not counted")
	}
	if f.InStep {
		words = append(words, "clients in step")
	}
	return strings.Join(words, ", ")
}

// PredictRow predicts a measured service at a tier, under the engine of the row's
// stack (vLLM where it is not said), with the 90 % range of the engine.
func PredictRow(d datasets.Device, tier datasets.Tier, w datasets.Serve, stack datasets.Stack) datasets.Prediction {
	p := datasets.Prediction{Tier: tier}
	fail := func(err error) datasets.Prediction {
		p.NotPredicted = err.Error()
		return p
	}
	cluster := llm.Cluster{Device: d}
	coster := llm.NewCoster(cluster, tier)
	if p.NotPredicted = coster.Unavailable(); p.NotPredicted != "" {
		return p
	}
	m, ok := catalog.MatchModel(w.Model)
	if !ok {
		return fail(fmt.Errorf("the model %q is not in the catalogue: give --model", w.Model))
	}
	e, err := EngineOf(cmp.Or(stack.Library, "vllm"), stack.Version)
	if err != nil {
		return fail(err)
	}
	at, err := DeploymentOf(w, m, cluster, e)
	if err != nil {
		return fail(err)
	}
	figures, a, err := at.Measured(coster, w, Facts{})
	if err != nil {
		return fail(err)
	}
	p.Seconds, p.Binds, p.Rule, p.Stack = figures[w.Kernel], a.Binds, "sum", e.ID()
	if p.Seconds <= 0 {
		return fail(fmt.Errorf("nothing is simulated of %s", w.Kernel))
	}
	figure := w.Kernel
	switch figure {
	case "itl":
		figure = "tpot"
	case "request":
		figure = "output_token"
	}
	p.LowS, p.HighS = e.Bounds(figure, p.Seconds, tier)
	// The parts' shares of all steps, of the figure.
	share := p.Seconds / max(a.Parts.Prefill+a.Parts.Weights+a.Parts.KV+a.Parts.Communication+a.Parts.Host, 1e-12)
	for _, t := range []datasets.Term{{Name: "prefill", Seconds: a.Parts.Prefill}, {Name: "weights", Seconds: a.Parts.Weights}, {Name: "kv_cache", Seconds: a.Parts.KV},
		{Name: "communication", Seconds: a.Parts.Communication}, {Name: "host", Seconds: a.Parts.Host}} {
		if t.Seconds > 0 {
			p.Terms = append(p.Terms, datasets.Term{Name: t.Name, Seconds: t.Seconds * share})
		}
	}
	return p
}
