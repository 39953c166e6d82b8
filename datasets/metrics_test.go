package datasets

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	// expfmt is the parser that node_exporter's textfile collector uses.
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	// benchfmt and benchmath are what benchstat is made of.
	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// hostile is text that would break a line format out of its quotes.
const hostile = "a\"b\\c\nd{e}=\x1b[31m#,"

func hostileRun() *Run {
	run := &Run{Meta: Meta{ID: "r1", Host: hostile, Bench: "bench 0", StartUnixS: 100, EndUnixS: 200}}
	for i, verdict := range []Verdict{OK, Flagged, Failed, Skipped} {
		run.Rows = append(run.Rows, Row{DeviceID: hostile, Workload: GEMM{Kernel: "matmul", Type: BF16, M: int64(i + 1), N: 1000, K: 500, Ranks: 1},
			Measurement: Measurement{Source: SourceMeasured, Verdict: verdict, TimeS: 1e-3, LowS: 0.9e-3, HighS: 1.1e-3, SamplesS: []float64{1e-3, 1.1e-3}, BatchIterations: 7},
			Predictions: []Prediction{{Tier: TierDatasheet, Seconds: 0.8e-3}, {Tier: TierCeilings, NotPredicted: "no"}}})
	}
	run.Rows = append(run.Rows, Row{DeviceID: "d", Workload: ModelPass{Model: "a b=c/d \"e\"", Type: BF16, WeightBytes: 1, Parameters: 1, QueryTokens: 1, ContextTokens: 1, Ranks: 8},
		Measurement: Measurement{Source: SourceImported, Verdict: OK, TimeS: math.Inf(1), Origin: ImportOrigin{Tool: hostile}}})
	return run
}

// parseMetrics reads the text form as node_exporter does.
func parseMetrics(t *testing.T, b []byte) map[string]map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	out := map[string]map[string]float64{}
	for name, f := range families {
		out[name] = map[string]float64{}
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			key := strings.Join(labels, ",")
			if _, twice := out[name][key]; twice || m.TimestampMs != nil {
				t.Errorf("%s{%s}: twice, or with a time", name, key)
			}
			out[name][key] = m.GetGauge().GetValue()
		}
	}
	return out
}

func TestOpenMetrics(t *testing.T) {
	old, run := hostileRun(), hostileRun()
	old.Meta.StartUnixS, old.Meta.ID = 50, "r0"
	old.Rows[0].Measurement.TimeS = 5
	var b bytes.Buffer
	if err := export(&b, "openmetrics", run, old); err != nil {
		t.Fatal(err)
	}
	got := parseMetrics(t, b.Bytes())
	shown := strings.ReplaceAll(hostile, "\x1b", "\uFFFD") // a label is read on terminals too
	labels := "host=" + shown + ",device=" + shown + ",suite=gemm,op=matmul,dtype=bf16,key=" + run.Rows[0].Workload.Key() + ",source=measured"
	for name, want := range map[string]float64{
		"bench_time_seconds": 1e-3, "bench_time_low_seconds": 0.9e-3,
		"bench_arithmetic_flops_per_second": 2 * 1000 * 500 / 1e-3,
		"bench_case_usable":                 1,
	} {
		l := labels
		if name == "bench_case_usable" {
			l += ",verdict=ok"
		}
		if v, ok := got[name][l]; !ok || math.Abs(v/want-1) > 1e-12 {
			t.Errorf("%s: %v, want %v, among\n%v", name, v, want, got[name])
		}
	}
	if v := got["bench_prediction_error_ratio"][labels+",tier=datasheet"]; math.Abs(v+0.2) > 1e-12 {
		t.Errorf("error: %v", got["bench_prediction_error_ratio"])
	}
	// Two usable rows of the newest run; the failed and the skipped are said to be.
	if len(got["bench_time_seconds"]) != 2 || len(got["bench_case_usable"]) != 5 || len(got["bench_prediction_error_ratio"]) != 2 {
		t.Errorf("%d times, %d cases, %d errors", len(got["bench_time_seconds"]), len(got["bench_case_usable"]), len(got["bench_prediction_error_ratio"]))
	}
	known := strings.Join(MetricNames(), " ") + " "
	for name := range got {
		if !strings.Contains(known, name+" ") {
			t.Errorf("%s is none of MetricNames", name)
		}
	}
	// What OpenMetrics asks beyond the text form that came before it.
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if lines[len(lines)-1] != "# EOF" || strings.Count(b.String(), "# EOF") != 1 {
		t.Errorf("ends with %q", lines[len(lines)-1])
	}
	family := ""
	for _, l := range lines {
		words := strings.SplitN(l, " ", 4)
		switch {
		case strings.HasPrefix(l, "# UNIT"):
			if !strings.HasSuffix(words[2], "_"+words[3]) {
				t.Errorf("%s does not end in its unit %s", words[2], words[3])
			}
		case strings.HasPrefix(l, "# HELP"):
			family = words[2]
		case !strings.HasPrefix(l, "#") && !strings.HasPrefix(l, family+"{"):
			t.Errorf("a sample outside its family: %s", l)
		}
	}
}

// Any rows give text that parses, without a sample twice.
func TestOpenMetricsParses(t *testing.T) {
	run := testRun(5, 500)
	var b bytes.Buffer
	if err := export(&b, "openmetrics", run); err != nil {
		t.Fatal(err)
	}
	if got := parseMetrics(t, b.Bytes()); len(got["bench_time_seconds"]) < 50 {
		t.Errorf("%d times of 500 rows", len(got["bench_time_seconds"]))
	}
}

// promtool's own check of names, units and help, where it is installed.
func TestOpenMetricsPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian: prometheus)")
	}
	for _, run := range []*Run{hostileRun(), testRun(5, 500)} {
		var b bytes.Buffer
		if err := export(&b, "openmetrics", run); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(promtool, "check", "metrics")
		cmd.Stdin = &b
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// readBenchfmt reads with benchstat's reader: samples of a unit by full name.
func readBenchfmt(t *testing.T, b []byte, unit string) map[string][]float64 {
	t.Helper()
	out := map[string][]float64{}
	r := benchfmt.NewReader(bytes.NewReader(b), "run")
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			if v, ok := rec.Value(unit); ok {
				out[string(rec.Name)] = append(out[string(rec.Name)], v)
			}
		case *benchfmt.SyntaxError:
			t.Errorf("%v", rec)
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return out
}

func TestBenchfmt(t *testing.T) {
	var b bytes.Buffer
	if err := export(&b, "benchfmt", hostileRun()); err != nil {
		t.Fatal(err)
	}
	times, rates := readBenchfmt(t, b.Bytes(), "sec/op"), readBenchfmt(t, b.Bytes(), "FLOP/s")
	name := "Gemm/op=matmul/dtype=bf16/m=1/n=1000/k=500/ranks=1"
	if got := times[name]; len(got) != 2 || got[0] != 1e-3 || got[1] != 1.1e-3 {
		t.Errorf("samples: %v in\n%s", times, b.String())
	}
	if got := rates[name]; len(got) != 2 || math.Abs(got[0]-1e9) > 1 || math.Abs(got[1]-1e9/1.1) > 1 {
		t.Errorf("rates: %v", rates)
	}
	if len(times) != 3 { // two products and a pass; failed and skipped have no time
		t.Errorf("%d benchmarks: %v", len(times), times)
	}
}

// Different workloads have different names.
func TestBenchmarkNamesDiffer(t *testing.T) {
	seen := map[string]string{}
	r := rand.New(rand.NewPCG(7, 7))
	for range 5000 {
		w := randomWorkload(r)
		name, key := benchmarkName(w), w.Key()
		if other, ok := seen[name]; ok && other != key {
			t.Fatalf("%s is the name of %s and %s", name, other, key)
		}
		if strings.ContainsAny(name, " \t\n") {
			t.Fatalf("%q has a space", name)
		}
		seen[name] = key
	}
}

// benchstat's own test finds a slowdown of 10 % between two exported runs, and
// none between a run and itself.
func TestBenchfmtCompares(t *testing.T) {
	sample := func(slow float64) []float64 {
		run := hostileRun()
		run.Rows = run.Rows[:1]
		m := &run.Rows[0].Measurement
		m.SamplesS = nil
		for i := range 20 {
			m.SamplesS = append(m.SamplesS, slow*1e-3*(1+0.001*float64(i%5)))
		}
		var b bytes.Buffer
		if err := export(&b, "benchfmt", run); err != nil {
			t.Fatal(err)
		}
		for _, v := range readBenchfmt(t, b.Bytes(), "sec/op") {
			return v
		}
		return nil
	}
	compare := func(a, b []float64) (ratio string, p float64) {
		th := benchmath.DefaultThresholds
		s, u := benchmath.NewSample(a, &th), benchmath.NewSample(b, &th)
		c := benchmath.AssumeNothing.Compare(s, u)
		ca, cb := benchmath.AssumeNothing.Summary(s, 0.95), benchmath.AssumeNothing.Summary(u, 0.95)
		return fmt.Sprintf("%.3f", cb.Center/ca.Center), c.P
	}
	if ratio, p := compare(sample(1), sample(1.1)); ratio != "1.100" || p > 0.001 {
		t.Errorf("10 %% slower: ratio %s, p = %g", ratio, p)
	}
	if ratio, p := compare(sample(1), sample(1)); ratio != "1.000" || p < 0.5 {
		t.Errorf("the same: ratio %s, p = %g", ratio, p)
	}
}
