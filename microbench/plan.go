package microbench

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"bench/datasets"
)

// Profile is how thorough a run is.
type Profile string

// Quick shows everything once, Standard is what error figures are taken from,
// Full sweeps the whole axes.
const (
	Quick    Profile = "quick"
	Standard Profile = "standard"
	Full     Profile = "full"
)

// Profiles lists the profiles, from the least thorough.
var Profiles = []Profile{Quick, Standard, Full}

// profileTime bounds all suites of a profile together, and caseTime one case.
// Full has no bound but its cases'.
var (
	profileTime = map[Profile]time.Duration{Quick: 56 * time.Second, Standard: 290 * time.Second}
	caseTime    = map[Profile]time.Duration{Quick: time.Second, Standard: 3 * time.Second, Full: 5 * time.Second}
)

// suite is a family of workloads, declared as axes: options replace an axis,
// and what they leave alone comes from the profile.
type suite struct {
	name datasets.Suite
	// share is the suite's part of a profile's time.
	share float64
	// takes names the options that the suite has an axis for.
	takes     []string
	workloads func(a *axes) ([]datasets.Workload, error)
}

// suites in the order in which they run: those that measure ceilings first.
var suites = []suite{hbmSuite, gemmSuite, allReduceSuite, decodeSuite, moeSuite}

// Options choose what to measure. The zero value is every suite of a profile.
type Options struct {
	Suites  []datasets.Suite
	Profile Profile
	// Time bounds the whole run instead of the profile's, where it is not 0.
	Time time.Duration

	// These replace an axis of the suites that have it. SizesBytes is the
	// working set of hbm and the buffer of allreduce; Batches the batch of
	// decode, the tokens of moe and the rows m of a skinny gemm.
	DTypes     []datasets.DType
	SizesBytes []int64
	Batches    []int64
	Contexts   []int64
	Models     []datasets.Model
	Ranks      []int
	// Processes measure together, one a GPU, on so many Nodes; 0 is this one alone.
	// Cases are then of all of them.
	Processes, Nodes int

	// ZipfExponent and Seed of the routings that draw, and a recorded routing
	// to replay beside them.
	ZipfExponent float64
	Seed         uint64
	Trace        *datasets.Trace
}

// axes is what a suite makes its workloads of.
type axes struct {
	Options
	dev *datasets.Device
	// all is every core or GPU of the device.
	all int
}

// Plan is what a run will measure.
type Plan struct {
	Profile   Profile
	Workloads []datasets.Workload
	// Time bounds the whole run, and is 0 where nothing but CaseTime does.
	Time time.Duration
	// CaseTime is the most that one case is given.
	CaseTime time.Duration
}

// NewPlan lists the workloads of a device. An option that no chosen suite has
// an axis for, a type that the device lacks, more ranks than it has, or options
// that leave nothing to measure are errors of one sentence.
func NewPlan(dev datasets.Device, o Options) (Plan, error) {
	if o.Profile == "" {
		o.Profile = Quick
	}
	if caseTime[o.Profile] == 0 {
		return Plan{}, fmt.Errorf("unknown profile %q: use one of %v", o.Profile, Profiles)
	}
	if len(o.Suites) == 0 {
		o.Suites = datasets.Suites
	}
	a := &axes{Options: o, dev: &dev, all: max(dev.Units, 1)}
	if dev.Kind == "gpu" {
		a.all = max(dev.NodeSize, 1)
	}
	if o.Processes > 0 {
		a.all, a.Ranks = o.Processes, []int{o.Processes}
	}
	if err := a.check(); err != nil {
		return Plan{}, err
	}
	p := Plan{Profile: o.Profile, CaseTime: caseTime[o.Profile]}
	seen := map[string]bool{}
	for _, s := range suites {
		if !slices.Contains(o.Suites, s.name) {
			continue
		}
		ws, err := s.workloads(a)
		if err != nil {
			return Plan{}, err
		}
		for _, w := range ws {
			if err := w.Validate(); err != nil {
				return Plan{}, err
			}
			if k := w.Key(); !seen[k] {
				seen[k] = true
				p.Workloads = append(p.Workloads, w)
			}
		}
		p.Time += time.Duration(s.share * float64(profileTime[o.Profile]))
	}
	if o.Time < 0 {
		return Plan{}, fmt.Errorf("the time of a run is %v, and must be positive", o.Time)
	}
	if o.Time > 0 {
		p.Time = o.Time
	}
	if len(p.Workloads) == 0 {
		return Plan{}, fmt.Errorf("nothing to measure: no case of %s has what the options ask for", joinNames(o.Suites))
	}
	return p, nil
}

// check refuses options that make no sense together or on the device.
func (a *axes) check() error {
	given := map[string]bool{"dtype": len(a.DTypes) > 0, "size": len(a.SizesBytes) > 0, "batch": len(a.Batches) > 0,
		"context": len(a.Contexts) > 0, "model": len(a.Models) > 0, "ranks": len(a.Ranks) > 0,
		"zipf-exponent": a.ZipfExponent != 0, "trace": a.Trace != nil}
	var taken []string
	for _, name := range a.Suites {
		i := slices.IndexFunc(suites, func(s suite) bool { return s.name == name })
		if i < 0 {
			return fmt.Errorf("unknown suite %q: use one of %s", name, joinNames(datasets.Suites))
		}
		taken = append(taken, suites[i].takes...)
	}
	for _, option := range []string{"dtype", "size", "batch", "context", "model", "ranks", "zipf-exponent", "trace"} {
		if given[option] && !slices.Contains(taken, option) {
			return fmt.Errorf("--%s has no meaning for suite %s", option, joinNames(a.Suites))
		}
	}
	for _, d := range a.DTypes {
		if _, ok := a.dev.PeakFLOPs[d]; !ok && len(a.dev.PeakFLOPs) > 0 && d != datasets.I64 {
			return fmt.Errorf("%s has no %s: use one of %s", a.dev.ID, d, joinNames(a.types()))
		}
	}
	for _, r := range a.Ranks {
		if r < 1 || r > a.all {
			return fmt.Errorf("%d ranks do not fit %s, which has %d %s: use 1 to %d", r, a.dev.ID, a.all, a.workerName(), a.all)
		}
	}
	for name, values := range map[string][]int64{"size": a.SizesBytes, "batch": a.Batches, "context": a.Contexts} {
		for _, v := range values {
			if v < 1 {
				return fmt.Errorf("--%s is %d, and must be at least 1", name, v)
			}
		}
	}
	if a.ZipfExponent < 0 || a.ZipfExponent > 10 {
		return fmt.Errorf("--zipf-exponent is %v, and must be between 0 and 10", a.ZipfExponent)
	}
	return nil
}

// types are those that the device can compute in, in the order of DTypes.
func (a *axes) types() []datasets.DType {
	var out []datasets.DType
	for _, d := range datasets.DTypes {
		if _, ok := a.dev.PeakFLOPs[d]; ok && d != datasets.FP4 { // of which there is no kernel
			out = append(out, d)
		}
	}
	return out
}

// oneAndAll is one worker and all of them, unless ranks were asked for.
func (a *axes) oneAndAll() []int {
	if len(a.Ranks) > 0 {
		return a.Ranks
	}
	if a.all == 1 {
		return []int{1}
	}
	return []int{1, a.all}
}

// values are an axis's in the quick, the standard and the full profile.
type values[T any] [3][]T

// pick returns what the options ask for, and else the profile's values on a host
// or on a GPU.
func pick[T any](a *axes, asked []T, host, gpu values[T]) []T {
	v := host
	if a.dev.Kind == "gpu" {
		v = gpu
	}
	return or(asked, v[slices.Index(Profiles, a.Profile)]...)
}

// doubles is from, twice as much, … up to to.
func doubles(from, to int64) []int64 { return multiples(from, to+1, 2) }

// multiples is from, by times as much, … below end.
func multiples(from, end, by int64) (out []int64) {
	for s := from; s < end; s *= by {
		out = append(out, s)
	}
	return out
}

// appendAll adds workloads of one type to a list of any.
func appendAll[W datasets.Workload](list []datasets.Workload, ws []W) []datasets.Workload {
	for _, w := range ws {
		list = append(list, w)
	}
	return list
}

// or returns what the options ask for, and else what the profile has.
func or[T any](asked []T, profile ...T) []T {
	if len(asked) > 0 {
		return asked
	}
	return profile
}

// Part is the plan of those workloads that keep accepts, with their share of the
// time.
func (p Plan) Part(keep func(datasets.Workload) bool) Plan {
	part := p
	part.Workloads = nil
	for _, w := range p.Workloads {
		if keep(w) {
			part.Workloads = append(part.Workloads, w)
		}
	}
	part.Time = time.Duration(float64(p.Time) * float64(len(part.Workloads)) / float64(max(len(p.Workloads), 1)))
	return part
}

// CaseBudget is the most that the plan gives a case on average.
func (p Plan) CaseBudget() time.Duration {
	if p.Time <= 0 {
		return p.CaseTime
	}
	return min(p.CaseTime, time.Duration(float64(p.Time)*mainShare)/time.Duration(max(len(p.Workloads), 1)))
}

// Estimate is the most that a run of the plan should take, repetitions
// included.
func (p Plan) Estimate() time.Duration {
	all := time.Duration(len(p.Workloads)) * p.CaseTime
	if p.Time <= 0 {
		return all
	}
	return min(all, p.Time)
}

// Hash is equal for plans that measure the same workloads under the same
// profile: 16 hexadecimal digits of a SHA-256.
func (p Plan) Hash() string {
	var b strings.Builder
	fmt.Fprintln(&b, p.Profile)
	for _, w := range p.Workloads {
		fmt.Fprintln(&b, w.Key())
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(b.String())))[:16]
}

func joinNames[T ~string](names []T) string {
	s := make([]string, len(names))
	for i, n := range names {
		s[i] = string(n)
	}
	return strings.Join(s, ", ")
}
