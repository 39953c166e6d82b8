package importers

import (
	"cmp"
	"errors"
	"math"
	"strconv"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
)

// serving reads two published tables of served models, CSV with a header.
//
// aiconfigurator's silicon samples (github.com/ai-dynamo/aiconfigurator,
// silicon_sample.csv): backend, backend_version, model_path, system, precision,
// isl, osl, concurrency (kept up by the client), tp_size, pp_size,
// attention_dp_size, moe_tp_size, moe_ep_size (0 or empty is 1), silicon_ttft_ms
// and silicon_tpot_ms, means. An empty precision is bf16 where the model's name
// does not end in FP8.
//
// splitwise-sim's perf_model.csv (github.com/Mutinifni/splitwise-sim): model,
// hardware, prompt_size, batch_size, token_size, tensor_parallel, and in
// milliseconds prompt_time (of the whole batch, all at once) and token_time. Its
// e2e_time contradicts the sum of both in a quarter of the rows, and is not read.
// It ran under vLLM of 2023 (Patel et al., "Splitwise", 2024, section 5).
//
// Each record becomes two rows, ttft and tpot; a closed loop's third, its time an
// output token, follows from them: (TTFT + (osl − 1) · TPOT) / (osl · concurrency).
var serving = format{
	name:       "serving",
	about:      "tables of served models: aiconfigurator's silicon samples, splitwise-sim's perf_model, CSV",
	extensions: []string{".csv"},
	read:       readServing,
}

func readServing(b *batch, data []byte) error {
	t, err := csvTable(data)
	if err != nil {
		return err
	}
	read := (*batch).siliconRow
	switch {
	case t.has("silicon_tpot_ms"):
		err = t.require("backend", "backend_version", "model_path", "system", "precision", "isl", "osl", "concurrency", "tp_size",
			"pp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size", "silicon_ttft_ms")
	case t.has("prompt_time"):
		err = t.require("model", "hardware", "prompt_size", "batch_size", "token_size", "token_time", "tensor_parallel")
		read = (*batch).splitwiseRow
	default:
		err = errors.New("no column silicon_tpot_ms and none prompt_time: neither aiconfigurator's table nor splitwise-sim's")
	}
	for i := 0; err == nil && i < len(t.columns[t.names[0]].texts); i++ {
		read(b, &record{t: t, i: i})
	}
	return err
}

// ways reads a layout's column, in which 0 and an empty cell mean 1.
func (r *record) ways(name string) int {
	s := r.text(name)
	if s == "" {
		return 1
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1<<20 {
		r.fail(name, "is no count", s)
	}
	return max(n, 1)
}

func (b *batch) siliconRow(r *record) {
	name := r.text("model_path")
	s := datasets.Serve{Type: datasets.BF16, Model: name, InputTokens: r.count("isl"), OutputTokens: r.count("osl"),
		TP: r.ways("tp_size"), PP: r.ways("pp_size"), DP: r.ways("attention_dp_size"), EP: r.ways("moe_ep_size"), ETP: r.ways("moe_tp_size")}
	if r.text("concurrency") == "" {
		r.fail("concurrency", "has no value", "empty")
	} else {
		s.Concurrency = r.count("concurrency")
	}
	if strings.EqualFold(r.text("precision"), "fp8") || strings.HasSuffix(strings.ToLower(name), "-fp8") {
		s.Type = datasets.FP8
	}
	if m, ok := catalog.MatchModel(name); ok {
		s.Model = m.ID
		if m.ExpertBits > 0 {
			// Hopper multiplies such weights in 16 bits, whatever the table calls it.
			s.Format = "mxfp4"
		}
	}
	s.Ranks = s.TP * s.PP * s.DP
	o := observation{record: r.line(), device: r.text("system"), stack: datasets.Stack{Library: r.text("backend"), Version: r.text("backend_version")}}
	b.served(r, o, s, r.number("silicon_ttft_ms")/1e3, r.number("silicon_tpot_ms")/1e3)
}

func (b *batch) splitwiseRow(r *record) {
	name := r.text("model")
	s := datasets.Serve{Type: datasets.FP16, Model: name, InputTokens: r.count("prompt_size"), OutputTokens: r.count("token_size"),
		Concurrency: r.count("batch_size"), Requests: r.count("batch_size"), TP: r.ways("tensor_parallel"), PP: 1, DP: 1, EP: 1, ETP: 1}
	if m, ok := catalog.MatchModel(name); ok {
		s.Model = m.ID
	}
	s.Ranks = s.TP
	o := observation{record: r.line(), device: r.text("hardware"), stack: datasets.Stack{Library: "vllm", Version: "0.2"}}
	b.served(r, o, s, r.number("prompt_time")/1e3, r.number("token_time")/1e3)
}

func (b *batch) served(r *record, o observation, s datasets.Serve, ttft, tpot float64) {
	add := func(figure string, seconds float64) {
		s.Kernel = figure
		o.workload, o.timeS = s, seconds
		b.addRecord(r, o)
	}
	if r.err != "" || math.IsNaN(ttft) || math.IsNaN(tpot) {
		b.refuse(r.line(), cmp.Or(r.err, "no TTFT or TPOT"), cmp.Or(r.kind, "no TTFT or TPOT"))
		return
	}
	add("ttft", ttft)
	add("tpot", tpot)
	if s.Requests == 0 {
		add("output_token", (ttft+float64(s.OutputTokens-1)*tpot)/float64(s.OutputTokens*s.Concurrency))
	}
}
