package importers

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"bench/datasets"
)

// aiconfigurator reads the kernel tables of NVIDIA's aiconfigurator
// (github.com/ai-dynamo/aiconfigurator, src/aiconfigurator/systems/data): one
// Parquet file an operation, one kernel a row, every row with
//
//	framework, version  serving framework or library that ran, and its version
//	device              the GPU's name as the driver prints it
//	op_name             gemm, context_attention, generation_attention, moe, all_reduce, …
//	kernel_source       which kernel
//	latency             milliseconds an operation, the mean over replays of a
//	                    CUDA graph after warm-ups; the graph repeats the
//	                    operation on the same operands, so that those are hot
//
// and by table
//
//	gemm        gemm_dtype, m, n, k
//	attention   batch_size, isl, num_heads, num_key_value_heads, head_dim,
//	            beam_width, attn_dtype, kv_cache_dtype, step, window_size: step
//	            tokens lie in the KV cache and isl follow (isl is 1 when generating);
//	            0 is no window
//	mla         batch_size, isl, num_heads (a rank's), mla_dtype, kv_cache_dtype,
//	            step: latent attention with a latent of 512 and a rotary key of 64,
//	            a prompt's expanded to keys of 192 and values of 128 a head
//	nccl        nccl_dtype, num_gpus, message_size in elements, not bytes; of
//	            all_gather, reduce_scatter and alltoall the whole buffer
//	custom_allreduce  allreduce_dtype, num_gpus, message_size in elements,
//	            backend: eager (the host's launch is timed too) or graph
//	moe         moe_dtype, num_tokens (of the batch, before routing),
//	            hidden_size, inter_size, topk, num_experts, moe_tp_size,
//	            moe_ep_size, distribution: the grouped expert product of the most
//	            loaded rank; gated, unless kernel_source says nongated
//
// Versions before 2026 hold the same columns as CSV, in files called *_perf.txt.
// The table is told by its columns and op_name, not by the file's name.
var aiconfigurator = format{
	name:       "aiconfigurator",
	about:      "kernel tables of NVIDIA aiconfigurator, Parquet: gemm, attention, mla, nccl, custom_allreduce, moe",
	extensions: []string{".parquet", "_perf.txt"},
	read:       readAIConfigurator,
}

// aiTables is the columns that each kind of table must have, told by the one
// that no other has.
var aiTables = []struct {
	mark    string
	columns []string
	read    func(r *record) datasets.Workload
}{
	{"gemm_dtype", []string{"m", "n", "k"}, aiGEMM},
	{"attn_dtype", []string{"batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim",
		"kv_cache_dtype", "step", "op_name"}, aiAttention},
	{"mla_dtype", []string{"batch_size", "isl", "num_heads", "kv_cache_dtype", "step", "op_name"}, aiMLA},
	{"nccl_dtype", []string{"num_gpus", "message_size", "op_name"}, aiNCCL},
	{"allreduce_dtype", []string{"num_gpus", "message_size", "kernel_source"}, aiCustomAllReduce},
	{"moe_dtype", []string{"num_tokens", "hidden_size", "inter_size", "topk", "num_experts",
		"moe_tp_size", "moe_ep_size", "distribution"}, aiMoE},
}

func readAIConfigurator(b *batch, data []byte) error {
	read := parquetTable
	if bytes.HasPrefix(data, []byte("framework,")) {
		read = csvTable
	}
	t, err := read(data)
	if err != nil {
		return err
	}
	for _, kind := range aiTables {
		if !t.has(kind.mark) {
			continue
		}
		known := append([]string{kind.mark, "framework", "version", "device", "op_name", "kernel_source", "latency"}, kind.columns...)
		if err := t.require(known...); err != nil {
			return err
		}
		if extra := t.unused(append(known, "backend", "beam_width", "window_size", "tp_size", "implementation")...); extra != nil {
			b.note("columns not used: %s", strings.Join(extra, ", "))
		}
		for i := range t.rows {
			b.aiRow(&record{t: t, i: i}, kind.read)
		}
		b.leaveOutDefective()
		return nil
	}
	// Another operation of the same collection: known to be there, not modelled.
	if err := t.require("op_name", "device", "latency"); err != nil {
		return err
	}
	for i := range t.rows {
		r := &record{t: t, i: i}
		why := fmt.Sprintf("operation %q is not modelled", clip(r.text("op_name")))
		b.refuse(r.line(), why, why)
	}
	return nil
}

func (b *batch) aiRow(r *record, read func(*record) datasets.Workload) {
	w := read(r)
	version := r.text("version")
	o := observation{record: r.line(), workload: w, device: r.text("device"), timeS: r.number("latency") / 1e3,
		stack: datasets.Stack{Library: strings.ToLower(r.text("framework")), Version: version, KernelSource: r.text("kernel_source")}}
	if o.stack.KernelSource == "NCCL" { // called by the framework, which makes no difference
		o.stack.Library = "nccl"
	}
	if folder := filepath.Base(filepath.Dir(b.file)); folder != version && isVersion(folder) && r.err == "" {
		b.note("the folder says version %s and the file %s", folder, clip(version))
	}
	b.addRecord(r, o)
}

func isVersion(s string) bool {
	return strings.ContainsAny(s, "0123456789") && strings.Contains(s, ".") && strings.Trim(s, "0123456789.rc") == ""
}

// aiTypes are the plain element types.
var aiTypes = map[string]datasets.DType{
	"bfloat16": datasets.BF16, "float16": datasets.FP16, "half": datasets.FP16,
	"float32": datasets.FP32, "float": datasets.FP32, "fp8": datasets.FP8, "int8": datasets.INT8,
}

// aiQuantised are the forms with work of their own inside the clock: fp8 is
// quantised by vLLM's dynamic rule as it goes, fp8_block by blocks of 128. The
// type is the one that is multiplied in (compute_dtype in aiconfigurator's
// sdk/common.py): bf16 for weight-only forms.
var aiQuantised = map[string]struct {
	dtype  datasets.DType
	format string
}{
	"fp8":         {datasets.FP8, "fp8_dynamic"},
	"fp8_static":  {datasets.FP8, "fp8_static"},
	"fp8_block":   {datasets.FP8, "fp8_block"},
	"fp8_ootb":    {datasets.FP8, "fp8_ootb"},
	"int8_wo":     {datasets.BF16, "int8_wo"},
	"int4_wo":     {datasets.BF16, "int4_wo"},
	"w4a16_mxfp4": {datasets.BF16, "w4a16_mxfp4"},
	"w4afp8":      {datasets.FP8, "w4afp8"},
	"nvfp4":       {datasets.FP4, "nvfp4"},
	"sq":          {datasets.INT8, "sq"},

	"w4a8_mxfp4_mxfp8":        {datasets.FP8, "w4a8_mxfp4_mxfp8"},
	"w4a8_mxfp4_mxfp8_trtllm": {datasets.FP8, "w4a8_mxfp4_mxfp8_trtllm"},
}

// dtype reads a plain element type.
func (r *record) dtype(name string) datasets.DType {
	s := r.text(name)
	d, ok := aiTypes[s]
	if !ok && r.err == "" {
		r.fail(name, "names an unknown type", s)
	}
	return d
}

// weights reads an element type or a quantised form of the weights.
func (r *record) weights(name string) (datasets.DType, string) {
	if q, ok := aiQuantised[r.text(name)]; ok {
		return q.dtype, q.format
	}
	return r.dtype(name), ""
}

func aiGEMM(r *record) datasets.Workload {
	dtype, format := r.weights("gemm_dtype")
	return datasets.GEMM{Kernel: "matmul", Type: dtype, Format: format, Ranks: 1, Cache: datasets.Hot,
		M: r.count("m"), N: r.count("n"), K: r.count("k")}
}

func aiAttention(r *record) datasets.Workload {
	a := datasets.Attention{Type: r.dtype("attn_dtype"), KVType: r.dtype("kv_cache_dtype"),
		Batch: r.count("batch_size"), QueryTokens: r.count("isl"), Heads: r.count("num_heads"),
		KVHeads: r.count("num_key_value_heads"), HeadDim: r.count("head_dim"), Ranks: 1, Cache: datasets.Hot}
	a.ContextTokens = a.QueryTokens + r.count("step")
	switch op := r.text("op_name"); op {
	case "context_attention":
	case "generation_attention":
		if a.QueryTokens != 1 {
			r.fail("isl", "is not 1 when generating", a.QueryTokens)
		}
	default:
		r.fail("op_name", "names an operation that is not modelled", op)
	}
	if c := r.t.columns["window_size"]; c != nil && (c.null == nil || !c.null[r.i]) {
		a.Window = r.count("window_size")
	}
	if r.t.has("beam_width") {
		if n := r.count("beam_width"); n != 1 {
			r.fail("beam_width", "asks for beam search, which is not modelled", n)
		}
	}
	return a
}

// aiMLA is latent attention with the dimensions of DeepSeek-V2 and V3, the only
// ones that the collectors have.
func aiMLA(r *record) datasets.Workload {
	a := datasets.Attention{Type: r.dtype("mla_dtype"), KVType: r.dtype("kv_cache_dtype"), Batch: r.count("batch_size"),
		QueryTokens: r.count("isl"), Heads: r.count("num_heads"), Ranks: 1, Cache: datasets.Hot}
	a.ContextTokens = a.QueryTokens + r.count("step")
	switch op := r.text("op_name"); op {
	case "mla_context", "context_mla":
		a.KVHeads, a.HeadDim, a.ValueDim = a.Heads, 128+64, 128
	case "mla_generation", "generation_mla":
		a.KVHeads, a.HeadDim, a.ValueDim, a.SharedDim = 1, 512+64, 512, 512
		if a.QueryTokens != 1 {
			r.fail("isl", "is not 1 when generating", a.QueryTokens)
		}
	default:
		r.fail("op_name", "names an operation that is not modelled", op)
	}
	return a
}

// bytes is a message of elements in bytes.
func (r *record) bytes(elements string, d datasets.DType) int64 {
	return int64(float64(r.count(elements)) * d.Size())
}

var aiCollectives = map[string]string{"all_reduce": "all_reduce", "all_gather": "all_gather",
	"reduce_scatter": "reduce_scatter", "alltoall": "all_to_all"}

func aiNCCL(r *record) datasets.Workload {
	op := r.text("op_name")
	kind, ok := aiCollectives[op]
	if !ok {
		r.fail("op_name", "names a collective that is not modelled", op)
	}
	d := r.dtype("nccl_dtype")
	return datasets.Collective{Kind: kind, Type: d, SizeBytes: r.bytes("message_size", d),
		Ranks: int(r.count("num_gpus")), Nodes: 1}
}

func aiCustomAllReduce(r *record) datasets.Workload {
	d := r.dtype("allreduce_dtype")
	c := datasets.Collective{Kind: "custom_all_reduce", Type: d, SizeBytes: r.bytes("message_size", d),
		Ranks: int(r.count("num_gpus")), Nodes: 1}
	from := r.text("kernel_source")
	if r.t.has("backend") {
		from += " " + r.text("backend")
	}
	switch eager, graph := strings.Contains(from, "eager"), strings.Contains(from, "graph"); {
	case eager && !graph:
		c.Launch = "eager"
	case graph && !eager:
		c.Launch = "graph"
	}
	return c
}

func aiMoE(r *record) datasets.Workload {
	dtype, format := r.weights("moe_dtype")
	m := datasets.MoELayer{Kernel: "experts", Type: dtype, Format: format, Gated: !strings.Contains(r.text("kernel_source"), "nongated"), Ranks: 1, Cache: datasets.Hot,
		Tokens: r.count("num_tokens"), Hidden: r.count("hidden_size"), Intermediate: r.count("inter_size"),
		Experts: r.count("num_experts"), TopK: r.count("topk"),
		TP: int(r.count("moe_tp_size")), EP: int(r.count("moe_ep_size"))}
	rule := r.text("distribution")
	if rule == "balanced" {
		m.Routing = datasets.Routing{Rule: datasets.RouteBalanced}
		return m
	}
	exponent, isLaw := strings.CutPrefix(rule, "power_law_")
	a, err := strconv.ParseFloat(exponent, 64)
	if !isLaw || err != nil || !(a >= 0 && a < 100) {
		r.fail("distribution", "names an unknown routing", rule)
	}
	m.Routing = datasets.Routing{Rule: datasets.RoutePowerLaw, Exponent: a}
	return m
}
