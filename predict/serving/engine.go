package serving

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"bench/datasets"
)

// Policy is how an engine chooses what a step takes.
type Policy string

const (
	// Mixed steps take running sequences' next tokens and chunks of waiting
	// prompts together, up to a budget of tokens (Agrawal et al., "Sarathi-Serve",
	// 2024; vLLM V1).
	Mixed Policy = "mixed"
	// WholePrompts is Mixed without chunks: a prompt enters whole, where the
	// budget has room for it (TensorRT-LLM's in-flight batching by default).
	WholePrompts Policy = "whole prompts"
	// PrefillFirst steps take prompts alone while any waits, and tokens otherwise
	// (Yu et al., "Orca", 2022; SGLang's default, vLLM V0).
	PrefillFirst Policy = "prefill first"
	// Static batches take no request until all have ended.
	Static Policy = "static"
	// Disaggregated prefill runs on GPUs of its own, which send the KV cache to
	// those that decode (Zhong et al., "DistServe", 2024).
	Disaggregated Policy = "disaggregated"
)

// Policies lists them all.
var Policies = []Policy{Mixed, WholePrompts, PrefillFirst, Static, Disaggregated}

// Engine is a serving engine's defaults that bear on its speed, and its host's
// times.
type Engine struct {
	Name string `json:"name"`
	// Since is the first version with these defaults.
	Since  string `json:"since"`
	Policy Policy `json:"policy"`
	// Budget is the most tokens of a step, MaxBatch the most running sequences.
	Budget   int64 `json:"budget"`
	MaxBatch int64 `json:"max_batch"`
	// MemoryShare of the card that the engine takes: of all of it where it says
	// so before loading, or of what the weights leave (OfFree).
	MemoryShare float64 `json:"memory_share"`
	OfFree      bool    `json:"of_free,omitempty"`
	// Reserves says that a request is admitted only where its whole output will
	// fit; otherwise a sequence may be preempted, and computed again.
	Reserves bool `json:"reserves,omitempty"`
	// BlockTokens is tokens of a block of the KV cache.
	BlockTokens int64 `json:"block_tokens"`
	// Eager engines launch every kernel from the host: a step is the longer of the
	// device's time and the kernels' number times LaunchS. Others replay captured graphs.
	Eager bool `json:"eager,omitempty"`
	// FusedRotary attention kernels do the rotary embedding.
	FusedRotary bool    `json:"fused_rotary,omitempty"`
	LaunchS     float64 `json:"launch_s,omitempty"`
	// HostStepS is the host's time between steps that nothing hides, HostTokenS
	// what it adds for each sequence of the step, and HostRequestS what a request
	// takes before it can be scheduled.
	HostStepS    float64 `json:"host_step_s"`
	HostTokenS   float64 `json:"host_token_s"`
	HostRequestS float64 `json:"host_request_s"`
	// Fitted says what the host's times were fitted to; "" where they are rough.
	Fitted string `json:"fitted,omitempty"`
	// Ranges holds what sound measurements are over the prediction, by figure.
	Ranges map[string]Range `json:"ranges,omitempty"`
	Source string           `json:"source"`
}

// Rough times of a host, for an engine that nothing was fitted for: some thirty
// operations outside the captured graph, 10 µs each from Python, 30 µs a kernel
// where all are launched so, and 20 µs of scheduling, sampling and detokenising a sequence. They are orders of magnitude,
// set by hand and for no engine in particular.
const (
	roughStepS    = 300e-6
	roughTokenS   = 20e-6
	roughRequestS = 1e-3
	roughLaunchS  = 30e-6
)

// engines are what each engine does unless told otherwise, the newest version
// of each name first.
var engines = []Engine{
	{Name: "vllm", Since: "0.14", Policy: Mixed, Budget: 8192, MaxBatch: 1024, MemoryShare: 0.9, BlockTokens: 16,
		Source: "vllm/engine/arg_utils.py, get_batch_defaults: the API server on cards of 70 GiB and more; the scheduler runs beside the device since 0.14 (async_scheduling)"},
	{Name: "vllm", Since: "0.8", Policy: Mixed, Budget: 8192, MaxBatch: 1024, MemoryShare: 0.9, BlockTokens: 16,
		Source: "vllm/engine/arg_utils.py, get_batch_defaults: the API server on cards of 70 GiB and more; V1 always chunks"},
	{Name: "vllm", Since: "0.2", Policy: PrefillFirst, Budget: 8192, MaxBatch: 256, MemoryShare: 0.9, BlockTokens: 16, Eager: true,
		Source: "vllm/config.py of 0.2, SchedulerConfig: max_num_seqs 256, max_num_batched_tokens the model's length; no captured graphs before 0.2.6"},
	{Name: "trtllm", Since: "0.12", Policy: WholePrompts, Budget: 8192, MaxBatch: 2048, MemoryShare: 0.9, OfFree: true, Reserves: true, BlockTokens: 32, FusedRotary: true,
		Source: "tensorrt_llm/llmapi/llm_args.py: max_num_tokens 8192, max_batch_size 2048, free_gpu_memory_fraction 0.9, GUARANTEED_NO_EVICT, tokens_per_block 32, enable_chunked_prefill false"},
	{Name: "sglang", Since: "0.4", Policy: PrefillFirst, Budget: 8192, MaxBatch: 2048, MemoryShare: 0.88, BlockTokens: 1,
		Source: "python/sglang/srt/server_args.py: chunked_prefill_size 8192 on cards of 60 to 90 GB, mem_fraction_static near 0.88, enable_mixed_chunk false, page_size 1"},
}

// EngineOf finds an engine's defaults by name and version; "" is the newest.
// An unknown newer version has the newest known defaults.
func EngineOf(name, version string) (Engine, error) {
	var names []string
	for _, e := range engines {
		if !strings.EqualFold(e.Name, name) {
			names = append(names, e.Name)
			continue
		}
		if version == "" || !older(version, e.Since) {
			return e.withHost(), nil
		}
	}
	return Engine{}, fmt.Errorf("unknown engine %q %s: use one of %s", name, version, strings.Join(unique(names), ", "))
}

// ID is name and first version.
func (e Engine) ID() string { return e.Name + " " + e.Since }

// Range is the 90 % range of measured over predicted: five in a hundred are
// below Low, and five above High.
type Range struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

//go:embed fitted.json
var fittedFile []byte

// Host is what make validate fitted of an engine (docs/validation-serving.md).
type Host struct {
	Engine       string           `json:"engine"`
	LaunchS      float64          `json:"launch_s,omitempty"`
	HostStepS    float64          `json:"host_step_s"`
	HostTokenS   float64          `json:"host_token_s"`
	HostRequestS float64          `json:"host_request_s"`
	Fitted       string           `json:"fitted"`
	Ranges       map[string]Range `json:"ranges"`
}

var fitted = func() map[string]Host {
	var list []Host
	if err := json.Unmarshal(fittedFile, &list); err != nil {
		panic("serving: fitted.json: " + err.Error())
	}
	out := map[string]Host{}
	for _, h := range list {
		out[h.Engine] = h
	}
	return out
}()

// transferredRange is how much wider a range is where a relative's parameters stand
// for the device's own: the kernels' median errors grow by 5 to 10 % across devices
// (docs/validation.md, the cross-fit).
const transferredRange = 1.1

// Bounds are the 90 % range of a figure in seconds: the engine's, from services
// measured under it, times what the kernels' tier is unsure of where that is not its
// own calibration. They are 0, 0 where nothing says.
func (e Engine) Bounds(figure string, seconds float64, tier datasets.Tier) (low, high float64) {
	r, ok := e.Ranges[figure]
	if !ok || tier == datasets.TierDatasheet {
		return 0, 0
	}
	low, high = seconds*r.Low, seconds*r.High
	if tier == datasets.TierTransferred {
		low, high = low/transferredRange, high*transferredRange
	}
	return low, high
}

// withHost gives an engine its host's times: its own, or rough ones with the
// ranges of all engines together.
func (e Engine) withHost() Engine {
	h, ok := fitted[e.ID()]
	if !ok {
		e = e.Rough()
		e.Ranges = fitted[""].Ranges
		return e
	}
	e.HostStepS, e.HostTokenS, e.HostRequestS, e.LaunchS, e.Fitted, e.Ranges = h.HostStepS, h.HostTokenS, h.HostRequestS, h.LaunchS, h.Fitted, h.Ranges
	return e
}

// Launching is the engine without captured graphs.
func (e Engine) Launching() Engine {
	e.Eager = true
	if e.LaunchS == 0 {
		e.LaunchS = roughLaunchS
	}
	return e
}

// Rough is the engine with a host that nothing was fitted for.
func (e Engine) Rough() Engine {
	e.HostStepS, e.HostTokenS, e.HostRequestS, e.Fitted, e.Ranges = roughStepS, roughTokenS, roughRequestS, "", nil
	if e.Eager {
		e.HostStepS, e.LaunchS = 0, roughLaunchS // its operations outside the graph are launches like any other
	}
	return e
}

func unique(in []string) []string {
	var out []string
	for _, s := range in {
		if len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
	}
	return out
}

// older compares the numbers of two versions, part by part.
func older(a, b string) bool {
	numbers := func(s string) (n [3]int) {
		for i, part := range strings.SplitN(strings.TrimPrefix(s, "v"), ".", 3) {
			fmt.Sscanf(part, "%d", &n[i])
		}
		return n
	}
	x, y := numbers(a), numbers(b)
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}
