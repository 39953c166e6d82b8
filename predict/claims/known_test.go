package claims

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"bench/datasets"
)

// answers are worked by hand: the comment is the sum, the last figure what it
// comes to. Rows are exact to the digits given.
var answers = []struct {
	id        string
	low, high float64
}{
	{"S1.1", 1831e9, 1831e9},                // 16 · 111 + 55 = 1776 + 55
	{"S1.2b", 55.5e9, 55.5e9},               // 111 / 2
	{"S1.3", 277e9, 277e9},                  // 2 · 111 + 55
	{"S1.4a", 554e9, 554e9},                 // 2 · 277
	{"S1.5a", 3.6e12, 3.6e12},               // 2 · 1.8
	{"S1.6", 10.2857, 10.2857},              // 1800 / 175
	{"S2.1", 5.525e12, 6.3375e12},           // 13 · (0.7/2 + 0.3/4), 13 · (0.95/2 + 0.05/4)
	{"S2.2a", 20, 20},                       // 1400 / 70
	{"S2.2b", 1.44444, 1.44444},             // 780 / 540
	{"S2.2c", 10.5882, 14.7059},             // 3600 / 340, 5000 / 340
	{"S2.3a", 2.81692, 2.81692},             // 20 · 1.831 / 13
	{"S2.3b", 0.426154, 0.426154},           // 20 · 0.277 / 13
	{"S2.4", 7.5e6, 7.5e6},                  // 60 · 2 / 16
	{"S2.5a", 0.0248, 0.0368},               // 4·120·10752·4096 = 2.114e10; / (2.114e10 + 5.54e11) = 3.68 %
	{"S3.1a", 8, 8},                         // an HGX board
	{"S3.1b", 2.05521e-3, 16.4417e-3},       // 2 · (2 · 7/8 · 10752 · 2 B = 37,632 B) / 300 GB/s · 8192, · 8
	{"S3.1c", 1.85714, 1.85714},             // 37,632/300 = 125.44; 10752·2/8/25 = 107.52; sum / 125.44
	{"S3.2", 30.5167e9, 30.5167e9},          // 1831 · 2 / 120
	{"S3.4a", 1.37478, 3.09327},             // 10.986 TB: 54.93 s / 39.954 s to 109.86 s / 35.515 s
	{"S3.4b", 5.49914, 12.3731},             // at 50 and 25 GB/s, four times these at 200 and 100
	{"S3.5", 0.047405, 0.284798},            // 35.156 micro-batches: 14 / 49.156, (14/8) / (35.156 + 14/8)
	{"S4.1a", 2.1606e25, 2.1606e25},         // 6 · 277e9 · 13e12
	{"S4.2", 54e6, 60e6},                    // 25,000 · 24 · 90, · 100
	{"S4.3", 21626880, 21626880},            // 8192 · 2 · 24 · 55
	{"S4.4a", 0.560962, 0.560962},           // 2.1606e25 / (8192 · 989.4e12 · 4,752,000 s)
	{"S4.4b", 0.280467, 0.280467},           // the same over 1978.9e12
	{"S5.1a", 2.91038, 2.91038},             // 2000 / (8 · 85.8993 GB)
	{"S5.1c", 13.4, 13.4},                   // 8 · 3.35 / 2
	{"S5.2", 0.00505357, 0.00505357},        // 20 · 2e12 / (8 · 989.4e12)
	{"S5.3", 343.597e9, 343.597e9},          // 687.195 / 2; bandwidth would allow 26.8 · 30 / 2 = 402
	{"S5.4", 5.28889, 5.28889},              // 238 / 0.75 / 60
	{"S5.5a", 0.0049, 0.0049},               // margin 1 − 0.0049/0.06 = 91.8 %
	{"S6.1", 2, 2},                          // one multiply, one add
	{"S6.2", 590.716, 590.716},              // 1978.9 / 3.35
	{"S6.3", 295.358, 295.358},              // 590.716 / 2
	{"S6.4a", 512, 512},                     // 2 · 256
	{"S6.4b", 1024, 1024},                   // 2 · 512
	{"S6.5b", 295.343, 295.343},             // 989.4 / 3.35 · 2 / 2
	{"S7.1a", 0.5, 0.5},                     // 1/16 over 1/8
	{"S7.2a", 1.07143, 1.07143},             // (15/16) / (7/8)
	{"S7.4a", 6.93431, 6.93431},             // 2048 / 295.343
	{"S7.5", 2, 2},                          // linear in each
	{"S8.1", 3.04010e12, 3.04010e12},        // 2 · 118 · 48 · 128 · 2 B = 2,899,968 B · 1,048,576
	{"S8.2", 2.81491, 3.04010},              // 3.0401 / 1.08, / 1.00
	{"S9.1", 1, 1},                          // 8 · 2 / 16
	{"S9.3a", 512, 512},                     // 4096 · 2 / 16
	{"S9.3c", 4096, 4096},                   // all of them
	{"S10.1", 128, 128},                     // 8 · 16
	{"S10.2a", 114.4375e9, 114.4375e9},      // 1831 / 16
	{"S10.3a", 28.6094e9, 28.6094e9},        // 3662 / 128
	{"S10.4", 14.3047e9, 14.3047e9},         // 1831 / 128
	{"S10.5b", 1.51770e6, 48.5664e6},        // 12.4330 GB / (2·8·256·2 = 8192 B), / (2·8·64·2/8 = 256 B)
	{"S10.5c", 289.086e3, 433.629e3},        // 12.4330 GB / (2·8·10752·2/8 = 43,008 B), / 28,672 B
	{"S10.6a", 8, 8},                        // 120 / 15
	{"S10.6b", 0, 0},                        // 120 − 15 · 8
	{"S10.7", 29.8667, 29.8667},             // 2 · 2 · 14/15 · 8
	{"S11.1a", 10.0676, 10.0676},            // 1/3600/4.9e-8 = 5669 tokens/s a GPU · 554e9 / 312e12
	{"S11.1b", 0.100676, 0.100676},          // a hundredth
	{"S11.2a", 7.40619, 7.40619},            // 2/3600/2.1e-8 = 26,455 · 554e9 / 1978.9e12
	{"S11.4a", 1.58286, 1.58286},            // 277 / 175
	{"S11.4b", 1.91454, 1.91454},            // 222 / (96 · 8 · 12288² = 115.964)
	{"S11.5", 1.22602, 3.33333},             // 278 / 226.75, 1 / 0.3
	{"S12.1", 28, 168},                      // 7168 / 256, 10752 / 64
	{"S12.2a", 46.3165, 1482.13},            // S10.5b / 32,768
	{"S12.2b", 2.0728, 2.0728},              // 12 heads · 32,768² · 2 B = 25.77 GB / 12.433 GB
	{"S12.6", 1.9375 / 1.4, 4.0951 / 1.04},  // (1 − 0.5⁵)/0.5 / (4·0.1 + 1), (1 − 0.9⁵)/0.1 / (4·0.01 + 1)
	{"S12.7", 2, 2},                         // ln α⁸ / ln α⁴
	{"S12.8a", 1.9375 / 5.4, 4.0951 / 5.04}, // the same tokens over 5 + 4c steps
	{"S12.8b", 47.0537, 124.102},            // 5·b/153.02 + 4c = E: b = 153.02 · (1.9375 − 0.4) / 5, · (4.0951 − 0.04) / 5
	{"S12.9", 5.48045e6, 10.5693e6},         // 2.216e24 / (312e12 · 0.36 · 3600) = 5.48 M; 3.324e24 · 8/7 / (312e12 · 0.32 · 3600) = 10.57 M
	{"S12.10a", 150, 150},                   // 600 / 4
	{"S1.7", 68.5905, 68.5905},              // 277 · 13 / (175 · 0.3)
	{"S2.6", 7.69231, 76.9231},              // 100 / 13, 1000 / 13
	{"S3.6", 0, 0.123067},                   // 2 · 8 layers · 10752 · 2 B / 8 = 43,008 B · 8192 · 15 = 5.2848 GB of 42.950 GB
	{"S3.7", 7324.22, 7324.22},              // 60e6 / 8192
	{"S4.5", 0.0608135, 0.13683},            // 2 · 207.33/208.33 · 15.258 G · 2 B = 60.74 GB / 25 GB/s = 2.430 s of 39.954 s; 4.859 s of 35.515 s
	{"S4.6", 12.8571e12, 64.2857e12},        // 63e6 / 4.9e-6, five times that
	{"S5.6", 3.3972, 6.7943},                // 1555 / (15 · 15.258 · 2 = 457.75 GB), / 228.88
	{"S8.3", 0.10176, 1},                    // (0.9 + 512 · 0.1) / 512
	{"S10.8a", 32.5e9, 32.5e9},              // 130 · 2 / 8
	{"S10.8b", 16.25e9, 16.25e9},            // 130 / 8
	{"S10.9", 21.0051, 84.0205},             // 8192 · 4 · 10752 · 64 / 312e12 = 72.27 µs over 86,016 B / 25 GB/s = 3.4406 µs; four times that at 256
	{"S11.6", 1, 110.53},                    // at batch 8 16·(1 − (7/8)^8) = 10.502 experts of 111 B and 55 B, in FP16 over 8: 305.2 GB a token / 1.555 TB/s over 554e9 / 312e12
	{"S12.10b", 1922.3, 324390},             // 60e6 / 39.954 s / 3125 nodes = 480.6 tokens/s · 4; 60e6 / 35.515 s / 3125 = 540.6 · 600
	{"S9.2a", 9.5367e-7, 5.49e-3},           // 16 · (1/8)^8; Zipf's from below
	{"S9.2d", 16 * 0.343609, 7.42},          // 16 · (7/8)^8
}

func TestKnownAnswers(t *testing.T) {
	for _, a := range answers {
		rows, err := Rows([]string{a.id}, Options{})
		if err != nil || len(rows) != 1 {
			t.Errorf("%s: %d rows, %v", a.id, len(rows), err)
			continue
		}
		for _, c := range [][2]float64{{rows[0].Computed.Low, a.low}, {rows[0].Computed.High, a.high}} {
			if math.Abs(c[0]-c[1]) > 3e-3*math.Abs(c[1]) {
				t.Errorf("%s: computed %.7g, by hand %.7g", a.id, c[0], c[1])
			}
		}
	}
}

// The verdicts that a reader would contest first.
func TestVerdicts(t *testing.T) {
	for id, want := range map[string]Verdict{
		"S1.3": Reproduced, "S1.4a": Contradicted, "S1.4b": Reproduced, "S1.5a": Contradicted, "S2.3a": Contradicted, "S2.3b": Contradicted,
		"S3.3a": Contradicted, "S3.3b": Reproduced, "S4.1a": Reproduced, "S4.2": Close, "S4.3": Reproduced, "S4.4a": Contradicted,
		"S5.4": Contradicted, "S6.2": Close, "S8.1": Reproduced, "S11.1a": Contradicted, "S11.1b": Reproduced, "S11.2a": Contradicted,
		"S12.1": Needs, "S12.2a": Contradicted, "S12.10a": Reproduced,
	} {
		rows, err := Rows([]string{id}, Options{})
		if err != nil || rows[0].Verdict != want {
			t.Errorf("%s: %s, want %s (%v)", id, rows[0].Verdict, want, err)
		}
	}
}

// Elasticities of a product are its exponents: cost = GPUs · days · 24 · price;
// 6·N·D's MFU falls with every GPU.
func TestElasticities(t *testing.T) {
	rows, _ := Rows([]string{"S4.3"}, Options{})
	for _, e := range rows[0].Sensitivity {
		if math.Abs(e.Value-1) > 0.01 {
			t.Errorf("S4.3: %s has %g, want 1", e.Input, e.Value)
		}
	}
	if len(rows[0].Sensitivity) != 4 {
		t.Errorf("S4.3 has %d sensitivities", len(rows[0].Sensitivity))
	}
	rows, _ = Rows([]string{"S4.4a"}, Options{})
	found := false
	for _, e := range rows[0].Sensitivity {
		if e.Input == "h100s" {
			found = math.Abs(e.Value+1) < 0.01
		}
	}
	if !found {
		t.Errorf("S4.4a: %v, want −1 by h100s", rows[0].Sensitivity)
	}
}

// --set changes rows that read the input, and nothing else; a missing input
// that is set is missing no longer.
func TestSet(t *testing.T) {
	rows, err := Rows([]string{"S4.2"}, Options{Set: map[string]float64{"gpu_hour_usd": 2}})
	if err != nil || rows[0].Computed != (Span{108e6, 120e6}) || rows[0].Verdict != Contradicted {
		t.Errorf("%+v %v", rows[0].Computed, err)
	}
	if rows[0].Published.Low != 63e6 {
		t.Error("--set moved what was published")
	}
	// $63 M of A100-hours whatever --set says: 63e6 / (25,000 · 24 · 2) = 52.5 days.
	rows, _ = Rows([]string{"S4.1a"}, Options{Set: map[string]float64{"mfu": 0.1}})
	if p := rows[0].Published; math.Abs(p.Low-1.9409e25) > 1e22 {
		t.Errorf("published %g", p.Low)
	}
	rows, _ = Rows([]string{"S11.5"}, Options{Set: map[string]float64{"load": 0.4}})
	if rows[0].Verdict != Reproduced || rows[0].Computed.Low != rows[0].Computed.High {
		t.Errorf("%s %v", rows[0].Verdict, rows[0].Computed)
	}
	for _, set := range []map[string]float64{{"no_such": 1}, {"mfu": math.NaN()}, {"mfu": -1}} {
		if _, err := Rows(nil, Options{Set: set}); err == nil {
			t.Errorf("%v passes", set)
		}
	}
	// What leaves one row without an answer leaves the others theirs: without
	// bandwidth there is no balance, and 7 does not divide the heads.
	rows, err = Rows([]string{"S6.2", "S6.4a"}, Options{Set: map[string]float64{"h100-sxm.memory_bandwidth": 0}})
	if err != nil || rows[0].Verdict != Needs || !strings.HasPrefix(rows[0].Answer, "No answer") || rows[1].Computed.Low != 512 {
		t.Errorf("%+v %v", rows, err)
	}
	rows, err = Rows([]string{"S11.1c"}, Options{Set: map[string]float64{"tp": 7}})
	if err != nil || !strings.HasPrefix(rows[0].Answer, "No answer") {
		t.Errorf("%+v %v", rows, err)
	}
	if b, err := json.Marshal(rows); err != nil || !bytes.Contains(b, []byte(`"computed":null`)) {
		t.Errorf("%s %v", b, err)
	}
}

// A run on an H100 that measured 660 TFLOP/s and 2.97 TB/s: the batch at the
// balance is 660 / 2.97 · 2 / 2 = 222, and the row is marked. A row of the A100
// stands as it was. A CPU without FP8 leaves FP8 rows alone, and its own figures
// are no verdict on the H100.
func TestDevice(t *testing.T) {
	ceiling := func(w datasets.Workload, s float64) datasets.Ceiling {
		return datasets.Ceiling{Workload: w, Key: w.Key(), Seconds: s}
	}
	h100 := datasets.Device{ID: "h100-sxm", Name: "NVIDIA H100 80GB HBM3", Kind: "gpu", Ceilings: []datasets.Ceiling{
		ceiling(datasets.GEMM{Kernel: "peak", Type: datasets.BF16, Ops: 660e9, Ranks: 1}, 1e-3),
		ceiling(datasets.Stream{Kernel: "read", Type: datasets.FP32, SizeBytes: 2970000000, Ranks: 1}, 1e-3),
		// Eight GPUs together are not one.
		ceiling(datasets.Stream{Kernel: "read", Type: datasets.FP32, SizeBytes: 8 * 2970000000, Ranks: 8}, 1e-3),
	}}
	rows, err := Rows([]string{"S6.5b", "S3.2", "S12.8b"}, Options{Device: &h100})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]Row{}
	for _, r := range rows {
		by[r.ID] = r
	}
	if r := by["S6.5b"]; math.Abs(r.Computed.Low-222.22) > 0.1 || r.Origin != datasets.Measured || r.Device != "h100-sxm" || r.Verdict == Needs {
		t.Errorf("S6.5b: %v %s %s %s", r.Computed, r.Origin, r.Device, r.Verdict)
	}
	if r := by["S12.8b"]; r.Device != "a100-sxm-80" || r.Origin != datasets.Datasheet {
		t.Errorf("S12.8b: %s %s", r.Device, r.Origin)
	}
	cpu := h100
	cpu.ID, cpu.Name, cpu.Kind = "host", "a CPU", "cpu"
	rows, err = Rows([]string{"S6.5b", "S6.5a"}, Options{Device: &cpu})
	if err != nil {
		t.Fatal(err)
	}
	if r := rows[1]; r.Verdict != Needs || r.Origin != datasets.Measured || r.Device != "host" {
		t.Errorf("S6.5b on a CPU: %+v", r)
	}
	if r := rows[0]; r.Device != "h100-sxm" || r.Origin != datasets.Datasheet {
		t.Errorf("S6.5a on a CPU without FP8: %s %s", r.Device, r.Origin)
	}
}

// Cost falls as speculation, batch and memory say it must.
func TestProperties(t *testing.T) {
	at := func(id, input string, x float64) float64 {
		rows, err := Rows([]string{id}, Options{Set: map[string]float64{input: x}})
		if err != nil {
			t.Fatal(err)
		}
		return rows[0].Computed.Mid()
	}
	for _, c := range []struct {
		id, input string
		up        bool
	}{
		{"S3.5", "a100s", true}, {"S3.5", "pp", true}, {"S3.2", "tp", false}, {"S12.6", "acceptance", true},
		{"S12.6", "draft_cost", false}, {"S8.1", "kv_batch", true}, {"S4.4a", "h100_days", false}, {"S9.4a", "more_experts", true}, {"S12.5", "slots", true},
		{"S12.4a", "a100_hour_usd", true}, {"S12.8c", "acceptance", true},
	} {
		known := base()[c.input]
		low, high := at(c.id, c.input, known.Low), at(c.id, c.input, known.Low*2)
		if c.input == "acceptance" {
			high = at(c.id, c.input, 0.9)
		}
		if high == low || (high > low) != c.up {
			t.Errorf("%s by %s: %g, then %g", c.id, c.input, low, high)
		}
	}
}
