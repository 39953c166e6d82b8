package reports

import (
	"math"
	"strings"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
)

// onH100 is a run of H100 rows that take so many seconds each.
func onH100(t *testing.T, source datasets.Source, flags []string, rows map[datasets.Workload]float64) *Report {
	t.Helper()
	run := datasets.Run{Meta: datasets.Meta{ID: "r"}}
	for w, s := range rows {
		m := datasets.Measurement{Source: source, Verdict: datasets.OK, TimeS: s, LowS: s, HighS: s}
		if len(flags) > 0 {
			m.Verdict, m.Flags = datasets.Flagged, flags
		}
		run.Rows = append(run.Rows, datasets.Row{Workload: w, DeviceID: "h100-sxm", Measurement: m})
	}
	r, err := New([]*datasets.Run{&run}, datasets.Tiers, Catalogue(nil))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// predictedOn is the calibrated prediction for an H100.
func predictedOn(t *testing.T, w datasets.Workload) float64 {
	t.Helper()
	dev, err := catalog.Lookup("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	p := PredictOne(w, dev, []datasets.Tier{datasets.TierCalibrated}, Catalogue(nil))[0]
	if p.NotPredicted != "" {
		t.Fatal(p.NotPredicted)
	}
	return p.Seconds
}

func only(t *testing.T, r *Report) Verdict {
	t.Helper()
	v := r.Verdicts()
	if len(v) != 1 {
		t.Fatalf("%d verdicts, want 1", len(v))
	}
	return v[0]
}

// TestVerdictOfBandwidth: 1 GiB of copies in 0.341 ms is 3.149 TB/s, 94.0 % of
// 3.35 TB/s; the faster case from within the 50 MB cache does not count.
func TestVerdictOfBandwidth(t *testing.T) {
	v := only(t, onH100(t, datasets.SourceMeasured, nil, map[datasets.Workload]float64{
		datasets.Stream{Kernel: "copy", Type: datasets.FP32, SizeBytes: 1 << 30, Ranks: 1}: float64(1<<30) / (0.94 * 3.35e12),
		datasets.Stream{Kernel: "copy", Type: datasets.FP32, SizeBytes: 1 << 24, Ranks: 1}: float64(1<<24) / 6e12,
	}))
	if want := "memory reaches 94 % of its datasheet bandwidth (3.15 TB/s of 3.35 TB/s; copy 1 GiB)"; !strings.HasPrefix(v.Text(), want) {
		t.Errorf("%s\nwant %s…", v.Text(), want)
	}
}

// TestVerdictOfTheSwitch: all-reduces at 69 % of their predicted rate are 31 %
// below it. The switch is blamed only where the links alone would do as well.
func TestVerdictOfTheSwitch(t *testing.T) {
	slow := func(factor float64, sizes ...int64) Verdict {
		rows := map[datasets.Workload]float64{}
		for _, mib := range sizes {
			w := datasets.Collective{Kind: "all_reduce", Type: datasets.BF16, SizeBytes: mib << 20, Ranks: 8, Nodes: 1}
			rows[w] = predictedOn(t, w) / factor
		}
		return only(t, onH100(t, datasets.SourceMeasured, nil, rows))
	}
	sizes := []int64{128, 192, 256, 384, 512, 768, 1024, 1536}
	v := slow(0.69, sizes...)
	for _, want := range []string{"all-reduce at 8 ranks is 31 % below its predicted bandwidth", "in-switch reduction looks off"} {
		if !strings.Contains(v.Text(), want) {
			t.Errorf("%q is not in: %s", want, v.Text())
		}
	}
	if !v.Off {
		t.Error("the verdict is not marked as off")
	}
	if v = slow(0.85, sizes...); !strings.Contains(v.Text(), "15 % below") || strings.Contains(v.Text(), "switch") {
		t.Errorf("still faster than any ring over the links, and yet: %s", v.Text())
	}
	if v = slow(0.97, sizes...); v.Off || !strings.Contains(v.Text(), "allreduce as predicted") {
		t.Errorf("within ±10 %%, and yet: %s", v.Text())
	}
}

// TestVerdictOfTimes: twice the predicted time is 100 % longer, half of it 50 %
// less.
func TestVerdictOfTimes(t *testing.T) {
	for _, c := range []struct {
		factor float64
		want   string
	}{{2, "gemm takes 100 % longer than predicted"}, {0.5, "gemm takes 50 % less than predicted"}} {
		rows := map[datasets.Workload]float64{}
		for m := int64(1024); m <= 16384; m += 1024 {
			w := datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: m, N: 8192, K: 8192, Ranks: 1, Cache: datasets.Cold}
			rows[w] = predictedOn(t, w) * c.factor
		}
		v := only(t, onH100(t, datasets.SourceMeasured, []string{datasets.FlagThrottled}, rows))
		for _, want := range []string{c.want, "calibrated tier", "mostly where compute binds", "16 of 16 cases are flagged (throttled)"} {
			if !strings.Contains(v.Text(), want) {
				t.Errorf("%q is not in: %s", want, v.Text())
			}
		}
	}
}

func TestVerdictOfSimulation(t *testing.T) {
	w := datasets.Stream{Kernel: "copy", Type: datasets.FP32, SizeBytes: 1 << 30, Ranks: 1}
	v := only(t, onH100(t, datasets.SourceSimulated, nil, map[datasets.Workload]float64{w: 1e-3}))
	if v.Subject.Name != "h100-sxm (simulated)" || !strings.HasPrefix(v.Text(), "simulated: says nothing about hardware") {
		t.Errorf("%s: %s", v.Subject.Name, v.Text())
	}
}

// TestJudgedByOneTier: rows that the calibration declines are not judged by the
// datasheet's bound beside rows that it predicts.
func TestJudgedByOneTier(t *testing.T) {
	known := datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 1024, N: 8192, K: 8192, Ranks: 1, Cache: datasets.Cold}
	declined := known
	declined.Format = "fp8_block"
	r := onH100(t, datasets.SourceImported, nil, map[datasets.Workload]float64{known: 1e-3, declined: 1e-3})
	for i := range r.Rows {
		j := &r.Rows[i]
		_, tier, ok := r.Judged(j)
		if j.Row.Workload == known && (!ok || r.Tiers[tier] != datasets.TierCalibrated) {
			t.Error("the known product is not judged by the calibrated tier")
		}
		if e, _ := j.Error(r.Best(j)); j.Row.Workload == declined && (ok || math.Abs(e) > 1) {
			t.Error("the declined product is judged by the datasheet's tier")
		}
	}
}

// TestSubjectsOfManyRuns: a few runs of one device are told apart by host, many
// are one subject.
func TestSubjectsOfManyRuns(t *testing.T) {
	runs := func(n int) *Report {
		var all []*datasets.Run
		for i := range n {
			w := datasets.Stream{Kernel: "copy", Type: datasets.FP32, SizeBytes: 1 << 30, Ranks: 1}
			all = append(all, &datasets.Run{Meta: datasets.Meta{ID: "id", Host: string(rune('a' + i))}, Rows: []datasets.Row{
				{Workload: w, DeviceID: "h100-sxm", Measurement: datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.OK, TimeS: 1}}}})
		}
		r, err := New(all, datasets.Tiers, Catalogue(nil))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if s := runs(2).Subjects(); len(s) != 2 || s[0].Name != "h100-sxm a" || s[1].Name != "h100-sxm b" {
		t.Errorf("two runs: %+v", s)
	}
	if s := runs(maxSubjectRuns + 1).Subjects(); len(s) != 1 || s[0].Name != "h100-sxm" || len(s[0].Rows) != maxSubjectRuns+1 {
		t.Errorf("many runs: %+v", s)
	}
}

// TestBriefVerdict: rows that are 2.6 × slow are slow on a shared machine too; at 1.5 ×
// the neighbour may explain it. A row at its prediction is as expected.
func TestBriefVerdict(t *testing.T) {
	shapes := []datasets.Workload{
		datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 4096, N: 4096, K: 4096, Ranks: 1, Cache: datasets.Hot},
		datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 8192, N: 4096, K: 4096, Ranks: 1, Cache: datasets.Hot},
		datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 8192, N: 8192, K: 4096, Ranks: 1, Cache: datasets.Hot},
	}
	for _, c := range []struct {
		slower float64
		flags  []string
		want   string
	}{
		{1, nil, "AS EXPECTED: gemm\n"},
		{2.6, nil, "SLOW: gemm (3 of 3 rows, median 2.60×)\n"},
		{1.5, nil, "SLOW: gemm (3 of 3 rows, median 1.50×)\n"},
		{1.5, []string{datasets.FlagShared}, "CAN'T SAY: gemm (every row was disturbed)\n"},
		{2.6, []string{datasets.FlagShared}, "SLOW: gemm (3 of 3 rows, median 2.60×)\n"},
	} {
		rows := map[datasets.Workload]float64{}
		for _, w := range shapes {
			rows[w] = c.slower * predictedOn(t, w)
		}
		var b strings.Builder
		if err := Brief(&b, onH100(t, datasets.SourceMeasured, c.flags, rows), TextOptions{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "\n"+c.want) {
			t.Errorf("%v× %v: no %q in\n%s", c.slower, c.flags, c.want, b.String())
		}
	}
}
