package microbench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"bench/datasets"
	"bench/probes"
)

// fakeBackend has a hidden truth for each workload and seeded noise on top.
// Time is its own: a batch moves the clock, and nothing sleeps.
type fakeBackend struct {
	rng   *rand.Rand
	clock time.Time
	// truth is the median of one operation, in seconds.
	truth func(datasets.Workload) float64
	noise float64
	// slow multiplies every time, the sentinel's too; it may look at how many
	// cases were prepared so far.
	slow     func(prepared int) float64
	wrong    map[string]int64
	panics   map[string]bool
	skips    map[string]string
	prepared map[string]int
	total    int
	closed   int
	steal    float64
}

func newFake(seed uint64) *fakeBackend {
	return &fakeBackend{
		rng: rand.New(rand.NewPCG(seed, 1)), clock: time.Unix(1e9, 0), noise: 0.01,
		truth:    func(w datasets.Workload) float64 { return 1e-6 + w.Bytes()*1e-10 },
		slow:     func(int) float64 { return 1 },
		wrong:    map[string]int64{},
		panics:   map[string]bool{},
		skips:    map[string]string{},
		prepared: map[string]int{},
	}
}

func (b *fakeBackend) Device() datasets.Device {
	return datasets.Device{ID: "fake", Kind: "cpu", Units: 2,
		PeakFLOPs: map[datasets.DType]datasets.Figure{datasets.FP64: {Value: 1e11}, datasets.FP32: {Value: 2e11}},
		Caches: []datasets.CacheLevel{{Level: 2, SizeBytes: datasets.Figure{Value: 1 << 20}},
			{Level: 3, SizeBytes: datasets.Figure{Value: 32 << 20}}}}
}

func (b *fakeBackend) spend(seconds float64) { b.clock = b.clock.Add(time.Duration(seconds * 1e9)) }

func (b *fakeBackend) Sentinel() (float64, error) {
	s := 2e-3 * b.slow(b.total) * math.Exp(0.005*b.rng.NormFloat64())
	b.spend(s)
	return s, nil
}

func (b *fakeBackend) Clock() Clock {
	return Clock{Name: "fake", ResolutionS: 1e-9, OverheadS: 20e-9}
}
func (b *fakeBackend) Environment() map[string]string { return nil }
func (b *fakeBackend) Close() error                   { return nil }

func (b *fakeBackend) Prepare(w datasets.Workload) (Case, error) {
	if s, ok := b.skips[w.Key()]; ok {
		return nil, &SkipError{s}
	}
	b.prepared[w.Key()]++
	b.total++
	return &fakeCase{b, w}, nil
}

type fakeCase struct {
	b *fakeBackend
	w datasets.Workload
}

func (c *fakeCase) Check() (Check, error) {
	return Check{Wrong: c.b.wrong[c.w.Key()], Checked: 100, MaxRelError: 1e-16, Bound: 1e-15}, nil
}

func (c *fakeCase) Batch(n int64) (Timing, error) {
	if c.b.panics[c.w.Key()] {
		panic("assignment to entry in nil map")
	}
	// Log-normal noise has the truth as its median.
	s := float64(n) * c.b.truth(c.w) * c.b.slow(c.b.total) * math.Exp(c.b.noise*c.b.rng.NormFloat64())
	c.b.spend(s)
	return Timing{Seconds: s}, nil
}

func (c *fakeCase) Implementation() (name, version string) { return "fake", "1" }
func (c *fakeCase) Close() error                           { c.b.closed++; return nil }

type fakeWatch struct{ b *fakeBackend }

func (fakeWatch) Sample() {}
func (f fakeWatch) End() probes.Telemetry {
	return probes.Telemetry{StealRatio: f.b.steal, CPUSeconds: 10, LoadAverage: 0.5}
}

func (b *fakeBackend) loop() *Loop {
	return &Loop{Backend: b, now: func() time.Time { return b.clock }, watch: func() watch { return fakeWatch{b} }}
}

// fakePlan is n reads of different sizes.
func fakePlan(n int) Plan {
	p := Plan{Profile: Quick, Time: time.Duration(n) * time.Second, CaseTime: time.Second}
	for i := range n {
		p.Workloads = append(p.Workloads, datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: int64(i+1) << 14, Ranks: 1})
	}
	return p
}

func keys(rows []datasets.Row) (out []string) {
	for _, r := range rows {
		out = append(out, r.Workload.Key())
	}
	return out
}

func describe(m datasets.Measurement) string {
	return fmt.Sprintf("%s %q flags %v stop %s n %d", m.Verdict, m.Reason, m.Flags, m.Stop, len(m.SamplesS))
}
