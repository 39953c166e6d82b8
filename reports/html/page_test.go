package html

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/reports"
)

// hostile is text of a file that would run if it became markup, in an element,
// an attribute, a style sheet or a script.
const hostile = `</script></style><script>window.ran=1</script><img src=x onerror="window.ran=2">" onload="window.ran=3`

// everySuite is workloads of every suite in sweeps, with sizes that a laptop
// could measure.
func everySuite() []datasets.Workload {
	var out []datasets.Workload
	for size := int64(16 << 10); size <= 1<<30; size <<= 2 {
		for _, k := range []string{"read", "triad", "latency"} {
			out = append(out, datasets.Stream{Kernel: k, Type: datasets.FP64, SizeBytes: size, Ranks: 1})
		}
	}
	out = append(out, datasets.Stream{Kernel: "softmax", Type: datasets.BF16, SizeBytes: 1 << 26, Rows: 4096, Cols: 4096, Ranks: 1})
	for m := int64(1); m <= 8192; m *= 4 {
		out = append(out, datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: m, N: 8192, K: 8192, Ranks: 1, Cache: datasets.Cold})
		for _, context := range []int64{1024, 8192} {
			out = append(out, datasets.Attention{Type: datasets.BF16, Batch: m, QueryTokens: 1, ContextTokens: context, Heads: 32, KVHeads: 8, HeadDim: 128, Ranks: 1})
		}
		for _, r := range []datasets.Routing{{Rule: datasets.RouteBalanced}, {Rule: datasets.RouteZipf, Exponent: 1, Seed: 1}} {
			out = append(out, datasets.MoELayer{Kernel: "experts", Type: datasets.BF16, Tokens: m, Hidden: 4096, Intermediate: 1024, Experts: 16, TopK: 2, Gated: true, TP: 1, EP: 1, Routing: r, Ranks: 1})
		}
	}
	for _, ranks := range []int{2, 8} {
		for size := int64(8 << 10); size <= 1<<30; size <<= 3 {
			out = append(out, datasets.Collective{Kind: "all_reduce", Type: datasets.BF16, SizeBytes: size, Ranks: ranks, Nodes: 1})
		}
	}
	return append(out, datasets.Attention{Type: datasets.BF16, Batch: 1, QueryTokens: 512, ContextTokens: 512, Heads: 32, KVHeads: 8, HeadDim: 128, Ranks: 1})
}

// sampleRun is every suite on a device, as slow as factor says, with hostile
// text wherever a file holds text.
func sampleRun(t *testing.T, device string, source datasets.Source, factor float64) *datasets.Run {
	t.Helper()
	dev, err := catalog.Lookup(device)
	if err != nil {
		t.Fatal(err)
	}
	run := &datasets.Run{Meta: datasets.Meta{ID: "run " + device, Host: "host " + hostile, Bench: hostile, Command: []string{"bench", hostile},
		Environment: map[string]string{hostile: hostile}, Notes: []string{hostile}, StartUnixS: 1}}
	for i, w := range everySuite() {
		s := 1e-3
		for _, p := range reports.PredictOne(w, dev, []datasets.Tier{datasets.TierDatasheet}, reports.Catalogue(nil)) {
			if p.Seconds > 0 {
				s = 1e-6 + 1.2*p.Seconds
			}
		}
		s *= factor * (1 + 0.05*float64(i%7))
		m := datasets.Measurement{Source: source, Verdict: datasets.OK, TimeS: s, LowS: 0.98 * s, HighS: 1.03 * s, Confidence: 0.95,
			SamplesS: []float64{0.97 * s, s, s, 1.01 * s, 3 * s}, Stack: datasets.Stack{Library: hostile, Version: hostile, KernelSource: hostile}, Stop: hostile}
		if source == datasets.SourceImported {
			m.Origin = datasets.ImportOrigin{Tool: hostile, File: hostile, DeviceName: hostile}
		}
		if i%5 == 0 {
			m.Verdict, m.Flags = datasets.Flagged, []string{datasets.FlagThrottled, hostile}
		}
		if i%11 == 3 {
			m.Verdict, m.Reason, m.TimeS = datasets.Failed, hostile, 0
		}
		if w.Suite() == datasets.SuiteMoE {
			m.ActiveExperts, m.MaxLoad, m.MeanLoad = 16, 40, 20
		}
		m.Conditions = datasets.Conditions{StartUnixNS: int64(1+i) * 1e9, ClockHz: 1.4e9 + 1e6*float64(i), PowerWatt: 500, TemperatureC: 60, SentinelRatio: 1.01}
		run.Rows = append(run.Rows, datasets.Row{Workload: w, Measurement: m, DeviceID: device})
	}
	unknown := datasets.ModelPass{Model: hostile, Type: datasets.BF16, WeightBytes: 1 << 30, Parameters: 1 << 29, QueryTokens: 1, ContextTokens: 100, Ranks: 1}
	run.Rows = append(run.Rows, datasets.Row{Workload: unknown, DeviceID: device + hostile, Measurement: datasets.Measurement{Source: source, Verdict: datasets.OK, TimeS: 1e-3}})
	return run
}

func render(t *testing.T, runs ...*datasets.Run) string {
	t.Helper()
	r, err := reports.New(runs, datasets.Tiers, reports.Catalogue(nil))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// samplePage is made once: tests only read it.
func samplePage(t *testing.T) string {
	t.Helper()
	if madePage == "" {
		madePage = makePage(t)
	}
	return madePage
}

var madePage string

func makePage(t *testing.T) string {
	t.Helper()
	return render(t, sampleRun(t, "a100-sxm-80", datasets.SourceMeasured, 1), sampleRun(t, "h100-sxm", datasets.SourceSimulated, 0.6))
}

// TestStructure: every chapter, every figure with a caption and drawings, every
// table with a caption, no identifier twice, every inner link has an end.
func TestStructure(t *testing.T) {
	p := samplePage(t)
	for _, id := range []string{"verdict", "summary", "roofline", "error", "differences", "memory", "collectives", "decode", "moe", "conditions", "rows", "cases", "provenance",
		"roofline-plot", "error-plot", "error-boxes", "difference-plot", "bandwidth-plot", "latency-plot", "rowwise-plot", "bus-plot", "collective-time-plot",
		"tokens-plot", "step-plot", "front-plot", "heat-plot", "imbalance-plot", "slowdown-plot", "condition-clock", "condition-power", "condition-temperature", "condition-sentinel"} {
		if n := strings.Count(p, `id="`+id+`"`); n != 1 {
			t.Errorf("%d elements have the id %s", n, id)
		}
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(p, -1) {
		if !strings.Contains(p, `id="`+m[1]+`"`) {
			t.Errorf("a link to #%s leads nowhere", m[1])
		}
	}
	for _, f := range strings.Split(p, "<figure")[1:] {
		f, _, _ = strings.Cut(f, "</figure>")
		if !strings.Contains(f, "<figcaption>") || !strings.Contains(f, `<svg xmlns`) || !strings.Contains(f, `aria-label="`) {
			t.Errorf("a figure lacks its caption, drawing or name: %.80s", f)
		}
		if !strings.Contains(f, "<table") && !strings.Contains(f, `href="#rows"`) {
			t.Errorf("a figure has no table: %.80s", f)
		}
	}
	if a, b := strings.Count(p, `<table class="sorts"`), strings.Count(p, "<caption>"); a != b {
		t.Errorf("%d tables that sort, %d captions", a, b)
	}
}

// TestNothingFromElsewhere: the page asks for no other file.
func TestNothingFromElsewhere(t *testing.T) {
	p := samplePage(t)
	if m := regexp.MustCompile(`(?i)<(link|iframe|img|object|embed|base|audio|video)\b`).FindString(p); m != "" {
		t.Errorf("the page has %s", m)
	}
	for _, bad := range []string{"<script src", "@import", "url("} {
		if strings.Contains(p, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, u := range regexp.MustCompile(`https?://[^"'\s<]*`).FindAllString(p, -1) {
		if u != "http://www.w3.org/2000/svg" {
			t.Errorf("the page names %s", u)
		}
	}
}

// TestTextStaysText: hostile text of a file is on the page, and never as markup.
func TestTextStaysText(t *testing.T) {
	for _, p := range []string{samplePage(t), render(t, sampleRun(t, "a100-sxm-80", datasets.SourceImported, 1))} {
		if n := strings.Count(p, "window.ran"); n < 10 {
			t.Errorf("only %d mentions of the hostile text: the test looks at nothing", n)
		}
		if n := strings.Count(p, "<script"); n != 2 {
			t.Errorf("%d scripts, want the data and the page's own", n)
		}
		for _, bad := range []string{`onload="window`, `onerror="window`, "<img"} {
			if strings.Contains(p, bad) {
				t.Errorf("%q is on the page as markup", bad)
			}
		}
	}
}

// TestSimulatedIsNamed: a simulated run is called so in the verdicts, over each
// of its panels and beside each of its rows.
func TestSimulatedIsNamed(t *testing.T) {
	p := samplePage(t)
	if strings.Contains(p, `<p class="panel-title">h100-sxm</p>`) || strings.Contains(p, `<p class="panel-title">h100-sxm,`) {
		t.Error("a panel of simulated rows does not say so")
	}
	if n := strings.Count(p, "h100-sxm (simulated)"); n < 12 {
		t.Errorf("h100-sxm (simulated) is named %d times", n)
	}
	only := render(t, sampleRun(t, "h100-sxm", datasets.SourceSimulated, 1))
	for _, title := range regexp.MustCompile(`<p class="panel-title">([^<]*)</p>`).FindAllStringSubmatch(only, -1) {
		if !strings.Contains(title[1], "(simulated)") {
			t.Errorf("the panel %q does not say that it is simulated", title[1])
		}
	}
}

// TestSamePageTwice: a report renders to the same bytes each time.
func TestSamePageTwice(t *testing.T) {
	if samplePage(t) != makePage(t) {
		t.Error("two renderings differ")
	}
}

// many is a run of n different products.
func many(n int) *datasets.Run {
	run := &datasets.Run{Meta: datasets.Meta{ID: "many"}}
	for i := range n {
		w := datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: int64(1 + i%128), N: int64(128 + i/128), K: 4096, Ranks: 1, Cache: datasets.Cold}
		run.Rows = append(run.Rows, datasets.Row{Workload: w, DeviceID: "h100-sxm",
			Measurement: datasets.Measurement{Source: datasets.SourceImported, Verdict: datasets.OK, TimeS: 1e-5 * (1 + float64(i%97)/50)}})
	}
	return run
}

// manyPage is made once, for this test and the browser's.
func manyPage(t *testing.T) string {
	t.Helper()
	if madeMany == "" {
		madeMany = render(t, many(10_000))
	}
	return madeMany
}

var madeMany string

// TestManyRows: 10,000 rows are all on a page of less than 2 MB; beyond the
// limit they are grouped, which the page says, and no larger than before.
func TestManyRows(t *testing.T) {
	for _, c := range []struct {
		page        string
		rows, table int
		grouped     bool
	}{{manyPage(t), 10_000, 10_000, false}, {render(t, many(maxPageRows+1)), maxPageRows + 1, groupedRows, true}} {
		p := c.page
		if len(p) > 2<<20 {
			t.Errorf("%d rows make a page of %d bytes", c.rows, len(p))
		}
		_, data, _ := strings.Cut(p, `id="row-data">`)
		data, _, _ = strings.Cut(data, "</script>")
		var table rowTable
		if err := json.Unmarshal([]byte(data), &table); err != nil {
			t.Fatal(err)
		}
		if len(table.Rows) != c.table {
			t.Errorf("%d of %d rows are in the table, want %d", len(table.Rows), c.rows, c.table)
		}
		if said := strings.Contains(p, fmt.Sprintf("%s rows: plots over all rows show groups", reports.Count(c.rows))); said != c.grouped {
			t.Errorf("%d rows: says that it groups: %v, want %v", c.rows, said, c.grouped)
		}
	}
}

// TestNothingMeasured: a run without a usable row is a page that says so.
func TestNothingMeasured(t *testing.T) {
	w := datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: 1 << 20, Ranks: 1}
	p := render(t, &datasets.Run{Rows: []datasets.Row{{Workload: w, DeviceID: "host", Measurement: datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.Skipped, Reason: "no memory"}}}})
	for _, want := range []string{"nothing was measured", "no memory"} {
		if !strings.Contains(p, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(p, "<figure") {
		t.Error("the page has figures")
	}
}

// BenchmarkPage renders a joined report of so many rows.
func BenchmarkPage(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r, err := reports.New([]*datasets.Run{many(n)}, datasets.Tiers, reports.Catalogue(nil))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				var page bytes.Buffer
				if err := Write(&page, r); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(page.Len()), "page-bytes")
			}
		})
	}
}
