// Package gate decides whether a night's run may pass: against the model, which
// knows what the hardware should do, and against the nights before, which show
// what it did.
//
// There are three outcomes. A failure is a claim that must hold: of a sound
// machine, one night in a hundred may fail against its history, over all
// workloads together (Holm's correction). A pass is a claim too: where the
// machine was disturbed or scatters so much that a real loss would not be seen,
// the outcome is "can't tell", and says so.
package gate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"bench/datasets"
	"bench/reports"
	"bench/reports/compare"
)

// Outcome of a workload, a suite or the whole.
type Outcome string

const (
	Pass     Outcome = "pass"
	Fail     Outcome = "fail"
	CantTell Outcome = "can't tell"
	// Improved and Waived are of workloads only; both let a gate pass.
	Improved Outcome = "improved"
	Waived   Outcome = "waived"
)

// What a workload is held against.
const (
	AgainstModel   = "model"
	AgainstHistory = "history"
)

// Options of a gate.
type Options struct {
	Model   bool
	Tiers   []datasets.Tier
	Devices reports.Devices
	// Known are the known errors of the tiers.
	Known []Known
	// Alpha is the probability that a sound night fails against its history,
	// over all workloads.
	Alpha float64
	// Within is the relative change of no interest.
	Within float64
	// See is the slowdown, lasting three nights, that a workload's history must be
	// able to show for its pass to say anything.
	See float64
	// Waivers are used up in place.
	Waivers []Waiver
	Now     time.Time
}

// Defaults of the options that are numbers.
var Defaults = Options{Alpha: 0.01, Within: 0.02, See: 0.10}

// Finding is one workload held against the model or its history.
type Finding struct {
	Key     string  `json:"key"`
	Label   string  `json:"-"`
	Suite   string  `json:"suite"`
	Device  string  `json:"device"`
	UUID    string  `json:"device_uuid,omitempty"`
	Against string  `json:"against"`
	Outcome Outcome `json:"outcome"`
	// MeasuredS is the night's median, ExpectedS what it is held against: the
	// prediction, or the level of the nights before; Ratio is measured /
	// expected, and Limit the ratio beyond which it fails.
	MeasuredS float64 `json:"measured_s,omitempty"`
	ExpectedS float64 `json:"expected_s,omitempty"`
	Ratio     float64 `json:"ratio,omitempty"`
	Limit     float64 `json:"limit_ratio,omitempty"`
	// Against history: P is corrected for all workloads; Since is the first
	// night of the change, of Nights nights; Before counts those before it.
	P      *float64 `json:"p_adjusted,omitempty"`
	Since  string   `json:"since,omitempty"`
	Nights int      `json:"nights,omitempty"`
	Before int      `json:"nights_before,omitempty"`
	// Against the model: the tier, the known error that nine sound rows in ten
	// stay within, as a ratio, and the group whose it is. Limit is what 99 in 100
	// stay within: the known error and its margin.
	Tier       datasets.Tier `json:"tier,omitempty"`
	KnownError float64       `json:"known_error_ratio,omitempty"`
	Known      string        `json:"known_from,omitempty"`
	// Binds is the term that decides the prediction.
	Binds string `json:"binds,omitempty"`
	// Causes are what terms and conditions suggest, the likeliest first.
	Causes []string `json:"causes,omitempty"`
	// Why nothing can be told, in one sentence.
	Why       string `json:"why,omitempty"`
	Waiver    string `json:"waiver,omitempty"`
	Simulated bool   `json:"simulated"`

	row    *reports.Joined
	run    *datasets.Run
	past   []measured
	change Change
}

// SuiteCount is a suite's findings by outcome, against one of the two.
type SuiteCount struct {
	Suite   string          `json:"suite"`
	Device  string          `json:"device"`
	Against string          `json:"against"`
	Outcome Outcome         `json:"outcome"`
	Counts  map[Outcome]int `json:"counts"`
}

// Result is the gate's decision.
type Result struct {
	Outcome  Outcome
	Night    []datasets.Meta
	History  int
	Findings []Finding
	Suites   []SuiteCount
	Waivers  []Waiver
	Notes    []string
	Options  Options
}

// Gate judges a night's runs. The error is one of wrong usage.
func Gate(night, history []*datasets.Run, o Options) (*Result, error) {
	r := &Result{Options: o, Waivers: slices.Clone(o.Waivers)}
	for _, run := range night {
		r.Night = append(r.Night, run.Meta)
	}
	rows, err := reports.Predict(night, o.Tiers, o.Devices)
	if err != nil {
		return nil, err
	}
	h := newHistory(night, history, r)
	r.History = len(h.runs)
	if o.Model {
		if err := r.againstModel(night, rows, h); err != nil {
			return nil, err
		}
	}
	if len(history) > 0 {
		r.againstHistory(night, rows, h)
	}
	r.explain()
	r.waive()
	r.conclude()
	return r, nil
}

// finding begins a row's, and settles those whose measurement cannot support
// any.
func finding(j *reports.Joined, night []*datasets.Run, against string) Finding {
	m := &j.Row.Measurement
	f := Finding{Key: j.Key, Label: reports.Label(j.Row.Workload), Suite: string(j.Row.Workload.Suite()), Device: j.Row.DeviceID, UUID: j.Row.DeviceUUID,
		Against: against, Outcome: CantTell, Simulated: m.Source == datasets.SourceSimulated, row: j, run: night[j.Run]}
	switch {
	case m.Verdict == datasets.Failed:
		f.Outcome, f.Why = Fail, "the case failed: "+m.Reason
	case !m.Usable():
		f.Why = fmt.Sprintf("%s: %s", m.Verdict, m.Reason)
	default:
		f.MeasuredS = m.TimeS
		if w := compare.Withheld(m); len(w) > 0 {
			names := make([]string, len(w))
			for i, c := range w {
				names[i] = c.Name
			}
			f.Why = strings.Join(names, ", ")
			if m.Reason != "" {
				f.Why += ": " + m.Reason
			}
		}
	}
	return f
}

// waive lets failures pass that a waiver names.
func (r *Result) waive() {
	for i := range r.Waivers {
		w := &r.Waivers[i]
		seen := map[string]bool{}
		for j := range r.Findings {
			f := &r.Findings[j]
			if !w.Matches(f.Key) {
				continue
			}
			if !seen[f.Key] {
				seen[f.Key] = true
				w.Matched++
			}
			if f.Outcome != Fail {
				continue
			}
			if w.Expired {
				f.Waiver = fmt.Sprintf("a waiver expired on %s: %s", w.Until, w.Reason)
				continue
			}
			f.Outcome, f.Waiver = Waived, fmt.Sprintf("until %s: %s", w.Until, w.Reason)
			w.Used++
		}
	}
}

// conclude counts and decides. A suite passes if nothing in it failed and half
// of its workloads or more could be judged.
func (r *Result) conclude() {
	type id struct{ suite, device, against string }
	at := map[id]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		k := id{f.Suite, f.Device, f.Against}
		n, ok := at[k]
		if !ok {
			n = len(r.Suites)
			at[k] = n
			r.Suites = append(r.Suites, SuiteCount{Suite: f.Suite, Device: f.Device, Against: f.Against, Counts: map[Outcome]int{}})
		}
		r.Suites[n].Counts[f.Outcome]++
	}
	r.Outcome = Pass
	for i := range r.Suites {
		s := &r.Suites[i]
		total := 0
		for _, n := range s.Counts {
			total += n
		}
		switch {
		case s.Counts[Fail] > 0:
			s.Outcome = Fail
		case 2*s.Counts[CantTell] > total:
			s.Outcome = CantTell
		default:
			s.Outcome = Pass
		}
		if s.Outcome == Fail || s.Outcome == CantTell && r.Outcome == Pass {
			r.Outcome = s.Outcome
		}
	}
	if len(r.Findings) == 0 {
		r.Outcome = CantTell
		r.Notes = append(r.Notes, "Nothing could be held against anything.")
	}
	rank := map[Outcome]int{Fail: 0, Waived: 1, Improved: 2, CantTell: 3, Pass: 4}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank[a.Outcome], rank[b.Outcome]), cmp.Compare(math.Abs(math.Log(max(b.Ratio, 1e-9))), math.Abs(math.Log(max(a.Ratio, 1e-9)))))
	})
}
