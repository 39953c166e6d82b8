package gate

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"strings"
	"testing"
	"time"

	"bench/datasets"
	"bench/reports"
)

func TestWaivers(t *testing.T) {
	now := time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC)
	w, err := ReadWaivers(strings.NewReader("# c\n\n2026-03-01 gemm/matmul   fp8 * # driver\n2026-02-28 * # all\n"), "w", now)
	if err != nil || len(w) != 2 {
		t.Fatal(w, err)
	}
	if w[0].Expired || !w[1].Expired {
		t.Errorf("the last day counts, the day before yesterday not: %+v", w)
	}
	for key, want := range map[string]bool{"gemm/matmul fp8 m=1 n=2 k=3 ranks=1": true, "gemm/matmul bf16 m=1": false, "hbm/triad fp64": false} {
		if w[0].Matches(key) != want {
			t.Errorf("%s: %v", key, !want)
		}
		if !w[1].Matches(key) {
			t.Errorf("* must name %s", key)
		}
	}
}

// The published table must read, be of the test half of docs/validation.json,
// and have its quantiles in order.
func TestPublishedKnownErrors(t *testing.T) {
	known, err := Published()
	if err != nil {
		t.Fatal(err)
	}
	if len(known) < 100 {
		t.Fatalf("%d groups", len(known))
	}
	for _, k := range known {
		if !(k.P50 <= k.P90 && k.P90 <= k.P99 && k.P99 <= k.Max) || k.N < LeastKnown {
			t.Errorf("%+v", k)
		}
	}
	b, err := os.ReadFile("../../docs/validation.json")
	if err != nil {
		t.Fatal(err)
	}
	var validation struct{ Groups []reports.Group }
	if err := json.Unmarshal(b, &validation); err != nil {
		t.Fatal(err)
	}
	x, held := index(known), 0
	for _, g := range validation.Groups {
		// Known errors are of all stacks together.
		rolledUp := g.DType == reports.All && g.Regime != reports.All || g.Op == reports.All && g.DType != reports.All
		if g.Tier != string(datasets.TierCalibrated) || g.N < LeastKnown || rolledUp || g.Stack != reports.All {
			continue
		}
		k := Known{Device: g.Device, Tier: datasets.TierCalibrated, Tool: g.Tool, Suite: g.Suite, Op: g.Op, DType: g.DType, Regime: g.Regime}
		if found := x[k.name()]; found.N != g.N {
			t.Errorf("%q has %d rows, and %d in docs/validation.json: make validate writes both", k.name(), found.N, g.N)
		}
		held++
	}
	if held < 50 {
		t.Errorf("only %d groups were compared", held)
	}
}

// By hand: 199 errors of which measured/predicted runs from 1.001 to 1.199, so
// rank ⌈0.99 × 200⌉ = 198 is 1.198.
func TestKnownErrorsByHand(t *testing.T) {
	var rows []reports.Joined
	for i := range 199 {
		m := datasets.Measurement{Source: datasets.SourceImported, Verdict: datasets.OK, TimeS: 1 + float64(i+1)/1000}
		w := datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: int64(i + 1), N: 1, K: 1, Ranks: 1}
		rows = append(rows, reports.Joined{Row: &datasets.Row{Workload: w, DeviceID: "d", Measurement: m}, Regime: "memory",
			Predictions: []datasets.Prediction{{Tier: datasets.TierCalibrated, Seconds: 1}}})
	}
	known := KnownErrors(rows, []datasets.Tier{datasets.TierCalibrated}, func(*reports.Joined, datasets.Tier) bool { return true })
	k, ok, _ := index(known).of(&rows[0], datasets.TierCalibrated)
	if !ok || k.N != 199 || !near(k.P99, 1.198) || !near(k.Max, 1.199) || !near(k.P50, 1.1) {
		t.Errorf("%+v %v", k, ok)
	}
	var b bytes.Buffer
	if err := WriteKnown(&b, known); err != nil {
		t.Fatal(err)
	}
	again, err := ReadKnown(&b, "again")
	if err != nil || len(again) != len(known) {
		t.Errorf("%d of %d read again: %v", len(again), len(known), err)
	}
}

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }

func TestJUnitIsXMLWhateverTheText(t *testing.T) {
	r := &Result{Suites: []SuiteCount{{Suite: "gemm", Device: "d", Against: AgainstModel}},
		Findings: []Finding{{Suite: "gemm", Device: "d", Against: AgainstModel, Key: "a<b>&\"\x01\x1b", Outcome: Fail, Why: "]]> <x>\x00"},
			{Suite: "gemm", Device: "d", Against: AgainstModel, Key: "b", Outcome: CantTell, Why: "noise"}}}
	var b bytes.Buffer
	if err := JUnit(&b, r); err != nil {
		t.Fatal(err)
	}
	var doc junitSuites
	if err := xml.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	if doc.Tests != 2 || doc.Failures != 1 || doc.Suites[0].Skipped != 1 || doc.Suites[0].Cases[0].Failure == nil {
		t.Errorf("%+v", doc)
	}
}
