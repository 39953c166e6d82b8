package importers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
)

// serveBench reads what benchmarks of a serving engine print or write:
//
//   - the block "Serving Benchmark Result" of vLLM (vllm/benchmarks/serve.py) and
//     SGLang (sglang/bench_serving.py), and the JSON or JSON lines that they save
//   - the report of TensorRT-LLM's trtllm-bench (PERFORMANCE OVERVIEW)
//   - genai-perf's and AIPerf's tables, CSV and JSON, whose "inter token latency"
//     is a request's time after its first token over its further tokens: the time a
//     token, not a gap
//
// Each is a list of labels with a value, which differ in spelling alone: "Mean TTFT
// (ms)", "mean_ttft_ms", "Time To First Token (ms)". Figures are means over
// requests; input and output tokens a request are totals over requests, rounded.
// A report becomes a row for each figure that it has: ttft, tpot, itl, request,
// and output_token, the time between two tokens of the whole service.
//
// The load is the concurrency or rate that is printed; where none is, or the rate
// is "inf", all requests came at once, which is these programs' default. A
// command line around the block (--model, --tp, --request-rate, …) counts as part
// of it. What the report does not say, often model, layout and GPU, stays unknown;
// weights are taken to be bf16 where the model's name does not end in FP8.
var serveBench = format{
	name:       "serve-bench",
	about:      "results of vLLM's and SGLang's serving benchmarks, trtllm-bench, genai-perf and AIPerf: text, JSON, CSV",
	extensions: []string{".txt", ".log", ".json", ".jsonl", ".csv"},
	read:       readServeBench,
}

// serveNames are the words that labels have for one thing, the surest first.
var serveNames = map[string][]string{
	"ttft":         {"mean ttft", "average time to first token", "time to first token"},
	"tpot":         {"mean tpot", "average time per output token", "inter token latency"},
	"itl":          {"mean itl"},
	"request":      {"mean e2el", "mean e2e latency", "average request latency", "request latency"},
	"output rate":  {"output token throughput", "output throughput", "total output throughput"},
	"total rate":   {"total token throughput"},
	"request rate": {"request throughput"},
	"gpu rate":     {"per gpu output throughput"},
	"duration":     {"benchmark duration", "duration", "total latency"},
	"requests":     {"successful requests", "completed", "request count", "number of sequences"},
	"input":        {"total input tokens"},
	"output":       {"total generated tokens", "total output tokens"},
	"isl":          {"input sequence length", "average input length"},
	"osl":          {"output sequence length", "average output length"},
	"concurrency":  {"maximum request concurrency", "max request concurrency", "max reqeuest concurrency", "max concurrency", "concurrency"},
	"arrivals":     {"request rate configured", "traffic request rate", "request rate"},
	"model":        {"model id", "model path", "model", "model names", "model name"},
	"engine":       {"backend", "endpoint type"},
	"version":      {"tensorrt llm version"},
	"tp":           {"tp size", "tensor parallel size", "tp"},
	"pp":           {"pp size", "pipeline parallel size", "pp"},
	"ep":           {"ep size", "expert parallel size", "ep"},
	"dp":           {"dp size", "data parallel size", "dp"},
	"data":         {"dataset path"},
}

// serveLabels finds the thing that a label names.
var serveLabels = func() map[string]string {
	m := map[string]string{}
	for thing, words := range serveNames {
		for _, w := range words {
			m[w] = thing
		}
	}
	return m
}()

// serveReport is one benchmark's values by label, as read.
type serveReport struct {
	record int64
	values map[string]string
	units  map[string]string
	tool   string
}

var (
	// serveThousands is a number in CSV as genai-perf writes it: "1,234.5".
	serveThousands = regexp.MustCompile(`"[0-9,]+(\.[0-9]*)?"`)

	serveUnit    = regexp.MustCompile(`\s*\(([^)]*)\)$`)
	serveBracket = regexp.MustCompile(`\s*\[[^\]]*\]`)
	serveSuffix  = regexp.MustCompile(` (ms|s)$`)
	serveFlag    = regexp.MustCompile(`--?(model|model-path|tp|tp-size|tensor-parallel-size|pp-size|pipeline-parallel-size|dp-size|data-parallel-size|ep-size|request-rate|max-concurrency)[ =](\S+)`)
)

// set keeps a value under its label without unit, and reports whether the label is
// one that counts. The first value of a label is kept.
func (s *serveReport) set(label, value, unit string) bool {
	label = strings.TrimSpace(label)
	if m := serveUnit.FindStringSubmatch(label); m != nil {
		label, unit = strings.TrimSuffix(label, m[0]), m[1]
	}
	label = strings.ToLower(serveBracket.ReplaceAllString(label, ""))
	label = strings.Join(strings.FieldsFunc(label, func(r rune) bool { return r == ' ' || r == '_' || r == '-' }), " ")
	if m := serveSuffix.FindStringSubmatch(label); m != nil {
		label, unit = strings.TrimSuffix(label, m[0]), m[1]
	}
	if serveLabels[label] == "" {
		return false
	}
	if _, known := s.values[label]; !known {
		s.values[label], s.units[label] = strings.TrimSpace(value), unit
	}
	return true
}

func newServeReport(record int64) *serveReport {
	return &serveReport{record: record, values: map[string]string{}, units: map[string]string{}}
}

// text is what stands for a thing, "" where nothing does.
func (s *serveReport) text(thing string) string {
	for _, w := range serveNames[thing] {
		if v := s.values[w]; v != "" {
			return v
		}
	}
	return ""
}

// number is a thing's value in seconds, or as it is where it is no time; 0 where it
// is not there or no number ("inf", "not set", "N/A").
func (s *serveReport) number(thing string) float64 {
	for _, w := range serveNames[thing] {
		v, err := strconv.ParseFloat(strings.ReplaceAll(s.values[w], ",", ""), 64)
		if err != nil || math.IsInf(v, 0) || !(v > 0) {
			continue
		}
		switch s.units[w] {
		case "ms":
			return v / 1e3
		case "us":
			return v / 1e6
		}
		return v
	}
	return 0
}

func readServeBench(b *batch, data []byte) error {
	if isJSON(data) {
		return b.serveJSON(data)
	}
	run := newServeReport(1)
	reports := []*serveReport{run}
	command := newServeReport(1)
	for i, line := range b.lines(data) {
		for _, m := range serveFlag.FindAllStringSubmatch(line, -1) {
			command.set(m[1], m[2], "")
		}
		line = strings.TrimLeft(line, "> \t│|┃")
		label, value, found := strings.Cut(line, ":")
		if !found {
			// A table's row or CSV; the mean comes first.
			label, value, found = strings.Cut(strings.NewReplacer("|", "│").Replace(line), "│")
			if !found {
				label, value, found = strings.Cut(serveThousands.ReplaceAllStringFunc(line, func(s string) string {
					return strings.NewReplacer(",", "", `"`, "").Replace(s)
				}), ",")
				value, _, _ = strings.Cut(value, ",")
			}
			value, _, _ = strings.Cut(value, "│")
		}
		if !found {
			if strings.Contains(line, "Serving Benchmark Result") {
				run.tool = "vllm" // SGLang's says Backend
			}
			if strings.Contains(line, "PERFORMANCE OVERVIEW") {
				run.tool = "trtllm"
			}
			continue
		}
		next := newServeReport(int64(i + 1))
		if strings.Contains(label, "retokenized") || !next.set(label, value, "") {
			continue
		}
		for l := range next.values {
			if run.values[l] != "" && run.text("request rate") != "" {
				// A label comes again: a second report begins.
				next.tool = run.tool
				run = next
				reports = append(reports, run)
			}
		}
		if len(run.values) == 0 {
			run.record = int64(i + 1)
		}
		run.set(label, value, "")
	}
	for _, s := range reports {
		for l, v := range command.values {
			s.set(l, v, "")
		}
		if len(s.values) > 0 && s.text("request rate")+s.text("ttft")+s.text("output rate") != "" {
			b.serveBench(s)
		}
	}
	if len(b.rows)+b.refused == 0 {
		return errors.New("no line of a serving benchmark's result, such as \"Request throughput (req/s): 8.50\"")
	}
	return nil
}

func (b *batch) serveJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	for record := int64(1); ; {
		var raw any
		if err := d.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("damaged JSON: %w", err)
		}
		list, many := raw.([]any)
		if !many {
			list = []any{raw}
		}
		for _, one := range list {
			s := newServeReport(record)
			s.walk(one)
			b.serveBench(s)
			record++
		}
	}
}

// walk keeps the values of an object and of those within it. A statistic is an
// object with an average and a unit.
func (s *serveReport) walk(v any) {
	object, ok := v.(map[string]any)
	if !ok {
		return
	}
	scalar := func(v any) (string, bool) {
		switch v := v.(type) {
		case string:
			return v, true
		case float64:
			return strconv.FormatFloat(v, 'g', -1, 64), true
		case []any:
			if len(v) == 1 {
				name, ok := v[0].(string)
				return name, ok
			}
		}
		return "", false
	}
	names := slices.Sorted(maps.Keys(object))
	for _, name := range names {
		if text, ok := scalar(object[name]); ok {
			s.set(name, text, "")
		}
	}
	for _, name := range names {
		inner, ok := object[name].(map[string]any)
		if !ok {
			continue
		}
		if mean, ok := scalar(inner["avg"]); ok {
			unit, _ := inner["unit"].(string)
			s.set(name, mean, unit)
			continue
		}
		s.walk(inner)
	}
}

// serveBench adds a report's figures.
func (b *batch) serveBench(s *serveReport) {
	engine := ""
	for _, name := range []string{s.tool, strings.ToLower(s.text("engine"))} {
		for _, of := range [][2]string{{"vllm", "vllm"}, {"sglang", "sglang"}, {"tensorrt", "trtllm"}, {"trt", "trtllm"}} {
			if strings.HasPrefix(name, of[0]) && engine != "trtllm" { // whose backend is PyTorch
				engine = of[1]
			}
		}
	}
	if s.values["successful requests"] != "" || s.values["completed"] != "" {
		delete(s.values, "concurrency") // what was reached, not what was asked for
	}
	requests := s.number("requests")
	if requests == 0 {
		requests = math.Round(s.number("request rate") * s.number("duration"))
	}
	isl, osl := s.number("isl"), s.number("osl")
	if rate := s.number("request rate"); isl == 0 || osl == 0 {
		switch {
		case requests > 0 && s.number("input") > 0 && s.number("output") > 0:
			isl, osl = s.number("input")/requests, s.number("output")/requests
		case rate > 0:
			osl = s.number("output rate") / rate
			isl = (s.number("total rate") - s.number("output rate")) / rate
		}
	}
	refuse := func(why string) { b.refuse(s.record, why, why) }
	rate, seconds := s.number("request rate"), s.number("duration")
	switch {
	case !(isl >= 0.5 && osl >= 0.5 && isl < maxCount && osl < maxCount):
		refuse("the report does not say how many tokens a request had in and out")
		return
	case rate > 0 && seconds > 0 && requests > 0 && math.Abs(rate*seconds/requests-1) > 0.02:
		refuse(fmt.Sprintf("requests, duration and request throughput contradict each other: %g in %g s are not %g a second", requests, seconds, rate))
		return
	}
	w := datasets.Serve{Type: datasets.BF16, Model: strings.Trim(s.text("model"), `"'`), InputTokens: int64(math.Round(isl)), OutputTokens: int64(math.Round(osl)),
		Concurrency: int64(s.number("concurrency")), Rate: s.number("arrivals"), Requests: int64(requests),
		TP: int(s.number("tp")), PP: int(s.number("pp")), DP: int(s.number("dp")), EP: int(s.number("ep"))}
	b.serveModel(&w, s)
	if w.TP > 0 {
		w.PP, w.DP, w.EP, w.ETP = max(w.PP, 1), max(w.DP, 1), max(w.EP, 1), 1
		w.Ranks = w.TP * w.PP * w.DP
	} else if each := s.number("gpu rate"); each > 0 {
		w.Ranks = int(math.Round(s.number("output rate") / each))
		if w.Ranks == 1 {
			w.TP, w.PP, w.DP, w.EP, w.ETP = 1, 1, 1, 1, 1
		}
	}
	if w.Concurrency == 0 && w.Rate == 0 {
		w.Concurrency = w.Requests
		b.note("no concurrency and no rate of arrival: all requests at once, as these benchmarks do by default")
	}
	add := func(figure string, seconds float64) {
		if seconds > 0 {
			w.Kernel = figure
			b.add(observation{record: s.record, workload: w, timeS: seconds,
				stack: datasets.Stack{Library: engine, Version: s.text("version")}})
		}
	}
	if r := s.number("output rate"); r > 0 {
		add("output_token", 1/r)
	}
	for _, figure := range []string{"ttft", "tpot", "itl", "request"} {
		add(figure, s.number(figure))
	}
	if b.refused == 0 && len(b.rows) == 0 {
		refuse("the report has no figure: TTFT, TPOT, latency or throughput")
	}
}

// serveModel finds the model in the catalogue, and the type in its name. A data
// set's path may name both, and the output length that was asked for.
func (b *batch) serveModel(w *datasets.Serve, s *serveReport) {
	name := w.Model
	if path := s.text("data"); path != "" {
		for _, part := range strings.Split(path, "/") {
			if _, ok := catalog.MatchModel(part); ok && name == "" {
				name = part
			}
			var in, out, n int64
			if k, _ := fmt.Sscanf(part, "%d_%d_%d", &in, &out, &n); k == 3 && out != w.OutputTokens {
				b.note("%d output tokens a request came, and the data set's name says %d", w.OutputTokens, out)
			}
		}
	}
	if strings.HasSuffix(strings.ToLower(name), "fp8") {
		w.Type = datasets.FP8
	}
	w.Model = name
	if m, ok := catalog.MatchModel(name); ok {
		w.Model = m.ID
		if m.ExpertBits > 0 {
			w.Format = "mxfp4"
		}
	}
}
