package importers

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
)

// vidur reads the profiles of Microsoft's Vidur (github.com/microsoft/vidur,
// data/profiling): CSV with a header, FP16, one row a case.
//
// compute/DEVICE/MODEL/mlp.csv (vidur/profiling/mlp): the operators of one
// transformer layer under tensor parallelism, each with time_stats.OP.median,
// min, max, mean and std in milliseconds of device time over 20 steps, and
// n_head, n_kv_head, n_embd, n_expanded_embd, vocab_size, use_gated_mlp,
// num_tokens, num_tensor_parallel_workers. Each operator becomes a row of its
// own: attn_pre_proj (query, key and value), attn_post_proj, mlp_up_proj (with
// the gate, as one product, where gated) and mlp_down_proj are products;
// emb, input_layernorm, attn_rope, mlp_act, post_attention_layernorm and add
// are passes over memory. Between two uses of an operator's weights all the
// others are read (50 MB at 8 workers of Llama-2-7B, more than L2 holds, and
// more with fewer), so that products find their weights cold.
// Which norm ran is not in the file: of Vidur's models, the gated ones have
// RMS norms and the others layer norms (profiling/common/model_config.py).
//
// network/DEVICE/COLLECTIVE.csv (vidur/profiling/collectives): time_stats.KIND
// likewise, of the NCCL kernel on the one rank that the row names, waiting for
// the others included, median over three steps; num_workers, devices_per_node,
// size in bytes (elements × 2) of the rank's own buffer, so that the whole
// buffer of all_gather and reduce_scatter is num_workers times that. Where
// devices_per_node is less than num_workers, the ranks span nodes.
//
// The device is in no column: it is the name of the folder below compute or
// network.
var vidur = format{
	name:       "vidur",
	about:      "operator and collective profiles of Microsoft Vidur, CSV",
	extensions: []string{".csv"},
	read:       readVidur,
}

func readVidur(b *batch, data []byte) error {
	t, err := csvTable(data)
	if err != nil {
		return err
	}
	device := vidurDevice(b.file)
	switch {
	case t.has("collective"):
		if err := t.require("num_workers", "size", "devices_per_node"); err != nil {
			return err
		}
		for i := range t.rows {
			b.vidurCollective(&record{t: t, i: i}, device)
		}
	case t.has("num_tensor_parallel_workers"):
		if err := t.require("n_head", "n_kv_head", "n_embd", "n_expanded_embd", "use_gated_mlp", "num_tokens"); err != nil {
			return err
		}
		for i := range t.rows {
			b.vidurLayer(&record{t: t, i: i}, device)
		}
	default:
		return errors.New("no column collective and none num_tensor_parallel_workers: neither a collective's profile nor a layer's")
	}
	return nil
}

// vidurDevice takes the device's name from the folders of a path.
func vidurDevice(path string) string {
	dirs := strings.Split(filepath.ToSlash(filepath.Dir(path)), "/")
	slices.Reverse(dirs)
	for i, d := range dirs {
		if i > 0 && (d == "compute" || d == "network") {
			return dirs[i-1]
		}
	}
	for _, d := range dirs {
		if _, ok := catalog.Match(d); ok {
			return d
		}
	}
	return dirs[0]
}

// times fills in an observation's time and spread, of an operator's columns in
// milliseconds.
func (r *record) vidurTimes(o *observation, op string) {
	o.timeS = r.number("time_stats."+op+".median") / 1e3
	if r.t.has("time_stats." + op + ".min") {
		o.lowS = r.number("time_stats."+op+".min") / 1e3
	}
	if r.t.has("time_stats." + op + ".max") {
		o.highS = r.number("time_stats."+op+".max") / 1e3
	}
}

func (b *batch) vidurCollective(r *record, device string) {
	kind := r.text("collective")
	c := datasets.Collective{Kind: kind, Type: datasets.FP16, SizeBytes: r.count("size"),
		Ranks: int(r.count("num_workers")), Nodes: 1}
	if kind == "all_gather" || kind == "reduce_scatter" {
		c.SizeBytes *= int64(c.Ranks)
	}
	switch perNode := int(r.count("devices_per_node")); {
	case r.err != "":
	case perNode < 1 || c.Ranks > perNode && c.Ranks%perNode != 0:
		r.fail("devices_per_node", "does not divide num_workers", perNode)
	default:
		c.Nodes = max(1, c.Ranks/perNode)
	}
	o := observation{record: r.line(), device: device, workload: c, stack: datasets.Stack{Library: "nccl"}}
	r.vidurTimes(&o, kind)
	b.addRecord(r, o)
}

func (b *batch) vidurLayer(r *record, device string) {
	tokens, tp := r.count("num_tokens"), r.count("num_tensor_parallel_workers")
	heads, kvHeads := r.count("n_head"), r.count("n_kv_head")
	hidden, ff := r.count("n_embd"), r.count("n_expanded_embd")
	gated := strings.EqualFold(r.text("use_gated_mlp"), "true")
	if r.err == "" && (tp == 0 || heads == 0 || hidden%heads != 0 || heads%tp != 0 || kvHeads%tp != 0 || ff%tp != 0) {
		r.fail("num_tensor_parallel_workers", "does not divide the layer", tp)
	}
	if r.err != "" {
		b.refuse(r.line(), r.err, r.kind)
		return
	}
	headDim := hidden / heads
	up, act, norm := int64(1), "gelu", "layer_norm"
	if gated {
		up, act, norm = 2, "silu_mul", "rms_norm"
	}
	product := func(n, k int64) datasets.Workload {
		return datasets.GEMM{Kernel: "matmul", Type: datasets.FP16, M: tokens, N: n, K: k, Ranks: 1, Cache: datasets.Cold}
	}
	pass := func(kernel string, cols int64) datasets.Workload {
		return rowwise(kernel, datasets.FP16, tokens, cols)
	}
	for _, op := range []struct {
		name     string
		workload datasets.Workload
	}{
		{"emb", pass("embedding", hidden)},
		{"input_layernorm", pass(norm, hidden)},
		{"attn_pre_proj", product((heads+2*kvHeads)*headDim/tp, hidden)},
		{"attn_rope", pass("rope", (heads+kvHeads)*headDim/tp)},
		{"attn_post_proj", product(hidden, heads*headDim/tp)},
		{"post_attention_layernorm", pass(norm, hidden)},
		{"mlp_up_proj", product(up*ff/tp, hidden)},
		{"mlp_act", pass(act, ff/tp)},
		{"mlp_down_proj", product(hidden, ff/tp)},
		{"add", pass("add", hidden)},
	} {
		if !r.t.has("time_stats." + op.name + ".median") {
			continue
		}
		// Each operator is read afresh, so that one bad time costs one row.
		cell := &record{t: r.t, i: r.i}
		o := observation{record: r.line(), device: device, workload: op.workload, stack: datasets.Stack{Library: "sarathi", KernelSource: op.name}}
		cell.vidurTimes(&o, op.name)
		b.addRecord(cell, o)
	}
}

// rowwise is a row-wise operator with the working set of all its arrays.
func rowwise(kernel string, d datasets.DType, rows, cols int64) datasets.Stream {
	s := datasets.Stream{Kernel: kernel, Type: d, Rows: rows, Cols: cols, Ranks: 1}
	reads, writes := s.Arrays()
	s.SizeBytes = int64(float64(rows) * float64(cols) * float64(reads+writes) * d.Size())
	return s
}
