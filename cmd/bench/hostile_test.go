package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"bench/datasets"

	// goldmark: GitHub-flavoured Markdown as HTML, which tells what a text means there.
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	// x/net/html: HTML as browsers read it.
	"golang.org/x/net/html"
)

// hostile means something to a spreadsheet, a terminal, HTML, Markdown, XML,
// JSON, OpenMetrics and a file system; harmless means nothing to any.
const (
	hostile = "=1+1|\x1b]0;owned\a\x1b[31m\u009b31m\u202e\r\n# head\n\n    code\n| a | b |\n|---|---|\n- item\n1. item\n" +
		"</script><script>alert(1)</script><img src=x onerror=alert(1)>\" onclick=\"alert(1)\" '{{.}} ]]> --> &lt; " +
		"[l](javascript:alert(1)) ![i](http://evil.example/i.png) http://evil.example/x www.evil.example a@evil.example `c` **b** $x$ " +
		"\\| \\\"} 1\n# EOF\nbench_time_seconds 666\nBenchmarkEvil 1 1 sec/op\n../../../x/\x00\xff"
	harmless = "p"
)

// spell gives every text of a value the payload, and its place behind it.
func spell(v reflect.Value, payload, place string) {
	switch v.Kind() {
	case reflect.String:
		switch v.Interface().(type) {
		case datasets.Origin, datasets.Source, datasets.Verdict, datasets.Tier, datasets.DType, datasets.Cache, datasets.RoutingRule:
		default:
			v.SetString(payload + place)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Kind" && name != "Workload" && name != "Kernel" && name != "Pair" {
				spell(v.Field(i), payload, name)
			}
		}
	case reflect.Slice:
		if v.Len() == 0 && v.Type().Elem().Kind() == reflect.String {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
		for i := range v.Len() {
			spell(v.Index(i), payload, place)
		}
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.String {
			v.Set(reflect.MakeMap(v.Type()))
			v.SetMapIndex(reflect.ValueOf(payload+"key"), reflect.ValueOf(payload+"value"))
		}
	}
}

// spelledRun is a run of one host with rows of every suite; all its texts, those
// of workloads too, begin with the payload.
func spelledRun(payload, host string, scale float64) *datasets.Run {
	figure := func(v float64) datasets.Figure { return datasets.Figure{Value: v, Origin: datasets.Datasheet} }
	r := &datasets.Run{Devices: []datasets.Device{{Kind: "gpu", Units: 100, NodeSize: 8, ClockHz: figure(1e9),
		PeakFLOPs:       map[datasets.DType]datasets.Figure{datasets.FP32: {Value: 1e13, Origin: datasets.Datasheet, Source: payload}, datasets.BF16: figure(1e14)},
		MemoryBandwidth: figure(1e12), MemoryBytes: figure(8e10), LinkBandwidth: figure(4e11), VectorFLOPs: figure(1e13)}}}
	spell(reflect.ValueOf(&r.Meta).Elem(), payload, "meta")
	spell(reflect.ValueOf(&r.Devices[0]).Elem(), payload, "device")
	r.Meta.StartUnixS, r.Meta.EndUnixS = 1769900000, 1769900060
	r.Meta.ID, r.Meta.Host = payload+host+strconv.FormatFloat(scale, 'g', -1, 64), payload+host
	pass := datasets.ModelPass{Type: datasets.BF16, WeightBytes: 2e9, Parameters: 1e9, QueryTokens: 1, ContextTokens: 64, Ranks: 1}
	workloads := []datasets.Workload{
		datasets.Stream{Kernel: "copy", Type: datasets.FP32, SizeBytes: 1 << 26, Ranks: 1},
		datasets.Stream{Kernel: payload + "op", Type: datasets.FP32, SizeBytes: 1 << 26, Ranks: 1},
		datasets.Stream{Kernel: "copy", Type: datasets.DType(payload + "dtype"), SizeBytes: 1 << 26, Ranks: 1},
		datasets.Stream{Kernel: "peer", Type: datasets.FP32, SizeBytes: 1 << 26, Ranks: 1, Pair: payload + "pair"},
		datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: 512, N: 512, K: 512, Cache: datasets.Hot, Ranks: 1},
		datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: 512, N: 512, K: 512, Cache: datasets.Cache(payload + "cache"), Ranks: 1},
		datasets.Collective{Kind: "all_reduce", Type: datasets.FP32, SizeBytes: 1 << 20, Ranks: 2, Nodes: 1},
		datasets.DecodeLayer{Type: datasets.BF16, Batch: 1, ContextTokens: 64, Hidden: 64, Heads: 4, KVHeads: 4, HeadDim: 16, FFWidth: 128, Experts: 1, TopK: 1, TP: 1, Ranks: 1, Cache: datasets.Hot},
		datasets.MoELayer{Kernel: "layer", Type: datasets.BF16, Tokens: 8, Hidden: 64, Intermediate: 64, Experts: 4, TopK: 2, TP: 1, EP: 1, Ranks: 1,
			Routing: datasets.Routing{Rule: datasets.RoutingRule(payload + "rule"), TraceSHA256: payload + "sum"}, Cache: datasets.Hot},
		datasets.Attention{Type: datasets.BF16, KVType: datasets.DType(payload + "kv"), Batch: 1, QueryTokens: 1, ContextTokens: 64, Heads: 4, KVHeads: 4, HeadDim: 16, Ranks: 1, Cache: datasets.Hot},
		pass,
	}
	for i, w := range workloads {
		v := reflect.New(reflect.TypeOf(w)).Elem()
		v.Set(reflect.ValueOf(w))
		for f := range v.NumField() {
			if name := v.Type().Field(f).Name; slices.Contains([]string{"Model", "Format", "Algorithm", "Launch"}, name) {
				v.Field(f).SetString(payload + name)
			}
		}
		for j, m := range []datasets.Measurement{
			{Source: datasets.SourceMeasured, Verdict: datasets.OK},
			{Source: datasets.SourceMeasured, Verdict: datasets.Flagged},
			{Source: datasets.SourceMeasured, Verdict: datasets.Failed},
			{Source: datasets.SourceImported, Verdict: datasets.OK},
			{Source: datasets.Source(payload + "source"), Verdict: datasets.OK},
			{Source: datasets.SourceMeasured, Verdict: datasets.Verdict(payload + "verdict")},
		} {
			spell(reflect.ValueOf(&m).Elem(), payload, "measurement")
			if m.Verdict == datasets.OK && m.Source == datasets.SourceMeasured {
				m.Flags = nil
			}
			m.TimeS = 1e-3 * scale * float64(i+1) * (1 + float64(j)/100)
			m.LowS, m.HighS, m.Confidence = m.TimeS*0.999, m.TimeS*1.001, 0.95
			for s := range 20 {
				m.SamplesS = append(m.SamplesS, m.TimeS*(1+float64(s-10)*1e-4))
			}
			p := datasets.Prediction{Tier: datasets.TierDatasheet, Seconds: m.TimeS / 2, Terms: []datasets.Term{{Seconds: m.TimeS / 2}, {Seconds: m.TimeS / 3}}}
			if j == 1 {
				p.NotPredicted = payload
			}
			spell(reflect.ValueOf(&p).Elem(), payload, "prediction")
			if j != 1 {
				p.NotPredicted = ""
			}
			r.Rows = append(r.Rows, datasets.Row{Workload: v.Interface().(datasets.Workload), Measurement: m, DeviceID: r.Devices[0].ID,
				DeviceUUID: payload + "uuid", Predictions: []datasets.Prediction{p}})
		}
	}
	return r
}

// spelledFiles writes what the verbs read, and returns the calls.
func spelledFiles(t *testing.T, payload string) map[string][]string {
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"old.parquet", "new.parquet", "other.parquet"} {
		host := "a"
		if name == "other.parquet" {
			host = "b"
		}
		if err := os.MkdirAll("fleet", 0o755); err != nil {
			t.Fatal(err)
		}
		run := spelledRun(payload, host, 1+float64(i)/2)
		run.Meta.StartUnixS += int64(i) * 86400
		if err := datasets.WriteFile(filepath.Join("fleet", name), run); err != nil {
			t.Fatal(err)
		}
	}
	run := spelledRun(payload, "a", 1)
	device, err := json.Marshal(run.Devices[0])
	if err != nil {
		t.Fatal(err)
	}
	write("device.json", device)
	write("bad.json", []byte(`{"id":`+strconv.Quote("x")+`,"kind":`+string(must(json.Marshal(payload)))+`}`))
	write("unknown.json", []byte(`{`+string(must(json.Marshal(payload)))+`:1}`))
	oneLine := strings.NewReplacer("\n", " ", "\r", " ", "#", " ").Replace(payload)
	write("waivers.txt", []byte("2099-01-01 * # "+oneLine+"\n2000-01-01 "+strings.ReplaceAll(oneLine, "[", "")+" # "+oneLine+"\n"))
	write("bad-waivers.txt", []byte(oneLine+"\n"))
	write("trace.txt", []byte(oneLine+"\n"))
	write("nccl.txt", []byte("# nccl-tests version "+oneLine+"\n# Using devices\n#  Rank  0 Group  0 Pid  1 on "+oneLine+" device  0 [0x1] "+oneLine+"\n"+oneLine+"\n"))
	write("lama.csv", []byte("build_commit,model_type,"+oneLine+"\n\""+oneLine+"\",1,2\n"))
	j, err := datasets.CreateJournal("run.journal", datasets.JournalHeader{Meta: run.Meta, Devices: run.Devices, PlanHash: payload})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range run.Rows {
		if err := j.Append(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	const old, new = "fleet/old.parquet", "fleet/new.parquet"
	calls := map[string][]string{
		"calibrate.text":     {"calibrate", old, "-o", "calibrated.json", "--device", run.Devices[0].ID},
		"calibrate2.text":    {"calibrate", old, "-o", "calibrated.json"},
		"predict.text":       {"predict", "gemm", "--device", "device.json"},
		"predict-bad.text":   {"predict", "gemm", "--device", "bad.json"},
		"predict-field.text": {"predict", "gemm", "--device", "unknown.json"},
		"predict-model.text": {"predict", "decode", "--device", "h100-sxm", "--model", "unknown.json"},
		"trace.text":         {"predict", "moe", "--device", "h100-sxm", "--routing", "trace.txt"},
		"verb.text":          {payload}, "suite.text": {"run", "--suite", payload},
		"lookup.text": {"predict", payload, "--device", payload}, "path.text": {"report", payload + ".parquet"},
		"import.text":      {"import", "nccl-tests", "nccl.txt", "-o", "imported.parquet"},
		"import2.text":     {"import", "llama-bench", "lama.csv", "-o", "imported.parquet"},
		"explain-bad.text": {"report", old, "--explain", payload + "nothing"},
		"waivers.text":     {"gate", new, "--baseline", old, "--model", "--waivers", "bad-waivers.txt", "--allow-simulated"},
		"export.csv":       {"export", old, "--format", "csv"}, "export.json": {"export", old, "--format", "json"},
		"export.prom": {"export", old, "--format", "openmetrics"}, "export.benchfmt": {"export", old, "--format", "benchfmt"},
		"stored.csv": {"export", old, "--format", "csv", "--stored"}, "stored.json": {"export", old, "--format", "json", "--stored"},
		"report.html": {"report", old, "--format", "html"}, "fleet.html": {"report", "fleet", "--format", "html"},
	}
	for _, f := range []string{"text", "md", "json"} {
		calls["report."+f] = []string{"report", old, "--format", f, "--rows", "all"}
		calls["device."+f] = []string{"report", old, "--format", f, "--device", "device.json"}
		calls["folder."+f] = []string{"report", "fleet", "--format", f}
		calls["fleet."+f] = []string{"report", "fleet", "--format", f, "--fleet", "--rows", "all"}
		calls["compare."+f] = []string{"compare", old, new, "--format", f}
		calls["across."+f] = []string{"compare", old, "fleet/other.parquet", "--format", f}
		calls["gate."+f] = []string{"gate", new, "--baseline", old, "--model", "--format", f, "--waivers", "waivers.txt", "--junit", "gate-" + f + ".xml", "--allow-simulated"}
	}
	// The file's texts are mended to UTF-8.
	for i, row := range must(datasets.ReadFile(old)).Rows {
		if i%6 == 0 {
			calls[fmt.Sprintf("explain-%02d.text", i)] = []string{"report", old, "--explain", row.Workload.Key()}
		}
	}
	return calls
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Whatever the texts of files say, what bench writes has the same structure, and
// a terminal is told nothing but characters.
func TestTextsFromFilesMeanNothing(t *testing.T) {
	outputs := map[string]map[string]string{}
	for _, payload := range []string{harmless, hostile} {
		folder := filepath.Join(t.TempDir(), "a", "b", "c")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Chdir(folder)
		calls := spelledFiles(t, payload)
		outputs[payload] = map[string]string{}
		for name, args := range calls {
			var out, said bytes.Buffer
			code := run(args, &out, &said)
			if strings.Contains(said.String(), "a bug in bench") {
				t.Errorf("%s: %s", name, said.String())
			}
			outputs[payload][name] = out.String()
			outputs[payload][name+" code"] = strconv.Itoa(code)
			printable(t, name+" (stderr)", said.String())
		}
		for _, f := range []string{"text", "md", "json"} {
			b, err := os.ReadFile("gate-" + f + ".xml")
			if err != nil {
				t.Error(err)
			}
			outputs[payload]["gate-"+f+".xml"] = string(b)
		}
		outside, _ := filepath.Glob("../../../*")
		more, _ := filepath.Glob("../../*")
		if again, _ := filepath.Glob("../*"); len(outside)+len(more)+len(again) != 3 {
			t.Errorf("files outside the folder: %q %q %q", outside, more, again)
		}
	}
	for name, out := range outputs[hostile] {
		plain := outputs[harmless][name]
		if out == "" && plain != "" {
			t.Errorf("%s: nothing was written", name)
		}
		if name, isCode := strings.CutSuffix(name, " code"); isCode {
			if out != plain {
				t.Errorf("%s: ends with %s, and with harmless texts with %s", name, out, plain)
			}
			continue
		}
		if read := structures[filepath.Ext(name)]; read == nil {
			t.Errorf("%s: no reader", name)
		} else if got, want := read(t, name, out), read(t, name, plain); !slices.Equal(got, want) {
			i := 0
			for i < min(len(got), len(want)) && got[i] == want[i] {
				i++
			}
			t.Errorf("%s: its structure differs at %d of %d, %d: %q, and with harmless texts %q", name, i, len(got), len(want),
				got[i:min(i+6, len(got))], want[i:min(i+6, len(want))])
		}
	}
}

// printable looks for anything that a terminal would obey.
func printable(t *testing.T, name, s string) {
	t.Helper()
	for i, r := range s {
		if r == '\n' || unicode.IsPrint(r) && (r != utf8.RuneError || strings.HasPrefix(s[i:], "\uFFFD")) {
			continue
		}
		t.Errorf("%s holds %q: %q", name, r, s[max(0, i-80):min(len(s), i+20)])
		return
	}
}

// structures tell what a document means, its texts left out.
var structures = map[string]func(t *testing.T, name, s string) []string{
	".text": func(t *testing.T, name, s string) []string { printable(t, name, s); return nil },
	".html": func(t *testing.T, name, s string) []string {
		// Rows are ordered by error and split by a hash of the key, so a cell may
		// have another class; but no attribute is added, and no element.
		var tags []string
		kinds := map[string]bool{}
		for _, e := range elements(t, name, s) {
			kind, rest, _ := strings.Cut(e, " ")
			tag, _, _ := strings.Cut(rest, " ")
			tags = append(tags, kind+" "+tag)
			kinds[e] = true
		}
		return slices.Concat(tags, slices.Sorted(maps.Keys(kinds)))
	},
	".md": func(t *testing.T, name, s string) []string {
		printable(t, name, s)
		var b bytes.Buffer
		if err := goldmark.New(goldmark.WithExtensions(extension.GFM)).Convert([]byte(s), &b); err != nil {
			t.Fatal(err)
		}
		return elements(t, name, b.String())
	},
	".xml":      xmlElements,
	".json":     jsonShapes,
	".csv":      csvCells,
	".prom":     firstWords,
	".benchfmt": firstWords,
}

// elements are the tags of HTML with the names of their attributes.
func elements(t *testing.T, name, s string) []string {
	var out []string
	for z := html.NewTokenizer(strings.NewReader(s)); ; {
		kind := z.Next()
		switch kind {
		case html.ErrorToken:
			return out
		case html.TextToken:
			continue
		}
		token := z.Token()
		line := kind.String() + " " + token.Data
		if kind == html.CommentToken {
			line = kind.String()
		}
		for _, a := range token.Attr {
			line += " " + a.Key
			if (a.Key == "href" || a.Key == "src") && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("%s: a link to %q", name, a.Val)
			}
		}
		out = append(out, line)
	}
}

func xmlElements(t *testing.T, name, s string) (out []string) {
	for d := xml.NewDecoder(strings.NewReader(s)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return out
		}
		switch e := token.(type) {
		case xml.StartElement:
			out = append(out, e.Name.Local)
			for _, a := range e.Attr {
				out = append(out, a.Name.Local)
				printable(t, name, a.Value)
			}
		case xml.CharData:
			printable(t, name, string(e))
		case xml.Comment, xml.ProcInst, xml.Directive:
			out = append(out, fmt.Sprintf("%T", e))
		}
	}
}

// jsonShapes are the shapes that a document's objects and lists have. How many
// groups there are depends on a hash of the key, which splits rows into halves.
func jsonShapes(t *testing.T, name, s string) []string {
	var doc any
	if err := json.Unmarshal([]byte(s), &doc); err != nil {
		if s != "" {
			t.Errorf("%s: %v", name, err)
		}
		return nil
	}
	shapes := map[string]bool{}
	var walk func(v any) string
	walk = func(v any) string {
		switch v := v.(type) {
		case map[string]any:
			var parts []string
			for k, e := range v {
				shape := walk(e)
				if strings.HasPrefix(k, hostile[:4]) || strings.HasPrefix(k, "pkey") {
					k = "a text"
				}
				parts = append(parts, k+":"+shape)
			}
			slices.Sort(parts)
			shapes["{"+strings.Join(parts, ",")+"}"] = true
			return "{}"
		case []any:
			for _, e := range v {
				shapes["["+walk(e)+"]"] = true
			}
			return "[]"
		}
		return fmt.Sprintf("%T", v)
	}
	walk(doc)
	return slices.Sorted(maps.Keys(shapes))
}

func csvCells(t *testing.T, name, s string) (out []string) {
	lines, err := csv.NewReader(strings.NewReader(s)).ReadAll()
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	for _, line := range lines {
		out = append(out, strconv.Itoa(len(line)))
		for _, cell := range line {
			if _, err := strconv.ParseFloat(cell, 64); err != nil && cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
				t.Errorf("%s: the cell %.40q is a formula", name, cell)
			}
		}
	}
	return out
}

// firstWords are what lines of a text format begin with.
func firstWords(t *testing.T, name, s string) (out []string) {
	printable(t, name, s)
	for line := range strings.SplitSeq(s, "\n") {
		word, _, _ := strings.Cut(line, " ")
		word, _, _ = strings.Cut(word, "{")
		word, _, _ = strings.Cut(word, "/")
		out = append(out, word)
	}
	return out
}
