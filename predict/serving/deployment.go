package serving

import (
	"fmt"

	"bench/datasets"
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
	// PrefillGPUs, in servers of the same layout, compute prompts (disaggregated).
	PrefillServers int
	// LaunchS is what the host takes to launch a kernel (eager engines).
	LaunchS float64
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
	layout := d.Layout
	memory := d.Memory()
	tokens := memory.Tokens(max(d.Engine.BlockTokens, 1)) / int64(layout.PP)
	if tokens < 1 {
		return Server{}, fmt.Errorf("%s does not fit: %.1f GiB of weights, activations and buffers a GPU, and the engine has %.1f",
			d.Model.ID, (memory.Weights+memory.Activations+memory.Buffers)/(1<<30), memory.Budget/(1<<30))
	}
	s := Server{Engine: d.Engine, Cost: c.Steps(d.Model, layout, d.Serving), CacheTokens: tokens, LaunchS: d.LaunchS,
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
