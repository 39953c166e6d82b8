package microbench

import (
	"fmt"
	"time"

	// stats: the median.
	"github.com/montanaflynn/stats"

	"bench/datasets"
)

// witness sees what happened to a case's workers and to its clock from batch to
// batch.
type witness struct {
	// undisturbed are the samples without the time for which workers were off
	// their CPUs.
	undisturbed []float64
	// moved counts the samples after which a worker was on another CPU than its own.
	moved int
	// first and last are readings of the clock of the batches; the host's clock
	// enclosed the batch of each.
	first, last reading
}

type reading struct {
	seconds      float64
	began, ended time.Time
}

// batch takes note of the clock after any batch.
func (w *witness) batch(t Timing, began, ended time.Time) {
	w.last = reading{t.ClockSeconds, began, ended}
	if w.first.began.IsZero() {
		w.first = w.last
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

// clock says how the batches' clock contradicts the host's, or nil. Between the
// ends of the first and of the last batch lies no more than between the
// beginning of the one call and the end of the other, and no less than between
// the end of the first and the beginning of the last, however long the process
// was kept waiting.
func (w *witness) clock() error {
	if w.first.seconds == 0 || w.last.seconds == 0 {
		return nil
	}
	passed := w.last.seconds - w.first.seconds
	least, most := w.last.began.Sub(w.first.ended).Seconds(), w.last.ended.Sub(w.first.began).Seconds()
	if passed > most*(1+clockTolerance) || passed < least*(1-clockTolerance) {
		return fmt.Errorf("the clock that times the batches went on by %.4g s while the host's went on by %.4g to %.4g s: one of them is wrong, and no time can be trusted", passed, least, most)
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
	without, _ := stats.Median(w.undisturbed)
	if lost := 1 - without/median; lost > halfWidth {
		return datasets.FlagShared, fmt.Sprintf("the workers were kept off their CPUs (preempted, stopped, or out of quota) for up to %.2g %% of the median", lost*100)
	}
	return "", ""
}
