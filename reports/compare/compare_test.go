package compare

import (
	"testing"

	"bench/datasets"
)

// gemms is a run of n products, each with a median of seconds × scale(i) and an
// interval of ±1 %.
func gemms(device string, n int, scale func(i int) float64) *datasets.Run {
	r := &datasets.Run{Meta: datasets.Meta{ID: device}}
	for i := range n {
		t := 1e-3 * scale(i)
		r.Rows = append(r.Rows, datasets.Row{DeviceID: device, Workload: datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: int64(i + 1), N: 8, K: 8, Ranks: 1},
			Measurement: datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.OK, TimeS: t, LowS: t * 0.99, HighS: t * 1.01,
				Confidence: 0.95, SamplesS: []float64{t * 0.99, t, t * 1.01}}})
	}
	return r
}

func one(int) float64 { return 1 }

// Runs lie 5 % apart at random though each median is known to 1 %: without the
// variance between runs nearly all would be called slower or faster.
func TestVarianceBetweenRunsIsSeen(t *testing.T) {
	scatter := []float64{1.06, 0.94, 1.05, 0.96, 1.03, 0.97, 1.05, 0.95, 1.04, 0.95}
	new := gemms("host", 10, func(i int) float64 { return scatter[i] })
	r := Compare([]*datasets.Run{gemms("host", 10, one)}, []*datasets.Run{new}, Defaults)
	for _, row := range r.Rows {
		if row.Verdict != NoVerdict {
			t.Errorf("%s: %s", row.Key, row.Verdict)
		}
	}
	if s := r.Suites[0].BetweenRuns; s < 0.03 || s > 0.1 {
		t.Errorf("between runs %g, want about 0.05", s)
	}
	// One that is twice as slow stands out all the same.
	scatter[3] = 2
	new = gemms("host", 10, func(i int) float64 { return scatter[i] })
	r = Compare([]*datasets.Run{gemms("host", 10, one)}, []*datasets.Run{new}, Defaults)
	if v := r.Rows[3].Verdict; v != Slower || r.Suites[0].Counts[Slower] != 1 {
		t.Errorf("the row that doubled is %q, of %v", v, r.Suites[0].Counts)
	}
}

func TestDevicesStandAgainstEachOther(t *testing.T) {
	base := []*datasets.Run{gemms("a100", 3, one)}
	new := []*datasets.Run{gemms("h100", 3, func(int) float64 { return 0.5 }), gemms("b200", 2, func(int) float64 { return 0.25 })}
	r := Compare(base, new, Defaults)
	if len(r.Rows) != 5 || len(r.Only) != 0 || len(r.Suites) != 2 {
		t.Fatalf("%d rows, %d alone, %d suites", len(r.Rows), len(r.Only), len(r.Suites))
	}
	if g := r.Suites[0].GeoMean; r.Suites[0].NewDevice != "b200" || g < 0.2499 || g > 0.2501 {
		t.Errorf("%+v", r.Suites[0])
	}
	// Two against two: nothing says which belong together.
	base = append(base, gemms("v100", 3, one))
	if r := Compare(base, new, Defaults); len(r.Rows) != 0 || len(r.Only) != 11 {
		t.Errorf("%d rows and %d alone, want 0 and 11", len(r.Rows), len(r.Only))
	}
}

func TestFailedRowsSayWhy(t *testing.T) {
	new := gemms("host", 2, one)
	new.Rows[0].Measurement = datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.Failed, Reason: "wrong answer"}
	r := Compare([]*datasets.Run{gemms("host", 2, one)}, []*datasets.Run{new}, Defaults)
	if row := r.Rows[0]; row.Verdict != NoVerdict || len(row.Why) != 1 || row.Why[0].Text != "new failed: wrong answer" {
		t.Errorf("%+v", row)
	}
	if r.Suites[0].N != 1 {
		t.Errorf("%d rows have a ratio, want 1", r.Suites[0].N)
	}
}

// A drift that grows by the same each run must fall on both sides alike.
func TestScheduleCancelsALinearDrift(t *testing.T) {
	sum := [2]int{}
	for n, side := range Schedule(3) {
		sum[side] += n
	}
	if sum[0] != sum[1] || len(Schedule(3)) != 12 {
		t.Errorf("places of A sum to %d and of B to %d", sum[0], sum[1])
	}
}

// Two GPUs on both sides stand each against itself; two nodes' GPUs are so many
// measurements.
func TestTheVeryGPUStandsAgainstItself(t *testing.T) {
	node := func(scale float64, uuids ...string) []*datasets.Run {
		run := &datasets.Run{}
		for i, u := range uuids {
			gpu := gemms("h100", 2, func(int) float64 { return scale * float64(i+1) })
			for j := range gpu.Rows {
				gpu.Rows[j].DeviceUUID = u
			}
			run.Rows = append(run.Rows, gpu.Rows...)
		}
		return []*datasets.Run{run}
	}
	r := Compare(node(1, "GPU-a", "GPU-b"), node(1.5, "GPU-a", "GPU-b"), Defaults)
	if len(r.Rows) != 4 || r.Rows[0].UUID == "" {
		t.Fatalf("%d rows, %+v", len(r.Rows), r.Rows[0])
	}
	for _, row := range r.Rows {
		if row.Ratio < 1.499 || row.Ratio > 1.501 || row.BaseN != 1 {
			t.Errorf("%+v", row)
		}
	}
	r = Compare(node(1, "GPU-a", "GPU-b"), node(1, "GPU-c", "GPU-d"), Defaults)
	if len(r.Rows) != 2 || r.Rows[0].BaseN != 2 || r.Rows[0].NewN != 2 {
		t.Errorf("%d rows, %+v", len(r.Rows), r.Rows[0])
	}
}
