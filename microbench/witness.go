package microbench

import (
	"errors"
	"fmt"
	"time"

	"bench/datasets"
	"bench/datasets/stats"
)

// witness sees what happened to a case's workers and to its clock from batch to
// batch.
type witness struct {
	// undisturbed are the samples without the time for which workers were off
	// their CPUs.
	undisturbed []float64
	// moved counts the samples after which a worker was on another CPU than its own.
	moved int
	// first and last are readings of the batches' clock, as the first and the last
	// batch ended.
	first, last reading
	// outran is how a batch took longer than the call that made it, or "".
	outran string
}

// reading is what a clock read at a moment between two of the host's clock.
type reading struct {
	seconds          float64
	earliest, latest time.Time
}

// batch takes note of the clock after any batch, which a call of that beginning
// and end has made.
func (w *witness) batch(t Timing, began, ended time.Time) {
	if t.ClockSeconds == 0 {
		return
	}
	w.last = reading{t.ClockSeconds, began.Add(time.Duration(t.Seconds * float64(time.Second))), ended}
	if w.first.latest.IsZero() {
		w.first = w.last
	}
	if call := ended.Sub(began).Seconds(); t.Seconds > call*(1+clockTolerance) {
		w.outran = fmt.Sprintf("the clock that times the batches gave %.4g s to one that the host's gave %.4g s", t.Seconds, call)
	}
}

// sample takes note of a batch of n that is kept.
func (w *witness) sample(n int64, t Timing) {
	w.undisturbed = append(w.undisturbed, max(0, t.Seconds-t.OffCPUSeconds)/float64(n))
	if t.Moved > 0 {
		w.moved++
	}
}

// clockTolerance is by how much two clocks may run apart: a clock that is being
// corrected by the network's runs up to 0.05 % off (adjtimex(2)).
const clockTolerance = 0.01

// clock says how the batches' clock contradicts the host's, or nil. The host's is
// read by another process, which may have had to wait, so it only bounds when a
// batch ended: not before its own length had passed since the call began, and not
// after the call returned.
func (w *witness) clock() error {
	const conclusion = ": one of them is wrong, and no time can be trusted"
	passed := w.last.seconds - w.first.seconds
	least, most := w.last.earliest.Sub(w.first.latest).Seconds(), w.last.latest.Sub(w.first.earliest).Seconds()
	switch {
	case w.outran != "":
		return errors.New(w.outran + conclusion)
	case passed > most*(1+clockTolerance) || passed < least*(1-clockTolerance):
		return fmt.Errorf("the clock that times the batches went on by %.4g s while the host's went on by %.4g to %.4g s"+conclusion, passed, least, most)
	}
	return nil
}

// disturbance is the flag and the sentence that the workers' fate calls for, or
// "". The median shrugs off a few batches that were interrupted; time off the CPU
// matters where the median would be another without it, by more than the
// interval is to be narrow. Workers that wait for each other may lose the time of
// each, so all of it is taken off.
func (w *witness) disturbance(median, halfWidth float64) (flag, why string) {
	if w.moved > 0 {
		return datasets.FlagShared, fmt.Sprintf("in %d of %d batches a worker ran on another CPU than the one it was pinned to: something changed its affinity", w.moved, len(w.undisturbed))
	}
	without := stats.Median(w.undisturbed)
	if lost := 1 - without/median; lost > halfWidth {
		return datasets.FlagShared, fmt.Sprintf("the workers were kept off their CPUs (preempted, stopped, or out of quota) for up to %.0f %% of the median", lost*100)
	}
	return "", ""
}
