package microbench

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"bench/datasets"
)

func TestLoopRecoversTheMedian(t *testing.T) {
	b := newFake(1)
	p := fakePlan(20)
	rows, _, err := b.loop().Run(context.Background(), p, nil)
	if err != nil || len(rows) != 20 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, r := range rows {
		m, truth := r.Measurement, b.truth(r.Workload)
		if r.Workload != p.Workloads[i] {
			t.Errorf("row %d is %s", i, r.Workload.Key())
		}
		if m.Verdict != datasets.OK || math.Abs(m.TimeS/truth-1) > 0.01 || m.Stop != StopInterval {
			t.Errorf("%s: %v s, truth %v s; %s", r.Workload.Key(), m.TimeS, truth, describe(m))
		}
		if m.LowS > m.TimeS || m.HighS < m.TimeS || m.Confidence != 0.95 || len(m.SamplesS) < DefaultSettings.MinSamples {
			t.Errorf("%s: interval [%v, %v] of %d samples", r.Workload.Key(), m.LowS, m.HighS, len(m.SamplesS))
		}
		// A batch is at least 2 ms but for its noise, and a thousand times the
		// clock's 21 ns.
		if batch := float64(m.BatchIterations) * truth; batch < 1.9e-3 || batch > 5e-3 {
			t.Errorf("%s: a batch of %d takes %v s", r.Workload.Key(), m.BatchIterations, batch)
		}
		if m.Source != datasets.SourceMeasured || m.Stack != (datasets.Stack{Library: "bench", KernelSource: "fake 1"}) || m.Conditions.LoadAverage != 0.5 {
			t.Errorf("%s: %+v", r.Workload.Key(), m)
		}
	}
	if b.closed != 20 {
		t.Errorf("%d of 20 cases were closed", b.closed)
	}
}

// Noise that the budget cannot average out ends at the budget, and is flagged.
func TestLoopStopsAtTheBudget(t *testing.T) {
	b := newFake(2)
	b.noise = 0.5
	p := fakePlan(3)
	before := b.clock
	rows, _, err := b.loop().Run(context.Background(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if m := r.Measurement; m.Stop != StopBudget || !slices.Contains(m.Flags, datasets.FlagUnsteady) || m.Verdict != datasets.Flagged {
			t.Error(describe(m))
		}
	}
	if took := b.clock.Sub(before); took > p.Time {
		t.Errorf("a plan of %v took %v", p.Time, took)
	}
}

// One operation of 0.3 s in a budget of 0.85 s: three samples are taken, and
// the interval says what they are worth: 1 − 2·2⁻³ = 0.75.
func TestLoopOfASlowCase(t *testing.T) {
	b := newFake(3)
	b.truth = func(datasets.Workload) float64 { return 0.3 }
	rows, _, err := b.loop().Run(context.Background(), fakePlan(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := rows[0].Measurement
	if len(m.SamplesS) != 3 || m.BatchIterations != 1 || m.Confidence != 0.75 || !slices.Contains(m.Flags, datasets.FlagUnsteady) {
		t.Errorf("confidence %v; %s", m.Confidence, describe(m))
	}
}

func TestWrongSkippedAndCrashedCases(t *testing.T) {
	b := newFake(4)
	p := fakePlan(4)
	k := func(i int) string { return p.Workloads[i].Key() }
	b.wrong[k(0)] = 7
	b.skips[k(1)] = "no such kernel here"
	b.panics[k(2)] = true
	var journal []datasets.Row
	l := b.loop()
	l.Journal = func(r datasets.Row) error { journal = append(journal, r); return nil }
	rows, _, err := l.Run(context.Background(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		verdict datasets.Verdict
		reason  string
	}{
		{datasets.Failed, "7 of 100 checked elements are wrong; the largest relative error is 1e-16, and 1e-15 is allowed"},
		{datasets.Skipped, "no such kernel here"},
		{datasets.Failed, "the case crashed: assignment to entry in nil map (fake_test.go:"},
		{datasets.OK, ""},
	} {
		m := rows[i].Measurement
		if m.Verdict != want.verdict || !strings.HasPrefix(m.Reason, want.reason) || want.reason == "" && m.Reason != "" {
			t.Errorf("case %d: %s", i, describe(m))
		}
		if m.Verdict != datasets.OK && (m.TimeS != 0 || m.Usable()) {
			t.Errorf("case %d has a time: %+v", i, m)
		}
	}
	if rows[0].Measurement.Wrong != 7 || rows[0].Measurement.Checked != 100 {
		t.Errorf("counts %d of %d", rows[0].Measurement.Wrong, rows[0].Measurement.Checked)
	}
	if len(journal) != 4 || b.closed != 3 {
		t.Errorf("%d rows in the journal, %d cases closed", len(journal), b.closed)
	}
}

// The machine is 20 % slower during the third case only: that case is measured
// again, and the clean try stays.
func TestDriftIsRepeated(t *testing.T) {
	b := newFake(5)
	b.slow = func(prepared int) float64 {
		if prepared == 3 {
			return 1.2
		}
		return 1
	}
	rows, notes, err := b.loop().Run(context.Background(), fakePlan(6), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := rows[2].Measurement
	if m.Verdict != datasets.OK || m.Conditions.Retries != 1 || math.Abs(m.TimeS/b.truth(rows[2].Workload)-1) > 0.01 {
		t.Errorf("case 3: %v s, retries %d, %s", m.TimeS, m.Conditions.Retries, describe(m))
	}
	if b.prepared[rows[2].Workload.Key()] != 2 {
		t.Errorf("measured %d times", b.prepared[rows[2].Workload.Key()])
	}
	if text := strings.Join(notes, "\n"); !strings.Contains(text, "are not kept: "+rows[2].Workload.Key()+" ") {
		t.Errorf("the other try is not noted: %s", text)
	}
}

// A machine that slows down for good after the second case cannot support the
// later ones: they are kept, flagged, with the reason, after bounded retries.
func TestDriftThatStaysIsFlagged(t *testing.T) {
	b := newFake(6)
	b.slow = func(prepared int) float64 {
		if prepared >= 3 {
			return 1.3
		}
		return 1
	}
	p := fakePlan(4)
	rows, _, err := b.loop().Run(context.Background(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		m := r.Measurement
		if i < 2 && m.Verdict != datasets.OK {
			t.Errorf("case %d: %s", i, describe(m))
		}
		if i >= 2 && (m.Verdict != datasets.Flagged || !slices.Contains(m.Flags, datasets.FlagDrift) ||
			m.Conditions.Retries != MaxRetries || !strings.Contains(m.Reason, "the sentinel took 1.3") || len(m.SamplesS) == 0) {
			t.Errorf("case %d: retries %d, %s", i, m.Conditions.Retries, describe(m))
		}
		if n := b.prepared[r.Workload.Key()]; n > 1+MaxRetries {
			t.Errorf("case %d was measured %d times", i, n)
		}
	}
}

func TestStealIsFlagged(t *testing.T) {
	b := newFake(7)
	b.steal = 0.1
	rows, _, err := b.loop().Run(context.Background(), fakePlan(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := rows[0].Measurement
	if !slices.Contains(m.Flags, datasets.FlagShared) || m.Conditions.StealRatio != 0.1 ||
		!strings.Contains(m.Reason, "the hypervisor gave 10 % of the CPU time to other guests") {
		t.Error(describe(m))
	}
}

// Half of the fake's two cores can do 1e11/2 FLOP/s in fp64; 2·100³ FLOP in
// 20 µs would be 1e11.
func TestImplausibleIsFlagged(t *testing.T) {
	b := newFake(8)
	b.truth = func(datasets.Workload) float64 { return 20e-6 }
	p := fakePlan(0)
	p.Time, p.CaseTime = 2e9, 1e9
	for _, ranks := range []int{1, 2} {
		p.Workloads = append(p.Workloads, datasets.GEMM{Kernel: "matmul", Type: datasets.FP64, M: 100, N: 100, K: 100, Ranks: ranks})
	}
	rows, _, err := b.loop().Run(context.Background(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	one, two := rows[0].Measurement, rows[1].Measurement
	if !slices.Contains(one.Flags, datasets.FlagImplausible) || !strings.Contains(one.Reason, "more than the arithmetic peak of 50 GFLOP/s") {
		t.Errorf("one core: %s", describe(one))
	}
	if slices.Contains(two.Flags, datasets.FlagImplausible) {
		t.Errorf("two cores: %s", describe(two))
	}
}

func TestResumeMeasuresOnlyWhatIsMissing(t *testing.T) {
	p := fakePlan(10)
	whole, _, err := newFake(9).loop().Run(context.Background(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 1, 5, 9, 10} {
		first := newFake(9)
		ctx, cancel := context.WithCancel(context.Background())
		var journal []datasets.Row
		l := first.loop()
		l.Journal = func(r datasets.Row) error {
			journal = append(journal, r)
			if len(journal) == cut {
				cancel()
			}
			return nil
		}
		if cut == 0 {
			cancel()
		}
		rows, _, err := l.Run(ctx, p, nil)
		if cut < 10 && !errors.Is(err, ErrInterrupted) || len(rows) != cut || len(journal) != cut {
			t.Fatalf("cut at %d: %d rows, %v", cut, len(rows), err)
		}
		second := newFake(10)
		rows, _, err = second.loop().Run(context.Background(), p, journal)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(keys(rows), keys(whole)) {
			t.Errorf("cut at %d: %v", cut, keys(rows))
		}
		for _, r := range journal {
			if second.prepared[r.Workload.Key()] != 0 {
				t.Errorf("cut at %d: %s was measured twice", cut, r.Workload.Key())
			}
		}
		cancel()
	}
}

func TestJournalThatFailsEndsTheLoop(t *testing.T) {
	b := newFake(11)
	l := b.loop()
	n := 0
	l.Journal = func(datasets.Row) error {
		if n++; n == 3 {
			return errors.New("no space left on device")
		}
		return nil
	}
	rows, _, err := l.Run(context.Background(), fakePlan(5), nil)
	if err == nil || !strings.Contains(err.Error(), "no space left on device") || len(rows) != 2 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// A case that gets faster for its first 50 batches is not sampled before.
func TestWarmUpWaitsForSteadiness(t *testing.T) {
	b := newFake(12)
	b.noise = 0.001
	batches := 0
	b.truth = func(datasets.Workload) float64 {
		batches++
		return 2.5e-3 * (1 + math.Exp(-float64(batches)/10))
	}
	rows, _, err := b.loop().Run(context.Background(), fakePlan(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	if m := rows[0].Measurement; m.TimeS > 2.5e-3*1.02 || slices.Contains(m.Flags, datasets.FlagWarmup) {
		t.Errorf("median %v s, steady is 2.5 ms; %s", m.TimeS, describe(m))
	}
}
