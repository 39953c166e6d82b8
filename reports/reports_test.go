package reports

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"bench/datasets"

	"github.com/jedib0t/go-pretty/v6/text"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var twoTiers = []datasets.Tier{datasets.TierDatasheet, datasets.TierCeilings}

// sample is a fixed run on an invented device, with predictions made up by
// hand, so that the golden files change only where rendering does.
func sample() *Report {
	meta := datasets.Meta{ID: "20261124T220000-abcd", Bench: "bench 0.1.0", Host: "test\x1b[31mhost", Notes: []string{"load average was 1.9"}}
	ok := func(us float64) datasets.Measurement {
		m := datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.OK, TimeS: us * 1e-6,
			LowS: us * 0.996e-6, HighS: us * 1.004e-6, Confidence: 0.95}
		for i := range 30 { // ten of each, so that the 10th smallest and the 10th greatest are the ends
			m.SamplesS = append(m.SamplesS, []float64{m.LowS, m.TimeS, m.HighS}[i*7%30/10])
		}
		return m
	}
	moe := ok(300)
	moe.ActiveExperts, moe.MaxLoad, moe.MeanLoad = 5, 96, 32
	flagged := ok(90)
	flagged.Verdict, flagged.Flags = datasets.Flagged, []string{datasets.FlagUnsteady}
	failed := datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.Failed, Reason: "3 of 16 elements are wrong"}
	skipped := datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.Skipped, Reason: "this CPU has no bf16"}
	simulated := ok(100)
	simulated.Source = datasets.SourceSimulated
	layer := datasets.MoELayer{Kernel: "layer", Type: datasets.FP32, Tokens: 64, Hidden: 512, Intermediate: 1024,
		Experts: 8, TopK: 2, Gated: true, TP: 1, EP: 1, Ranks: 2}
	balanced, zipf := layer, layer
	balanced.Routing = datasets.Routing{Rule: datasets.RouteBalanced, Seed: 1}
	zipf.Routing = datasets.Routing{Rule: datasets.RouteZipf, Exponent: 1.2, Seed: 1}
	gemm := func(t datasets.DType, m int64) datasets.GEMM {
		return datasets.GEMM{Kernel: "matmul", Type: t, M: m, N: 12288, K: 4096, Ranks: 2, Cache: datasets.Hot}
	}
	cases := []struct {
		w          datasets.Workload
		m          datasets.Measurement
		sheet, own float64 // predicted µs, 0 for none
		binds      string
	}{
		{datasets.Stream{Kernel: "triad", Type: datasets.FP64, SizeBytes: 384 << 20, Ranks: 2}, ok(20000), 0, 19400, "memory"},
		{datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: 16 << 10, Ranks: 1}, ok(0.4), 0, 0.41, "cache"},
		{datasets.Stream{Kernel: "latency", Type: datasets.I64, SizeBytes: 1 << 30, Ranks: 1}, ok(0.1), 0, 0.0998, "latency"},
		{gemm(datasets.FP32, 1024), ok(1000), 800, 950, "compute"},
		{gemm(datasets.FP32, 1), flagged, 60, 91, "memory"},
		{gemm(datasets.BF16, 1024), skipped, 0, 0, ""},
		{datasets.Collective{Kind: "all_reduce", Type: datasets.FP32, SizeBytes: 256 << 20, Ranks: 2, Nodes: 1, Algorithm: "ring"}, ok(50000), 0, 52000, "communication"},
		{datasets.Collective{Kind: "all_reduce", Type: datasets.FP32, SizeBytes: 8, Ranks: 2, Nodes: 1, Algorithm: "direct"}, failed, 0, 1, "latency"},
		{datasets.DecodeLayer{Model: "llama-2-7b", Type: datasets.FP32, Batch: 8, ContextTokens: 1024, Hidden: 4096, Heads: 32,
			KVHeads: 32, HeadDim: 128, FFWidth: 11008, Gated: true, Experts: 1, TopK: 1, TP: 1, Ranks: 2, Cache: datasets.Cold}, ok(90000), 0, 85000, "memory"},
		{balanced, ok(200), 0, 190, "compute"},
		{zipf, moe, 0, 280, "compute"},
		{gemm(datasets.FP32, 2048), simulated, 90, 0, "compute"},
	}
	run := datasets.Run{Meta: meta}
	for _, c := range cases {
		run.Rows = append(run.Rows, datasets.Row{Workload: c.w, Measurement: c.m, DeviceID: "host"})
	}
	rows := make([]Joined, len(cases))
	for i, c := range cases {
		key := c.w.Key()
		j := Joined{Row: &run.Rows[i], Key: key, Split: datasets.SplitOf(key), Regime: "memory", BandwidthBytesPerS: 20e9}
		for t, us := range []float64{c.sheet, c.own} {
			p := datasets.Prediction{Tier: twoTiers[t], NotPredicted: "no datasheet bandwidth"}
			if us > 0 {
				p = datasets.Prediction{Tier: twoTiers[t], Seconds: us * 1e-6, Binds: c.binds, Rule: "max",
					Terms: []datasets.Term{{Name: c.binds, Seconds: us * 1e-6}, {Name: "launch", Seconds: 1e-6}}}
			}
			j.Predictions = append(j.Predictions, p)
		}
		rows[i] = j
	}
	return assemble([]*datasets.Run{&run}, twoTiers, rows)
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test ./reports -update rewrites it):\n%s", path, got)
	}
}

func TestGolden(t *testing.T) {
	r := sample()
	var b bytes.Buffer
	render := func(err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer b.Reset()
		return bytes.Clone(b.Bytes())
	}
	golden(t, "report.txt", render(Text(&b, r, TextOptions{Rows: 0})))
	golden(t, "brief.txt", render(Brief(&b, r, TextOptions{Files: []string{"results/night.parquet"}})))
	golden(t, "report_worst.txt", render(Text(&b, r, TextOptions{Rows: 1})))
	golden(t, "report.md", render(Markdown(&b, r, 0)))
	golden(t, "report.json", render(JSON(&b, r)))
	golden(t, "explain.txt", render(Explain(&b, r, "m=1024 n=12288")))
}

// TestBriefFitsAScreen: at most 45 lines of 80 columns, whatever the devices, files and
// notes are called, and however many sections there are.
func TestBriefFitsAScreen(t *testing.T) {
	r := sample()
	meta := r.Runs[0].Meta
	meta.Profile = "quick"
	meta.Notes = slices.Repeat([]string{strings.Repeat("a long note ", 20)}, 9)
	r.Again = slices.Repeat([]string{strings.Repeat("a reason ", 20)}, 9)
	var rows []datasets.Row
	for device := range 9 {
		for _, j := range r.Rows {
			row := *j.Row
			row.DeviceID = fmt.Sprint("a device with a rather long name, number ", device)
			row.Measurement.Flags = []string{datasets.FlagShared, datasets.FlagDrift, datasets.FlagUnsteady, datasets.FlagWarmup}
			if row.Measurement.Usable() {
				row.Measurement.Verdict = datasets.Flagged
			}
			rows = append(rows, row)
		}
	}
	r, err := New([]*datasets.Run{{Meta: meta, Rows: rows}}, datasets.Tiers, Catalogue(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{80, 120} {
		var b bytes.Buffer
		if err := Brief(&b, r, TextOptions{Width: width, Files: []string{"results/20261129T144751Z-bea6ed47103b.parquet"}}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "\n"); n > 45 || n < 30 {
			t.Errorf("%d lines", n)
		}
		for l := range strings.SplitSeq(b.String(), "\n") {
			if w := text.StringWidthWithoutEscSequences(l); w > width {
				t.Errorf("width %d: a line of %d columns: %s", width, w, l)
			}
			if i := strings.IndexFunc(l, unicode.IsControl); i >= 0 {
				t.Errorf("control code in %q", l)
			}
		}
	}
}

// TestTextFitsTheTerminal: no line is wider than asked, no control code, hence
// no colour, reaches the output, though the host's name carries one.
func TestTextFitsTheTerminal(t *testing.T) {
	r := sample()
	for i := range r.Rows {
		r.Rows[i].Row.DeviceID = "a device with a rather long name, of the kind that vendors like"
	}
	r = assemble(r.Runs, r.Tiers, r.Rows)
	for _, width := range []int{80, 100, 140} {
		var b bytes.Buffer
		if err := Text(&b, r, TextOptions{Width: width, Rows: -1}); err != nil {
			t.Fatal(err)
		}
		for l := range strings.SplitSeq(b.String(), "\n") {
			if w := text.StringWidthWithoutEscSequences(l); w > width {
				t.Errorf("width %d: a line of %d columns: %s", width, w, l)
			}
			if i := strings.IndexFunc(l, unicode.IsControl); i >= 0 {
				t.Errorf("control code in %q", l)
			}
		}
	}
}

func TestMarkdownEscapes(t *testing.T) {
	got := EscapeMarkdown("a*b_c<img src=x>`d`[e](http://f)@g\x1b[0m\nh")
	for _, bad := range []string{"<", "@", "http://", "\x1b", "\n", " *", "a*b"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q is left in %q", bad, got)
		}
	}
	r := sample()
	r.Rows[3].Row.Measurement.Flags = []string{"evil | cell", "<script>"}
	var b bytes.Buffer
	if err := Markdown(&b, r, 0); err != nil {
		t.Fatal(err)
	}
	columns := 0
	for l := range strings.SplitSeq(b.String(), "\n") {
		if !strings.HasPrefix(l, "|") {
			columns = 0
			continue
		}
		n := strings.Count(strings.ReplaceAll(l, `\|`, ""), "|")
		if columns == 0 {
			columns = n
		}
		if n != columns {
			t.Errorf("%d cells in a table of %d: %s", n, columns, l)
		}
	}
	if strings.Contains(b.String(), "<script") {
		t.Error("HTML from a file reached the report")
	}
}

// TestJSONSchema reads the report back as DESIGN.md describes it.
func TestJSONSchema(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, sample()); err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc["schema"] != "bench.report/1" {
		t.Errorf("schema is %v", doc["schema"])
	}
	for _, key := range []string{"runs", "groups", "rows", "not_predicted"} {
		if _, ok := doc[key].([]any); !ok {
			t.Errorf("%s is %T, not an array", key, doc[key])
		}
	}
	if n := len(doc["rows"].([]any)); n != 12 {
		t.Errorf("%d rows, want 12", n)
	}
	top := 0
	for _, g := range doc["groups"].([]any) {
		g := g.(map[string]any)
		for _, key := range []string{"suite", "op", "device", "stack", "dtype", "regime", "tier", "split", "n", "mape", "median_ape", "p90_ape", "bias"} {
			if g[key] == nil {
				t.Errorf("a group has no %s: %v", key, g)
			}
		}
		if g["suite"] == "gemm" && g["op"] == "all" && g["dtype"] == "all" && g["regime"] == "all" && g["split"] == "all" && g["tier"] == "ceilings" {
			top++
			// 950/1000 − 1 = −0.05 and 91/90 − 1 = 0.0111…: mean 0.0306, bias −0.0194.
			if g["n"] != 2.0 || math.Abs(g["mape"].(float64)-0.5*(0.05+1.0/90)) > 1e-12 || math.Abs(g["bias"].(float64)-0.5*(-0.05+1.0/90)) > 1e-12 {
				t.Errorf("gemm ceilings over all: %v", g)
			}
		}
	}
	if top != 1 {
		t.Errorf("%d groups over all gemm rows of the measured source, want 1", top)
	}
}
