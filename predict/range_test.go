package predict

import (
	"math"
	"testing"

	"bench/datasets"
)

func TestRankOfAFurtherValue(t *testing.T) {
	// Of 19 values, one in 20 further ones lies below the least.
	v := make([]float64, 19)
	for i := range v {
		v[i] = float64(i + 1)
	}
	if lo, hi := rank(v, 0.05), rank(v, 0.95); lo != 1 || hi != 19 {
		t.Errorf("5 and 95 in a hundred of 1 … 19 are %g and %g, want 1 and 19", lo, hi)
	}
	if r := rank(v, 0.5); r != 10 {
		t.Errorf("the median is %g, want 10", r)
	}
}

// The range of a calibration holds nine in ten rows of the half that it has not
// seen, and is wider for another device, and wider still for another architecture.
func TestRangesHoldAndWiden(t *testing.T) {
	withTestLaw(t)
	rows := syntheticRows([]float64{4e-6, 1.5e12, 0})
	dev := datasets.Device{ID: "d", Arch: "sm_80", Kind: "gpu"}
	c, err := Calibrate(dev, rows, Options{Source: "synthetic"})
	if err != nil {
		t.Fatal(err)
	}
	dev.Calibration = &c
	p := New(dev, datasets.TierCalibrated)
	inside, n := 0, 0
	for _, r := range rows {
		if datasets.SplitOf(r.Workload.Key()) == datasets.TestHalf {
			n++
			if q := p.Predict(r.Workload); q.LowS <= r.Measurement.TimeS && r.Measurement.TimeS <= q.HighS {
				inside++
			}
		}
	}
	if share := float64(inside) / float64(n); math.Abs(share-0.9) > 0.06 {
		t.Errorf("%.0f %% of %d rows lie within the 90 %% range", 100*share, n)
	}
	w := rows[0].Workload
	width := func(id, arch string) float64 {
		d := dev
		d.ID, d.Arch = id, arch
		q := New(d, datasets.TierTransferred).Predict(w)
		return math.Log(q.HighS / q.LowS)
	}
	q := p.Predict(w)
	if own, relative, other := math.Log(q.HighS/q.LowS), width("e", "sm_80"), width("e", "sm_90"); !(own < relative && relative < other) {
		t.Errorf("widths of %g on the device, %g on a relative, %g on another architecture", own, relative, other)
	}
	sheet := New(testDevice(), datasets.TierDatasheet).Predict(w)
	if sheet.LowS != sheet.Seconds || sheet.HighS != 0 {
		t.Errorf("the datasheet's bound has a range of %g … %g around %g", sheet.LowS, sheet.HighS, sheet.Seconds)
	}
}
