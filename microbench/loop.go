package microbench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"bench/datasets"
	"bench/probes"
)

// MaxRetries is how often a disturbed case is measured again.
const MaxRetries = 2

// mainShare is the part of a profile's time in which every case is measured
// once; the rest is for repeating those that were disturbed.
const mainShare = 0.85

// leastBudget is given to a case however late it is.
const leastBudget = 50 * time.Millisecond

// ErrInterrupted is returned when the context ended the loop between two cases.
var ErrInterrupted = errors.New("interrupted")

// Loop measures a plan on a backend.
type Loop struct {
	Backend Backend
	// Settings are DefaultSettings where zero.
	Settings Settings
	// Journal keeps a finished case at once; a case that is repeated is
	// journalled again under the same key, and the last entry counts. An error
	// ends the loop.
	Journal func(datasets.Row) error
	// OnCase hears of each finished case. It may be nil.
	OnCase func(Progress)
	// Governor and Health belong to the conditions of every case.
	Governor string

	// WatchGPUs begins to watch the GPUs of a case, by their UUIDs; nil means
	// probes.StartGPUWatch. Where NVML cannot watch, the conditions stay unknown.
	WatchGPUs func(uuids []string) (GPUWatch, error)

	now   func() time.Time
	watch func() watch
}

// GPUWatch watches GPUs until its end.
type GPUWatch interface{ End() probes.GPUTelemetry }

// Progress is where the loop stands after a case.
type Progress struct {
	Row datasets.Row
	// Again is set where the case was disturbed before and measured again.
	Again bool
	// Done of Total cases are measured; Repeating counts the disturbed ones
	// that wait for another try.
	Done, Total, Repeating int
	// Left is the time that the plan still allows.
	Left time.Duration
}

type watch interface {
	Sample()
	End() probes.Telemetry
}

// Run measures every workload of the plan that done lacks, in order, and then
// repeats those that were disturbed. It returns a row for each workload, those
// of done included, in the plan's order, and notes on what was repeated. Where
// it ends early (ErrInterrupted, a journal that cannot be written, a sentinel
// that fails) the rows so far come with the error.
func (l *Loop) Run(ctx context.Context, p Plan, done []datasets.Row) (rows []datasets.Row, notes []string, err error) {
	r := l.begin(p, done)
	if r.missing() > 0 || len(r.again) > 0 {
		if r.sentinel, err = newSentinel(r.runSentinel, sentinelSeconds(p.Time)); err != nil {
			return r.rows(), nil, err
		}
		r.notes = append(r.notes, fmt.Sprintf("sentinel: %.3g ms at the start; drift beyond ±%.0f %% flags a case", r.sentinel.start*1e3, r.sentinel.band*100))
	}
	err = r.run(ctx)
	if len(r.tries) > 0 {
		r.notes = append(r.notes, fmt.Sprintf("%d tries of disturbed cases were made again and are not kept: %s", len(r.tries), strings.Join(r.tries, "; ")))
	}
	return r.rows(), r.notes, err
}

// runState is one run of a loop.
type runState struct {
	*Loop
	plan   Plan
	meter  meter
	device datasets.Device
	// uuids, simulated and where are of an Identified backend.
	uuids     []string
	simulated bool
	where     string
	// blind is set where NVML could not watch, which is said once.
	blind    bool
	sentinel *sentinel
	start    time.Time
	// have holds the best row of each key so far, again the keys to repeat.
	have  map[string]datasets.Row
	again []datasets.Workload
	notes []string
	// tries are what was measured and not kept, each with its time.
	tries []string
}

func (l *Loop) begin(p Plan, done []datasets.Row) *runState {
	r := &runState{Loop: l, plan: p, device: l.Backend.Device(), have: map[string]datasets.Row{}}
	if i, ok := l.Backend.(Identified); ok {
		r.uuids, r.simulated, r.where = i.UUIDs(), i.Simulated(), i.Where()
	}
	if l.WatchGPUs == nil {
		l.WatchGPUs = func(uuids []string) (GPUWatch, error) { return probes.StartGPUWatch(uuids) }
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.watch == nil {
		l.watch = func() watch {
			child := 0
			if s, ok := l.Backend.(Separate); ok {
				child = s.Process()
			}
			return probes.StartWatch(child)
		}
	}
	if l.Settings == (Settings{}) {
		l.Settings = DefaultSettings
	}
	r.meter = meter{Settings: l.Settings, clock: l.Backend.Clock(), now: l.now}
	for _, row := range done {
		r.have[row.Workload.Key()] = row // the last of a key counts
	}
	for _, w := range p.Workloads {
		if row, ok := r.have[w.Key()]; ok && r.mayRepeat(&row.Measurement) {
			r.again = append(r.again, w)
		}
	}
	r.start = l.now()
	return r
}

func (r *runState) missing() int {
	n := 0
	for _, w := range r.plan.Workloads {
		if _, ok := r.have[w.Key()]; !ok {
			n++
		}
	}
	return n
}

// rows are those of the plan, in its order.
func (r *runState) rows() []datasets.Row {
	var out []datasets.Row
	for _, w := range r.plan.Workloads {
		if row, ok := r.have[w.Key()]; ok {
			out = append(out, row)
		}
	}
	return out
}

func (r *runState) mayRepeat(m *datasets.Measurement) bool {
	return m.Verdict == datasets.Flagged && disturbed(m) && m.Conditions.Retries < MaxRetries
}

func (r *runState) run(ctx context.Context) error {
	left := r.missing()
	// A resumed run has the time of the cases that are left.
	total := time.Duration(float64(r.plan.Time) * float64(left+len(r.again)) / float64(max(len(r.plan.Workloads), 1)))
	mainEnd := r.start.Add(time.Duration(float64(total) * mainShare))
	for _, w := range r.plan.Workloads {
		if _, ok := r.have[w.Key()]; ok {
			continue
		}
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		row, err := r.one(w, r.budget(mainEnd.Sub(r.now()), left))
		left--
		if err != nil {
			return errors.Join(err, r.keep(row, left, total))
		}
		if r.mayRepeat(&row.Measurement) {
			r.again = append(r.again, w)
		}
		if err := r.keep(row, left, total); err != nil {
			return err
		}
	}
	for pass := 0; pass < MaxRetries && len(r.again) > 0; pass++ {
		queue := r.again
		r.again = nil
		for i, w := range queue {
			if ctx.Err() != nil {
				return ErrInterrupted
			}
			// A second try that is shorter than the first would only look calm.
			budget := r.plan.CaseBudget()
			if r.plan.Time > 0 && r.now().Add(budget).After(r.start.Add(total)) {
				r.notes = append(r.notes, fmt.Sprintf("no time was left to repeat %d disturbed cases", len(queue)-i+len(r.again)))
				return nil
			}
			if err := r.repeat(w, budget, total); err != nil {
				return err
			}
		}
	}
	return nil
}

// repeat measures a disturbed case again. The try with the calmer machine
// stays, judged by the conditions and never by the time; the other one's time
// is noted.
func (r *runState) repeat(w datasets.Workload, budget, total time.Duration) error {
	old := r.have[w.Key()]
	row, err := r.one(w, budget)
	if err != nil {
		return err
	}
	kept, other := row, old
	if disturbed(&row.Measurement) && calmer(&old.Measurement, &row.Measurement) {
		kept, other = old, row
	}
	kept.Measurement.Conditions.Retries = old.Measurement.Conditions.Retries + 1
	r.tries = append(r.tries, fmt.Sprintf("%s %.4g s", w.Key(), other.Measurement.TimeS))
	if r.mayRepeat(&kept.Measurement) {
		r.again = append(r.again, w)
	}
	return r.keep(kept, 0, total)
}

// calmer reports whether a was disturbed less than b.
func calmer(a, b *datasets.Measurement) bool {
	disturbance := func(m *datasets.Measurement) float64 {
		c := m.Conditions
		return math.Abs(math.Log(max(c.SentinelRatio, 1e-9))) + c.StealRatio + c.OtherCPURatio
	}
	return disturbance(a) < disturbance(b)
}

// budget shares the time out evenly over the cases that are left.
func (r *runState) budget(left time.Duration, cases int) time.Duration {
	if r.plan.Time <= 0 {
		return r.plan.CaseTime
	}
	return min(max(left/time.Duration(max(cases, 1)), leastBudget), r.plan.CaseTime)
}

// one measures a workload between two readings of the sentinel. Where the second
// cannot be had, the row, which has failed, comes with the error.
func (r *runState) one(w datasets.Workload, budget time.Duration) (datasets.Row, error) {
	before := r.sentinel.last
	startNS := r.now().UnixNano()
	watched := r.watch()
	gpus := r.watchGPUs(w)
	lastSample := r.now()
	r.meter.between = func() {
		if now := r.now(); now.Sub(lastSample) > 50*time.Millisecond {
			lastSample = now
			watched.Sample()
		}
	}
	m := r.meter.measure(r.Backend, w, budget)
	t := watched.End()
	if r.simulated {
		m.Source = datasets.SourceSimulated
	}
	m.Conditions.StartUnixNS, m.Conditions.Governor = startNS, r.Governor
	var g *probes.GPUTelemetry
	if gpus != nil {
		end := gpus.End()
		g = &end
		r.faults(&m, g)
	}
	after, err := r.sentinelAfter(&m)
	if err == nil {
		judge(&m, &r.device, w, t, g, r.sentinel, before, after, r.memoryBandwidth(w.Workers()))
	}
	row := datasets.Row{Workload: w, Measurement: m, DeviceID: r.device.ID}
	if len(r.uuids) > 0 {
		row.DeviceUUID = r.uuids[0]
	}
	return row, err
}

// sentinelAfter reads the sentinel after a case. Where it does not run, the case
// may have lost the device, and its answer says nothing: it has failed, and a
// fresh process is asked once more, so that the other cases can go on.
func (r *runState) sentinelAfter(m *datasets.Measurement) (float64, error) {
	after, err := r.sentinel.read()
	if err == nil {
		return after, nil
	}
	if m.Verdict != datasets.Failed && m.Verdict != datasets.Skipped {
		m.Verdict, m.Reason = datasets.Failed, "after the case "+sentence(err)
	}
	s, ok := r.Backend.(Separate)
	if !ok {
		return 0, err
	}
	s.Renew()
	return r.sentinel.read()
}

// keep journals a row and tells of it.
func (r *runState) keep(row datasets.Row, left int, total time.Duration) error {
	if r.Journal != nil {
		if err := r.Journal(row); err != nil {
			return fmt.Errorf("the journal cannot be written: %w", err)
		}
	}
	r.have[row.Workload.Key()] = row
	if r.OnCase != nil {
		remaining := r.start.Add(total).Sub(r.now())
		if r.plan.Time <= 0 {
			remaining = time.Duration(left+len(r.again)) * r.plan.CaseTime
		}
		r.OnCase(Progress{Row: row, Again: row.Measurement.Conditions.Retries > 0, Done: len(r.plan.Workloads) - left, Total: len(r.plan.Workloads),
			Repeating: len(r.again), Left: max(remaining, 0)})
	}
	return nil
}
