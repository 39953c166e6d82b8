package importers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bench/datasets"
)

// llamaBench reads the output of llama.cpp's llama-bench (github.com/ggml-org/
// llama.cpp, tools/llama-bench): Markdown, CSV (-o csv), JSON or JSON lines.
//
// CSV and JSON hold one test a record: model_type ("llama 7B mostly Q4_0"),
// model_size in bytes, model_n_params, n_prompt, n_gen, n_depth (tokens in the
// KV cache before), avg_ns of the whole test over some repetitions, gpu_info,
// cpu_info, backends, n_gpu_layers, n_threads; JSON also each repetition's
// samples_ns. The Markdown holds model, size ("3.56 GiB"), params ("6.74 B"),
// backend, test ("pp512", "tg128 @ d512") and t/s, the mean tokens a second.
//
// A pp test is one pass of the whole prompt, and its row's time is the test's.
// A tg test is n_gen steps of one token each, and its row's time is a step's,
// with the mean context of the steps, depth + (n_gen + 1)/2. Mixed tests
// (pp and tg together) are refused: their sum does not come apart. Tokenising
// and sampling are outside the clock.
//
// The device is the GPUs of gpu_info unless no layer was put there, else the
// CPU. The Markdown names only a backend, unless the log around it lists
// "Device 0: NAME, compute capability"; then the backend stands for the device.
var llamaBench = format{
	name:       "llama-bench",
	about:      "output of llama.cpp's llama-bench, Markdown, CSV or JSON",
	extensions: []string{".md", ".csv", ".json", ".jsonl", ".txt", ".log"},
	read:       readLlamaBench,
}

// llamaTest is one test, whatever the form.
type llamaTest struct {
	Model        string      `json:"model_type"`
	Size         looseText   `json:"model_size"`
	Parameters   looseText   `json:"model_n_params"`
	Prompt       looseText   `json:"n_prompt"`
	Generated    looseText   `json:"n_gen"`
	Depth        looseText   `json:"n_depth"`
	AverageNS    looseText   `json:"avg_ns"`
	SamplesNS    []looseText `json:"samples_ns"`
	GPU          string      `json:"gpu_info"`
	CPU          string      `json:"cpu_info"`
	Backend      string      `json:"backends"`
	GPULayers    looseText   `json:"n_gpu_layers"`
	Threads      looseText   `json:"n_threads"`
	BuildCommit  string      `json:"build_commit"`
	BuildNumber  looseText   `json:"build_number"`
	NoKVOffload  looseText   `json:"no_kv_offload"`
	FlashAttn    looseText   `json:"flash_attn"`
	markdownRate string
	// options are the table's further columns.
	options string
}

func readLlamaBench(b *batch, data []byte) error {
	text := bytes.TrimSpace(data)
	switch {
	case isJSON(text):
		return b.llamaJSON(text)
	case bytes.HasPrefix(text, []byte("build_commit,")):
		return b.llamaCSV(data)
	}
	return b.llamaMarkdown(data)
}

// llamaJSON reads an array of tests, or one test a line.
func (b *batch) llamaJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	record := int64(0)
	for {
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("damaged JSON: %w", err)
		}
		tests := []json.RawMessage{raw}
		if raw[0] == '[' {
			if err := json.Unmarshal(raw, &tests); err != nil {
				return fmt.Errorf("damaged JSON: %w", err)
			}
		}
		for _, one := range tests {
			record++
			var t llamaTest
			if err := json.Unmarshal(one, &t); err != nil {
				b.refuse(record, "not a test: "+clip(err.Error()), "not a test of llama-bench")
				continue
			}
			b.llamaTest(record, t)
		}
	}
}

func (b *batch) llamaCSV(data []byte) error {
	t, err := csvTable(data)
	if err != nil {
		return err
	}
	if err := t.require("model_type", "model_size", "model_n_params", "n_prompt", "n_gen", "avg_ns"); err != nil {
		return err
	}
	for i := range t.rows {
		get := func(name string) looseText {
			if c := t.columns[name]; c != nil {
				return looseText(strings.TrimSpace(c.texts[i]))
			}
			return ""
		}
		b.llamaTest(int64(t.lines[i]), llamaTest{Model: string(get("model_type")), Size: get("model_size"),
			Parameters: get("model_n_params"), Prompt: get("n_prompt"), Generated: get("n_gen"), Depth: get("n_depth"),
			AverageNS: get("avg_ns"), GPU: string(get("gpu_info")), CPU: string(get("cpu_info")),
			Backend: string(get("backends")), GPULayers: get("n_gpu_layers"), Threads: get("n_threads"),
			BuildCommit: string(get("build_commit")), BuildNumber: get("build_number")})
	}
	return nil
}

var (
	llamaDevice = regexp.MustCompile(`^ *Device \d+: (.+?), compute capability`)
	llamaBuild  = regexp.MustCompile(`^build: (\w+) \((\d+)\)`)
	// llamaShape is a test's name: "pp512", "pp 512", "tg128 @ d512".
	llamaShape = regexp.MustCompile(`^(pp|tg) ?(\d+)(?: @ d(\d+))?$`)
)

// llamaKnown are the table's columns that are read; any other one is an option that
// tells two tests apart.
var llamaKnown = []string{"model", "size", "params", "backend", "ngl", "threads", "test", "t/s"}

func (b *batch) llamaMarkdown(data []byte) error {
	var header, devices []string
	type row struct {
		record int64
		cells  map[string]string
	}
	var found []row
	commit, number := "", ""
	for i, line := range b.lines(data) {
		if m := llamaDevice.FindStringSubmatch(line); m != nil {
			devices = append(devices, m[1])
		}
		if m := llamaBuild.FindStringSubmatch(line); m != nil {
			commit, number = m[1], m[2]
		}
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.Trim(line, "|-: ") == "" {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		switch {
		case slices.Contains(cells, "t/s") && slices.Contains(cells, "test"):
			header = cells
		case header == nil:
		case len(cells) != len(header):
			b.refuse(int64(i+1), fmt.Sprintf("%d cells under %d columns", len(cells), len(header)), "not the table's number of cells")
		default:
			r := row{int64(i + 1), map[string]string{}}
			for j, name := range header {
				r.cells[name] = cells[j]
			}
			found = append(found, r)
		}
	}
	if header == nil {
		return errors.New("neither JSON, CSV beginning with build_commit, nor a Markdown table with the columns test and t/s")
	}
	for _, r := range found {
		size, err1 := llamaQuantity(r.cells["size"], map[string]float64{"TiB": 1 << 40, "GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10})
		params, err2 := llamaQuantity(r.cells["params"], map[string]float64{"T": 1e12, "B": 1e9, "M": 1e6, "K": 1e3})
		rate, _, _ := strings.Cut(r.cells["t/s"], "±")
		shape := llamaShape.FindStringSubmatch(r.cells["test"])
		if err := errors.Join(err1, err2); err != nil {
			b.refuse(r.record, clip(err.Error()), "no number with a known unit")
			continue
		}
		if shape == nil {
			why := "test " + strconv.Quote(clip(r.cells["test"])) + " is neither a prompt's nor a generation's alone"
			b.refuse(r.record, why, "neither a prompt's nor a generation's test alone")
			continue
		}
		t := llamaTest{Model: r.cells["model"], Size: looseText(size), Parameters: looseText(params),
			Depth: looseText(shape[3]), Backend: r.cells["backend"], GPU: strings.Join(devices, ", "),
			GPULayers: looseText(r.cells["ngl"]), Threads: looseText(r.cells["threads"]),
			BuildCommit: commit, BuildNumber: looseText(number), markdownRate: strings.TrimSpace(rate)}
		var options []string
		for _, name := range header {
			if !slices.Contains(llamaKnown, name) {
				options = append(options, name+"="+r.cells[name])
			}
		}
		t.options = strings.Join(options, " ")
		if shape[1] == "pp" {
			t.Prompt = looseText(shape[2])
		} else {
			t.Generated = looseText(shape[2])
		}
		b.llamaTest(r.record, t)
	}
	return nil
}

// llamaQuantity reads "3.56 GiB" as a whole number of the base unit.
func llamaQuantity(text string, units map[string]float64) (string, error) {
	digits, unit, _ := strings.Cut(text, " ")
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || units[unit] == 0 || !(v > 0 && v*units[unit] < 1<<50) {
		return "", fmt.Errorf("%q is no number with a known unit", text)
	}
	return strconv.FormatInt(int64(v*units[unit]+0.5), 10), nil
}

// llamaFormat finds the weights' form in a model's name: the last words from
// the one that names it on ("llama 7B mostly Q4_0", "qwen2 7B Q4_K - Medium").
var llamaFormat = regexp.MustCompile(`\b(F32|F16|BF16|I?Q\d\w*|TQ\d\w*|MXFP4|NVFP4)\b.*$`)

func llamaWeights(model string) (datasets.DType, string) {
	switch name := llamaFormat.FindString(model); name {
	case "":
		return "", ""
	case "F32":
		return datasets.FP32, ""
	case "F16":
		return datasets.FP16, ""
	case "BF16":
		return datasets.BF16, ""
	default:
		return datasets.FP16, strings.ReplaceAll(slug(strings.ReplaceAll(name, "_", " ")), "-", "_")
	}
}

func (b *batch) llamaTest(record int64, t llamaTest) {
	var problems []string
	number := func(name string, text looseText) int64 {
		if text == "" {
			return 0
		}
		v, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil || v < 0 || v > 1<<50 {
			problems = append(problems, fmt.Sprintf("%s is no count: %q", name, clip(string(text))))
		}
		return v
	}
	prompt, generated, depth := number("n_prompt", t.Prompt), number("n_gen", t.Generated), number("n_depth", t.Depth)
	m := datasets.ModelPass{Model: t.Model, WeightBytes: number("model_size", t.Size),
		Parameters: number("model_n_params", t.Parameters), Ranks: 1, Options: t.options}
	option := func(text string, is bool) {
		if is {
			m.Options = strings.TrimSpace(m.Options + " " + text)
		}
	}
	option("fa=1", t.FlashAttn == "1" || t.FlashAttn == "true")
	option("nkvo=1", t.NoKVOffload == "1" || t.NoKVOffload == "true")
	layers := number("n_gpu_layers", looseText(strings.TrimPrefix(string(t.GPULayers), "-")))
	option(fmt.Sprintf("ngl=%d", layers), 1 < layers && layers < 99 && t.Backend != "CPU") // 99 and −1 are all
	m.Type, m.Format = llamaWeights(t.Model)
	device := strings.TrimSpace(t.GPU)
	onCPU := t.Backend == "CPU" || t.GPULayers == "0" || device == ""
	switch {
	case !onCPU:
		// Several GPUs are listed with commas; alike ones count as one device.
		names := strings.Split(device, ", ")
		m.Ranks = len(names)
		device = strings.Join(slices.Compact(names), " + ")
	case t.CPU != "":
		device, m.Ranks = strings.TrimSpace(t.CPU), int(max(number("n_threads", t.Threads), 1))
	default:
		device = t.Backend
	}
	switch {
	case (prompt > 0) == (generated > 0):
		b.refuse(record, fmt.Sprintf("a test of %d prompt tokens and %d generated ones is neither alone", prompt, generated),
			"neither a prompt's nor a generation's test alone")
		return
	case m.Type == "":
		b.refuse(record, fmt.Sprintf("model %q does not say the form of its weights", clip(t.Model)), "the model's name does not say the form of its weights")
		return
	case len(problems) > 0:
		b.refuse(record, problems[0], "not a count")
		return
	}
	steps := max(generated, 1)
	m.QueryTokens, m.ContextTokens = max(prompt, 1), depth+prompt
	if generated > 0 {
		m.ContextTokens = depth + (generated+2)/2 // (generated + 1)/2, rounded up
	}
	o := observation{record: record, workload: m, device: device,
		stack:       datasets.Stack{Library: "llama.cpp", Version: string(t.BuildNumber), KernelSource: t.Backend},
		toolVersion: strings.TrimSpace(string(t.BuildNumber) + " " + t.BuildCommit)}
	if t.markdownRate != "" {
		rate, err := strconv.ParseFloat(t.markdownRate, 64)
		if err != nil || !(rate > 0) {
			b.refuse(record, fmt.Sprintf("%q is no rate above zero", clip(t.markdownRate)), "not a rate")
			return
		}
		o.timeS = float64(m.QueryTokens) / rate
	} else {
		ns, err := strconv.ParseFloat(string(t.AverageNS), 64)
		if err != nil {
			b.refuse(record, fmt.Sprintf("avg_ns is no number: %q", clip(string(t.AverageNS))), "avg_ns is no number")
			return
		}
		o.timeS = ns / 1e9 / float64(steps)
	}
	for _, s := range t.SamplesNS {
		if ns, err := strconv.ParseFloat(string(s), 64); err == nil && ns > 0 {
			v := ns / 1e9 / float64(steps)
			if o.lowS == 0 || v < o.lowS {
				o.lowS = v
			}
			o.highS = max(o.highS, v)
		}
	}
	b.add(o)
}
