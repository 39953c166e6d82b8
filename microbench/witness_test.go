package microbench

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"bench/datasets"
)

// witnessed is a fake whose batches are disturbed; calls counts them.
type witnessed struct {
	*fakeBackend
	disturb func(call int, t *Timing)
}

type witnessedCase struct {
	Case
	b     *witnessed
	calls int
}

func (b *witnessed) Prepare(w datasets.Workload) (Case, error) {
	c, err := b.fakeBackend.Prepare(w)
	return &witnessedCase{Case: c, b: b}, err
}

func (c *witnessedCase) Batch(n int64) (Timing, error) {
	t, err := c.Case.Batch(n)
	// 20 µs of the call are not the batch's; its clock is the fake's.
	t.ClockSeconds = float64(c.b.clock.UnixNano()) * 1e-9
	c.calls++
	c.b.disturb(c.calls, &t)
	t.ClockSeconds += t.OffCPUSeconds
	c.b.spend(20e-6 + t.OffCPUSeconds)
	return t, err
}

func measureWitnessed(t *testing.T, disturb func(call int, t *Timing)) datasets.Measurement {
	t.Helper()
	b := newFake(3)
	l := b.loop()
	l.Backend = &witnessed{b, disturb}
	rows, _, err := l.Run(context.Background(), fakePlan(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	return rows[0].Measurement
}

// Time off the CPU is flagged where it moves the median by more than 1 %: half a
// percent of every batch does not, nor a third of the batches stopped for as long
// again, nor does a worker's move during the warm-up; two percent of every batch do.
func TestWorkersKeptOffTheirCPUs(t *testing.T) {
	stop := func(t *Timing, share float64) {
		t.OffCPUSeconds = t.Seconds * share
		t.Seconds += t.OffCPUSeconds
	}
	for name, c := range map[string]struct {
		disturb func(call int, t *Timing)
		want    string
	}{
		"nothing":                                {func(int, *Timing) {}, ""},
		"0.5 %":                                  {func(_ int, t *Timing) { stop(t, 0.005) }, ""},
		"2 %":                                    {func(_ int, t *Timing) { stop(t, 0.02) }, "for up to 2 % of the median"},
		"all stopped, and more workers than one": {func(_ int, t *Timing) { t.OffCPUSeconds = 3 * t.Seconds }, "for up to 100 % of the median"},
		"a third of the batches": {func(call int, t *Timing) {
			if call%3 == 0 {
				stop(t, 1)
			}
		}, ""},
		"moved at first": {func(call int, t *Timing) {
			if call < 4 {
				t.Moved = 1
			}
		}, ""},
		"moved": {func(call int, t *Timing) {
			if call == 20 {
				t.Moved = 2
			}
		}, "in 1 of "},
	} {
		m := measureWitnessed(t, c.disturb)
		if flagged := slices.Contains(m.Flags, datasets.FlagShared); flagged != (c.want != "") || !strings.Contains(m.Reason, c.want) || m.TimeS == 0 {
			t.Errorf("%s: %s", name, describe(m))
		}
	}
}

// Two clocks that contradict each other fail a case; that the host's sees the
// calls too, and is read late when the process has to wait, is no contradiction.
func TestClocksThatContradict(t *testing.T) {
	rate := func(by float64) func(int, *Timing) {
		return func(_ int, t *Timing) { t.Seconds, t.ClockSeconds = t.Seconds*by, t.ClockSeconds*by }
	}
	for name, c := range map[string]struct {
		disturb func(call int, t *Timing)
		failed  bool
	}{
		"right":       {func(int, *Timing) {}, false},
		"not told":    {func(_ int, t *Timing) { t.ClockSeconds = 0 }, false},
		"0.05 % fast": {rate(1.0005), false},
		"5 % fast":    {rate(1.05), true},
		"5 % slow":    {rate(0.95), true},
		"2 % slow":    {rate(0.98), true},
		"a step ahead within a batch": {func(call int, t *Timing) {
			if call == 20 {
				t.Seconds += 0.001
			}
		}, true},
		"a step ahead": {func(call int, t *Timing) { t.ClockSeconds += 0.1 * float64(call/10) }, true},
		"a step back":  {func(call int, t *Timing) { t.ClockSeconds -= 0.1 * float64(call/10) }, true},
	} {
		m := measureWitnessed(t, c.disturb)
		if failed := m.Verdict == datasets.Failed && strings.Contains(m.Reason, "one of them is wrong"); failed != c.failed || failed != (m.TimeS == 0) {
			t.Errorf("%s: %s", name, describe(m))
		}
	}
	// The process waited a second before each of two readings of the host's clock.
	at := func(s float64) time.Time { return time.Unix(1e9, int64(s*1e9)) }
	w := &witness{}
	w.batch(Timing{ClockSeconds: 10}, at(0), at(1.1))
	w.batch(Timing{ClockSeconds: 10.2}, at(1.1), at(2.3))
	if err := w.clock(); err != nil {
		t.Error(err)
	}
}

// A batch counts as long enough by its shortest run: a cold or disturbed one must
// not make a short case's batch of it, which would be all fixed cost.
func TestADisturbedBatchIsNotLongEnough(t *testing.T) {
	for disturbed := range 2 * sizeTries {
		f := newFake(1)
		f.noise = 0
		calls := 0
		l := f.loop()
		l.Backend = &oddBackend{f, func(n int64) Timing {
			s := 5e-7 + 6e-8*float64(n)
			if calls++; calls <= disturbed {
				s += 5e-3
			}
			f.spend(s)
			return Timing{Seconds: s}
		}}
		rows, _, err := l.Run(context.Background(), fakePlan(1), nil)
		if err != nil {
			t.Fatal(err)
		}
		m := rows[0].Measurement
		if m.Verdict == datasets.Failed || math.Abs(m.TimeS-6e-8) > 0.01*6e-8 {
			t.Errorf("the first %d batches took 5 ms longer: %d iterations a batch, %.3g s; want 60 ns: %s", disturbed, m.BatchIterations, m.TimeS, describe(m))
		}
	}
}

// Where one iteration is a batch, two must take longer. The first one is cold, and
// a disturbance may make one as long as two.
func TestOneIterationABatch(t *testing.T) {
	for name, c := range map[string]struct {
		seconds func(call int, n int64) float64
		failed  bool
		waits   func(call int) bool // its workers were off their CPUs for half of the batch
	}{
		"grows": {func(_ int, n int64) float64 { return 3e-3 * float64(n) }, false, nil},
		"a cold first": {func(call int, n int64) float64 {
			return map[bool]float64{true: 9e-3, false: 3e-3 * float64(n)}[call == 1]
		}, false, nil},
		"one disturbed":                        {func(call int, n int64) float64 { return 3e-3 * max(float64(n), map[bool]float64{true: 2}[call == 3]) }, false, nil},
		"made once":                            {func(int, int64) float64 { return 3e-3 }, true, nil},
		"mostly a fixed cost":                  {func(_ int, n int64) float64 { return 3e-3 + 1e-3*float64(n) }, true, nil},
		"too long to be doubled":               {func(int, int64) float64 { return 0.3 }, false, nil},
		"as long as a slice of the CPU's time": {func(int, int64) float64 { return 4e-3 }, false, func(int) bool { return true }},
		"as long as a slice, and once nothing was waited for": {func(int, int64) float64 { return 4e-3 }, true, func(call int) bool { return call < 6 }},
	} {
		f := newFake(1)
		f.noise = 0
		calls := 0
		l := f.loop()
		l.Backend = &oddBackend{f, func(n int64) Timing {
			calls++
			s := c.seconds(calls, n)
			f.spend(s)
			t := Timing{Seconds: s}
			if c.waits != nil && c.waits(calls) {
				t.OffCPUSeconds = s / 2
			}
			return t
		}}
		rows, _, err := l.Run(context.Background(), fakePlan(1), nil)
		if err != nil {
			t.Fatal(err)
		}
		m := rows[0].Measurement
		if failed := m.Verdict == datasets.Failed && strings.Contains(m.Reason, "the time does not grow with the work"); failed != c.failed || failed != (m.TimeS == 0) {
			t.Errorf("%s: %s", name, describe(m))
		}
	}
}
