package reports

import (
	"math"
	"strings"
	"testing"

	"bench/datasets"
)

func figure(v float64) datasets.Figure {
	return datasets.Figure{Value: v, Origin: datasets.Datasheet, Source: "invented"}
}

// invented is a device that no catalogue has: 1 PFLOP/s in bf16, 2 TB/s.
func invented(id string) datasets.Device {
	return datasets.Device{ID: id, Name: id, Kind: "gpu", Arch: "sm_90", MemoryBandwidth: figure(2e12),
		PeakFLOPs: map[datasets.DType]datasets.Figure{datasets.BF16: figure(1e15)}}
}

func imported(device string, m int64, seconds float64) datasets.Row {
	return datasets.Row{DeviceID: device,
		Workload: datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: m, N: 4096, K: 4096, Ranks: 1, Cache: datasets.Hot},
		Measurement: datasets.Measurement{Source: datasets.SourceImported, Verdict: datasets.OK, TimeS: seconds,
			Origin: datasets.ImportOrigin{Tool: "tool"}}}
}

func TestUnknownDevice(t *testing.T) {
	run := &datasets.Run{Rows: []datasets.Row{imported("b900\x1b", 1, 1e-5)}, Devices: []datasets.Device{{ID: "b900\x1b"}}}
	r, err := New([]*datasets.Run{run}, datasets.Tiers, Catalogue(nil))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.NotPredicted); n != len(datasets.Tiers) {
		t.Fatalf("%d reasons, want one a tier", n)
	}
	for _, reason := range r.NotPredicted {
		if want := "unknown device b900�; give --device FILE"; reason.Reason != want || reason.Count != 1 {
			t.Errorf("got %q × %d, want %q", reason.Reason, reason.Count, want)
		}
	}
	if len(r.Groups) != 0 {
		t.Errorf("groups without a prediction: %v", r.Groups)
	}
}

// TestOverride: a device that is given stands for the input's device of that
// ID, or its only device, or its only unknown one, and otherwise is refused.
func TestOverride(t *testing.T) {
	mine := invented("mine")
	rows := func(ids ...string) []*datasets.Run {
		run := &datasets.Run{}
		for _, id := range ids {
			run.Rows = append(run.Rows, imported(id, 8192, 1e-3))
		}
		return []*datasets.Run{run}
	}
	for _, c := range []struct {
		name      string
		runs      []*datasets.Run
		predicted []bool // by row, in the datasheet tier
		refused   bool
	}{
		{"its own rows", rows("mine", "other"), []bool{true, false}, false},
		{"the only device", rows("other", "other"), []bool{true, true}, false},
		{"the only unknown device", rows("h100-sxm", "other"), []bool{true, true}, false},
		{"two unknown devices", rows("one", "other"), nil, true},
		{"no rows", rows(), nil, false},
	} {
		got, err := Predict(c.runs, []datasets.Tier{datasets.TierDatasheet}, Catalogue(&mine))
		if (err != nil) != c.refused {
			t.Errorf("%s: error %v, refused is %v", c.name, err, c.refused)
			continue
		}
		for i, want := range c.predicted {
			if has := got[i].Predictions[0].NotPredicted == ""; has != want {
				t.Errorf("%s: row %d predicted is %v, want %v (%s)", c.name, i, has, want, got[i].Predictions[0].NotPredicted)
			}
		}
	}
	// 2·8192·4096·4096 FLOP at 1e15 FLOP/s = 0.2749 ms against 1 ms: the error
	// is −72.5 %.
	got, _ := Predict(rows("mine"), []datasets.Tier{datasets.TierDatasheet}, Catalogue(&mine))
	if e, ok := got[0].Error(0); !ok || math.Abs(e-(-0.7251)) > 1e-4 {
		t.Errorf("error %v, want −0.7251", e)
	}
}

// TestCeilingsOfTheRun: a catalogue device gets the ceilings that the run's own
// rows measured, and no simulated one beside them.
func TestCeilingsOfTheRun(t *testing.T) {
	row := func(kib int64, source datasets.Source) datasets.Row {
		return datasets.Row{DeviceID: "h100-sxm", Workload: datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: kib << 10, Ranks: 1},
			Measurement: datasets.Measurement{Source: source, Verdict: datasets.OK, TimeS: 1}}
	}
	run := &datasets.Run{Rows: []datasets.Row{row(64, datasets.SourceMeasured), row(128, datasets.SourceSimulated)}}
	devices := Catalogue(nil)
	dev, ok := devices.find(run, "h100-sxm")
	if !ok || len(dev.Ceilings) != 1 || dev.MemoryBandwidth.Value == 0 {
		t.Errorf("ceilings %v, bandwidth %v", dev.Ceilings, dev.MemoryBandwidth.Value)
	}
}

// TestGroupsNeverMixSources, and every roll-up counts each row of its cells
// once.
func TestGroupsNeverMixSources(t *testing.T) {
	var rows []datasets.Row
	for m := int64(1); m <= 1<<14; m *= 2 {
		for _, source := range []datasets.Source{datasets.SourceMeasured, datasets.SourceImported, datasets.SourceSimulated} {
			r := imported("mine", m, 1e-3)
			r.Measurement.Source = source
			if source != datasets.SourceImported {
				r.Measurement.Origin.Tool = ""
			}
			rows = append(rows, r)
		}
	}
	run := &datasets.Run{Rows: rows, Devices: []datasets.Device{invented("mine")}}
	r, err := New([]*datasets.Run{run}, []datasets.Tier{datasets.TierDatasheet}, Catalogue(nil))
	if err != nil {
		t.Fatal(err)
	}
	type id struct{ source, op, dtype, regime, split string }
	n := map[id]int{}
	for _, g := range r.Groups {
		k := id{g.Source, g.Op, g.DType, g.Regime, g.Split}
		if n[k] != 0 {
			t.Errorf("two groups of %v", k)
		}
		n[k] = g.N
		if g.Simulated != (g.Source == "simulated") {
			t.Errorf("group of %s is labelled simulated = %v", g.Source, g.Simulated)
		}
		if g.P90APE < g.MedianAPE || g.MAPE < 0 || math.Abs(g.Bias) > g.P90APE+1 {
			t.Errorf("impossible figures: %+v", g)
		}
	}
	for _, source := range []string{"measured", "imported", "simulated"} {
		// 1, 2, …, 16384: 15 rows of each source.
		if got := n[id{source, All, All, All, All}]; got != 15 {
			t.Errorf("%s: %d rows over all, want 15", source, got)
		}
	}
	for k, all := range n {
		if k.split != All {
			continue
		}
		fit, test := k, k
		fit.split, test.split = "fit", "test"
		if n[fit]+n[test] != all {
			t.Errorf("%v: %d + %d rows of the halves, %d of all", k, n[fit], n[test], all)
		}
	}
	sum := 0
	for k, c := range n {
		if k.source == "imported" && k.regime != All && k.op != All && k.dtype != All && k.split == All {
			sum += c
		}
	}
	if sum != 15 {
		t.Errorf("the regimes hold %d rows, want 15", sum)
	}
}

func TestFiguresKnownAnswers(t *testing.T) {
	// |error| sorted: 0.1 0.2 0.3 0.4 1.0; mean 0.4; median 0.3; p90 at
	// position 0.9·4 = 3.6: 0.4 + 0.6·0.6 = 0.76. Signed and sorted:
	// −1 −0.2 0.1 0.3 0.4, median 0.1.
	n, mape, median, p90, bias := Figures([]float64{0.3, -0.2, 0.1, 0.4, -1})
	for _, c := range []struct {
		name      string
		got, want float64
	}{{"n", float64(n), 5}, {"mape", mape, 0.4}, {"median", median, 0.3}, {"p90", p90, 0.76}, {"bias", bias, 0.1}} {
		if math.Abs(c.got-c.want) > 1e-12 {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestUnits(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Seconds(3.214e-3), "3.21 ms"}, {Seconds(999.6e-9), "1.00 µs"}, {Seconds(12.34e-6), "12.3 µs"}, {Seconds(90), "90.0 s"},
		{BytesPerSecond(3.35e12), "3.35 TB/s"}, {FLOPsPerSecond(989e12), "989 TFLOP/s"},
		{Bytes(16 << 10), "16 KiB"}, {Bytes(384 << 20), "384 MiB"}, {Bytes(1536), "1.5 KiB"}, {Bytes(8), "8 B"},
		{SignedPercent(0.032), "+3.2 %"}, {SignedPercent(-0.123), "−12.3 %"}, {SignedPercent(-1e-9), "+0.0 %"}, {SignedPercent(12.34), "+1234 %"},
		{Count(110000), "110,000"}, {Count(999), "999"}, {PerSecond(12345), "12.3 k"},
		{Clean("a\x1b[31m\u202eb\nc\xff"), "a�[31m�b�c�"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// TestSuspects: in a sweep of m with times in proportion, one row at five times
// its due is suspect; the next larger one, back in line, is not.
func TestSuspects(t *testing.T) {
	var rows []datasets.Row
	for _, c := range []struct {
		m int64
		s float64
	}{{1024, 1e-3}, {2048, 2e-3}, {4096, 20e-3}, {8192, 21e-3}} {
		rows = append(rows, imported("mine", c.m, c.s))
	}
	var joined []*Joined
	for i := range rows {
		joined = append(joined, &Joined{Row: &rows[i], Key: rows[i].Workload.Key()})
	}
	got := Suspects(joined)
	if len(got) != 1 || !strings.Contains(got[0].Row.Key, "m=4096") || !strings.Contains(got[0].Why, "10.0 × the time of size 2048") {
		t.Errorf("suspects: %+v", got)
	}
	// A row slower than its larger neighbour: 2048 takes 4.9 ms, 4096 takes
	// 2.9 ms.
	for i, s := range []float64{2.5e-3, 4.9e-3, 2.9e-3, 5e-3} {
		rows[i].Measurement.TimeS = s
	}
	got = Suspects(joined)
	if len(got) != 1 || !strings.Contains(got[0].Row.Key, "m=2048") {
		t.Errorf("suspects: %+v", got)
	}
}

// TestGroupsByStack: rows of two stacks are summed up apart, and together as
// "all"; the headline of imported rows keeps them apart.
func TestGroupsByStack(t *testing.T) {
	var rows []datasets.Row
	for i, s := range []datasets.Stack{{Library: "vllm", Version: "0.14.0"}, {Library: "vllm", Version: "0.14.0", KernelSource: "marlin"}, {Library: "trtllm", Version: "1.0.0"}} {
		r := imported("mine", 1<<i, 1e-3)
		r.Measurement.Stack = s
		rows = append(rows, r)
	}
	run := &datasets.Run{Rows: rows, Devices: []datasets.Device{invented("mine")}}
	r, err := New([]*datasets.Run{run}, []datasets.Tier{datasets.TierDatasheet}, Catalogue(nil))
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, g := range r.Groups {
		if g.Op == All && g.DType == All && g.Regime == All && g.Split == All {
			n[g.Stack] = g.N
		}
	}
	if len(n) != 3 || n[All] != 3 || n["vllm 0.14.0"] != 2 || n["trtllm 1.0.0"] != 1 {
		t.Errorf("rows by stack: %v", n)
	}
	head := r.Headline()
	if len(head) != 2 || head[0].Where() != "mine, trtllm 1.0.0" || head[1].Where() != "mine, vllm 0.14.0" {
		t.Errorf("headline: %+v", head)
	}
}
