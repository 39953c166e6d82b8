package microbench

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"bench/datasets"
	"bench/datasets/stats"
)

// Settings of a measurement. DefaultSettings holds the values in use.
type Settings struct {
	// HalfWidth is the relative half-width of the median's confidence interval
	// at which sampling stops, at Confidence.
	HalfWidth, Confidence float64
	// MinSamples and MaxSamples bound the samples of a case.
	MinSamples, MaxSamples int
	// BatchS is how long a batch should be, in seconds. It is never less than
	// ClockFactor times the clock's resolution and overhead together.
	BatchS      float64
	ClockFactor float64
	// SteadyWithin is how far the medians of two successive windows of
	// SteadyWindow batches may lie apart, relative to each other, for the case
	// to count as warm; windows that overlap count too.
	SteadyWithin float64
	SteadyWindow int
	// WarmupShare is the most of a case's budget that goes into warming up.
	WarmupShare float64
}

// DefaultSettings are those of every profile.
var DefaultSettings = Settings{
	HalfWidth: 0.01, Confidence: 0.95, MinSamples: 20, MaxSamples: 1000,
	BatchS: 2e-3, ClockFactor: 1000,
	SteadyWithin: 0.02, SteadyWindow: 5, WarmupShare: 1.0 / 3,
}

// leastSamples are taken even where the budget is over.
const leastSamples = 3

// meter measures one case at a time.
type meter struct {
	Settings
	clock Clock
	now   func() time.Time
	// between runs between batches, outside the clock.
	between func()
}

// measure prepares, checks, warms and samples a workload. It never fails: what
// goes wrong is the measurement's verdict and reason. The budget covers all of
// it; a case that is still being prepared when it ends is sampled a few times
// all the same.
func (m *meter) measure(b Backend, w datasets.Workload, budget time.Duration) (out datasets.Measurement) {
	out = datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.OK}
	defer func() {
		if r := recover(); r != nil {
			out.Verdict, out.Reason = datasets.Failed, fmt.Sprintf("the case crashed: %v (%s)", r, PanicSite())
		}
	}()
	end := m.now().Add(budget)
	c, err := b.Prepare(w)
	if err != nil {
		out.Verdict, out.Reason = datasets.Failed, sentence(err)
		if s := (*SkipError)(nil); errors.As(err, &s) {
			out.Verdict = datasets.Skipped
		}
		return out
	}
	defer func() {
		if err := c.Close(); err != nil && out.Verdict != datasets.Failed {
			out.Verdict, out.Reason = datasets.Failed, "the case could not be freed: "+sentence(err)
		}
	}()
	out.Stack = stackOf(c.Implementation())
	if !m.check(c, &out) {
		return out
	}
	if r, ok := c.(RoutedCase); ok {
		out.ActiveExperts, out.MaxLoad, out.MeanLoad = r.Loads()
	}
	if err := m.sample(c, end, &out); err != nil {
		out.Verdict, out.Reason = datasets.Failed, sentence(err)
	}
	return out
}

// sentence is an error in one line: what freeing says of a failed case stands beside
// what failed.
func sentence(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// check compares the answer, and reports whether it is right.
func (m *meter) check(c Case, out *datasets.Measurement) bool {
	k, err := c.Check()
	out.Wrong, out.Checked, out.MaxRelError, out.RelErrBound = k.Wrong, k.Checked, k.MaxRelError, k.Bound
	switch {
	case err != nil:
		out.Reason = "the answer could not be checked: " + sentence(err)
	case k.Wrong > 0:
		out.Reason = fmt.Sprintf("%d of %d checked elements are wrong; the largest relative error is %.3g, and %.3g is allowed",
			k.Wrong, k.Checked, k.MaxRelError, k.Bound)
	case math.IsNaN(k.MaxRelError):
		out.Reason = "the answer holds a NaN"
	default:
		return true
	}
	out.Verdict = datasets.Failed
	return false
}

// sample warms up and samples until the stopping rule or the time ends it.
func (m *meter) sample(c Case, end time.Time, out *datasets.Measurement) error {
	left := end.Sub(m.now())
	warmEnd := m.now().Add(time.Duration(m.WarmupShare * float64(left)))
	n, first, err := m.batchSize(c, 1, warmEnd)
	if err != nil {
		return err
	}
	if n == 1 {
		one, err := m.grows(c, first, warmEnd)
		if err != nil {
			return err
		}
		if one < m.batchLength() {
			if n, first, err = m.batchSize(c, 2, warmEnd); err != nil {
				return err
			}
		}
	}
	out.BatchIterations = n
	seen := &witness{}
	batch := func() (Timing, error) {
		began := m.now()
		t, err := c.Batch(n)
		seen.batch(t, began, m.now())
		m.between()
		if err == nil {
			err = possible(n, t, true)
		}
		return t, err
	}
	steady, err := m.warmUp(batch, first, warmEnd)
	if err != nil {
		return err
	}
	if !steady {
		out.Flags = append(out.Flags, datasets.FlagWarmup)
	}

	rule := MedianRule{HalfWidth: m.HalfWidth, Confidence: m.Confidence, Min: m.MinSamples, Max: m.MaxSamples}
	var walls []float64
	for {
		t, err := batch()
		if err != nil {
			return err
		}
		rule.Add(t.Seconds / float64(n))
		seen.sample(n, t)
		walls = append(walls, t.WallSeconds/float64(n))
		if out.Stop = rule.Done(); out.Stop != "" {
			break
		}
		if len(walls) >= leastSamples && !m.now().Before(end) {
			out.Stop = StopBudget
			break
		}
	}
	if err := seen.clock(); err != nil {
		return err
	}
	i := stats.MedianInterval(rule.Samples(), m.Confidence)
	out.SamplesS = rule.Samples()
	out.TimeS, out.LowS, out.HighS, out.Confidence = i.Median, i.Low, i.High, i.Confidence
	if i.Confidence < m.Confidence || i.RelativeHalfWidth() > m.HalfWidth {
		out.Flags = append(out.Flags, datasets.FlagUnsteady)
	}
	if flag, why := seen.disturbance(i.Median, m.HalfWidth); flag != "" {
		out.Flags, out.Reason = append(out.Flags, flag), why
	}
	out.WallS = stats.Median(walls)
	return nil
}

// batchLength is how long a batch has to last, in seconds.
func (m *meter) batchLength() float64 {
	return max(m.BatchS, m.ClockFactor*(m.clock.ResolutionS+m.clock.OverheadS))
}

// sizeTries is how often a batch is run before it counts as long enough.
const sizeTries = 3

// batchSize grows a batch from n iterations until it is long against the clock, and
// returns it with the seconds that it took. A cold batch, or one that was
// disturbed, is longer than those that will be sampled: it is run again, while
// there is time until end, and the shortest counts.
func (m *meter) batchSize(c Case, n int64, end time.Time) (size int64, seconds float64, err error) {
	want := m.batchLength()
	for {
		least := math.Inf(1)
		for range sizeTries {
			t, err := c.Batch(n)
			m.between()
			if err == nil {
				err = possible(n, t, false)
			}
			if err != nil {
				return 0, 0, err
			}
			least = min(least, t.Seconds)
			if least < want || m.now().Add(time.Duration(least*float64(time.Second))).After(end) {
				break
			}
		}
		if least >= want {
			return n, least, nil
		}
		// Aim a tenth too far, and never more than tenfold, since short batches
		// say little of long ones.
		grow := 10.0
		if least > 0 {
			grow = min(grow, max(1.1*want/least, 1.2))
		}
		next := int64(math.Ceil(float64(n) * grow))
		if next > 1<<40 {
			return 0, 0, fmt.Errorf("%d iterations took %v s, less than a batch of %.3g s: the time does not grow with the work; it was left out, or the clock does not advance", n, least, want)
		}
		n = next
	}
}

// growthTries is how often two iterations are held against one.
const growthTries = 5

// grows checks that two iterations take longer than one of the given seconds,
// where one was long enough to be a batch, so that no longer batch has shown it: a
// fixed cost of each batch, or work that is done once however often it is asked
// for, would pass for the work. It returns the least that one took: where that is
// no batch after all, longer ones will show it. A batch whose workers were kept off
// their CPUs lasts until the scheduler lets them go on, however long the work is,
// and says nothing. Iterations too long to be tried before end are not checked.
func (m *meter) grows(c Case, one float64, end time.Time) (float64, error) {
	if m.now().Add(time.Duration(2 * one * float64(time.Second))).After(end) {
		return one, nil
	}
	two, told := 0.0, false
	for range growthTries {
		waited := false
		for _, n := range []int64{2, 1} {
			t, err := c.Batch(n)
			m.between()
			if err == nil {
				err = possible(n, t, true)
			}
			if err != nil {
				return 0, err
			}
			waited = waited || t.OffCPUSeconds > 0.1*t.Seconds
			if n == 1 {
				one = min(one, t.Seconds) // the first was cold
			} else if two = t.Seconds; two >= 1.5*one {
				return one, nil
			}
		}
		if one < m.batchLength() {
			return one, nil
		}
		told = told || !waited
	}
	if !told {
		return one, nil // and the case is flagged for what kept the workers
	}
	return 0, fmt.Errorf("one iteration took %.3g s and two %.3g s: the time does not grow with the work; it was left out, or a batch has a fixed cost that is not the work's", one, two)
}

// possible says what no batch can have taken. A batch that is too short for the
// clock may have taken 0 while its size is still sought.
func possible(n int64, t Timing, positive bool) error {
	switch {
	case math.IsNaN(t.Seconds) || math.IsInf(t.Seconds, 0):
		return fmt.Errorf("a batch of %d took %v s, which is no time: the backend's clock is at fault", n, t.Seconds)
	case t.Seconds < 0:
		return fmt.Errorf("a batch of %d took %v s: the clock went backwards", n, t.Seconds)
	case t.Seconds == 0 && positive:
		return fmt.Errorf("a batch of %d took 0 s: the clock does not advance", n)
	case math.IsNaN(t.WallSeconds) || math.IsInf(t.WallSeconds, 0) || t.WallSeconds < 0:
		return fmt.Errorf("a batch of %d took %v s on the host's clock, which is no time", n, t.WallSeconds)
	}
	return nil
}

// warmUp runs batches until two successive windows agree, or the time ends.
// Each window is short enough for two of them to fit the time, and has at least
// one batch.
func (m *meter) warmUp(batch func() (Timing, error), first float64, end time.Time) (steady bool, err error) {
	window := m.SteadyWindow
	if fit := end.Sub(m.now()).Seconds() / first / 2; fit < float64(window) {
		window = max(1, int(fit))
	}
	var before []float64
	if window == 1 {
		before = []float64{first}
	}
	for {
		var now []float64
		for range window {
			t, err := batch()
			if err != nil {
				return false, err
			}
			now = append(now, t.Seconds)
		}
		if before != nil && m.agree(before, now) {
			return true, nil
		}
		if before != nil && !m.now().Before(end) {
			return false, nil
		}
		before = now
	}
}

// agree reports whether two windows show the same speed: their medians lie
// within SteadyWithin, or each median lies within the other window's range,
// which a noisy but steady machine gives and one that still warms up does not.
func (m *meter) agree(a, b []float64) bool {
	ma := stats.Median(a)
	mb := stats.Median(b)
	if math.Abs(mb/ma-1) <= m.SteadyWithin {
		return true
	}
	return len(a) > 2 && slices.Min(a) < mb && mb < slices.Max(a) && slices.Min(b) < ma && ma < slices.Max(b)
}

// libraries are the names of Case.Implementation that are not this program's own.
var libraries = []string{"cublaslt", "nccl", "openblas", "mkl", "blis", "onednn"}

// stackOf is the stack of what a case says that it is made of. A library's
// version stands before the place of its file.
func stackOf(name, version string) datasets.Stack {
	if !slices.Contains(libraries, name) {
		return datasets.Stack{Library: "bench", KernelSource: strings.TrimSpace(name + " " + version)}
	}
	version, place, _ := strings.Cut(version, " at ")
	return datasets.Stack{Library: name, Version: version, KernelSource: place}
}

// PanicSite is the innermost line of the stack that is not the runtime's, for
// a bug report in one sentence. It is for a function that recovers.
func PanicSite() string {
	lines := strings.Split(string(debug.Stack()), "\n")
	for i, l := range lines {
		// After "panic(…)" and its file come the function that panicked and
		// its file, unless the runtime raised it.
		if strings.HasPrefix(l, "panic(") {
			for _, l := range lines[i+2:] {
				if strings.HasPrefix(l, "\t") && !strings.Contains(l, "/runtime/") {
					site, _, _ := strings.Cut(strings.TrimSpace(l), " +0x")
					return filepath.Base(site)
				}
			}
		}
	}
	return "no trace"
}
