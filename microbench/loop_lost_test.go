package microbench

import (
	"context"
	"errors"
	"strings"
	"testing"

	"bench/datasets"
)

// lossyBackend is a backend in a process of its own whose sentinel does not run
// any more after a number of cases, until the process is a fresh one.
type lossyBackend struct {
	*fakeBackend
	after, renewals int
	forGood         bool
}

func (b *lossyBackend) Process() int { return 1 }
func (b *lossyBackend) Renew()       { b.renewals++ }
func (b *lossyBackend) Sentinel() (float64, error) {
	if b.total >= b.after && (b.forGood || b.renewals == 0) {
		return 0, errors.New("cuX: CUDA_ERROR_ILLEGAL_ADDRESS")
	}
	return b.fakeBackend.Sentinel()
}

// A device that a case has lost shows it when the sentinel is next asked for. The
// case has failed, and the others are measured in a fresh process.
func TestASentinelThatDoesNotRunFailsTheCaseBefore(t *testing.T) {
	b := &lossyBackend{fakeBackend: newFake(1), after: 2}
	loop := b.loop()
	loop.Backend = b
	rows, _, err := loop.Run(context.Background(), fakePlan(4), nil)
	if err != nil || len(rows) != 4 || b.renewals != 1 {
		t.Fatalf("%d rows, %d fresh processes, %v", len(rows), b.renewals, err)
	}
	for i, r := range rows {
		m := r.Measurement
		if lost := i == 1; lost != (m.Verdict == datasets.Failed) || lost != strings.Contains(m.Reason, "CUDA_ERROR_ILLEGAL_ADDRESS") {
			t.Errorf("case %d is %s: %q", i, m.Verdict, m.Reason)
		}
	}
	// Where a fresh process does not help, there is nothing to go on with.
	b = &lossyBackend{fakeBackend: newFake(1), after: 2, forGood: true}
	loop = b.loop()
	loop.Backend = b
	if rows, _, err := loop.Run(context.Background(), fakePlan(4), nil); err == nil || len(rows) != 2 || rows[1].Measurement.Verdict != datasets.Failed {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}
